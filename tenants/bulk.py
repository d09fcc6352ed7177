"""Many rows in one statement.

COPY does not write to tables with row security, so the columns travel as arrays and become rows in
the server, in one round trip and through the same policies as any INSERT.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    Table,
    Text,
    Uuid,
    any_,
    literal,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import InstrumentedAttribute, Session

from tenants.database import INSTALLATION, Base, db
from tenants.errors import OutsideOrganizationError

Row = Mapping[str, Any]


def insert_rows(
    model: type[Base],
    rows: Sequence[Row],
    *,
    ignoring_conflicts: bool = False,
    session: Session | None = None,
) -> int:
    """Insert rows (column name to value, the same names in each) and return how many went in.

    The session's organization is stamped on every row. Columns left out get their default.
    """
    if not rows:
        return 0
    bound = session or db.session()
    table: Table = model.__table__  # type: ignore[assignment]
    columns = _columns(table, rows[0])
    organization = _organization(bound, columns)
    values = [_array(column, _values(column, rows, organization)) for column in columns]
    connection: psycopg.Connection[Any] = bound.connection().connection.driver_connection  # type: ignore[assignment]
    cursor = connection.execute(_statement(table, columns, ignoring_conflicts), values)
    return cursor.rowcount


def among(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column has one of these values, however many they are: they travel as one array.

    ``IN`` takes a parameter for each, and a statement has room for 65,535.
    """
    return column == any_(literal(list(values), ARRAY(column.type)))


def array_literal(texts: Iterable[str | None]) -> str:
    """A list of texts as PostgreSQL writes an array."""
    listed = list(texts)
    if None not in listed and (written := _quoted_at_once(listed)):  # type: ignore[arg-type]
        return written
    return "{" + ",".join(["NULL" if text is None else _quoted(text) for text in listed]) + "}"


def _quoted_at_once(texts: list[str]) -> str:
    """All of them escaped in two steps and not in two for each; "" if one has the mark between them."""
    joined = "\0".join(texts)
    if not texts or joined.count("\0") != len(texts) - 1:
        return ""
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + escaped.replace("\0", '","') + '"}'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _columns(table: Table, row: Row) -> list[Column[Any]]:
    chosen = [
        column
        for column in table.columns
        if column.name in row or column.default is not None or column.name == "organization_id"
    ]
    unknown = set(row) - {column.name for column in chosen}
    if unknown:
        raise ValueError(f"{table.name} has no columns {sorted(unknown)}")
    return chosen


def _organization(session: Session, columns: list[Column[Any]]) -> UUID | None:
    if not any(column.name == "organization_id" for column in columns):
        return None
    bound_to: UUID | None = session.info.get("organization_id")
    if bound_to is None:
        raise OutsideOrganizationError("rows were inserted outside any organization")
    return None if bound_to == INSTALLATION else bound_to


def _values(column: Column[Any], rows: Sequence[Row], organization: UUID | None) -> list[Any]:
    if column.name == "organization_id":
        return [organization] * len(rows)
    if column.name in rows[0]:
        values = [row[column.name] for row in rows]
    else:
        values = [_default(column) for _ in rows]
    return values


def _default(column: Column[Any]) -> Any:
    default: Any = column.default
    return default.arg(None) if default.is_callable else default.arg


def _array(column: Column[Any], values: list[Any]) -> str | list[bytes]:
    """A column on its way: bytes in binary; all else as one text, written here.

    The driver would look at each element with a regular expression, at twenty times the cost.
    """
    if isinstance(column.type, LargeBinary):
        return values
    plain = next((written for kind, written in _PLAIN if isinstance(column.type, kind)), None)
    if plain is not None:
        return "{" + ",".join(["NULL" if value is None else plain(value) for value in values]) + "}"
    written = _writer(column)
    return array_literal([None if value is None else written(value) for value in values])


# What needs no quotes in an array.
_PLAIN: tuple[tuple[type[Any], Callable[[Any], str]], ...] = (
    (Uuid, lambda value: value.hex),
    (Boolean, str),
    (BigInteger, str),
    (DateTime, datetime.isoformat),
)
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _writer(column: Column[Any]) -> Callable[[Any], str]:
    kind = column.type
    if isinstance(kind, JSONB):
        return _JSON.encode
    if isinstance(kind, ARRAY):
        if isinstance(kind.item_type, Uuid):
            return lambda value: array_literal([str(item) for item in value])
        return array_literal
    return str


def _statement(table: Table, columns: list[Column[Any]], ignoring_conflicts: bool) -> bytes:
    names = ", ".join(f'"{column.name}"' for column in columns)
    arrays = ", ".join(f"{_placeholder(column)}::{_carrier(column)}[]" for column in columns)
    casts = ", ".join(f'r."{column.name}"{_cast(column)}' for column in columns)
    ending = " ON CONFLICT DO NOTHING" if ignoring_conflicts else ""
    sql = f'INSERT INTO "{table.name}" ({names}) SELECT {casts} FROM unnest({arrays}) AS r({names}){ending}'  # noqa: S608  # names of our own tables
    return sql.encode()


def _placeholder(column: Column[Any]) -> str:
    return "%b" if isinstance(column.type, LargeBinary) else "%s"


_CARRIERS: tuple[tuple[type[Any], str], ...] = (
    (Uuid, "uuid"),
    (Boolean, "boolean"),
    (BigInteger, "bigint"),
    (DateTime, "timestamptz"),
    (LargeBinary, "bytea"),
)


def _carrier(column: Column[Any]) -> str:
    """The element type in which a column travels; what has no plain one goes as text."""
    return next((name for kind, name in _CARRIERS if isinstance(column.type, kind)), "text")


def _cast(column: Column[Any]) -> str:
    kind = column.type
    if isinstance(kind, JSONB):
        return "::jsonb"
    if isinstance(kind, TSVECTOR):
        return "::tsvector"
    if isinstance(kind, ARRAY):
        return "::uuid[]" if isinstance(kind.item_type, Uuid) else "::text[]"
    if not isinstance(kind, (Text, *(known for known, _ in _CARRIERS))):
        raise TypeError(f"{column} has a type that cannot be inserted in bulk")
    return ""
