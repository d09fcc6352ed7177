"""New mail comes before the history, and what came in while we could not look is new."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder, choose_history_again
from mailboxes.arrivals import Arrival
from mailboxes.connection_check import check_connection
from mailboxes.connections import egress_policy, imap_settings
from mailboxes.messages import Message
from mailboxes.setup.checking import choices_of, sealed, unsealed
from mailboxes.setup.writing import keep_folders
from mailboxes.sync import leases
from mailboxes.sync.folders import cursor_of
from mailboxes.sync.history import history_round
from mailboxes.sync.passes import sync_account
from mailboxes.sync.plan import Cursor
from mailboxes.sync.running import Pass
from tenants.database import db, now
from tests.factories import World
from tests.faults.behaviours import in_folder, refuse
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.scripted import Scripted
from tests.mailboxes.sync.happening import ago, call_once, without_validity

NO_SEARCH = refuse("BAD no search here")


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


class KilledError(BaseException):
    """What a process says that is killed, as far as a test can tell."""


@pytest.mark.parametrize(("taken_in", "deaths"), [(1, 2), (2, 0)])
def test_deaths_between_which_history_is_taken_in_are_none_in_a_row(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, taken_in: int, deaths: int
) -> None:
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
    monkeypatch.setattr("mailboxes.sync.history.portion_after", lambda *_: 5)
    for number in range(20):
        scripted.add(f"Old {number:02}")
    stored: list[str] = []

    def kill(point: str) -> None:
        stored.extend([point] if point == "after commit of arrivals" else [])
        if len(stored) == taken_in:
            raise KilledError

    monkeypatch.setattr("mailboxes.sync.arriving.crash_point", kill)
    with scripted.inside(scripted.world):
        account = db.session.get_one(Account, scripted.mailbox.account_id)
        account.death_count = 2
        db.session.commit()
        with pytest.raises(KilledError):
            scripted.sync()
        db.session.rollback()
        db.session.refresh(account)
        assert account.death_count == deaths


@pytest.mark.parametrize("do_others_wait", [True, False])
@pytest.mark.parametrize(("is_news", "turn_seconds"), [(False, 0.0), (True, 3600.0)])
def test_a_pass_ends_soon_where_others_wait_and_goes_on_where_it_stopped(
    scripted: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    do_others_wait: bool,
    is_news: bool,
    turn_seconds: float,
) -> None:
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
    monkeypatch.setattr("mailboxes.sync.history.portion_after", lambda *_: 5)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.passes.TURN_SECONDS", turn_seconds)
    for number in range(20):
        scripted.add(f"Old {number:02}")
    counts = []
    with scripted.inside(scripted.world):
        fence = leases.take(scripted.mailbox.account_id, "a worker")
        assert fence is not None
        for _ in range(4):
            report = sync_account(
                scripted.mailbox.account_id, fence, do_others_wait=lambda: do_others_wait, is_news=is_news
            )
            counts.append(report.history_count)
            assert report.has_more == (sum(counts) < 20)
        leases.release(scripted.mailbox.account_id, fence)
    assert counts == ([5, 5, 5, 5] if do_others_wait else [20, 0, 0, 0])
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


def test_history_lasts_as_long_as_the_look_for_new_mail_before_it(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an account of thousands of folders would look for new mail nearly all the time."""
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 1)
    monkeypatch.setattr("mailboxes.sync.history.portion_after", lambda *_: 1)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    for number in range(5):
        scripted.add(f"Old {number}")
    rounds = list[bool]()

    def after_an_hour(run: Pass, folders: Sequence[Folder], looked_seconds: float) -> bool:
        assert looked_seconds > 0
        rounds.append(history_round(run, folders, 3600.0))
        return rounds[-1]

    monkeypatch.setattr("mailboxes.sync.passes.history_round", after_an_hour)
    scripted.sync()
    assert rounds == [False]
    assert len(scripted.subjects()) == 5


def test_folders_without_history_are_not_asked_for_it(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INBOX", *(f"Empty {number}" for number in range(5))):
        scripted.server.folder(name)
    scripted.sync()
    scripted.choose_all()
    scripted.sync()
    scripted.add("Old", folder="Late", date=ago(days=3))
    scripted.sync()
    scripted.choose_all()
    asked = list[str]()

    def ask(folder: Folder) -> Cursor:
        asked.append(folder.name)
        return cursor_of(folder)

    monkeypatch.setattr("mailboxes.sync.history.cursor_of", ask)
    scripted.sync()
    assert set(asked) == {"Late"}
    assert scripted.subjects() == ["Old"]


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


def choose_now(scripted: Scripted, **told: Any) -> None:
    """Somebody retrieves the folders and chooses the inbox; ``told``: what the server says otherwise."""
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(is_synced=False))
        account = scripted.account()
        report = check_connection(imap_settings(account), None, egress_policy())
        folders = [replace(choice, **told) for choice in choices_of(report.folders)]
        keep_folders(account, unsealed(sealed(folders)), [b"INBOX"])
        db.session.commit()


@pytest.mark.parametrize("history", ["now", "all"])
def test_what_was_there_when_a_folder_was_chosen_is_not_new_though_the_server_dates_it_later(
    app: Any, imap_server: ScriptedImap, ours: World, theirs: World, inside: Any, history: str
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history=history)
    scripted.add("Before", date=ago(minutes=-30))
    choose_now(scripted)
    scripted.add("Since", date=ago(minutes=-40))
    for _ in range(2):
        assert scripted.sync().error is None
    assert scripted.subjects() == (["Before", "Since"] if history == "all" else ["Since"])
    assert is_new(scripted, "Since")
    assert history == "now" or not is_new(scripted, "Before")
    scripted.add("Later", date=ago(minutes=-50))
    scripted.sync()
    assert is_new(scripted, "Later")


@pytest.mark.parametrize("told", [{"uid_next": 1}, {"told_at": 0.0}, {"uid_validity": 4711}])
def test_a_next_uid_that_is_wrong_or_of_another_time_makes_nothing_new_that_dates_do_not(
    app: Any, imap_server: ScriptedImap, ours: World, theirs: World, inside: Any, told: dict[str, Any]
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="all")
    scripted.add("Before", date=ago(hours=2))
    choose_now(scripted, **told)
    scripted.add("Since", date=ago(minutes=-1))
    scripted.sync()
    assert is_new(scripted, "Since")
    assert not is_new(scripted, "Before")
