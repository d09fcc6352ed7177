"""Values of a mailbox's fields in words, and where they come from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import g
from sqlalchemy import select

from mailboxes.conversion import NOTHING, actions
from mailboxes.crm.lead_sources import lead_sources
from mailboxes.global_mailboxes.fields import APART, NO_RULES, OWN_RULES, FieldState, states_of
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.database import db
from tenants.organizations import Membership, Organization
from tenants.permissions import Role

LONGEST = 80
MAY = {"read": "reads", "reply": "replies"}
SYSTEM = "System"


@dataclass(frozen=True, slots=True)
class Origin:
    """A field of a mailbox as a page explains it: what applies, from where, and what the system says.

    ``system_words`` is empty where the system's value applies, or where it has none; ``waiting_words`` where
    nothing waits for a lock to go.
    """

    state: FieldState
    words: str
    source: str
    system_words: str = ""
    waiting_words: str = ""


class Names:
    """What the people, roles and lead sources are called that some mailboxes of an organization name."""

    def __init__(self, mailboxes: Sequence[Mailbox]) -> None:
        grants = db.session.scalars(
            select(MailboxGrant).where(MailboxGrant.mailbox_id.in_([mailbox.id for mailbox in mailboxes]))
        )
        self.grants: dict[UUID, list[MailboxGrant]] = {}
        for grant in grants:
            self.grants.setdefault(grant.mailbox_id, []).append(grant)
        roles = list(db.session.scalars(select(Role).order_by(Role.name)))
        self.roles = {role.id: role.name for role in roles}
        self.system_roles = {role.system_key: role.name for role in roles if role.system_key}
        self.sources = {source.key: source.name for source in db.session.scalars(lead_sources())}
        self.people = self._people(mailboxes)

    def _people(self, mailboxes: Sequence[Mailbox]) -> dict[str, str]:
        granted = {grant.membership_id for found in self.grants.values() for grant in found}
        wanted = {str(id) for id in granted if id is not None} | {
            str(mailbox.action_settings[name])
            for mailbox in mailboxes
            for name in ("owner", "assignee")
            if mailbox.action_settings.get(name)
        }
        wanted |= {said["owner"]["value"] for mailbox in mailboxes if "owner" in (said := mailbox.overrides)}
        wanted.discard("")
        query = select(Membership).where(Membership.id.in_(list(wanted)))
        return {str(member.id): member.name for member in db.session.scalars(query)}


def origins_of(mailbox: Mailbox, organization: Organization, names: Names) -> list[Origin]:
    """Every field of a mailbox in words, be it an organization's own or one that follows the system."""
    if mailbox.global_mailbox_id is None:
        return [
            Origin(state, _words(mailbox, state, names), organization.name) for state in own_states(mailbox)
        ]
    states = states_of(mailbox.system_values, mailbox.overrides)
    return [_origin(mailbox, state, organization, names) for state in states]


def own_states(mailbox: Mailbox) -> list[FieldState]:
    """The fields of an organization's own mailbox, as if they were overrides of nothing."""
    settings = {name: value for name, value in mailbox.action_settings.items() if name not in APART}
    values = {
        "label": mailbox.label,
        "enabled": mailbox.is_enabled,
        "shadow": mailbox.is_shadow,
        "processing": {"action": mailbox.action, "settings": settings},
        "owner": mailbox.action_settings.get("owner", ""),
        "source": mailbox.action_settings.get("source", ""),
        "automation_from": mailbox.automation_from.isoformat(),
        "converts_automatic": mailbox.converts_automatic,
        "trusted_forms": mailbox.trusted_forms,
        "answers_unaddressed": mailbox.answers_unaddressed,
        "signature": mailbox.signature,
        "access": None,
        "rules": mailbox.rules_from,
    }
    return states_of({}, {field: {"value": value} for field, value in values.items()})


def _origin(mailbox: Mailbox, state: FieldState, organization: Organization, names: Names) -> Origin:
    words = _words(mailbox, state, names)
    if not state.is_overridden:
        if state.field == "label" and mailbox.label != state.value:
            words = f"{mailbox.label}, because another mailbox here is called {state.value}"
        return Origin(state, words, SYSTEM, waiting_words=_waiting_words(mailbox, state, names))
    return Origin(state, words, organization.name, _value_words(state.field, state.inherited, names))


def _waiting_words(mailbox: Mailbox, state: FieldState, names: Names) -> str:
    if not state.waits:
        return ""
    if state.field == "access":
        return "people and roles of its own"
    return _value_words(state.field, mailbox.overrides[state.field]["value"], names)


def _words(mailbox: Mailbox, state: FieldState, names: Names) -> str:
    if state.field == "access" and state.is_overridden:
        return _joined(_grant(grant, names) for grant in names.grants.get(mailbox.id, ()))
    if state.field == "automation_from" and mailbox.automation_from > datetime.fromisoformat(state.value):
        return f"{_moment(mailbox.automation_from.isoformat())}, when it came out of shadow mode"
    return _value_words(state.field, state.value, names)


def _value_words(field: str, value: Any, names: Names) -> str:
    if isinstance(value, bool):
        return "On" if value else "Off"
    if field == "owner":
        return names.people.get(value, "somebody who is gone") if value else "the default record owner"
    if field == "source":
        return names.sources.get(value, "the default source")
    if field == "access":
        return _joined(
            f"every {names.system_roles.get(key, key)} {MAY[level]}" for key, level in value.items()
        )
    say = {"processing": _processing, "automation_from": _moment, "rules": _rules}.get(field)
    return say(value) if say is not None else _text(field, value)


def _text(field: str, value: Any) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value or "")
    if not text:
        return "the one of the configuration" if field == "signature" else "none"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _processing(value: Any) -> str:
    action = actions().get(value["action"])
    if action is None or action.name == NOTHING:
        return "Do nothing"
    settings = [
        f"{field.label}: {_setting(value['settings'][field.name], dict(field.choices))}"
        for field in action.fields
        if field.kind in {"choice", "tags", "text"} and value["settings"].get(field.name)
    ]
    return f"{action.label} ({', '.join(settings)})" if settings else action.label


def _setting(value: Any, choices: dict[str, str]) -> str:
    return ", ".join(value) if isinstance(value, list) else choices.get(str(value), str(value))


def _moment(value: str) -> str:
    return f"{datetime.fromisoformat(value).astimezone(ZoneInfo(g.get('zone') or 'UTC')):%d %b %Y, %H:%M}"


def _rules(value: Any) -> str:
    if value in (OWN_RULES, NO_RULES):
        return "Own rules" if value == OWN_RULES else "No automatic responses"
    active = sum(rule["is_active"] for rule in value)
    return f"The system's rules ({active} of {len(value)} active)" if value else "The system's rules (none)"


def _grant(grant: MailboxGrant, names: Names) -> str:
    if grant.role_id is not None:
        return f"every {names.roles.get(grant.role_id, 'role')} {MAY[grant.level]}"
    return f"{names.people.get(str(grant.membership_id), 'somebody')} {MAY[grant.level]}"


def _joined(parts: Iterable[str]) -> str:
    text = ", ".join(parts)
    return text[:1].upper() + text[1:] if text else "Nobody"
