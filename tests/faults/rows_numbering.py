"""Rows F1 to F8: numbers of folders and messages that change, repeat, vanish or lie."""

import itertools
from typing import TYPE_CHECKING

from tests.faults.behaviours import for_messages
from tests.faults.faults import behaviour, change, demand, newest
from tests.faults.imap_server import Command, Session
from tests.faults.stage import INBOX, PROJECTS, Stage
from tests.faults.truth import Folder

if TYPE_CHECKING:
    from tests.faults.scenario import Happened


def renumber(folder: Folder) -> None:
    """Another UIDVALIDITY, and every message under another UID."""
    messages = [folder.messages[uid] for uid in folder.uids()]
    folder.uid_validity += 1
    folder.uid_next = 101 + len(messages)
    folder.messages = dict(enumerate(messages, 101))


@change("F1/before", "UIDVALIDITY has changed since the last pass")
def renumbered_before(stage: Stage) -> None:
    renumber(stage.server.folder(INBOX))


@change("F1/exchanged", "UIDVALIDITY has changed, and the same UIDs name other messages")
def exchanged_before(stage: Stage) -> None:
    inbox = stage.server.folder(INBOX)
    uids = inbox.uids()
    inbox.uid_validity += 1
    inbox.messages = dict(zip(uids, [inbox.messages[uid] for uid in reversed(uids)], strict=True))


@behaviour("F1/during", "UIDVALIDITY changes in the middle of a pass", at="EXAMINE")
def renumbered_during(session: Session, command: Command) -> bool:
    if b"INBOX" in command.arguments and session.server.verbs().count("EXAMINE") == 3:
        renumber(session.server.folder(INBOX))
    return False


@demand("F1", phases=("incremental",), when_healed=True)
def nothing_is_new_because_it_is_seen_again(stage: Stage, happened: "Happened") -> None:
    messages, convertible, _ = stage.oracle.records()
    assert messages == stage.letter_count
    assert stage.lead_count() == convertible == 3  # those of the day, and no other


@behaviour("F2", "UIDVALIDITY is another one at each opening", at="EXAMINE")
def flips(session: Session, command: Command) -> bool:
    if b"INBOX" in command.arguments:
        session.server.folder(INBOX).uid_validity += 1
    return False


@demand("F2", phases=("incremental",))
def another_folder_is_not_held_up(stage: Stage, happened: "Happened") -> None:
    assert stage.count_in(PROJECTS) == len(stage.server.folder(PROJECTS).messages)


def _opened_with(session: Session, command: Command, validity: bytes) -> bool:
    """EXAMINE answered with this line in place of UIDVALIDITY."""
    folder = session.server.folders.get(command.arguments.split(b'"')[1])
    if folder is None:
        return False
    session.selected = folder
    session.line(b"* %d EXISTS" % len(folder.messages))
    if validity:
        session.line(b"* OK [UIDVALIDITY %s] valid" % validity)
    session.line(b"* OK [UIDNEXT %d] next" % folder.uid_next)
    session.done(command, "[READ-ONLY] open")
    return True


@behaviour("F3/none", "no UIDVALIDITY", at="EXAMINE")
def without_validity(session: Session, command: Command) -> bool:
    return _opened_with(session, command, b"")


@behaviour("F3/zero", "UIDVALIDITY 0", at="EXAMINE")
def zero_validity(session: Session, command: Command) -> bool:
    return _opened_with(session, command, b"0")


@behaviour("F3/huge", "UIDVALIDITY beyond 32 bits", at="EXAMINE")
def huge_validity(session: Session, command: Command) -> bool:
    return _opened_with(session, command, b"4294967297")


@change("F3/same", "two folders with the same UIDVALIDITY and the same UIDs")
def same_validity(stage: Stage) -> None:
    folders = stage.server.folders
    assert folders[b"INBOX"].uid_validity == folders[b"Projects"].uid_validity


@behaviour("F4/order", "SEARCH without order and with repetitions", at="SEARCH")
def disordered(session: Session, command: Command) -> bool:
    found = [*reversed(session.folder.uids()), *session.folder.uids()]
    session.line(b"* SEARCH" + b"".join(b" %d" % uid for uid in found))
    session.done(command)
    return True


@behaviour("F4/fetch", "FETCH answers without order and with repetitions")
def disordered_fetch(session: Session, command: Command) -> bool:
    wanted, _, items = command.arguments.partition(b" ")
    uids = session.folder.asked(wanted.decode())
    for uid in [*reversed(uids), *uids]:
        session.send(session.fetch_answer(uid, items))
    session.done(command)
    return True


