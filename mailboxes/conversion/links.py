"""Conversations and the records they hang on, seen from both sides."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, true

from mailboxes import access
from mailboxes.conversion.claims import CASE, LEAD, Conversion, record_id_of
from mailboxes.conversion.known_actions import actions
from mailboxes.crm.cases import Case
from mailboxes.crm.contacts import Contact, ContactAddress
from mailboxes.crm.leads import Lead
from mailboxes.messages import Message
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.timeline import Event
from tenants.database import db
from tenants.database.portions import asked_once
from tenants.organizations import Membership

MOST_MESSAGES = 500  # of an address, looked through for the conversations of its contact


@dataclass(frozen=True)
class RecordLink:
    """A record that a conversation hangs on. ``url`` is a path of this site, or a plug-in's, or ""."""

    kind: str
    id: UUID
    label: str
    url: str = ""

    @property
    def noun(self) -> str:
        """What people call this kind of record."""
        action = actions().get(self.kind)
        return action.noun if action is not None else self.kind

    def details(self) -> dict[str, Any]:
        """As the timeline keeps it."""
        return {"kind": self.kind, "record_id": str(self.id), "label": self.label, "url": self.url}


@asked_once
def links_of(thread_id: UUID) -> list[RecordLink]:
    """The records of one conversation."""
    return links_of_threads([thread_id]).get(thread_id, [])


def know_links(thread_ids: Collection[UUID]) -> None:
    """Ask `links_of` for a portion."""
    found = links_of_threads(thread_ids)
    for id in thread_ids:
        links_of.know(found.get(id, []), id)


def links_of_threads(ids: Iterable[UUID]) -> dict[UUID, list[RecordLink]]:
    """The records of the conversations of a list, in at most four queries."""
    query = select(ThreadRecord).where(ThreadRecord.thread_id.in_(list(ids)))
    rows = db.session.scalars(query.order_by(ThreadRecord.linked_at, ThreadRecord.id)).all()
    labels = _labels(rows)
    found: dict[UUID, list[RecordLink]] = {}
    for row in rows:
        id = record_id_of(row)
        label, url = labels.get(id, (row.kind, ""))
        found.setdefault(row.thread_id, []).append(RecordLink(row.kind, id, label, url))
    return found


@asked_once
def link_to(kind: str, id: UUID) -> RecordLink:
    """One record, by its kind and id."""
    row = ThreadRecord(kind=kind, **{f"{kind if kind in (LEAD, CASE) else 'other'}_id": id})
    label, url = _labels([row]).get(id, (kind, ""))
    return RecordLink(kind, id, label, url)


def conversations_of_lead(member: Membership, lead: Lead) -> Select[Thread]:
    """The lead's conversations that this member may read, newest first."""
    return _conversations(member, ThreadRecord.lead_id == lead.id)


def conversations_of_case(member: Membership, case: Case) -> Select[Thread]:
    """The case's conversations that this member may read, newest first."""
    return _conversations(member, ThreadRecord.case_id == case.id)


def conversations_of_contact(member: Membership, contact: Contact) -> Select[Thread]:
    """Conversations in which a contact wrote, and which this member may read, newest first.

    Among the newest messages of each address: for a customer who has written thousands, the index of
    senders is read no further.
    """
    addresses = select(ContactAddress.address).where(ContactAddress.contact_id == contact.id).subquery()
    newest = (
        select(Message.thread_id)
        .where(
            Message.organization_id == contact.organization_id,
            Message.sender_address == addresses.c.address,
            access.is_readable(member, Message.mailbox_id),
        )
        .order_by(Message.shown_at.desc())
        .limit(MOST_MESSAGES)
        .lateral()
    )
    written = select(newest.c.thread_id).select_from(addresses.join(newest, true()))
    is_theirs = (Thread.id.in_(written), access.is_readable(member, Thread.mailbox_id))
    return select(Thread).where(*is_theirs).order_by(*_NEWEST_FIRST)


def _conversations(member: Membership, is_its_record: ColumnElement[bool]) -> Select[Thread]:
    return _readable(member).where(Thread.id.in_(select(ThreadRecord.thread_id).where(is_its_record)))


def _readable(member: Membership) -> Select[Thread]:
    readable = Thread.mailbox_id.in_(access.readable_ids(member))
    return select(Thread).where(readable).order_by(*_NEWEST_FIRST)


_NEWEST_FIRST = (Thread.last_at.desc(), Thread.id.desc())


def _labels(rows: Iterable[ThreadRecord]) -> dict[UUID, tuple[str, str]]:
    """What records are called and where they are shown."""
    rows = list(rows)
    leads = [row.lead_id for row in rows if row.lead_id]
    cases = [row.case_id for row in rows if row.case_id]
    others = [row.other_id for row in rows if row.other_id]
    found: dict[UUID, tuple[str, str]] = {}
    if leads:
        for id, name in db.session.execute(select(Lead.id, Lead.name).where(Lead.id.in_(leads))):
            found[id] = (name, f"/leads/{id}")
    if cases:
        for id, subject in db.session.execute(select(Case.id, Case.subject).where(Case.id.in_(cases))):
            found[id] = (subject, f"/cases/{id}")
    if others:
        found.update(_labels_of_plug_ins(others))
    return found


def _labels_of_plug_ins(ids: list[UUID]) -> dict[UUID, tuple[str, str]]:
    """A plug-in's record is described on the timeline of the message that made it."""
    made_by = select(Conversion.message_id).where(Conversion.record_id.in_(ids))
    described = select(Event.details).where(Event.message_id.in_(made_by), Event.stage == "converted")
    return {
        UUID(details["record_id"]): (str(details["label"]), str(details.get("url", "")))
        for details in db.session.scalars(described)
        if "record_id" in details
    }
