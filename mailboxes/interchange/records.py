"""Records of a file, and lists of them by what identifies each."""

from collections.abc import Callable, Mapping

from mailboxes.interchange.nodes import Part, Reader, choice
from mailboxes.interchange.values import ABSENT, Description, Ranked, free_name

STATE = "state"


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
            name = free_name(name, found)
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
