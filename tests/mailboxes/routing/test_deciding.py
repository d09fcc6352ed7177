"""The routing decision: deterministic, total, first match wins, and what is not served is skipped."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.routing.conditions import normalized, problem_of, suggestions
from mailboxes.routing.deciding import FIELDS, NO, SKIPPED, TAKEN, Facts, Plan, Rule, route

A, B, C, D = (UUID(int=number) for number in range(1, 5))
OWN = "orders@postroom.test"
ORGANIZATIONS = st.sampled_from([A, B, C, D])
ADDRESSES = st.sampled_from(
    [
        OWN,
        "orders+acme@postroom.test",
        "orders+beta@postroom.test",
        "sales@acme.test",
        "x+acme@else.test",
        "b@beta.test",
    ]
)
VALUES = {
    "recipient": ["sales@acme.test", "orders+acme@postroom.test", OWN],
    "tag": ["acme", "beta"],
    "recipient_domain": ["acme.test", "postroom.test"],
    "sender": ["b@beta.test", "sales@acme.test"],
    "sender_domain": ["beta.test", "else.test"],
}
RULES = st.lists(
    st.sampled_from([(field, value) for field, values in VALUES.items() for value in values]).flatmap(
        lambda condition: st.builds(Rule, st.just(condition[0]), st.just(condition[1]), ORGANIZATIONS)
    ),
    max_size=6,
    unique_by=lambda rule: (rule.field, rule.value),
).map(tuple)
ANY_FACTS = st.builds(
    Facts,
    sender=st.one_of(st.just(""), ADDRESSES),
    recipients=st.lists(ADDRESSES, max_size=4, unique=True).map(tuple),
    copies=st.lists(ORGANIZATIONS, max_size=1).map(tuple),
    tokens=st.lists(ORGANIZATIONS, max_size=2, unique=True).map(tuple),
    answers=st.lists(ORGANIZATIONS, max_size=2, unique=True).map(tuple),
)
PLANS = st.builds(
    Plan,
    served=st.frozensets(ORGANIZATIONS),
    rules=RULES,
    home=st.one_of(st.none(), ORGANIZATIONS),
    own_addresses=st.just(frozenset({OWN})),
)


def matches(rule: Rule, facts: Facts) -> bool:
    """What a rule means, said once more and plainly."""
    domains = [recipient.rpartition("@")[2] for recipient in facts.recipients]
    tags = [one.split("@")[0].split("+")[1] for one in facts.recipients if one.startswith("orders+")]
    seen = {
        "recipient": facts.recipients,
        "tag": tags,
        "recipient_domain": domains,
        "sender": [facts.sender],
        "sender_domain": [facts.sender.rpartition("@")[2]],
    }
    return rule.value in seen[rule.field]


def expected(facts: Facts, plan: Plan) -> UUID | None:
    """The specification as one expression: the first of these that is served."""
    by_rule = [rule.organization_id for rule in plan.rules if matches(rule, facts)]
    order = [*facts.copies, *facts.tokens, *facts.answers, *by_rule, plan.home]
    return next((one for one in order if one is not None and one in plan.served), None)


@given(ANY_FACTS, PLANS)
def test_the_decision_is_what_the_specification_says_for_every_message(facts, plan):
    decision = route(facts, plan)
    assert decision.organization_id == expected(facts, plan)
    assert decision.organization_id is None or decision.organization_id in plan.served


@given(ANY_FACTS, PLANS)
def test_the_same_facts_have_the_same_decision_whatever_the_order_of_recipients(facts, plan):
    turned = replace(facts, recipients=facts.recipients[::-1])
    assert route(facts, plan) == route(turned, plan)


@given(ANY_FACTS, PLANS)
def test_every_decision_says_why_and_what_was_skipped(facts, plan):
    decision = route(facts, plan)
    assert decision.sentence
    assert [step.outcome for step in decision.steps].count(TAKEN) == 1
    assert decision.steps[-1].outcome == TAKEN
    skipped = [step for step in decision.steps if step.outcome == SKIPPED]
    assert all(step.organization_id not in plan.served for step in skipped)
    assert all(step.sentence in decision.reason for step in skipped)
    assert all(step.organization_id is None for step in decision.steps if step.outcome == NO)


@given(ANY_FACTS, PLANS, ORGANIZATIONS)
def test_a_rule_at_the_end_changes_nothing_for_what_an_earlier_one_decided(facts, plan, organization):
    before = route(facts, plan)
    if before.result == "rule":
        longer = replace(plan, rules=(*plan.rules, Rule("recipient_domain", "else.test", organization)))
        assert route(facts, longer).organization_id == before.organization_id


@given(ANY_FACTS, PLANS)
def test_what_no_longer_serves_gets_nothing_and_the_next_one_does(facts, plan):
    first = route(facts, plan).organization_id
    if first is not None:
        fewer = replace(plan, served=plan.served - {first})
        assert route(facts, fewer).organization_id == expected(facts, fewer) != first


def test_the_organization_reads_nothing_about_others_in_the_sentence_that_it_gets():
    facts = Facts(sender="b@beta.test", recipients=(OWN,), answers=(A,))
    plan = Plan(frozenset({B}), (Rule("sender", "b@beta.test", B),), None)
    decision = route(facts, plan)
    assert decision.organization_id == B
    assert decision.sentence == "The rule “sender address is b@beta.test” matches."
    assert "skipped" in decision.reason


def test_a_tag_counts_on_the_mailboxs_own_address_alone():
    plan = Plan(frozenset({A}), (Rule("tag", "acme", A),), None, frozenset({OWN}))
    assert route(Facts(recipients=("x+acme@else.test",)), plan).organization_id is None
    assert route(Facts(recipients=("orders+acme@postroom.test",)), plan).organization_id == A


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        ("recipient", " <Orders@ACME.test> ", "orders@acme.test"),
        ("recipient", "mailto:orders@acme.test", "orders@acme.test"),
        ("tag", "+Acme", "acme"),
        ("sender_domain", "@Bücher.example", "xn--bcher-kva.example"),
        ("recipient_domain", "anybody@acme.test", "acme.test"),
    ],
)
def test_what_people_type_becomes_one_form(field, typed, value):
    assert normalized(field, typed) == value
    assert problem_of(field, value) == ""


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("recipient", "orders"),
        ("sender", "a@b@"),
        ("sender", "two@a.test, three@a.test"),
        ("tag", "a b"),
        ("tag", "orders+acme@postroom.test"),
        ("recipient_domain", "not a domain"),
        ("sender_domain", "-x.test"),
        *((field, "  ") for field in FIELDS),
        ("sender", "x" * 400 + "@acme.test"),
    ],
)
def test_what_can_never_match_is_refused_with_a_sentence(field, typed):
    assert problem_of(field, normalized(field, typed)).endswith(".")


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=60))
def test_typing_it_again_in_its_form_changes_nothing(field, typed):
    once = normalized(field, typed)
    if problem_of(field, once) == "":
        assert normalized(field, once) == once


def test_suggestions_for_a_rule_begin_with_what_tells_most():
    facts = Facts(sender="b@beta.test", recipients=(OWN, "orders+acme@postroom.test", "sales@acme.test"))
    assert suggestions(facts, frozenset({OWN})) == [
        ("tag", "acme"),
        ("recipient", "sales@acme.test"),
        ("sender", "b@beta.test"),
        ("sender_domain", "beta.test"),
    ]
