"""Rows F36 to F43, F45 and F48: folders of every kind, copies, and what others do meanwhile."""

import os
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailboxes.messages import Location
from tenants.database import db, inside
from tests.faults.behaviours import tell_then
from tests.faults.faults import behaviour, change, demand
from tests.faults.imap_server import Command, Session
from tests.faults.stage import INBOX, PROJECTS, Stage
from tests.mailboxes.arriving import letter

if TYPE_CHECKING:
    from tests.faults.scenario import Happened

FLOOD = int(os.environ.get("FLOOD") or 25)  # the bench takes a thousand
ODD_NAMES = (
    b'* LIST (\\HasNoChildren) "/" "INBOX"',
    b'* LIST () "/" "Projects"',
    b'* LIST () "/" "broken &AMQ"',
    b'* LIST () "/" "latin \xfc"',
    b'* LIST () "/" "\xc3\xbcber"',
    b'* LIST () "/" "with \\"quotes\\" and \\\\"',
    b'* LIST () "/" {9}\r\nliterally',
    b'* LIST () "/" "tab\there"',
    b'* LIST () "/" NIL',
    b'* LIST () "/" ""',
    b'* LIST () "/" ' + b"x" * 1000,
    b'* LIST () "/" {4}\r\na\r\nb',
    b"* LIST nonsense",
    b"* LIST",
)
ODD_TREES = (
    b'* LIST (\\HasNoChildren) "/" inbox',
    b'* LIST () "." "INBOX.Sub.Deeper"',
    b'* LIST () "\\\\" "Windows\\\\Like"',
    b'* LIST () NIL "Flat"',
    b'* LIST (\\Noselect) "/" "[Gmail]"',
    b'* LIST (\\NonExistent) "/" "Ghost"',
    b'* LIST () "/" "Projects"',
    b'* LIST () "/" "Projects"',
    b'* LIST () "/" "Other Users/jim"',
    b'* LIST (\\Sent) "/" "Gesendet"',
)


@change("F36", "names that are broken, raw, quoted, literal, empty, endless")
def odd_names(stage: Stage) -> None:
    stage.server.list_lines = list(ODD_NAMES)


@change("F37/trees", "separators, prefixes, shared namespaces, an inbox in lower case, doubles")
def odd_trees(stage: Stage) -> None:
    stage.server.folders[b"inbox"] = stage.server.folders[b"INBOX"]
    stage.server.list_lines = list(ODD_TREES)


@change("F37/many", "ten thousand folders")
def many_folders(stage: Stage) -> None:
    lines = [b'* LIST () "/" "Folder %d"' % number for number in range(10_000)]
    stage.server.list_lines = [*lines, b'* LIST () "/" INBOX', b'* LIST () "/" Projects']


