"""Notices: mail of the system itself, such as an invitation, sent by the system's own SMTP server.

A notice is a row until it has left. Its subject and text are encrypted while it waits, because a link in
it opens something, and forgotten when it came to an end. The states are those of the outbox
(reliability §3.4): it is sent at most once, unless somebody asks for another one.

Always the *system's* server and sender: an organization that names a server of its own would read links
that prove to others who somebody is.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import CheckConstraint, Index, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.composing import Letter, Mailer, checked_address, compose
from mailboxes.connections import egress_policy
from mailboxes.smtp import DeliveryResult, SmtpSettings, deliver
from tenants.application import settings_of
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import effective, own_secret_of
from tenants.database import (
    INSTALLATION,
    Base,
    OptionallyScoped,
    across_organizations,
    db,
    inside,
    inside_installation,
    is_one_of,
    now,
    uuid7,
)
from tenants.organizations import Organization
from tenants.secrets import UnreadableSecretError, decrypt, encrypt

LIFETIME = timedelta(days=2)
KEPT = timedelta(days=30)
CLAIM = timedelta(minutes=25)  # longer than a server may take for all steps together
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240))
WAITING = ("ready", "claimed", "committing")
LONGEST_ERROR = 500
MOST_OF_A_NAME = 100
LOST_TRACK = "The connection ended when the notice was complete: it may have been sent."
GAVE_UP = "It could not be sent in time."
NO_SERVER = "The system has no SMTP server or no sender address for notices."
UNREADABLE = "The notice or the password of the system's SMTP server cannot be decrypted."

log = structlog.get_logger()


class Notice(OptionallyScoped, Base):
    """One letter of the system to one person; of an organization, or of the installation.

    ``state``: ready, claimed, committing, sent, failed, unknown (after the final dot without an answer),
    cancelled. ``once``: where it is set, a second notice of the same owner with it is not made.
    """

    __tablename__ = "notices"
    __table_args__ = (
        CheckConstraint(
            "state IN ('ready', 'claimed', 'committing', 'sent', 'failed', 'unknown', 'cancelled')",
            name="state",
        ),
        Index("uq_notices_once", "owner_id", "once", unique=True),
        Index("ix_notices_about_id", "owner_id", "about_id"),
        Index(
            "ix_notices_due",
            "next_attempt_at",
            postgresql_where=text("state IN ('ready', 'claimed', 'committing')"),
        ),
    )

    kind: Mapped[str]  # such as invitation
    recipient: Mapped[str]
    about_id: Mapped[UUID | None] = mapped_column(default=None)  # the row that it is about
    once: Mapped[str | None] = mapped_column(default=None)
    content: Mapped[bytes | None] = mapped_column(default=None)  # encrypted
    state: Mapped[str] = mapped_column(default="ready")
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    give_up_at: Mapped[datetime]
    claim_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    last_error: Mapped[str] = mapped_column(default="")
    made_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)


def can_send() -> bool:
    """Whether the system has a server and a sender for notices."""
    return bool(_value("smtp.host") and _value("notice.sender_address"))


@dataclass(frozen=True)
class Unsent:
    """A notice that is not stored yet; ``about_id`` names the row that it is about."""

    recipient: str
    subject: str
    body: str
    about_id: UUID | None = None


def queue_notice(
    kind: str,
    recipient: str,
    subject: str,
    body: str,
    *,
    about_id: UUID | None = None,
    once: str | None = None,
    lifetime: timedelta = LIFETIME,
) -> UUID | None:
    """Store a notice of the organization, or of the installation, that the session is bound to.

    None if it was made before (``once``). `InvalidError` if ``recipient`` is no address. The caller
    commits, and rings `workers.queues.ring_notices`.
    """
    letter = Unsent(recipient, subject, body, about_id)
    row = _row(kind, letter, lifetime) | {"once": once}
    added = db.session.execute(
        insert(Notice).values(row).on_conflict_do_nothing().returning(Notice.id)
    ).scalar()
    return None if added is None else row["id"]


def cut_line(words: str) -> str:
    """What somebody chose to be called, as a letter may carry it: our mail takes no messages to strangers."""
    return " ".join(words.split())[:MOST_OF_A_NAME]


def queue_notices(kind: str, letters: Sequence[Unsent], *, lifetime: timedelta = LIFETIME) -> None:
    """Store many notices of a kind in one statement; what waited about the same rows is called off."""
    if not letters:
        return
    call_off(*(one.about_id for one in letters if one.about_id is not None))
    db.session.execute(insert(Notice), [_row(kind, letter, lifetime) for letter in letters])


def _row(kind: str, letter: Unsent, lifetime: timedelta) -> dict[str, Any]:
    id, owner = uuid7(), db.session.info.get("organization_id")
    content = json.dumps({"subject": letter.subject, "body": letter.body})
    return {
        "id": id,
        "organization_id": None if owner == INSTALLATION else owner,
        "kind": kind,
        "recipient": checked_address(letter.recipient),
        "about_id": letter.about_id,
        "content": encrypt(content, table="notices", row=id, column="content"),
        "give_up_at": now() + lifetime,
    }


def call_off(*about_ids: UUID) -> None:
    """What waits about these rows is not sent any more. The caller commits."""
    db.session.execute(
        update(Notice)
        .where(is_one_of(Notice.about_id, about_ids), Notice.state == "ready")
        .values(state="cancelled", content=None, ended_at=now())
        .execution_options(synchronize_session=False)
    )


def latest_notices(about_ids: list[UUID]) -> dict[UUID, Notice]:
    """The last notice about each of these rows, where there is one."""
    found = db.session.scalars(select(Notice).where(Notice.about_id.in_(about_ids)).order_by(Notice.id))
    return {notice.about_id: notice for notice in found if notice.about_id is not None}


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
