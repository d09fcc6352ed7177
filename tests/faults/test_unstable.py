"""F2, F3: a folder whose UIDs mean nothing is read by content, and trusted again once it holds."""

import itertools

import pytest
from sqlalchemy import update

from mailboxes.accounts import Folder
from mailboxes.sync.plan import MOST_RENUMBERINGS, STEADY_VISITS, Cursor, Epoch, epoch_of, trust_after
from tenants.database import db, inside
from tests.faults.imap_server import Command, Session
from tests.faults.rows_numbering import without_validity
from tests.faults.stage import INBOX, PROJECTS, Stage


def renumber_at_each_opening(stage: Stage) -> None:
    numbers = itertools.count(100)

    def renumber(session: Session, command: Command) -> bool:
        if b"INBOX" in command.arguments:
            session.server.folder(INBOX).uid_validity = next(numbers)
        return False

    stage.server.on("EXAMINE", renumber)


def unsettle(stage: Stage) -> None:
    """Let the inbox be renumbered at every opening, until nobody trusts it."""
    renumber_at_each_opening(stage)
    for _ in range(MOST_RENUMBERINGS + 1):
        stage.sync()
    assert "renumbers" in error_of(stage)
    stage.server.heal()


def error_of(stage: Stage) -> str:
    with inside(stage.world.id):
        return stage.folders()[INBOX].last_error


def bodies_asked(stage: Stage) -> int:
    commands = stage.server.commands
    return sum(command.verb == "FETCH" and b"BODY" in command.arguments for command in commands)


def test_a_folder_that_is_renumbered_while_it_is_read_holds_up_no_other(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.fill(PROJECTS, 1)
    stage.sync()
    renumber_at_each_opening(stage)
    stage.add(PROJECTS)
    stage.sync()
    assert stage.count_in(PROJECTS) == 2


def test_a_folder_that_holds_is_trusted_again_and_is_what_the_server_is(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    unsettle(stage)
    for _ in range(STEADY_VISITS + 1):
        stage.sync()
    assert "renumbers" in error_of(stage)
    stage.sync()
    assert error_of(stage) == ""
    stage.live_on()
    stage.settle()
    messages, convertible, _ = stage.oracle.records()
    assert (messages, convertible) == (6, 3)


def test_while_it_is_unstable_nothing_known_is_read_again_but_once_a_day(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    unsettle(stage)
    stage.sync()
    before = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) == before
    stage.add(date="21-Nov-2026 10:00:00 +0000")
    stage.sync()
    assert (bodies_asked(stage), len(stage.subjects())) == (before + 1, 4)
    with inside(stage.world.id):
        db.session.execute(update(Folder).values(compared_at=None))
        db.session.commit()
    stage.sync()
    assert bodies_asked(stage) > before + 1


def test_reading_all_of_it_anew_goes_on_where_the_pass_before_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fill(INBOX, 6)
    stage.sync()
    unsettle(stage)
    stage.sync()
    with inside(stage.world.id):
        db.session.execute(update(Folder).values(compared_at=None))
        db.session.commit()
    renumber_at_each_opening(stage)
    before = bodies_asked(stage)
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.unstable.UIDS_AT_ONCE", 2)
    for _ in range(10):
        stage.sync()
    assert bodies_asked(stage) - before == 3
    with inside(stage.world.id):
        assert stage.folders()[INBOX].compared_at is not None
    monkeypatch.undo()
    stage.settle()


def test_trust_comes_back_after_so_many_visits_in_a_row_and_no_sooner() -> None:
    cursor = Cursor(uid_validity=7, renumberings=MOST_RENUMBERINGS + STEADY_VISITS)
    for visit in range(1, 2 * STEADY_VISITS):
        validity = 8 if visit == 5 else 7 if visit < 5 else 8
        kept, renumberings = trust_after(cursor, validity)
        cursor = Cursor(uid_validity=kept, renumberings=renumberings)
        is_trusted = epoch_of(cursor, validity) is Epoch.RENUMBERED
        assert is_trusted == (visit == 5 + STEADY_VISITS + 1), visit
        if is_trusted:
            return


def test_while_it_leaves_out_its_uidvalidity_a_folder_keeps_its_place(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    stage.server.on("EXAMINE", without_validity)
    stage.live_on()
    for _ in range(2):
        stage.sync()
    assert "no lasting numbers" in error_of(stage)
    assert len(stage.subjects()) == 6
    stage.settle()
    assert error_of(stage) == ""
