"""What happens at the server, or to what we know of it, in several tests of passes."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import update

from mailboxes.accounts import Folder
from mailboxes.sync.claiming import claim_now
from tenants.database import db, now
from tests.faults.imap_server import Command, Session
from tests.mailboxes.scripted import Scripted


def ago(**span: float) -> str:
    """An INTERNALDATE."""
    return f"{now() - timedelta(**span):%d-%b-%Y %H:%M:%S +0000}"


def call_once(app: Flask, scripted: Scripted, wanted: bytes) -> None:
    """When the server is asked this for the second time, new mail comes in, and the watcher hears of it."""
    asked: list[bytes] = []

    def new_mail(session: Session, command: Command) -> bool:
        if wanted in command.arguments:
            asked.append(command.arguments)
            if len(asked) == 2:
                scripted.add("New")
                with app.app_context():
                    assert claim_now(scripted.mailbox.account_id) is None
        return False

    scripted.server.on("FETCH", new_mail)


def compare_again(scripted: Scripted) -> None:
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(compared_at=None))
        db.session.commit()


def without_validity(session: Session, command: Command) -> bool:
    session.selected = session.server.folder()
    session.line(b"* %d EXISTS" % len(session.selected.messages))
    session.done(command, "[READ-ONLY] open")
    return True
