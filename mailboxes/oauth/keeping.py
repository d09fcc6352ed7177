"""What becomes of a connection: it goes with an account, is ended, or is forgotten."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select

from mailboxes.accounts import IN_TROUBLE, Account
from mailboxes.oauth.client import revoke
from mailboxes.oauth.providers import provider_of
from mailboxes.oauth.rows import OAuthConnection
from tenants.database import across_organizations, db, now
from tenants.errors import InvalidError
from tenants.secrets import UnreadableSecretError

KEPT_PENDING = timedelta(days=1)  # for a mailbox that is not saved yet
KEPT_ASKED = timedelta(hours=1)
GONE = "This connection is no longer there. Connect the account again."


@dataclass(frozen=True)
class Pending:
    """A connection that no account has yet. ``identity``: the account at the provider, if it says."""

    id: UUID
    owner_id: UUID
    kind: str
    identity: str


def pending(connection_id: UUID, session: bytes) -> Pending | None:
    """A connection that this session has made and not saved yet, of the owner it is bound to."""
    row = _unsaved(connection_id, session)
    if row is None or row.state != "connected":
        return None
    return Pending(row.id, row.owner_id, row.kind, row.identity)


def left_page(connection_id: UUID, session: bytes) -> dict[str, Any]:
    """The page as this session left it when it went to the provider, whatever came of that."""
    row = _unsaved(connection_id, session)
    return {} if row is None else dict(row.typed)


def _unsaved(connection_id: UUID, session: bytes) -> OAuthConnection | None:
    return db.session.scalar(
        select(OAuthConnection).where(
            OAuthConnection.id == connection_id,
            OAuthConnection.session_hash == hashlib.sha256(session).digest(),
            OAuthConnection.account_id.is_(None),
        )
    )


def adopt(connection_id: UUID, account: Account) -> None:
    """The account signs in by this connection from now on; a former one is forgotten. The caller commits."""
    connection = db.session.scalar(
        select(OAuthConnection)
        .where(OAuthConnection.id == connection_id, OAuthConnection.state == "connected")
        .with_for_update()
    )
    if connection is None or connection.account_id not in {None, account.id}:
        raise InvalidError(GONE, field="kind")
    former = delete(OAuthConnection).where(
        OAuthConnection.account_id == account.id, OAuthConnection.id != connection.id
    )
    db.session.execute(former.execution_options(synchronize_session=False))
    connection.account_id, connection.for_account_id = account.id, None
    connection.session_hash, connection.typed = None, {}
    account.connected_as = connection.identity or account.imap_user
    if account.state in IN_TROUBLE:
        account.state, account.last_error = "new", ""
        account.failure_count, account.death_count, account.failing_since = 0, 0, None
    account.next_attempt_at = now()
    db.session.flush()


def disconnect(account: Account, by: str) -> Callable[[], None]:
    """Forget the tokens of an account. The caller commits, then calls what tells the provider of it."""
    connection = db.session.scalar(
        select(OAuthConnection).where(OAuthConnection.account_id == account.id).with_for_update()
    )
    account.state, account.last_error = "disconnected", f"Disconnected by {by}."
    account.failing_since = account.told_since = account.failing_since or now()  # nobody needs to be told
    account.told_state = "disconnected"
    if connection is None:
        return lambda: None
    provider = provider_of(connection.kind)
    try:
        token = connection.opened("refresh")
    except UnreadableSecretError:
        token = ""
    connection.state = "ended"
    for name in ("access", "refresh"):
        connection.keep(name, "")
    db.session.flush()
    return lambda: revoke(provider, token) if provider is not None else None


def forget(account: Account) -> None:
    """An account that is read no more keeps no tokens. The caller commits."""
    gone = delete(OAuthConnection).where(OAuthConnection.account_id == account.id)
    db.session.execute(gone.execution_options(synchronize_session=False))
    account.connected_as = ""


def forget_unused() -> None:
    """Questions that nobody answered, and connections that were never saved; commits."""
    with across_organizations("connections that nobody saved are forgotten for every owner") as session:
        session.execute(
            delete(OAuthConnection).where(
                OAuthConnection.account_id.is_(None),
                or_(
                    OAuthConnection.asked_at < now() - KEPT_PENDING,
                    (OAuthConnection.state == "asked") & (OAuthConnection.asked_at < now() - KEPT_ASKED),
                ),
            )
        )
        session.commit()
