"""Accounts of many folders: what the server tells of all at once saves visits, and costs no message."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.errors import ThrottledError
from mailboxes.imap import ImapConnection
from mailboxes.messages import Location
from mailboxes.sync import plan, unchanged
from mailboxes.sync.auditing import ask_for_audit
from mailboxes.sync.claiming import claim_now
from mailboxes.sync.refetching import fetch_anyway
from tenants.database import db, now
from tests.dovecot import Dovecot
from tests.factories import World
from tests.faults.behaviours import drop, for_messages, in_folder, refuse
from tests.faults.imap_server import CAPABILITIES, Behaviour, Command, Session
from tests.faults.truth import Folder as There
from tests.mailboxes.arriving import letter
from tests.mailboxes.scripted import Scripted
from tests.mailboxes.served import Served

TELLING = f"{CAPABILITIES} CONDSTORE LIST-STATUS"
NAMES = [f"Box {number}" for number in range(3, 8)]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders are visited in each pass whatever is told: the inbox, and one whose turn it is."""
    for module in (plan, unchanged):
        monkeypatch.setattr(module, "FEW_FOLDERS", 2)


@pytest.fixture
def boxes(scripted: Scripted) -> Scripted:
    """The inbox and five folders with a message each, all stored, of a server that tells of all at once."""
    scripted.server.capabilities = TELLING
    for name in ("INBOX", *NAMES):
        scripted.add(f"In {name}", name)
    scripted.sync()
    scripted.choose_all()
    for _ in range(2):
        scripted.sync()
    return scripted


def opened(boxes: Scripted) -> list[str]:
    """The folders that a pass opens, each once."""
    boxes.server.commands.clear()
    boxes.sync()
    names = [c.arguments.split(b'"')[1].decode() for c in boxes.server.commands if c.verb == "EXAMINE"]
    return list(dict.fromkeys(names))


def stored_flags(boxes: Scripted, subject_uid: int, name: str) -> list[str]:
    with boxes.inside(boxes.world):
        query = (
            select(Location.flags)
            .join(Arrival, Arrival.id == Location.arrival_id)
            .join(Folder, Folder.id == Arrival.folder_id)
        )
        return list(db.session.scalars(query.where(Folder.name == name, Arrival.uid == subject_uid)).one())


def set_of(boxes: Scripted, name: str, **values: Any) -> None:
    with boxes.inside(boxes.world):
        db.session.execute(update(Folder).where(Folder.name == name).values(**values))
        db.session.commit()


def test_what_is_told_to_be_as_it_was_is_opened_in_its_turn_alone(boxes: Scripted) -> None:
    turns = [opened(boxes) for _ in NAMES]
    assert all(len(turn) == 2 and turn[0] == "INBOX" for turn in turns)
    assert {name for _, name in turns} == set(NAMES)


def test_new_mail_flags_and_removals_are_followed_with_the_next_pass(boxes: Scripted) -> None:
    boxes.add("New", "Box 3")
    boxes.server.folder("Box 4").flag(1, "\\Seen")
    boxes.server.folder("Box 5").remove(1)
    assert {"Box 3", "Box 4", "Box 5"} <= set(opened(boxes))
    assert "New" in boxes.subjects()
    assert stored_flags(boxes, 1, "Box 4") == ["\\Seen"]
    assert len(opened(boxes)) == 2
    boxes.settle()


def test_mail_that_is_counted_before_it_is_found_comes_with_the_next_pass(boxes: Scripted) -> None:
    def behind(session: Session, command: Command) -> bool:
        session.line(b"* SEARCH 1")
        session.done(command)
        return True

    boxes.server.on("SEARCH", in_folder("Box 3", behind))
    boxes.add("New", "Box 3")
    boxes.sync()
    boxes.server.heal()
    boxes.sync()
    assert "New" in boxes.subjects()


def test_where_no_changes_of_flags_are_told_only_what_is_empty_is_left_out(boxes: Scripted) -> None:
    boxes.server.folder("Box 6").remove(1)
    boxes.server.capabilities = TELLING.replace(" CONDSTORE", "")
    boxes.sync()
    boxes.server.folder("Box 4").messages[1].flags = ["\\Seen"]
    assert set(opened(boxes)) >= {"INBOX", *NAMES} - {"Box 6"}
    assert stored_flags(boxes, 1, "Box 4") == ["\\Seen"]
    assert any("Box 6" not in opened(boxes) for _ in range(2))


