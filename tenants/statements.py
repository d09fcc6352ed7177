"""Statements that stay prepared on their connection, also where a transaction is rolled back.

A page only reads, and its transaction ends by a rollback. psycopg forgets at each of them what it has
prepared, in case that names what was made in the transaction and is gone with it: pages would never get the
good of it, and ask for one thing more. Nothing here makes a table or a type in a transaction of its own;
what is told a transaction (`app.organization_id`) ends with it as ever, and is no part of any plan.
"""

from typing import Any

from psycopg import Connection
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, event

MOST_PREPARED = (
    500  # of a connection: all pages together have more than psycopg's hundred, and would push each other out
)


class KeepingConnection(Connection[Any]):
    """A connection that forgets what it has prepared only after an error, so that a plan which does not fit
    any more is gone at the next try."""

    def rollback(self) -> None:
        """End the transaction; what is prepared stays."""
        if self.pgconn.transaction_status != TransactionStatus.INTRANS:
            super().rollback()
            return
        with self.lock:
            self.wait(self._exec_command(b"ROLLBACK"))


def keep_prepared(engine: Engine) -> None:
    """Let an engine's connections keep what they have prepared."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: object, record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        connection = KeepingConnection.connect(*arguments, **options)
        connection.prepared_max = MOST_PREPARED
        return connection
