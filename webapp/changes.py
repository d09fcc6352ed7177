"""What entries of the record say of one thing: its history, in words that its pages use."""

from collections.abc import Sequence
from typing import Any

from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry, Entry, entries
from tenants.configuration.catalog import CATALOG
from tenants.database import db

MOST_FIELDS = 5
MOST_ACTS = 20
_WORDS = {
    "kind": "type",
    "action": "processing",
    "action_settings": "settings of processing",
    "answers_unaddressed": "answers to messages that do not name it",
    "copies_sent": "copy in the Sent folder",
    "converts_automatic": "automatic mail converts",
    "is_shadow": "shadow mode",
    "is_system_admin": "system administrator",
    "serves_all": "serves all organizations",
    "trusted_authserv_id": "trusted authentication server",
}


def field_in_words(name: str) -> str:
    """A field of an entry as people call it."""
    if name in CATALOG:
        return CATALOG[name].label
    return _WORDS.get(name) or name.removeprefix("is_").replace("_", " ")


def history_of_mailbox(mailbox: Mailbox) -> list[dict[str, Any]]:
    """What people did with a mailbox lately, as `timeline` takes it."""
    acts = entries().where(AuditEntry.act.like("mailbox.%"), AuditEntry.subject == mailbox.label)
    return events_of(db.session.scalars(acts.limit(MOST_ACTS)).all())


def events_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries about one thing, as `timeline` takes them; where it was made, its fields are on the page."""
    return [
        {
            "name": entry.act.partition(".")[2].replace("_", " ").capitalize(),
            "icon": "history",
            "result": _fields(list(entry.after)) if entry.before else "",
            "at": entry.at,
            "who": entry.actor_name,
        }
        for entry in entries
    ]


def _fields(names: list[str]) -> str:
    more = len(names) - MOST_FIELDS
    shown = ", ".join(field_in_words(name) for name in names[:MOST_FIELDS])
    return f"{shown} and {more} more" if more > 0 else shown
