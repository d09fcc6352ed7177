"""The schedule claims fairly, rings again for what was missed, and survives an emptied Redis."""

import inspect
import pkgutil
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.messages import Message, MessageRead
from mailboxes.sync import leases
from mailboxes.sync.claiming import (
    HISTORIES_PER_ORGANIZATION,
    HISTORY_PATIENCE,
    UNDER_WAY_PER_ORGANIZATION,
    Rhythms,
    claim_due,
    claim_now,
    hurry_for_reads,
    is_anybody_due,
    keep_rhythm,
    put_off,
)
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration.catalog import CATALOG
from tenants.configuration.layers import override
from tenants.database import db, now
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import arrive, letter, receive
from workers import queues
from workers.processes import JOBS, KNOWN
from workers.schedule import SCHEDULE, Periodic, Schedule, tick


@pytest.fixture(autouse=True)
def _accounts_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.schedule._rhythms", Rhythms())


def due_mailbox(world: World, **account: Any) -> Mailbox:
    return make_mailbox(
        world, account={"imap_enabled": True, "next_attempt_at": now() - timedelta(minutes=1), **account}
    )


def due_with_history(world: World, inside: Any, **account: Any) -> Mailbox:
    """The same with history to take over."""
    mailbox = due_mailbox(world, **account)
    with inside(world):
        db.session.execute(
            update(Folder).where(Folder.account_id == mailbox.account_id).values(history_left=5)
        )
        db.session.commit()
    return mailbox


def rung(name: str) -> list[tuple[str, ...]]:
    """The arguments of the jobs in a queue, in order."""
    return [tuple(map(str, job.args)) for job in queues.queue(name).jobs]


def test_no_organization_crowds_out_another(ours: World, theirs: World) -> None:
    many = {due_mailbox(ours, next_attempt_at=now() - timedelta(hours=1)).account_id for _ in range(8)}
    few = {due_mailbox(theirs).account_id for _ in range(2)}
    claims = claim_due(4, Rhythms())
    claimed = [claim.account_id for claim in claims]
    assert len(few.intersection(claimed)) == 2
    assert len(many.intersection(claimed)) == 2


def test_an_organization_has_a_few_passes_under_way_at_most(ours: World) -> None:
    for _ in range(UNDER_WAY_PER_ORGANIZATION + 3):
        due_mailbox(ours)
    assert len(claim_due(100, Rhythms())) == UNDER_WAY_PER_ORGANIZATION
    assert claim_due(100, Rhythms()) == []


def test_first_syncs_leave_a_place_for_new_mail_of_the_same_organization(ours: World, inside: Any) -> None:
    long_due = now() - timedelta(hours=1)
    first_syncs = {
        due_with_history(ours, inside, next_attempt_at=long_due).account_id
        for _ in range(UNDER_WAY_PER_ORGANIZATION)
    }
    other = due_mailbox(ours).account_id
    for _ in range(2):
        claimed = {claim.account_id for claim in claim_due(100, Rhythms())}
        assert len(claimed & first_syncs) == HISTORIES_PER_ORGANIZATION
        assert other in claimed
        assert claim_due(100, Rhythms()) == []  # and no more while these are under way
        with inside(ours):
            db.session.execute(
                update(Account)
                .where(Account.id.in_(claimed))
                .values(lease_expires_at=now() - timedelta(seconds=1), next_attempt_at=now())
            )
            db.session.commit()


@pytest.mark.parametrize(("history", "claimed"), [("all", 2), ("days", 2), ("now", 3), ("inherit", 3)])
def test_a_first_pass_is_known_to_have_history_where_its_form_says_so(
    ours: World, theirs: World, history: str, claimed: int
) -> None:
    for _ in range(UNDER_WAY_PER_ORGANIZATION):
        due_mailbox(ours, history=history, history_days=7 if history == "days" else None)
    assert len(claim_due(100, Rhythms())) == claimed


