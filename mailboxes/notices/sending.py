"""Notices are sent: each at most once, by the server of the system."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import delete, select, update

from mailboxes.composing import Letter, Mailer, compose
from mailboxes.connections import egress_policy
from mailboxes.notices.table import Notice
from mailboxes.smtp import DeliveryResult, SmtpSettings, deliver
from tenants.application import settings_of
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import effective, own_secret_of
from tenants.database import INSTALLATION, across_organizations, db, inside, inside_installation, now
from tenants.organizations import Organization
from tenants.secrets import UnreadableSecretError, decrypt

KEPT = timedelta(days=30)
CLAIM = timedelta(minutes=25)  # longer than a server may take for all steps together
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240))
WAITING = ("ready", "claimed", "committing")
LONGEST_ERROR = 500
LOST_TRACK = "The connection ended when the notice was complete: it may have been sent."
GAVE_UP = "It could not be sent in time."
NO_SERVER = "The system has no SMTP server or no sender address for notices."
UNREADABLE = "The notice or the password of the system's SMTP server cannot be decrypted."

log = structlog.get_logger()


def can_send() -> bool:
    """Whether the system has a server and a sender for notices."""
    return bool(_value("smtp.host") and _value("notice.sender_address"))


def owners_with_due_notices() -> list[UUID]:
    """Whose notices wait: enabled organizations, and `INSTALLATION`."""
    due = (
        select(Notice.owner_id)
        .outerjoin(Organization, Organization.id == Notice.organization_id)
        .where(
            Notice.state.in_(WAITING),
            Notice.next_attempt_at <= now(),
            Organization.is_enabled.is_not(False),
        )
        .distinct()
    )
    with across_organizations("the sweep finds whose notices are due") as session:
        return list(session.scalars(due))


def forget_old_notices() -> None:
    """Remove what came to an end long ago, with the addresses in it."""
    with across_organizations("notices of all organizations are forgotten alike") as session:
        session.execute(delete(Notice).where(Notice.ended_at < now() - KEPT))
        session.commit()


def send_due_notices(owner: UUID) -> None:
    """Send what is due of one owner, one after another; commits in between. Safe to run twice."""
    with outbox_of(owner):
        if not _is_open(owner):
            return
        _settle()
        while (notice := _claimed()) is not None:
            _conclude(notice.id, notice.fence, _sent(notice))


@contextmanager
def outbox_of(owner: UUID) -> Iterator[None]:
    """A fresh scope bound to whom the notices belong."""
    scope = inside_installation("its own notices") if owner == INSTALLATION else inside(owner)
    with scope:
        yield


def _is_open(owner: UUID) -> bool:
    """A disabled organization sends nothing."""
    organization = db.session.get(Organization, owner)
    return owner == INSTALLATION or (organization is not None and organization.is_enabled)


def _settle() -> None:
    """What a crash left behind, and what waited too long."""
    moment = now()
    expired = select(Notice).where(
        Notice.state.in_(("claimed", "committing")), Notice.claim_expires_at <= moment
    )
    for notice in db.session.scalars(expired.with_for_update(skip_locked=True)).all():
        if notice.state == "claimed":
            notice.state, notice.claim_expires_at = "ready", None
        else:
            _end(notice, "unknown", LOST_TRACK)
    late = select(Notice).where(Notice.state == "ready", Notice.give_up_at <= moment)
    for notice in db.session.scalars(late.with_for_update(skip_locked=True)).all():
        _end(notice, "failed", notice.last_error or GAVE_UP)
    db.session.commit()


def _claimed() -> Notice | None:
    due = select(Notice).where(Notice.state == "ready", Notice.next_attempt_at <= now())
    notice = db.session.scalar(
        due.order_by(Notice.next_attempt_at, Notice.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if notice is not None:
        notice.state, notice.claim_expires_at = "claimed", now() + CLAIM
        notice.fence += 1
        notice.attempts += 1
    db.session.commit()
    return notice


def _sent(notice: Notice) -> DeliveryResult | None:
    """What became of an attempt; None if somebody else has taken the notice over."""
    if not can_send():
        return DeliveryResult("temporary", "connect", reason=NO_SERVER)
    try:
        server, data = _server(), _letter(notice)
    except UnreadableSecretError:
        return DeliveryResult("permanent", "envelope", reason=UNREADABLE)
    policy, sender = egress_policy(), _value("notice.sender_address")
    db.session.commit()  # no transaction is open while a server is waited for
    try:
        return deliver(
            server,
            policy,
            envelope_sender=sender,
            recipients=[notice.recipient],
            data=data,
            before_final_dot=partial(_pass_the_point_of_no_return, notice.id, notice.fence),
        )
    except _ClaimLostError:
        log.warning("claim lost before the dot", notice=str(notice.id))
        return None


class _ClaimLostError(RuntimeError):
    """Somebody else has taken the notice over; without the dot nothing was sent."""


def _pass_the_point_of_no_return(id: UUID, fence: int) -> None:
    passed = db.session.execute(
        update(Notice)
        .where(Notice.id == id, Notice.fence == fence, Notice.state == "claimed")
        .values(state="committing", claim_expires_at=now() + CLAIM)
        .returning(Notice.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    db.session.commit()
    if passed is None:
        raise _ClaimLostError


def _conclude(id: UUID, fence: int, result: DeliveryResult | None) -> None:
    taken = select(Notice).where(Notice.id == id, Notice.fence == fence, Notice.state.in_(WAITING))
    notice = db.session.scalar(taken.with_for_update().execution_options(populate_existing=True))
    if notice is None or result is None:
        db.session.rollback()
        return
    wait = BACK_OFF[min(notice.attempts, len(BACK_OFF)) - 1]
    if result.is_sent:
        _end(notice, "sent", "")
    elif result.outcome == "unknown":
        _end(notice, "unknown", f"{LOST_TRACK} {result.reason}")
    elif result.outcome == "permanent" or now() + wait >= notice.give_up_at:
        _end(notice, "failed", result.reason or GAVE_UP)
    else:
        notice.state, notice.claim_expires_at = "ready", None
        notice.next_attempt_at, notice.last_error = now() + wait, result.reason[:LONGEST_ERROR]
    db.session.commit()
    log.info("notice", notice=str(id), kind=notice.kind, state=notice.state, outcome=result.outcome)


def _end(notice: Notice, state: str, reason: str) -> None:
    notice.state, notice.claim_expires_at, notice.ended_at = state, None, now()
    notice.content, notice.last_error = None, reason[:LONGEST_ERROR]


def _letter(notice: Notice) -> bytes:
    content = json.loads(decrypt(notice.content or b"", table="notices", row=notice.id, column="content"))
    sender = Mailer(_value("notice.sender_name"), _value("notice.sender_address"))
    return compose(
        Letter(
            header_id=f"{notice.id}@{sender.address.rpartition('@')[2]}",
            date=now(),
            sender=sender,
            to=[Mailer("", notice.recipient)],
            subject=content["subject"],
            text=content["body"],
            own_headers=(("Auto-Submitted", "auto-generated"),),
        )
    )


def _server() -> SmtpSettings:
    return SmtpSettings(
        host=_value("smtp.host"),
        port=int(_value("smtp.port")),
        encryption=effective("smtp.encryption", SYSTEM).value,
        user=_value("smtp.user"),
        password=own_secret_of("smtp.password", SYSTEM),
        ca_file=settings_of(current_app).ca_file,
    )


def _value(key: str) -> str:
    return str(effective(key, SYSTEM).value)
