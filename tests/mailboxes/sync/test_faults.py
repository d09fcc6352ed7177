"""Passes over a server that misbehaves: no other message or account suffers, and all of it heals.

The ids are those of reliability §2. What a single command may meet is tested with the connection, and what
keeps one folder from being read in `test_troubled_folders`.
"""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.messages import Message
from tenants.database import db, now
from tests.faults.behaviours import drop, refuse, reply
from tests.faults.imap_server import Command, Session
from tests.mailboxes.scripted import Scripted
from tests.mailboxes.sync.happening import without_validity


def test_a_server_without_uidvalidity_is_read_by_content(scripted: Scripted) -> None:  # F3
    scripted.server.on("EXAMINE", without_validity)
    for number in range(3):
        scripted.add(f"Number {number}")
        assert scripted.sync().error is None
    assert scripted.subjects() == ["Number 0", "Number 1", "Number 2"]


@pytest.mark.parametrize("verb", ["LOGIN", "CAPABILITY", "EXAMINE", "SEARCH", "FETCH"])
@pytest.mark.parametrize(
    "behaviour",
    [drop, reply(b"* BYE going down\r\n"), refuse("NO [UNAVAILABLE] later")],
    ids=["cut", "bye", "no"],
)
def test_a_pass_that_breaks_off_is_continued(
    scripted: Scripted, verb: str, behaviour: Any
) -> None:  # F22-F25
    for number in range(3):
        scripted.add(f"Number {number}")
    scripted.server.on(verb, behaviour)
    report = scripted.sync()
    assert report.error is not None
    with scripted.inside(scripted.world):
        account = scripted.account()
        assert (account.state, account.failure_count) == ("failing", 1)
        assert account.last_error
        assert account.next_attempt_at > now() + timedelta(seconds=15)
    scripted.settle()
    assert scripted.subjects() == ["Number 0", "Number 1", "Number 2"]


def test_uids_out_of_order_and_repeated_are_sorted(scripted: Scripted) -> None:  # F4
    scripted.sync()
    for number in range(3):
        scripted.add(f"Number {number}")
    scripted.server.on("SEARCH", reply(b"* SEARCH 3 1 2 3 1\r\n{tag} OK\r\n"), times=1)
    assert scripted.sync().new_count == 3
    scripted.settle()


def test_mail_below_the_cursor_is_found_by_the_daily_comparison(scripted: Scripted) -> None:  # F5
    scripted.add("Five", uid=5)
    scripted.sync()
    scripted.add("Three", uid=3)
    scripted.settle()
    assert scripted.subjects() == ["Five", "Three"]


def test_uidnext_is_a_hint_and_what_comes_below_it_is_new_mail(scripted: Scripted) -> None:  # F4
    old = scripted.add("Old", date="01-Jan-2020 10:00:00 +0000")
    scripted.server.folder().uid_next = 1_000
    scripted.sync()
    scripted.server.folder().remove(old)  # so that the number of messages tells nothing
    scripted.add("New", uid=2, date=now().strftime("%d-%b-%Y %H:%M:%S +0000"))
    assert scripted.sync().new_count == 1
    with scripted.inside(scripted.world):
        found = db.session.execute(select(Message.subject, Message.may_convert).order_by(Message.subject))
        assert found.all() == [("New", True), ("Old", False)]


def test_an_emptied_folder_whose_uids_begin_anew_goes_on(scripted: Scripted) -> None:  # F6
    scripted.add("Old")
    scripted.sync()
    folder = scripted.server.folder()
    folder.messages.clear()
    folder.uid_next, folder.uid_validity = 1, 2
    scripted.sync()
    scripted.add("New")
    scripted.settle()
    assert scripted.subjects() == ["New", "Old"]


def test_a_message_that_vanishes_between_search_and_fetch_is_no_failure(scripted: Scripted) -> None:  # F7
    scripted.sync()
    uid = scripted.add("Vanishes")
    scripted.add("Stays")

    def vanish(session: Session, command: Command) -> bool:
        session.server.folder().messages.pop(uid, None)
        return False

    scripted.server.on("FETCH", vanish)
    report = scripted.sync()
    assert (report.error, report.new_count) == (None, 1)
    scripted.settle()
    assert scripted.subjects() == ["Stays"]


def test_a_message_without_content_is_recorded_and_the_next_ones_go_on(scripted: Scripted) -> None:  # F9
    scripted.sync()
    bad = scripted.add("Bad")
    scripted.add("Good")

    def nothing_of_the_bad_one(session: Session, command: Command) -> bool:
        if b"BODY" not in command.arguments:
            return False
        for uid in session.folder.asked(command.arguments.split()[0].decode()):
            if uid == bad:
                session.send(b"* 1 FETCH (UID %d BODY[] NIL)\r\n" % uid)
            else:
                session.send(session.fetch_answer(uid, command.arguments))
        session.done(command)
        return True

    scripted.server.on("FETCH", nothing_of_the_bad_one)
    assert scripted.sync().error is None
    with scripted.inside(scripted.world):
        states = dict(db.session.execute(select(Arrival.uid, Arrival.state)).all())
    assert states[bad] == "unfetchable"
    assert "Good" in scripted.subjects()


