"""Everything of an organization in one file, for those who leave or keep a copy: a ZIP archive.

It is written while it is read: neither the memory nor a disk holds more of it than one message.

- ``configuration.yaml``: what administrators set up, as `postroom export` writes it, without a secret
- ``mail/ADDRESS.mbox``: every message of a mailbox as it came or went (mboxrd), oldest first
- ``records/*.csv``: leads, cases, comments, notes, contacts, tags, saved views, drafts, the timeline, and the
  audit log
- ``README.txt``: what is in it, and what is not, each with the reason; messages without bytes one by one
"""

import io
import re
from collections.abc import Iterator
from time import asctime
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy import Select, select

from mailboxes import interchange
from mailboxes.crm.cases import Case, CaseComment
from mailboxes.crm.contacts import Contact, ContactAddress
from mailboxes.crm.exporting import csv_lines
from mailboxes.crm.leads import Lead
from mailboxes.drafts import Draft, own_drafts
from mailboxes.filenames import distinct_filenames
from mailboxes.inbox.saved_views import SavedView
from mailboxes.messages import Message
from mailboxes.raws import raw_contents
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads.notes import Note
from mailboxes.threads.tags import Tag, ThreadTag
from mailboxes.timeline import Event, each_step
from tenants.audit import ARCHIVED, AuditEntry, entries
from tenants.database import current_organization_id, db, now
from tenants.organizations import Membership, Organization

ABOUT = """\
The archive of {organization}, {at}

configuration.yaml   what administrators set up; `postroom apply` reads it
mail/ADDRESS.mbox    every message of a mailbox as it came or went; mail programs open it
records/*.csv        leads, cases, comments, notes on conversations, contacts with their addresses, tags and
                     the conversations that bear them, saved views, drafts, the timeline of messages (what
                     happened to each, and why), and the audit log

Not in it:
- passwords, tokens and keys: they are never given out, type them again elsewhere
- people's own passwords and second factors: they belong to the people
- files that were attached to drafts: they are not part of a message yet
- the log of webhooks: of what happened it tells ids alone, and it is kept for 30 days
- what each person has read, and which mailboxes they follow or get digests of: that is theirs alone
- messages that a server handed out and that are in no mailbox yet (still to be read, or in quarantine)
- messages whose bytes Postroom does not have: what is known of each is in records/messages-without-bytes.csv
"""
NOT_THEIRS = """\
- drafts of other people than whoever took it: nobody else reads them before they are sent
- views that other people have saved for themselves
"""
RECORDS = {
    "leads": Lead,
    "cases": Case,
    "comments": CaseComment,
    "notes": Note,
    "contacts": Contact,
    "addresses": ContactAddress,
    "tags": Tag,
    "tags-of-conversations": ThreadTag,
    "views": SavedView,
    "drafts": Draft,
    "timeline": Event,
    "audit-log": AuditEntry,
}
ROWS = 200  # read at once
_FROM = re.compile(rb"^(>*From )", re.MULTILINE)


class _Outlet(io.RawIOBase):
    """What the archive writes, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        yield from pieces


def archived(reader: Membership | None = None) -> Iterator[bytes]:
    """The archive of the current organization, piece by piece.

    Of drafts it holds those that ``reader`` has not sent; all of them for nobody, who is at the terminal.
    """
    about = ABOUT if reader is None else ABOUT + NOT_THEIRS
    organization = db.session.get_one(Organization, current_organization_id())
    outlet = _Outlet()
    with ZipFile(outlet, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", about.format(organization=organization.name, at=f"{now():%Y-%m-%d}"))
        archive.writestr("configuration.yaml", interchange.export(organization.slug))
        yield from outlet.taken()
        for path, pieces in _entries(reader):
            with archive.open(path, "w", force_zip64=True) as entry:
                for piece in pieces:
                    entry.write(piece)
                    yield from outlet.taken()
            yield from outlet.taken()
    yield from outlet.taken()


def last_archived() -> AuditEntry | None:
    """When somebody last took the archive of the current organization, and who."""
    return db.session.scalar(entries().where(AuditEntry.act == ARCHIVED).limit(1))


def _entries(reader: Membership | None) -> Iterator[tuple[str, Iterator[bytes]]]:
    mailboxes = db.session.scalars(select(Mailbox).order_by(Mailbox.address, Mailbox.id)).all()
    names = distinct_filenames(f"{mailbox.address}.mbox" for mailbox in mailboxes)
    for mailbox, name in zip(mailboxes, names, strict=True):
        yield f"mail/{name}", _mail_of(mailbox)
    for name, table in RECORDS.items():
        yield f"records/{name}.csv", _rows_of(table, _query(table, reader))
    yield "records/messages-without-bytes.csv", _without_bytes()


def _query(table: type[Any], reader: Membership | None) -> Select[Any]:
    if reader is not None and table is Draft:
        return own_drafts(reader)
    if reader is not None and table is SavedView:
        is_own = SavedView.membership_id == reader.id
        return select(SavedView).where(SavedView.membership_id.is_(None) | is_own)
    return select(table)


def _mail_of(mailbox: Mailbox) -> Iterator[bytes]:
    """The messages of a mailbox; one without bytes is in a list of its own (`_without_bytes`)."""
    columns = select(Message.raw_id, Message.sender_address, Message.arrived_at)
    query = columns.where(Message.mailbox_id == mailbox.id, Message.raw_id.is_not(None))
    for row in db.session.execute(query.order_by(Message.id).execution_options(yield_per=ROWS)):
        raw = raw_contents([row.raw_id]).get(row.raw_id)
        if raw is not None:
            sender = re.sub(r"\s", "", row.sender_address) or "MAILER-DAEMON"
            yield f"From {sender} {asctime(row.arrived_at.utctimetuple())}\n".encode("utf-8", "replace")
            yield _FROM.sub(rb">\1", raw)
            yield b"\n" if raw.endswith(b"\n") else b"\n\n"


def _without_bytes() -> Iterator[bytes]:
    """What is known of the messages whose bytes are not there, such as those that were too large."""
    columns = (
        Message.id,
        Mailbox.address,
        Message.message_id,
        Message.sender_address,
        Message.subject,
        Message.arrived_at,
    )
    rows = db.session.execute(
        select(*columns)
        .join(Mailbox, Mailbox.id == Message.mailbox_id)
        .where(Message.raw_id.is_(None))
        .order_by(Message.id)
        .execution_options(yield_per=ROWS)
    )
    header = ("id", "mailbox", "message_id", "sender", "subject", "arrived_at")
    for line in csv_lines(header, (tuple(row) for row in rows)):
        yield line.encode()


def _rows_of(table: type[Any], query: Select[Any]) -> Iterator[bytes]:
    columns = [column for column in table.__table__.columns if column.name != "organization_id"]
    header = tuple(column.name for column in columns)
    rows = db.session.scalars(query.order_by(table.id).execution_options(yield_per=ROWS))
    told = each_step(rows) if table is Event else rows
    for line in csv_lines(header, (tuple(getattr(row, name) for name in header) for row in told)):
        yield line.encode()
