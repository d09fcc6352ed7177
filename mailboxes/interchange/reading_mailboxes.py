"""What a file may say of mailboxes: an organization's own, global ones, and what is overridden of these."""

from mailboxes.conditions import FIELDS, HEADER, OPERATORS
from mailboxes.conversion import actions
from mailboxes.global_mailboxes.fields import APART, NO_RULES, OWN_RULES
from mailboxes.global_mailboxes.saving import MODES
from mailboxes.interchange.describing_globals import WORDS
from mailboxes.interchange.describing_mailboxes import guessed_use
from mailboxes.interchange.nodes import (
    Fields,
    Part,
    Reader,
    address,
    choice,
    documented,
    line,
    listed,
    moment,
    number,
    optional_text,
    or_nothing,
    reads,
    secret,
    switch,
    text,
    unordered,
)
from mailboxes.interchange.records import STATE, record, things
from mailboxes.interchange.values import Description
from mailboxes.routing.deciding import FIELDS as ROUTED_BY
from mailboxes.templates import KINDS
from tenants.configuration.catalog import LANGUAGES
from tenants.permissions import SYSTEM_ROLES

ALL = "all"


def grantee(part: Part) -> str:
    """What a grant is told by: whom it is for."""
    parts = part.fields(GRANT.keys() | {STATE})
    if ("role" in parts) == ("person" in parts):
        raise part.error("Write either “role: …” or “person: …” here.")
    if "role" in parts:
        return f"role {line(parts['role'])}"
    return f"person {address(parts['person'])}"


@reads(type="string", description=f"One of {', '.join(FIELDS)}, or {HEADER}NAME.")
def _field_of_condition(part: Part) -> str:
    value = line(part)
    if value.startswith(HEADER) or value in FIELDS:
        return value
    raise part.error(f"{value} is no field. Write one of: {', '.join(FIELDS)} (header:NAME).")


@reads(anyOf=[{"type": "integer"}, {"enum": ["inherit", "now", "all"]}])
def _history(part: Part) -> int | str:
    """now, all, inherit, or a number of days."""
    value = part.filled()
    return number(part) if isinstance(value, int) else choice("inherit", "now", "all")(part)


@reads(type="string", description="nothing, lead, case, or what a plug-in adds.")
def _action(part: Part) -> str:
    return str(choice(*actions())(part))


def _demand_settings(part: Part, found: Description, without: tuple[str, ...] = ()) -> None:
    known = actions()
    chosen = [known[found["action"]]] if "action" in found else list(known.values())
    names = {field.name for action in chosen for field in action.fields} - set(without)
    if "settings" in found:
        part.fields()["settings"].fields(names)


@reads(anyOf=[{"const": ALL}, {"type": "array", "items": {"type": "string"}}])
def _serves(part: Part) -> str | list[str]:
    """All organizations, or the slugs of the chosen ones."""
    return list(unordered(line)(part)) if part.is_list or part.is_empty else choice(ALL)(part)


def _systems_grantee(part: Part) -> str:
    return f"role {line(part.fields(_SYSTEMS_GRANT.keys() | {STATE}).get('role', part))}"


@reads(type="object", description="What the action is told, such as owner, source, priority, status or tags.")
def _action_settings(part: Part) -> Description:
    """A value is a text or a list of texts."""
    return {
        key: listed(line)(one) if one.is_list else optional_text(one) or ""
        for key, one in part.fields().items()
    }


_FOLDER: Fields = {
    "name": line,
    "use": choice("inbox", "sent", "drafts", "spam", "trash", "archive", "all", "other"),
}


@reads(anyOf=[{"type": "string"}, record(_FOLDER, ("name",)).schema])
def _folder(part: Part) -> str | Description:
    """A name, or what the folder is for beside it."""
    if not part.is_mapping:
        return line(part)
    found: Description = record(_FOLDER, ("name",))(part)
    says_more = found.get("use", "") not in {"", guessed_use(found["name"])}
    return found if says_more else str(found["name"])


TEXTS = record({language: or_nothing(record({"subject": text, "content": text})) for language in LANGUAGES})
_RESPONSE: Fields = {"type": choice(*KINDS), "texts": TEXTS}
_SERVER: Fields = {
    "enabled": switch,
    "host": text,
    "port": number,
    "encryption": choice("tls", "starttls", "none"),
    "user": text,
    "password": secret,
}
_ACCOUNT: Fields = {
    "type": choice("other", "google", "microsoft"),
    "imap": record(_SERVER),
    "smtp": record(_SERVER),
    "folders": unordered(_folder),
    "history": _history,
    "mirror_read_state": switch,
    "copy_sent": switch,
}
_PROCESSING: Fields = {
    "action": _action,
    "settings": _action_settings,
    "automation_from": moment,
    "convert_automatic": switch,
    "trusted_forms": listed(address),
    "trusted_authentication_server": text,
    "answer_unaddressed": switch,
}


