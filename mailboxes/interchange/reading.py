"""What a file may say: every key, its kind, and what identifies each thing.

```yaml
system: {settings: {…}, lead_sources: […], templates: […]}
users: [{address, name, enabled, system_administrator, password, settings}]
organizations: [{slug, name, enabled, settings, roles, members, lead_sources, channels, templates, mailboxes}]
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailboxes.conditions import FIELDS, HEADER, OPERATORS
from mailboxes.conversion import actions
from mailboxes.crm import channels
from mailboxes.interchange.describing import of_system
from mailboxes.interchange.describing_mailboxes import guessed_use
from mailboxes.interchange.nodes import (
    File,
    Part,
    Path,
    Reader,
    address,
    choice,
    line,
    listed,
    moment,
    number,
    optional_text,
    or_nothing,
    parsed,
    switch,
    text,
    unordered,
)
from mailboxes.interchange.values import ABSENT, Description, Ranked
from mailboxes.templates import KINDS, USED_FOR
from tenants.configuration.catalog import (
    CATALOG,
    LANGUAGES,
    ORGANIZATION,
    SYSTEM,
    USER,
    Setting,
    settings_at,
)
from tenants.configuration.values import InvalidValueError
from tenants.permissions import PERMISSIONS

LARGEST_FILE = 10 * 1024 * 1024
STATE = "state"


@dataclass(frozen=True)
class Document:
    """A file that was understood, with the lines for what turns out later."""

    file: File
    system: Description
    users: Description
    organizations: Description

    def error(self, path: Path, sentence: str) -> Exception:
        """What to raise when something in the file cannot be done."""
        return self.file.error(path, sentence)


def read_document(content: str, name: str, environment: Mapping[str, str]) -> Document:
    """Understand a whole file; `FileError` at the first line that cannot be understood."""
    file = File(name, environment)
    if len(content) > LARGEST_FILE:
        raise file.error((), "The file is larger than 10 MB. Split it by organization.")
    found = record(_FILE)(parsed(file, content))
    return Document(
        file,
        found.get("system", {}),
        found.get("users", {}),
        found.get("organizations", {}),
    )


def record(fields: Mapping[str, Reader], required: tuple[str, ...] = ()) -> Reader:
    """A mapping of these keys; those left out are not in the result."""

    def read(part: Part) -> Description:
        parts = part.fields(fields)
        for name in required:
            if name not in parts:
                raise part.error(f"The line “{name}: …” is missing here.")
        return {name: fields[name](one) for name, one in parts.items()}

    return read


def things(
    fields: Mapping[str, Reader],
    identity: str | Callable[[Part], str],
    *,
    ranked: bool = False,
    removable: bool = True,
    repeatable: bool = False,
    reader: Reader | None = None,
) -> Reader:
    """A list of records by what identifies each: a key of theirs, or what a function says."""
    known = {**fields, STATE: choice("present", "absent")} if removable else dict(fields)
    identify = _by_key(identity, known) if isinstance(identity, str) else identity

    def read(part: Part) -> Description:
        found: Description = Ranked() if ranked else {}
        for item in part.items():
            item.fields(known)
            name = identify(item)
            if name in found and not repeatable:
                raise item.error(f"{name} stands here twice. Keep one of them.")
            name = _numbered(name, found)
            values = (reader or record(known))(item.named(name))
            found[name] = ABSENT if values.pop(STATE, "") == "absent" else values
        return found

    return read


def _by_key(key: str, fields: Mapping[str, Reader]) -> Callable[[Part], str]:
    def identify(part: Part) -> str:
        parts = part.fields(fields)
        if key not in parts:
            raise part.error(f"The line “{key}: …” is missing here: it says which one is meant.")
        return str(fields[key](parts[key]))

    return identify


def _numbered(name: str, taken: Mapping[str, Any]) -> str:
    """A second one of the same name is called ``name (2)``."""
    names = [name, *(f"{name} ({number})" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in names if candidate not in taken)


def _template_identity(part: Part) -> str:
    parts = part.fields(_TEMPLATE.keys() | {STATE})
    if "system" in parts:
        return of_system(line(parts["system"]))
    if "name" not in parts:
        raise part.error("The line “name: …” or “system: …” is missing here: it says which one is meant.")
    return line(parts["name"])


def _grantee(part: Part) -> str:
    parts = part.fields(_GRANT.keys() | {STATE})
    if ("role" in parts) == ("person" in parts):
        raise part.error("Write either “role: …” or “person: …” here.")
    if "role" in parts:
        return f"role {line(parts['role'])}"
    return f"person {address(parts['person'])}"


def _settings(level: str) -> Reader:
    known = [setting.key for setting in settings_at(level)]

    def read(part: Part) -> Description:
        return {
            key: _locked_or_value(key, one) if level == SYSTEM else _value(CATALOG[key], one)
            for key, one in part.fields(known).items()
        }

    return read


def _locked_or_value(key: str, part: Part) -> Description:
    """``60``, or ``{value: 60, locked: true, reason: …}``."""
    if not part.is_mapping:
        value = _value(CATALOG[key], part)
        return {"value": value}
    found: Description = record(
        {"value": lambda one: _value(CATALOG[key], one), "locked": switch, "reason": text}
    )(part)
    if found.get("locked") and not found.get("reason", "").strip():
        raise part.error("Write “reason: …” beside the lock: organizations read it.")
    if found.get("locked") is False:
        found |= {"locked": None, "reason": None}
    return found


def _value(setting: Setting, part: Part) -> Any:
    """The value as it is stored; None inherits. A member is an address, a secret stays one."""
    if part.is_empty:
        return None
    if setting.is_secret:
        return part.secret()
    if setting.kind == "member":
        return address(part)
    try:
        return setting.read(_typed(setting, part))
    except InvalidValueError as error:
        raise part.error(str(error)) from None


def _typed(setting: Setting, part: Part) -> str:
    """What a person would have typed into the form."""
    if setting.kind == "switch":
        return str(switch(part)).lower()
    if part.is_list:
        return "\n".join(line(item) for item in part.items())
    value = part.filled()
    if isinstance(value, bool) or (setting.kind == "number" and not isinstance(value, (int, str))):
        raise part.error("Write a whole number." if setting.kind == "number" else "Write a text here.")
    return str(value)


def _field_of_condition(part: Part) -> str:
    value = line(part)
    if value.startswith(HEADER) or value in FIELDS:
        return value
    raise part.error(f"{value} is no field. Write one of: {', '.join(FIELDS)} (header:NAME).")


def _history(part: Part) -> int | str:
    """now, all, inherit, or a number of days."""
    value = part.filled()
    return number(part) if isinstance(value, int) else choice("inherit", "now", "all")(part)


def _scope(part: Part) -> str | None:
    """Only what is the system's is marked."""
    return "system" if choice("organization", "system")(part) == "system" else None


