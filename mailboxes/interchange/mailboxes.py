"""The part of a file that is about the mailboxes of an organization."""

from typing import Any
from uuid import UUID

from mailboxes import rules as rule_table
from mailboxes import setup
from mailboxes.conditions import Condition
from mailboxes.conversion import actions
from mailboxes.imap import raw_name
from mailboxes.interchange.describing_mailboxes import guessed_use
from mailboxes.interchange.offers import texts_from
from mailboxes.interchange.organization import member_id
from mailboxes.interchange.values import Description, Secret
from mailboxes.interchange.work import Work
from mailboxes.rules import AutoResponseRule, RuleValues, own_rules_of
from mailboxes.setup import FolderChoice, Grant, MailboxValues
from mailboxes.setup.connection import Connection, connection_of
from mailboxes.system_mailboxes import Mailbox, mailboxes
from mailboxes.templates import TemplateValues, templates
from tenants.database import db
from tenants.errors import InvalidError
from tenants.permissions import roles

_SERVER_FIELDS = ("enabled", "host", "port", "encryption", "user")


def keep_mailboxes(current: Description, wanted: Description, work: Work) -> None:
    """Mailboxes with their rules: those that the file calls absent go first, and free their labels."""
    for address in [address for address in current if address not in wanted]:
        with work.at("mailboxes", address):
            mailbox = _stored()[address]
            setup.begin_deleting(mailbox, mailbox.label, by=work.by)
    for address, given in wanted.items():
        if current.get(address) != given:
            _keep_mailbox(address, current.get(address), given, work.inside("mailboxes", address))


def _keep_mailbox(address: str, current: Description | None, wanted: Description, work: Work) -> None:
    mailbox = _stored().get(address)
    if mailbox is None or _without_rules(current) != _without_rules(wanted):
        with work.at():
            mailbox = saved(mailbox, address, wanted, work)
    keep_rules(mailbox, (current or {}).get("rules", {}), wanted.get("rules", {}), work)


def saved(mailbox: Mailbox | None, address: str, wanted: Description, work: Work) -> Mailbox:
    """A mailbox as it is described, made or changed; without its rules."""
    connection = connection_of(mailbox) if mailbox is not None else Connection(None)
    values, folders = _values(address, mailbox, connection, wanted)
    if mailbox is None:
        return setup.create(values, folders, by=work.by)
    setup.change(mailbox, values, folders, by=work.by)
    return mailbox


def _values(
    address: str, mailbox: Mailbox | None, connection: Connection, wanted: Description
) -> tuple[MailboxValues, list[FolderChoice]]:
    values = MailboxValues()
    if mailbox is not None:
        values = setup.values_of(mailbox, connection.account, connection.synced)
    values.address = address
    values.label = wanted.get("label", address)
    values.aliases = wanted.get("aliases", [])
    values.is_enabled = wanted.get("enabled", True)
    values.is_shadow = wanted.get("shadow", False)
    values.signature = wanted.get("signature")
    _fill_processing(values, wanted.get("processing", {}))
    values.grants = [grant_of(one) for one in wanted.get("access", {}).values()]
    folders = fill_account(values, connection.folders, wanted.get("account", {}))
    return values, folders


def fill_account(values: MailboxValues, known: list[FolderChoice], wanted: Description) -> list[FolderChoice]:
    """What a file says of a connection; the folders that are known then."""
    values.kind = wanted.get("type", values.kind)
    values.connects_later = values.kind != "other"  # no file holds a permission: it is given on the page
    for protocol in ("imap", "smtp"):
        server = wanted.get(protocol, {})
        for name in _SERVER_FIELDS:
            if name in server:
                setattr(values, f"{protocol}_{name}", server[name])
        secret = server.get("password")
        if isinstance(secret, Secret) and secret.is_given:
            setattr(values, f"{protocol}_password", secret.value or "")
    history = wanted.get("history", "inherit")
    values.history = "days" if isinstance(history, int) else history
    values.history_days = history if isinstance(history, int) else None
    values.mirrors_read_state = wanted.get("mirror_read_state", values.mirrors_read_state)
    values.copies_sent = wanted.get("copy_sent", values.copies_sent)
    folders = _folders(known, wanted.get("folders", []))
    values.folders = [choice.name_raw for choice in folders]
    return [*(choice for choice in known if choice.name_raw not in values.folders), *folders]