def test_first_syncs_leave_a_worker_for_new_mail_of_others(ours: World, theirs: World, inside: Any) -> None:
    first_syncs = [due_with_history(world, inside) for world in (ours, theirs) for _ in range(2)]
    assert len(claim_due(100, Rhythms(), histories=3)) == 3
    assert claim_due(100, Rhythms(), histories=3) == []
    assert len(claim_due(100, Rhythms(), histories=4)) == len(first_syncs) - 3


def test_history_of_a_folder_that_is_read_no_more_takes_no_place(ours: World, inside: Any) -> None:
    for _ in range(UNDER_WAY_PER_ORGANIZATION):
        due_with_history(ours, inside)
    with inside(ours):
        db.session.execute(update(Folder).values(is_synced=False))
        db.session.commit()
    assert len(claim_due(100, Rhythms())) == UNDER_WAY_PER_ORGANIZATION


@pytest.mark.parametrize(("more", "is_first"), [(-5, False), (5, True)])
def test_history_lets_others_go_first_for_a_while(
    ours: World, inside: Any, more: int, is_first: bool
) -> None:
    waited = timedelta(seconds=HISTORY_PATIENCE + more)
    history = due_with_history(ours, inside, next_attempt_at=now() - waited)
    due_mailbox(ours, next_attempt_at=now() - timedelta(seconds=1))
    (claim,) = claim_due(1, Rhythms())
    assert (claim.account_id == history.account_id) is is_first


def test_somebody_is_due_who_is_not_claimed_and_may_be(ours: World, theirs: World) -> None:
    assert not is_anybody_due()
    due_mailbox(theirs, next_attempt_at=now() + timedelta(hours=1))
    due_mailbox(theirs, is_enabled=False)
    assert not is_anybody_due()
    due_mailbox(ours)
    assert is_anybody_due()
    claim_due(10, Rhythms())
    assert not is_anybody_due()


@pytest.mark.parametrize(("interval", "claimed", "begun"), [(20, 20, 20), (60, 60, 60), (3600, 60, 3600)])
def test_a_claim_is_a_lease_and_the_account_is_due_again_in_its_rhythm_once_its_pass_begins(
    ours: World, theirs: World, inside: Any, interval: int, claimed: int, begun: int
) -> None:
    mailbox = due_mailbox(ours)
    with inside(ours):
        override("sync.interval_seconds", str(interval), "organization", by="test")
        db.session.commit()
    (claim,) = claim_due(10, Rhythms())
    with inside(ours):
        account = db.session.get_one(Account, mailbox.account_id)
        assert account.lease_fence == claim.fence
        assert account.lease_expires_at > now()
        assert claimed - 10 < (account.next_attempt_at - now()).total_seconds() <= claimed
        assert leases.take(mailbox.account_id, "another") is None
        keep_rhythm(mailbox.account_id)
        db.session.refresh(account)
        assert begun - 10 < (account.next_attempt_at - now()).total_seconds() <= begun


def test_an_account_with_news_stays_due_though_its_pass_begins(ours: World, inside: Any) -> None:
    mailbox = due_mailbox(ours)
    with inside(ours):
        override("sync.interval_seconds", "3600", "organization", by="test")
        db.session.commit()
        claim_due(10, Rhythms())
        assert claim_now(mailbox.account_id) is None
    with inside(ours):
        keep_rhythm(mailbox.account_id)
        assert db.session.get_one(Account, mailbox.account_id).next_attempt_at <= now()


@pytest.mark.parametrize(
    "account",
    [{"is_enabled": False}, {"imap_enabled": False}, {"next_attempt_at": now() + timedelta(days=1)}],
)
def test_an_account_that_is_off_or_not_due_is_left_alone(ours: World, account: dict[str, Any]) -> None:
    due_mailbox(ours, **account)
    assert claim_due(10, Rhythms()) == []