@change("F4/gaps", "UIDs with wide gaps")
def gaps(stage: Stage) -> None:
    for uid in (1_000, 900_000, 4_294_967_290):
        stage.add(INBOX, uid=uid)


@change("F5", "a message appears below the cursor, as from a backup")
def below_the_cursor(stage: Stage) -> None:
    inbox = stage.server.folder(INBOX)
    inbox.uid_next += 3
    high = stage.add(INBOX)
    stage.sync()
    stage.add(INBOX, uid=high - 2)


@change("F5/exchanged", "a message appears below the cursor while another one goes: the count stays")
def exchanged_below_the_cursor(stage: Stage) -> None:
    below_the_cursor(stage)
    inbox = stage.server.folder(INBOX)
    inbox.remove(inbox.uids()[0])


@change("F6/emptied", "the folder is emptied and numbers from 1 again, under the same UIDVALIDITY")
def emptied(stage: Stage) -> None:
    inbox = stage.server.folder(INBOX)
    for uid in list(inbox.uids()):
        inbox.remove(uid)
    inbox.uid_next = 1


@change("F6/reused", "the folder is emptied and gives the same UIDs to other messages")
def reused(stage: Stage) -> None:
    emptied(stage)
    stage.add(INBOX, date="24-Nov-2026 10:00:00 +0000")
    stage.add(INBOX, date="24-Nov-2026 10:00:00 +0000")


@change("F6/reused-later", "the folder is seen empty, and then gives the same UIDs to other messages")
def reused_later(stage: Stage) -> None:
    emptied(stage)
    stage.sync()
    stage.fill(INBOX, 8)


@change("F6/returned", "a message goes, and later another one lies under its UID")
def another_one_returns(stage: Stage) -> None:
    inbox = stage.server.folder(INBOX)
    uid = inbox.uids()[0]
    inbox.remove(uid)
    stage.sync()
    stage.add(INBOX, uid=uid)


@change("F6/anew", "the folder is emptied and numbers from 1 again, under another UIDVALIDITY")
def emptied_anew(stage: Stage) -> None:
    emptied(stage)
    stage.server.folder(INBOX).uid_validity += 1
    stage.fill(INBOX, 2)


@behaviour("F6/zero", "UID 0 is refused", at="*")
def refuses_zero(session: Session, command: Command) -> bool:
    if command.verb in {"SEARCH", "FETCH"} and b" 0:" in b" " + command.arguments:
        session.line(f"{command.tag} BAD invalid UID".encode())
        return True
    return False


@demand("F6/zero")
def nobody_asks_for_it(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    assert happened.report.error is None


@behaviour("F7/empty", "a message vanishes between SEARCH and FETCH, which says OK")
def vanishes(session: Session, command: Command) -> bool:
    inbox = session.server.folder(INBOX)
    if session.selected is inbox and b"BODY" in command.arguments and len(inbox.messages) > 1:
        inbox.remove(inbox.uids()[-1])
        session.server.heal()
    return False


@behaviour("F7/no", "a message vanishes between SEARCH and FETCH, which says NO")
def vanishes_with_no(session: Session, command: Command) -> bool:
    vanishes(session, command)
    session.line(f"{command.tag} NO Some of the requested messages no longer exist.".encode())
    session.server.heal()
    return True


@behaviour("F8", "FETCH says OK and hands out nothing, though the messages are there")
def no_data(session: Session, command: Command) -> bool:
    session.done(command)
    return True


@demand("F8")
def an_empty_answer_removes_nothing(stage: Stage, happened: "Happened") -> None:
    """What is not handed out is known, with its reason, and not taken for gone."""
    assert set(stage.server.folder(INBOX).uids()) <= stage.arrivals().keys()


@behaviour("F10", "FETCH answers without UID")
def without_uid(session: Session, command: Command) -> bool:
    def nameless(session: Session, uid: int, good: bytes) -> bytes:
        return good.replace(b"(UID %d " % uid, b"(", 1)

    return for_messages(nameless)(session, command)


@behaviour("F11", "FETCH answers for another UID")
def another_uid(session: Session, command: Command) -> bool:
    other = itertools.count(70_000)

    def foreign(session: Session, uid: int, good: bytes) -> bytes:
        return good.replace(b"(UID %d " % uid, b"(UID %d " % next(other), 1)

    return for_messages(foreign)(session, command)


@demand("F11")
def no_foreign_uid_is_stored(stage: Stage, happened: "Happened") -> None:
    assert all(uid <= newest(stage) for uid in stage.arrivals())
