"""An identity provider on 127.0.0.1: OpenID Connect with real keys, and whatever a hostile one would answer.

provider.sign_in(url, "sub-1", email="mia@acme.test")   # what a person does there; the query that comes back
provider.says(aud="another")                            # claims that every token has from now on
provider.forge = lambda claims: "…"                      # what is given instead of a token
provider.document["token_endpoint"] = "https://10.0.0.1/token"
provider.change_keys()
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey

from mailboxes.oidc import discovery
from tenants.configuration.layers import override
from tenants.database import db
from tests.certificates import Certificates
from tests.web_server import Reply, Request, web_server
from tests.world import permitted_ports

CLIENT_ID, CLIENT_SECRET = "postroom-sign-in", "canary-identity-secret"
CALLBACK = "http://localhost:8025/sign-in/provider/answer"


@lru_cache
def key_number(number: int) -> RSAKey:
    """A key, made once in a process."""
    return RSAKey.generate_key(2048, {"kid": f"key-{number}", "use": "sig", "alg": "RS256"})


@dataclass
class IdentityProvider:
    """Its behaviour and memory."""

    port: int = 0
    key: int = 1
    document: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    keys: list[Any] | None = None
    forge: Callable[[dict[str, Any]], str] | None = None
    asked: list[str] = field(default_factory=list)
    names_itself: str | None = None
    fault: Reply | None = None
    _codes: dict[str, tuple[dict[str, str], dict[str, Any]]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        """By which it is known."""
        return f"https://localhost:{self.port}/realm"

    # --- what tests do ---------------------------------------------------------------------------

    def sign_in(self, url: str, subject: str, **claims: Any) -> dict[str, str]:
        """A person signs in on the page behind this address; the query of the redirect that follows."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"https://localhost:{self.port}/authorize?"), url
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["redirect_uri"], asked["code_challenge_method"]) == (CALLBACK, "S256")
        assert "openid" in asked["scope"].split()
        code = f"code-{secrets.token_hex(8)}"
        self._codes[code] = (asked, {"sub": subject, **claims})
        named = {"iss": self.names_itself} if self.names_itself else {}
        return {"state": asked["state"], "code": code, **named}

    def says(self, **claims: Any) -> None:
        """From now on every token has these; None leaves one out."""
        self.claims = claims

    def change_keys(self) -> None:
        """Sign with another key from now on, and publish that one alone."""
        self.key += 1

    def signed(self, claims: dict[str, Any], number: int | None = None) -> str:
        """A token with these claims."""
        key = key_number(number or self.key)
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)

    def reset(self) -> None:
        """As new; what the installation knows of it is forgotten, too."""
        self.__dict__.update(IdentityProvider(port=self.port).__dict__)
        discovery.forget()

    # --- what it answers -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """One request."""
        path = urlsplit(request.path).path
        self.asked.append(path)
        if self.fault is not None:
            return self.fault
        if path == "/realm/.well-known/openid-configuration":
            return _json(self._document())
        if path == "/keys":
            return _json({"keys": self.keys or [key_number(self.key).as_dict(private=False)]})
        if path == "/token":
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            return self._token(form, request.headers.get("Authorization", ""))
        if path == "/userinfo" and self.userinfo is not None:
            return _json(self.userinfo)
        return Reply(status=404)

    def _document(self) -> dict[str, Any]:
        base = f"https://localhost:{self.port}"
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/keys",
            "userinfo_endpoint": f"{base}/userinfo",
            "code_challenge_methods_supported": ["S256"],
            **self.document,
        }

    def _token(self, form: dict[str, str], authorization: str) -> Reply:
        proof = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {proof}":
            return _refusal("invalid_client", 401)
        asked, said = self._codes.pop(form.get("code", ""), ({}, {}))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        is_theirs = asked.get("code_challenge") == challenge
        if not is_theirs or asked.get("redirect_uri") != form.get("redirect_uri"):
            return _refusal("invalid_grant", 400)
        claims = self._claims(asked.get("nonce", ""), said)
        token = self.forge(claims) if self.forge is not None else self.signed(claims)
        given = {"access_token": "canary-access", "token_type": "Bearer", "expires_in": 300}
        return _json({**given, "id_token": token})

    def _claims(self, nonce: str, said: dict[str, Any]) -> dict[str, Any]:
        moment = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "nonce": nonce, "iat": moment, "exp": moment + 300}
        found = {**claims, **said, **self.claims}
        return {name: value for name, value in found.items() if value is not None}


def set_up(app: Flask, provider: IdentityProvider, certificates: Certificates, **said: str) -> None:
    """Let the installation know the provider, and reach it. ``said``: settings, without ``oidc.``."""
    import dataclasses

    permitted_ports(app, provider.port)
    app.config["POSTROOM"] = dataclasses.replace(app.config["POSTROOM"], ca_file=str(certificates.ca_file))
    values = {
        "label": "Acme login",
        "provider.issuer": provider.issuer,
        "provider.client_id": CLIENT_ID,
        "provider.client_secret": CLIENT_SECRET,
        "domains": "acme.test",
        **{name.replace("__", "."): value for name, value in said.items()},
    }
    for name, value in values.items():
        override(f"oidc.{name}", value, "system", by="a test")
    db.session.commit()


def _json(given: dict[str, Any], status: int = 200) -> Reply:
    return Reply(json.dumps(given).encode(), status, {"Content-Type": "application/json"})


def _refusal(code: str, status: int) -> Reply:
    return _json({"error": code, "error_description": "canary-of-inside"}, status)


@pytest.fixture(scope="session")
def running_identity_provider(certificates: Certificates) -> Iterator[IdentityProvider]:
    """One for the session; tests take `identity_provider`."""
    provider = IdentityProvider()
    with web_server(provider.answer, certificates.good) as provider.port:
        yield provider


@pytest.fixture
def identity_provider(running_identity_provider: IdentityProvider) -> Iterator[IdentityProvider]:
    """A provider that has signed in nobody yet."""
    running_identity_provider.reset()
    yield running_identity_provider
    running_identity_provider.reset()
