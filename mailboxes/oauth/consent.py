"""A person permits it at the provider, and comes back with the answer.

The answer belongs to one question: its state is random, known by its hash only, bound to the session that
asked and to the organization it was asked in, and good once, for a quarter of an hour. The code is worth
nothing without the verifier that is kept here (PKCE, RFC 7636).
"""

import hashlib
import secrets as random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.errors import MailServerError
from mailboxes.oauth.client import Tokens, authorization_address, tokens_for_code
from mailboxes.oauth.providers import Provider, provider_of
from mailboxes.oauth.rows import OAuthConnection
from mailboxes.oauth.tokens import keep_tokens
from tenants.database import db, now, uuid7
from tenants.errors import InvalidError

ANSWERED_WITHIN = timedelta(minutes=15)
NOT_OURS = (
    "This sign-in has been answered already, took too long, or was begun in another session or "
    "organization. Begin again on the page of the mailbox."
)
DECLINED = "The provider was not permitted to let Postroom in. Nothing has changed."
NOT_LASTING = "The provider gave no lasting permission. Begin again, and agree to everything that is asked."


class RefusedConsentError(InvalidError):
    """It came to nothing. ``connection_id``: where the page is kept as it was left."""

    def __init__(self, message: str, connection_id: UUID | None = None) -> None:
        super().__init__(message)
        self.connection_id = connection_id


@dataclass(frozen=True)
class Request:
    """What is asked for. ``session``: what only this person's session knows. ``place``: a word that comes
    back in front of the state. ``typed``: the page as it was left. ``hint``: the address to begin with."""

    kind: str
    session: bytes
    place: str
    redirect_uri: str
    hint: str = ""
    typed: dict[str, Any] = field(default_factory=dict)
    for_account_id: UUID | None = None


def begin(request: Request) -> str:
    """Where to send the person; `InvalidError` if this installation is not registered there."""
    provider = _demanded(request.kind)
    state = f"{request.place}.{random.token_urlsafe(32)}"
    verifier = random.token_urlsafe(48)
    connection = OAuthConnection(
        id=uuid7(),
        kind=request.kind,
        session_hash=_hash(request.session),
        state_hash=_hash(state.encode()),
        for_account_id=request.for_account_id,
        typed=request.typed,
    )
    connection.keep("verifier", verifier)
    db.session.add(connection)
    db.session.flush()
    return authorization_address(
        provider,
        redirect_uri=request.redirect_uri,
        state=state,
        verifier=verifier,
        hint=request.hint,
    )


def finish(state: str, code: str, *, session: bytes, redirect_uri: str, by: str) -> OAuthConnection:
    """The connection, if the answer belongs to a question of this session and owner.

    Commits that the question is answered before the code is exchanged. `RefusedConsentError` says what is
    wrong; the page that was left stays where it is kept.
    """
    connection = _question(state, session)
    connection.state_hash, verifier = None, connection.opened("verifier")
    connection.keep("verifier", "")
    db.session.commit()
    try:
        provider = _demanded(connection.kind)
        tokens = _exchanged(provider, code, redirect_uri, verifier)
        _demand_the_right_one(provider, connection, tokens)
    except InvalidError as error:
        raise RefusedConsentError(error.message, connection.id) from error
    keep_tokens(connection, tokens)
    connection.state, connection.identity = "connected", tokens.identity
    connection.connected_at, connection.connected_by = now(), by
    return connection


def _question(state: str, session: bytes) -> OAuthConnection:
    query = select(OAuthConnection).where(
        OAuthConnection.state_hash == _hash(state.encode()),
        OAuthConnection.session_hash == _hash(session),
        OAuthConnection.state == "asked",
        OAuthConnection.asked_at > now() - ANSWERED_WITHIN,
    )
    connection = db.session.scalar(query.with_for_update())
    if connection is None:
        raise RefusedConsentError(NOT_OURS)
    return connection


def _exchanged(provider: Provider, code: str, redirect_uri: str, verifier: str) -> Tokens:
    if not code:
        raise InvalidError(DECLINED)
    try:
        tokens = tokens_for_code(provider, code, redirect_uri=redirect_uri, verifier=verifier)
    except MailServerError as error:
        raise InvalidError(error.explained) from error
    if not tokens.refresh:
        raise InvalidError(NOT_LASTING)
    return tokens


def _demand_the_right_one(provider: Provider, connection: OAuthConnection, tokens: Tokens) -> None:
    """Reconnecting means the same account again."""
    if connection.for_account_id is None or not provider.is_account_of_its_own or not tokens.identity:
        return
    user = db.session.scalar(select(Account.imap_user).where(Account.id == connection.for_account_id))
    if user is None or user.strip().lower() != tokens.identity:
        raise InvalidError(
            f"You permitted {tokens.identity}, but this mailbox signs in as {user}. "
            f"Begin again, and choose {user} at {provider.label}."
        )


def _demanded(kind: str) -> Provider:
    provider = provider_of(kind)
    if provider is None:
        raise InvalidError(
            "This account type is not set up. A system administrator has to register Postroom there.",
            field="kind",
        )
    return provider


def _hash(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
