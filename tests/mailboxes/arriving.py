"""Arrivals for tests, as a pass over a server would have stored them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival, share_of
from mailboxes.intake import Delivered, deliver
from mailboxes.messages import Message
from mailboxes.raws import keep_raws, pack
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, inside, now
from tests.factories import World

_uid = count(1)


def letter(
    subject: str = "Question",
    *,
    sender: str = "Alice <alice@customer.test>",
    to: str = "help@acme.test",
    message_id: str | None = None,
    answers: Sequence[str] = (),
    body: str = "How much is it?",
    headers: str = "",
) -> bytes:
    """A message as bytes; ``answers``: References, the last one also In-Reply-To."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", "Date: Mon, 4 May 2026 10:00:00 +0000"]
    if message_id:
        lines.append(f"Message-ID: <{message_id}>")
    if answers:
        lines += [
            f"In-Reply-To: <{answers[-1]}>",
            "References: " + " ".join(f"<{answer}>" for answer in answers),
        ]
    head = "\r\n".join([*lines, *filter(None, headers.split("\n"))])
    return (f"{head}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n").encode()


def folder_of(mailbox: Mailbox, special_use: str = "inbox", name: str | None = None) -> Folder:
    """The folder of the mailbox's account for this use, made if need be (inside the organization)."""
    shown = name or special_use.capitalize()
    query = select(Folder).where(Folder.account_id == mailbox.account_id, Folder.special_use == special_use)
    folder = db.session.scalar(query if name is None else query.where(Folder.name == name))
    if folder is None:
        folder = Folder(
            organization_id=mailbox.organization_id,
            account_id=mailbox.account_id,
            name_raw=shown.encode(),
            name=shown,
            special_use=special_use,
            is_synced=True,
        )
        db.session.add(folder)
        db.session.flush()
    return folder


def arrive(mailbox: Mailbox, *raws: bytes, folder: str = "inbox", **given: Any) -> list[UUID]:
    """Store arrivals (inside the organization) and commit; their ids."""
    place = folder_of(mailbox, folder)
    ids = []
    for raw in raws:
        packed = pack(raw)
        uid = next(_uid)
        share = share_of(uid, is_history=bool(given.get("is_history")), is_of_organization=True)
        arrival = Arrival(
            organization_id=mailbox.organization_id,
            **{
                "account_id": mailbox.account_id,
                "folder_id": place.id,
                "uid_validity": 1,
                "uid": uid,
                "share": share,
                "raw_id": keep_raws([packed])[0],
                "sha256": packed.sha256,
                "size": packed.size,
                "received_at": now(),
                **given,
            },
        )
        db.session.add(arrival)
        db.session.flush()
        ids.append(arrival.id)
    db.session.commit()
    return ids


def receive(world: World, mailbox: Mailbox, *raws: bytes, **given: Any) -> list[Message]:
    """Let messages arrive and be delivered; the messages they became, in order of arrival."""
    with inside(world.id):
        ids = arrive(mailbox, *raws, **given)
        deliver(mailbox.account_id)
        return messages_of(ids)


def messages_of(arrival_ids: Sequence[UUID]) -> list[Message]:
    """The messages that arrivals have become."""
    from mailboxes.messages import Location

    rows = db.session.execute(
        select(Location.arrival_id, Message)
        .join(Message, Message.id == Location.message_id)
        .where(Location.arrival_id.in_(arrival_ids))
    )
    found = {row.arrival_id: row.Message for row in rows}
    return [found[id] for id in arrival_ids if id in found]


def deliver_again(world: World, mailbox: Mailbox) -> list[Delivered]:
    """Run delivery once more."""
    with inside(world.id):
        return deliver(mailbox.account_id)


def account_of(mailbox: Mailbox) -> Account:
    """The account that a mailbox reads (inside the organization)."""
    return db.session.scalars(select(Account).where(Account.id == mailbox.account_id)).one()


def at(text: str) -> datetime:
    """A moment, from ISO 8601."""
    return datetime.fromisoformat(text)
