"""Routing rules: kept in order, refused at the field that is wrong, and on the system's record."""

from typing import Any

import pytest
from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.routing import deciding
from mailboxes.routing.records import hits_of_rules
from mailboxes.routing.rules import (
    RoutingRule,
    RuleValues,
    add_rule,
    change_rule,
    delete_rule,
    move_rule,
    order_rules,
    replace_rules,
    rules_of,
)
from tenants.audit import SystemAuditEntry
from tenants.database import inside_installation
from tenants.errors import InvalidError
from tests.factories import World
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import SOMEBODY, make_global_account, make_rule, receive_globally, serve


@pytest.fixture
def account_id(ours: World, theirs: World) -> Any:
    account_id = make_global_account()
    serve(ours, account_id)
    for value in "abcd":
        make_rule(account_id, "tag", value, ours)
    return account_id


def listed(account_id: Any) -> list[tuple[int, str]]:
    with inside_installation("a test") as session:
        return [(rule.position, rule.value) for rule in session.scalars(rules_of(account_id))]


@pytest.mark.parametrize(
    ("value", "place", "order"),
    [("a", 3, "bcad"), ("d", 1, "dabc"), ("b", 9, "acdb"), ("c", 0, "cabd"), ("b", 2, "abcd")],
)
def test_a_rule_moves_to_any_place_and_the_others_close_up(account_id, value, place, order):
    with inside_installation("a test") as session:
        rule = session.scalars(select(RoutingRule).where(RoutingRule.value == value)).one()
        move_rule(session.get_one(Account, account_id), rule, place, by=SOMEBODY)
        session.commit()
    assert listed(account_id) == list(enumerate(order, 1))


def test_a_page_of_the_list_is_ordered_among_its_own_places(account_id):
    with inside_installation("a test") as session:
        by_value = {rule.value: rule.id for rule in session.scalars(rules_of(account_id))}
        account = session.get_one(Account, account_id)
        order_rules(account, [by_value[value] for value in "db"], by=SOMEBODY)
        session.commit()
    assert listed(account_id) == list(enumerate("adcb", 1))


def test_deleting_one_closes_the_gap(account_id):
    with inside_installation("a test") as session:
        rule = session.scalars(select(RoutingRule).where(RoutingRule.value == "b")).one()
        delete_rule(session.get_one(Account, account_id), rule, by=SOMEBODY)
        session.commit()
    assert listed(account_id) == list(enumerate("acd", 1))


@pytest.mark.parametrize(
    ("field", "value", "who", "at"),
    [
        ("nothing", "x", "ours", "field"),
        ("tag", "", "ours", "value"),
        ("sender", "no address", "ours", "value"),
        ("tag", "+A", "ours", "value"),  # there is one for it
        ("tag", "new", "theirs", "organization"),  # not served
        ("tag", "new", None, "organization"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(account_id, ours, theirs, field, value, who, at):
    organization = {"ours": ours.id, "theirs": theirs.id, None: None}[who]
    with inside_installation("a test") as session:
        account = session.get_one(Account, account_id)
        with pytest.raises(InvalidError) as refused:
            add_rule(account, RuleValues(field, value, organization), by=SOMEBODY)
        assert refused.value.field == at
        rule = session.scalars(select(RoutingRule).where(RoutingRule.value == "b")).one()
        with pytest.raises(InvalidError):
            change_rule(account, rule, RuleValues(field, value, organization), by=SOMEBODY)


def test_a_whole_list_is_replaced_and_what_stays_keeps_its_hits(account_id, ours):
    receive_globally(account_id, letter(to="orders+c@postroom.test"))
    with inside_installation("a test") as session:
        account, stored = session.get_one(Account, account_id), {}
        for rule in session.scalars(rules_of(account_id)):
            stored[rule.value] = rule.id
        drafts = [
            deciding.Rule("tag", "c", ours.id, stored["c"]),
            deciding.Rule("tag", "a", ours.id),  # as new, though another one had this condition
            deciding.Rule("sender", "x@y.test", ours.id, stored["b"]),
        ]
        replace_rules(account, drafts, by=SOMEBODY)
        session.commit()
        assert hits_of_rules(account_id) == {stored["c"]: 1}
        entry = session.scalars(
            select(SystemAuditEntry).where(SystemAuditEntry.act == "routing_rules.replaced")
        )
        assert entry.one().after["rules"] == [
            f"plus-tag is c → {ours.name}",
            f"plus-tag is a → {ours.name}",
            f"sender address is x@y.test → {ours.name}",
        ]
    assert [value for _, value in listed(account_id)] == ["c", "a", "x@y.test"]
