"""Arrays, and single values, as PostgreSQL receives them in binary, written at once.

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
_NO_POSITIONS = "\0\0\0"  # what follows a word of a search index: its end, and how often it was seen

_head = struct.Struct(">iiIii").pack  # dimensions, whether there are nulls, type, length, first index
_empty = struct.Struct(">iiI").pack
_length = struct.Struct(">i").pack
_number = struct.Struct(">iq").pack

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class PackedValue:
    """An array or one value on its way. The server knows its type by the cast in the statement."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


@dataclass(frozen=True, slots=True)
class Carrier:
    """How the elements of a column travel: as which type, which number it has in every PostgreSQL, and how
    they are written, each with its length before it, in one piece or two.
    """

    name: str
    oid: int
    written: Callable[[Iterable[Any]], list[bytes]]

    def alone(self, value: Any) -> PackedValue | None:
        """One value, not in an array."""
        return None if value is None else PackedValue(b"".join(self.written([value]))[len(_NULL) :])

    def packed(self, values: Sequence[Any]) -> PackedValue:
        """An array of these values; None is NULL."""
        return self._joined(self.written(values), len(values))

    def repeated(self, value: Any, count: int) -> PackedValue:
        """An array of one value, so many times."""
        return self._joined(self.written([value]) * count, count)

    def _joined(self, pieces: list[bytes], count: int) -> PackedValue:
        if not count:
            return PackedValue(_empty(0, 0, self.oid))
        return PackedValue(b"".join([_head(1, 1, self.oid, count, 1), *pieces]))


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

    def bind_processor(self, dialect: object) -> Callable[[Any], PackedValue]:
        return carrier_of(self.element).packed


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: PackedValue) -> bytes:
        return obj.content


psycopg.adapters.register_dumper(PackedValue, _PackedDumper)


# One loop for each type, with nothing called that can be said in place: they run for every value stored.


def _uuids(values: Iterable[UUID | None]) -> list[bytes]:
    return [_NULL if one is None else _UUID_LENGTH + one.int.to_bytes(16, "big") for one in values]


def _booleans(values: Iterable[bool | None]) -> list[bytes]:
    return [_NULL if one is None else _TRUE if one else _FALSE for one in values]


def _bigints(values: Iterable[int | None]) -> list[bytes]:
    return [_NULL if one is None else _number(8, one) for one in values]


def _timestamps(values: Iterable[datetime | None]) -> list[bytes]:
    return [_NULL if one is None else _number(8, (one - _EPOCH) // _MICROSECOND) for one in values]


def _sized(values: Iterable[bytes | None]) -> list[bytes]:
    return [_NULL if one is None else _length(len(one)) + one for one in values]


def _apart(values: Iterable[bytes | None]) -> list[bytes]:
    """The same in two pieces each: large ones are copied once, when all are joined."""
    pieces: list[bytes] = []
    for one in values:
        pieces += (_NULL,) if one is None else (_length(len(one)), one)
    return pieces


def _texts(values: Iterable[str | None]) -> list[bytes]:
    return _sized([None if one is None else one.encode() for one in values])


def _jsons(values: Iterable[Any]) -> list[bytes]:
    return _sized([None if one is None else b"\1" + _JSON.encode(one).encode() for one in values])


def _words(values: Iterable[Collection[str] | None]) -> list[bytes]:
    """The words of messages, each once, without positions."""
    return _sized([None if one is None else _length(len(one)) + _ended(one) for one in values])


def _ended(words: Collection[str]) -> bytes:
    return (_NO_POSITIONS.join(words) + _NO_POSITIONS).encode() if words else b""


def _lists(values: Iterable[Sequence[Any] | None]) -> list[bytes]:
    """Arrays within an array: as text, for PostgreSQL has no arrays of different lengths in one."""
    return _texts([None if one is None else array_literal(one) if one else "{}" for one in values])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_CARRIERS: tuple[tuple[type[Any], Carrier], ...] = (
    (Uuid, Carrier("uuid", 2950, _uuids)),
    (Boolean, Carrier("boolean", 16, _booleans)),
    (BigInteger, Carrier("bigint", 20, _bigints)),
    (DateTime, Carrier("timestamptz", 1184, _timestamps)),
    (LargeBinary, Carrier("bytea", 17, _apart)),
    (Text, Carrier("text", 25, _texts)),
    (JSONB, Carrier("jsonb", 3802, _jsons)),
    (TSVECTOR, Carrier("tsvector", 3614, _words)),
    (ARRAY, Carrier("text", 25, _lists)),
)