def telling(line: Callable[[Session, bytes, There], bytes | None]) -> Behaviour:
    """Tell of each folder by this line, or not at all."""

    def behave(session: Session, command: Command) -> bool:
        if b"STATUS (" not in command.arguments:
            return False
        for name, folder in session.server.folders.items():
            session.line(b'* LIST () "/" "%s"' % name)
            if (told := line(session, b'"%s"' % name, folder)) is not None:
                session.line(told)
        session.done(command)
        return True

    return behave


def test_a_folder_of_which_nothing_is_told_is_visited(boxes: Scripted) -> None:
    def without(session: Session, name: bytes, folder: There) -> bytes | None:
        return None if b"Box 7" in name else session.status_line(name, folder)

    boxes.server.on("LIST", telling(without))
    assert all("Box 7" in opened(boxes) for _ in range(3))
    assert sum("Box 6" in opened(boxes) for _ in range(3)) <= 1


def test_numbers_that_stand_still_hold_up_mail_for_as_many_passes_as_there_are_turns(boxes: Scripted) -> None:
    said = {name: session_line(boxes, name) for name in ("INBOX", *NAMES)}
    boxes.server.on("LIST", telling(lambda session, name, folder: said[name.decode().strip('"')]))
    for name in NAMES:
        boxes.add(f"New in {name}", name)
    for _ in NAMES:
        boxes.sync()
    assert {f"New in {name}" for name in NAMES} <= set(boxes.subjects())


def session_line(boxes: Scripted, name: str) -> bytes:
    folder = boxes.server.folder(name)
    told = f"MESSAGES {len(folder.messages)} UIDNEXT {folder.uid_next} UIDVALIDITY {folder.uid_validity}"
    return f'* STATUS "{name}" ({told} HIGHESTMODSEQ {folder.mod_seq})'.encode()


def test_a_server_that_tells_of_less_than_there_was_is_not_asked_for_a_day(boxes: Scripted) -> None:
    said = {name: session_line(boxes, name) for name in ("INBOX", *NAMES)}
    boxes.server.on("LIST", telling(lambda session, name, folder: said[name.decode().strip('"')]))
    boxes.add("New in INBOX")
    boxes.sync()  # the inbox is opened whatever is told, and has more than that since
    boxes.add("New in Box 5", "Box 5")
    assert set(opened(boxes)) == {"INBOX", *NAMES}
    assert "New in Box 5" in boxes.subjects()
    assert set(opened(boxes)) == {"INBOX", *NAMES}
    assert not any(b"STATUS (" in c.arguments for c in boxes.server.commands)
    boxes.server.heal()
    with boxes.inside(boxes.world):
        db.session.execute(update(Account).values(statuses_untold_at=now() - timedelta(days=2)))
        db.session.commit()
    assert len(opened(boxes)) == 2


@pytest.mark.parametrize(("fails", "is_remembered"), [(refuse("BAD what"), False), (drop, True)])
def test_a_server_that_fails_by_the_question_is_read_as_ever(
    boxes: Scripted, fails: Behaviour, is_remembered: bool
) -> None:
    boxes.server.on("LIST", lambda s, c: b"STATUS (" in c.arguments and fails(s, c))
    boxes.add("New", "Box 5")
    for _ in range(2):
        assert set(opened(boxes)) == {"INBOX", *NAMES}
    assert any(b"STATUS (" in c.arguments for c in boxes.server.commands) is not is_remembered
    assert "New" in boxes.subjects()


def test_a_server_that_lets_nobody_in_after_the_question_is_not_asked_it_in_the_next_pass(
    boxes: Scripted,
) -> None:
    def shut_out(session: Session, command: Command) -> bool:
        if b"STATUS (" not in command.arguments:
            return False
        session.server.on("LOGIN", refuse("NO [UNAVAILABLE] later"), times=1)
        return drop(session, command)

    boxes.server.on("LIST", shut_out)
    boxes.add("New", "Box 5")
    assert boxes.sync().error is not None
    assert set(opened(boxes)) == {"INBOX", *NAMES}
    assert "New" in boxes.subjects()


def test_a_server_that_is_asked_too_much_by_the_question_is_left_alone_and_not_asked_it_again(
    boxes: Scripted,
) -> None:
    too_much = refuse("NO [THROTTLED] slowly")
    boxes.server.on("LIST", lambda s, c: b"STATUS (" in c.arguments and too_much(s, c))
    boxes.add("New", "Box 5")
    assert isinstance(boxes.sync().error, ThrottledError)
    with boxes.inside(boxes.world):
        db.session.execute(update(Account).values(quiet_until=None))
        db.session.commit()
    assert set(opened(boxes)) == {"INBOX", *NAMES}
    assert "New" in boxes.subjects()


