"""The outbox is sent: at most once by robots, and again for people only if a person says so.

How that is kept is told in `mailboxes.at_most_once`; here is what each outcome means for a message,
its mailbox and what it answers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import Select, func, or_, select, update

from mailboxes import timeline
from mailboxes.at_most_once import (
    GAVE_UP,
    LOST_TRACK,
    ClaimLostError,
    claim_next,
    end_what_was_left,
    pass_the_point_of_no_return,
    still_ours,
)
from mailboxes.connections import egress_policy
from mailboxes.crash_points import crash_point
from mailboxes.egress import EgressPolicy
from mailboxes.messages import Message
from mailboxes.outgoing.outbox import AUTOMATIC, REPLY, STOPPED, Outgoing, doubtful_but_seen
from mailboxes.outgoing.routes import Route, carries, remember_null_sender_refused, route_of
from mailboxes.raws import MissingRawError, raw_content
from mailboxes.smtp import DeliveryResult, deliver
from mailboxes.system_mailboxes import Mailbox
from mailboxes.undeliverable import mark_undeliverable
from mailboxes.webhooks.telling import tell
from tenants.configuration.layers import value_of
from tenants.database import db, now

TURN_SECONDS = 120.0
STOP = timedelta(hours=1)  # until a mailbox that cannot sign in tries again
SLOW_DOWN = timedelta(minutes=15)
COPY_DELAY = timedelta(minutes=2)  # for the server to file its own copy, and for us to see it
LONGEST_ERROR = 1_000

WRITTEN_FOR_ANOTHER_WAY = (
    "The mailbox had another SMTP server when this was written, and its address is not proven for the"
    " system's. Prove it, or write the answer anew."
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Everything that sending one message needs, read before the network is touched."""

    route: Route
    policy: EgressPolicy
    data: bytes


def send_due() -> list[Outgoing]:
    """Send what is due in the current organization, one after another; commits in between.

    Returns what has come to an end: sent, failed or unknown. After `TURN_SECONDS` nothing more is
    begun: the sweep rings again, and other organizations have their turn.
    """
    settle()
    concluded = []
    ends_at = time.monotonic() + TURN_SECONDS
    while time.monotonic() < ends_at and (row := claim_next(Outgoing, _due())) is not None:
        crash_point("reply claimed")
        ended = _send(row)
        if ended is not None:
            concluded.append(ended)
    return concluded


def settle() -> None:
    """What a crash left behind, what waited too long, and what turned out to be sent."""
    end_what_was_left(Outgoing, _end)
    for row in db.session.scalars(doubtful_but_seen().with_for_update(skip_locked=True)).all():
        _resolve(row)
    db.session.commit()


def resume_sending(mailbox: Mailbox) -> None:
    """New settings: what waits for this mailbox is tried now. The caller commits, and rings."""
    db.session.execute(
        update(Outgoing)
        .where(Outgoing.mailbox_id == mailbox.id, Outgoing.state == "ready", Outgoing.last_error != "")
        .values(next_attempt_at=now(), last_error="")
        .execution_options(synchronize_session=False)
    )


def _due() -> Select[Outgoing]:
    """What may leave: of mailboxes that are switched on; of one in shadow mode, only what people wrote."""
    return (
        select(Outgoing)
        .join(
            Mailbox,
            (Mailbox.organization_id == Outgoing.organization_id) & (Mailbox.id == Outgoing.mailbox_id),
        )
        .where(Mailbox.is_enabled, or_(Outgoing.kind != AUTOMATIC, Mailbox.is_shadow.is_(False)))
    )


def _send(row: Outgoing) -> Outgoing | None:
    if row.kind == AUTOMATIC and not value_of("response.enabled"):
        return _called_off(row)
    parcel = _parcel(row)
    db.session.commit()
    if isinstance(parcel, DeliveryResult):
        return _conclude(row.id, row.fence, parcel)
    crash_point("before the connection")
    try:
        result = deliver(
            parcel.route.settings,
            parcel.policy,
            envelope_sender=row.envelope_sender or None,
            recipients=row.recipients,
            data=parcel.data,
            before_final_dot=partial(_pass_the_point_of_no_return, row.id, row.fence),
            never_notify=row.kind == AUTOMATIC,
        )
    except ClaimLostError:
        log.warning("claim lost before the dot", outgoing=str(row.id))
        return None
    crash_point("answer read")
    ended = _conclude(row.id, row.fence, result)
    crash_point("outcome committed")
    return ended


def _parcel(row: Outgoing) -> _Parcel | DeliveryResult:
    mailbox = db.session.get_one(Mailbox, (row.organization_id, row.mailbox_id))
    route = route_of(mailbox)
    if isinstance(route, str):
        return DeliveryResult("temporary", "connect", reason=route, stops_mailbox=True)
    message = db.session.get_one(Message, (row.organization_id, row.message_id))
    if not carries(route, message.sender_address):
        return DeliveryResult("permanent", "envelope", reason=WRITTEN_FOR_ANOTHER_WAY)
    try:
        data = raw_content(message.raw_id) if message.raw_id is not None else b""
    except MissingRawError:
        data = b""
    if not data:
        return DeliveryResult("permanent", "envelope", reason="The bytes of the message are lost.")
    return _Parcel(route, egress_policy(), data)


def _pass_the_point_of_no_return(id: UUID, fence: int) -> None:
    crash_point("data sent")
    pass_the_point_of_no_return(Outgoing, id, fence)
    crash_point("committing")


