"""Health after passes over a scripted server: the log, the figures, the gaps, and the way to mend them."""

from datetime import UTC

import pytest
from sqlalchemy import select, update

from mailboxes import timeline
from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.health.explaining import health_of, past_of
from mailboxes.health.pass_log import LoggedPass, passes_page
from mailboxes.sync.auditing import ask_for_audit
from mailboxes.sync.gaps import GROUPS
from tenants.database import db, inside
from tests.faults.behaviours import for_messages
from tests.faults.stage import INBOX, Stage


def health(stage: Stage):
    with inside(stage.world.id):
        return health_of(stage.mailbox)


def inbox(stage: Stage):
    return next(folder for folder in health(stage).folders if folder.name == "INBOX")


def ask(stage: Stage, *, fetches: bool = False) -> None:
    with inside(stage.world.id):
        ask_for_audit(stage.mailbox.account_id, fetches=fetches)
        db.session.commit()


def log(stage: Stage) -> list[LoggedPass]:
    with inside(stage.world.id):
        return list(passes_page(stage.mailbox.account_id).rows)


def test_passes_are_logged_and_those_that_were_alike_are_one_row(stage: Stage) -> None:
    stage.fill(INBOX, 2)
    stage.sync()
    stage.sync()
    stage.sync()
    stage.add()
    stage.sync()
    rows = log(stage)
    told = [(row.count, row.new_count, row.history_count, row.error) for row in rows]
    assert told == [(1, 1, 0, ""), (2, 0, 0, ""), (1, 0, 2, "")]
    assert all(row.began_at <= row.ended_at and row.fetched_bytes for row in rows)


def test_a_failure_is_in_the_log_in_words_and_without_a_secret(stage: Stage) -> None:
    stage.sync()
    stage.connect(password="canary-of-a-password")
    stage.sync()
    stage.sync()
    first = log(stage)[0]
    with inside(stage.world.id):
        assert first.error == stage.account().last_error
    assert first.count == 2
    assert "canary" not in repr(vars(first))


def test_an_audit_says_what_is_missing_and_fetch_now_brings_it(stage: Stage) -> None:
    stage.fill(INBOX, 5)
    stage.sync()
    with inside(stage.world.id):  # what no correct engine does
        lost = db.session.scalars(
            select(Arrival).where(Arrival.uid == 2, Arrival.folder_id == stage.folders()["INBOX"].id)
        ).one()
        db.session.execute(update(Arrival).where(Arrival.id == lost.id).values(uid=99))
        db.session.commit()
    ask(stage)
    assert inbox(stage).is_awaited
    stage.sync()
    found = inbox(stage)
    assert (found.server, found.missing, found.vanished, found.is_awaited) == (5, [2], 1, False)
    assert dict(found.groups)[GROUPS["stored"]] + 1 + dict(found.groups)[GROUPS["waiting"]] == 5
    ask(stage, fetches=True)
    stage.sync()
    assert (inbox(stage).missing, stage.arrivals()[2]) == ([], "delivered")


def test_the_daily_comparison_keeps_the_figures_of_the_audit_fresh(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    stage.sync()
    assert inbox(stage).audited_at is None
    stage.add()
    stage.a_day_later()
    stage.server.commands.clear()
    stage.sync()
    searches = [one.arguments for one in stage.server.commands if one.verb == "SEARCH"]
    found = inbox(stage)
    assert (found.server, found.missing, found.is_awaited) == (4, [], False)
    assert searches.count(b"UID 1:*") == len(health(stage).folders)  # no question of its own


def test_what_is_held_back_is_counted_apart(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.server.on("FETCH", for_messages(lambda session, uid, good: None if uid == 2 else good))
    stage.sync()
    ask(stage)
    stage.sync()
    assert dict(inbox(stage).groups)[GROUPS["unfetchable"]] == 1
    assert inbox(stage).missing_count == 0


def test_a_first_sync_knows_how_far_it_has_come(stage: Stage) -> None:
    stage.fill(INBOX, 4)
    stage.sync()
    assert health(stage).first_sync is None  # over
    with inside(stage.world.id):
        folder = stage.folders()["INBOX"]
        assert (folder.history_total, folder.history_left) == (4, 0)
        db.session.execute(
            update(Folder).where(Folder.id == folder.id).values(history_left=3, history_uid=folder.first_uid)
        )
        db.session.commit()
    seen = health(stage)
    assert (seen.first_sync.done, seen.first_sync.total) == (1, 4)
    assert seen.time_left is not None


@pytest.mark.usefixtures("noon")
def test_the_hour_counts_each_message_once_and_how_late_it_was(stage: Stage) -> None:
    stage.sync()
    stage.fill(INBOX, 3)
    stage.sync()
    stage.sync()
    with inside(stage.world.id):
        past = past_of(stage.mailbox.account_id, UTC)
        stages = {
            event.stage: event.milliseconds
            for event in timeline.each_step(db.session.scalars(select(timeline.Event)))
        }
    assert past.days[-1][1:] == (3, 0)
    assert all(stages[name] is not None for name in ("fetched", "parsed", "threaded", "stored"))
