"""What lead sources and channels mean for mailboxes: what may go, and what that changes."""

from sqlalchemy import Select, select

from mailboxes.conversion.claims import LEAD
from mailboxes.crm.channels import Channel, is_last_active
from mailboxes.crm.lead_sources import LeadSource, delete_lead_source
from mailboxes.crm.leads import lead_count_by_source
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.errors import ConflictError


def mailboxes_converting_to_leads() -> Select[Mailbox]:
    """Mailboxes whose action is *Convert to lead*, by label."""
    return select(Mailbox).where(Mailbox.action == LEAD).order_by(Mailbox.label)


def mailboxes_using_source(source: LeadSource) -> Select[Mailbox]:
    """Mailboxes whose new leads get this source, by label."""
    return mailboxes_converting_to_leads().where(Mailbox.action_settings["source"].astext == source.key)


def remove_lead_source(source: LeadSource) -> None:
    """Take an unused source away; `ConflictError` says what uses it."""
    used = lead_count_by_source().get(source.id, 0)
    if used:
        raise ConflictError(
            f"{used} {'lead has' if used == 1 else 'leads have'} this source. Hide it instead."
        )
    mailboxes = [mailbox.label for mailbox in db.session.scalars(mailboxes_using_source(source))]
    if mailboxes:
        raise ConflictError(
            f"New leads get this source in: {', '.join(mailboxes)}. Choose another one there first."
        )
    delete_lead_source(source)


def deactivation_effects(channel: Channel) -> list[str]:
    """What deactivating a channel changes, in sentences with numbers."""
    if not is_last_active(channel):
        return ["Another channel is active: mailboxes go on making leads."]
    stopped = [mailbox.label for mailbox in db.session.scalars(mailboxes_converting_to_leads())]
    if not stopped:
        return ["It is the last active channel. No mailbox makes leads now; none can be set to do so."]
    noun = "mailbox makes" if len(stopped) == 1 else "mailboxes make"
    return [f"It is the last active channel: {len(stopped)} {noun} no leads any more ({', '.join(stopped)})."]
