"""Messages that could not be converted and answered, and were left to people after a few attempts.

They are messages like any other, in their conversations; what automation owes them is what is missing.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update

from mailboxes import timeline
from mailboxes.crm.paging import Page, page
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from tenants.database import db, now
from tenants.database.bulk import among

MOST_COUNTED = 1_000  # in the navigation
ADVICE = "It can be converted by hand, or processed again from the quarantine."
AGAIN = "An administrator let it be converted and answered after all."
DISMISSED = "An administrator has seen that it was not converted and answered, and left it so."


def leave_to_people(message: Message, why: str) -> None:
    """Nobody tries any more; ``why`` is a sentence without content of the message. The caller commits."""
    message.work, message.work_error = "none", why
    reason = f"It could not be converted and answered. {why} {ADVICE}"
    timeline.record(message, "changed", "given up", reason)


def given_up_page(cursor: str = "") -> Page[Message]:
    """A page of those of the current organization, newest first; ``work_error`` says why."""
    query = select(Message).where(_is_given_up())
    return page(query, Message.arrived_at, Message.id, is_descending=True, cursor=cursor)


def given_up_count() -> int:
    """How many there are in the current organization, at most `MOST_COUNTED`."""
    some = select(Message.id).where(_is_given_up()).limit(MOST_COUNTED)
    return db.session.scalar(select(func.count()).select_from(some.subquery())) or 0


def try_again(message_ids: Collection[UUID]) -> int:
    """Let them be converted and answered after all, as if nothing had been tried; how many.

    Whoever comes second gets nothing: what waits again is not given up. The caller commits.
    """
    again = {"work": "pending", "work_attempts": 0, "work_after": now(), "work_error": ""}
    return _settle(message_ids, again, "tried again", AGAIN)


def dismiss(message_ids: Collection[UUID]) -> int:
    """Take those out of the list that nobody needs converted; how many. The caller commits."""
    return _settle(message_ids, {"work_error": ""}, "left as it is", DISMISSED)


def _settle(message_ids: Collection[UUID], values: dict[str, Any], result: str, reason: str) -> int:
    chosen = among(Message.id, message_ids)
    hold_mailboxes(Mailbox.id.in_(select(Message.mailbox_id).where(chosen)))
    held = select(Message.id).where(_is_given_up(), chosen).order_by(Message.id)
    ids = list(db.session.scalars(held.with_for_update(key_share=True)))
    db.session.execute(
        update(Message)
        .where(among(Message.id, ids))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    timeline.record_for_all(ids, "changed", result, reason)
    return len(ids)


def _is_given_up() -> ColumnElement[bool]:
    is_here = Message.mailbox_id.in_(select(Mailbox.id))  # and no mailbox that is being deleted
    return (Message.work == "none") & (Message.work_error != "") & is_here