def _conclude(id: UUID, fence: int, result: DeliveryResult) -> Outgoing | None:
    """Write down what became of an attempt; returns the row if that was its end."""
    row = still_ours(Outgoing, id, fence, result)
    if row is None:
        db.session.rollback()
        log.warning("outcome of a lost claim", outgoing=str(id), outcome=result.outcome)
        return None
    _CONCLUSIONS[result.outcome](row, result)
    db.session.commit()
    log.info("sending", outgoing=str(id), state=row.state, outcome=result.outcome, stage=result.stage)
    return row if row.state in ("sent", "failed", "unknown") else None


def _sent(row: Outgoing, result: DeliveryResult) -> None:
    row.sent_at = now()
    row.copy_after = now() + COPY_DELAY
    _end(row, "sent", f"The server has taken it: {result.reason}" if result.reason else "")
    row.last_error = ""


def _unknown(row: Outgoing, result: DeliveryResult) -> None:
    _end(row, "unknown", f"{LOST_TRACK} {result.reason}")


def _refused(row: Outgoing, result: DeliveryResult) -> None:
    if result.null_sender_refused and not row.envelope_sender:
        _with_a_sender(row, result)
        return
    if row.kind == AUTOMATIC and result.stage == "recipient":
        mark_undeliverable(result.recipient, result.reason)
    _end(row, "failed", result.reason)


def _not_now(row: Outgoing, result: DeliveryResult) -> None:
    wait = row.put_back(result.reason[:LONGEST_ERROR])
    if result.stops_mailbox:
        _stop_mailbox(row, result)
    elif result.is_rate_limited:
        _put_off(row, max(wait, SLOW_DOWN), {})
    if row.next_attempt_at >= row.give_up_at and not result.stops_mailbox:
        _end(row, "failed", result.reason or GAVE_UP)


def _with_a_sender(row: Outgoing, result: DeliveryResult) -> None:
    """The server takes no ``<>``: once more, at once, with the mailbox as envelope sender (S9)."""
    mailbox = db.session.get_one(Mailbox, (row.organization_id, row.mailbox_id))
    route = route_of(mailbox)
    if isinstance(route, str):
        _end(row, "failed", route)
        return
    row.state, row.claim_expires_at = "ready", None
    row.envelope_sender = route.sender.mailer.address
    row.last_error = result.reason[:LONGEST_ERROR]
    row.next_attempt_at = now()
    if route.account_id is not None:
        remember_null_sender_refused(mailbox)


def _stop_mailbox(row: Outgoing, result: DeliveryResult) -> None:
    """Wrong settings: everything of this mailbox waits, and is kept for people's sake (S7)."""
    _put_off(row, STOP, {"last_error": f"{STOPPED}{result.reason}"[:LONGEST_ERROR]})
    db.session.execute(
        update(Outgoing)
        .where(Outgoing.mailbox_id == row.mailbox_id, Outgoing.state == "ready", Outgoing.kind == REPLY)
        .values(give_up_at=func.greatest(Outgoing.give_up_at, now() + timedelta(hours=48)))
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(row)


def _put_off(row: Outgoing, wait: timedelta, values: dict[str, str]) -> None:
    """Nothing of this mailbox is tried before that time."""
    until = now() + wait
    db.session.flush()
    db.session.execute(
        update(Outgoing)
        .where(Outgoing.mailbox_id == row.mailbox_id, Outgoing.state == "ready")
        .values(next_attempt_at=func.greatest(Outgoing.next_attempt_at, until), **values)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(row)


def _called_off(row: Outgoing) -> Outgoing:
    """Automatic responses were switched off while this one waited."""
    _end(row, "cancelled", "Automatic responses have been switched off.")
    db.session.commit()
    return row


def _resolve(row: Outgoing) -> None:
    """The copy of a doubtful message was found on the server: it was sent."""
    row.sent_at = row.sent_at or now()
    row.copy_state = "skipped"
    _end(row, "sent", "Its copy was found on the server.")
    row.last_error = ""


_WORDS = {"sent": "sent", "failed": "failed", "unknown": "unknown", "cancelled": "not sent"}


def _end(row: Outgoing, state: str, reason: str) -> None:
    """A final state, on the timeline of our message and of what it answers automatically."""
    row.state, row.claim_expires_at = state, None
    row.last_error = reason[:LONGEST_ERROR]
    row.copy_state = row.copy_state if state in ("sent", "unknown") else "skipped"
    message = db.session.get_one(Message, (row.organization_id, row.message_id))
    timeline.record(message, "sent", _WORDS[state], reason[:LONGEST_ERROR])
    if state == "sent":
        tell(
            "reply.sent" if row.kind == REPLY else "automatic_response.sent",
            mailbox_id=row.mailbox_id,
            message=message.id,
            conversation=message.thread_id,
        )
    if row.kind == AUTOMATIC and row.trigger_id is not None:
        trigger = db.session.get(Message, (row.organization_id, row.trigger_id))
        if trigger is not None:
            timeline.record(trigger, "sent", _WORDS[state], f"The automatic response: {reason or state}")


_CONCLUSIONS: dict[str, Callable[[Outgoing, DeliveryResult], None]] = {
    "sent": _sent,
    "temporary": _not_now,
    "permanent": _refused,
    "unknown": _unknown,
}
