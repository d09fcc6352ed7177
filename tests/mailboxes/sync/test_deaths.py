"""A pass that ends with its process, and with whoever looks after that, is counted by the next claim."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from mailboxes.accounts import Account
from mailboxes.errors import HostUnreachableError
from mailboxes.sync import deaths, leases
from mailboxes.sync.claiming import Claim, Rhythms, claim_due, claim_now
from mailboxes.sync.deaths import TOLD_FROM_OF_ALL
from mailboxes.sync.failures import note_failure, note_stall, note_success
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db, now
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import account_of


@pytest.fixture
def mailbox(ours: World, theirs: World) -> Mailbox:
    """An account that is due, and one of a neighbour."""
    due = {"imap_enabled": True, "state": "ok", "next_attempt_at": now() - timedelta(minutes=1)}
    make_mailbox(theirs, account=due)
    return make_mailbox(ours, account=due)


def claimed() -> list[Claim]:
    """What is claimed of all that is due, and due at once but for a pause after a failure."""
    with across_organizations("a test does not wait") as session:
        session.execute(
            update(Account)
            .where(Account.state == "ok", Account.lease_owner == "")
            .values(next_attempt_at=now() - timedelta(minutes=1))
        )
        session.commit()
    return claim_due(100, Rhythms())


def begin(claims: list[Claim], inside: Any, world: World) -> list[Claim]:
    """A worker takes up those of an organization; the others wait in the queue."""
    ours = [claim for claim in claims if claim.organization_id == world.id]
    with inside(world):
        for claim in ours:
            assert leases.confirm(claim.account_id, claim.fence, "a worker") == claim.fence
    return ours


def run_out() -> None:
    """All leases end as if nobody had renewed them."""
    with across_organizations("a test does not wait") as session:
        session.execute(update(Account).values(lease_expires_at=now() - timedelta(seconds=1)))
        session.commit()


def die(inside: Any, world: World) -> None:
    """A worker and its supervisor are killed during a pass."""
    assert begin(claimed(), inside, world)
    run_out()


def seen(inside: Any, world: World, mailbox: Mailbox) -> tuple[str, int]:
    claim_due(0, Rhythms())
    with inside(world):
        account = account_of(mailbox)
        return account.state, account.death_count


def test_an_account_during_whose_passes_all_die_backs_off_and_says_so(
    inside: Any, ours: World, theirs: World, mailbox: Mailbox
) -> None:
    for death in range(1, TOLD_FROM_OF_ALL):
        die(inside, ours)
        assert seen(inside, ours, mailbox) == ("ok", death)
    die(inside, ours)
    assert seen(inside, ours, mailbox) == ("failing", TOLD_FROM_OF_ALL)
    with inside(ours):
        account = account_of(mailbox)
        assert "worker died" in account.last_error
        assert account.failing_since is not None
        assert account.next_attempt_at - now() > timedelta(seconds=20)
        assert account.lease_expires_at < now()
    assert [claim.organization_id for claim in claimed()] == [theirs.id]  # what only waited has not died
    assert claim_now(mailbox.account_id) is None  # a message that comes in is no reason to die at once


@pytest.mark.parametrize("settle", [note_success, note_failure, note_stall])
def test_a_pass_that_ends_in_whatever_way_begins_the_count_anew(
    inside: Any, ours: World, mailbox: Mailbox, settle: Any
) -> None:
    given = {"has_more": False} if settle is note_success else {"error": HostUnreachableError()}
    for _ in range(2):
        for _ in range(TOLD_FROM_OF_ALL - 1):
            die(inside, ours)
        (claim,) = begin(claimed(), inside, ours)
        with inside(ours):
            settle(account_of(mailbox), **given)
            db.session.execute(update(Account).values(state="ok"))
            leases.release(claim.account_id, claim.fence)
    assert seen(inside, ours, mailbox) == ("ok", 0)


def test_a_bell_that_is_lost_is_no_death(inside: Any, ours: World, mailbox: Mailbox) -> None:
    for _ in range(TOLD_FROM_OF_ALL):
        assert len(claimed()) == 2
        run_out()
    assert claim_now(mailbox.account_id) is not None
    run_out()
    assert seen(inside, ours, mailbox) == ("ok", 0)


def test_who_is_asked_to_end_goes_on_until_it_is_killed_and_has_not_died(
    inside: Any, ours: World, mailbox: Mailbox
) -> None:
    for _ in range(TOLD_FROM_OF_ALL):
        (claim,) = begin(claimed(), inside, ours)
        deaths.let_go(["a worker"])
        with inside(ours):
            assert leases.renew(claim.account_id, claim.fence)
        run_out()
    assert seen(inside, ours, mailbox) == ("ok", 0)


def test_a_death_that_others_have_told_of_is_not_counted_again(
    inside: Any, ours: World, mailbox: Mailbox
) -> None:
    begin(claimed(), inside, ours)
    deaths.free("a worker")
    assert seen(inside, ours, mailbox) == ("ok", 1)


def test_whoever_takes_the_lease_first_counts(inside: Any, ours: World, mailbox: Mailbox) -> None:
    begin(claimed(), inside, ours)
    run_out()
    with inside(ours):
        assert leases.take(mailbox.account_id, "a person at the terminal") is not None
    assert seen(inside, ours, mailbox) == ("ok", 1)
