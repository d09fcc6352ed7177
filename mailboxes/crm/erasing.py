"""Erasing a person on request: the contact goes, and who they are goes from leads and cases."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from mailboxes.crm.cases import Case, CaseChange
from mailboxes.crm.contacts import Contact
from mailboxes.crm.leads import Lead, LeadChange
from tenants.database import db, now

PERSONAL = ("first_name", "last_name", "company", "job_title", "address", "phone", "website")
ERASED = "(erased)"


@dataclass(frozen=True)
class Footprint:
    """How many records know a contact."""

    lead_count: int
    case_count: int


def footprint(contact: Contact) -> Footprint:
    """What erasing would touch."""
    leads = select(func.count()).select_from(Lead).where(Lead.contact_id == contact.id)
    cases = select(func.count()).select_from(Case).where(Case.contact_id == contact.id)
    return Footprint(db.session.scalar(leads) or 0, db.session.scalar(cases) or 0)


def erase(contact: Contact) -> Footprint:
    """Delete a contact with its addresses; its leads and cases stay, without saying whose they are.

    What the person wrote stays in the mailboxes (and where people copied it): those have a
    retention of their own.
    """
    touched = footprint(contact)
    for lead in db.session.scalars(select(Lead).where(Lead.contact_id == contact.id)):
        for name in PERSONAL:
            setattr(lead, name, "")
        lead.contact_id, lead.updated_at = None, now()
        of_lead = select(LeadChange).where(LeadChange.lead_id == lead.id)
        erase_in_history(db.session.scalars(of_lead).all(), PERSONAL)
    for case in db.session.scalars(select(Case).where(Case.contact_id == contact.id)):
        case.contact_id, case.updated_at = None, now()
        of_case = select(CaseChange).where(CaseChange.case_id == case.id)
        erase_in_history(db.session.scalars(of_case).all(), ("contact",))
    db.session.flush()
    db.session.delete(contact)
    db.session.flush()
    return touched


def erase_in_history(changes: Sequence[LeadChange | CaseChange], names: tuple[str, ...]) -> None:
    """What these fields were before and after is no more; that they changed stays."""
    for change in changes:
        known = {name: [ERASED, ERASED] for name in names if name in change.changes}
        if known:
            change.changes = {**change.changes, **known}
