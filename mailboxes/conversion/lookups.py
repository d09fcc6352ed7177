"""What lead sources and channels mean for mailboxes and leads: what may go, and what that changes."""

from sqlalchemy import text, update

from mailboxes.conversion.uses import converting_to_leads, mailboxes_using, source_settings, uses_of
from mailboxes.crm.channels import Channel, has_active_channel, is_last_active
from mailboxes.crm.lead_sources import LeadSource, delete_lead_source, turn_into_signpost
from mailboxes.crm.leads import Lead, lead_count_by_source
from mailboxes.system_mailboxes import Mailbox
from tenants.database import current_organization_id, db, now
from tenants.errors import ConflictError, InvalidError
from tenants.offers import NEW_ID


def remove_lead_source(source: LeadSource) -> None:
    """Take an unused source away; `ConflictError` says what uses it."""
    used = lead_count_by_source().get(source.id, 0)
    if used:
        raise ConflictError(
            f"{used} {'lead has' if used == 1 else 'leads have'} this source. Hide it instead, or merge it."
        )
    using = uses_of(source)
    if using.count:
        raise ConflictError(f"New leads get this source in: {using}. Choose another one there, or merge it.")
    delete_lead_source(source)


def merge_effects(source: LeadSource) -> list[str]:
    """What merging a source into another one changes, in sentences with numbers."""
    count = lead_count_by_source().get(source.id, 0)
    using = uses_of(source)
    effects = [f"{_leads(count)} get{'s' if count == 1 else ''} the other source; their history says so."]
    if using.count:
        noun = "mailbox gives" if using.count == 1 else "mailboxes give"
        effects.append(f"{using.count} {noun} new leads the other source: {using}.")
    if source.is_default:
        effects.append("The default source is the other source then.")
    later = "Offered again, it does not get them back." if source.system_key else "This cannot be taken back."
    return [*effects, f"“{source.name}” cannot be chosen any more. {later}"]


def merge_lead_sources(source: LeadSource, into: LeadSource, *, by: str) -> tuple[int, list[str]]:
    """Make one of two: leads and mailboxes get ``into``. How many leads, and the labels of the mailboxes."""
    if source.id == into.id:
        raise InvalidError("Choose another source than this one.", field="into")
    given = {"source_id": source.id, "before": source.name, "after": into.name, "by": by}
    db.session.execute(text(_REMEMBERED), {"organization_id": current_organization_id(), **given})
    moved = db.session.execute(
        update(Lead)
        .where(Lead.source_id == source.id)
        .values(source_id=into.id, updated_at=now())
        .execution_options(synchronize_session="fetch")
    )
    using = db.session.scalars(mailboxes_using(source)).all()
    for mailbox in using:
        _give(mailbox, source, into)
    turn_into_signpost(source, into)
    return moved.rowcount, [mailbox.label for mailbox in using]  # type: ignore[attr-defined]


def deactivation_effects(channel: Channel) -> list[str]:
    """What deactivating a channel changes, in sentences with numbers."""
    if not is_last_active(channel):
        return ["Another channel is active: mailboxes go on making leads, and the option stays."]
    using = converting_to_leads()
    effects = ["It is the last active channel: no mailbox can be set to “Convert to lead” any more."]
    if not using.count:
        return [*effects, "No mailbox makes leads now."]
    noun = "mailbox is" if using.count == 1 else "mailboxes are"
    return [
        *effects,
        f"{using.count} {noun} set to convert to leads and will make none: {using}.",
        "What arrives there meanwhile stays in My Emails without a record; its timeline says why, and it can "
        "be converted by hand once a channel is active again.",
    ]


def activation_effects() -> list[str]:
    """What activating a channel changes."""
    if has_active_channel():
        return ["Another channel is active already: mailboxes make leads as before."]
    using = converting_to_leads()
    effects = ["Mailboxes can be set to “Convert to lead”."]
    if using.count:
        noun = "mailbox makes" if using.count == 1 else "mailboxes make"
        effects.append(f"{using.count} {noun} leads again of what arrives from now on: {using}.")
    return effects


_REMEMBERED = f"""
INSERT INTO lead_changes (organization_id, id, lead_id, at, actor_name, changes)
SELECT organization_id, {NEW_ID}, id, now(), :by,
       jsonb_build_object('source', jsonb_build_array(CAST(:before AS text), CAST(:after AS text)))
FROM leads WHERE organization_id = :organization_id AND source_id = :source_id
"""  # noqa: S608  # made of constants


def _give(mailbox: Mailbox, source: LeadSource, into: LeadSource) -> None:
    """What follows the system keeps naming its key, which leads on to the other source."""
    own = mailbox.overrides.get("source", {}).get("value")
    if mailbox.global_mailbox_id is not None and own not in (source.key, source.system_key):
        return
    changed = {
        name: into.key
        for name in source_settings(mailbox)
        if mailbox.action_settings[name] in (source.key, source.system_key)
    }
    mailbox.action_settings = {**mailbox.action_settings, **changed}
    if mailbox.global_mailbox_id is not None:
        mailbox.overrides = {
            **mailbox.overrides,
            "source": {**mailbox.overrides["source"], "value": into.key},
        }


def _leads(count: int) -> str:
    return "1 lead" if count == 1 else f"{count} leads"
