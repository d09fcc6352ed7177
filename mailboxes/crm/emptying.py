"""What a record keeps when the message that made it has left the organization: what people did, no content.

A record that nobody has touched goes as a whole.
"""

from collections.abc import Sequence

from sqlalchemy import select

from mailboxes.crm.cases import Case, CaseChange, CaseComment
from mailboxes.crm.erasing import PERSONAL, erase_in_history
from mailboxes.crm.history import AUTOMATION
from mailboxes.crm.leads import Lead, LeadChange
from tenants.database import db, now

EMPTIED_NAME = "(message moved out of this organization)"


def empty_or_delete(record: Lead | Case, *, is_used: bool) -> bool:
    """Delete a record, or keep it without content if people have touched it or it ``is_used`` otherwise.

    Whether it was deleted.
    """
    changes = _changes_of(record)
    if not (is_used or _is_touched(record, changes)):
        db.session.delete(record)
        db.session.flush()
        return True
    emptied = _empty_lead(record) if isinstance(record, Lead) else _empty_case(record)
    record.contact_id = record.opening_message_id = None
    record.is_automatic = False  # it stands for no message any more
    record.updated_at = now()
    erase_in_history(changes, emptied)
    db.session.flush()
    return False


def _changes_of(record: Lead | Case) -> Sequence[LeadChange | CaseChange]:
    if isinstance(record, Lead):
        return db.session.scalars(select(LeadChange).where(LeadChange.lead_id == record.id)).all()
    return db.session.scalars(select(CaseChange).where(CaseChange.case_id == record.id)).all()


def _is_touched(record: Lead | Case, changes: Sequence[LeadChange | CaseChange]) -> bool:
    if any(change.actor_name != AUTOMATION for change in changes):
        return True
    comments = select(CaseComment.id).where(CaseComment.case_id == record.id).limit(1)
    return db.session.scalar(comments) is not None


def _empty_lead(lead: Lead) -> tuple[str, ...]:
    for name in (*PERSONAL, "notes"):
        setattr(lead, name, "")
    lead.name = EMPTIED_NAME
    return (*PERSONAL, "notes", "name", "contact")


def _empty_case(case: Case) -> tuple[str, ...]:
    case.subject, case.description = EMPTIED_NAME, ""
    return ("subject", "description", "contact")
