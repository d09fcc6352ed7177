"""Global mailboxes: what the system says, what organizations say otherwise, and what applies."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.exc import ProgrammingError

from mailboxes import rules, templates
from mailboxes.conditions import Condition
from mailboxes.crm.lead_sources import offer_lead_sources
from mailboxes.global_mailboxes import following, overriding, saving
from mailboxes.global_mailboxes.fields import FIELDS, with_locks
from mailboxes.global_mailboxes.saving import GlobalValues
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.messages import Message
from mailboxes.offering import create_organization, offer_everything
from mailboxes.routing.served import served_by
from mailboxes.rules import rules_of
from mailboxes.setup import FolderChoice, Grant, MailboxValues
from mailboxes.setup.values import grants_of
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Template, offer_system_templates
from tenants.audit import Actor, AuditEntry
from tenants.database import db, inside, inside_installation, uuid7
from tenants.errors import ConflictError, ForbiddenError, InvalidError
from tenants.permissions import roles
from tests.factories import make_mailbox, make_message, make_organization

BY = Actor("Sys Admin")
ADA = Actor("Ada")
INBOX = FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3)
MOMENTS = [datetime(2026, 1, day, tzinfo=UTC).isoformat() for day in (1, 2, 3)]
RULE_KEYS = [str(uuid7()) for _ in range(3)]


def typed(**given):
    return MailboxValues(
        **{
            "label": "Info",
            "address": "info@everybody.test",
            "imap_host": "imap.everybody.test",
            "imap_user": "info",
            "imap_password": "hunter2hunter2",
            "folders": [b"INBOX"],
            "automation_from": datetime(2026, 1, 1, tzinfo=UTC),
            **given,
        }
    )


def make_global(*served, serves_all=False, **given):
    """A global mailbox that serves these organizations, brought to them."""
    with inside_installation("a test"):
        values = GlobalValues(typed(**given), serves_all=serves_all)
        source = saving.create(values, [INBOX], by=BY)
        saving.serve(source, [world.id for world in served], by=BY)
        db.session.commit()
    following.follow(source.id)
    return source.id


def system_says(id, field, value):
    with inside_installation("a test"):
        saving.say(saving.global_mailbox_of(id), field, value, by=BY)
        db.session.commit()


def system_locks(id, locks):
    """The system locks exactly these fields, each with its reason."""
    with inside_installation("a test"):
        source = saving.global_mailbox_of(id)
        source.values = with_locks(source.values, locks)
        saving.changed(source)
        db.session.commit()


def change_served(change, id, *worlds):
    with inside_installation("a test"):
        change(saving.global_mailbox_of(id), [world.id for world in worlds], by=BY)
        db.session.commit()


def the_mailbox():
    return db.session.scalar(select(Mailbox).where(Mailbox.global_mailbox_id.is_not(None)))


def applying(mailbox):
    """What applies, by field, as the rest of the product reads it."""
    role_keys = {role.id: role.system_key for role in db.session.scalars(roles())}
    settings = mailbox.action_settings
    return {
        "label": mailbox.label,
        "enabled": mailbox.is_enabled,
        "shadow": mailbox.is_shadow,
        "processing": mailbox.action,
        "owner": settings.get("owner"),
        "source": settings.get("source"),
        "automation_from": mailbox.automation_from.isoformat(),
        "converts_automatic": mailbox.converts_automatic,
        "trusted_forms": mailbox.trusted_forms,
        "answers_unaddressed": mailbox.answers_unaddressed,
        "signature": mailbox.signature,
        "access": {
            role_keys.get(one.role_id) or str(one.membership_id): one.level for one in grants_of(mailbox)
        },
        "rules": [
            (str(rule.system_key), rule.name, rule.is_active)
            for rule in db.session.scalars(rules_of(mailbox))
        ],
    }


def rule(key, name, *, is_active):
    condition = Condition("subject", "contains", name).stored()
    return {
        "key": key,
        "name": name,
        "is_active": is_active,
        "conditions": [condition],
        "template": "acknowledgement",
    }


def processing(action):
    known = {"lead": {}, "case": {"assignee": "", "status": "open", "priority": "low", "tags": ["a"]}}
    return {"action": action, "settings": known.get(action, {})}


RULES = st.lists(
    st.tuples(st.sampled_from(RULE_KEYS), st.sampled_from(["Night", "Day"]), st.booleans()),
    max_size=3,
    unique_by=lambda one: one[0],
).map(lambda found: [rule(key, name, is_active=is_active) for key, name, is_active in found])
SHARED = {
    "label": st.sampled_from(["Info", "Contact", "Hello"]),
    "enabled": st.booleans(),
    "shadow": st.booleans(),
    "processing": st.sampled_from(["nothing", "case"]).map(processing),
    "source": st.sampled_from(["email", "phone"]),
    "automation_from": st.sampled_from(MOMENTS),
    "converts_automatic": st.booleans(),
    "trusted_forms": st.lists(st.sampled_from(["a@forms.test", "b@forms.test"]), unique=True),
    "answers_unaddressed": st.booleans(),
    "signature": st.sampled_from([None, "", "Best wishes"]),
}
SYSTEM = {
    **SHARED,
    "owner": st.just(""),
    "access": st.dictionaries(
        st.sampled_from(["administrator", "member"]), st.sampled_from(["read", "reply"])
    ),
    "rules": RULES,
}
OWN = {
    **SHARED,
    "owner": st.just("the administrator"),
    "access": st.sampled_from(["nobody", "the member"]),
    "rules": st.sampled_from(["own", "off"]),
}
WHO = st.sampled_from(["ours", "theirs"])


def of(strategies):
    return st.sampled_from(sorted(strategies)).flatmap(lambda f: st.tuples(st.just(f), strategies[f]))


STEPS = st.one_of(
    st.tuples(st.just("system"), of(SYSTEM)),
    st.tuples(st.just("lock"), st.sets(st.sampled_from(sorted(FIELDS)), max_size=4)),
    st.tuples(st.just("follow"), st.none()),
    st.tuples(st.just("override"), st.tuples(WHO, of(OWN))),
    st.tuples(st.just("inherit"), st.tuples(WHO, st.sampled_from(sorted(FIELDS)))),
)


class Model:
    """What should apply, in the simplest words."""

    def __init__(self, system):
        self.system = dict(system)
        self.brought = dict(system)
        self.locks, self.brought_locks = set(), set()
        self.own = {"ours": {}, "theirs": {}}

    def bring(self):
        self.brought, self.brought_locks = dict(self.system), set(self.locks)

    def expected(self, who, world, live_since):
        own = {field: value for field, value in self.own[who].items() if field not in self.brought_locks}
        found = {field: own.get(field, self.brought[field]) for field in FIELDS}
        action = found["processing"]["action"]
        found["processing"] = action
        if "rules" in own:
            found["rules"] = []
        else:
            found["rules"] = [(one["key"], one["name"], one["is_active"]) for one in found["rules"]]
        if "access" in own:
            chosen = own["access"] == "the member"
            found["access"] = {str(world.member.id): "read"} if chosen else {}
        if found["owner"]:
            found["owner"] = str(world.admin.id)
        if action == "nothing":
            found["owner"] = found["source"] = None
        if live_since is not None:  # out of shadow it begins then at the earliest
            found["automation_from"] = max(found["automation_from"], live_since.isoformat())
        return found


def stored(field, value, world):
    if field == "owner":
        return str(world.admin.id)
    if field == "access":
        return [Grant("read", membership_id=world.member.id)] if value == "the member" else []
    return value


def carry_out(step, model, id, worlds):
    kind, what = step
    if kind == "system":
        model.system[what[0]] = what[1]
        system_says(id, *what)
    elif kind == "follow":
        model.bring()
        following.catch_up()
    elif kind == "lock":
        model.locks = what
        system_locks(id, dict.fromkeys(what, "The house rules ask for it"))
    else:
        who, change = what
        field = change if kind == "inherit" else change[0]
        with inside(worlds[who].id):
            if kind == "inherit":
                model.own[who].pop(field, None)
                overriding.inherit(the_mailbox(), field, by=ADA)
            else:
                value = stored(field, change[1], worlds[who])
                if field in model.brought_locks and change[1] != model.own[who].get(field, "nothing said"):
                    with pytest.raises(ForbiddenError, match="is locked by the system"):
                        overriding.override(the_mailbox(), field, value, by=ADA)
                    db.session.rollback()
                    return
                model.own[who][field] = change[1]
                overriding.override(the_mailbox(), field, value, by=ADA)
            db.session.commit()


@pytest.fixture
def worlds(ours, theirs):
    for world in (ours, theirs):
        with inside(world.id):
            offer_system_templates()
            offer_lead_sources()
            db.session.commit()
    return {"ours": ours, "theirs": theirs}


def test_any_sequence_of_saves_overrides_and_resets_ends_as_a_simple_model_says(worlds):
    id = make_global(*worlds.values())
    first = {}

    @settings(max_examples=12)
    @given(st.lists(STEPS, min_size=1, max_size=10))
    def check(steps):
        with inside_installation("a test"):
            source = saving.global_mailbox_of(id)
            first.update({name: source.said(name) for name in FIELDS})
        system_locks(id, {})
        following.catch_up()
        model = Model(first)
        for world in worlds.values():
            with inside(world.id):
                overriding.override_only(the_mailbox(), {}, by=ADA)
                db.session.commit()
        for step in steps:
            carry_out(step, model, id, worlds)
            for who, world in worlds.items():
                with inside(world.id):
                    mailbox = the_mailbox()
                    assert applying(mailbox) == model.expected(who, world, mailbox.live_since), step
        model.bring()
        following.catch_up()
        for who, world in worlds.items():
            with inside(world.id):
                mailbox = the_mailbox()
                assert applying(mailbox) == model.expected(who, world, mailbox.live_since)

    check()


@pytest.fixture
def served(worlds):
    """A global mailbox that serves both organizations."""
    return make_global(*worlds.values())


def labels_of(world):
    with inside(world.id):
        return list(db.session.scalars(select(Mailbox.label).order_by(Mailbox.created_at, Mailbox.id)))


def mailbox_in(world):
    with inside(world.id):
        return the_mailbox()


def test_a_change_that_died_before_it_reached_anybody_is_finished_by_the_sweep(served, worlds):
    system_says(served, "label", "Information")
    assert labels_of(worlds["ours"]) == ["Info"]
    following.catch_up()
    assert labels_of(worlds["ours"]) == labels_of(worlds["theirs"]) == ["Information"]


def test_a_change_that_died_half_way_is_finished_by_the_sweep(served, worlds, monkeypatch):
    system_says(served, "label", "Information")
    settled = []

    def die_at_the_second(session, id, organizations):
        settled.append(organizations)
        if len(settled) == 2:
            raise RuntimeError("killed")
        settle(session, id, organizations)

    settle = following.settle
    with monkeypatch.context() as patched:
        patched.setattr(following, "AT_ONCE", 1)
        patched.setattr(following, "settle", die_at_the_second)
        with pytest.raises(RuntimeError):
            following.follow(served)
    assert sorted(labels_of(worlds["ours"]) + labels_of(worlds["theirs"])) == ["Info", "Information"]
    following.catch_up()
    assert labels_of(worlds["ours"]) == labels_of(worlds["theirs"]) == ["Information"]


ACTS = {
    "go live": lambda source, ours, theirs: saving.go_live(source, by=BY),
    "switch": lambda source, ours, theirs: saving.switch(source, is_enabled=False, by=BY),
    "serve": lambda source, ours, theirs: saving.serve(source, [ours.id], by=BY),
    "stop serving": lambda source, ours, theirs: saving.stop_serving(source, [theirs.id], by=BY),
    "make home": lambda source, ours, theirs: saving.make_home(source, ours.id, by=BY),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_what_is_saved_while_somebody_decides_is_not_lost(worlds, act):
    id = make_global(worlds["theirs"], is_shadow=True)
    with inside_installation("a test") as session:
        source = saving.global_mailbox_of(id)
        before = source.version
        system_says(id, "label", "Information")
        act(source, worlds["ours"], worlds["theirs"])
        session.commit()
        session.refresh(source)
        assert (source.label, source.version) == ("Information", before + 2)


def test_what_somebody_switched_live_meanwhile_is_not_switched_twice(worlds):
    id = make_global(*worlds.values(), is_shadow=True)
    with inside_installation("a test"):
        source = saving.global_mailbox_of(id)
        system_says(id, "shadow", False)
        with pytest.raises(ConflictError, match="live already"):
            saving.go_live(source, by=BY)


def test_the_sweep_does_nothing_where_nothing_is_behind(served, worlds, monkeypatch):
    monkeypatch.setattr(following, "settle", None)
    following.catch_up()


@pytest.mark.parametrize("label", ["Info", "INFO"])
def test_a_label_that_an_organization_gave_away_already_is_no_obstacle_there(worlds, label):
    make_mailbox(worlds["ours"], label=label)
    make_mailbox(worlds["ours"], label="Info (System)")
    make_global(*worlds.values())
    assert labels_of(worlds["ours"]) == [label, "Info (System)", "Info (System 2)"]
    assert labels_of(worlds["theirs"]) == ["Info"]


def test_a_label_that_somebody_takes_at_this_very_moment_only_delays(served, worlds, monkeypatch):
    def take(session, id, organizations):
        make_mailbox(worlds["ours"], label="Information")
        settle(session, id, organizations)
        session.execute(update(Mailbox).where(Mailbox.global_mailbox_id == id).values(label="Information"))

    settle = following.settle
    system_says(served, "label", "Information")
    with monkeypatch.context() as patched:
        patched.setattr(following, "settle", take)
        following.follow(served)
    assert labels_of(worlds["theirs"]) == ["Info"]
    following.catch_up()
    assert labels_of(worlds["theirs"]) == ["Information"]
    assert "Information (System)" in labels_of(worlds["ours"])


def test_an_organization_may_have_the_address_already(worlds):
    make_mailbox(worlds["ours"], address="info@everybody.test")
    make_global(*worlds.values())
    assert len(labels_of(worlds["ours"])) == 2


def test_all_organizations_means_those_made_later_too(app, worlds):
    make_global(serves_all=True)
    assert labels_of(worlds["theirs"]) == ["Info"]
    with app.app_context():
        created = create_organization("Later", "later")
        offer_everything()  # twice is once
        assert [mailbox.label for mailbox in db.session.scalars(select(Mailbox))] == ["Info"]
        assert the_mailbox().is_enabled
        db.session.commit()
    planted = make_organization("Planted")  # by nobody who would serve it
    following.catch_up()
    assert labels_of(planted) == ["Info"]
    with inside(created.id):
        assert len(list(db.session.scalars(select(Mailbox)))) == 1


def test_the_home_organization_stays_served_when_all_the_others_are_let_go(worlds):
    id = make_global(serves_all=True)
    with inside_installation("a test"):
        source = saving.global_mailbox_of(id)
        saving.make_home(source, worlds["ours"].id, by=BY)
        saving.change(source, GlobalValues(typed(), serves_all=False), [INBOX], by=BY)
        db.session.commit()
    following.follow(id)
    served = served_by(mailbox_in(worlds["ours"]).account_id)
    assert {one.name: one.is_open for one in served} == {
        worlds["ours"].name: True,
        worlds["theirs"].name: False,
    }


def test_chosen_means_the_chosen_ones(app, worlds):
    make_global(worlds["ours"])
    assert labels_of(worlds["theirs"]) == []
    with app.app_context():
        create_organization("Later", "later")
        assert the_mailbox() is None


def test_who_is_no_longer_served_keeps_everything_and_rests(served, worlds):
    ours = worlds["ours"]
    with inside(ours.id):
        overriding.override(the_mailbox(), "label", "Ours", by=ADA)
        db.session.commit()
    message = make_message(ours, mailbox_in(ours))
    change_served(saving.stop_serving, served, ours)
    following.follow(served)
    mailbox = mailbox_in(ours)
    assert (mailbox.is_served, mailbox.is_enabled, mailbox.label) == (False, False, "Ours")
    with inside(ours.id):
        assert db.session.scalar(select(Message.id)) == message.id
        with pytest.raises(ConflictError):
            overriding.override(the_mailbox(), "enabled", True, by=ADA)
    system_says(served, "enabled", True)
    following.follow(served)
    assert not mailbox_in(ours).is_enabled
    change_served(saving.serve, served, ours)
    following.follow(served)
    mailbox = mailbox_in(ours)
    assert (mailbox.is_served, mailbox.is_enabled, mailbox.label) == (True, True, "Ours")


def test_the_home_organization_is_served(served, worlds):
    third = make_organization("Third")
    with inside_installation("a test"):
        source = saving.global_mailbox_of(served)
        saving.make_home(source, third.id, by=BY)
        db.session.commit()
        with pytest.raises(ConflictError, match="Third is the home organization"):
            saving.stop_serving(source, [third.id], by=BY)
    following.follow(served)
    assert labels_of(third) == ["Info"]


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
        ("trusted_forms", ["nobody"], "is no e-mail address"),
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
