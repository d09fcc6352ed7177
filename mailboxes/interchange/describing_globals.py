"""Global mailboxes in the words of a file: what the system says, and what an organization says otherwise."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.conversion import actions
from mailboxes.global_mailboxes.fields import FIELDS, locks_of
from mailboxes.global_mailboxes.overriding import own_grants
from mailboxes.global_mailboxes.saving import account_of
from mailboxes.global_mailboxes.system_rules import SystemRule, rules_of
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization, global_mailboxes
from mailboxes.interchange.describing_mailboxes import (
    Names,
    described_access,
    described_account,
    described_rules,
)
from mailboxes.interchange.values import Description, Ranked, free_name
from mailboxes.routing import rules as routing_rules
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, inside_installation
from tenants.organizations import Organization

ALL = "all"
_OTHERWISE = {
    "source": "lead_source",
    "converts_automatic": "convert_automatic",
    "answers_unaddressed": "answer_unaddressed",
}
# The words of a file for the fields of the store.
WORDS = {field: _OTHERWISE.get(field, field) for field in FIELDS}
FIELDS_OF = {word: field for field, word in WORDS.items()}


def describe_global_mailboxes() -> Description:
    """What the system says of each, by address. In a scope of its own, bound to the installation."""
    with inside_installation("global mailboxes are compared with a file, or written to one"):
        return described_global_mailboxes()


def described_global_mailboxes() -> Description:
    """The same, where the session is bound to the installation already."""
    slugs = {row[0]: row[1] for row in db.session.execute(select(Organization.id, Organization.slug))}
    found = db.session.scalars(global_mailboxes().where(GlobalMailbox.deleted_at.is_(None)))
    ordered = sorted(found, key=lambda source: source.address)
    return {source.address: _global_mailbox(source, slugs) for source in ordered}


def describe_overrides() -> Description:
    """What is otherwise in the current organization, by the address of the global mailbox."""
    names = Names()
    described = {mailbox.address: _mailbox(mailbox, names) for mailbox in followed_mailboxes().values()}
    return {address: one for address, one in described.items() if len(one) > 1}


def followed_mailboxes() -> dict[str, Mailbox]:
    """Mailboxes of the current organization that follow the system, by address."""
    served = select(Mailbox).where(Mailbox.global_mailbox_id.is_not(None), Mailbox.is_served)
    return {mailbox.address: mailbox for mailbox in db.session.scalars(served.order_by(Mailbox.address))}


def _global_mailbox(source: GlobalMailbox, slugs: dict[UUID, str]) -> Description:
    account = account_of(source)
    home = account.home_organization_id
    described: Description = {
        "address": source.address,
        "label": source.label,
        "aliases": list(source.aliases),
        "enabled": source.is_enabled,
        "shadow": source.is_shadow,
        "delivery": account.delivery_mode,
        "serves": ALL if source.serves_all else _served(source, slugs),
        "home": slugs.get(home) if home is not None else None,
        "account": described_account(account, "SYSTEM"),
        "processing": dict(source.said("processing")),
        "lead_source": source.said("source"),
        "automation_from": datetime.fromisoformat(source.said("automation_from")),
        "convert_automatic": source.said("converts_automatic"),
        "trusted_forms": source.said("trusted_forms"),
        "trusted_authentication_server": source.trusted_authserv_id,
        "answer_unaddressed": source.said("answers_unaddressed"),
        "signature": source.said("signature"),
        "access": {
            f"role {key}": {"role": key, "level": level} for key, level in source.said("access").items()
        },
        "locks": _locks(source) or None,
        "rules": _rules(source),
        "routing": _routing(account, slugs) or None,
    }
    return {key: value for key, value in described.items() if value is not None}


def _locks(source: GlobalMailbox) -> Description:
    locks = locks_of(source.values)
    return {word: {"field": word, "reason": locks[field]} for field, word in WORDS.items() if field in locks}


def _served(source: GlobalMailbox, slugs: dict[UUID, str]) -> list[str]:
    chosen = select(ServedOrganization.organization_id)
    found = db.session.scalars(chosen.where(ServedOrganization.global_mailbox_id == source.id))
    return sorted(slugs[id] for id in found if id in slugs)


def _rules(source: GlobalMailbox) -> Ranked:
    found = Ranked()
    for rule in rules_of(source):
        found[free_name(rule.name, found)] = _rule(rule)
    return found


def _routing(account: Account, slugs: dict[UUID, str]) -> list[Description]:
    return [
        {"field": rule.field, "value": rule.value, "organization": slugs[rule.organization_id]}
        for rule in db.session.scalars(routing_rules.rules_of(account.id))
    ]


def _rule(rule: SystemRule) -> Description:
    return {
        "name": rule.name,
        "active": rule.is_active,
        "conditions": [one.stored() for one in rule.conditions],
        "template": rule.template,
    }


def _mailbox(mailbox: Mailbox, names: Names) -> Description:
    described: Description = {"address": mailbox.address}
    for field, said in mailbox.overrides.items():
        described[WORDS[field]] = _described(mailbox, field, said["value"], names)
    own_rules = described_rules(mailbox)
    return described | {"own_rules": own_rules} if own_rules else described


def _described(mailbox: Mailbox, field: str, value: Any, names: Names) -> Any:
    if field == "owner":
        return names.person(value)
    if field == "access":
        return described_access(own_grants(mailbox), names)
    if field == "automation_from":
        return datetime.fromisoformat(value)
    if field == "signature":
        return value or ""
    if field == "processing":
        return {"action": value["action"], "settings": _described_settings(value, names)}
    return value


def _described_settings(value: Mapping[str, Any], names: Names) -> Description:
    action = actions().get(value["action"])
    people = {one.name for one in action.fields if one.kind == "member"} if action is not None else set()
    return {
        name: names.person(one) if name in people and one else one for name, one in value["settings"].items()
    }
