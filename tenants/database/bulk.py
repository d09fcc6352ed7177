"""Many rows in one statement, and many bytes out of one.

COPY does not write to tables with row security, so the columns travel as arrays and become rows in
the server, in one round trip and through the same policies as any INSERT. They do so in the list of what is
selected: behind ``FROM`` the server would copy every column into a store of its own first.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import Format
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    ExecutionContext,
    Table,
    Uuid,
    any_,
    event,
    literal,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from tenants.database import INSTALLATION, Base, db
from tenants.database.arrays import PackedList, PackedValue, carrier_of
from tenants.errors import OutsideOrganizationError

Row = Mapping[str, Any]
Query = TypeVar("Query", bound=Executable)

_IN_BINARY = "postroom_in_binary"


def insert_rows(model: type[Base], rows: Sequence[Row], *, ignoring_conflicts: bool = False) -> int:
    """Insert rows (column name to value, the same names in each) and return how many went in.

    The session's organization is stamped on every row. Columns left out get their default.
    """
    if not rows:
        return 0
    bound = db.session()
    table: Table = model.__table__  # type: ignore[assignment]
    columns = _columns(table, rows[0])
    organization = _organization(bound, columns)
    values = [_value(column, rows, organization) for column in columns]
    connection: psycopg.Connection[Any] = bound.connection().connection.driver_connection  # type: ignore[assignment]
    alike = tuple(_is_alike(column, rows[0]) for column in columns)
    names = tuple(column.name for column in columns)
    cursor = connection.execute(_statement(table, names, alike, ignoring_conflicts), values)
    return cursor.rowcount


def among(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column has one of these values, however many they are: they travel as one array.

    ``IN`` takes a parameter for each, and a statement has room for 65,535.
    """
    return column == any_(literal(list(values), PackedList(column.type)))


def in_binary(query: Query) -> Query:
    """The same query, whose answer comes as the server has it: bytes as text are twice as many."""
    return query.execution_options(**{_IN_BINARY: True})


@event.listens_for(Engine, "before_cursor_execute")
def _ask_for_binary(
    connection: Connection,
    cursor: psycopg.Cursor[Any],
    statement: str,
    parameters: Any,
    context: ExecutionContext,
    is_many: bool,
) -> None:
    if context.execution_options.get(_IN_BINARY):
        cursor.format = Format.BINARY


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


def _is_alike(column: Column[Any], row: Row) -> bool:
    """Whether it is the same for every row, whatever the rows are: it travels once."""
    if column.name == "organization_id":
        return True
    return column.name not in row and not column.default.is_callable  # type: ignore[union-attr]


def _value(column: Column[Any], rows: Sequence[Row], organization: UUID | None) -> PackedValue | None:
    name, carrier = column.name, carrier_of(column.type)
    if name == "organization_id":
        return carrier.alone(organization)
    if name not in rows[0]:
        return _defaults(column, len(rows))
    values = [row[name] for row in rows]
    first = values[0]
    is_one = all(value is first for value in values)  # what is the same for a whole batch is written once
    return carrier.repeated(first, len(rows)) if is_one else carrier.packed(values)


def _defaults(column: Column[Any], count: int) -> PackedValue | None:
    carrier = carrier_of(column.type)
    default: Any = column.default
    if default.is_callable:
        return carrier.packed([default.arg(None) for _ in range(count)])
    return carrier.alone(default.arg)


@lru_cache(maxsize=128)
def _statement(
    table: Table, names: tuple[str, ...], alike: tuple[bool, ...], ignoring_conflicts: bool
) -> bytes:
    chosen = [
        _chosen(table.columns[name], is_alike=is_alike) for name, is_alike in zip(names, alike, strict=True)
    ]
    listed = ", ".join(f'"{name}"' for name in names)
    ending = " ON CONFLICT DO NOTHING" if ignoring_conflicts else ""
    sql = f'INSERT INTO "{table.name}" ({listed}) SELECT {", ".join(chosen)}{ending}'  # our own names
    return sql.encode()


def _chosen(column: Column[Any], *, is_alike: bool) -> str:
    carried = carrier_of(column.type).name
    return f"%s::{carried}{_cast(column)}" if is_alike else f"unnest(%s::{carried}[]){_cast(column)}"


def _cast(column: Column[Any]) -> str:
    kind = column.type
    if not isinstance(kind, ARRAY):
        return ""
    return "::uuid[]" if isinstance(kind.item_type, Uuid) else "::text[]"