def test_a_paused_mailbox_and_a_paused_organization_are_left_alone(ours: World, inside: Any) -> None:
    mailbox = due_mailbox(ours)
    with inside(ours):
        db.session.execute(update(Mailbox).values(is_enabled=False))
        db.session.commit()
    assert claim_due(10, Rhythms()) == []
    with inside(ours):
        db.session.execute(update(Mailbox).values(is_enabled=True))
        override("sync.enabled", "", "organization", by="test")
        db.session.commit()
    assert claim_due(10, Rhythms()) == []
    with inside(ours):
        assert leases.take(mailbox.account_id, "the lease was given back") is not None


def test_news_during_a_pass_are_followed_by_another_pass(ours: World, inside: Any) -> None:
    mailbox = due_mailbox(ours)
    (claim,) = claim_due(10, Rhythms())
    assert claim_now(mailbox.account_id) is None
    with inside(ours):
        leases.release(claim.account_id, claim.fence)
    assert [again.account_id for again in claim_due(10, Rhythms())] == [mailbox.account_id]


def test_news_of_many_mailboxes_leave_room_for_another_organization(ours: World, theirs: World) -> None:
    many = [due_mailbox(ours, next_attempt_at=now() + timedelta(hours=1)) for _ in range(8)]
    rung_for = [claim_now(mailbox.account_id) for mailbox in many]
    assert sum(fence is not None for fence in rung_for) == UNDER_WAY_PER_ORGANIZATION
    assert claim_now(due_mailbox(theirs).account_id) is not None
    assert claim_due(100, Rhythms()) == []  # ours has its share; what waits is due, and comes in turn


def test_news_of_first_syncs_leave_a_place_for_news_of_the_same_organization(
    ours: World, theirs: World, inside: Any
) -> None:
    later = now() + timedelta(hours=1)
    first_syncs = [
        due_with_history(ours, inside, next_attempt_at=later) for _ in range(UNDER_WAY_PER_ORGANIZATION)
    ]
    rung_for = [claim_now(mailbox.account_id) for mailbox in first_syncs]
    assert sum(fence is not None for fence in rung_for) == HISTORIES_PER_ORGANIZATION
    assert claim_now(due_mailbox(ours, next_attempt_at=later).account_id) is not None


def test_news_that_come_again_and_again_do_not_put_off_a_first_sync_that_waits(
    ours: World, theirs: World, inside: Any
) -> None:
    later = now() + timedelta(hours=1)
    for _ in range(HISTORIES_PER_ORGANIZATION):
        assert claim_now(due_with_history(ours, inside, next_attempt_at=later).account_id) is not None
    waiting = due_with_history(ours, inside, next_attempt_at=now() - timedelta(minutes=2))
    assert claim_now(waiting.account_id) is None
    with inside(ours):
        since = db.session.get_one(Account, waiting.account_id).next_attempt_at
    assert since < now() - timedelta(minutes=1)


@pytest.mark.parametrize("column", ["next_attempt_at", "quiet_until", "lease_expires_at"])
def test_an_account_that_was_put_off_by_a_clock_that_was_set_back_is_due(
    ours: World, theirs: World, inside: Any, column: str
) -> None:
    mailbox = due_mailbox(ours, **{column: now() + timedelta(days=300)})
    due_mailbox(theirs, **{column: now() + timedelta(hours=24)})
    (claim,) = claim_due(10, Rhythms())
    assert claim.account_id == mailbox.account_id
    with inside(ours):
        leases.release(claim.account_id, claim.fence)
        db.session.execute(update(Account).values({column: now() + timedelta(days=300)}))
        db.session.commit()
        assert leases.take(mailbox.account_id, "a person") is not None


