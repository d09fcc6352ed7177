"""A person goes to the provider and comes back with an answer.

The answer belongs to one request: its state is random, kept as a hash, bound to the browser that was sent,
and good once, for a quarter of an hour. Verifier (PKCE, RFC 7636) and nonce are made of what only that
browser and this installation know, so that neither is kept anywhere.
"""

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import delete, select

from mailboxes.oidc.discovery import metadata_of
from mailboxes.oidc.errors import RefusedSignInError
from mailboxes.oidc.provider import IdentityProvider, opened_provider
from mailboxes.oidc.requests import ProviderRequest
from mailboxes.oidc.tokens import NOT_TRUSTED, Claims, authorization_address, claims_for_code
from tenants.application import settings_of
from tenants.database import db, now
from tenants.secrets import hash_of_token

ANSWERED_WITHIN = timedelta(minutes=15)
NOT_OURS = (
    "This sign-in has been answered already, took too long, or was begun in another browser. Begin again."
)
# What a provider says (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6) → what that means for a person.
SAID = {
    "access_denied": "You were not let in there, or did not permit it. Begin again, or sign in otherwise.",
    "temporarily_unavailable": "The provider is not available at the moment. Try again in a few minutes.",
    "server_error": "The provider has a problem at the moment. Try again in a few minutes.",
    "login_required": "You are not signed in there. Begin again.",
}
SAID_OTHERWISE = "The provider refused to sign you in. Tell a system administrator that it said: {code}."

log = structlog.get_logger()


@dataclass(frozen=True)
class Question:
    """``browser``: what only this browser knows. The others as in `ProviderRequest`."""

    browser: str
    redirect_uri: str
    for_user_id: UUID | None = None
    invited_address: str = ""


def begin(question: Question) -> str:
    """Where to send the person. Commits before the provider is asked anything; the caller commits after."""
    provider = opened_provider()
    db.session.commit()
    state = random.token_urlsafe(32)
    url = authorization_address(
        provider,
        redirect_uri=question.redirect_uri,
        state=state,
        verifier=_made_of("verifier", question.browser, state),
        nonce=_made_of("nonce", question.browser, state),
    )
    db.session.add(
        ProviderRequest(
            state_hash=hash_of_token(state),
            browser_hash=hash_of_token(question.browser),
            issuer=provider.issuer,
            for_user_id=question.for_user_id,
            invited_address=question.invited_address,
        )
    )
    return url


def finish(answer: Mapping[str, str], question: Question) -> tuple[ProviderRequest, Claims]:
    """The request that an answer belongs to, and who the person is there.

    Commits that the request is answered before the code is exchanged. Raises `RefusedSignInError` or
    `ProviderError`.
    """
    state = answer.get("state", "")
    provider, request = opened_provider(), _request(state, question.browser)
    request.state_hash = None
    db.session.commit()
    _demand_the_one_that_was_asked(provider, request, answer)
    if answer.get("error"):
        raise RefusedSignInError(_explained(answer["error"]))
    claims = claims_for_code(
        provider,
        answer.get("code", ""),
        redirect_uri=question.redirect_uri,
        verifier=_made_of("verifier", question.browser, state),
        nonce=_made_of("nonce", question.browser, state),
    )
    return request, claims


def waiting(request_id: UUID, browser: str) -> ProviderRequest:
    """What waits in this browser for a password. `RefusedSignInError` if nothing does."""
    query = select(ProviderRequest).where(
        ProviderRequest.id == request_id,
        ProviderRequest.browser_hash == hash_of_token(browser),
        ProviderRequest.user_id.is_not(None),
        ProviderRequest.made_at > now() - ANSWERED_WITHIN,
    )
    request = db.session.scalar(query.with_for_update())
    if request is None:
        raise RefusedSignInError(NOT_OURS)
    return request


def forget_old_requests() -> None:
    """Remove what nobody came back for; called by the schedule."""
    db.session.execute(delete(ProviderRequest).where(ProviderRequest.made_at < now() - ANSWERED_WITHIN))


def _request(state: str, browser: str) -> ProviderRequest:
    query = select(ProviderRequest).where(
        ProviderRequest.state_hash == hash_of_token(state),
        ProviderRequest.browser_hash == hash_of_token(browser),
        ProviderRequest.made_at > now() - ANSWERED_WITHIN,
    )
    request = db.session.scalar(query.with_for_update())
    if request is None:
        raise RefusedSignInError(NOT_OURS)
    return request


def _demand_the_one_that_was_asked(
    provider: IdentityProvider, request: ProviderRequest, answer: Mapping[str, str]
) -> None:
    """No other provider's answer is taken for this one's (RFC 9207), nor one to a former configuration."""
    named = answer.get("iss")
    is_silent = named is None and not metadata_of(provider.issuer).names_itself
    if request.issuer != provider.issuer or not (is_silent or named == provider.issuer):
        log.warning("an answer of another provider was refused")
        raise RefusedSignInError(NOT_TRUSTED)


def _explained(code: str) -> str:
    known = SAID.get(code)
    is_code = code.isascii() and code.replace("_", "").isalnum() and len(code) <= 60
    return known or (SAID_OTHERWISE.format(code=code) if is_code else NOT_TRUSTED)


def _made_of(purpose: str, browser: str, state: str) -> str:
    key = settings_of(current_app).secret_key.encode()
    digest = hmac.new(key, f"oidc {purpose}|{browser}|{state}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