def test_messages_that_break_the_connection_each_time_stop_no_folder(scripted: Scripted) -> None:  # F9
    bad = {scripted.add(f"Bad {number}") for number in range(6)}
    scripted.add("Good")

    def hang_up_over_the_bad(session: Session, command: Command) -> bool:
        asked = session.folder.asked(command.arguments.split()[0].decode())
        return bool(b"BODY" in command.arguments and bad & set(asked)) and drop(session, command)

    scripted.server.on("FETCH", hang_up_over_the_bad)
    for _ in range(6):
        scripted.sync()
    assert scripted.subjects() == ["Good"]


def test_what_fails_on_our_side_is_told_and_backs_off(scripted: Scripted, monkeypatch: Any) -> None:
    scripted.add("One")

    def full(_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("mailboxes.sync.arriving.keep_raws", full)
    with pytest.raises(OSError, match="No space"):
        scripted.sync()
    with scripted.inside(scripted.world):
        account = scripted.account()
        assert (account.state, account.failure_count) == ("failing", 1)
        assert "could not store" in account.last_error
        assert account.next_attempt_at > now() + timedelta(seconds=15)
        assert account.fetched_bytes > 0
    monkeypatch.undo()
    scripted.settle()
    assert scripted.subjects() == ["One"]


def test_throttling_is_obeyed(scripted: Scripted) -> None:  # F34
    scripted.add("One")
    scripted.server.on(
        "SEARCH", refuse("BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds")
    )
    scripted.sync()
    with scripted.inside(scripted.world):
        assert scripted.account().next_attempt_at > now() + timedelta(seconds=85)
    scripted.settle()


def test_a_login_that_is_refused_again_and_again_is_tried_rarely(scripted: Scripted) -> None:  # F31
    scripted.server.on("LOGIN", refuse("NO [AUTHENTICATIONFAILED] wrong"))
    pauses = []
    for _ in range(3):
        scripted.sync()
        with scripted.inside(scripted.world):
            account = scripted.account()
            pauses.append(account.next_attempt_at - now())
            assert account.state == "refused"
    assert pauses[0] > timedelta(minutes=55)
    assert pauses[2] > timedelta(hours=5)
    scripted.settle()


def test_a_password_that_was_right_is_tried_once_more_before_people_are_asked(scripted: Scripted) -> None:
    scripted.sync()
    scripted.server.on("LOGIN", refuse("NO Login failed."))
    told = []
    for _ in range(2):
        scripted.sync()
        with scripted.inside(scripted.world):
            account = scripted.account()
            told.append((account.state, round((account.next_attempt_at - now()).total_seconds() / 60)))
            assert "password" in account.last_error
    assert told == [("failing", 5), ("refused", 60)]
    scripted.settle()


def test_an_empty_list_of_folders_does_not_end_them(scripted: Scripted) -> None:  # F36
    scripted.add("One")
    scripted.sync()
    scripted.server.list_lines = []
    scripted.add("Two")
    assert scripted.sync().error is None
    scripted.server.list_lines = None
    scripted.settle()


def test_odd_folder_names_are_kept_as_they_are(scripted: Scripted) -> None:  # F36
    scripted.server.list_lines = [
        b'* LIST () "/" INBOX',
        b'* LIST () "/" "Entw&APw-rfe"',
        b'* LIST () "/" "latin \xfc"',
        b'* LIST (\\Noselect) "/" "nothing"',
    ]
    scripted.sync()
    with scripted.inside(scripted.world):
        folders = {folder.name_raw: folder for folder in db.session.scalars(select(Folder))}
    assert folders[b"Entw&APw-rfe"].name == "Entwürfe"
    assert folders[b"latin \xfc"].name == "latin ü"
    assert not folders[b"nothing"].is_selectable


def test_a_folder_that_is_renumbered_at_every_opening_is_known_by_content(scripted: Scripted) -> None:  # F2
    numbers = itertools.count(100)

    def renumbers(session: Session, command: Command) -> bool:
        session.server.folder().uid_validity = next(numbers)
        return False

    scripted.add("Zero")
    scripted.sync()
    scripted.server.on("EXAMINE", renumbers)
    for number in range(10):
        scripted.add(f"Number {number}")
        scripted.sync()
    assert scripted.subjects() == sorted(["Zero", *(f"Number {number}" for number in range(10))])
    with scripted.inside(scripted.world):
        assert "renumbers" in db.session.scalars(select(Folder.last_error)).one()
        assert db.session.scalars(select(Message.id).where(Message.is_opening.is_(False))).all() == []


def test_a_folder_that_is_renumbered_during_a_pass_is_read_again(scripted: Scripted) -> None:  # F1
    for number in range(5):
        scripted.add(f"Number {number}")
    openings = itertools.count(1)

    def renumbers_once(session: Session, command: Command) -> bool:
        session.server.folder().uid_validity = 1 if next(openings) == 1 else 2
        return False

    scripted.server.on("EXAMINE", renumbers_once)
    scripted.sync()
    scripted.settle()
    assert len(scripted.subjects()) == 5


def test_dates_that_cannot_be_are_left_out(scripted: Scripted) -> None:  # F46
    scripted.add("Zero", date="00-Jan-0000 00:00:00 +0000")
    scripted.add("Future", date="20-Nov-2099 10:00:00 +0000")
    scripted.sync()
    with scripted.inside(scripted.world):
        shown = db.session.scalars(select(Message.shown_at)).all()
    assert all(moment < now() + timedelta(days=1) for moment in shown)
