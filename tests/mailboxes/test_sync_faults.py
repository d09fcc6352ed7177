"""Passes over a server that misbehaves: no other message, folder or account suffers, and all of it heals.

The ids are those of reliability §2. What a single command may meet is tested with the connection.
"""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from mailboxes.accounts import Folder, choose_history_again
from mailboxes.arrivals import Arrival
from mailboxes.messages import Message
from mailboxes.sync import following, leases, visiting
from mailboxes.sync.claiming import claim_now
from mailboxes.sync.passes import sync_account
from tenants.database import db, now
from tests.factories import World
from tests.faults.behaviours import drop, in_folder, refuse, reply
from tests.faults.imap_server import Behaviour, Command, ScriptedImap, Session
from tests.mailboxes.scripted import Scripted


@pytest.fixture
def scripted(app: Any, imap_server: ScriptedImap, ours: World, inside: Any) -> Scripted:
    return Scripted(app, imap_server, ours, inside)


def without_validity(session: Session, command: Command) -> bool:
    session.selected = session.server.folder()
    session.line(b"* %d EXISTS" % len(session.selected.messages))
    session.done(command, "[READ-ONLY] open")
    return True


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
    scripted.add("Old", date="01-Jan-2020 10:00:00 +0000")
    scripted.server.folder().uid_next = 1_000
    scripted.sync()
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


def test_one_folder_that_cannot_be_opened_stops_no_other(scripted: Scripted) -> None:  # F38
    scripted.add("Filed", "Projects")
    scripted.add("In")
    scripted.sync()
    scripted.choose_all()

    def closed(session: Session, command: Command) -> bool:
        return b"Projects" in command.arguments and refuse("NO [NOPERM] not for you")(session, command)

    scripted.server.on("EXAMINE", closed)
    scripted.add("In again")
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In", "In again"]
    with scripted.inside(scripted.world):
        errors = dict(db.session.execute(select(Folder.name, Folder.last_error)).all())
    assert errors["Projects"]
    scripted.settle()
    assert scripted.subjects() == ["Filed", "In", "In again"]


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


