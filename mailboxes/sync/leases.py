"""Who may write for an account: a lease that expires, and a fence that proves it (reliability §4.2).

A worker that was stopped beyond its lease wakes up with an old fence, and its next transaction fails.
All times are the database's.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from flask import Flask, current_app
from sqlalchemy import func, literal, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from mailboxes.accounts import Account
from mailboxes.crash_points import crash_point
from mailboxes.sync.deaths import note_deaths
from tenants.database import INSTALLATION, db, inside, inside_installation

SECONDS = 60
RENEWED_EVERY = 15.0
# What lies further ahead than anything is put off was noted by a clock that has been set back since.
FURTHEST = "interval '25 hours'"

log = structlog.get_logger()


class LeaseLostError(RuntimeError):
    """Somebody else holds the account now; nothing of this transaction may be committed."""


def take(account_id: UUID, owner: str) -> int | None:
    """Take the lease if nobody holds it and the server may be asked, and commit; the fence, or None.

    ``owner``: who begins a pass now; "" if that is still to be rung for.
    """
    note_deaths(db.session(), account_id)
    fence = db.session.scalar(
        update(Account)
        .where(
            Account.id == account_id,
            text(is_over("lease_expires_at")),
            text(is_over("coalesce(quiet_until, '-infinity')")),
        )
        .values(
            lease_owner=owner,
            lease_fence=Account.lease_fence + 1,
            lease_expires_at=_from_now(SECONDS),
        )
        .returning(Account.lease_fence)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    crash_point("lease taken")
    return fence


def is_over(moment: str) -> str:
    """SQL: a moment until which something waits is not to come any more."""
    return f"({moment} < clock_timestamp() OR {moment} > clock_timestamp() + {FURTHEST})"


def confirm(account_id: UUID, fence: int, owner: str) -> int | None:
    """Begin a job that was rung with a fence: with that one, or with a new one if the lease is free."""
    if renew(account_id, fence, owner=owner):
        return fence
    return take(account_id, owner)


def renew(account_id: UUID, fence: int, *, owner: str = "", session: Session | None = None) -> bool:
    """Hold the lease longer, if the fence is still ours, and commit. ``owner``: who holds it from now on."""
    bound = session or db.session()
    renewed = bound.scalar(
        update(Account)
        .where(
            Account.id == account_id,
            Account.lease_fence == fence,
            Account.lease_expires_at >= func.clock_timestamp(),
        )
        .values(lease_expires_at=_from_now(SECONDS), **({"lease_owner": owner} if owner else {}))
        .returning(literal(1))
        .execution_options(synchronize_session=False)
    )
    bound.commit()
    return renewed is not None


def demand(account_id: UUID, fence: int) -> None:
    """Within a transaction: nobody takes the lease before it ends. `LeaseLostError` if it is taken."""
    held = db.session.scalar(
        select(literal(1))
        .where(Account.id == account_id, Account.lease_fence == fence)
        .with_for_update(read=True)
    )
    if held is None:
        db.session.rollback()
        raise LeaseLostError(f"account {account_id}, fence {fence}")


def release(account_id: UUID, fence: int) -> None:
    """Let the next one in, and commit."""
    db.session.execute(
        update(Account)
        .where(Account.id == account_id, Account.lease_fence == fence)
        .values(lease_expires_at=func.clock_timestamp(), lease_owner="")
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    crash_point("lease released")


@contextmanager
def held(account_id: UUID, fence: int) -> Iterator[None]:
    """Renew the lease from a thread while a pass runs; release it afterwards, whatever happened."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    owner: UUID = db.session.info["organization_id"]
    is_over = threading.Event()
    renewer = threading.Thread(
        target=_keep, args=(app, owner, account_id, fence, is_over), name="lease", daemon=True
    )
    renewer.start()
    try:
        yield
    finally:
        is_over.set()
        renewer.join()
        db.session.rollback()
        release(account_id, fence)


def _keep(app: Flask, owner: UUID, account_id: UUID, fence: int, is_over: threading.Event) -> None:
    while not is_over.wait(RENEWED_EVERY):
        try:
            with app.app_context(), _bound(owner) as session:
                if not renew(account_id, fence, session=session):
                    return
        except SQLAlchemyError as error:  # the fence decides, not this thread
            log.warning("lease not renewed", account=str(account_id), error=type(error).__name__)


@contextmanager
def _bound(owner: UUID) -> Iterator[Session]:
    scope = (
        inside_installation("keeps the lease of a global account") if owner == INSTALLATION else inside(owner)
    )
    with scope as session:
        yield session


def _from_now(seconds: int) -> object:
    return func.clock_timestamp() + text(f"interval '{int(seconds)} seconds'")
