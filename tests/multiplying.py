"""An organization many times over, by a statement for each table: what many organizations look like."""

from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import Column, Computed, ForeignKeyConstraint, Table

from mailboxes.tables import METADATA

OWNERS = {"organization_id", "owner_id"}
# What must differ over the whole installation.
UNIQUE_TEXTS = {("organizations", "slug"), ("users", "address"), ("organizations", "name")}
NEVER_COPIED = {
    *("sign_ins", "second_factors", "recovery_codes", "identities", "provider_requests"),
    *("user_overrides", "user_override_changes"),
}


def multiply(url: str, organization_id: UUID, copies: int) -> None:
    """Make copies of an organization with everything in it and people of their own.

    Ids are made from the copy's number and the id in the original, so that every key of a copy leads to
    a row of the same copy. ``url`` is that of ``postroom_system``.
    """
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for table in METADATA.sorted_tables:
            source = _source(table)
            if source is not None:
                connection.execute(_copied(table, source), {"id": organization_id, "numbers": [1, copies]})
        connection.execute("ANALYZE")


def _source(table: Table) -> sql.SQL | None:
    """Which rows of a table belong to the original; None if it is not copied."""
    if table.name in NEVER_COPIED:
        return None
    if table.name == "organizations":
        return sql.SQL("b.id = %(id)s")
    if table.name == "users":
        return sql.SQL("b.id IN (SELECT user_id FROM memberships WHERE organization_id = %(id)s)")
    return sql.SQL("b.organization_id = %(id)s") if "organization_id" in table.columns else None


def _copied(table: Table, source: sql.SQL) -> sql.Composed:
    columns = [column for column in table.columns if not isinstance(column.computed, Computed)]
    return sql.SQL(
        "INSERT INTO {table} ({names}) SELECT {values} FROM {table} b,"
        " generate_series((%(numbers)s::int[])[1], (%(numbers)s::int[])[2]) n WHERE {source}"
    ).format(
        table=sql.Identifier(table.name),
        names=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        values=sql.SQL(", ").join(_value(table, column) for column in columns),
        source=source,
    )


def _value(table: Table, column: Column[object]) -> sql.Composable:
    name = sql.SQL("b.{}").format(sql.Identifier(column.name))
    if (table.name, column.name) in UNIQUE_TEXTS:
        return sql.SQL("n || '-' || {}").format(name)
    if column.name == "id" or _leads_to_a_copied_row(table, column):
        return sql.SQL("md5(n || {}::text)::uuid").format(name)
    return name


def _leads_to_a_copied_row(table: Table, column: Column[object]) -> bool:
    """Whether a column holds the id of something that each copy has of its own."""
    if column.name in {"organization_id", "account_owner_id"}:
        return True
    return any(
        _source(target) is not None and element.parent is column and element.column.name not in OWNERS
        for key in table.constraints
        if isinstance(key, ForeignKeyConstraint)
        for element in key.elements
        for target in [element.column.table]
    )