@documented(record(_PROCESSING).schema)
def _processing(part: Part) -> Description:
    """The settings are those of the action, which a plug-in may bring."""
    found: Description = record(_PROCESSING)(part)
    _demand_settings(part, found)
    return found


GRANT: Fields = {"role": line, "person": address, "level": choice("read", "reply")}
_CONDITION: Fields = {
    "field": _field_of_condition,
    "operator": choice(*OPERATORS),
    "value": text,
}
RULE: Fields = {
    "name": line,
    "active": switch,
    "conditions": listed(record(_CONDITION, ("field", "operator"))),
    "template": line,
    "response": record(_RESPONSE),
}


def rule_reader(fields: Fields, required: tuple[str, ...] = ()) -> Reader[Description]:
    """A rule answers with a template or a response of its own: the one that is written goes first."""

    @documented(record(fields, required).schema)
    def read(part: Part) -> Description:
        found: Description = record(fields, required)(part)
        if "template" in found and "response" in found:
            raise part.error("Write either “template: …” or “response: …” here.")
        for one, other in (("template", "response"), ("response", "template")):
            if found.get(one) is not None:
                found[other] = None
        return found

    return read


read_rule = rule_reader({**RULE, STATE: choice("present", "absent")})
MAILBOX: Fields = {
    "address": address,
    "label": line,
    "shadow": switch,
    "aliases": listed(address),
    "enabled": switch,
    "account": record(_ACCOUNT),
    "processing": _processing,
    "signature": optional_text,
    "access": things(GRANT, grantee),
    "rules": things(RULE, "name", ranked=True, repeatable=True, reader=read_rule),
}
_ACTION: Fields = {"action": _action, "settings": _action_settings}
_ROUTE: Fields = {"field": choice(*ROUTED_BY), "value": line, "organization": line}
_SYSTEMS_GRANT: Fields = {
    "role": choice(*SYSTEM_ROLES),
    "level": choice("read", "reply"),
}


@documented(record(_ACTION, ("action",)).schema)
def _processing_apart(part: Part) -> Description:
    """An action with its settings, but those that are fields of their own."""
    found: Description = record(_ACTION, ("action",))(part)
    _demand_settings(part, found, APART)
    return found


_LOCK: Fields = {"field": choice(*WORDS.values()), "reason": line}
GLOBAL_MAILBOX: Fields = {
    "address": address,
    "label": line,
    "aliases": listed(address),
    "enabled": switch,
    "shadow": switch,
    "delivery": choice(*MODES),
    "serves": _serves,
    "home": or_nothing(line),
    "account": record(_ACCOUNT),
    "processing": _processing_apart,
    "lead_source": text,
    "automation_from": moment,
    "convert_automatic": switch,
    "trusted_forms": listed(address),
    "trusted_authentication_server": text,
    "answer_unaddressed": switch,
    "signature": optional_text,
    "access": things(_SYSTEMS_GRANT, _systems_grantee),
    "locks": things(_LOCK, "field"),
    "routing": listed(record(_ROUTE, tuple(_ROUTE))),
    "rules": things(
        {
            "name": line,
            "active": switch,
            "conditions": listed(record(_CONDITION, ("field", "operator"))),
            "template": line,
        },
        "name",
        ranked=True,
        repeatable=True,
    ),
}
# What an organization says otherwise; null follows the system again.
OVERRIDES: Fields = {
    "address": address,
    "label": or_nothing(line),
    "enabled": or_nothing(switch),
    "shadow": or_nothing(switch),
    "processing": or_nothing(_processing_apart),
    "owner": or_nothing(text),
    "lead_source": or_nothing(text),
    "automation_from": or_nothing(moment),
    "convert_automatic": or_nothing(switch),
    "trusted_forms": or_nothing(listed(address)),
    "answer_unaddressed": or_nothing(switch),
    "signature": optional_text,
    "access": or_nothing(things(GRANT, grantee)),
    "rules": or_nothing(choice(OWN_RULES, NO_RULES)),
    "own_rules": things(RULE, "name", ranked=True, repeatable=True, reader=read_rule),
}
