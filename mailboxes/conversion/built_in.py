"""Do nothing, convert to lead, convert to case."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mailboxes.conversion.actions import NOTHING, Action, Field, Record
from mailboxes.conversion.claims import CASE, LEAD
from mailboxes.conversion.people import contact_of, person_of
from mailboxes.crm import texts
from mailboxes.crm.cases import PRIORITIES, PRIORITY_NAMES, STATUS_NAMES, STATUSES, open_case
from mailboxes.crm.channels import has_active_channel
from mailboxes.crm.history import AUTOMATION
from mailboxes.crm.lead_sources import (
    LeadSource,
    default_lead_source,
    lead_source_with_key,
    offer_lead_sources,
)
from mailboxes.crm.leads import make_lead
from mailboxes.messages import Message
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.database.portions import asked_once
from tenants.organizations import Membership, active_members

NO_SUBJECT = "(no subject)"
NO_CHANNEL = (
    "Converting to leads needs an active sales channel, and this organization has none. "
    "Activate one under Configuration → Sales channels."
)
_OWNER = Field("owner", "Owner", "member", required=True, help="Who answers for the record.")


class Nothing(Action):
    """The messages are kept, and that is all."""

    name = NOTHING
    label = "Do nothing"
    noun = "record"

    def make_record(
        self, message: Message, settings: Mapping[str, Any], by: Membership | None = None
    ) -> Record:
        """There is none; the caller never asks."""
        raise NotImplementedError("nothing makes no record")


class ConvertToLead(Action):
    """Somebody who may buy."""

    name = LEAD
    label = "Convert to lead"
    noun = "lead"
    permission = "lead.edit"
    fields = (_OWNER, Field("source", "Source", "lead_source", required=True))

    def is_offered(self) -> tuple[bool, str]:
        """Only where somebody sells."""
        return (True, "") if has_active_channel() else (False, NO_CHANNEL)

    def make_record(
        self, message: Message, settings: Mapping[str, Any], by: Membership | None = None
    ) -> Record:
        """A new lead; names from the contact, else as the sender gives them, else from the address."""
        notes: list[str] = []
        contact, person = contact_of(message), person_of(message)
        first_name, last_name = texts.split_name(person.name, person.address)
        if contact is not None and (contact.first_name or contact.last_name):
            first_name, last_name = contact.first_name, contact.last_name
        source = _source(settings, notes)
        lead = make_lead(
            {
                "name": texts.one_line(message.subject) or NO_SUBJECT,
                "notes": message.text,
                "first_name": first_name,
                "last_name": last_name,
                "company": contact.company if contact is not None else "",
                "phone": contact.phone if contact is not None else "",
                "address": person.address if texts.is_address(person.address) else "",
                "owner_id": _owner(settings, by, notes),
                "source_id": source.id if source is not None else None,
            },
            by.name if by is not None else AUTOMATION,
            contact_id=contact.id if contact is not None else None,
            opening_message_id=message.id,
            is_automatic=by is None,
        )
        return Record(lead.id, lead.name, f"/leads/{lead.id}", tuple(notes))


class ConvertToCase(Action):
    """Something to be solved."""

    name = CASE
    label = "Convert to case"
    noun = "case"
    fields = (
        _OWNER,
        Field("assignee", "Assigned to", "member"),
        Field("status", "Status", "choice", True, tuple(STATUS_NAMES.items()), default="open"),
        Field("priority", "Priority", "choice", True, tuple(PRIORITY_NAMES.items()), default="normal"),
        Field("tags", "Tags", "tags"),
    )

    def make_record(
        self, message: Message, settings: Mapping[str, Any], by: Membership | None = None
    ) -> Record:
        """A new case of the sender's, reported when the message arrived."""
        notes: list[str] = []
        contact = contact_of(message)
        tags = settings.get("tags")
        case = open_case(
            {
                "subject": texts.one_line(message.subject) or NO_SUBJECT,
                "description": message.text,
                "source": "email",
                "priority": _choice(settings, "priority", PRIORITIES, "normal", notes),
                "tags": [str(tag) for tag in tags] if isinstance(tags, list) else [],
                "owner_id": _owner(settings, by, notes),
                "assignee_id": _assignee(settings, notes),
                "contact_id": contact.id if contact is not None else None,
            },
            by.name if by is not None else AUTOMATION,
            status=_choice(settings, "status", STATUSES, "open", notes),
            reported_at=message.arrived_at,
            opening_message_id=message.id,
            is_automatic=by is None,
        )
        return Record(case.id, case.subject, f"/cases/{case.id}", tuple(notes))


BUILT_IN: tuple[Action, ...] = (Nothing(), ConvertToLead(), ConvertToCase())


def _owner(settings: Mapping[str, Any], by: Membership | None, notes: list[str]) -> UUID | None:
    """As the mailbox says, else whoever converts by hand, else the organization's default owner."""
    named = settings.get("owner")
    owner = _member(named)
    if named and owner is None:
        notes.append("The owner that the mailbox names is no active member any more.")
    if owner is None and by is not None:
        return by.id
    if owner is None:
        owner = _member(value_of("record.default_owner"))
        notes.append("The default owner got it." if owner is not None else "Nobody owns it yet.")
    return owner.id if owner is not None else None


def _assignee(settings: Mapping[str, Any], notes: list[str]) -> UUID | None:
    named = settings.get("assignee")
    assignee = _member(named)
    if named and assignee is None:
        notes.append("The assignee that the mailbox names is no active member any more: nobody is assigned.")
    return assignee.id if assignee is not None else None


def _source(settings: Mapping[str, Any], notes: list[str]) -> LeadSource | None:
    key = settings.get("source")
    source = lead_source_with_key(str(key)) if key else None
    if source is not None:
        return source
    default = default_lead_source()
    if default is None:
        offer_lead_sources()
        default = default_lead_source()
    if key and default is not None:
        notes.append(f"The lead source that the mailbox names is gone: “{default.name}” is used.")
    return default


def _choice(
    settings: Mapping[str, Any], name: str, allowed: tuple[str, ...], otherwise: str, notes: list[str]
) -> str:
    value = settings.get(name) or otherwise
    if value in allowed:
        return str(value)
    notes.append(f"The mailbox names an unknown {name}: “{otherwise}” is used.")
    return otherwise


@asked_once
def _member(id: Any) -> Membership | None:
    try:
        wanted = UUID(str(id))
    except ValueError:
        return None
    return db.session.scalar(active_members().where(Membership.id == wanted))
