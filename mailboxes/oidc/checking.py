"""*Check*: each step of signing in that can be tried without a person, apart, with what to do next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from authlib.oauth2.base import OAuth2Error

from mailboxes.errors import MailServerError
from mailboxes.oidc.discovery import Metadata, forget, read_keys, read_metadata
from mailboxes.oidc.errors import ProviderError
from mailboxes.oidc.provider import IdentityProvider, identity_provider, opened_provider
from mailboxes.oidc.tokens import client_of
from tenants.database import db

NAMES = ("Settings", "Discovery document", "Keys", "Client", "Who comes in")
REFUSED_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
ANY_CODE = "a-code-that-nobody-was-given"
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Step:
    """``state``: ok, warn, bad or skipped."""

    name: str
    state: str
    text: str = ""
    next_step: str = ""


class _StoppedError(Exception):
    """A step failed, so those behind it cannot be tried."""


def check(redirect_uri: str) -> list[Step]:
    """What came of each step. No transaction is open while the provider is asked, and nothing is kept."""
    steps: list[Step] = []
    try:
        provider = _set_up(steps)
        db.session.commit()
        _try_all(provider, redirect_uri, steps)
    except _StoppedError:
        steps += [Step(name, "skipped") for name in NAMES[len(steps) :]]
    return steps


def _set_up(steps: list[Step]) -> IdentityProvider:
    if identity_provider() is None:
        steps.append(Step(NAMES[0], "bad", "Issuer or client id is missing.", "Type and save both."))
        raise _StoppedError
    provider = _tried(NAMES[0], opened_provider, steps)
    steps.append(Step(NAMES[0], "ok", f"People see “Continue with {provider.label}”."))
    return provider


def _try_all(provider: IdentityProvider, redirect_uri: str, steps: list[Step]) -> None:
    forget()
    metadata = _tried(NAMES[1], lambda: read_metadata(provider.issuer), steps)
    steps.append(_about_document(metadata))
    keys = _tried(NAMES[2], lambda: read_keys(metadata.jwks_uri), steps)
    steps.append(Step(NAMES[2], "ok", f"{len(keys.keys)} for signatures."))
    refused = _tried(NAMES[3], lambda: _refusal(provider, metadata, redirect_uri), steps)
    steps.append(_about_client(refused))
    steps.append(_about_admission(provider))


def _tried(name: str, ask: Callable[[], Found], steps: list[Step]) -> Found:
    try:
        return ask()
    except ProviderError as error:
        steps.append(Step(name, "bad", error.message, error.advice))
        raise _StoppedError from error


def _about_document(metadata: Metadata) -> Step:
    if "S256" not in metadata.challenge_ways:
        return Step(
            NAMES[1],
            "warn",
            "It does not say that it knows PKCE (S256). Postroom uses it all the same.",
            "If people are refused there, have it switched on for this client.",
        )
    return Step(NAMES[1], "ok")


def _refusal(provider: IdentityProvider, metadata: Metadata, redirect_uri: str) -> str:
    """What the token endpoint says to a code that nobody was given: of the client, or of the code."""
    client: Any = client_of(provider, metadata, redirect_uri)
    try:
        client.fetch_token(
            metadata.token_endpoint, grant_type="authorization_code", code=ANY_CODE, code_verifier="x" * 43
        )
    except OAuth2Error as error:
        return str(error.error)
    except (MailServerError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ProviderError(
            "The token endpoint does not answer as one.", "Check that the provider is in operation."
        ) from error
    return ""


def _about_client(refused: str) -> Step:
    if refused == "invalid_grant":
        return Step(NAMES[3], "ok", "The provider knows the client and its secret.")
    if refused in REFUSED_CLIENT:
        text = "The provider does not accept client id and secret."
        return Step(NAMES[3], "bad", text, "Copy both anew from the provider; the secret may have expired.")
    return Step(
        NAMES[3],
        "warn",
        "The provider did not say whether it accepts client id and secret.",
        "Sign in once in another browser.",
    )


def _about_admission(provider: IdentityProvider) -> Step:
    if not provider.domains:
        return Step(
            NAMES[4],
            "warn",
            "No domain is permitted: only who has linked an account under Security comes in.",
            "Type the domains of your people.",
        )
    return Step(NAMES[4], "ok", f"People of {', '.join(sorted(provider.domains))}.")
