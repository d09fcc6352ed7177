"""What this installation knows of a provider: how it is known there, where to ask, which servers are its.

All of it is the system's: an organization cannot lead a token to a server of its choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import current_app

from mailboxes.egress import DEFAULT_PORTS, EgressPolicy
from tenants.application import settings_of
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import effective, own_secret_of

GOOGLE, MICROSOFT = "google", "microsoft"
KINDS = (GOOGLE, MICROSOFT)
LABELS = {GOOGLE: "Google", MICROSOFT: "Microsoft 365"}

# Keys of the configuration by what they say; `tenants.configuration.catalog` explains each.
_KEYS: dict[str, dict[str, str]] = {
    GOOGLE: {
        "client_id": "oauth.google.client_id",
        "client_secret": "oauth.google.client_secret",
        "authorization_url": "oauth.google.authorization_url",
        "token_url": "oauth.google.token_url",
        "revocation_url": "oauth.google.revocation_url",
        "imap_server": "oauth.google.imap_server",
        "smtp_server": "oauth.google.smtp_server",
    },
    MICROSOFT: {
        "client_id": "oauth.microsoft.client_id",
        "client_secret": "oauth.microsoft.client_secret",
        "authorization_url": "oauth.microsoft.authorization_url",
        "token_url": "oauth.microsoft.token_url",
        "imap_server": "oauth.microsoft.imap_server",
        "smtp_server": "oauth.microsoft.smtp_server",
    },
}
_SCOPES = {
    GOOGLE: ("openid", "email", "https://mail.google.com/"),
    MICROSOFT: (
        "openid",
        "email",
        "offline_access",
        "https://outlook.office.com/IMAP.AccessAsUser.All",
        "https://outlook.office.com/SMTP.Send",
    ),
}
# A refresh token is given only to who asks for it, and by Google only together with a new question.
_ASKED_FOR: dict[str, Mapping[str, str]] = {
    GOOGLE: {"access_type": "offline", "prompt": "consent"},
    MICROSOFT: {"prompt": "select_account"},
}
_STARTTLS_PORTS = {"imap": 143, "smtp": 587}


@dataclass(frozen=True, slots=True)
class MailServer:
    """A server of the provider's."""

    host: str
    port: int
    encryption: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider, as far as this installation is registered there."""

    kind: str
    label: str
    client_id: str
    client_secret: str = field(repr=False)
    authorization_url: str
    token_url: str
    revocation_url: str
    scopes: tuple[str, ...]
    asked_for: Mapping[str, str]
    imap: MailServer
    smtp: MailServer

    @property
    def is_account_of_its_own(self) -> bool:
        """Whether the account that is read is always the one that permits it; not with shared mailboxes."""
        return self.kind == GOOGLE


def provider_of(kind: str) -> Provider | None:
    """A provider; None if this installation is not registered there."""
    keys = _KEYS.get(kind)
    client_id = _client_id(kind) if keys else ""
    if not keys or not client_id:
        return None
    return Provider(
        kind=kind,
        label=LABELS[kind],
        client_id=client_id,
        client_secret=_client_secret(kind),
        authorization_url=_value(keys["authorization_url"]),
        token_url=_value(keys["token_url"]),
        revocation_url=_value(keys["revocation_url"]) if "revocation_url" in keys else "",
        scopes=_SCOPES[kind],
        asked_for=_ASKED_FOR[kind],
        imap=_server("imap", _value(keys["imap_server"])),
        smtp=_server("smtp", _value(keys["smtp_server"])),
    )


def offered_kinds() -> list[tuple[str, str]]:
    """Account types that can be connected here, with their labels."""
    return [(kind, LABELS[kind]) for kind in KINDS if _client_id(kind)]


def provider_policy() -> EgressPolicy:
    """Where providers may be asked: over HTTPS, at the addresses that system administrators have set."""
    settings = settings_of(current_app)
    ports = frozenset({443}) | (settings.permitted_ports - DEFAULT_PORTS)
    return EgressPolicy(networks=settings.permitted_networks, ports=ports)


def _client_id(kind: str) -> str:
    return _value(_KEYS[kind]["client_id"]) or str(getattr(settings_of(current_app), f"{kind}_client_id"))


def _client_secret(kind: str) -> str:
    """The secret that belongs to the id: from where the id comes."""
    if _value(_KEYS[kind]["client_id"]):
        return own_secret_of(_KEYS[kind]["client_secret"], SYSTEM)
    return str(getattr(settings_of(current_app), f"{kind}_client_secret"))


def _value(key: str) -> str:
    return str(effective(key, SYSTEM).value or "")


def _server(protocol: str, text: str) -> MailServer:
    host, _, port = text.rpartition(":")
    encryption = "starttls" if int(port) == _STARTTLS_PORTS[protocol] else "tls"
    return MailServer(host, int(port), encryption)
