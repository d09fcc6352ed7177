"""An installation that is registered at the fake provider, and a mailbox connected there."""

import dataclasses
from typing import Any

from flask import Flask
from sqlalchemy import select

from mailboxes import oauth
from mailboxes.accounts import Account
from mailboxes.connections import imap_settings
from mailboxes.oauth import OAuthConnection
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration.layers import override
from tenants.database import db
from tests.certificates import Certificates
from tests.dovecot import Dovecot
from tests.factories import World, make_mailbox
from tests.oauth_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.smtp_sink import Sink
from tests.world import permitted_ports

SESSION = b"a session"
CALLBACK = "http://localhost:8025/oauth/callback"
WHO = "support@acme.test"


def register(
    app: Flask,
    provider: Provider,
    certificates: Certificates,
    imap: Dovecot | None = None,
    smtp: Sink | None = None,
) -> None:
    """Let the installation know the provider, and reach it and its mail servers."""
    ports = [provider.port, *([imap.tls_port] if imap else []), *([smtp.tls_port] if smtp else [])]
    permitted_ports(app, *ports)
    app.config["POSTROOM"] = dataclasses.replace(app.config["POSTROOM"], ca_file=str(certificates.ca_file))
    base = f"https://localhost:{provider.port}"
    values = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "authorization_url": f"{base}/authorize",
        "token_url": f"{base}/token",
        "revocation_url": f"{base}/revoke",
        "imap_server": f"localhost:{imap.tls_port if imap else 993}",
        "smtp_server": f"localhost:{smtp.tls_port if smtp else 465}",
    }
    for name, value in values.items():
        override(f"oauth.google.{name}", value, "system", by="a test")
    db.session.commit()


def begin(**given: Any) -> str:
    """Ask for permission; where the person is sent."""
    url = oauth.begin(oauth.Request("google", SESSION, "mailboxes", CALLBACK, **given))
    db.session.commit()
    return url


def finish(answer: dict[str, str], session: bytes = SESSION) -> OAuthConnection:
    """Take what the person brings back."""
    return oauth.finish(answer["state"], answer["code"], session=session, redirect_uri=CALLBACK, by="Ada")


def permitted(provider: Provider, identity: str, **given: Any) -> OAuthConnection:
    """A connection somebody has permitted, of the owner this session is bound to; committed."""
    connection = finish(provider.permit(begin(**given), identity))
    db.session.commit()
    return connection


def connected_mailbox(inside: Any, world: World, provider: Provider, identity: str, **given: Any) -> Mailbox:
    """A mailbox whose account was connected as this identity."""
    account = {
        "kind": "google",
        "imap_enabled": True,
        "smtp_enabled": True,
        "imap_user": identity,
        "imap_host": "imap.elsewhere.test",
        "smtp_host": "smtp.elsewhere.test",
        **given.pop("account", {}),
    }
    mailbox = make_mailbox(world, address=identity, account=account, **given)
    with inside(world):
        connection = permitted(provider, identity)
        oauth.adopt(connection.id, account_of(mailbox))
        db.session.commit()
    return mailbox


def account_of(mailbox: Mailbox) -> Account:
    """The account's row as it is now (inside the organization)."""
    query = select(Account).where(Account.id == mailbox.account_id)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def connection_of(mailbox: Mailbox) -> OAuthConnection:
    """Its connection as it is now (inside the organization)."""
    query = select(OAuthConnection).where(OAuthConnection.account_id == mailbox.account_id)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def tokens_of(inside: Any, world: World, mailbox: Mailbox) -> Any:
    """Where a mailbox gets its tokens from."""
    with inside(world):
        return imap_settings(account_of(mailbox)).tokens
