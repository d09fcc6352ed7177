"""The mailboxes of the current organization, in the words of a file."""

import re

from sqlalchemy import select

from mailboxes import rules as rule_table
from mailboxes import setup
from mailboxes.accounts import Account, Folder
from mailboxes.connections import Protocol, password_of
from mailboxes.conversion import actions
from mailboxes.imap.folders import WELL_KNOWN_NAMES
from mailboxes.interchange.values import Description, Ranked, Secret
from mailboxes.rules import AutoResponseRule, rules_of
from mailboxes.setup.checking import SPECIAL_USES
from mailboxes.setup.saving import account_of
from mailboxes.setup.values import Grant, MailboxValues
from mailboxes.system_mailboxes import Mailbox, mailboxes
from mailboxes.templates import TemplateValues, template_of
from tenants.database import db, inside_installation
from tenants.organizations import Membership
from tenants.permissions import Role
from tenants.secrets import UnreadableSecretError


def describe_mailboxes(slug: str, *, with_system_accounts: bool) -> Description:
    """All of them by address; ``slug`` is in the names of their secrets."""
    roles = {role.id: role.name for role in db.session.scalars(select(Role))}
    people = {member.id: member.user.address for member in db.session.scalars(select(Membership))}
    names = {str(id): name for id, name in {**roles, **people}.items()}
    found = sorted(db.session.scalars(mailboxes()), key=lambda mailbox: mailbox.address)
    described = {mailbox.address: _mailbox(mailbox, slug, names) for mailbox in found}
    for mailbox in found:
        if mailbox.is_global and with_system_accounts:
            described[mailbox.address]["account"] = _account_of_system(mailbox)
    return described


def secret_name(owner: str, *words: str) -> str:
    """The variable that a secret is written as: ``POSTROOM_OWNER_WORDS`` in capitals."""
    return "_".join(["POSTROOM", *(re.sub(r"[^A-Za-z0-9]+", "_", word) for word in (owner, *words))]).upper()


def guessed_use(name: str) -> str:
    """What a folder is for, from the last part of its name."""
    if name.upper() == "INBOX":
        return "inbox"
    last = re.split(r"[/.]", name)[-1].strip().casefold()
    use = WELL_KNOWN_NAMES.get(last)
    return str(SPECIAL_USES.get(use) or use)


def _mailbox(mailbox: Mailbox, slug: str, names: dict[str, str]) -> Description:
    account = account_of(mailbox)
    values = setup.values_of(mailbox, account)
    described: Description = {
        "address": values.address,
        "label": values.label,
        "aliases": values.aliases,
        "enabled": values.is_enabled,
        "shadow": values.is_shadow or None,
        "processing": _processing(values, names),
        "signature": values.signature,
        "access": dict(_grant(grant, names) for grant in values.grants),
        "rules": _rules(mailbox),
    }
    if mailbox.is_global:
        described["scope"] = "system"
    if account is not None:
        described["account"] = _account(account, slug)
    return {key: value for key, value in described.items() if value is not None}


def _account_of_system(mailbox: Mailbox) -> Description:
    with inside_installation("the account of a global mailbox is compared with a file, or written to one"):
        account = account_of(mailbox)
        return _account(account, "SYSTEM") if account is not None else {}


def _account(account: Account, slug: str) -> Description:
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
    query = select(Folder).where(Folder.account_id == account.id, Folder.is_synced)
    found = sorted(db.session.scalars(query), key=lambda folder: folder.name)
    return [
        folder.name
        if guessed_use(folder.name) == folder.special_use
        else {"name": folder.name, "use": folder.special_use}
        for folder in found
    ]


def _processing(values: MailboxValues, names: dict[str, str]) -> Description:
    return {
        "action": values.action,
        "settings": _action_settings(values, names),
        "automation_from": values.automation_from,
        "convert_automatic": values.converts_automatic,
        "trusted_forms": values.trusted_forms,
        "trusted_authentication_server": values.trusted_authserv_id,
        "answer_unaddressed": values.answers_unaddressed,
    }


def _action_settings(values: MailboxValues, names: dict[str, str]) -> Description:
    """People by address; a person who is gone is left out."""
    action = actions().get(values.action)
    people = {field.name for field in action.fields if field.kind == "member"} if action else set()
    return {
        key: names.get(str(value), "") if key in people else value
        for key, value in values.action_settings.items()
    }


def _grant(grant: Grant, names: dict[str, str]) -> tuple[str, Description]:
    kind = "role" if grant.role_id is not None else "person"
    name = names[str(grant.role_id or grant.membership_id)]
    return f"{kind} {name}", {kind: name, "level": grant.level}


def _rules(mailbox: Mailbox) -> Ranked:
    found = Ranked()
    for rule in db.session.scalars(rules_of(mailbox)):
        found[_free(rule.name, found)] = _rule(rule)
    return found


def _rule(rule: AutoResponseRule) -> Description:
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


def _free(name: str, taken: Ranked) -> str:
    names = [name, *(f"{name} ({number})" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in names if candidate not in taken)
