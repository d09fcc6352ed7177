"""A process that is killed anywhere between the server and a stored message loses and doubles nothing.

TIMES=3 PAIRS=200 pytest tests/faults/test_crashes.py      up to three times in a row, and more pairs
"""

import os
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from mailboxes import timeline
from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival, Raw
from mailboxes.intake import deliver
from mailboxes.invariants import check_all
from mailboxes.messages import Location, Message
from mailboxes.sync.foreground import sync_now
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from tenants.database import INSTALLATION, db, inside_installation, now
from tests.factories import World
from tests.faults.crashing import is_killed_at
from tests.faults.imap_server import ScriptedImap
from tests.faults.seeds import chance, is_time_over
from tests.mailboxes.arriving import arrive, letter
from tests.mailboxes.scripted import Scripted

PASS_POINTS = (
    "lease taken",
    "connected",
    "signed in",
    "epoch stored",
    "bodies received",
    "raws stored",
    "arrivals stored",
    "before commit of arrivals",
    "after commit of arrivals",
    "lease released",
)
DELIVERY_POINTS = (
    "attempts counted",
    "before parsing",
    "after parsing",
    "before commit of delivery",
    "after commit of delivery",
)
MESSAGES = 6
TIMES = int(os.environ.get("TIMES") or 1)
PAIRS = int(os.environ.get("PAIRS") or 6)


@pytest.fixture
def scripted(app: Any, imap_server: ScriptedImap, ours: World, inside: Any) -> Scripted:
    scripted = Scripted(app, imap_server, ours, inside)
    for number in range(MESSAGES):
        answers = [f"m{number - 1}@x"] if number % 2 else []
        imap_server.folder().add(letter(f"Number {number}", message_id=f"m{number}@x", answers=answers))
    return scripted


def free_lease(scripted: Scripted) -> None:
    """The lease of a killed worker runs out."""
    with scripted.inside(scripted.world):
        db.session.execute(update(Account).values(lease_expires_at=now() - timedelta(seconds=1)))
        db.session.commit()


def demand_everything_once(
    scripted: Scripted, messages: int = MESSAGES, threads: int = MESSAGES // 2
) -> None:
    """Every message, once, with all that hangs on it."""
    free_lease(scripted)
    assert scripted.sync().error is None
    with scripted.inside(scripted.world):
        for model in (Arrival, Message, Location, Raw):
            assert db.session.scalar(select(func.count()).select_from(model)) == messages, model
        assert db.session.scalar(select(func.count()).select_from(Thread)) == threads
        assert db.session.scalar(select(func.count()).select_from(timeline.Event)) == messages
        assert set(db.session.scalars(select(Arrival.state))) == {"delivered"}
    assert [finding for finding in check_all() if finding.broken and finding.invariant.name != "I19"] == []


@pytest.mark.parametrize("times", range(1, TIMES + 1))
@pytest.mark.parametrize("point", [*PASS_POINTS, *DELIVERY_POINTS])
def test_a_crash_at_any_point_is_healed_by_the_next_pass(scripted: Scripted, point: str, times: int) -> None:
    assert is_killed_at(point, lambda: sync_now(scripted.mailbox.account_id)), f"{point} was not reached"
    for _ in range(times - 1):  # again, if what is left leads there once more
        free_lease(scripted)
        is_killed_at(point, lambda: sync_now(scripted.mailbox.account_id))
    demand_everything_once(scripted)


@pytest.mark.timeout(120 + 5 * PAIRS)
def test_random_pairs_of_crashes_are_healed(scripted: Scripted, record_property: Any) -> None:
    dice = chance("pairs of crashes")
    done = 0
    while done < PAIRS and not is_time_over():
        scripted.server.folder().add(letter(f"Another {done}", message_id=f"another{done}@x"))
        for point in dice.sample([*PASS_POINTS, *DELIVERY_POINTS], 2):
            free_lease(scripted)
            is_killed_at(point, lambda: sync_now(scripted.mailbox.account_id), dice.randint(1, 2))
        done += 1
    record_property("total", PAIRS)
    record_property("done", done)
    demand_everything_once(scripted, MESSAGES + done, MESSAGES // 2 + done)


def test_a_message_that_kills_its_reader_is_set_aside_and_the_others_are_delivered(
    scripted: Scripted, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F50: the first death is that of the batch, the second that of the reader apart."""
    scripted.server.folder().add(letter("Poison"))
    monkeypatch.setenv("POSTROOM_TEST_POISON", "Subject: Poison")
    monkeypatch.setattr("mailboxes.intake.batches.read_message", _dies_of_poison)
    monkeypatch.setattr("mailboxes.reading.apart.MODULE", "tests.faults.fragile_reader")
    assert is_killed_at("never", lambda: None) is False
    assert _is_killed(lambda: sync_now(scripted.mailbox.account_id))
    free_lease(scripted)
    assert scripted.sync().error is None
    with inside(scripted.world):
        assert db.session.scalar(select(func.count()).select_from(Message)) == MESSAGES
        poisoned = db.session.scalars(select(Arrival).where(Arrival.state == "quarantined")).one()
        assert "died over it (signal 9)" in poisoned.failure
        assert poisoned.raw_id is not None


def test_a_crash_between_the_two_databases_of_a_global_account_is_healed(
    app: Any, ours: World, inside: Any
) -> None:
    with inside_installation("a test") as session:
        account = Account(address="g@postroom.test", home_organization_id=ours.id)
        session.add(account)
        session.flush()
        session.add(
            Folder(
                account_id=account.id, name_raw=b"INBOX", name="INBOX", special_use="inbox", is_synced=True
            )
        )
        session.commit()
        account_id = account.id
    with inside(ours):
        mailbox = Mailbox(
            account_id=account_id, account_owner_id=INSTALLATION, label="Global", address="g@postroom.test"
        )
        db.session.add(mailbox)
        db.session.commit()
    with inside_installation("a test"):
        arrive(Mailbox(account_id=account_id, organization_id=None), letter())

    def work() -> None:
        with inside_installation("a test"):
            deliver(account_id)

    assert is_killed_at("between organizations", work)
    work()
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Message)) == 1
        assert db.session.scalar(select(func.count()).select_from(Location)) == 1
    with inside_installation("a test") as session:
        assert session.scalars(select(Arrival.state)).one() == "delivered"
        assert session.scalar(select(func.count()).select_from(Raw)) == 0


def _dies_of_poison(raw: bytes, *given: Any, **more: Any) -> Any:
    from tests.faults.fragile_reader import read_message

    return read_message(raw, *given, **more)


def _is_killed(work: Any) -> bool:
    return is_killed_at("killed by what it read", work)
