"""Calls are made: at least once each, and whoever failed is asked again for about a day.

A claim is a lease: the attempt is counted, and its next time moved behind the end of this one, so that two
jobs never make one attempt, and what a dead job was about to tell is due again. No transaction is open while
a receiver is waited for. A job asks all receivers at once, each webhook in few places of its own; one that
fails has one, and after failures in a row none for a while, so that it holds up nobody.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import ColumnElement, Select, exists, or_, select, update

from mailboxes import https
from mailboxes.connections import web_policy
from mailboxes.egress import EgressPolicy
from mailboxes.errors import MailServerError, ServerTimeoutError
from mailboxes.webhooks import troubles
from mailboxes.webhooks.content import body_of
from mailboxes.webhooks.signing import headers_of
from mailboxes.webhooks.table import (
    FAILED,
    FAILING,
    GONE,
    MOST,
    TEST,
    TOLD,
    WAITING,
    Webhook,
    WebhookCall,
    WebhookMailbox,
)
from tenants.application import settings_of
from tenants.database import across_organizations, db, now
from tenants.organizations import Organization
from tenants.secrets import UnreadableSecretError, decrypt

PLACES = 4  # calls that a job makes at once to one webhook that answers
TURN_SECONDS = 5.0  # then nothing more is begun: other organizations have their turn
SECONDS = 10.0  # for a whole call, from the look-up of the name to the last byte of the answer
LARGEST_ANSWER = 4096
SHOWN_CHARACTERS = 500  # of an answer, in the log
CLAIM = timedelta(seconds=60)  # longer than a call takes
BACK_OFF = (
    timedelta(seconds=10),
    *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240, 360)),
)
LONGEST_QUIET = timedelta(hours=1)  # until one that fails is asked again
LONGEST_RETRY_AFTER = timedelta(hours=6)
FAILURES = 3  # in a row, after which a webhook as a whole is left alone for a while
A_DAY = timedelta(days=1)  # of failures, after which it is paused
ASKED_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

AT_ONCE = 5_000  # of a webhook that is paused, so many calls end in one transaction
PAUSED_MEANWHILE = "The webhook was paused before this was told."
NOT_CHOSEN = "The webhook is not told of this any more."
UNREADABLE = "The secret of the webhook cannot be decrypted. Make a new one."

Row = TypeVar("Row", Webhook, WebhookCall)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Everything that a call needs, read before the network is touched."""

    webhook_id: UUID
    call_id: UUID
    fence: int
    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a call came to: an answer, or what went wrong before there was one."""

    milliseconds: int
    answer: https.Answer | None = None
    error: str = ""
    is_slow: bool = False

    @property
    def is_ok(self) -> bool:
        return self.answer is not None and self.answer.is_ok


def organizations_with_due_calls() -> list[UUID]:
    """Enabled organizations with something to tell now, by one step of an index for each webhook."""
    query = (
        select(Webhook.organization_id)
        .join(Organization, Organization.id == Webhook.organization_id)
        .where(Organization.is_enabled, _is_due())
        .distinct()
    )
    with across_organizations("the sweep rings for every organization with webhooks to call") as session:
        return list(session.scalars(query))


def has_due_calls() -> bool:
    """Whether the current organization has something to tell now."""
    return db.session.scalar(select(Webhook.id).where(_is_due()).limit(1)) is not None


def call_due() -> None:
    """Make the calls that are due in the current organization; commits in between. Safe to run twice."""
    policy, ca_file = web_policy(), settings_of(current_app).ca_file
    ends_at = time.monotonic() + TURN_SECONDS
    under_way: dict[Future[_Outcome], _Parcel] = {}
    with ThreadPoolExecutor(MOST * PLACES, thread_name_prefix="webhook") as pool:
        while True:
            if time.monotonic() < ends_at:
                for parcel in _claimed(Counter(parcel.webhook_id for parcel in under_way.values())):
                    under_way[pool.submit(_ask, parcel, policy, ca_file)] = parcel
            if not under_way:
                return
            for ended in wait(under_way, return_when=FIRST_COMPLETED).done:
                _conclude(under_way.pop(ended), ended.result())


# --- claims ----------------------------------------------------------------------------------


def _is_due() -> ColumnElement[bool]:
    """Whether a `Webhook` has something to tell now; a test is told also where all else waits.

    What waits for one that is paused is to end, whenever it would have been told.
    """
    its = (
        (WebhookCall.organization_id == Webhook.organization_id)
        & (WebhookCall.webhook_id == Webhook.id)
        & (WebhookCall.state == WAITING)
    )
    moment = now()
    due = exists().where(its, WebhookCall.next_attempt_at <= moment)
    tests = exists().where(its, WebhookCall.kind == TEST, WebhookCall.next_attempt_at <= moment)
    to_end = exists().where(its, WebhookCall.kind != TEST)
    is_rested = or_(Webhook.quiet_until.is_(None), Webhook.quiet_until <= moment)
    return or_(tests, (Webhook.paused_because != "") & to_end, is_rested & due)


def _claimed(under_way: Counter[UUID]) -> Iterator[_Parcel]:
    """What may be begun now, with its claim committed."""
    due = select(Webhook).where(_is_due()).order_by(Webhook.id)
    for webhook in db.session.scalars(due.execution_options(populate_existing=True)).all():
        if not webhook.is_active:
            _end_waiting(webhook)
        places = (1 if webhook.failure_count else PLACES) - under_way[webhook.id]
        calls = db.session.scalars(_to_claim(webhook, places)).all() if places > 0 else []
        parcels = [parcel for call in calls if (parcel := _parcel(webhook, call)) is not None]
        db.session.commit()
        yield from parcels
    db.session.commit()


def _to_claim(webhook: Webhook, most: int) -> Select[WebhookCall]:
    """Tests first; of a webhook that is paused, or left alone, nothing else."""
    is_left_alone = not webhook.is_active or (webhook.quiet_until is not None and webhook.quiet_until > now())
    query = select(WebhookCall).where(
        WebhookCall.webhook_id == webhook.id,
        WebhookCall.state == WAITING,
        WebhookCall.next_attempt_at <= now(),
    )
    if is_left_alone:
        query = query.where(WebhookCall.kind == TEST)
    ordered = query.order_by(WebhookCall.next_attempt_at, WebhookCall.id).limit(most)
    return ordered.with_for_update(skip_locked=True).execution_options(populate_existing=True)


def _parcel(webhook: Webhook, call: WebhookCall) -> _Parcel | None:
    if not _is_chosen(webhook, call):
        _end(call, FAILED, NOT_CHOSEN)
        return None
    call.fence += 1
    call.attempts += 1
    call.attempted_at = now()
    call.next_attempt_at = call.attempted_at + CLAIM
    try:
        secrets = _secrets_of(webhook)
    except UnreadableSecretError:
        _end(call, FAILED, UNREADABLE)
        return None
    body = body_of(call, webhook)
    signed = headers_of(str(call.id), call.attempted_at, body, secrets)
    headers = {"Content-Type": "application/json", **signed}
    return _Parcel(webhook.id, call.id, call.fence, webhook.url, body, headers)


def _is_chosen(webhook: Webhook, call: WebhookCall) -> bool:
    """Whether it is still told of such events, and of this mailbox: what waits is no reason to tell more."""
    if call.kind == TEST:
        return True
    chosen = select(WebhookMailbox.id).where(
        WebhookMailbox.webhook_id == webhook.id, WebhookMailbox.mailbox_id == call.mailbox_id
    )
    return call.kind in webhook.kinds and (
        webhook.is_everywhere or db.session.scalar(chosen.limit(1)) is not None
    )


def _secrets_of(webhook: Webhook) -> list[str]:
    """The newest first; the former one as long as it signs, too."""
    columns = {"secret": webhook.secret}
    if webhook.former_secret and webhook.former_until and webhook.former_until > now():
        columns["former_secret"] = webhook.former_secret
    return [
        decrypt(blob, table="webhooks", row=webhook.id, column=column) for column, blob in columns.items()
    ]


def _end_waiting(webhook: Webhook) -> None:
    """Nothing that waits is told of a webhook that is paused; a test is. A portion of it: the rest is due."""
    waiting = select(WebhookCall.id).where(
        WebhookCall.webhook_id == webhook.id, WebhookCall.state == WAITING, WebhookCall.kind != TEST
    )
    db.session.execute(
        update(WebhookCall)
        .where(WebhookCall.id.in_(waiting.limit(AT_ONCE)))
        .values(state=FAILED, error=PAUSED_MEANWHILE)
        .execution_options(synchronize_session=False)
    )


# --- a call ----------------------------------------------------------------------------------


def _ask(parcel: _Parcel, policy: EgressPolicy, ca_file: str | None) -> _Outcome:
    """In a thread of its own, without a session."""
    began = time.monotonic()
    answer, error, is_slow = None, "", False
    try:
        answer = https.request(
            "POST",
            parcel.url,
            policy,
            headers=parcel.headers,
            body=parcel.body,
            seconds=SECONDS,
            largest=LARGEST_ANSWER,
            ca_file=ca_file,
            may_be_plain=True,
            is_cut=True,
        )
    except MailServerError as failure:
        error, is_slow = failure.message, isinstance(failure, ServerTimeoutError)
    except Exception:
        log.exception("a webhook could not be called", webhook=str(parcel.webhook_id))
        error = "The call failed."
    return _Outcome(round((time.monotonic() - began) * 1000), answer, error, is_slow)


# --- what became of it -----------------------------------------------------------------------


def _conclude(parcel: _Parcel, outcome: _Outcome) -> None:
    """Write down what an attempt came to, unless somebody else has made another one since."""
    webhook = db.session.scalar(_held(select(Webhook).where(Webhook.id == parcel.webhook_id)))
    ours = (
        (WebhookCall.id == parcel.call_id)
        & (WebhookCall.fence == parcel.fence)
        & (WebhookCall.state == WAITING)
    )
    call = db.session.scalar(_held(select(WebhookCall).where(ours)))
    if webhook is not None and call is not None:
        _note(webhook, call, outcome)
        (_succeeded if outcome.is_ok else _failed)(webhook, call, outcome)
        log.info("webhook called", webhook=str(webhook.id), call=str(call.id), status=call.status)
    db.session.commit()


def _held(query: Select[Row]) -> Select[Row]:
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)


def _note(webhook: Webhook, call: WebhookCall, outcome: _Outcome) -> None:
    """What an answer says is kept, unless it may repeat what people wrote."""
    answer = outcome.answer
    may_be_kept = call.kind == TEST or not webhook.has_text
    call.milliseconds, call.error = outcome.milliseconds, outcome.error
    call.status = None if answer is None else answer.status
    call.answer = _shown(answer.body) if answer is not None and may_be_kept else ""
    if answer is not None and answer.status in https.REDIRECTS:
        call.error = "The receiver redirects, which is not followed. Enter the address where it leads."


def _succeeded(webhook: Webhook, call: WebhookCall, outcome: _Outcome) -> None:
    _end(call, TOLD)
    if call.kind == TEST or not (webhook.failure_count or webhook.told_at):
        return
    if webhook.failure_count >= FAILURES:
        _hurry(webhook)
    webhook.failure_count, webhook.failing_since, webhook.quiet_until = 0, None, None
    if webhook.told_at is not None:
        troubles.tell_of_recovery(webhook)


def _failed(webhook: Webhook, call: WebhookCall, outcome: _Outcome) -> None:
    """Once more later, unless its time is over; the webhook as a whole may be left alone or paused."""
    if call.kind == TEST:
        _end(call, FAILED, call.error)
        return
    asked = _retry_after(outcome.answer)
    call.next_attempt_at = now() + max(_jittered(call.attempts), asked)
    if call.next_attempt_at >= call.give_up_at:
        _end(call, FAILED, call.error)
    webhook.failure_count += 1
    webhook.failing_since = webhook.failing_since or now()
    if outcome.is_slow or webhook.failure_count >= FAILURES or asked:
        quiet = max(min(_jittered(webhook.failure_count), LONGEST_QUIET), asked)
        webhook.quiet_until = now() + quiet
    _pause_if_hopeless(webhook, call)


def _pause_if_hopeless(webhook: Webhook, call: WebhookCall) -> None:
    if not webhook.is_active:
        return
    if call.status == HTTPStatus.GONE:
        webhook.paused_because = GONE
    elif webhook.failing_since is not None and webhook.failing_since <= now() - A_DAY:
        webhook.paused_because = FAILING
    else:
        return
    troubles.tell_of_pause(webhook, call)


def _hurry(webhook: Webhook) -> None:
    """It answers again: what has failed meanwhile need not wait any longer."""
    db.session.execute(
        update(WebhookCall)
        .where(
            WebhookCall.webhook_id == webhook.id,
            WebhookCall.state == WAITING,
            WebhookCall.status.is_not(None) | (WebhookCall.error != ""),
            WebhookCall.next_attempt_at > now() + CLAIM,
        )
        .values(next_attempt_at=now())
        .execution_options(synchronize_session=False)
    )


def _end(call: WebhookCall, state: str, error: str = "") -> None:
    call.state, call.error = state, error


def _jittered(attempts: int) -> timedelta:
    """How long is waited after so many attempts; what failed together is not tried together again."""
    return BACK_OFF[min(attempts, len(BACK_OFF)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # no secret


def _retry_after(answer: https.Answer | None) -> timedelta:
    """How long the receiver asks to be left alone (RFC 9110, section 10.2.3), within bounds."""
    if answer is None or answer.status not in ASKED_TO_WAIT:
        return timedelta(0)
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit() and len(said) < 10:
        return min(timedelta(seconds=int(said)), LONGEST_RETRY_AFTER)
    return max(timedelta(0), min(_moment(said) - now(), LONGEST_RETRY_AFTER))


def _moment(said: str) -> datetime:
    try:
        at = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return now()
    return at if at.tzinfo is not None else now()


def _shown(body: bytes) -> str:
    """The first words of an answer, as a database and a page can hold them."""
    text = body.decode("utf-8", "replace")
    return "".join(one if one.isprintable() or one in "\n\t" else "�" for one in text)[:SHOWN_CHARACTERS]
