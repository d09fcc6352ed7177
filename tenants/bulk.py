"""Many rows in one statement.

COPY does not write to tables with row security, so the columns travel as arrays and become rows in
the server, in one round trip and through the same policies as any INSERT.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import ARRAY, Column, ColumnElement, Table, Uuid, any_, literal
from sqlalchemy.orm import InstrumentedAttribute, Session

from tenants.arrays import PackedArray, PackedList, carrier_of
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
    arrays = [_array(column, rows, organization) for column in columns]
    connection: psycopg.Connection[Any] = bound.connection().connection.driver_connection  # type: ignore[assignment]
    names = tuple(column.name for column in columns)
    cursor = connection.execute(_statement(table, names, ignoring_conflicts), arrays)
    return cursor.rowcount


def among(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column has one of these values, however many they are: they travel as one array.

    ``IN`` takes a parameter for each, and a statement has room for 65,535.
    """
    return column == any_(literal(list(values), PackedList(column.type)))


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


def _array(column: Column[Any], rows: Sequence[Row], organization: UUID | None) -> PackedArray:
    name, carrier = column.name, carrier_of(column.type)
    if name == "organization_id":
        return carrier.repeated(organization, len(rows))
    if name not in rows[0]:
        return _defaults(column, len(rows))
    values = [row[name] for row in rows]
    first = values[0]
    is_one = all(value is first for value in values)  # what is the same for a whole batch is written once
    return carrier.repeated(first, len(rows)) if is_one else carrier.packed(values)


def _defaults(column: Column[Any], count: int) -> PackedArray:
    carrier = carrier_of(column.type)
    default: Any = column.default
    if default.is_callable:
        return carrier.packed([default.arg(None) for _ in range(count)])
    return carrier.repeated(default.arg, count)


@lru_cache(maxsize=128)
def _statement(table: Table, names: tuple[str, ...], ignoring_conflicts: bool) -> bytes:
    columns = [table.columns[name] for name in names]
    listed = ", ".join(f'"{name}"' for name in names)
    arrays = ", ".join(f"%s::{carrier_of(column.type).name}[]" for column in columns)
    chosen = ", ".join(f'r."{column.name}"{_cast(column)}' for column in columns)
    ending = " ON CONFLICT DO NOTHING" if ignoring_conflicts else ""
    sql = (
        f'INSERT INTO "{table.name}" ({listed}) SELECT {chosen}'  # noqa: S608  # names of our own tables
        f" FROM unnest({arrays}) AS r({listed}){ending}"
    )
    return sql.encode()


def _cast(column: Column[Any]) -> str:
    kind = column.type
    if not isinstance(kind, ARRAY):
        return ""
    return "::uuid[]" if isinstance(kind.item_type, Uuid) else "::text[]"
