"""Statements of pages stay prepared on their connection, though each page ends by a rollback.

psycopg forgets at a rollback what it has prepared, in case that names what was made in the transaction and
is gone with it: pages would never get the good of it, and ask for one thing more. No page makes a table or a
type; what is told a transaction (`app.organization_id`) ends with it as ever, and is no part of any plan.

The plan is made anew each time, for what is asked: one organization has ten thousand mailboxes and another
three, and a plan for both took thirty-six times as long for the grid of mailboxes as the right one.
"""

from typing import Any

from psycopg import Connection
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, event

MOST_PREPARED = 500  # of a connection: psycopg's hundred are fewer than the pages have together
PLANS = "force_custom_plan"


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
        if connection.prepare_threshold is not None:  # else a pooler lends it to others
            connection.prepared_max = MOST_PREPARED
            connection.autocommit = True  # so that it outlives the transaction
            connection.execute("SELECT set_config('plan_cache_mode', %s, false)", (PLANS,))
            connection.autocommit = False
        return connection
