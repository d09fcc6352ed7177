"""A provider of accounts on 127.0.0.1: asks for permission, gives tokens, takes them back, vouches for them.

provider.permit(url, "u1@acme.test")   # what a person does in the browser; the query that comes back
provider.expire()                      # access tokens are over, whatever was said about seconds
provider.revoke("u1@acme.test")        # the permission is gone
provider.fail(503)                     # the token endpoint answers so, until `heal`
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.certificates import Certificates
from tests.web_server import Reply, Request, web_server

CLIENT_ID, CLIENT_SECRET = "postroom-client", "canary-client-secret"
SCOPE = {"openid", "email", "https://mail.google.com/"}


@dataclass
class Grant:
    """A permission: who gave it, and what came of it."""

    identity: str
    challenge: str
    redirect_uri: str
    is_code_open: bool = True
    is_alive: bool = True


@dataclass
class Provider:
    """Its behaviour and memory. ``port`` speaks HTTPS, ``inner_port`` HTTP for the mail server."""

    port: int = 0
    inner_port: int = 0
    seconds: int = 3600
    rotates: bool = False
    gives_refresh_token: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    _codes: dict[str, Grant] = field(default_factory=dict)
    _refresh: dict[str, Grant] = field(default_factory=dict)
    _access: dict[str, Grant] = field(default_factory=dict)
    _fault: Reply | None = None

    # --- what tests do ---------------------------------------------------------------------------

    def permit(self, url: str, identity: str) -> dict[str, str]:
        """A person agrees on the page behind this address; the query of the redirect that follows."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert urlsplit(url).netloc == f"localhost:{self.port}", url
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        assert set(asked["scope"].split()) >= SCOPE
        assert asked["access_type"] == "offline"
        code = f"code-{secrets.token_hex(8)}"
        self._codes[code] = Grant(identity, asked["code_challenge"], asked["redirect_uri"])
        return {"state": asked["state"], "code": code}

    def expire(self) -> None:
        """No access token given so far is good any more; the permissions are."""
        self._access.clear()

    def revoke(self, identity: str) -> None:
        """The permissions of this account are taken back."""
        for grant in self._refresh.values():
            grant.is_alive = grant.is_alive and grant.identity != identity
        self._access = {token: one for token, one in self._access.items() if one.identity != identity}

    def fail(self, status: int, body: bytes = b"", **headers: str) -> None:
        """From now on the token endpoint answers so."""
        self._fault = Reply(body, status, headers)

    def heal(self) -> None:
        """Answer properly again."""
        self._fault = None

    def knows(self, user: str, token: str) -> bool:
        """Whether this access token lets this user in."""
        grant = self._access.get(token)
        return grant is not None and grant.identity == user

    @property
    def refresh_count(self) -> int:
        """How often tokens were asked for with a refresh token."""
        return sum(one.get("grant_type") == "refresh_token" for one in self.asked)

    @property
    def tokens(self) -> list[str]:
        """Every secret it has given."""
        return [*self._codes, *self._refresh, *self._access]

    def reset(self) -> None:
        """As new."""
        self.__dict__.update(Provider(port=self.port, inner_port=self.inner_port).__dict__)

    # --- what it answers -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """One request."""
        place = urlsplit(request.path)
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if place.path == "/token":
            self.asked.append(form)
            return self._fault or self._token(form)
        if place.path == "/revoke":
            self.revoked.append(form["token"])
            return Reply(b"{}")
        if place.path == "/tokeninfo":
            return self._tokeninfo(parse_qs(place.query).get("access_token", [""])[0])
        return Reply(status=404)

    def _token(self, form: dict[str, str]) -> Reply:
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _refusal("invalid_client", 401)
        if form["grant_type"] == "authorization_code":
            grant = self._redeemed(form)
        else:
            grant = self._refresh.get(form.get("refresh_token", ""))
        if grant is None or not grant.is_alive:
            return _refusal("invalid_grant", 400)
        return self._given(grant, form.get("refresh_token", ""))

    def _redeemed(self, form: dict[str, str]) -> Grant | None:
        grant = self._codes.get(form.get("code", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if grant is None or not grant.is_code_open or grant.redirect_uri != form.get("redirect_uri"):
            return None
        grant.is_code_open = False
        return grant if grant.challenge == challenge else None

    def _given(self, grant: Grant, former: str) -> Reply:
        access = f"canary-access-{secrets.token_hex(12)}"
        self._access[access] = grant
        given = {"access_token": access, "token_type": "Bearer", "expires_in": self.seconds}
        if not former or self.rotates:
            refresh = f"canary-refresh-{secrets.token_hex(12)}"
            self._refresh[refresh] = grant
            if self.gives_refresh_token:
                given["refresh_token"] = refresh
        claims = base64.urlsafe_b64encode(json.dumps({"email": grant.identity}).encode()).decode().rstrip("=")
        return _json({**given, "id_token": f"e30.{claims}.sig"})

    def _tokeninfo(self, token: str) -> Reply:
        grant = self._access.get(token)
        return _json({"email": grant.identity}) if grant is not None else _refusal("invalid_token", 401)


def _json(given: dict[str, object], status: int = 200) -> Reply:
    return Reply(json.dumps(given).encode(), status, {"Content-Type": "application/json"})


def _refusal(code: str, status: int) -> Reply:
    description = 'AADSTS70000: "gone"\r\nTrace: canary-of-inside'  # what no page and no log may show
    return _json({"error": code, "error_description": description}, status)


@pytest.fixture(scope="session")
def running_provider(certificates: Certificates) -> Iterator[Provider]:
    """One provider for the session; tests take `oauth_provider`."""
    provider = Provider()
    with (
        web_server(provider.answer, certificates.good) as provider.port,
        web_server(provider.answer, None) as provider.inner_port,
    ):
        yield provider


@pytest.fixture
def oauth_provider(running_provider: Provider) -> Iterator[Provider]:
    """A provider that has given nothing yet."""
    running_provider.reset()
    yield running_provider
    running_provider.reset()


def dovecot_settings(provider: Provider) -> str:
    """What a Dovecot is told so that it lets people in with the tokens of a provider."""
    return f"""
tokeninfo_url = http://127.0.0.1:{provider.inner_port}/tokeninfo?access_token=
username_attribute = email
timeout_msecs = 10000
"""
