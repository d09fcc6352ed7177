"""What answers look like: each shape makes them, and says in JSON Schema what they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from mailboxes.interchange.bodies import plain
from mailboxes.interchange.nodes import Schema, nullable

Source = Callable[[Any], Any]


@dataclass(frozen=True)
class Kind:
    """How a value is written, and what that is."""

    schema: Schema
    written: Callable[[Any], Any] = lambda value: value


def _moment(at: datetime) -> str:
    """RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def told(value: Any) -> Any:
    """Plain values as JSON has them: moments in UTC, ids as texts."""
    if isinstance(value, Mapping):
        return {name: told(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(one) for one in value]
    if isinstance(value, datetime):
        return _moment(value)
    return str(value) if isinstance(value, UUID) else value


ID = Kind({"type": "string", "format": "uuid"}, str)
TEXT = Kind({"type": "string"})
NUMBER = Kind({"type": "integer"})
FLAG = Kind({"type": "boolean"})
MOMENT = Kind({"type": "string", "format": "date-time"}, _moment)


def maybe(kind: Kind) -> Kind:
    """A value or null."""
    return Kind(nullable(kind.schema), lambda value: None if value is None else kind.written(value))


def several(kind: Kind) -> Kind:
    """A list."""
    schema = {"type": "array", "items": kind.schema}
    return Kind(schema, lambda values: [kind.written(value) for value in values])


def one_of(*words: str) -> Kind:
    """One of these words."""
    return Kind({"type": "string", "enum": list(words)})


def described(schema: Schema) -> Kind:
    """What is described in the words of a file, whose readers say what these are."""
    return Kind(_shown(schema), lambda value: told(plain(value)))


class Shape:
    """An object of these fields: of which kind, and whence, if not from the attribute of that name."""

    def __init__(self, name: str, /, **fields: Kind | tuple[Kind, Source]) -> None:
        self.name = name
        self._fields = {
            field: kind if isinstance(kind, tuple) else (kind, attrgetter(field))
            for field, kind in fields.items()
        }

    @property
    def schema(self) -> Schema:
        """All fields are always there."""
        return {
            "type": "object",
            "properties": {field: kind.schema for field, (kind, _) in self._fields.items()},
            "required": list(self._fields),
            "additionalProperties": False,
        }

    @property
    def reference(self) -> Schema:
        """Where the description has it."""
        return {"$ref": f"#/components/schemas/{self.name}"}

    @property
    def kind(self) -> Kind:
        """As a part of another one."""
        return Kind(self.schema, self.shown)

    def shown(self, row: Any) -> dict[str, Any]:
        """What is told of a row."""
        return {field: kind.written(source(row)) for field, (kind, source) in self._fields.items()}


def _shown(schema: Schema) -> Schema:
    """What a reader understands, as it is told: a secret is not, but whether there is one."""
    if "properties" not in schema:
        return {name: _part(value) for name, value in schema.items()}
    told, known = {}, schema["properties"]
    for name, part in known.items():
        if part.get("writeOnly"):
            told[f"has_{name}"] = {"type": "boolean"}
        else:
            told[name] = _shown(part)
    return {**schema, "properties": told}


def _part(value: Any) -> Any:
    if isinstance(value, dict):
        return _shown(value)
    return [_part(one) for one in value] if isinstance(value, list) else value
