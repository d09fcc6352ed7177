"""Puts the sample data where it belongs: mail into the mailboxes, organizations into the database."""

import imaplib
from collections.abc import Iterable
from datetime import UTC, datetime

from alembic import command
from flask import Flask
from sqlalchemy import select

from embedded.mail.people import MailUser
from embedded.sample import MAIL_PASSWORD, MAIL_USERS, ORGANIZATIONS_FILE, sample_environment, sample_text
from embedded.sample.letters import Letter, letters, written
from mailboxes import interchange
from mailboxes.accounts import Account
from tenants.audit import Actor
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import override
from tenants.database import db, inside, inside_installation, now
from tenants.database.schema import migration_config
from tenants.organizations import all_organizations

DEMO = Actor("demo")
_HOST = "127.0.0.1"
_SEEN = r"(\Seen)"


def migrate(owner_url: str) -> None:
    """Bring the tables to this version."""
    command.upgrade(migration_config(owner_url), "head")


def append_history(imap_port: int) -> None:
    """Put the older messages into their folders, as if they had come and been read at their time."""
    everything = letters("history.yaml")
    moment = datetime.now(UTC)
    for user in MAIL_USERS:
        own = [letter for letter in everything if letter.mailbox == user.address]
        _append(imap_port, user, own, everything, moment)


def _append(
    port: int, user: MailUser, own: list[Letter], everything: Iterable[Letter], moment: datetime
) -> None:
    server = imaplib.IMAP4(_HOST, port, timeout=30)
    try:
        server.login(user.address, MAIL_PASSWORD)
        for letter in own:
            folder = "Sent" if letter.from_us else "INBOX"
            arrived_at = imaplib.Time2Internaldate(letter.sent_at(moment).timestamp())
            server.append(folder, _SEEN, arrived_at, written(letter, everything, moment))
    finally:
        server.logout()


def apply_organizations(app: Flask, imap_port: int, smtp_port: int) -> None:
    """Make the two organizations, as ``postroom apply`` would."""
    environment = sample_environment(imap_port, smtp_port)
    text = sample_text(ORGANIZATIONS_FILE)
    with app.app_context():
        document = interchange.read_document(text, ORGANIZATIONS_FILE, environment)
        interchange.apply(document, by=DEMO)


def move_accounts(app: Flask, imap_port: int, smtp_port: int) -> None:
    """Lead the mailboxes to the ports of this run, where other programs took those of the last one."""
    with app.app_context():
        override("smtp.port", str(smtp_port), SYSTEM, by=DEMO.name)
        db.session.commit()
        ids = [organization.id for organization in db.session.scalars(all_organizations())]
    with inside_installation("the global mailboxes of the demo move with its mail server"):
        _move_own_accounts(imap_port, smtp_port)
    for id in ids:
        with inside(id):
            _move_own_accounts(imap_port, smtp_port)


def _move_own_accounts(imap_port: int, smtp_port: int) -> None:
    names = [user.address for user in MAIL_USERS]
    own = select(Account).where(Account.imap_host == _HOST, Account.imap_user.in_(names))
    for account in db.session.scalars(own):
        account.imap_port, account.smtp_port = imap_port, smtp_port
        account.next_attempt_at = now()
    db.session.commit()
