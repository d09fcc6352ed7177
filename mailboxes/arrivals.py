"""Arrivals: what a server handed out, with its bytes, before anything is read in them."""

import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from psycopg.errors import LockNotAvailable
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OptionallyScoped, db, now, owned_key
from tenants.database.locks import lock_holder, try_lock

LOCK_SECONDS = 5
HELD_SECONDS = 660  # longer than a job may take; the database takes the share of a stopped one back
SHARES = 2  # of an account's history, delivered side by side
SHARED_UIDS = 500  # neighbours are delivered together: they are stored so, and often of one conversation


class Raw(OptionallyScoped, Base):
    """A message's bytes as fetched, once per owner.

    Small ones are in ``content`` (zstd), large ones in the object store under ``object_key``.
    """

    __tablename__ = "raws"
    __table_args__ = (
        UniqueConstraint("owner_id", "id"),
        UniqueConstraint("owner_id", "sha256"),
        CheckConstraint("(content IS NULL) <> (object_key IS NULL)", name="one_place"),
    )

    sha256: Mapped[bytes]
    size: Mapped[int]
    content: Mapped[bytes | None] = mapped_column(default=None)
    object_key: Mapped[str | None] = mapped_column(default=None)
    stored_at: Mapped[datetime] = mapped_column(default=now)


class Arrival(OptionallyScoped, Base):
    """One message in one folder of an account, by UID. Never deleted: a tombstone is a row too.

    ``state``: stored (waits for delivery), delivered, unrouted, quarantined, too_large (only the
    header is kept, in ``raw_id``), unfetchable, before_history (known, and left on the server).
    """

    __tablename__ = "arrivals"
    __table_args__ = (
        UniqueConstraint("owner_id", "id"),
        UniqueConstraint("account_id", "folder_id", "uid_validity", "uid"),
        # One key for both: it is checked for every row, and says more than two would.
        ForeignKeyConstraint(
            ["owner_id", "account_id", "folder_id"],
            ["folders.owner_id", "folders.account_id", "folders.id"],
            ondelete="CASCADE",
        ),
        owned_key("raw_id", "raws"),
        CheckConstraint(
            "state IN ('stored', 'delivered', 'unrouted', 'quarantined', 'too_large', 'unfetchable',"
            " 'before_history')",
            name="state",
        ),
        Index(
            "ix_arrivals_pending",
            "account_id",
            "share",
            "is_history",
            "id",
            postgresql_where=text("state = 'stored'"),
        ),
        Index("ix_arrivals_unrouted", "account_id", "id", postgresql_where=text("state = 'unrouted'")),
        Index(
            "ix_arrivals_held",
            "account_id",
            "id",
            postgresql_where=text("state IN ('quarantined', 'too_large', 'unfetchable')"),
        ),
        Index("ix_arrivals_folder_id", "folder_id", "uid_validity", "uid"),
        Index(
            "ix_arrivals_missing",
            "folder_id",
            "uid",
            postgresql_where=text("state IN ('too_large', 'unfetchable')"),
        ),
    )

    # That of its folder: the key to that one says so, and it needs none of its own.
    organization_id: Mapped[UUID | None] = mapped_column()
    account_id: Mapped[UUID]
    folder_id: Mapped[UUID]
    uid_validity: Mapped[int]
    uid: Mapped[int]
    raw_id: Mapped[UUID | None] = mapped_column(default=None)
    sha256: Mapped[bytes] = mapped_column(default=b"")
    size: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime | None] = mapped_column(default=None)  # INTERNALDATE, if sane
    came_since: Mapped[datetime | None] = mapped_column(default=None)  # then it was not in its folder yet
    flags: Mapped[list[str]] = mapped_column(default=list)
    is_history: Mapped[bool] = mapped_column(default=False)  # was there before the folder was chosen
    is_seen_again: Mapped[bool] = mapped_column(default=False)  # handed out anew after a UIDVALIDITY change
    share: Mapped[int] = mapped_column(default=0)  # `share_of`; batches are found by it
    arrived_at: Mapped[datetime] = mapped_column(default=now)
    attempts: Mapped[int] = mapped_column(default=0)  # committed before each parse
    state: Mapped[str] = mapped_column(default="stored")
    failure: Mapped[str] = mapped_column(default="")
    is_wanted: Mapped[bool] = mapped_column(default=False)  # somebody asks for it, whatever its size
    vanished_at: Mapped[datetime | None] = mapped_column(default=None)
    # When the server last ended the connection as its flags were asked for: that is done once a day.
    flags_untold_at: Mapped[datetime | None] = mapped_column(default=None)
    dismissed_at: Mapped[datetime | None] = mapped_column(default=None)  # held back, and nobody needs it
    fetch_milliseconds: Mapped[int | None] = mapped_column(default=None)  # its share of the time to read it


