"""A description as the text of a file."""

from typing import Any

import yaml

from mailboxes.interchange.values import Description, Secret

# What is a list in a file and a dictionary, by what identifies each, in a description.
_LISTS = {
    "access",
    "channels",
    "global_mailboxes",
    "lead_sources",
    "locks",
    "mailboxes",
    "members",
    "organizations",
    "own_rules",
    "roles",
    "rules",
    "tags",
    "templates",
    "users",
    "webhooks",
}
_HEADER = "# Written by “postroom export”. Apply it with: postroom apply FILE.yaml\n"
_SECRETS = "# Secrets are not in it. These variables of the environment hold them:\n"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are read; lists indented below their keys."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Everything is written where it stands."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value and not any(line != line.rstrip() for line in value.split("\n")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def written(description: Description) -> str:
    """The file, with ``${NAME}`` for each secret and the names in a comment at its head."""
    secrets: dict[str, str | None] = {}
    plain = _plain(description, secrets)
    body = yaml.dump(plain, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
    named = "".join(f"#   {name}\n" for name in secrets)
    return _HEADER + (_SECRETS + named if named else "") + body


def _plain(value: Any, secrets: dict[str, str | None]) -> Any:
    if isinstance(value, Secret):
        return f"${{{_name(value, secrets)}}}"
    if isinstance(value, dict):
        return {key: _listed(key, one, secrets) for key, one in value.items()}
    return [_plain(one, secrets) for one in value] if isinstance(value, list) else value


def _listed(key: str, value: Any, secrets: dict[str, str | None]) -> Any:
    if key in _LISTS and isinstance(value, dict):
        return [_plain(one, secrets) for one in value.values()]
    if key == "settings" and isinstance(value, dict):
        value = {name: _unlocked(one) for name, one in value.items()}
    return _plain(value, secrets)


def _unlocked(entry: Any) -> Any:
    """A system's setting that is not locked is written as its value alone."""
    return entry["value"] if isinstance(entry, dict) and set(entry) == {"value"} else entry


def _name(secret: Secret, secrets: dict[str, str | None]) -> str:
    """Its name; another one if that name stands for another secret already."""
    names = [secret.name, *(f"{secret.name}_{number}" for number in range(2, len(secrets) + 3))]
    name = next(one for one in names if secrets.get(one, secret.value) == secret.value)
    secrets[name] = secret.value
    return name
