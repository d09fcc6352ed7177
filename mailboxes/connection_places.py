"""How many IMAP connections an account has at once, all processes together: its server counts them.

They are three. One watches: a watcher has the account to itself (`workers.watch.is_ours`). One reads: a pass
holds the lease (`mailboxes.sync.leases`), also one that a person asks for. One files copies of what was sent,
here. Only who checks a connection by hand adds one, for seconds (`mailboxes.connection_check`), and so does
`postroom check --server`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from tenants.database.locks import lock_holder, try_lock

HELD_SECONDS = 900  # longer than a copy may take


@contextmanager
def filing(account_id: UUID) -> Iterator[bool]:
    """Be the only one who files copies in this account; False if another one does."""
    with lock_holder(HELD_SECONDS) as connection:
        yield try_lock(connection, f"copies of account {account_id}")