def _action(part: Part) -> str:
    return str(choice(*actions())(part))


def _processing(part: Part) -> Description:
    """The settings are those of the action, which a plug-in may bring."""
    found: Description = record(_PROCESSING)(part)
    known = actions()
    chosen = [known[found["action"]]] if "action" in found else list(known.values())
    names = {field.name for action in chosen for field in action.fields}
    if "settings" in found:
        part.fields()["settings"].fields(names)
    return found


def _action_settings(part: Part) -> Description:
    """A value is a text or a list of texts."""
    return {
        key: listed(line)(one) if one.is_list else optional_text(one) or ""
        for key, one in part.fields().items()
    }


def _rule(part: Part) -> Description:
    """A rule answers with a template or a response of its own: the one that is written goes first."""
    found: Description = record(_RULE | {STATE: choice("present", "absent")})(part)
    if "template" in found and "response" in found:
        raise part.error("Write either “template: …” or “response: …” here.")
    for one, other in (("template", "response"), ("response", "template")):
        if found.get(one) is not None:
            found[other] = None
    return found


def _folder(part: Part) -> str | Description:
    """A name, or what the folder is for beside it."""
    if not part.is_mapping:
        return line(part)
    found: Description = record(_FOLDER, ("name",))(part)
    says_more = found.get("use", "") not in {"", guessed_use(found["name"])}
    return found if says_more else str(found["name"])


