"""From rows and configuration to the settings of connections; the only reader of stored passwords."""

from dataclasses import replace
from typing import Literal, cast

from flask import current_app

from mailboxes import oauth
from mailboxes.accounts import Account
from mailboxes.discovery import Places
from mailboxes.egress import DEFAULT_PORTS, EgressPolicy
from mailboxes.imap import Encryption, ImapSettings
from mailboxes.sasl import TokenSource
from mailboxes.smtp import SmtpSettings
from tenants.application import settings_of
from tenants.configuration.layers import value_of
from tenants.secrets import decrypt, encrypt

Protocol = Literal["imap", "smtp"]

MEGABYTE = 1024 * 1024
_COLUMNS: dict[Protocol, str] = {"imap": "imap_secret", "smtp": "smtp_secret"}


def imap_settings(account: Account) -> ImapSettings:
    """How to read this account; `UnreadableSecretError` if its password cannot be decrypted."""
    server = _server_of(account, "imap")
    return ImapSettings(
        host=server.host,
        port=server.port,
        encryption=cast("Encryption", server.encryption),
        user=account.imap_user,
        password="" if account.connected_as else password_of(account, "imap"),
        tokens=_tokens_of(account),
        ca_file=settings_of(current_app).ca_file,
        max_message_bytes=int(value_of("sync.max_message_mb")) * MEGABYTE,
    )


def most_in_a_day() -> int:
    """Bytes that may be fetched from an account in a day, as the system says now."""
    return int(value_of("sync.daily_mb")) * MEGABYTE


def smtp_settings(account: Account) -> SmtpSettings | None:
    """How to send for this account, with its own SMTP login or the IMAP one; None without SMTP."""
    if not account.smtp_enabled or not account.smtp_host:
        return None
    has_own_login = bool(account.smtp_user) and not account.connected_as
    server = _server_of(account, "smtp")
    return SmtpSettings(
        host=server.host,
        port=server.port,
        encryption=cast("Encryption", server.encryption),
        user=account.smtp_user if has_own_login else account.imap_user,
        password="" if account.connected_as else password_of(account, "smtp" if has_own_login else "imap"),
        tokens=_tokens_of(account),
        ca_file=settings_of(current_app).ca_file,
    )


def egress_policy() -> EgressPolicy:
    """Where this installation lets connections go: its networks, ports and listed hosts."""
    settings = settings_of(current_app)
    return EgressPolicy(
        networks=settings.permitted_networks,
        ports=settings.permitted_ports,
        hosts=tuple(value_of("network.permitted_hosts")),
    )


def web_policy() -> EgressPolicy:
    """The same for HTTPS: its own port besides those that the environment adds."""
    added = settings_of(current_app).permitted_ports - DEFAULT_PORTS
    return replace(egress_policy(), ports=frozenset({443}) | added)


def discovery_places() -> Places:
    """Where settings for a new mailbox may be looked for."""
    directory = str(value_of("discovery.directory"))
    return Places(egress_policy(), web_policy(), directory, settings_of(current_app).ca_file)


def _tokens_of(account: Account) -> TokenSource | None:
    return oauth.source_of_account(account) if account.connected_as else None


def _server_of(account: Account, protocol: Protocol) -> oauth.MailServer:
    """Where to connect. Tokens are shown to their provider's servers alone, whatever the row says."""
    provider = oauth.provider_of(account.kind) if account.connected_as else None
    if provider is not None:
        return provider.imap if protocol == "imap" else provider.smtp
    host, port, encryption = (
        getattr(account, f"{protocol}_{name}") for name in ("host", "port", "encryption")
    )
    return oauth.MailServer(host, port, encryption)


def store_password(account: Account, protocol: Protocol, password: str) -> None:
    """Encrypt a password into its place; an empty one forgets what is there. The caller commits."""
    column = _COLUMNS[protocol]
    blob = encrypt(password, table="accounts", row=account.id, column=column) if password else None
    setattr(account, column, blob)


def password_of(account: Account, protocol: Protocol) -> str:
    """The stored password in clear, for a connection only; empty if there is none."""
    column = _COLUMNS[protocol]
    blob: bytes | None = getattr(account, column)
    return decrypt(blob, table="accounts", row=account.id, column=column) if blob else ""
