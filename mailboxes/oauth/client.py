"""Speaks OAuth 2 with a provider: Authlib says what, the egress guard lets it out.

Nothing that a provider answers besides its error codes is repeated anywhere: descriptions may hold names
of people and addresses of inside.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from flask import current_app

from mailboxes import https
from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    ClientRefusedError,
    ConsentEndedError,
    MailServerError,
    TokenUnavailableError,
)
from mailboxes.oauth.providers import Provider, provider_policy
from tenants.application import settings_of

SECONDS = 10.0
LARGEST_ANSWER = 64 * 1024
LONGEST_TOKEN = 16 * 1024
USUAL_LIFETIME = 3600
LIFETIMES = (60, 86_400)  # what a provider may say about seconds, in bounds
# The permission itself is gone; a person has to give it again (RFC 6749 §5.2 and what Microsoft adds).
ENDED = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
OURS = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gave. ``refresh`` is empty where it gave none; ``identity``: whose they are."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    seconds: int
    identity: str = ""


def authorization_address(
    provider: Provider, *, redirect_uri: str, state: str, verifier: str, hint: str
) -> str:
    """Where a person is sent to permit it."""
    more = dict(provider.asked_for) | ({"login_hint": hint} if hint else {})
    url, _ = _client(provider, redirect_uri).create_authorization_url(
        provider.authorization_url, state=state, code_verifier=verifier, **more
    )
    return str(url)


def tokens_for_code(provider: Provider, code: str, *, redirect_uri: str, verifier: str) -> Tokens:
    """Exchange the code of an answer. Raises `MailServerError`: ended, refused, or not now."""
    client = _client(provider, redirect_uri)
    return _asked(
        lambda: client.fetch_token(
            provider.token_url, grant_type="authorization_code", code=code, code_verifier=verifier
        )
    )


def refreshed_tokens(provider: Provider, refresh_token: str) -> Tokens:
    """New tokens for a refresh token. `ConsentEndedError` if the permission is gone."""
    client = _client(provider, "")
    return _asked(lambda: client.refresh_token(provider.token_url, refresh_token=refresh_token))


def revoke(provider: Provider, token: str) -> None:
    """Tell the provider that the permission is not needed any more; whatever it answers."""
    if not provider.revocation_url or not token:
        return
    try:
        _client(provider, "").revoke_token(provider.revocation_url, token=token)
    except (MailServerError, OAuth2Error, ValueError) as error:
        log.info("token not revoked at the provider", kind=provider.kind, error=type(error).__name__)


def _client(provider: Provider, redirect_uri: str) -> OAuth2Client:
    return OAuth2Client(
        GuardedSession(provider_policy(), settings_of(current_app).ca_file),
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        token_endpoint_auth_method="client_secret_post",  # noqa: S106  # a way, no secret
        revocation_endpoint_auth_method="client_secret_post",
        scope=" ".join(provider.scopes),
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )


def _asked(question: Any) -> Tokens:
    try:
        return _tokens(question())
    except OAuth2Error as error:
        raise _explained(str(error.error)) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise TokenUnavailableError from error


def _explained(code: str) -> MailServerError:
    log.info("the provider gives no token", code=code[:60])
    if code in ENDED:
        return ConsentEndedError()
    return ClientRefusedError() if code in OURS else TokenUnavailableError()


def _tokens(given: Mapping[str, Any]) -> Tokens:
    access, refresh = given.get("access_token"), given.get("refresh_token") or ""
    for token in (access, refresh):
        if not isinstance(token, str) or len(token) > LONGEST_TOKEN or not token.isascii():
            raise TokenUnavailableError
    if not access or not str(access).isprintable() or not refresh.isprintable():
        raise TokenUnavailableError
    return Tokens(str(access), refresh, _seconds(given.get("expires_in")), _identity(given.get("id_token")))


def _seconds(given: Any) -> int:
    try:
        seconds = int(given)
    except (TypeError, ValueError):
        seconds = USUAL_LIFETIME
    return min(max(seconds, LIFETIMES[0]), LIFETIMES[1])


def _identity(id_token: Any) -> str:
    """The address in an ID token. It came over TLS from the token endpoint itself, which vouches for it
    (OpenID Connect Core §3.1.3.7, 6); it is shown and compared, and opens nothing."""
    try:
        payload = str(id_token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = claims.get("email") or claims.get("preferred_username") or ""
    except (IndexError, ValueError, binascii.Error, AttributeError):
        return ""
    address = str(found).strip().lower()
    return address if "@" in address and address.isprintable() and len(address) <= 320 else ""


class GuardedSession:
    """As much of an HTTP session as Authlib's client wants: POST, through the guard."""

    def __init__(self, policy: EgressPolicy, ca_file: str | None) -> None:
        self._policy = policy
        self._ca_file = ca_file

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> "_Answer":
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        if urlsplit(url).scheme != "https":
            raise TokenUnavailableError
        answer = https.request(
            "POST",
            url,
            self._policy,
            headers=headers,
            body=body.encode(),
            seconds=SECONDS,
            largest=LARGEST_ANSWER,
            ca_file=self._ca_file,
        )
        return _Answer(answer)


class _Answer:
    """An answer as Authlib reads it. Descriptions of errors are left out: they are nobody's business."""

    def __init__(self, answer: https.Answer) -> None:
        self.status_code = answer.status
        self._body = answer.body

    def json(self) -> Any:
        given = json.loads(self._body)
        if isinstance(given, dict):
            given.pop("error_description", None)
        return given

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise TokenUnavailableError
