"""Global mailboxes in a file: whom they serve, how they route, and what is otherwise in an organization."""

import pytest
from sqlalchemy import func, select

from mailboxes import interchange
from mailboxes.interchange import FileError
from mailboxes.routing.rules import RoutingRule
from mailboxes.rules import rules_of
from mailboxes.setup.values import grants_of
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry, SystemAuditEntry
from tenants.database import db, inside_installation
from tenants.database import inside as inside_of
from tenants.organizations import Organization
from tests.mailboxes.interchange.written import apply, change_of, empty, mailbox, plan, secrets_of_an_export

GLOBAL = """
    system:
      mailboxes:
        - address: info@installation.example
          label: Info
          delivery: routed
          serves: [nordwind]
          home: nordwind
          account:
            imap:
              {enabled: true, host: imap.installation.example, user: i, password: "${SUPPORT_PASSWORD}"}
            folders: [INBOX]
          processing: {action: case, settings: {status: open, priority: normal, tags: [web]}}
          lead_source: phone
          automation_from: 2026-01-02T03:04:05Z
          access: [{role: member, level: read}]
          rules:
            - name: Night
              template: acknowledgement
              conditions: [{field: subject, operator: contains, value: x}]
            - {name: All, template: acknowledgement, active: false}
    organizations:
      - slug: nordwind
        global_mailboxes:
          - address: info@installation.example
            label: Auskunft
            owner: ada@nordwind.example
            signature: ""
            access: [{role: Service, level: reply}, {person: ada@nordwind.example, level: read}]
            rules: own
            own_rules: [{name: Ours, template: Acknowledgement}]
"""

SYSTEM = "system / mailboxes / info@installation.example"

HERE = "organization nordwind / global_mailboxes / info@installation.example"


def test_a_global_mailbox_is_planned_made_changed_and_removed(applied, nordwind):
    assert plan(GLOBAL) == [f"+ {HERE}", f"+ {SYSTEM}"]
    assert db.session.scalars(select(Mailbox).where(Mailbox.address.startswith("info"))).all() == []
    assert sorted(apply(GLOBAL)) == [f"+ {HERE}", f"+ {SYSTEM}"]
    assert apply(GLOBAL) == []
    served = mailbox("info@installation.example")
    assert (served.label, served.rules_from, served.action) == ("Auskunft", "own", "case")
    assert [rule.name for rule in db.session.scalars(rules_of(served))] == ["Ours"]
    moved = GLOBAL.replace("imap.installation.example", "imap2.installation.example")
    assert (
        plan(moved)
        == apply(moved)
        == [f"~ {SYSTEM} / account / imap / host: imap.installation.example → imap2.installation.example"]
    )
    assert apply(moved) == []
    renamed = moved.replace("label: Info", "label: Information").replace("label: Auskunft", "label: null")
    assert set(plan(renamed)) == {f"~ {SYSTEM} / label: Info → Information", f"- {HERE} / label: Auskunft"}
    apply(renamed)
    assert apply(renamed) == []
    assert the_label() == "Information"
    gone = "system: {mailboxes: [{address: info@installation.example, state: absent}]}"
    assert plan(gone) == [f"- {SYSTEM}"]
    assert apply(gone) == [f"- {SYSTEM}"]
    assert the_label() is None


def test_shadow_and_locks_are_those_of_the_file(applied, nordwind):
    """What is said otherwise of what is locked is exported and waits, be it said before or after."""
    apply(GLOBAL)
    locks = "locks: [{field: access, reason: Everybody reads it}, {field: lead_source, reason: One list}]"
    said = GLOBAL.replace("delivery: routed", f"shadow: true\n          {locks}\n          delivery: routed")
    assert plan(said) == apply(said)
    assert apply(said) == []
    served = mailbox("info@installation.example")
    db.session.refresh(served)
    assert served.is_shadow
    assert [(one.level, one.membership_id) for one in grants_of(served)] == [("read", None)]
    whole = interchange.export()
    assert "role: Service" in whole
    secrets = secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}
    assert apply(whole, secrets) == []
    otherwise = said.replace("label: Auskunft", "label: Auskunft\n            lead_source: email")
    assert plan(otherwise) == apply(otherwise) == [f"+ {HERE} / lead_source: email"]
    assert apply(otherwise) == []
    db.session.refresh(served)
    assert served.action_settings["source"] == "phone"
    free = said.replace(locks, "locks: [{field: access, state: absent}, {field: lead_source, state: absent}]")
    free = free.replace("shadow: true", "shadow: false")
    assert plan(free) == apply(free)
    db.session.refresh(served)
    assert not served.is_shadow
    assert sorted(one.level for one in grants_of(served)) == ["read", "reply"]
    assert served.action_settings["source"] == "email"


def test_what_waits_for_a_lock_comes_back_from_an_export(app, theirs, database_urls):
    apply()
    locks = "locks: [{field: access, reason: Everybody}, {field: label, reason: One name}]"
    said = GLOBAL.replace("delivery: routed", f"{locks}\n          delivery: routed")
    apply(said)
    exported = interchange.export()
    assert "label: Auskunft" in exported
    empty(database_urls)
    secrets = secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}
    apply(exported, secrets)
    assert apply(exported, secrets) == []
    assert interchange.export() == exported
    with inside_of(db.session.scalar(select(Organization.id).where(Organization.slug == "nordwind"))):
        assert the_label() == "Info"
        served = mailbox("info@installation.example")
        assert [(one.level, one.membership_id) for one in grants_of(served)] == [("read", None)]


