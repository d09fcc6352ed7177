"""Whatever the system and organizations do, what applies is what a simple model says."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.global_mailboxes import following, overriding, saving
from mailboxes.global_mailboxes.fields import FIELDS
from mailboxes.setup import Grant
from tenants.database import db, inside, inside_installation
from tenants.errors import ForbiddenError
from tests.mailboxes.global_mailboxes.saying import (
    ADA,
    RULE_KEYS,
    applying,
    make_global,
    processing,
    rule,
    system_locks,
    system_says,
    the_mailbox,
)

MOMENTS = [datetime(2026, 1, day, tzinfo=UTC).isoformat() for day in (1, 2, 3)]
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