def test_flags_of_old_messages_are_followed_once_a_day(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:  # F42
    """A server that does not tell what has changed is asked about a few of the newest in each pass."""
    monkeypatch.setattr("mailboxes.sync.visiting.FLAGS_WITHOUT_MODSEQ", 2)
    for number in range(5):
        scripted.add(f"Old {number}")
    scripted.sync()
    for uid in scripted.server.folder().uids():
        scripted.server.folder().flag(uid, "\\Seen")
    scripted.sync()
    assert seen_uids(scripted) == [4, 5]
    scripted.settle()  # a day later
    assert seen_uids(scripted) == [1, 2, 3, 4, 5]


def seen_uids(scripted: Scripted) -> list[int]:
    with scripted.inside(scripted.world):
        seen = select(Arrival.uid).where(Arrival.flags.contains(["\\Seen"])).order_by(Arrival.uid)
        return list(db.session.scalars(seen))


def call_once(app: Flask, scripted: Scripted, wanted: bytes) -> None:
    """When the server is asked this for the second time, new mail comes in, and the watcher hears of it."""
    asked: list[bytes] = []

    def new_mail(session: Session, command: Command) -> bool:
        if wanted in command.arguments:
            asked.append(command.arguments)
            if len(asked) == 2:
                scripted.add("New")
                with app.app_context():
                    assert claim_now(scripted.mailbox.account_id) is None
        return False

    scripted.server.on("FETCH", new_mail)


def test_who_calls_during_the_history_is_heard_before_the_rest_of_it(
    app: Flask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:  # F48
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
    monkeypatch.setattr("mailboxes.sync.history.portion_after", lambda *_: 5)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 3600.0)
    for number in range(20):
        scripted.add(f"Old {number:02}")
    call_once(app, scripted, b"BODY.PEEK[]")
    assert scripted.sync().error is None
    with scripted.inside(scripted.world):
        order = db.session.scalars(select(Arrival.uid).order_by(Arrival.id)).all()
    assert order.index(21) == 10
    scripted.settle()


def test_who_calls_while_all_flags_are_asked_for_is_heard_before_the_rest(
    app: Flask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.visiting.FLAGS_WITHOUT_MODSEQ", 2)
    for number in range(8):
        scripted.add(f"Old {number}")
    scripted.sync()
    call_once(app, scripted, b"(UID FLAGS)")
    scripted.server.commands.clear()
    compare_again(scripted)
    assert scripted.sync().error is None
    asked = [one.arguments for one in scripted.server.commands if one.verb == "FETCH"]
    kinds = [b"BODY.PEEK[]" in one for one in asked if b"(UID FLAGS)" in one or b"BODY.PEEK[]" in one]
    assert kinds == [False, False, True, False, False]
    scripted.settle()


def test_flags_of_all_go_on_where_the_pass_before_had_no_more_time(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.visiting.FLAGS_WITHOUT_MODSEQ", 2)
    for number in range(8):
        scripted.add(f"Old {number}")
    scripted.sync()
    compare_again(scripted)
    for uid in scripted.server.folder().uids():
        scripted.server.folder().flag(uid, "\\Seen")
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    seen = []
    for _ in range(4):
        assert scripted.sync().error is None
        seen.append(seen_uids(scripted)[0])
    assert seen == [5, 3, 1, 1]
    with scripted.inside(scripted.world):
        found = db.session.execute(select(Folder.flags_uid, Folder.compared_at).where(Folder.is_synced)).one()
    assert found.flags_uid is None
    assert found.compared_at is not None


def flag_all(scripted: Scripted, *flags: str) -> list[int]:
    uids = list(scripted.server.folder().uids())
    for uid in uids:
        scripted.server.folder().flag(uid, *flags)
    return uids


def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailboxes.imap.changes.MOST_TOLD", 2)
    monkeypatch.setattr("mailboxes.sync.visiting.FLAGS_WITHOUT_MODSEQ", 2)


def flagged_uids(scripted: Scripted, flag: str) -> list[int]:
    with scripted.inside(scripted.world):
        flagged = select(Arrival.uid).where(Arrival.flags.contains([flag])).order_by(Arrival.uid)
        return list(db.session.scalars(flagged))


def test_of_many_changes_each_is_followed_a_few_at_a_time(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_at_once(monkeypatch)
    scripted.server.capabilities += " CONDSTORE"
    for number in range(9):
        scripted.add(f"Old {number}")
    scripted.sync()
    uids = flag_all(scripted, "\\Seen")
    asked: list[int] = []
    usual = visiting.follow_flags

    def follow(*given: Any) -> int:
        asked.append(len(given[-1]))
        return usual(*given)

    monkeypatch.setattr(visiting, "follow_flags", follow)
    assert scripted.sync().error is None
    assert seen_uids(scripted) == uids
    assert max(asked) == 2
    scripted.server.commands.clear()
    scripted.sync()
    assert "FETCH" not in scripted.server.verbs()
    scripted.settle()


def test_many_changes_are_all_followed_though_passes_are_short_and_others_come_meanwhile(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_at_once(monkeypatch)
    scripted.server.capabilities += " CONDSTORE"
    for number in range(9):
        scripted.add(f"Old {number}")
    scripted.sync()
    uids = flag_all(scripted, "\\Seen")
    with monkeypatch.context() as patch:
        patch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
        for passes, uid in enumerate((9, 1, 5, 8, 2)):
            assert scripted.sync().error is None
            assert (seen_uids(scripted) == uids) == (passes >= 3)
            scripted.server.folder().flag(uid, "\\Seen", "\\Flagged")
    scripted.sync()
    assert flagged_uids(scripted, "\\Flagged") == [1, 2, 5, 8, 9]
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Folder.flags_uid).where(Folder.is_synced)).one() is None
    scripted.settle()


def test_where_the_connection_ends_as_changes_are_told_all_flags_are_asked_for(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_at_once(monkeypatch)
    scripted.server.capabilities += " CONDSTORE"
    for number in range(5):
        scripted.add(f"Old {number}")
    scripted.sync()
    uids = flag_all(scripted, "\\Seen")
    scripted.server.on("FETCH", lambda s, c: b"CHANGEDSINCE" in c.arguments and drop(s, c))
    assert scripted.sync().error is None
    assert seen_uids(scripted) == uids
    scripted.settle()


def test_what_was_asked_for_and_is_gone_is_asked_for_no_more(scripted: Scripted) -> None:
    kept, gone = scripted.add("Kept"), scripted.add("Gone")
    scripted.sync()
    with scripted.inside(scripted.world):
        missing = {"state": "too_large", "failure": "No.", "sha256": b"", "is_wanted": True}
        db.session.execute(update(Arrival).where(Arrival.uid == gone).values(**missing))
        db.session.commit()
    scripted.server.folder().remove(gone)
    assert scripted.sync().error is None
    with scripted.inside(scripted.world):
        rows = db.session.execute(select(Arrival.uid, Arrival.vanished_at.is_not(None), Arrival.is_wanted))
        assert {tuple(row) for row in rows} == {(kept, False, False), (gone, True, False)}


def test_what_is_gone_is_marked_a_few_at_a_time(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PLACES_AT_ONCE", 2)
    marked: list[int] = []
    usual = following._in_each_place

    def in_each_place(account: Any, ids: Any, act: Any) -> None:
        marked.append(len(ids))
        usual(account, ids, act)

    monkeypatch.setattr(following, "_in_each_place", in_each_place)
    for number in range(5):
        scripted.add(f"Old {number}")
    scripted.sync()
    scripted.server.folder().uid_validity += 1
    for _ in range(2):
        assert scripted.sync().error is None
    assert marked == [2, 2, 1]
    for uid in list(scripted.server.folder().uids()):
        scripted.server.folder().remove(uid)
    assert scripted.sync().error is None
    assert marked == [2, 2, 1, 2, 2, 1]
    scripted.settle()


def compare_again(scripted: Scripted) -> None:
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(compared_at=None))
        db.session.commit()


def test_mail_that_comes_and_goes_while_flags_are_asked_for_is_no_new_numbering(
    app: Flask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.visiting.FLAGS_WITHOUT_MODSEQ", 2)
    for number in range(8):
        scripted.add(f"Old {number}")
    scripted.sync()
    compare_again(scripted)
    call_once(app, scripted, b"(UID FLAGS)")

    def remove_again(session: Session, command: Command) -> bool:
        if command.arguments.startswith(b"1:2 ") or command.arguments.startswith(b"1,2 "):
            scripted.server.folder().messages.pop(9)
        return False

    scripted.server.also("FETCH", remove_again)
    assert scripted.sync().error is None
    assert 9 not in scripted.server.folder().messages
    with scripted.inside(scripted.world):
        folder = db.session.execute(
            select(Folder.last_uid, Folder.server_count).where(Folder.is_synced)
        ).one()
        assert set(db.session.scalars(select(Arrival.uid_validity))) == {1}
    assert tuple(folder) == (9, 8)


@pytest.mark.parametrize("do_others_wait", [True, False])
def test_a_pass_ends_soon_where_others_wait_and_goes_on_where_it_stopped(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, do_others_wait: bool
) -> None:
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
    monkeypatch.setattr("mailboxes.sync.history.portion_after", lambda *_: 5)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.passes.TURN_SECONDS", 0.0)
    for number in range(20):
        scripted.add(f"Old {number:02}")
    counts = []
    with scripted.inside(scripted.world):
        fence = leases.take(scripted.mailbox.account_id, "a worker")
        assert fence is not None
        for _ in range(4):
            report = sync_account(scripted.mailbox.account_id, fence, do_others_wait=lambda: do_others_wait)
            counts.append(report.history_count)
            assert report.has_more == (sum(counts) < 20)
        leases.release(scripted.mailbox.account_id, fence)
    assert counts == ([5, 5, 5, 5] if do_others_wait else [20, 0, 0, 0])
    scripted.settle()


def test_history_that_is_wanted_no_more_is_not_counted_as_left(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        scripted.add(f"Old {number:02}", date=ago(days=40))
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    assert scripted.sync().has_more
    monkeypatch.undo()
    with scripted.inside(scripted.world):
        account = scripted.account()
        account.history = "now"
        choose_history_again(account)
        db.session.commit()
    assert not scripted.sync().has_more
    with scripted.inside(scripted.world):
        assert db.session.scalar(select(Folder.id).where(Folder.history_left > 0)) is None
    assert len(scripted.subjects()) == 5


def test_a_uidvalidity_that_is_left_out_where_history_begins_is_no_renumbering(scripted: Scripted) -> None:
    for number in range(3):
        scripted.add(f"Old {number}")
    scripted.server.on("EXAMINE", without_validity, nth=2, times=1)  # the first is the visit's
    assert scripted.sync().error is None
    assert scripted.subjects() == []
    scripted.settle()
    assert len(scripted.subjects()) == 3


def test_history_that_waits_for_tomorrow_is_not_listed_in_each_pass(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.add("Old")
    monkeypatch.setattr("mailboxes.sync.budget.SHARE_OF_HISTORY", 0.0)
    scripted.sync()
    scripted.server.commands.clear()
    scripted.add("New")
    assert scripted.sync().error is None
    assert scripted.subjects() == ["New"]
    assert scripted.server.verbs().count("SEARCH") == 1  # for what is new
    monkeypatch.undo()
    scripted.settle()


def test_new_mail_comes_before_the_history(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:  # F48
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
    monkeypatch.setattr("mailboxes.sync.history.portion_after", lambda *_: 5)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    for number in range(20):
        scripted.add(f"Old {number:02}")
    stored: list[int] = []

    def arrives_meanwhile(session: Session, command: Command) -> bool:
        if len(stored) == 1:
            scripted.add("New")
        stored.append(1)
        return False

    scripted.server.on("FETCH", arrives_meanwhile)
    scripted.sync()
    with scripted.inside(scripted.world):
        order = db.session.scalars(select(Arrival.uid).order_by(Arrival.id)).all()
    assert 21 in order
    assert order.index(21) < len(order) - 1
    scripted.settle()


@pytest.mark.parametrize(
    "answer",
    [
        b"{tag} BAD no search here\r\n",
        b"* SEARCH 1 x\r\n{tag} OK\r\n",
        b"* ESEARCH UID ALL 1:9999999\r\n{tag} OK\r\n",
    ],
)
def test_a_folder_whose_answers_make_no_sense_holds_up_no_other(scripted: Scripted, answer: bytes) -> None:
    for name in ("INBOX", "Archive", "Projects"):
        scripted.add(f"In {name}", folder=name)
    scripted.sync()
    scripted.choose_all()
    scripted.server.on("SEARCH", in_folder("Archive", reply(answer)))
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In INBOX", "In Projects"]
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"
        troubled = db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all()
        assert troubled == ["Archive"]
    scripted.settle()
    assert scripted.subjects() == ["In Archive", "In INBOX", "In Projects"]


def test_a_server_that_makes_no_sense_in_any_folder_is_the_trouble(scripted: Scripted) -> None:
    scripted.add("Number 0")
    scripted.server.on("SEARCH", refuse("BAD no search here"))
    assert scripted.sync().error is not None
    scripted.settle()


NO_SEARCH = refuse("BAD no search here")


def ago(**span: float) -> str:
    """An INTERNALDATE."""
    return f"{now() - timedelta(**span):%d-%b-%Y %H:%M:%S +0000}"


def chosen_ago(scripted: Scripted, *, hours: int) -> None:
    """All folders were chosen, or read last, so long ago."""
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(new_since=now() - timedelta(hours=hours)))
        db.session.commit()


def hours_back(scripted: Scripted) -> dict[str, int]:
    """For each folder, since how many hours what comes in is new."""
    with scripted.inside(scripted.world):
        found = db.session.execute(select(Folder.name, Folder.new_since).where(Folder.is_synced)).all()
    return {row.name: round((now() - row.new_since) / timedelta(hours=1)) for row in found}


def is_new(scripted: Scripted, subject: str) -> bool:
    """Whether it is no history: records and answers are made of it."""
    with scripted.inside(scripted.world):
        return db.session.scalars(select(Message.may_convert).where(Message.subject == subject)).one()


@pytest.mark.parametrize("history", ["now", "all"])
def test_what_comes_in_while_a_folder_cannot_be_read_for_the_first_time_is_no_history(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, history: str
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history=history)
    scripted.server.folder("Projects")
    scripted.server.on("EXAMINE", refuse("NO [UNAVAILABLE] later"))
    scripted.sync()
    scripted.choose_all()
    chosen_ago(scripted, hours=3)
    scripted.server.heal()
    scripted.server.on("SEARCH", in_folder("Projects", NO_SEARCH))
    scripted.add("Before", folder="Projects", date=ago(hours=4))
    scripted.add("Meanwhile", folder="Projects", date=ago(hours=2))
    assert scripted.sync().error is None
    scripted.server.heal()
    scripted.sync()
    assert is_new(scripted, "Meanwhile")
    assert scripted.subjects() == (["Before", "Meanwhile"] if history == "all" else ["Meanwhile"])
    assert history == "now" or not is_new(scripted, "Before")


def test_however_much_came_in_meanwhile_all_of_it_is_new(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="now")
    chosen_ago(scripted, hours=3)
    for number in range(3):
        scripted.add(f"Old {number}", date=ago(hours=5))
    for number in range(5):
        scripted.add(f"New {number}", date=ago(hours=2))
    monkeypatch.setattr("mailboxes.sync.running.UIDS_AT_ONCE", 2)
    scripted.sync()
    assert scripted.subjects() == [f"New {number}" for number in range(5)]
    assert all(is_new(scripted, subject) for subject in scripted.subjects())


def test_only_a_folder_that_is_read_comes_closer_to_now(scripted: Scripted) -> None:
    scripted.server.folder("Projects")
    scripted.sync()
    scripted.choose_all()
    chosen_ago(scripted, hours=3)
    scripted.server.on("SEARCH", in_folder("Projects", NO_SEARCH))
    scripted.add("In Projects", folder="Projects")
    scripted.sync()
    assert hours_back(scripted) == {"INBOX": 1, "Projects": 3}
    scripted.server.heal()
    scripted.sync()  # its history was left
    scripted.sync()
    assert hours_back(scripted) == {"INBOX": 1, "Projects": 1}


def test_what_came_in_while_a_folder_could_not_be_read_is_new_though_it_was_renumbered(
    scripted: Scripted,
) -> None:
    """In the others, where nothing was kept from us, what comes to light with a new numbering is old."""
    for name in ("INBOX", "Projects"):
        scripted.add(f"Old in {name}", folder=name)
    scripted.sync()
    scripted.choose_all()
    scripted.sync()
    chosen_ago(scripted, hours=3)
    scripted.server.on("SEARCH", in_folder("Projects", NO_SEARCH))
    scripted.add("Meanwhile", folder="Projects", date=ago(hours=2))
    assert scripted.sync().error is None
    scripted.server.heal()
    for name in ("INBOX", "Projects"):
        scripted.server.folder(name).uid_validity = 4711
    scripted.add("Come to light", date=ago(hours=2))
    for _ in range(3):
        scripted.sync()
    assert is_new(scripted, "Meanwhile")
    assert not is_new(scripted, "Come to light")


def test_history_that_was_not_fetched_when_a_folder_was_renumbered_is_fetched_then(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        scripted.add(f"Old {number:02}", date=ago(days=40 - number))
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    assert scripted.sync().has_more
    assert len(scripted.subjects()) == 5
    monkeypatch.undo()
    scripted.server.folder().uid_validity = 4711
    scripted.settle()
    assert len(scripted.subjects()) == 20


def test_what_comes_in_while_a_new_account_fails_for_hours_is_no_history(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="now")
    scripted.server.on("EXAMINE", refuse("NO [UNAVAILABLE] later"))
    scripted.sync()
    with scripted.inside(scripted.world):
        assert scripted.account().state == "failing"
    chosen_ago(scripted, hours=3)
    scripted.server.heal()
    scripted.add("Meanwhile", date=ago(hours=2))
    scripted.sync()
    assert is_new(scripted, "Meanwhile")


def test_an_inbox_whose_new_mail_was_read_is_no_trouble_of_the_account(scripted: Scripted) -> None:
    scripted.add("In INBOX")
    scripted.sync()
    compare_again(scripted)
    scripted.add("Later")
    searches = itertools.count(1)  # the first is for new mail, the second compares

    def fail_later(session: Session, command: Command) -> bool:
        return next(searches) > 1 and NO_SEARCH(session, command)

    scripted.server.on("SEARCH", fail_later)
    assert scripted.sync().error is None
    assert next(searches) > 2
    assert scripted.subjects() == ["In INBOX", "Later"]
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"
        assert db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all() == ["INBOX"]
    scripted.settle()


@pytest.mark.parametrize("answer", [("SEARCH", NO_SEARCH), ("EXAMINE", refuse("NO [NOPERM] not for you"))])
def test_an_inbox_that_cannot_be_read_is_a_trouble_of_the_account_and_holds_up_no_other(
    scripted: Scripted, answer: tuple[str, Behaviour]
) -> None:  # F51
    verb, behaviour = answer
    scripted.add("In INBOX")
    scripted.server.folder("Projects")
    scripted.sync()
    scripted.choose_all()
    for name in ("INBOX", "Projects"):
        scripted.add(f"Later in {name}", folder=name)

    def of_the_inbox(session: Session, command: Command) -> bool:
        is_it = b"INBOX" in command.arguments or (
            verb != "EXAMINE" and session.selected is session.server.folder()
        )
        return is_it and behaviour(session, command)

    scripted.server.on(verb, of_the_inbox)
    assert scripted.sync().error is not None
    assert scripted.subjects() == ["In INBOX", "Later in Projects"]
    with scripted.inside(scripted.world):
        account = scripted.account()
        assert account.state == "failing"
        assert account.failing_since is not None
        assert account.next_attempt_at > now() + timedelta(seconds=15)
    scripted.settle()


@pytest.mark.parametrize("answer", [b"{tag} BAD no search here\r\n", b"* SEARCH 1 x\r\n{tag} OK\r\n"])
def test_a_folder_whose_history_cannot_be_fetched_holds_up_no_other(
    scripted: Scripted, answer: bytes
) -> None:
    for name in ("Archive", "Projects"):
        scripted.add(f"In {name}", folder=name)
    scripted.sync()
    scripted.choose_all()
    searches = itertools.count(1)  # the first is the visit's, the second that of its history

    def fail_later(session: Session, command: Command) -> bool:
        return next(searches) > 1 and reply(answer)(session, command)

    scripted.server.on("SEARCH", in_folder("Archive", fail_later))
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In Projects"]
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all() == ["Archive"]
    scripted.settle()
    assert scripted.subjects() == ["In Archive", "In Projects"]


def test_a_folder_that_fails_while_flags_of_another_are_asked_for_is_the_one_in_trouble(
    app: Flask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.visiting.FLAGS_WITHOUT_MODSEQ", 2)
    for number in range(8):
        scripted.add(f"Old {number}")
    scripted.add("In Projects", folder="Projects")
    scripted.sync()
    scripted.choose_all()
    scripted.sync()
    compare_again(scripted)
    call_once(app, scripted, b"(UID FLAGS)")
    scripted.add("Later", folder="Projects")
    scripted.server.on("SEARCH", in_folder("Projects", NO_SEARCH))
    assert scripted.sync().error is None
    assert "New" in scripted.subjects()
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all() == ["Projects"]
        assert db.session.scalars(select(Folder.flags_uid).where(Folder.name == "INBOX")).one() is None
    scripted.settle()
