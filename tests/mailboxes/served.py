"""A mailbox whose account is a fresh user of a real server."""

from typing import Any

from sqlalchemy import func, select, update

from mailboxes.accounts import Account, Folder
from mailboxes.connections import store_password
from mailboxes.messages import Message
from mailboxes.sync.foreground import sync_now
from mailboxes.sync.passes import PassReport
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tests.dovecot import PASSWORD, Dovecot
from tests.factories import World, make_mailbox
from tests.world import permitted_ports


class Served:
    """A mailbox of an organization, and the server behind it."""

    def __init__(self, app: Any, server: Dovecot, world: World, inside: Any, **account: Any) -> None:
        permitted_ports(app, server.port)
        self.server, self.world, self.inside, self.user = server, world, inside, server.new_user()
        self.mailbox: Mailbox = make_mailbox(
            world,
            action="lead",
            account={
                "imap_enabled": True,
                "imap_host": "127.0.0.1",
                "imap_port": server.port,
                "imap_encryption": "none",
                "imap_user": self.user,
                **account,
            },
        )
        with inside(world):
            store_password(self.account(), "imap", PASSWORD)
            db.session.commit()

    def account(self) -> Account:
        """The account's row as it is now (inside the organization)."""
        return db.session.scalars(
            select(Account)
            .where(Account.id == self.mailbox.account_id)
            .execution_options(populate_existing=True)
        ).one()

    def append(self, raw: bytes, folder: str = "INBOX", flags: str = "", when: str | None = None) -> int:
        """File a message on the server; its UID."""
        return self.server.append(self.user, folder, raw, flags, when)

    def sync(self) -> PassReport:
        """One pass with delivery, that must succeed."""
        report = sync_now(self.mailbox.account_id)
        assert report.error is None, report.error
        return report

    def choose(self, *names: str) -> None:
        """Let folders be synced."""
        with self.inside(self.world):
            db.session.execute(update(Folder).where(Folder.name.in_(names)).values(is_synced=True))
            db.session.commit()

    def messages(self) -> list[Message]:
        """All messages of the organization, in order of delivery."""
        with self.inside(self.world):
            return list(db.session.scalars(select(Message).order_by(Message.id)))

    def count(self, model: Any, *conditions: Any) -> int:
        """How many rows of the organization there are."""
        with self.inside(self.world):
            return db.session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0

    def renumber(self, uid_validity: int) -> None:
        """Let the server change UIDVALIDITY of the inbox."""
        self.server.doveadm(
            "mailbox", "update", "-u", self.user, "--uid-validity", str(uid_validity), "INBOX"
        )
