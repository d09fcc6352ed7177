"""A bounce of something we have sent: linked to it, and robots leave the address alone (S15)."""

from sqlalchemy import select

from mailboxes import timeline
from mailboxes.classifying import reported_ids
from mailboxes.messages import Message
from mailboxes.outgoing import AUTOMATIC, REPLY, Outgoing
from mailboxes.parsing import parse
from mailboxes.raws import raw_content
from mailboxes.threads import Thread
from mailboxes.undeliverable import mark_undeliverable
from mailboxes.webhooks.telling import tell
from tenants.database import db

MOST_IDS = 50


def note_bounce(bounce: Message) -> Outgoing | None:
    """Find what came back; mark its recipients; say so on both timelines. None if it is not ours."""
    sent = _what_came_back(bounce)
    if sent is None:
        return None
    for address in _failed(bounce, sent):
        mark_undeliverable(address, bounce.subject)
    message = db.session.get_one(Message, (sent.organization_id, sent.message_id))
    named = ", ".join(_failed(bounce, sent)[:3]) or "its recipient"
    timeline.record(message, "changed", "bounced", f"It came back: {named} did not get it.")
    timeline.record(bounce, "changed", "linked", f"It is about our message “{message.subject}”.")
    if sent.kind == REPLY and message.thread_id == bounce.thread_id:
        _reopen(bounce)
    return sent


def _reopen(bounce: Message) -> None:
    """What a person wrote has reached nobody: somebody has to see that, done or not."""
    thread = db.session.get_one(Thread, (bounce.organization_id, bounce.thread_id))
    was_open = thread.status == "open"
    if not was_open or thread.is_snoozed:
        thread.status, thread.snoozed_until = "open", None
        timeline.record(bounce, "changed", "open", "The conversation is open again: an answer came back.")
    if not was_open:
        tell(
            "conversation.status_changed",
            mailbox_id=thread.mailbox_id,
            conversation=thread.id,
            status="open",
        )


def _what_came_back(bounce: Message) -> Outgoing | None:
    ids = [bounce.in_reply_to, *bounce.references, *_returned_ids(bounce)]
    wanted = [id for id in dict.fromkeys(ids) if id][:MOST_IDS]
    if not wanted:
        return None
    return db.session.scalar(
        select(Outgoing)
        .where(Outgoing.header_id.in_(wanted), Outgoing.mailbox_id == bounce.mailbox_id)
        .order_by(Outgoing.id.desc())
        .limit(1)
    )


def _returned_ids(bounce: Message) -> list[str]:
    """Message-IDs in the header that the bounce gives back, or in its text."""
    if bounce.raw_id is None:
        return []
    return reported_ids(parse(raw_content(bounce.raw_id)))


def _failed(bounce: Message, sent: Outgoing) -> list[str]:
    """Those of our recipients that failed; the one recipient of a robot, whatever the bounce says."""
    ours = {address.lower(): address for address in sent.recipients}
    named = [str(address).lower() for address in bounce.facts.get("failed_recipients") or []]
    failed = [ours[address] for address in named if address in ours]
    return failed or (list(sent.recipients) if sent.kind == AUTOMATIC else [])
