"""What a provider says of itself (OpenID Connect Discovery 1.0) and its keys, kept for an hour.

Everything is asked through the egress guard, over HTTPS, bounded in time and size, and no redirect is
followed: a document that points inside leads nowhere.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import current_app

from mailboxes import https
from mailboxes.errors import (
    AnswerTooLongError,
    EgressRefusedError,
    MailServerError,
    NameLookupError,
    TlsError,
)
from mailboxes.oauth.providers import provider_policy
from mailboxes.oidc.errors import ProviderError
from tenants.application import settings_of
from tenants.database import now

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

SECONDS = 10.0
LARGEST_ANSWER = 128 * 1024
KEPT_FOR = timedelta(hours=1)
LEFT_ALONE_FOR = timedelta(seconds=10)  # after a failure: whoever presses the button again holds no thread
MOST_KEYS = 50
SMALLEST_RSA_KEY = 342  # characters of a modulus of 2048 bits
ASYMMETRIC = ("RSA", "EC", "OKP")
WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is used of a discovery document; every address begins with https."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    token_ways: tuple[str, ...]  # how we may prove who we are
    challenge_ways: tuple[str, ...]
    names_itself: bool  # in every answer (RFC 9207)


@dataclass
class _Kept:
    metadata: Metadata
    until: datetime
    keys: "KeySet | None" = field(default=None)


_kept: dict[str, _Kept] = {}
_failed: dict[str, tuple[ProviderError, datetime]] = {}
_lock = threading.Lock()


def metadata_of(issuer: str) -> Metadata:
    """What this provider says of itself, not older than an hour. Raises `ProviderError`."""
    return _entry(issuer).metadata


def keys_of(issuer: str, *, anew: bool = False) -> "KeySet":
    """Its keys. ``anew``: a token names none of those that are kept, so they may have been changed."""
    entry = _entry(issuer)
    if entry.keys is None or anew:
        entry.keys = read_keys(entry.metadata.jwks_uri)
    return entry.keys


def forget() -> None:
    """Ask everything anew."""
    with _lock:
        _kept.clear()
        _failed.clear()


def read_metadata(issuer: str) -> Metadata:
    """The discovery document, asked for now. Raises `ProviderError`."""
    said = fetched_object(f"{issuer.rstrip('/')}{WELL_KNOWN}")
    if said.get("issuer") != issuer:
        raise ProviderError(
            "The discovery document is of another issuer.",
            "Set the issuer exactly as the provider writes it, with or without a slash at the end, and with"
            " your own directory or realm in it.",
        )
    return Metadata(
        authorization_endpoint=_endpoint(said, "authorization_endpoint"),
        token_endpoint=_endpoint(said, "token_endpoint"),
        jwks_uri=_endpoint(said, "jwks_uri"),
        userinfo_endpoint=_endpoint(said, "userinfo_endpoint") if said.get("userinfo_endpoint") else "",
        token_ways=_words(said, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
        challenge_ways=_words(said, "code_challenge_methods_supported"),
        names_itself=said.get("authorization_response_iss_parameter_supported") is True,
    )


def read_keys(url: str) -> "KeySet":
    """Its public keys that are fit for signatures, asked for now. Raises `ProviderError`."""
    from joserfc.jwk import KeySet  # heavy, and of use only where somebody signs in like that

    given = fetched_object(url).get("keys")
    keys = [key for one in (given if isinstance(given, list) else [])[:MOST_KEYS] if (key := _key(one))]
    if not keys:
        raise ProviderError("The provider publishes no usable key.", "Ask its operator.")
    return KeySet(keys)


def fetched_object(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """An object in JSON. Raises `ProviderError`."""
    answer = asked("GET", url, headers={"Accept": "application/json", **(headers or {})})
    try:
        given = json.loads(answer.body) if answer.status == 200 else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ProviderError(
            f"What answers at {urlsplit(url).hostname} is no identity provider.",
            "Check the issuer: its discovery document has to be there, without being redirected.",
        )
    return given


def asked(method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"") -> https.Answer:
    """One request through the guard, in bounds, no redirect followed. Raises `ProviderError`."""
    try:
        return https.request(
            method,
            url,
            provider_policy(),
            headers=headers,
            body=body,
            seconds=SECONDS,
            largest=LARGEST_ANSWER,
            ca_file=settings_of(current_app).ca_file,
        )
    except MailServerError as error:
        raise _explained(error) from error


def _entry(issuer: str) -> _Kept:
    with _lock:
        entry, failed = _kept.get(issuer), _failed.get(issuer)
    if entry is not None and entry.until > now():
        return entry
    if failed is not None and failed[1] > now():
        raise ProviderError(failed[0].message, failed[0].advice)
    try:
        entry = _Kept(read_metadata(issuer), now() + KEPT_FOR)
    except ProviderError as error:
        with _lock:
            _failed[issuer] = error, now() + LEFT_ALONE_FOR
        raise
    with _lock:
        _kept[issuer] = entry
    return entry


def _explained(error: MailServerError) -> ProviderError:
    if isinstance(error, NameLookupError):
        return ProviderError("The host name was not found.", "Check the spelling of the address.")
    if isinstance(error, EgressRefusedError):
        return ProviderError(
            "Postroom may not reach this address.",
            "Check its spelling. A server in your own network has to be permitted by"
            " POSTROOM_PERMITTED_NETWORKS, another port than 443 by POSTROOM_PERMITTED_PORTS.",
        )
    if isinstance(error, TlsError):
        return ProviderError(
            error.message, "Check the certificate of the provider; POSTROOM_CA_FILE adds an authority."
        )
    if isinstance(error, AnswerTooLongError):
        return ProviderError("The provider answers with more than can be accepted.", "Check the issuer.")
    return ProviderError(
        "The provider does not answer.", "Check the address, and whether the provider is in operation."
    )


def _endpoint(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    try:
        https.parts_of(url if isinstance(url, str) and url.isascii() and url.isprintable() else "")
    except EgressRefusedError as error:
        raise ProviderError(
            f"The discovery document has no {name} that begins with https://.", "Ask the operator."
        ) from error
    return str(url)


def _words(said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = said.get(name)
    return tuple(one for one in given if isinstance(one, str)) if isinstance(given, list) else ()


def _key(given: Any) -> Any:
    """A public key for signatures; None for all others, such as the secret ones that nobody publishes."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    if not isinstance(given, dict) or given.get("kty") not in ASYMMETRIC or given.get("use") == "enc":
        return None
    if given["kty"] == "RSA" and len(str(given.get("n", ""))) < SMALLEST_RSA_KEY:
        return None
    try:
        return import_key(given)
    except (JoseError, ValueError, TypeError):
        return None