def _folders(known: list[FolderChoice], wanted: list[str | Description]) -> list[FolderChoice]:
    """The chosen folders: as they are known, else as their names say until the server is asked."""
    by_name = {choice.name: choice for choice in known}
    chosen = []
    for one in wanted:
        name = one if isinstance(one, str) else str(one["name"])
        use = guessed_use(name) if isinstance(one, str) else str(one.get("use") or guessed_use(name))
        former = by_name.get(name)
        chosen.append(
            FolderChoice(
                former.name_raw if former else raw_name(name),
                name,
                former.delimiter if former else None,
                use,
                True,
                former.message_count if former else None,
            )
        )
    return chosen


def _fill_processing(values: MailboxValues, wanted: Description) -> None:
    values.action = wanted.get("action", values.action)
    values.action_settings = action_settings(values.action, wanted.get("settings", {}))
    values.automation_from = wanted.get("automation_from", values.automation_from)
    values.converts_automatic = wanted.get("convert_automatic", False)
    values.trusted_forms = wanted.get("trusted_forms", [])
    values.trusted_authserv_id = wanted.get("trusted_authentication_server", "")
    values.answers_unaddressed = wanted.get("answer_unaddressed", False)


def action_settings(action: str, wanted: Description) -> dict[str, Any]:
    """People are addresses in a file, and ids in the store. Keys that the action lacks are refused."""
    known = actions()[action]
    people = {field.name for field in known.fields if field.kind == "member"}
    return {key: member_id(str(value)) if key in people and value else value for key, value in wanted.items()}


def grant_of(wanted: Description) -> Grant:
    """Access as the store has it, from names of this organization."""
    level = wanted.get("level", "read")
    if "person" in wanted:
        return Grant(level, membership_id=UUID(member_id(wanted["person"])))
    for role in db.session.scalars(roles()):
        if role.name == wanted["role"]:
            return Grant(level, role_id=role.id)
    raise InvalidError(f"There is no role {wanted['role']} here.", field="grants")


def keep_rules(mailbox: Mailbox, current: Description, wanted: Description, work: Work) -> None:
    """An organization's own auto-response rules, in the order of the file."""
    present = dict(zip(current, db.session.scalars(own_rules_of(mailbox)), strict=True))
    for name in [name for name in current if name not in wanted]:
        rule_table.delete_rule(present.pop(name), by=work.by)
    for name, given in wanted.items():
        if current.get(name) == given:
            continue
        with work.at("rules", name):
            present[name] = kept_rule(mailbox, present.get(name), given, work)
    for position, name in enumerate(wanted, start=1):
        if present[name].position != position:
            rule_table.move_rule(present[name], position, by=work.by)


def kept_rule(
    mailbox: Mailbox, rule: AutoResponseRule | None, wanted: Description, work: Work
) -> AutoResponseRule:
    """A rule as it is described, made or changed."""
    values = RuleValues(
        name=wanted["name"],
        conditions=tuple(
            Condition(one["field"], one["operator"], one.get("value", ""))
            for one in wanted.get("conditions", [])
        ),
        template_id=_template_id(wanted["template"]) if "template" in wanted else None,
        response=_response(wanted["response"]) if "response" in wanted else None,
        is_active=wanted.get("active", True),
    )
    if rule is None:
        return rule_table.add_rule(mailbox, values, by=work.by)
    rule_table.change_rule(rule, values, by=work.by)
    return rule


def _response(wanted: Description) -> TemplateValues:
    return TemplateValues(kind=wanted.get("type", "plain"), texts=texts_from(wanted))


def _template_id(name: str) -> UUID:
    for template in db.session.scalars(templates()):
        if template.name == name:
            return template.id
    raise InvalidError(f"There is no template {name} here. Write it under “templates”.", field="template")


def _stored() -> dict[str, Mailbox]:
    own = mailboxes().where(Mailbox.global_mailbox_id.is_(None))
    return {mailbox.address: mailbox for mailbox in db.session.scalars(own)}


def _without_rules(described: Description | None) -> Description | None:
    if not described:
        return None
    return {key: value for key, value in described.items() if key != "rules"}
