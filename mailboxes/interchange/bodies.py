"""What a program says of one thing, in JSON: read as a file is, and told apart by its place.

The readers are those of a file (`reading_mailboxes`) and the few below; no environment fills anything in.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

import yaml

from mailboxes.interchange.nodes import File, FileError, Part, Path, Reader, listed, reads, text
from mailboxes.interchange.values import Description, Secret

MOST_VALUES = 5_000  # in a body: a text of 8 MB could hold millions
_BEGINNING = yaml.Mark("", 0, 0, 0, None, 0)


class BodyError(FileError):
    """What cannot be accepted; ``pointer`` is its place (RFC 6901), "" for the whole."""

    def __init__(self, sentence: str, path: Path = ()) -> None:
        super().__init__(sentence)
        self.pointer = "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path)


class Body(File):
    """The body of a request. ``places``: what the acts call a field, and the path to where that stands."""

    first_item = 0
    no_mapping = "Send an object here."
    no_list = "Send a list here."
    no_text = "Send a text here."
    missing = "{name} is missing here."
    identifies = missing

    def __init__(self, places: Mapping[str, Path] = {}) -> None:
        super().__init__("", {})
        self.places = places
        self.value_count = 0

    def error(self, path: Path, sentence: str) -> BodyError:
        """The error at a place."""
        return BodyError(sentence, self.places.get("".join(path), path))

    def variable_in(self, text: str) -> None:
        """Nothing stands for anything else."""

    def count(self) -> None:
        """One value more; `BodyError` where these are more than anybody means."""
        self.value_count += 1
        if self.value_count > MOST_VALUES:
            raise BodyError(f"This holds more than {MOST_VALUES} values. Send it in several requests.")

    def secret(self, part: Part) -> Secret:
        """As it is."""
        return Secret("", text(part), is_given=True)


class _Object(list[tuple[str, Any]]):
    """An object as it is written: a key that stands there twice is in it twice."""


def read_body(content: bytes, reader: Reader[Any]) -> Any:
    """What a body says; `BodyError` where that cannot be understood."""
    try:
        given = json.loads(content, object_pairs_hook=_Object, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BodyError("This is no JSON in UTF-8.") from None
    body = Body()
    try:
        return reader(Part(body, _node(body, given, ())))
    except RecursionError:
        raise BodyError("This is nested too deeply.") from None


@reads(type="string", format="uuid")
def identifier(part: Part) -> UUID:
    """The id of something."""
    try:
        return UUID(text(part))
    except ValueError:
        raise part.error("Send an id here, as it was told.") from None


def at_most(longest: int, *, is_demanded: bool = False) -> Reader[str]:
    """A text of so many characters; one that is demanded says something."""
    least = {"minLength": 1} if is_demanded else {}

    @reads(type="string", maxLength=longest, **least)
    def read(part: Part) -> str:
        value = text(part)
        if is_demanded and not value.strip():
            raise part.error("Write something here.")
        if len(value) > longest:
            raise part.error(f"Use at most {longest} characters.")
        return value

    return read


texts = listed(text)


def plain(value: Any) -> Any:
    """A description as JSON has it: a secret is not in it, only that there is one."""
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def _mapping(value: Mapping[str, Any]) -> Description:
    shown = {key: plain(one) for key, one in value.items() if not isinstance(one, Secret)}
    hidden = {f"has_{key}": True for key, one in value.items() if isinstance(one, Secret)}
    return shown | hidden


def _node(body: Body, value: Any, path: Path) -> yaml.Node:
    """What YAML would have read: a reader asks for nothing else."""
    body.count()
    if isinstance(value, _Object):
        pairs = [(_text(body, key, path), _node(body, one, (*path, key))) for key, one in value]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, _BEGINNING)
    if isinstance(value, list):
        items = [_node(body, one, (*path, str(place))) for place, one in enumerate(value)]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", items, _BEGINNING)
    if isinstance(value, str):
        return _text(body, value, path)
    kinds = {bool: "bool", int: "int", float: "float", type(None): "null"}
    return _scalar(kinds[type(value)], json.dumps(value))


def _text(body: Body, text: str, path: Path) -> yaml.ScalarNode:
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise body.error(path, "This text holds a character that cannot be stored.")
    return _scalar("str", text)


def _scalar(kind: str, text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", text, _BEGINNING)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
