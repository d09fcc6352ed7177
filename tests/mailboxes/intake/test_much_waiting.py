"""However much of an account waits for delivery, finding what comes next goes through little of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from flask import Flask

from mailboxes.arrivals import SHARES, Arrival
from mailboxes.intake.arrived import BATCH_MESSAGES, next_batch
from mailboxes.sync.history import has_former
from mailboxes.sync.plan import Cursor
from mailboxes.system_mailboxes import Mailbox
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import arrive, folder_of, letter
from tests.queries import listening
from workers.schedule import ring_for_stored_arrivals

WAITING = 30_000
FEW = 4 * BATCH_MESSAGES  # of 30,000: found, held, and changed with their attempt
READ = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"


@pytest.fixture
def mailbox(ours: World, inside: Any, _superuser: psycopg.Connection) -> Mailbox:
    """Of its account much waits, all of it history, stored an hour ago."""
    mailbox = make_mailbox(ours)
    with inside(ours):
        arrive(mailbox, letter("History"), uid=1, is_history=True)
    own = ("id", "uid", "share")
    names = [c.name for c in Arrival.__table__.columns if c.computed is None and c.name not in own]
    same = ", ".join(names)
    _superuser.execute(
        f"INSERT INTO arrivals ({', '.join(own)}, {same})"  # our own names
        f" SELECT gen_random_uuid(), n, n % {SHARES}, {same}"
        f" FROM arrivals, generate_series(2, {WAITING}) n WHERE uid = 1"
    )
    _superuser.execute("UPDATE arrivals SET arrived_at = now() - interval '1 hour'")
    _superuser.execute("VACUUM ANALYZE arrivals")
    return mailbox


@contextmanager
def arrivals_read(app: Flask) -> Iterator[list[int]]:
    """Of each transaction after each statement: how many arrivals it went through, as the database counts."""
    read: list[int] = []

    def note(connection: Any, *_: Any) -> None:
        with connection.connection.cursor() as cursor:
            cursor.execute(f"{READ} WHERE relname = 'arrivals'")
            read.extend(row[0] for row in cursor.fetchall())

    with listening(app, "after_cursor_execute", note):
        yield read


@pytest.mark.parametrize("share", range(SHARES))
def test_the_next_batch_of_a_share(
    app: Flask, ours: World, mailbox: Mailbox, inside: Any, share: int
) -> None:
    with inside(ours), arrivals_read(app) as read:
        batch = next_batch(mailbox.account_id, share)
        assert batch is not None
        assert len(batch) == BATCH_MESSAGES
    assert 0 < max(read) < FEW


def test_whether_anything_is_here_of_before_a_renumbering(
    app: Flask, ours: World, mailbox: Mailbox, inside: Any
) -> None:
    with inside(ours), arrivals_read(app) as read:
        assert not has_former(folder_of(mailbox), Cursor(uid_validity=1))
    assert max(read) < FEW


def test_which_accounts_wait(app: Flask, mailbox: Mailbox) -> None:
    with arrivals_read(app) as read:
        ring_for_stored_arrivals()
    assert 0 < max(read) < FEW
