"""Access tokens, for whoever opens a connection: a pass, the watch, the outbox, a check.

A token is refreshed before it ends, by the first who needs it, under a lock of the connection's row: the
others wait and take what that one got. The row is not the account's, so a provider that takes its time
holds up nobody else. A refusal is believed at once, a provider that does not answer is left alone longer
and longer; only what the provider says ends a permission.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from flask import Flask, current_app
from sqlalchemy import ColumnElement, func, select, update

from mailboxes.accounts import Account
from mailboxes.errors import (
    ConsentEndedError,
    MailServerError,
    TokenUnavailableError,
    UnreadableConnectionError,
)
from mailboxes.oauth.client import Tokens, refreshed_tokens
from mailboxes.oauth.providers import Provider, provider_of
from mailboxes.oauth.rows import OAuthConnection, Secret
from mailboxes.sasl import TokenSource
from tenants.database import INSTALLATION, db, inside, inside_installation, now
from tenants.secrets import UnreadableSecretError

EARLY = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=30)

log = structlog.get_logger()


def source_of_account(account: Account) -> TokenSource:
    """Tokens for the connection of an account."""
    return _Source(_app(), account.organization_id or INSTALLATION, account_id=account.id)


def source_of_pending(owner: UUID, connection_id: UUID) -> TokenSource:
    """Tokens for a connection that no account has yet."""
    return _Source(_app(), owner, connection_id=connection_id)


@dataclass(frozen=True)
class _Source:
    """Works in whatever thread asks, in a scope and a transaction of its own."""

    app: Flask
    owner: UUID
    account_id: UUID | None = None
    connection_id: UUID | None = None

    def __call__(self, refused: str) -> str:
        with self.app.app_context(), _bound(self.owner):
            connection = db.session.scalar(select(OAuthConnection).where(self._is_meant()).with_for_update())
            if connection is None or connection.state != "connected":
                raise ConsentEndedError
            try:
                return _living(connection, refused)
            finally:
                db.session.commit()

    def _is_meant(self) -> ColumnElement[bool]:
        if self.account_id is not None:
            return OAuthConnection.account_id == self.account_id
        return OAuthConnection.id == self.connection_id


def _living(connection: OAuthConnection, refused: str) -> str:
    """The stored token if it lives, else a new one; none to anybody without the provider's own servers."""
    token = _opened(connection, "access")
    provider = provider_of(connection.kind)
    if provider is None:
        raise _put_off(connection, TokenUnavailableError("Postroom is not registered at this provider."))
    lives = connection.expires_at is not None and connection.expires_at > now() + EARLY
    if token and lives and token != refused:
        return token
    if connection.next_attempt_at > now():
        waiting = (connection.next_attempt_at - now()).total_seconds()
        raise TokenUnavailableError(retry_after=waiting)
    return _refreshed(connection, provider)


def _refreshed(connection: OAuthConnection, provider: Provider) -> str:
    refresh_token = _opened(connection, "refresh")
    try:
        tokens = refreshed_tokens(provider, refresh_token)
    except ConsentEndedError as error:
        raise _ended(connection) from error
    except MailServerError as error:
        raise _put_off(connection, error) from error
    keep_tokens(connection, tokens)
    return tokens.access


def _opened(connection: OAuthConnection, name: Secret) -> str:
    """A stored token; what cannot be read is kept, for the key may come back."""
    try:
        return connection.opened(name)
    except UnreadableSecretError as error:
        raise UnreadableConnectionError from error


def keep_tokens(connection: OAuthConnection, tokens: Tokens) -> None:
    """Store what a provider gave. The caller commits."""
    connection.keep("access", tokens.access)
    if tokens.refresh:  # some give a new one each time, some never again
        connection.keep("refresh", tokens.refresh)
    lifetime = timedelta(seconds=tokens.seconds)
    # Counted from our own clock; what lives no longer than we refresh early is used for half its life.
    connection.expires_at = now() + max(lifetime, EARLY + lifetime / 2)
    connection.refreshed_at, connection.failure_count, connection.next_attempt_at = now(), 0, now()


def _put_off(connection: OAuthConnection, error: MailServerError) -> MailServerError:
    """The provider is left alone for a while; the permission still counts."""
    connection.failure_count += 1
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(connection.failure_count - 1, 10))
    connection.next_attempt_at = now() + pause
    log.warning("token not refreshed", connection=str(connection.id), error=type(error).__name__)
    if isinstance(error, TokenUnavailableError):
        return error
    return TokenUnavailableError(retry_after=pause.total_seconds())


def _ended(connection: OAuthConnection) -> ConsentEndedError:
    """The permission is gone: its tokens are forgotten, and the account says so to people."""
    error = ConsentEndedError()
    connection.state = "ended"
    for name in ("access", "refresh"):
        connection.keep(name, "")
    if connection.account_id is not None:
        note_disconnected(connection.account_id, error)
    log.warning("permission ended", connection=str(connection.id), account=str(connection.account_id))
    return error


def note_disconnected(account_id: UUID, error: ConsentEndedError) -> None:
    """What the account's row says once nobody is let in any more. The caller commits."""
    db.session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(
            state="disconnected",
            last_error=error.told,
            failing_since=func.coalesce(Account.failing_since, now()),
        )
        .execution_options(synchronize_session=False)
    )


@contextmanager
def _bound(owner: UUID) -> Iterator[None]:
    scope = inside_installation("refreshes the token of a global account")
    with scope if owner == INSTALLATION else inside(owner):
        yield


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app
