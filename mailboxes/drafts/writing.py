"""A draft is written: what is typed, files, a template, or nothing of it any more."""

from uuid import UUID

from sqlalchemy import delete

from mailboxes import templates
from mailboxes.access import demand_reply
from mailboxes.drafts.room import demand_room_for_a_file
from mailboxes.drafts.table import Draft, DraftAttachment, answered_message, mailbox_of
from mailboxes.filenames import safe_filename
from mailboxes.template_values import hidden_from, values_for, values_of_new
from tenants.configuration.layers import value_of
from tenants.database import db, now
from tenants.errors import ConflictError, InvalidError
from tenants.organizations import Membership

LONGEST = {"to": 10_000, "cc": 10_000, "bcc": 10_000, "subject": 500, "body": 500_000}


def save(draft: Draft, values: dict[str, str]) -> None:
    """Keep what was typed, as it was typed: to, cc, bcc, subject, body."""
    for name, longest in LONGEST.items():
        if name in values:
            text = values[name].replace("\0", "").replace("\r\n", "\n")
            if len(text) > longest:
                raise InvalidError(f"This is too long: at most {longest} characters.", field=name)
            setattr(draft, name, text)
    draft.updated_at = now()


def change_mailbox(member: Membership, draft: Draft, mailbox_id: UUID) -> None:
    """Send a new message from another mailbox; an answer stays with its conversation's."""
    if draft.kind != "new":
        raise ConflictError("An answer is sent from the mailbox of its conversation.")
    demand_reply(member, mailbox_id)
    draft.mailbox_id = mailbox_id


def attach(draft: Draft, filename: str, content_type: str, content: bytes) -> None:
    """Add a file; `InvalidError` at ``files`` if all together would be larger than permitted."""
    name = safe_filename(filename)
    demand_room_for_a_file(draft, name, len(content))
    kept_type = content_type if "/" in content_type else "application/octet-stream"
    db.session.add(
        DraftAttachment(draft_id=draft.id, filename=name, content_type=kept_type[:100], content=content)
    )
    draft.updated_at = now()
    db.session.flush()


def detach(draft: Draft, id: UUID) -> None:
    """Take a file away again."""
    db.session.execute(
        delete(DraftAttachment).where(DraftAttachment.draft_id == draft.id, DraftAttachment.id == id)
    )
    draft.updated_at = now()


def discard(draft: Draft) -> None:
    """Throw a draft away, with its files."""
    db.session.delete(draft)
    db.session.flush()


def use_template(member: Membership, draft: Draft, template_id: UUID) -> list[str]:
    """Put a template's text, filled in, before what is typed; its subject where there is none yet.

    Returns the groups of variables that stay empty, because the member may not see their records.
    """
    template = templates.named_template(template_id)
    answered = answered_message(draft)
    values = values_for(answered, member=member) if answered else values_of_new(mailbox_of(draft), member)
    own = str(value_of("general.language", user=member.user))
    filled = templates.render(template, [answered.language if answered else None, own], values)
    draft.body = f"{filled.text.rstrip()}\n{draft.body}"
    draft.subject = draft.subject or filled.subject
    draft.updated_at = now()
    return sorted(hidden_from(member) & templates.groups_of(template))
