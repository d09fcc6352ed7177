"""What the system says of global mailboxes, and what applies in an organization, for tests."""

from datetime import UTC, datetime

from sqlalchemy import select

from mailboxes.conditions import Condition
from mailboxes.global_mailboxes import following, saving
from mailboxes.global_mailboxes.fields import with_locks
from mailboxes.global_mailboxes.saving import GlobalValues
from mailboxes.rules import rules_of
from mailboxes.setup import FolderChoice, MailboxValues
from mailboxes.setup.values import grants_of
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor
from tenants.database import db, inside, inside_installation, uuid7
from tenants.permissions import roles

BY = Actor("Sys Admin")
ADA = Actor("Ada")
INBOX = FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3)
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


def labels_of(world):
    with inside(world.id):
        return list(db.session.scalars(select(Mailbox.label).order_by(Mailbox.created_at, Mailbox.id)))


def mailbox_in(world):
    with inside(world.id):
        return the_mailbox()