@demand("F36")
@demand("F37")
def no_name_costs_a_message(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    assert happened.report.error is None
    assert stage.count_in(PROJECTS) == len(stage.server.folder(PROJECTS).messages)


@demand("F37/trees")
def an_inbox_is_an_inbox_in_any_case(stage: Stage, happened: "Happened") -> None:
    assert stage.arrivals().keys() >= set(stage.server.folder(INBOX).uids())


@change("F38/deleted", "a folder is deleted")
def deleted(stage: Stage) -> None:
    del stage.server.folders[b"Projects"]


@behaviour("F38/meanwhile", "a folder is deleted while we read", at="EXAMINE")
def deleted_meanwhile(session: Session, command: Command) -> bool:
    session.server.folders.pop(b"Projects", None)
    return False


@change("F38/recreated", "a folder is deleted and made anew")
def recreated(stage: Stage) -> None:
    del stage.server.folders[b"Projects"]
    stage.server.folder(PROJECTS).uid_validity = 7
    stage.fill(PROJECTS, 2)


@change("F38/noselect", "a folder becomes \\Noselect")
def noselect(stage: Stage) -> None:
    stage.server.list_lines = [b'* LIST () "/" INBOX', b'* LIST (\\Noselect) "/" Projects']


@change("F38/renamed", "a folder is renamed")
def renamed(stage: Stage) -> None:
    stage.server.folders[b"Undertakings"] = stage.server.folders.pop(b"Projects")


@demand("F38", phases=("incremental",), when_healed=True)
def what_is_stored_stays(stage: Stage, happened: "Happened") -> None:
    assert set(stage.subjects()) >= {"Letter 6", "Letter 7"}  # of Projects, from the first sync


@demand("F38/deleted", phases=("incremental",), when_healed=True)
@demand("F38/renamed", phases=("incremental",), when_healed=True)
def a_folder_that_is_gone_says_so(stage: Stage, happened: "Happened") -> None:
    with inside(stage.world.id):
        folder = stage.folders()[PROJECTS]
        assert folder.gone_at is not None
        assert "no longer on the server" in folder.last_error


@change("F39/labels", "the same message in several folders, as labels are")
def labels(stage: Stage) -> None:
    inbox, projects = stage.server.folder(INBOX), stage.server.folder(PROJECTS)
    for uid in inbox.uids():
        projects.add(inbox.messages[uid].raw)


@change("F39/moved", "a message is moved to another folder, and copied back")
def moved(stage: Stage) -> None:
    inbox, projects = stage.server.folder(INBOX), stage.server.folder(PROJECTS)
    uid = inbox.uids()[-1]
    raw = inbox.messages[uid].raw
    inbox.remove(uid)
    projects.add(raw)
    stage.sync()
    inbox.add(raw)


@demand("F39", when_healed=True)
def one_message_has_many_places(stage: Stage, happened: "Happened") -> None:
    messages, _, _ = stage.oracle.records()
    assert messages == stage.letter_count
    with inside(stage.world.id):
        places = db.session.scalars(select(Location.id)).all()
    assert len(places) > messages


@change("F40", "the same message in two mailboxes, and at the neighbour's")
def two_mailboxes(stage: Stage) -> None:
    stage.make_neighbours()


@demand("F40", when_healed=True)
def each_mailbox_has_a_message_of_its_own(stage: Stage, happened: "Happened") -> None:
    stage.demand_neighbours_have_the_same()


@behaviour("F42", "others flag and remove messages while we read", at="FETCH")
def others_change(session: Session, command: Command) -> bool:
    folder = session.folder
    uids = folder.uids()
    if len(uids) > 2:
        folder.flag(uids[0], "\\Seen", "\\Flagged", "$Forwarded", "keyword")
        folder.remove(uids[1])
    return False


UNASKED = b"* 17 EXISTS\r\n* 1 RECENT\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* 2 EXPUNGE\r\n* FLAGS (\\Seen)\r\n"
behaviour("F43/fetch", "unasked news before the answer")(tell_then(UNASKED))
behaviour("F43/search", "unasked news before the answer", "SEARCH")(tell_then(UNASKED))


@behaviour("F43/between", "unasked news between the answers")
def between(session: Session, command: Command) -> bool:
    wanted, _, items = command.arguments.partition(b" ")
    for uid in session.folder.asked(wanted.decode()):
        session.send(UNASKED + session.fetch_answer(uid, items))
    session.done(command)
    return True


@demand("F43")
def news_that_nobody_asked_for_do_no_harm(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    assert happened.report.error is None
    assert stage.count_in(PROJECTS) == len(stage.server.folder(PROJECTS).messages)


@behaviour("F45/tag", "another tag")
def wrong_tag(session: Session, command: Command) -> bool:
    session.line(b"ZZZ99 OK done")
    return True


@behaviour("F45/plus", "a stray plus sign")
def stray_plus(session: Session, command: Command) -> bool:
    session.line(b"+ go on")
    return False


@behaviour("F45/bare", "a tagged answer without text", at="*")
def bare_ok(session: Session, command: Command) -> bool:
    if command.verb not in {"NOOP", "LOGIN"}:
        return False
    session.line(f"{command.tag} OK".encode())
    return True


@behaviour("F48", "many new messages come in while the first ones are read")
def flood_of_mail(session: Session, command: Command) -> bool:
    inbox = session.server.folder(INBOX)
    if b"BODY" in command.arguments and len(inbox.messages) < 20:
        for number in range(FLOOD):
            inbox.add(letter(f"Flood {number}", message_id=f"flood{number}@x"))
    return False
