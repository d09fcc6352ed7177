"""What a file may say: every key, its kind, and what identifies each thing.

```yaml
system: {settings: {…}, lead_sources: […], templates: […], mailboxes: […]}
users: [{address, name, enabled, system_administrator, password, settings}]
organizations: [{slug, name, enabled, settings, roles, members, lead_sources, channels, tags, templates,
  mailboxes, global_mailboxes, webhooks}]
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailboxes.crm import channels
from mailboxes.interchange.describing import of_system
from mailboxes.interchange.nodes import (
    Fields,
    File,
    Part,
    Path,
    Reader,
    address,
    choice,
    line,
    listed,
    or_nothing,
    parsed,
    reads,
    secret,
    switch,
    text,
    unordered,
)
from mailboxes.interchange.reading_mailboxes import GLOBAL_MAILBOX, MAILBOX, OVERRIDES, TEXTS
from mailboxes.interchange.records import STATE, record, things
from mailboxes.interchange.values import Description
from mailboxes.templates import KINDS, USED_FOR
from mailboxes.threads.tags import COLOURS, NAME_LENGTH, TOO_LONG, clean_name
from mailboxes.webhooks.table import KINDS as EVENTS
from tenants.configuration.catalog import (
    CATALOG,
    ORGANIZATION,
    SYSTEM,
    USER,
    Setting,
    settings_at,
)
from tenants.configuration.values import InvalidValueError
from tenants.permissions import PERMISSIONS

LARGEST_FILE = 10 * 1024 * 1024


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


def _template_identity(part: Part) -> str:
    parts = part.fields(_TEMPLATE.keys() | {STATE})
    if "system" in parts:
        return of_system(line(parts["system"]))
    if "name" not in parts:
        raise part.error("The line “name: …” or “system: …” is missing here: it says which one is meant.")
    return line(parts["name"])


def _settings(level: str) -> Reader[Any]:
    known = [setting.key for setting in settings_at(level)]

    @reads(type="object", propertyNames={"enum": known})
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
        {"value": Reader(lambda one: _value(CATALOG[key], one), {}), "locked": switch, "reason": text}
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
        return secret(part)
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


@reads(type="string", minLength=1)
def _tag_name(part: Part) -> str:
    name = clean_name(line(part))
    if not name:
        raise part.error("Write a word without commas and quotation marks.")
    if len(name) > NAME_LENGTH:
        raise part.error(TOO_LONG)
    return name


_TEMPLATE: Fields = {
    "name": or_nothing(line),
    "system": line,
    "hidden": switch,
    "type": or_nothing(choice(*KINDS)),
    "used_for": or_nothing(listed(choice(*USED_FOR))),
    "texts": or_nothing(TEXTS),
}
_LEAD_SOURCE: Fields = {
    "key": line,
    "system": line,
    "name": or_nothing(line),
    "hidden": or_nothing(switch),
    "default": or_nothing(switch),
    "merged_into": or_nothing(line),
}
_SYSTEM: Fields = {
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
            "texts": TEXTS,
        },
        "key",
    ),
    "mailboxes": things(GLOBAL_MAILBOX, "address"),
}
_ORGANIZATION: Fields = {
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
    "tags": things({"name": _tag_name, "colour": choice(*COLOURS)}, "name", removable=False),
    "templates": things(_TEMPLATE, _template_identity),
    "mailboxes": things(MAILBOX, "address"),
    "global_mailboxes": things(OVERRIDES, "address"),
    "webhooks": things(
        {
            "name": line,
            "url": line,
            "events": unordered(choice(*EVENTS)),
            "mailboxes": or_nothing(unordered(address)),
            "with_text": switch,
            "active": switch,
        },
        "name",
    ),
}
_USER: Fields = {
    "address": address,
    "name": line,
    "enabled": switch,
    "system_administrator": switch,
    "password": secret,
    "settings": _settings(USER),
}
_FILE: Fields = {
    "system": record(_SYSTEM),
    "users": things(_USER, "address", removable=False),
    "organizations": things(_ORGANIZATION, "slug", removable=False),
}
