"""Records of a file, and lists of them by what identifies each."""

from collections.abc import Callable

from mailboxes.interchange.nodes import Fields, Part, Reader, Schema, choice, documented
from mailboxes.interchange.values import ABSENT, Description, Ranked, free_name

STATE = "state"


def record(fields: Fields, required: tuple[str, ...] = ()) -> Reader[Description]:
    """A mapping of these keys; those left out are not in the result."""

    @documented(schema_of(fields, required))
    def read(part: Part) -> Description:
        parts = part.fields(fields)
        for name in required:
            if name not in parts:
                raise part.error(part.file.missing.format(name=name))
        return {name: fields[name](one) for name, one in parts.items()}

    return read


def schema_of(fields: Fields, required: tuple[str, ...] = ()) -> Schema:
    """A mapping of these keys, and no others."""
    schema: Schema = {
        "type": "object",
        "properties": {name: reader.schema for name, reader in fields.items()},
        "additionalProperties": False,
    }
    return {**schema, "required": list(required)} if required else schema


def things(
    fields: Fields,
    identity: str | Callable[[Part], str],
    *,
    ranked: bool = False,
    removable: bool = True,
    repeatable: bool = False,
    reader: Reader[Description] | None = None,
) -> Reader[Description]:
    """A list of records by what identifies each: a key of theirs, or what a function says."""
    known = {**fields, STATE: choice("present", "absent")} if removable else dict(fields)
    identify = _by_key(identity, known) if isinstance(identity, str) else identity

    @documented({"type": "array", "items": schema_of(known)})
    def read(part: Part) -> Description:
        found: Description = Ranked() if ranked else {}
        for item in part.items():
            item.fields(known)
            name = identify(item)
            if name in found and not repeatable:
                raise item.error(f"{name} stands here twice. Keep one of them.")
            name = free_name(name, found)
            values = (reader or record(known))(item.named(name))
            found[name] = ABSENT if values.pop(STATE, "") == "absent" else values
        return found

    return read


def _by_key(key: str, fields: Fields) -> Callable[[Part], str]:
    def identify(part: Part) -> str:
        parts = part.fields(fields)
        if key not in parts:
            raise part.error(part.file.identifies.format(name=key))
        return str(fields[key](parts[key]))

    return identify
