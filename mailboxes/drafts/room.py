"""How much room the drafts of one person have: what is not sent must not fill the database."""

from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from mailboxes.drafts.table import Draft, DraftAttachment
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import ConflictError, InvalidError
from tenants.organizations import Membership

MEGABYTE = 1024 * 1024
MOST_DRAFTS = 200  # of one person; what is typed into one has limits of its own


def demand_room_for_a_draft(member: Membership) -> None:
    """`ConflictError` where this person has begun as many as one may."""
    _wait_for_others(member.id)
    unsent = select(func.count(Draft.id)).where(Draft.membership_id == member.id, Draft.outgoing_id.is_(None))
    if (db.session.scalar(unsent) or 0) >= MOST_DRAFTS:
        raise ConflictError(
            f"You have {MOST_DRAFTS} drafts already. Send or discard some of them first; they are all under "
            "Drafts in My Emails."
        )


def demand_room_for_a_file(draft: Draft, name: str, size: int) -> None:
    """`InvalidError` at ``files`` where this message, or all drafts of its writer, would be too large."""
    _wait_for_others(draft.membership_id)
    each, all_together = int(value_of("mail.max_upload_mb")), int(value_of("mail.drafts_mb"))
    total = _size_of(DraftAttachment.draft_id == draft.id) + size
    if total > each * MEGABYTE:
        raise InvalidError(
            f"“{name}” was not added: with it the files would have {total / MEGABYTE:.1f} MB, and all files "
            f"of one message together may have {each} MB. Your text is kept.",
            field="files",
        )
    unsent = select(Draft.id).where(Draft.membership_id == draft.membership_id, Draft.outgoing_id.is_(None))
    total = _size_of(DraftAttachment.draft_id.in_(unsent)) + size
    if total > all_together * MEGABYTE:
        raise InvalidError(
            f"“{name}” was not added: with it the files of all your drafts would have "
            f"{total / MEGABYTE:.1f} MB, and they may have {all_together} MB. Send or discard another draft "
            "first, under Drafts in My Emails. Your text is kept.",
            field="files",
        )


def _wait_for_others(membership_id: UUID) -> None:
    """Whoever adds to the drafts of this person at the same time counts after us."""
    this = select(Membership.id).where(Membership.id == membership_id)
    db.session.execute(this.with_for_update(key_share=True))


def _size_of(condition: ColumnElement[bool]) -> int:
    sizes = select(func.sum(func.length(DraftAttachment.content))).where(condition)
    return db.session.scalar(sizes) or 0
