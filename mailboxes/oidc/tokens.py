"""The code of an answer becomes what the provider says of a person; everything in it is verified.

Signature by a key of the provider, an algorithm of our list, issuer, audience, times and nonce (OpenID
Connect Core §3.1.3.7). Authlib and joserfc do it; nothing of the cryptography is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from flask import current_app

from mailboxes.errors import MailServerError
from mailboxes.oauth.client import GuardedSession
from mailboxes.oauth.providers import provider_policy
from mailboxes.oidc.discovery import Metadata, fetched_object, keys_of, metadata_of
from mailboxes.oidc.errors import ProviderError, RefusedSignInError
from mailboxes.oidc.provider import IdentityProvider
from tenants.application import settings_of
from tenants.users import LONGEST_NAME, normal_form

# Public keys alone: with a symmetric one, whoever knows the provider's public key could sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SKEW_SECONDS = 60  # that the provider's clock may be wrong
LONGEST_SUBJECT = 255
LONGEST_TOKEN = 32 * 1024
NOT_TRUSTED = (
    "The answer of the provider could not be trusted. Begin again; if it stays so, tell a system"
    " administrator."
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claims:
    """Who somebody is there. ``address``: only one that the provider says is verified, else empty."""

    subject: str
    address: str = ""
    name: str = ""


def authorization_address(
    provider: IdentityProvider, *, redirect_uri: str, state: str, verifier: str, nonce: str
) -> str:
    """Where a person is sent to sign in."""
    metadata = metadata_of(provider.issuer)
    url, _ = client_of(provider, metadata, redirect_uri).create_authorization_url(
        metadata.authorization_endpoint, state=state, code_verifier=verifier, nonce=nonce
    )
    return str(url)


def claims_for_code(
    provider: IdentityProvider, code: str, *, redirect_uri: str, verifier: str, nonce: str
) -> Claims:
    """Exchange the code, verify what comes. Raises `RefusedSignInError` or `ProviderError`."""
    metadata = metadata_of(provider.issuer)
    try:
        given = client_of(provider, metadata, redirect_uri).fetch_token(
            metadata.token_endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
        )
    except OAuth2Error as error:
        log.warning("the provider gives no token", code=str(error.error)[:60])
        raise RefusedSignInError(NOT_TRUSTED) from None
    except (MailServerError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ProviderError("The provider gives no token.", "Check its state.") from error
    claims = _verified(provider, given, nonce)
    return _read(claims, _more_of(metadata, claims, str(given.get("access_token") or "")))


def client_of(provider: IdentityProvider, metadata: Metadata, redirect_uri: str) -> OAuth2Client:
    """A client that speaks through the guard, and proves who it is in a way that the provider takes."""
    ways = metadata.token_ways
    way = "client_secret_post" if "client_secret_post" in ways else "client_secret_basic"
    return OAuth2Client(
        GuardedSession(provider_policy(), settings_of(current_app).ca_file),
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        token_endpoint_auth_method=way if provider.client_secret else "none",
        scope=" ".join(provider.scopes),
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )


def _verified(provider: IdentityProvider, given: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
    from authlib.oidc.core import CodeIDToken  # heavy, and of use only where somebody signs in like that
    from joserfc import jwt
    from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError

    token = given.get("id_token")
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
        raise RefusedSignInError(NOT_TRUSTED)
    demanded = {name: {"essential": True} for name in ("sub", "exp", "iat")}
    demanded["iss"] = {"essential": True, "value": provider.issuer}  # type: ignore[dict-item]
    demanded["aud"] = {"essential": True, "value": provider.client_id}  # type: ignore[dict-item]
    try:
        try:
            opened = jwt.decode(token, keys_of(provider.issuer), algorithms=ALGORITHMS)
        except (InvalidKeyIdError, BadSignatureError):
            opened = jwt.decode(token, keys_of(provider.issuer, anew=True), algorithms=ALGORITHMS)
        said = {"nonce": nonce, "client_id": provider.client_id, "access_token": given.get("access_token")}
        claims = CodeIDToken(opened.claims, opened.header, options=demanded, params=said)
        claims.validate(leeway=SKEW_SECONDS)
    except (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        log.warning("an ID token was refused", error=type(error).__name__, claim=getattr(error, "claim", ""))
        raise RefusedSignInError(NOT_TRUSTED) from None
    return dict(claims)


def _more_of(metadata: Metadata, claims: Mapping[str, Any], access_token: str) -> Mapping[str, Any]:
    """The claims; without an address, what the UserInfo endpoint tells of the same person (§5.3.2)."""
    is_sendable = access_token.isascii() and access_token.isprintable()
    if claims.get("email") or not metadata.userinfo_endpoint or not access_token or not is_sendable:
        return claims
    try:
        more = fetched_object(metadata.userinfo_endpoint, {"Authorization": f"Bearer {access_token}"})
    except ProviderError as error:
        log.warning("the provider tells no more of a person", error=error.message)
        return claims  # enough for whoever has come before
    if more.get("sub") != claims.get("sub"):
        raise RefusedSignInError(NOT_TRUSTED)
    return {"name": claims.get("name"), **more}


def _read(claims: Mapping[str, Any], more: Mapping[str, Any]) -> Claims:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise RefusedSignInError(NOT_TRUSTED)
    address = more.get("email")
    is_verified = more.get("email_verified") in (True, "true")  # some write it as a word
    is_address = isinstance(address, str) and is_verified and len(address) <= 320 and address.isprintable()
    name = more.get("name")
    return Claims(
        subject,
        normal_form(str(address)) if is_address else "",
        "".join(one for one in str(name) if one.isprintable())[:LONGEST_NAME].strip() if name else "",
    )
