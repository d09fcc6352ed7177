"""Settings of the process, read once from the environment.

What organizations and people set is in ``tenants.configuration``.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

Network = IPv4Network | IPv6Network
DEFAULT_PORTS = frozenset({25, 143, 465, 587, 993})
MINIMUM_SECRET_LENGTH = 32
MINIMUM_TOKEN_LENGTH = 20
WELL_KNOWN_SECRETS = frozenset({"secret", "changeme", "change-me", "dev", "development"})


class SettingsError(SystemExit):
    """The process cannot start as it is set up; the text says what to change."""


@dataclass(frozen=True)
class Settings:
    """Everything a process needs to know before it can speak to its servers.

    ``encryption_keys`` maps key ids to 32-byte keys; the last one encrypts, all of them decrypt.
    ``permitted_networks`` opens networks that the egress guard refuses otherwise.
    """

    database_url: str
    system_database_url: str
    redis_url: str
    secret_key: str = field(repr=False)
    encryption_keys: Mapping[str, bytes] = field(repr=False)
    owner_database_url: str = ""
    base_url: str = "http://localhost:8025"
    object_store: str = ""
    permitted_networks: tuple[Network, ...] = ()
    permitted_ports: frozenset[int] = DEFAULT_PORTS
    ca_file: str | None = None
    database_pooler: str = "none"
    proxy_count: int = 0
    answers_reserved_domains: bool = False
    is_demo: bool = False
    customer_smtp_url: str = ""
    customer_mail_directory: str = ""
    google_client_id: str = ""
    google_client_secret: str = field(default="", repr=False)
    microsoft_client_id: str = ""
    microsoft_client_secret: str = field(default="", repr=False)
    cheap_passwords: bool = False
    log_level: str = "INFO"
    metrics_token: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read ``POSTROOM_*``; `SettingsError` with a sentence if something is missing or unsafe."""
        given = os.environ if environment is None else environment
        database_url = _demanded(given, "POSTROOM_DATABASE_URL", "the application's database role")
        return cls(
            database_url=database_url,
            system_database_url=_demanded(
                given, "POSTROOM_SYSTEM_DATABASE_URL", "the role that sees across organizations"
            ),
            owner_database_url=given.get("POSTROOM_OWNER_DATABASE_URL", ""),
            redis_url=_demanded(given, "POSTROOM_REDIS_URL", "the Redis server"),
            secret_key=_secret_key(given),
            encryption_keys=parse_encryption_keys(
                _demanded(given, "POSTROOM_ENCRYPTION_KEYS", "the keys for stored passwords")
            ),
            base_url=given.get("POSTROOM_BASE_URL", cls.base_url).rstrip("/"),
            object_store=given.get("POSTROOM_OBJECT_STORE", _default_object_store()),
            permitted_networks=_networks(given.get("POSTROOM_PERMITTED_NETWORKS", "")),
            permitted_ports=_ports(given.get("POSTROOM_PERMITTED_PORTS", "")),
            ca_file=given.get("POSTROOM_CA_FILE") or None,
            database_pooler=given.get("POSTROOM_DATABASE_POOLER", "none"),
            proxy_count=int(given.get("POSTROOM_PROXY_COUNT", "0")),
            answers_reserved_domains=given.get("POSTROOM_RESERVED_DOMAINS") == "1",
            is_demo=given.get("POSTROOM_DEMO") == "1",
            customer_smtp_url=given.get("POSTROOM_CUSTOMER_SMTP_URL", ""),
            customer_mail_directory=given.get("POSTROOM_CUSTOMER_MAIL_DIRECTORY", ""),
            google_client_id=given.get("POSTROOM_GOOGLE_CLIENT_ID", ""),
            google_client_secret=given.get("POSTROOM_GOOGLE_CLIENT_SECRET", ""),
            microsoft_client_id=given.get("POSTROOM_MICROSOFT_CLIENT_ID", ""),
            microsoft_client_secret=given.get("POSTROOM_MICROSOFT_CLIENT_SECRET", ""),
            cheap_passwords=given.get("POSTROOM_CHEAP_PASSWORDS") == "1",
            log_level=given.get("POSTROOM_LOG_LEVEL", "INFO"),
            metrics_token=_metrics_token(given.get("POSTROOM_METRICS_TOKEN", "")),
        )


def parse_encryption_keys(text: str) -> dict[str, bytes]:
    """``1:BASE64,2:BASE64`` as a mapping of key id to 32 bytes, in the order given."""
    keys: dict[str, bytes] = {}
    for item in text.split(","):
        key_id, _, encoded = item.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not key_id.isalnum() or len(key_id) > 16 or len(key) != 32:
            raise SettingsError(
                "POSTROOM_ENCRYPTION_KEYS must be a list like 1:BASE64 of 32-byte keys. "
                "Make one with: postroom new-key"
            )
        keys[key_id] = key
    return keys


def _demanded(given: Mapping[str, str], name: str, what: str) -> str:
    value = given.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set. It names {what}; see docs/operations.md, Environment.")
    return value


def _secret_key(given: Mapping[str, str]) -> str:
    key = _demanded(given, "POSTROOM_SECRET_KEY", "the secret that signs sessions and tokens")
    if len(key) < MINIMUM_SECRET_LENGTH or key.lower() in WELL_KNOWN_SECRETS or len(set(key)) < 8:
        raise SettingsError(
            "POSTROOM_SECRET_KEY is too short or too simple. "
            f"Set it to at least {MINIMUM_SECRET_LENGTH} random characters: postroom new-key"
        )
    return key


def _metrics_token(token: str) -> str:
    if token and len(token) < MINIMUM_TOKEN_LENGTH:
        raise SettingsError(
            "POSTROOM_METRICS_TOKEN is too short. "
            f"Set it to at least {MINIMUM_TOKEN_LENGTH} random characters."
        )
    return token


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(item.strip()) for item in text.split(",") if item.strip())
    except ValueError as error:
        raise SettingsError(f"POSTROOM_PERMITTED_NETWORKS is not a list of networks: {error}") from None


def _ports(text: str) -> frozenset[int]:
    try:
        return DEFAULT_PORTS | {int(item) for item in text.split(",") if item.strip()}
    except ValueError:
        raise SettingsError("POSTROOM_PERMITTED_PORTS must be a list of numbers.") from None


def _default_object_store() -> str:
    return (Path.home() / ".local" / "share" / "postroom" / "objects").as_uri()
