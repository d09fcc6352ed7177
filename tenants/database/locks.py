"""Rows that are held until the end of a transaction; and locks by name, which are hints alone.

Hints keep two from doing the same at once; constraints keep doubles away.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from tenants.database import db
from tenants.errors import NotFoundError

_TRY = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def hold_row(row: object, *, key_share: bool = True) -> None:
    """Read a row anew and keep all others out who change it, until the end; without ``key_share`` also those
    who refer to it. `NotFoundError` if one of them has deleted it."""
    try:
        db.session.refresh(row, with_for_update={"key_share": key_share})
    except InvalidRequestError as error:
        raise NotFoundError("Somebody has deleted this meanwhile. Nothing was saved.") from error


@contextmanager
def lock_holder(seconds: int) -> Iterator[Connection]:
    """A transaction that holds locks while the block works, for so long at most.

    The database does not hear of a host that vanished or a process that was stopped: it takes the locks back
    by itself. The block goes on without them, if it goes on.
    """
    with db.engine.connect() as connection:
        connection.begin()
        connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{int(seconds)}s'"))
        try:
            yield connection
        finally:
            _let_go(connection)


def try_lock(connection: Connection, name: str) -> bool:
    """Take a lock until the transaction ends, unless another one has it: whether it was free."""
    return bool(connection.scalar(_TRY, {"name": name}))


def _let_go(connection: Connection) -> None:
    try:
        connection.rollback()
    except DBAPIError:  # the database ended it already
        connection.invalidate()