class Bells(Protocol):
    """How those who find a share taken are heard by whoever has it."""

    def put_off(self, share: int) -> None:
        """Somebody wanted this share, and went away."""

    def ring(self, share: int) -> None:
        """A share is free again: whoever wanted it comes back."""


@contextmanager
def delivering(account_id: UUID) -> Iterator[bool]:
    """Be the only one who delivers this account's arrivals; False if another one is at it."""
    with lock_holder(HELD_SECONDS) as connection:
        names = [_share_name(account_id, share) for share in range(SHARES)]
        yield all(try_lock(connection, name) for name in names)


@contextmanager
def delivering_a_share(
    account_id: UUID, besides: Collection[int] = (), bells: Bells | None = None
) -> Iterator[int | None]:
    """Be the only one who delivers a share of this account's arrivals; None if others are at all of them.

    ``besides``: those that we have had. A hint, held by a transaction of its own; what keeps doubles away
    are the constraints. ``bells``: do not wait for others, who ring when they have ended; without it, wait
    a while for a first share.
    """
    left = [share for share in range(SHARES) if share not in besides]
    random.shuffle(left)  # one alone takes turns: no share falls behind
    share = None
    try:
        with lock_holder(HELD_SECONDS) as connection:
            share = _free_share(connection, account_id, left)
            if share is None:
                share = _late_share(connection, account_id, left, bells, is_patient=not besides)
            yield share
    finally:
        if bells is not None and share is not None:
            bells.ring(share)


def share_of(uid: int, *, is_history: bool, is_of_organization: bool) -> int:
    """The share that an arrival belongs to: of an organization's history, portions in turn.

    All else is one share, for it has to be delivered in order: new mail, since answers follow questions; and
    whatever comes to a global account, since where a message goes depends on those before it.
    """
    return uid // SHARED_UIDS % SHARES if is_history and is_of_organization else 0


def hold(*conditions: ColumnElement[bool]) -> list[UUID]:
    """Arrivals that meet the conditions, which nobody else changes before the transaction ends.

    All who change several hold them in this one order, and after the mailbox: else each of two would wait for
    what the other one has.
    """
    query = select(Arrival.id).where(*conditions).order_by(Arrival.id).with_for_update(key_share=True)
    return list(db.session.scalars(query))


def of_another_epoch(uid_validity: int) -> ColumnElement[bool]:
    """Arrivals of a folder before it was renumbered, or after; two ranges, since "is not" knows no index."""
    return (Arrival.uid_validity < uid_validity) | (Arrival.uid_validity > uid_validity)


def _free_share(connection: Connection, account_id: UUID, shares: Sequence[int]) -> int | None:
    return next((one for one in shares if try_lock(connection, _share_name(account_id, one))), None)


def _late_share(
    connection: Connection, account_id: UUID, shares: Sequence[int], bells: Bells | None, *, is_patient: bool
) -> int | None:
    """Others have all of them: be put off, or wait for one."""
    if bells is not None:
        for share in shares:
            bells.put_off(share)
        return _free_share(connection, account_id, shares)  # whoever had it may have ended meanwhile
    is_ours = is_patient and _is_taken(connection, _share_name(account_id, shares[0]))
    return shares[0] if is_ours else None


def _share_name(account_id: UUID, share: int) -> str:
    return f"deliver {account_id} {share}"


def _is_taken(connection: Connection, name: str) -> bool:
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    query = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    try:
        with connection.begin_nested():
            connection.execute(query, {"name": name})
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return False
        raise
    return True
