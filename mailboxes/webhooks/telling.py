"""What happens is written down for the webhooks that listen, in the transaction that makes it true.

Where no active webhook listens to a kind that costs one short query in a transaction, or in a portion. It
knows ids alone: what tells stands below messages and mailboxes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text

from mailboxes.webhooks.table import KINDS, Webhook, WebhookCall, WebhookMailbox
from tenants.database import current_organization_id, db, now
from tenants.database.bulk import insert_rows
from tenants.database.portions import asked_once, do_later

LIFETIME = timedelta(days=1)  # so long a call is tried again
_BELL = "webhook calls"  # in the session: some are written, and nobody has rung for them

# Messages stand above this: they are asked for by name, and row security keeps them to the organization.
_MAILBOXES_OF = text(
    "SELECT id, mailbox_id FROM messages WHERE organization_id = :organization_id AND id = ANY (:ids)"
)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened. Its mailbox is given, or that of the message it began with; or it has none.

    ``details``: ids and words of ours under the names that a receiver gets them by.
    """

    kind: str
    mailbox_id: UUID | None = None
    opening_message_id: UUID | None = None
    details: dict[str, Any] = field(default_factory=dict)


def is_told(kind: str) -> bool:
    """Whether any active webhook of the organization listens to this kind."""
    if kind not in KINDS:
        raise ValueError(f"{kind} is no kind of event")
    return kind in _kinds()


def tell(
    kind: str,
    *,
    mailbox_id: UUID | None = None,
    opening_message_id: UUID | None = None,
    **details: Any,
) -> None:
    """Write down what happened, if anybody listens; with its portion, if there is one."""
    if is_told(kind):
        do_later(tell_all, Happening(kind, mailbox_id, opening_message_id, _plain(details)))


def tell_of_conversations(kind: str, mailbox_ids: Mapping[UUID, UUID], **details: Any) -> None:
    """The same of several conversations, each of its mailbox; asked and written once for all."""
    if mailbox_ids and is_told(kind):
        plain = _plain(details)
        tell_all(
            [
                Happening(kind, mailbox_id, details={"conversation": str(id), **plain})
                for id, mailbox_id in mailbox_ids.items()
            ]
        )


def tell_all(happenings: Sequence[Happening]) -> None:
    """The same of many things at once, of which at least one has listeners, in order."""
    listening = db.session.execute(_listeners()).all()
    openings = _mailboxes_of(one.opening_message_id for one in happenings if one.mailbox_id is None)
    moment, rows = now(), []
    for one in happenings:
        mailbox_id = one.mailbox_id or openings.get(one.opening_message_id)
        rows += [
            {
                "webhook_id": row.id,
                "mailbox_id": mailbox_id,
                "kind": one.kind,
                "details": one.details,
                "occurred_at": moment,
                "give_up_at": moment + LIFETIME,
            }
            for row in listening
            if one.kind in row.kinds and (row.is_everywhere or mailbox_id in row.mailbox_ids)
        ]
    if insert_rows(WebhookCall, rows):
        need_bell()


def need_bell() -> None:
    """Calls were written, or are due anew."""
    db.session.info[_BELL] = True


def takes_bell() -> bool:
    """Whether calls were written in this session since this was last asked: then the door rings."""
    return bool(db.session.info.pop(_BELL, False))


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in details.items()}


@asked_once
def _kinds() -> frozenset[str]:
    kinds = select(func.unnest(Webhook.kinds)).where(Webhook.paused_because == "")
    return frozenset(db.session.scalars(kinds))


def _listeners() -> Select[Any]:
    """Active webhooks; whoever deletes one of them waits until its calls are written."""
    chosen = (
        select(WebhookMailbox.mailbox_id)
        .where(
            WebhookMailbox.organization_id == Webhook.organization_id, WebhookMailbox.webhook_id == Webhook.id
        )
        .correlate(Webhook)
        .scalar_subquery()
    )
    columns = (Webhook.id, Webhook.kinds, Webhook.is_everywhere, func.array(chosen).label("mailbox_ids"))
    active = select(*columns).where(Webhook.paused_because == "").order_by(Webhook.id)
    return active.with_for_update(read=True, key_share=True, of=Webhook)


def _mailboxes_of(message_ids: Iterable[UUID | None]) -> dict[UUID | None, UUID]:
    ids: Collection[UUID] = {id for id in message_ids if id is not None}
    if not ids:
        return {}
    given = {"organization_id": current_organization_id(), "ids": list(ids)}
    return {row.id: row.mailbox_id for row in db.session.execute(_MAILBOXES_OF, given)}
