"""What organizations say otherwise of a global mailbox, and its rules."""

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import ProgrammingError

from mailboxes import rules, templates
from mailboxes.global_mailboxes import following, overriding
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.rules import rules_of
from mailboxes.setup import Grant
from mailboxes.templates import Template
from tenants.audit import AuditEntry
from tenants.database import db, inside
from tenants.errors import ForbiddenError, InvalidError
from tests.factories import make_mailbox
from tests.mailboxes.global_mailboxes.saying import (
    ADA,
    BY,
    RULE_KEYS,
    mailbox_in,
    rule,
    system_says,
    the_mailbox,
)


def test_rules_of_the_system_answer_with_the_organizations_own_template(served, worlds):
    ours, theirs = worlds.values()
    with inside(ours.id):
        template = db.session.scalar(select(Template).where(Template.system_key == "acknowledgement"))
        template.name = "Eingangsbestätigung"
        db.session.commit()
    with inside(theirs.id):
        db.session.execute(delete(Template))
        db.session.commit()
    system_says(served, "rules", [rule(RULE_KEYS[0], "Night", is_active=True)])
    following.follow(served)
    for world, name in ((ours, "Eingangsbestätigung"), (theirs, "Acknowledgement")):
        with inside(world.id):
            copy = db.session.scalar(rules_of(the_mailbox()))
            assert templates.template_of(copy.template_id).name == name


def test_the_rules_of_the_system_are_not_changed_in_an_organization(served, worlds):
    system_says(served, "rules", [rule(RULE_KEYS[0], "Night", is_active=True)])
    following.follow(served)
    with inside(worlds["ours"].id):
        copy = db.session.scalar(rules_of(the_mailbox()))
        for change in (
            lambda: rules.delete_rule(copy, by=ADA),
            lambda: rules.move_rule_up(copy, by=ADA),
            lambda: rules.activate(copy, is_active=False, by=ADA),
            lambda: rules.change_rule(copy, rules.values_of(copy), by=ADA),
        ):
            with pytest.raises(ForbiddenError):
                change()


def test_own_rules_are_kept_while_the_systems_apply(served, worlds):
    system_says(served, "rules", [rule(RULE_KEYS[0], "Night", is_active=True)])
    following.follow(served)

    def names():
        return [one.name for one in db.session.scalars(rules_of(the_mailbox()))]

    with inside(worlds["ours"].id):
        overriding.override(the_mailbox(), "rules", "own", by=ADA)
        template = db.session.scalar(select(Template.id).where(Template.system_key == "acknowledgement"))
        rules.add_rule(the_mailbox(), rules.RuleValues("Mine", template_id=template), by=ADA)
        assert names() == ["Mine"]
        overriding.inherit(the_mailbox(), "rules", by=ADA)
        assert names() == ["Night"]
        overriding.override(the_mailbox(), "rules", "off", by=ADA)
        assert names() == []
        overriding.override(the_mailbox(), "rules", "own", by=ADA)
        assert names() == ["Mine"]


def test_rules_that_apply_again_answer_only_what_arrives_from_then_on(served, worlds):
    system_says(served, "rules", [rule(RULE_KEYS[0], "Night", is_active=True)])
    following.follow(served)
    with inside(worlds["ours"].id):
        before = db.session.scalar(rules_of(the_mailbox())).active_since
        overriding.override(the_mailbox(), "rules", "off", by=ADA)
        overriding.inherit(the_mailbox(), "rules", by=ADA)
        assert (
            db.session.scalar(rules_of(the_mailbox()).execution_options(populate_existing=True)).active_since
            > before
        )


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("label", "taken", "Another mailbox is called Taken"),
        ("label", " ", "Give the mailbox a label"),
        ("processing", {"action": "lead", "settings": {}}, "needs an active sales channel"),
        ("processing", {"action": "case", "settings": {"status": "odd", "priority": "low"}}, "Choose one"),
        ("source", "nowhere", "Choose one from the list"),
        ("trusted_forms", ["nobody"], "is no email address"),
        ("rules", "system", "Choose whose rules"),
    ],
)
def test_what_does_not_fit_here_is_refused(served, worlds, field, value, sentence):
    make_mailbox(worlds["ours"], label="Taken")
    with inside(worlds["ours"].id):
        with pytest.raises(InvalidError, match=sentence):
            overriding.override(the_mailbox(), field, value, by=ADA)
        db.session.rollback()
        assert the_mailbox().overrides == {}


def test_nobody_of_the_neighbours_owns_or_sees_anything(served, worlds):
    ours, theirs = worlds.values()
    with inside(ours.id):
        with pytest.raises(InvalidError):
            overriding.override(the_mailbox(), "owner", str(theirs.admin.id), by=ADA)
        db.session.rollback()
        grants = [Grant("read", membership_id=theirs.member.id)]
        with pytest.raises(InvalidError):
            overriding.override(the_mailbox(), "access", grants, by=ADA)


def test_an_override_says_who_and_when_and_stands_on_the_record(served, worlds):
    with inside(worlds["ours"].id):
        assert overriding.override(the_mailbox(), "signature", "Ours", by=ADA) == ["signature"]
        assert overriding.override(the_mailbox(), "signature", "Ours", by=BY) == []
        state = next(one for one in overriding.states(the_mailbox()) if one.field == "signature")
        assert (state.value, state.inherited, state.by) == ("Ours", None, "Ada")
        overriding.inherit(the_mailbox(), "signature", by=ADA)
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [entry.after for entry in entries] == [
            {"signature": "Ours"},
            {"signature": overriding.FOLLOWS},
        ]
    assert mailbox_in(worlds["theirs"]).overrides == {}


def test_pausing_here_is_an_override_and_going_on_is_none(served, worlds):
    with inside(worlds["ours"].id):
        overriding.switch(the_mailbox(), is_enabled=False, by=ADA)
        assert set(the_mailbox().overrides) == {"enabled"}
        overriding.switch(the_mailbox(), is_enabled=True, by=ADA)
        assert the_mailbox().overrides == {}
        assert the_mailbox().is_enabled


def test_no_organization_may_read_what_the_system_keeps(served, worlds):
    with inside(worlds["ours"].id), pytest.raises(ProgrammingError, match="permission denied"):
        db.session.execute(select(GlobalMailbox))
