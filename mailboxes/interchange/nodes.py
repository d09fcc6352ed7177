"""A YAML file part by part: what each says, in which line, and how to say what is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, Generic, TypeVar

import yaml

from mailboxes.interchange.values import Secret
from tenants.errors import InvalidError
from tenants.users import checked_address

Path = tuple[str, ...]
YEARS = range(1970, 3000)
_MERGE = "tag:yaml.org,2002:merge"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class FileError(InvalidError):
    """A file that cannot be applied; the sentence names the file, the line and what to do."""


@dataclass
class File:
    """A file that is read: ``environment`` fills its ``${NAME}``, ``lines`` remembers what stood where."""

    name: str
    environment: Mapping[str, str]
    lines: dict[Path, int] = field(default_factory=dict)

    first_item = 1  # what the first item of a list is called
    no_mapping = "Write “key: value” lines here, indented below it."
    no_list = "Write a list here: one line with “- ” for each."
    no_text = "Write a text here; put it in quotes if it looks like a number or a date."
    missing = "The line “{name}: …” is missing here."
    identifies = "The line “{name}: …” is missing here: it says which one is meant."

    def error(self, path: Path, sentence: str) -> FileError:
        """The error at a place, or at the nearest place around it that has a line."""
        nearest = path
        while nearest and nearest not in self.lines:
            nearest = nearest[:-1]
        where = f"{self.name}, line {self.lines.get(nearest, 1)}"
        return FileError(f"{where} ({' / '.join(path)}): {sentence}" if path else f"{where}: {sentence}")

    def variable_in(self, text: str) -> str | None:
        """The name of the variable that a text stands for, if it is one."""
        found = _VARIABLE.fullmatch(text.strip())
        return found[1] if found else None

    def secret(self, part: Part) -> Secret:
        """A secret, which is never written down: ``${NAME}``, taken from the environment."""
        name = self.variable_in(str(part.scalar() or ""))
        if name is None:
            raise part.error("Write a password as ${NAME} and put it into the environment, never in clear.")
        return Secret(name, part.variable(name), is_given=True)


@dataclass(frozen=True)
class Part:
    """One value of the file, and the way to it."""

    file: File
    node: yaml.Node
    path: Path = ()

    def error(self, sentence: str) -> FileError:
        """The error of this very line."""
        self.file.lines[self.path] = self.node.start_mark.line + 1
        return self.file.error(self.path, sentence)

    def inside(self, name: str, node: yaml.Node) -> Part:
        """A part of this one."""
        part = Part(self.file, node, (*self.path, name))
        self.file.lines[part.path] = node.start_mark.line + 1
        return part

    def named(self, name: str) -> Part:
        """The same part, called by what identifies it."""
        part = Part(self.file, self.node, (*self.path[:-1], name))
        self.file.lines[part.path] = self.node.start_mark.line + 1
        return part

    def fields(self, known: Iterable[str] | None = None) -> dict[str, Part]:
        """The parts of a mapping by their keys; each key is known and stands there once."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error(self.file.no_mapping)
        shared = {str(key.value): self._field(key, value, known) for key, value in _shared(self.node)}
        found: dict[str, Part] = {}
        for key, value in self.node.value:
            if key.tag == _MERGE:
                continue
            part = self._field(key, value, known)
            if part.path[-1] in found:
                raise self.file.error(part.path, f"{part.path[-1]} stands here twice. Keep one of them.")
            found[part.path[-1]] = part
        return shared | found

    def _field(self, key: yaml.Node, value: yaml.Node, known: Iterable[str] | None) -> Part:
        name = str(key.value)
        part = self.inside(name, value)
        self.file.lines[part.path] = key.start_mark.line + 1
        if known is not None and name not in known:
            raise self.file.error(part.path, _unknown(name, list(known)))
        return part

    def items(self) -> list[Part]:
        """The parts of a list; an empty one may be left open."""
        if self.is_empty:
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error(self.file.no_list)
        items = enumerate(self.node.value, start=self.file.first_item)
        return [self.inside(str(number), one) for number, one in items]

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written here, or ``null``."""
        return isinstance(self.node, yaml.ScalarNode) and self.scalar() is None

    def scalar(self) -> Any:
        """A single value as YAML understands it: text, number, truth, moment or None."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error("Write a single value here.")
        try:
            return yaml.constructor.SafeConstructor().construct_object(self.node)
        except (yaml.YAMLError, ValueError):
            raise self.error("This value cannot be read. Put it in quotes.") from None

    def filled(self) -> Any:
        """The same, where a text may be ``${NAME}`` of the environment."""
        value = self.scalar()
        name = self.file.variable_in(value) if isinstance(value, str) else None
        return value if name is None else self.variable(name)

    def variable(self, name: str) -> str:
        """What the environment calls so."""
        if name not in self.file.environment:
            raise self.error(
                f"The environment variable {name} is not set. Set it, or leave this line out to keep what "
                "is stored."
            )
        return self.file.environment[name]


