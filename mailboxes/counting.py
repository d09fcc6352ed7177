"""How much there is in organizations, in numbers that people read before they decide."""

from uuid import UUID

from sqlalchemy import Select, func, select

from mailboxes.crm.cases import Case
from mailboxes.crm.contacts import Contact
from mailboxes.crm.leads import Lead
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from tenants.database import across_organizations, db
from tenants.organizations import active_members


def count_mailboxes(ids: list[UUID]) -> dict[UUID, int]:
    """How many mailboxes these organizations have; those without any are missing."""
    counted = select(Mailbox.organization_id, func.count()).where(Mailbox.organization_id.in_(ids))
    with across_organizations("a system page counts mailboxes") as session:
        return {row[0]: row[1] for row in session.execute(counted.group_by(Mailbox.organization_id))}


def what_there_is() -> dict[str, int]:
    """What the current organization holds, by its plural."""
    counted = {
        "active people": active_members().order_by(None).with_only_columns(func.count()),
        "mailboxes": _all_of(Mailbox),
        "conversations": _all_of(Thread),
        "messages": _all_of(Message),
        "leads": _all_of(Lead),
        "cases": _all_of(Case),
        "contacts": _all_of(Contact),
        "messages still to be sent": _all_of(Outgoing).where(Outgoing.state.in_(("ready", "claimed"))),
    }
    return {what: db.session.scalar(query) or 0 for what, query in counted.items()}


def _all_of(table: type[Mailbox | Thread | Message | Lead | Case | Contact | Outgoing]) -> Select[int]:
    return select(func.count()).select_from(table)