_FOLDER: dict[str, Reader] = {
    "name": line,
    "use": choice("inbox", "sent", "drafts", "spam", "trash", "archive", "all", "other"),
}
_TEXTS = record({language: or_nothing(record({"subject": text, "content": text})) for language in LANGUAGES})
_RESPONSE: dict[str, Reader] = {"type": choice(*KINDS), "texts": _TEXTS}
_SERVER: dict[str, Reader] = {
    "enabled": switch,
    "host": text,
    "port": number,
    "encryption": choice("tls", "starttls", "none"),
    "user": text,
    "password": Part.secret,
}
_ACCOUNT: dict[str, Reader] = {
    "type": choice("other", "google", "microsoft"),
    "imap": record(_SERVER),
    "smtp": record(_SERVER),
    "folders": unordered(_folder),
    "history": _history,
    "mirror_read_state": switch,
    "copy_sent": switch,
}
_PROCESSING: dict[str, Reader] = {
    "action": _action,
    "settings": _action_settings,
    "automation_from": moment,
    "convert_automatic": switch,
    "trusted_forms": listed(address),
    "trusted_authentication_server": text,
    "answer_unaddressed": switch,
}
_GRANT: dict[str, Reader] = {"role": line, "person": address, "level": choice("read", "reply")}
_CONDITION: dict[str, Reader] = {
    "field": _field_of_condition,
    "operator": choice(*OPERATORS),
    "value": text,
}
_RULE: dict[str, Reader] = {
    "name": line,
    "active": switch,
    "conditions": listed(record(_CONDITION, ("field", "operator"))),
    "template": line,
    "response": record(_RESPONSE),
}
_MAILBOX: dict[str, Reader] = {
    "address": address,
    "label": line,
    "shadow": switch,
    "aliases": listed(address),
    "enabled": switch,
    "scope": _scope,
    "account": record(_ACCOUNT),
    "processing": _processing,
    "signature": optional_text,
    "access": things(_GRANT, _grantee),
    "rules": things(_RULE, "name", ranked=True, repeatable=True, reader=_rule),
}
_TEMPLATE: dict[str, Reader] = {
    "name": or_nothing(line),
    "system": line,
    "hidden": switch,
    "type": or_nothing(choice(*KINDS)),
    "used_for": or_nothing(listed(choice(*USED_FOR))),
    "texts": or_nothing(_TEXTS),
}
_LEAD_SOURCE: dict[str, Reader] = {
    "key": line,
    "system": line,
    "name": or_nothing(line),
    "hidden": or_nothing(switch),
    "default": or_nothing(switch),
    "merged_into": or_nothing(line),
}
_SYSTEM: dict[str, Reader] = {
    "settings": _settings(SYSTEM),
    "lead_sources": things(
        {"key": line, "name": line, "hidden": switch, "default": switch}, "key", ranked=True
    ),
    "templates": things(
        {
            "key": line,
            "name": line,
            "type": choice(*KINDS),
            "used_for": listed(choice(*USED_FOR)),
            "texts": _TEXTS,
        },
        "key",
    ),
}
_ORGANIZATION: dict[str, Reader] = {
    "slug": line,
    "name": line,
    "enabled": switch,
    "settings": _settings(ORGANIZATION),
    "roles": things({"name": line, "permissions": unordered(choice(*PERMISSIONS))}, "name"),
    "members": things(
        {"address": address, "name": line, "enabled": switch, "roles": unordered(line)},
        "address",
        removable=False,
    ),
    "lead_sources": things(_LEAD_SOURCE, "key", ranked=True),
    "channels": things(
        {"name": line, "type": choice(*channels.KINDS), "active": switch}, "name", removable=False
    ),
    "templates": things(_TEMPLATE, _template_identity),
    "mailboxes": things(_MAILBOX, "address"),
}
_USER: dict[str, Reader] = {
    "address": address,
    "name": line,
    "enabled": switch,
    "system_administrator": switch,
    "password": Part.secret,
    "settings": _settings(USER),
}
_FILE: dict[str, Reader] = {
    "system": record(_SYSTEM),
    "users": things(_USER, "address", removable=False),
    "organizations": things(_ORGANIZATION, "slug", removable=False),
}