def parsed(file: File, text: str) -> Part:
    """The whole file as one part; `FileError` where it is no YAML."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        file.lines[()] = mark.line + 1 if mark else 1
        raise file.error(
            (), f"This is no valid YAML ({error.problem}). Check indentation, colons and quotes."
        ) from None
    except yaml.YAMLError:
        raise file.error((), "This is no YAML text. Save it as plain text in UTF-8.") from None
    if node is None:
        raise file.error((), "The file is empty. Write organizations, users or system settings into it.")
    return Part(file, node)


Value = TypeVar("Value")
Schema = dict[str, Any]


@dataclass(frozen=True)
class Reader(Generic[Value]):
    """Understands a part. ``schema`` says in JSON Schema what it understands."""

    read: Callable[[Part], Value]
    schema: Schema

    def __call__(self, part: Part) -> Value:
        return self.read(part)


Fields = Mapping[str, Reader[Any]]


def reads(**schema: Any) -> Callable[[Callable[[Part], Value]], Reader[Value]]:
    """Make a reader of a function, with what it understands."""
    return lambda read: Reader(read, schema)


def documented(schema: Schema) -> Callable[[Callable[[Part], Value]], Reader[Value]]:
    """The same, where the schema is at hand as a whole."""
    return lambda read: Reader(read, schema)


@reads(type="string", writeOnly=True)
def secret(part: Part) -> Secret:
    """A secret, as the file has it."""
    return part.file.secret(part)


@reads(type="string")
def text(part: Part) -> str:
    """Any text; what YAML would take for a number or a truth is told to be put in quotes."""
    value = part.filled()
    if not isinstance(value, str):
        raise part.error(part.file.no_text)
    return value


@reads(type="string", minLength=1)
def line(part: Part) -> str:
    """A text of one line that says something."""
    value = " ".join(text(part).split())
    if not value:
        raise part.error("Write something here, or leave the line out.")
    return value


@reads(type=["string", "null"])
def optional_text(part: Part) -> str | None:
    """A text, or nothing."""
    return None if part.is_empty else text(part)


@reads(type="string", format="email")
def address(part: Part) -> str:
    """An address as it is stored, however its domain is written."""
    value = line(part)
    try:
        return checked_address(value)
    except InvalidError:
        raise part.error(f"{value} is no email address. Write it like support@example.com.") from None


@reads(type="boolean")
def switch(part: Part) -> bool:
    """True or false."""
    value = part.scalar()
    if not isinstance(value, bool):
        raise part.error("Write true or false.")
    return value


@reads(type="integer")
def number(part: Part) -> int:
    """A whole number, which may come from the environment."""
    value = part.filled()
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise part.error("Write a whole number.")
    return value


@reads(type="string", format="date-time")
def moment(part: Part) -> datetime:
    """A moment; one without a time zone is in UTC."""
    value = part.scalar()
    try:
        value = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        value = None
    if not isinstance(value, datetime):
        if not hasattr(value, "isoformat"):
            raise part.error("Write a moment such as 2026-05-03T09:00:00Z.")
        value = datetime.combine(value, time())
    if value.year not in YEARS:  # beyond these the moment has no day in some time zone, or in the database
        raise part.error(f"Write a year from {YEARS[0]} to {YEARS[-1]}.")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def choice(*allowed: str) -> Reader[str]:
    """One of these words."""

    @reads(type="string", enum=list(allowed))
    def read(part: Part) -> str:
        value = line(part)
        if value not in allowed:
            raise part.error(f"{value} is not possible. Write one of: {', '.join(allowed)}.")
        return value

    return read


def listed(one: Reader[Any]) -> Reader[list[Any]]:
    """A list of values, each once."""

    @reads(type="array", items=one.schema)
    def read(part: Part) -> list[Any]:
        found: list[Any] = []
        for item in part.items():
            value = one(item)
            if value not in found:
                found.append(value)
        return found

    return read


def or_nothing(one: Reader[Value]) -> Reader[Value | None]:
    """A value, or ``null`` where something is to follow the system again."""
    return Reader(lambda part: None if part.is_empty else one(part), nullable(one.schema))


def unordered(one: Reader[Any]) -> Reader[list[Any]]:
    """A list of values whose order says nothing."""

    @documented(listed(one).schema)
    def read(part: Part) -> list[Any]:
        return sorted(
            listed(one)(part), key=lambda value: value["name"] if isinstance(value, dict) else value
        )

    return read


def nullable(schema: Schema) -> Schema:
    """What may be null, too."""
    return {"anyOf": [schema, {"type": "null"}]}


def _shared(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """What ``<<: *name`` takes over from another place of the file; its own keys win over these."""
    merges = [value for key, value in node.value if key.tag == _MERGE]
    others = [one for merge in merges for one in (merge.value if merge.id == "sequence" else [merge])]
    return [pair for other in others if isinstance(other, yaml.MappingNode) for pair in other.value]


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"{name} is not known here. Did you mean {close[0]}?"
    return f"{name} is not known here. Known are: {', '.join(known)}."
