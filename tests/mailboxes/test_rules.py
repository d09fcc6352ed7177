"""Rules of a mailbox: kept in order, with a template of theirs or a shared one."""

import pytest
from sqlalchemy import func, select

from mailboxes import rules, templates
from mailboxes.conditions import Condition
from mailboxes.rules import (
    InvalidRuleError,
    RuleValues,
    activate,
    add_rule,
    change_rule,
    delete_rule,
    delete_template,
    in_words,
    move_rule,
    move_rule_down,
    move_rule_up,
    rules_of,
    where_used,
)
from mailboxes.templates import InvalidTemplateError, Template, TemplateValues, save_template
from tenants.audit import Actor, entries
from tenants.database import db
from tenants.errors import ConflictError, NotFoundError
from tests.factories import make_mailbox

BY = Actor("Ada")
OWN = TemplateValues(texts={"en": ("Hi", "Thank you")})
SHARED = TemplateValues("Thanks", texts={"en": ("Hi", "Thank you")})
INVOICE = Condition("subject", "contains", "invoice")


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


def custom(name="First", **given):
    return RuleValues(name, **{"response": OWN, **given})


def names(mailbox):
    return [rule.name for rule in db.session.scalars(rules_of(mailbox))]


def test_rules_are_kept_in_order_and_moved(ours, mailbox, inside):
    with inside(ours):
        first, second, third = (add_rule(mailbox, custom(name), by=BY) for name in "abc")
        move_rule_up(third, by=BY)
        assert names(mailbox) == ["a", "c", "b"]
        move_rule_down(first, by=BY)
        assert names(mailbox) == ["c", "a", "b"]
        move_rule(second, -5, by=BY)
        assert names(mailbox) == ["b", "c", "a"]
        move_rule_up(second, by=BY)
        delete_rule(third, by=BY)
        assert [(rule.name, rule.position) for rule in db.session.scalars(rules_of(mailbox))] == [
            ("b", 1),
            ("a", 2),
        ]


def test_a_rule_says_its_conditions_in_words(ours, mailbox, inside):
    with inside(ours):
        assert in_words(add_rule(mailbox, custom(), by=BY)) == ["Every message"]
        rule = add_rule(mailbox, custom(conditions=(INVOICE,)), by=BY)
        assert in_words(rule) == ["Subject contains “invoice”"]
        assert rules.values_of(rule).conditions == (INVOICE,)


def test_a_custom_response_belongs_to_its_rule(ours, mailbox, inside):
    with inside(ours):
        rule = add_rule(mailbox, custom(), by=BY)
        changed = TemplateValues(texts={"de": ("Hallo", "Danke")})
        change_rule(rule, custom(response=changed), by=BY)
        assert rules.values_of(rule).response.texts == changed.texts
        assert db.session.scalar(select(func.count()).select_from(Template)) == 1
        delete_rule(rule, by=BY)
        assert db.session.scalar(select(func.count()).select_from(Template)) == 0


def test_choosing_a_template_lets_the_custom_response_go(ours, mailbox, inside):
    with inside(ours):
        shared = save_template(SHARED, by=BY)
        rule = add_rule(mailbox, custom(), by=BY)
        change_rule(rule, RuleValues("First", template_id=shared.id), by=BY)
        assert rules.values_of(rule) == RuleValues("First", template_id=shared.id)
        assert db.session.scalars(select(Template.name)).all() == ["Thanks"]


def test_going_custom_leaves_the_shared_template_alone(ours, mailbox, inside):
    with inside(ours):
        shared = save_template(SHARED, by=BY)
        rule = add_rule(mailbox, RuleValues("First", template_id=shared.id), by=BY)
        change_rule(rule, custom(response=TemplateValues(texts={"en": ("x", "mine")})), by=BY)
        assert templates.values_of(shared).texts == {"en": ("Hi", "Thank you")}
        assert not where_used(shared)


def test_a_response_can_be_saved_as_a_template(ours, mailbox, inside):
    with inside(ours):
        rule = add_rule(mailbox, custom(save_as="For all"), by=BY)
        shared = templates.template_of(rule.template_id)
        assert (shared.name, shared.is_custom) == ("For all", False)
        with pytest.raises(InvalidTemplateError) as caught:
            add_rule(mailbox, custom(save_as="For all"), by=BY)
        assert caught.value.field == "save_as"


def test_a_template_in_use_is_not_deleted(ours, mailbox, inside):
    with inside(ours):
        shared = save_template(SHARED, by=BY)
        rule = add_rule(mailbox, RuleValues("First", template_id=shared.id), by=BY)
        assert [(use.rule, use.mailbox.id) for use in where_used(shared)] == [(rule, mailbox.id)]
        with pytest.raises(ConflictError, match="“First”"):
            delete_template(shared, by=BY)
        delete_rule(rule, by=BY)
        delete_template(shared, by=BY)
        assert db.session.scalar(select(func.count()).select_from(Template)) == 0


def test_another_rules_response_cannot_be_chosen(ours, mailbox, inside):
    with inside(ours):
        rule = add_rule(mailbox, custom(), by=BY)
        with pytest.raises(NotFoundError):
            add_rule(mailbox, RuleValues("Second", template_id=rule.template_id), by=BY)


def test_switching_on_starts_the_clock_anew(ours, mailbox, inside):
    with inside(ours):
        rule = add_rule(mailbox, custom(), by=BY)
        since = rule.active_since
        activate(rule, is_active=True, by=BY)
        assert rule.active_since == since
        activate(rule, is_active=False, by=BY)
        activate(rule, is_active=True, by=BY)
        assert rule.active_since > since
        acts = [entry.act for entry in db.session.scalars(entries())]
        assert acts == ["rule.activated", "rule.deactivated", "rule.created"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (custom(" "), "name"),
        (custom("x" * 101), "name"),
        (custom(conditions=(INVOICE, Condition("subject", "contains", ""))), "conditions"),
        (custom(response=None), "template_id"),
    ],
)
def test_a_wrong_rule_is_refused_at_its_field(ours, mailbox, inside, values, field):
    with inside(ours), pytest.raises(InvalidRuleError) as caught:
        add_rule(mailbox, values, by=BY)
    assert caught.value.field == field


def test_wrong_conditions_are_told_row_by_row(ours, mailbox, inside):
    values = custom(conditions=(INVOICE, Condition("subject", "contains", "")))
    with inside(ours), pytest.raises(InvalidRuleError) as caught:
        add_rule(mailbox, values, by=BY)
    assert [(row.row, row.part) for row in caught.value.rows] == [(1, "value")]


def test_a_neighbours_rule_is_not_there(ours, theirs, mailbox, inside):
    with inside(ours):
        rule = add_rule(mailbox, custom(), by=BY)
        db.session.commit()
    their_mailbox = make_mailbox(theirs)
    with inside(theirs):
        assert names(their_mailbox) == []
        with pytest.raises(NotFoundError):
            rules.rule_of(their_mailbox, rule.id)
