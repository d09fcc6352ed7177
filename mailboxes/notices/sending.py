"""Notices are sent: each at most once, by the server of the system."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import delete, select

from mailboxes.at_most_once import (
    GAVE_UP,
    LOST_TRACK,
    ClaimLostError,
    claim_next,
    end_what_was_left,
    pass_the_point_of_no_return,
    still_ours,
)
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
WAITING = ("ready", "claimed", "committing")
LONGEST_ERROR = 500
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
        end_what_was_left(Notice, _end)
        db.session.commit()
        while (notice := claim_next(Notice, select(Notice))) is not None:
            result = _attempt(notice)
            if result is not None:
                _conclude(notice.id, notice.fence, result)


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


def _attempt(notice: Notice) -> DeliveryResult | None:
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
            before_final_dot=partial(pass_the_point_of_no_return, Notice, notice.id, notice.fence),
        )
    except ClaimLostError:
        log.warning("claim lost before the dot", notice=str(notice.id))
        return None


def _conclude(id: UUID, fence: int, result: DeliveryResult) -> None:
    notice = still_ours(Notice, id, fence, result)
    if notice is None:
        db.session.rollback()
        return
    if result.is_sent:
        _end(notice, "sent", "")
    elif result.outcome == "unknown":
        _end(notice, "unknown", f"{LOST_TRACK} {result.reason}")
    elif result.outcome == "permanent":
        _end(notice, "failed", result.reason or GAVE_UP)
    else:
        _not_now(notice, result.reason)
    db.session.commit()
    log.info("notice", notice=str(id), kind=notice.kind, state=notice.state, outcome=result.outcome)


def _not_now(notice: Notice, reason: str) -> None:
    notice.put_back(reason[:LONGEST_ERROR])
    if notice.next_attempt_at >= notice.give_up_at:
        _end(notice, "failed", reason or GAVE_UP)


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
            own_headers=(("Auto-Submitted", "auto-generated"), *_unsubscribing(content)),
        )
    )


def _unsubscribing(content: dict[str, str]) -> list[tuple[str, str]]:
    """Where mail programs offer to end it (RFC 2369, section 3.2)."""
    url = content.get("settings_url")  # a notice that was queued before there were any has none
    return [("List-Unsubscribe", f"<{url}>")] if url else []


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
