"""A mailbox behind the scripted server, and the demand that in the end we have what it has."""

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.connections import store_password
from mailboxes.messages import Message
from mailboxes.sync.foreground import sync_now
from mailboxes.sync.passes import PassReport
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, now
from tests.factories import World, make_mailbox
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.arriving import letter
from tests.world import permitted_ports


class Scripted:
    """A mailbox behind the scripted server."""

    def __init__(self, app: Any, server: ScriptedImap, world: World, inside: Any, **account: Any) -> None:
        permitted_ports(app, server.port)
        self.server, self.world, self.inside = server, world, inside
        self.mailbox: Mailbox = make_mailbox(
            world,
            action="lead",
            account={
                "imap_enabled": True,
                "imap_host": "127.0.0.1",
                "imap_port": server.port,
                "imap_encryption": "none",
                "imap_user": server.user,
                "history": "all",
                **account,
            },
        )
        with inside(world):
            store_password(self.account(), "imap", server.password)
            db.session.commit()

    def account(self) -> Account:
        return db.session.scalars(
            select(Account)
            .where(Account.id == self.mailbox.account_id)
            .execution_options(populate_existing=True)
        ).one()

    def add(self, subject: str, folder: str = "INBOX", **given: Any) -> int:
        return self.server.folder(folder).add(letter(subject), **given)

    def choose_all(self) -> None:
        """Let all folders be synced that are known by now."""
        with self.inside(self.world):
            db.session.execute(update(Folder).values(is_synced=True))
            db.session.commit()

    def sync(self) -> PassReport:
        return sync_now(self.mailbox.account_id)

    def settle(self) -> None:
        """Heal the server, run until quiet, and demand that we have what it has."""
        self.server.heal()
        with self.inside(self.world):
            long_ago = now() - timedelta(days=2)
            db.session.execute(update(Folder).values(compared_at=long_ago, left_alone_until=None))
            db.session.execute(update(Account).values(quiet_until=None))
            db.session.commit()
        for _ in range(3):
            report = self.sync()
        assert report.error is None
        assert (report.new_count, report.history_count) == (0, 0)
        with self.inside(self.world):
            folders = {folder.id: folder for folder in db.session.scalars(select(Folder))}
            rows = db.session.scalars(select(Arrival).where(Arrival.vanished_at.is_(None))).all()
            stored = {(folders[row.folder_id].name_raw, row.uid): row.sha256 for row in rows}
            synced = {folder.name_raw for folder in folders.values() if folder.is_synced}
        there = {
            (name, uid): hashlib.sha256(message.raw).digest()
            for name, folder in self.server.folders.items()
            if name in synced
            for uid, message in folder.messages.items()
        }
        assert stored == there

    def subjects(self) -> list[str]:
        with self.inside(self.world):
            return sorted(db.session.scalars(select(Message.subject)))