def test_a_file_that_takes_a_lock_away_may_say_that_otherwise_at_once(applied, nordwind):
    lock = "locks: [{field: lead_source, reason: One list}]"
    locked = GLOBAL.replace("delivery: routed", f"{lock}\n          delivery: routed")
    apply(locked)
    free = locked.replace("reason: One list", "state: absent")
    free = free.replace("label: Auskunft", "label: Auskunft\n            lead_source: email")
    assert sorted(plan(free)) == sorted(apply(free))
    assert apply(free) == []
    served = mailbox("info@installation.example")
    db.session.refresh(served)
    assert served.action_settings["source"] == "email"


@pytest.mark.parametrize("about", ["system", "organization"])
def test_out_of_shadow_is_at_rest(applied, nordwind, about):
    apply(GLOBAL)
    said = GLOBAL.replace("delivery: routed", "shadow: false\n          delivery: routed")
    text = said if about == "system" else change_of("shadow: false")

    def records():
        with inside_installation("a test"):
            system = db.session.scalar(select(func.count()).select_from(SystemAuditEntry))
        return system, db.session.scalar(select(func.count()).select_from(AuditEntry))

    before = records()
    assert apply(text) == []
    assert records() == before


def the_label():
    query = select(Mailbox.label).where(Mailbox.address == "info@installation.example")
    return db.session.scalar(query)


def test_whom_a_global_mailbox_serves_is_what_the_file_says(applied, nordwind, theirs, inside):
    with inside(theirs):
        other = db.session.scalars(select(Organization.slug).where(Organization.id == theirs.id)).one()
    apply(GLOBAL)
    for serves, expected in ((f"[{other}]", 1), ("all", 1), ("[nordwind]", 0)):
        apply(GLOBAL.replace("serves: [nordwind]", f"serves: {serves}"))
        with inside(theirs):
            query = select(Mailbox.label).where(Mailbox.is_served)
            assert len(list(db.session.scalars(query))) == expected
        assert the_label() == "Auskunft"


ROUTED = GLOBAL.replace(
    "          access: [{role: member",
    """          routing:
            - {field: recipient, value: A@Nord.example, organization: nordwind}
            - {field: tag, value: +nord, organization: nordwind}
          access: [{role: member""",
)


def conditions_of_routing():
    with inside_installation("a test") as session:
        found = session.execute(select(RoutingRule.field, RoutingRule.value).order_by(RoutingRule.position))
        return [tuple(row) for row in found]


def test_routing_rules_are_those_of_the_file_in_its_order(applied, nordwind, theirs):
    assert plan(ROUTED) == [f"+ {HERE}", f"+ {SYSTEM}"]
    assert conditions_of_routing() == []
    apply(ROUTED)
    assert conditions_of_routing() == [("recipient", "a@nord.example"), ("tag", "nord")]
    assert apply(ROUTED) == []
    whole = interchange.export()
    secrets = secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}
    assert apply(whole, secrets) == []
    turned = ROUTED.replace(
        "field: recipient, value: A@Nord.example", "field: sender_domain, value: x.example"
    )
    assert len(apply(turned)) == 1
    assert conditions_of_routing() == [("sender_domain", "x.example"), ("tag", "nord")]
    assert apply(GLOBAL) == []  # what a file does not mention stays
    assert len(conditions_of_routing()) == 2


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        (
            "value: A@Nord.example, organization: nordwind",
            "value: a@b.example, organization: else",
            "serve else",
        ),
        ("field: tag", "field: subject", "subject is not possible"),
        ("value: A@Nord.example", "value: nobody", "address"),
        ("{field: tag, value: +nord", "{field: recipient, value: a@nord.example", "Keep one of them"),
    ],
)
def test_a_routing_rule_that_a_page_would_refuse_is_refused(applied, nordwind, wrong, right, message):
    with pytest.raises(FileError, match=message):
        apply(ROUTED.replace(wrong, right))
    assert conditions_of_routing() == []


def test_what_is_otherwise_here_follows_again_when_the_file_takes_it_back(applied, nordwind):
    apply(GLOBAL)
    text = """
        organizations:
          - slug: nordwind
            global_mailboxes: [{address: info@installation.example, state: absent}]
    """
    assert plan(text) == apply(text)
    served = mailbox("info@installation.example")
    db.session.refresh(served)
    assert (served.label, served.overrides) == ("Info", {})


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("serves: [nordwind]", "serves: [nowhere]", "There is no organization nowhere"),
        ("home: nordwind", "home: nowhere", "There is no organization nowhere"),
        ("{role: member", "{role: Service", "Service is not possible"),
        ("template: acknowledgement", "template: nothing", "Choose a template of the system"),
        ("owner: ada@nordwind.example", "owner: root@installation.example", "root@installation.example"),
        ("tags: [web]}", "tags: [web], owner: ada@nordwind.example}", "owner is not known here"),
        ("label: Auskunft", "label: Sales", "Another mailbox is called Sales"),
    ],
)
def test_what_cannot_be_of_a_global_mailbox_is_refused_and_nothing_is_kept(
    applied, nordwind, wrong, right, message
):
    with pytest.raises(FileError, match=message):
        apply(GLOBAL.replace(wrong, right))
    assert the_label() is None


def test_only_the_whole_export_holds_what_is_the_systems(applied, nordwind):
    apply(GLOBAL)
    own = interchange.export("nordwind")
    assert "imap.installation.example" not in own
    assert "label: Auskunft" in own
    whole = interchange.export()
    assert "imap.installation.example" in whole
    assert "${POSTROOM_SYSTEM_INFO_IMAP_PASSWORD}" in whole
    assert (
        apply(whole, secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}) == []
    )