def test_folders_that_are_left_alone_take_no_turn_of_others(boxes: Scripted) -> None:
    left = {"left_alone_until": now() + timedelta(minutes=9), "visited_at": now() - timedelta(days=9)}
    set_of(boxes, "Box 3", **left)
    turns = [opened(boxes) for _ in NAMES]
    assert {name for turn in turns for name in turn} == {"INBOX", *NAMES} - {"Box 3"}


def test_a_folder_that_was_to_be_left_alone_by_a_clock_that_was_set_back_is_read(boxes: Scripted) -> None:
    boxes.add("New", "Box 3")
    set_of(boxes, "Box 3", left_alone_until=now() + timedelta(days=300))
    boxes.sync()
    assert "New" in boxes.subjects()


def test_what_somebody_asks_for_is_a_reason_to_visit(boxes: Scripted) -> None:
    withheld = in_folder("Box 3", for_messages(lambda session, uid, good: None))
    boxes.server.on("FETCH", withheld)
    boxes.add("Withheld", "Box 3")
    boxes.sync()
    boxes.server.heal()
    with boxes.inside(boxes.world):
        db.session.execute(update(Arrival).values(arrived_at=now() - timedelta(days=3)))
        assert sum(fetch_anyway().values()) == 1
        db.session.commit()
    assert "Box 3" in opened(boxes)
    assert "Withheld" in boxes.subjects()
    for values in ({"history_floor": None}, {"compared_at": None}, {"flags_uid": 1}, {"last_error": "No."}):
        set_of(boxes, "Box 6", **values)
        assert "Box 6" in opened(boxes), values
    with boxes.inside(boxes.world):
        ask_for_audit(boxes.mailbox.account_id)
        db.session.commit()
    assert set(opened(boxes)) == {"INBOX", *NAMES}


def test_where_an_account_reads_few_folders_none_is_asked_of_all(
    boxes: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "FEW_FOLDERS", 6)
    assert set(opened(boxes)) == {"INBOX", *NAMES}
    assert not any(b"STATUS (" in c.arguments for c in boxes.server.commands)


def test_new_mail_of_the_inbox_does_not_wait_until_all_folders_were_visited(
    app: Any, boxes: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.visiting.LOOK_SECONDS", 0.0)
    boxes.server.capabilities = TELLING.replace(" LIST-STATUS", "")

    def call(session: Session, command: Command) -> bool:
        boxes.add("New")
        with app.app_context():
            assert claim_now(boxes.mailbox.account_id) is None
        return False

    boxes.server.on("EXAMINE", call, nth=4, times=1)
    boxes.server.commands.clear()
    boxes.sync()
    names = [c.arguments.split(b'"')[1] for c in boxes.server.commands if c.verb == "EXAMINE"]
    assert [at for at, name in enumerate(names) if name == b"INBOX"] == [0, 4]
    assert "New" in boxes.subjects()


@pytest.mark.dovecot
def test_dovecot_tells_of_all_that_happens(
    app: Any, dovecot: Dovecot, ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(app, dovecot, ours, inside, history="all")
    names = ["INBOX", *NAMES]
    for name in names:
        served.append(letter(f"In {name}"), name)
    served.sync()
    served.choose(*NAMES)
    for _ in range(2):
        served.sync()
    examined, usual = list[str](), ImapConnection.examine

    def examine(imap: ImapConnection, folder_raw: bytes) -> Any:
        examined.append(folder_raw.decode())
        return usual(imap, folder_raw)

    monkeypatch.setattr(ImapConnection, "examine", examine)
    for _ in NAMES:
        examined.clear()
        served.sync()
        assert len(set(examined)) == 2
    served.append(letter("New"), "Box 3")
    with served.server.session(served.user) as other:
        other.select('"Box 4"')
        other.uid("STORE", "1", "+FLAGS", r"(\Seen)")
        other.select('"Box 5"')
        other.uid("STORE", "1", "+FLAGS", r"(\Deleted)")
        other.expunge()
    examined.clear()
    report = served.sync()
    assert (report.new_count, report.changed_count, report.vanished_count) == (1, 1, 1)
    examined.clear()
    served.sync()
    assert len(set(examined)) == 2
