"""What the variables of templates stand for, for one message.

Nothing that a stranger wrote goes out again but a cleaned subject of at most 78 characters, a name of
letters and the address the answer goes to (reliability §3.2): no acknowledgement carries an attacker's
words or links to a third party.
"""

import re
from collections.abc import Collection, Sequence
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import inspect, select

from mailboxes.crm.cases import Case, public_comments
from mailboxes.crm.contacts import Contact, contact_with_address
from mailboxes.crm.lead_sources import LeadSource
from mailboxes.crm.leads import Lead
from mailboxes.messages import Message
from mailboxes.parsing.cleaning import one_line
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import ThreadRecord
from tenants.configuration.layers import value_of
from tenants.database import current_organization_id, db
from tenants.database.bulk import among
from tenants.database.portions import asked_once
from tenants.organizations import Membership, Organization
from tenants.permissions import permissions_of

LONGEST_SUBJECT = 78
LONGEST_NAME = 60

Row = TypeVar("Row")

_SEEN_WITH = {"contact": "contact.view", "lead": "lead.view", "case": "case.view"}
_NO_NAME = re.compile(r"[^\w\s.'’,&()-]|www|http|\w\.\w{2,}|\d{5,}", re.IGNORECASE)


def values_for(
    message: Message, *, address: str | None = None, member: Membership | None = None
) -> dict[str, dict[str, str]]:
    """The variables of a message. ``address``: whom the answer goes to; ``member``: who writes it.

    What the member may not see stays empty.
    """
    recipient = address or message.sender_address
    mailbox = db.session.get_one(Mailbox, (message.organization_id, message.mailbox_id))
    values = {
        "message": _message(message),
        "sender": _sender(message, recipient),
        "contact": _contact(contact_with_address(recipient)),
        **_records(message.thread_id),
        **values_of_new(mailbox, member),
    }
    hidden = hidden_from(member) if member is not None else ()
    return {group: found for group, found in values.items() if group not in hidden}


def values_of_new(mailbox: Mailbox, member: Membership | None) -> dict[str, dict[str, str]]:
    """The variables of a message that answers none."""
    return {
        "mailbox": {
            "label": mailbox.label,
            "address": mailbox.address,
            "signature": mailbox.signature or "",
        },
        "organization": {"name": _organization_name()},
        "user": {"name": member.name, "address": member.user.address} if member is not None else {},
    }


def hidden_from(member: Membership) -> frozenset[str]:
    """The groups of variables whose records this member may not see."""
    may = permissions_of(member)
    return frozenset(group for group, permission in _SEEN_WITH.items() if permission not in may)


def harmless_subject(subject: str) -> str:
    """The subject on one line, cut; what comes back to a stranger."""
    line = one_line(subject)
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1].rstrip() + "…"


def harmless_name(name: str) -> str:
    """A name, if it looks like one; "" for what may be an address, a link or a message."""
    line = one_line(name)
    return "" if len(line) > LONGEST_NAME or _NO_NAME.search(line) else line


def first_name(name: str) -> str:
    """The first word behind the last comma, as in ``Lovelace, Ada``, or before it where nothing follows."""
    parts = [part.split() for part in name.split(",")]
    return next((words[0] for words in reversed(parts) if words), "")


def _message(message: Message) -> dict[str, str]:
    at = message.shown_at.astimezone(ZoneInfo(str(value_of("general.time_zone"))))
    return {
        "subject": harmless_subject(message.subject),
        "date": f"{at:%Y-%m-%d}",
        "time": f"{at:%H:%M}",
    }


def _sender(message: Message, recipient: str) -> dict[str, str]:
    is_sender = recipient.lower() == message.sender_address
    name = harmless_name(message.sender_name) if is_sender else ""
    return {
        "name": name or recipient,
        "first_name": first_name(name),
        "address": recipient,
    }


def _contact(contact: Contact | None) -> dict[str, str]:
    if contact is None:
        return {}
    return {
        "name": harmless_name(contact.name or f"{contact.first_name} {contact.last_name}".strip()),
        "first_name": harmless_name(contact.first_name),
        "last_name": harmless_name(contact.last_name),
        "company": one_line(contact.company),
        "phone": one_line(contact.phone),
    }


def know_links(thread_ids: Collection[UUID]) -> None:
    """Ask together for the records of a portion's conversations."""
    found: dict[UUID, list[ThreadRecord]] = {}
    for link in db.session.scalars(select(ThreadRecord).where(among(ThreadRecord.thread_id, thread_ids))):
        found.setdefault(link.thread_id, []).append(link)
    for id in thread_ids:
        _links.know(found.get(id, []), id)
    links = [link for some in found.values() for link in some]
    leads = [link.lead_id for link in links if link.lead_id]
    cases = [link.case_id for link in links if link.case_id]
    for lead in db.session.scalars(select(Lead).where(among(Lead.id, leads))) if leads else ():
        _row.know(lead, Lead, lead.id)
    for case in db.session.scalars(select(Case).where(among(Case.id, cases))) if cases else ():
        _row.know(case, Case, case.id)
    told = public_comments(cases) if cases else {}
    for id in cases:
        _public_comment.know(told.get(id, ""), id)


@asked_once
def _links(thread_id: UUID) -> Sequence[ThreadRecord]:
    return db.session.scalars(select(ThreadRecord).where(ThreadRecord.thread_id == thread_id)).all()


def _records(thread_id: UUID) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for link in _links(thread_id):
        if link.lead_id is not None:
            found["lead"] = _lead(_row(Lead, link.lead_id))
        if link.case_id is not None:
            found["case"] = _case(_row(Case, link.case_id))
    return found


def _lead(lead: Lead) -> dict[str, str]:
    source = _row(LeadSource, lead.source_id).name if lead.source_id else ""
    return {
        "name": harmless_subject(lead.name),
        "status": lead.status,
        "owner": _person(lead.owner_id),
        "source": source,
    }


def _case(case: Case) -> dict[str, str]:
    return {
        "subject": harmless_subject(case.subject),
        "status": case.status.replace("_", " "),
        "priority": case.priority,
        "assignee": _person(case.assignee_id),
        "comment": "" if inspect(case).transient else _public_comment(case.id),
    }


@asked_once
def _public_comment(case_id: UUID) -> str:
    return public_comments([case_id]).get(case_id, "")


def _person(id: UUID | None) -> str:
    return _row(Membership, id).name if id is not None else ""


@asked_once
def _row(model: type[Row], id: UUID) -> Row:
    return db.session.get_one(model, (current_organization_id(), id))


@asked_once
def _organization_name() -> str:
    return db.session.get_one(Organization, current_organization_id()).name
