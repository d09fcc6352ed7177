"""Arrays as PostgreSQL receives them in binary, written at once.

The driver would look at every element with a regular expression, and the server would read each from text.
"""

import json
import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.types import TypeEngine, UserDefinedType

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"  # in place of a length
_UUID_LENGTH = b"\0\0\0\x10"
_TRUE, _FALSE = b"\0\0\0\1\1", b"\0\0\0\1\0"
_NO_POSITIONS = b"\0\0\0"  # what follows a word of a search index: its end, and how often it was seen

_head = struct.Struct(">iiIii").pack  # dimensions, whether there are nulls, type, length, first index
_empty = struct.Struct(">iiI").pack
_length = struct.Struct(">i").pack
_number = struct.Struct(">iq").pack

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class PackedArray:
    """An array on its way. The server knows its type by the cast in the statement."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


@dataclass(frozen=True, slots=True)
class Carrier:
    """How the elements of a column travel: as which type, which number it has in every PostgreSQL, and how
    one is written, its length first.
    """

    name: str
    oid: int
    written: Callable[[Any], bytes]

    def packed(self, values: Collection[Any]) -> PackedArray:
        """An array of these values; None is NULL."""
        if not values:
            return PackedArray(_empty(0, 0, self.oid))
        written = self.written
        elements = [_NULL if value is None else written(value) for value in values]
        return PackedArray(b"".join([_head(1, 1, self.oid, len(elements), 1), *elements]))


def carrier_of(kind: TypeEngine[Any]) -> Carrier:
    """How values of this type travel. `TypeError` if it is none that tables have."""
    for known, carrier in _CARRIERS:
        if isinstance(kind, known):
            return carrier
    raise TypeError(f"values of the type {kind!r} cannot travel in an array")


def array_literal(items: Iterable[object]) -> str:
    """A list as PostgreSQL writes an array."""
    return "{" + ",".join(["NULL" if item is None else _quoted(str(item)) for item in items]) + "}"


class PackedList(UserDefinedType[Sequence[Any]]):
    """Many values of a type as one parameter of a statement that SQLAlchemy makes."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, element: TypeEngine[Any]) -> None:
        self.element = element

    def get_col_spec(self, **_: Any) -> str:
        return f"{carrier_of(self.element).name}[]"

    def bind_processor(self, dialect: object) -> Callable[[Any], PackedArray]:
        return carrier_of(self.element).packed


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: PackedArray) -> bytes:
        return obj.content


psycopg.adapters.register_dumper(PackedArray, _PackedDumper)


def _uuid(value: UUID) -> bytes:
    return _UUID_LENGTH + value.bytes


def _boolean(value: bool) -> bytes:
    return _TRUE if value else _FALSE


def _bigint(value: int) -> bytes:
    return _number(8, value)


def _timestamp(value: datetime) -> bytes:
    return _number(8, (value - _EPOCH) // _MICROSECOND)


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _length(len(encoded)) + encoded


def _json(value: Any) -> bytes:
    encoded = _JSON.encode(value).encode()
    return _length(len(encoded) + 1) + b"\1" + encoded


def _words(value: Collection[str]) -> bytes:
    """The words of a message, each once, without positions."""
    encoded = "".join([word + "\0\0\0" for word in value]).encode()
    return _length(len(encoded) + 4) + _length(len(value)) + encoded


def _list(value: Sequence[Any]) -> bytes:
    """An array within an array: as text, for PostgreSQL has no arrays of different lengths in one."""
    return _text(array_literal(value)) if value else _EMPTY_LIST


_EMPTY_LIST = _text("{}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_CARRIERS: tuple[tuple[type[Any], Carrier], ...] = (
    (Uuid, Carrier("uuid", 2950, _uuid)),
    (Boolean, Carrier("boolean", 16, _boolean)),
    (BigInteger, Carrier("bigint", 20, _bigint)),
    (DateTime, Carrier("timestamptz", 1184, _timestamp)),
    (LargeBinary, Carrier("bytea", 17, _bytes)),
    (Text, Carrier("text", 25, _text)),
    (JSONB, Carrier("jsonb", 3802, _json)),
    (TSVECTOR, Carrier("tsvector", 3614, _words)),
    (ARRAY, Carrier("text", 25, _list)),
)
