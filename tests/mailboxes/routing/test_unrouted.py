"""What nothing routes is assigned by hand, one or many, or by a rule that is made of it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Account
from mailboxes.intake.arrived import TOO_LARGE
from mailboxes.routing.deciding import Rule
from mailboxes.routing.records import FACTS_DAYS, Routing, forget_facts
from mailboxes.routing.rules import as_rule, rules_of
from mailboxes.routing.trying import replay, try_again, try_raw
from mailboxes.routing.unrouted import (
    accounts_with_unrouted,
    assign,
    assignments,
    route_again,
    unrouted_count,
    unrouted_header,
    unrouted_message,
    unrouted_page,
)
from tenants.audit import SystemAuditEntry
from tenants.database import inside_installation, now
from tenants.errors import InvalidError, NotFoundError
from tests.factories import World
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import (
    SOMEBODY,
    arrive_globally,
    deliver_globally,
    demand_sound,
    make_global_account,
    make_routed_account,
    make_rule,
    message_in,
    receive_globally,
    state_of,
    subjects_in,
    ways_of_arrival,
)


@pytest.fixture
def account_id(ours: World, theirs: World) -> Any:
    return make_routed_account(ours, theirs)


def assigned(account_id: Any, world: World | None, arrivals: list[Any] | None) -> int:
    with inside_installation("a test") as session:
        count = assign(account_id, world.id if world else None, arrivals, by=SOMEBODY)
        session.commit()
        return count


def test_the_queue_shows_headers_and_the_reason_newest_first(account_id):
    first, _ = receive_globally(account_id, letter("One", message_id="1@x"), letter("Two"))
    with inside_installation("a test"):
        assert unrouted_count() == 2
        assert [count for _, count in accounts_with_unrouted()] == [2]
        rows = unrouted_page(account_id).rows
        assert [row.subject for row in rows] == ["Two", "One"]
        assert rows[1].sender == "alice@customer.test"
        assert rows[1].recipients == ("help@acme.test",)
        assert rows[1].sent_at.isoformat() == "2026-05-04T10:00:00+00:00"
        assert rows[1].reason == "Nothing routes it: it waits to be assigned."
        assert "Message-ID: <1@x>" in unrouted_header(first)
        assert "How much is it?" not in unrouted_header(first)


def test_one_is_assigned_and_becomes_a_message_there_alone(account_id, ours, theirs):
    one, _ = receive_globally(account_id, letter("One"), letter("Two"))
    assert assigned(account_id, theirs, [one]) == 1
    with inside_installation("a test") as session:
        (progress,) = assignments(account_id)
        assert (progress.organization, progress.total, progress.delivered) == (theirs.name, 1, 0)
        entry = session.scalars(
            select(SystemAuditEntry).where(SystemAuditEntry.act == "message.assigned")
        ).one()
        assert entry.after == {"messages": 1, "organization": theirs.name}
    deliver_globally(account_id)
    assert (subjects_in(ours), subjects_in(theirs)) == ([], ["One"])
    with inside_installation("a test"):
        assert assignments(account_id) == []
        with pytest.raises(NotFoundError):
            unrouted_message(one)
    (way,) = ways_of_arrival(one)
    assert (way.result, way.reason, "subject" in way.facts) == ("hand", "Sam System assigned it.", False)
    demand_sound()


def test_all_that_wait_are_assigned_at_once_and_nothing_twice(account_id, ours):
    receive_globally(account_id, *(letter(f"Number {number}") for number in range(5)))
    assert (assigned(account_id, ours, None), assigned(account_id, ours, None)) == (5, 0)
    deliver_globally(account_id)
    assert len(subjects_in(ours)) == 5
    demand_sound()


def test_only_who_is_served_gets_something(account_id, ours, inside):
    (one,) = receive_globally(account_id, letter())
    lonely = make_global_account(address="lonely@postroom.test")
    (other,) = receive_globally(lonely, letter())
    for world, account in ((None, account_id), (ours, lonely)):
        with pytest.raises(InvalidError):
            assigned(account, world, None)
    assert assigned(account_id, ours, [other]) == 0
    assert [state_of(id).state for id in (one, other)] == ["unrouted", "unrouted"]


def test_a_rule_made_of_it_takes_what_waits_once_it_is_routed_again(account_id, ours, theirs):
    receive_globally(account_id, letter("Ours"), letter("Other", sender="bob@elsewhere.test"))
    make_rule(account_id, "sender_domain", "customer.test", ours)
    with inside_installation("a test") as session:
        assert route_again(account_id, by=SOMEBODY) == 2
        session.commit()
    deliver_globally(account_id)
    assert (subjects_in(ours), subjects_in(theirs)) == (["Ours"], [])
    with inside_installation("a test"):
        assert [row.subject for row in unrouted_page(account_id).rows] == ["Other"]
    demand_sound()


def test_a_stub_stays_a_stub_with_the_reason_why(account_id, ours):
    (arrival,) = arrive_globally(account_id, letter("Huge"), sha256=b"", failure=TOO_LARGE)
    deliver_globally(account_id)
    assert (state_of(arrival).state, state_of(arrival).failure) == ("unrouted", TOO_LARGE)
    assigned(account_id, ours, None)
    deliver_globally(account_id)
    assert state_of(arrival).state == "too_large"
    assert message_in(ours, arrival).is_stub


# --- trying ----------------------------------------------------------------------------------


def test_a_message_is_tried_with_every_step_and_without_effects(account_id, ours, theirs):
    receive_globally(account_id, letter("Lost", sender="bob@elsewhere.test", message_id="lost@x"))
    make_rule(account_id, "sender_domain", "customer.test", ours)
    before = _everything()
    with inside_installation("a test") as session:
        account = session.get_one(Account, account_id)
        trial = try_raw(account, letter("New"))
        assert (trial.decision.organization_id, trial.decision.result) == (ours.id, "rule")
        assert [step.kind for step in trial.decision.steps] == ["token", "answer", "rule"]
        (waiting,) = unrouted_page(account_id).rows
        assert try_again(account, waiting.arrival_id).decision.organization_id is None
        other = [Rule("sender_domain", "elsewhere.test", theirs.id)]
        assert try_again(account, waiting.arrival_id, other).decision.organization_id == theirs.id
        session.commit()
    assert _everything() == before


def test_a_changed_list_says_what_it_would_have_done_differently(account_id, ours, theirs):
    make_rule(account_id, "sender_domain", "customer.test", ours)
    receive_globally(
        account_id, *(letter(f"A {n}") for n in range(3)), letter("B", sender="bob@elsewhere.test")
    )
    before = _everything()
    with inside_installation("a test") as session:
        account = session.get_one(Account, account_id)
        stored = [as_rule(rule) for rule in session.scalars(rules_of(account_id))]
        assert replay(account, stored).difference_count == 0
        changed = replay(account, [Rule("sender", "alice@customer.test", theirs.id), *stored])
        assert (changed.total, changed.moves) == (4, {(ours.id, theirs.id): 3})
        assert replay(account, []).moves == {(ours.id, None): 3}
        assert {one.before_reason for one in changed.differences} == {
            "The rule “sender domain is customer.test” matches."
        }
        session.execute(update(Routing).values(decided_at=now() - timedelta(days=10)))
        assert replay(account, [], days=7).total == 0
        session.rollback()
    assert _everything() == before


def test_who_wrote_what_was_routed_is_forgotten_in_time(account_id, ours):
    make_rule(account_id, "sender_domain", "customer.test", ours)
    old, waiting = receive_globally(account_id, letter("A"), letter("B", sender="bob@elsewhere.test"))
    with inside_installation("a test") as session:
        session.execute(update(Routing).values(decided_at=now() - timedelta(days=FACTS_DAYS + 1)))
        forget_facts()
        session.commit()
    assert ways_of_arrival(old)[0].facts == {}
    assert ways_of_arrival(waiting)[0].facts["sender"] == "bob@elsewhere.test"


def _everything() -> list[Any]:
    with inside_installation("a test") as session:
        tables = ("routings", "routing_rules", "route_marks", "arrivals")
        return [
            session.connection().exec_driver_sql(f"SELECT t::text FROM {table} t ORDER BY 1").all()
            for table in tables
        ]