def test_a_watched_account_is_put_off_but_never_for_long_as_the_setting_says(
    ours: World, inside: Any
) -> None:
    mailbox = due_mailbox(ours, synced_at=now(), next_attempt_at=now() + timedelta(seconds=30))
    put_off([mailbox.account_id], 100_000)
    with inside(ours):
        pause = db.session.get_one(Account, mailbox.account_id).next_attempt_at - now()
    assert timedelta(minutes=14) < pause <= timedelta(minutes=15)
    assert "every 15 minutes" in CATALOG["sync.interval_seconds"].help


def test_an_account_that_mirrors_reads_is_due_when_something_was_read(ours: World, inside: Any) -> None:
    given = {"synced_at": now(), "state": "ok", "next_attempt_at": now() + timedelta(minutes=5)}
    mirrored, other = due_mailbox(ours, mirrors_read_state=True, **given), due_mailbox(ours, **given)
    messages = [*receive(ours, mirrored, letter()), *receive(ours, other, letter())]
    hurry_for_reads()
    assert claim_due(10, Rhythms()) == []
    with inside(ours):
        for message in messages:
            db.session.add(MessageRead(message_id=message.id, membership_id=ours.member.id))
        db.session.commit()
    hurry_for_reads()
    assert [claim.account_id for claim in claim_due(10, Rhythms())] == [mirrored.account_id]


def test_due_accounts_are_rung_for_once(ours: World) -> None:
    mailbox = due_mailbox(ours)
    schedule = Schedule(SCHEDULE)
    tick(schedule)
    assert rung(queues.SYNC) == [(str(mailbox.account_id), "1", "False")]
    schedule.due_at.clear()
    tick(schedule)
    assert len(rung(queues.SYNC)) == 1


def test_what_is_stored_or_pending_is_rung_for_again_after_redis_was_emptied(
    ours: World, inside: Any
) -> None:
    mailbox = make_mailbox(ours, action="lead")
    receive(ours, mailbox, letter("Pending"))
    with inside(ours):
        arrive(mailbox, letter("Stored"))
        db.session.execute(update(Arrival).values(arrived_at=now() - timedelta(minutes=1)))
        db.session.execute(update(Message).values(work_after=now() - timedelta(minutes=1)))
        db.session.commit()
    for _ in range(2):
        queues.redis().flushall()
        schedule = Schedule(SCHEDULE)
        tick(schedule)
        assert rung(queues.INTAKE) == [(str(mailbox.account_id),)]
        assert rung(queues.ACTION) == [(str(ours.id),)]
        schedule.due_at.clear()
        tick(schedule)
        assert len(rung(queues.INTAKE)) == 1


def test_every_function_that_is_rung_is_a_known_job_that_exists() -> None:
    assert set(JOBS) == set(queues.QUEUES)
    rung = set(re.findall(r'"(workers\.\w+\.\w+)"', inspect.getsource(queues)))
    assert rung == KNOWN
    for function in KNOWN:
        assert callable(pkgutil.resolve_name(function))


def test_an_entry_that_fails_stops_no_other(app: Any) -> None:
    ran = []

    def fails() -> None:
        raise RuntimeError("broken")

    schedule = Schedule((Periodic("fails", 1, fails), Periodic("works", 1, lambda: ran.append(1))))
    assert tick(schedule) == ["fails", "works"]
    assert ran == [1]


def test_entries_run_in_their_rhythm(app: Any) -> None:
    ran: list[str] = []
    schedule = Schedule(
        (Periodic("often", 1, lambda: ran.append("o")), Periodic("rarely", 10, lambda: ran.append("r")))
    )
    for second in range(100, 111):
        schedule.run_due(float(second))
    assert (ran.count("o"), ran.count("r")) == (11, 2)


def test_only_one_schedule_leads(app: Any) -> None:
    ran: list[int] = []

    def nested() -> None:
        ran.append(1)
        assert tick(Schedule((Periodic("other", 1, lambda: ran.append(2)),))) == []

    tick(Schedule((Periodic("nested", 1, nested),)))
    assert ran == [1]
