"""What could not be had comes later: by itself, with the limit, or because somebody asks for it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from mailboxes import timeline
from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival, Raw
from mailboxes.errors import ThrottledError
from mailboxes.messages import Attachment, Location, Message
from mailboxes.sync.budget import Budget, BudgetSpentError
from mailboxes.sync.claiming import go_on_within_budget
from mailboxes.sync.failures import note_failure
from mailboxes.sync.refetching import fetch_anyway
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import inherit, override
from tenants.database import db, inside, inside_installation, now
from tests.factories import make_organization, make_raw
from tests.faults.behaviours import for_messages
from tests.faults.stage import INBOX, Stage

LARGE = (("plan.pdf", "application/pdf", b"%PDF" + b"0123456789abcdef" * 70_000),)


def add_large(stage: Stage) -> None:
    raw = make_raw(subject="A large plan", text="Here is the plan.", attachments=LARGE)
    date = now().strftime("%d-%b-%Y %H:%M:%S +0000")
    stage.server.folder(INBOX).add(raw, date=date)


def the_message(stage: Stage) -> Message:
    with inside(stage.world.id):
        query = select(Message).where(Message.mailbox_id == stage.mailbox.id)
        return db.session.scalars(query.execution_options(populate_existing=True)).one()


def the_arrival(stage: Stage) -> UUID:
    with inside(stage.world.id):
        query = select(Arrival.id).where(Arrival.account_id == stage.mailbox.account_id)
        return db.session.scalars(query).one()


def ask_for_it(stage: Stage) -> None:
    arrival_id = the_arrival(stage)
    with inside(stage.world.id):
        fetch_anyway(arrival_ids=[arrival_id])
        db.session.commit()


@pytest.fixture
def stub(stage: Stage) -> Message:
    """A message over the limit, of which the header is here."""
    stage.sync()
    stage.limit_megabytes(1)
    add_large(stage)
    stage.sync()
    stage.oracle.act()
    return the_message(stage)


def test_a_stub_that_is_fetched_anyway_is_the_same_message_with_everything_in_it(
    stage: Stage, stub: Message
) -> None:
    assert (stub.is_stub, stub.text, stage.lead_count()) == (True, "", 0)
    ask_for_it(stage)
    stage.sync()
    whole = the_message(stage)
    assert (whole.id, whole.thread_id, whole.is_stub) == (stub.id, stub.thread_id, False)
    assert "Here is the plan" in whole.text
    with inside(stage.world.id):
        attachment = db.session.scalars(select(Attachment).where(Attachment.message_id == whole.id)).one()
        assert attachment.filename == "plan.pdf"
        assert db.session.scalar(select(Raw.id).where(Raw.id == stub.raw_id)) is None
        results = select(timeline.Event.result).where(timeline.Event.message_id == whole.id)
        assert "completed" in set(db.session.scalars(results))
    stage.settle()


@pytest.mark.parametrize("is_longer", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_two_large_messages_of_one_header_are_two_whichever_is_fetched_first(
    stage: Stage, is_longer: bool, at_once: bool
) -> None:
    """Of different sizes both are seen at once; of one size as soon as their contents tell them apart."""
    stage.sync()
    stage.limit_megabytes(1)
    raw = make_raw(subject="A large plan", text="The first plan.", attachments=LARGE)
    second = raw.replace(b"The first plan.", b"The other plan." + b"!" * is_longer)
    for one in (raw, second):
        stage.server.folder(INBOX).add(one, date=now().strftime("%d-%b-%Y %H:%M:%S +0000"))
    stage.sync()
    assert len(messages(stage)) == 1 + is_longer
    with inside(stage.world.id):
        ours = select(Arrival.id).where(Arrival.account_id == stage.mailbox.account_id)
        arrivals = list(db.session.scalars(ours.order_by(Arrival.uid.desc())))
    for wanted in [arrivals] if at_once else [[arrivals[0]], [arrivals[1]]]:
        with inside(stage.world.id):
            assert sum(fetch_anyway(arrival_ids=wanted).values()) == len(wanted)
            db.session.commit()
        stage.sync()
    whole = messages(stage)
    assert sorted(message.text.split()[1] for message in whole) == ["first", "other"]
    assert not any(message.is_stub for message in whole)
    with inside(stage.world.id):
        query = select(Location.message_id, Location.arrival_id).where(Location.arrival_id.in_(arrivals))
        places = dict(db.session.execute(query).all())
        others = {message.id for message in whole if "other" in message.text}
        assert places.keys() == {message.id for message in whole}
        assert {places[id] for id in others} == {arrivals[0]}


def messages(stage: Stage) -> list[Message]:
    with inside(stage.world.id):
        query = select(Message).where(Message.mailbox_id == stage.mailbox.id).order_by(Message.size)
        return list(db.session.scalars(query.execution_options(populate_existing=True)))


def test_a_message_that_came_whole_at_last_makes_its_lead(stage: Stage, stub: Message) -> None:
    ask_for_it(stage)
    stage.sync()
    stage.oracle.act()
    assert stage.lead_count() == 1


def test_it_is_not_asked_for_twice_nor_by_others(stage: Stage, stub: Message) -> None:
    arrival_id = the_arrival(stage)
    neighbour = make_organization("Neighbour")
    with inside(neighbour.id):
        assert fetch_anyway(arrival_ids=[arrival_id]) == {}
    ask_for_it(stage)
    stage.sync()
    with inside(stage.mailbox.organization_id):
        assert fetch_anyway(arrival_ids=[arrival_id]) == {}


def test_what_the_server_did_not_hand_out_is_tried_again_every_day(stage: Stage) -> None:
    stage.add()
    stage.server.on("FETCH", for_messages(lambda session, uid, good: None))
    stage.sync()
    assert stage.arrivals() == {1: "unfetchable"}
    stage.server.heal()
    stage.sync()
    assert stage.arrivals() == {1: "unfetchable"}
    stage.a_day_later()
    stage.sync()
    assert stage.arrivals() == {1: "delivered"}


def test_what_is_asked_for_goes_on_with_the_next_pass_where_this_one_has_no_more_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fill(INBOX, 3)
    stage.server.on("FETCH", for_messages(lambda session, uid, good: None))
    stage.sync()
    stage.server.heal()
    stage.read_only_the_inbox()
    with inside(stage.world.id):
        assert list(fetch_anyway().values()) == [3]
        db.session.commit()
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.arriving.MESSAGES_PER_COMMIT", 1)
    for count in (1, 2, 3):
        assert stage.sync().has_more
        assert list(stage.arrivals().values()).count("delivered") == count
    stage.settle()


def test_a_cut_in_a_large_message_costs_a_piece(stage: Stage) -> None:
    raw = make_raw(attachments=(("a.bin", "application/octet-stream", bytes(range(256)) * 24_000),))
    stage.server.folder(INBOX).add(raw)
    stage.server.on("FETCH", lambda session, command: session.close() or True, nth=5, times=1)
    assert stage.sync().error is None
    asked = [command.arguments for command in stage.server.commands if b"BODY.PEEK[]<" in command.arguments]
    assert len(asked) == -(-len(raw) // 1024**2) + 1
    stage.settle()


# --- a day's budget ------------------------------------------------------------------------------


def spend(stage: Stage, megabytes: int) -> None:
    with inside(stage.world.id):
        db.session.execute(
            update(Account)
            .where(Account.id == stage.mailbox.account_id)
            .values(fetched_on=now().date(), fetched_bytes=megabytes * 1024**2)
        )
        db.session.commit()


def test_what_is_fetched_is_counted(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    with inside(stage.world.id):
        once = stage.account().fetched_bytes
    assert once >= sum(len(message.raw) for message in stage.server.folder(INBOX).messages.values())
    stage.sync()
    with inside(stage.world.id):
        assert stage.account().fetched_bytes > once


@pytest.fixture
def well_before_midnight() -> Iterator[None]:
    """No day ends meanwhile; and the next one is near for the database too, which believes in no far ones."""
    import time_machine

    if (soon := datetime.now(UTC) + timedelta(minutes=10)).date() == datetime.now(UTC).date():
        yield
        return
    with time_machine.travel(soon, tick=True):
        yield


@pytest.mark.usefixtures("well_before_midnight")
def test_history_leaves_the_last_fifth_of_the_day_to_new_mail(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    spend(stage, 1_700)
    stage.sync()
    assert stage.arrivals() == {}
    new = stage.add()
    report = stage.sync()
    assert (report.error, report.has_more) == (None, False)
    assert stage.arrivals() == {new: "delivered"}
    spend(stage, 0)
    stage.settle()


@pytest.mark.usefixtures("well_before_midnight")
def test_when_the_day_is_spent_the_server_is_left_alone_until_midnight(stage: Stage) -> None:
    spend(stage, 2_000)
    stage.add()
    report = stage.sync()
    assert isinstance(report.error, BudgetSpentError)
    assert stage.server.connection_count == 0
    assert stage.is_refused_a_pass()
    assert 0 < stage.pause_seconds() <= 86_400 + 60
    spend(stage, 0)
    stage.settle()


def test_midnight_is_that_of_the_day_that_was_spent() -> None:
    evening = Budget(100, 100, datetime(2026, 5, 4, 23, 0, tzinfo=UTC))
    with pytest.raises(BudgetSpentError) as caught:
        evening.demand(0)
    assert caught.value.retry_after == 3600


@pytest.fixture
def more_in_a_day(stage: Stage) -> Iterator[Callable[[], None]]:
    """Permit twice as much as usual; the installation is the same for every test."""

    def permit() -> None:
        with inside_installation("a system administrator permits more"):
            override("sync.daily_mb", "4000", SYSTEM, by="the test")
            db.session.commit()

    yield permit
    with inside_installation("the next test has the usual budget"):
        inherit("sync.daily_mb", SYSTEM, by="the test")
        db.session.commit()


@pytest.mark.usefixtures("well_before_midnight")
def test_a_raised_budget_is_used_at_once(stage: Stage, more_in_a_day: Callable[[], None]) -> None:
    spend(stage, 2_000)
    new = stage.add()
    stage.sync()
    go_on_within_budget()
    assert stage.is_refused_a_pass()
    more_in_a_day()
    go_on_within_budget()
    with inside(stage.world.id):
        assert stage.account().next_attempt_at <= now()
    assert stage.sync().error is None
    assert new in stage.arrivals()


def test_quiet_that_a_server_asks_for_is_no_matter_of_the_budget(
    stage: Stage, more_in_a_day: Callable[[], None]
) -> None:
    with inside(stage.world.id):
        note_failure(stage.account(), ThrottledError(retry_after=7_200))
        db.session.commit()
    more_in_a_day()
    go_on_within_budget()
    assert stage.is_refused_a_pass()
