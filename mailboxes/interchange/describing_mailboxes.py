"""The mailboxes of the current organization, in the words of a file."""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes import rules as rule_table
from mailboxes import setup
from mailboxes.accounts import Account, Folder, folders_of
from mailboxes.connections import Protocol, password_of
from mailboxes.conversion import actions
from mailboxes.imap.folders import WELL_KNOWN_NAMES
from mailboxes.interchange.values import Description, Ranked, Secret, free_name
from mailboxes.rules import AutoResponseRule, own_rules_of
from mailboxes.setup.checking import our_word
from mailboxes.setup.saving import account_of
from mailboxes.setup.values import Grant, MailboxValues
from mailboxes.system_mailboxes import Mailbox, mailboxes
from mailboxes.templates import TemplateValues, template_of
from tenants.database import db
from tenants.organizations import Membership
from tenants.permissions import Role
from tenants.secrets import UnreadableSecretError


def describe_mailboxes(slug: str) -> Description:
    """An organization's own, by address; ``slug`` is in the names of their secrets."""
    names = Names()
    found = db.session.scalars(mailboxes().where(Mailbox.global_mailbox_id.is_(None)))
    ordered = sorted(found, key=lambda mailbox: mailbox.address)
    return {mailbox.address: described_mailbox(mailbox, slug, names) for mailbox in ordered}


class Names:
    """What the roles of the current organization are called, and the addresses of its people."""

    @cached_property
    def roles(self) -> dict[UUID, str]:
        return {role.id: role.name for role in db.session.scalars(select(Role))}

    def person(self, id: Any) -> str:
        """The address of a member, whose id may be stored as text; "" for one who is gone."""
        return self._people.get(str(id), "")

    @cached_property
    def _people(self) -> dict[str, str]:
        return {str(member.id): member.user.address for member in db.session.scalars(select(Membership))}


def secret_name(owner: str, *words: str) -> str:
    """The variable that a secret is written as: ``POSTROOM_OWNER_WORDS`` in capitals."""
    return "_".join(["POSTROOM", *(re.sub(r"[^A-Za-z0-9]+", "_", word) for word in (owner, *words))]).upper()


def guessed_use(name: str) -> str:
    """What a folder is for, from the last part of its name."""
    if name.upper() == "INBOX":
        return "inbox"
    last = re.split(r"[/.]", name)[-1].strip().casefold()
    return our_word(WELL_KNOWN_NAMES.get(last))


def described_mailbox(mailbox: Mailbox, slug: str, names: Names) -> Description:
    """One of them; without a connection where that is the system's."""
    account = account_of(mailbox)
    values = setup.values_of(mailbox, account, folders=[])
    described: Description = {
        "address": values.address,
        "label": values.label,
        "aliases": values.aliases,
        "enabled": values.is_enabled,
        "shadow": values.is_shadow,
        "processing": _processing(values, names),
        "signature": values.signature,
        "access": described_access(values.grants, names),
        "rules": described_rules(mailbox),
    }
    if account is not None:
        described["account"] = described_account(account, slug)
    return {key: value for key, value in described.items() if value is not None}


def described_account(account: Account, slug: str) -> Description:
    """A connection, with its secrets as such."""
    return {
        "type": account.kind,
        "imap": _server(account, "imap", slug),
        "smtp": _server(account, "smtp", slug),
        "folders": _folders(account),
        "history": account.history_days if account.history == "days" else account.history,
        "mirror_read_state": account.mirrors_read_state,
        "copy_sent": account.copies_sent,
    }


def _server(account: Account, protocol: Protocol, slug: str) -> Description:
    described: Description = {"enabled": getattr(account, f"{protocol}_enabled")}
    for name in ("host", "port", "encryption", "user"):
        described[name] = getattr(account, f"{protocol}_{name}")
    if getattr(account, f"{protocol}_secret"):
        described["password"] = _password(account, protocol, slug)
    return described


def _password(account: Account, protocol: Protocol, slug: str) -> Secret:
    name = secret_name(slug, account.address.partition("@")[0], protocol, "password")
    try:
        return Secret(name, password_of(account, protocol))
    except UnreadableSecretError:  # its key is gone: any value is a new one
        return Secret(name, None)


def _folders(account: Account) -> list[str | Description]:
    query = folders_of(account).where(Folder.is_synced)
    found = sorted(db.session.scalars(query), key=lambda folder: folder.name)
    return [
        folder.name
        if guessed_use(folder.name) == our_word(folder.special_use)
        else {"name": folder.name, "use": our_word(folder.special_use)}
        for folder in found
    ]


def _processing(values: MailboxValues, names: Names) -> Description:
    return {
        "action": values.action,
        "settings": _action_settings(values, names),
        "automation_from": values.automation_from,
        "convert_automatic": values.converts_automatic,
        "trusted_forms": values.trusted_forms,
        "trusted_authentication_server": values.trusted_authserv_id,
        "answer_unaddressed": values.answers_unaddressed,
    }


def _action_settings(values: MailboxValues, names: Names) -> Description:
    """People by address; a person who is gone is left out."""
    action = actions().get(values.action)
    people = {field.name for field in action.fields if field.kind == "member"} if action else set()
    return {
        key: names.person(value) if key in people else value for key, value in values.action_settings.items()
    }


def described_access(grants: Iterable[Grant], names: Names) -> Description:
    """Who has access, by role or person."""
    return dict(_grant(grant, names) for grant in grants)


def _grant(grant: Grant, names: Names) -> tuple[str, Description]:
    if grant.role_id is not None:
        name = names.roles[grant.role_id]
        return f"role {name}", {"role": name, "level": grant.level}
    name = names.person(grant.membership_id)
    return f"person {name}", {"person": name, "level": grant.level}


def described_rules(mailbox: Mailbox) -> Ranked:
    """The organization's own rules, in order."""
    found = Ranked()
    for rule in db.session.scalars(own_rules_of(mailbox)):
        found[free_name(rule.name, found)] = described_rule(rule)
    return found


def described_rule(rule: AutoResponseRule) -> Description:
    """A rule with its conditions, and what it answers."""
    values = rule_table.values_of(rule)
    described: Description = {
        "name": values.name,
        "active": values.is_active,
        "conditions": [one.stored() for one in values.conditions],
    }
    if values.response is not None:
        return described | {"response": _response(values.response)}
    return described | {"template": template_of(rule.template_id).name}


def _response(response: TemplateValues) -> Description:
    texts = {
        language: {"subject": subject, "content": content}
        for language, (subject, content) in response.texts.items()
    }
    return {"type": response.kind, "texts": texts}
