"""Digests: one letter to a person, at their hour, of what is new and unread in mailboxes that they chose.

A digest is queued in the transaction that notes up to which message it has told, so nothing is told twice;
who was away for days is told of all of them together. Access is asked when it is written. Messages of
deliveries that may still be under way wait for the next one, so that none falls between two.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import ColumnElement, Subquery, case, func, select, true, update

from mailboxes.access import readable_mailboxes
from mailboxes.inbox.read_state import MOST_COUNTED, is_not_away, is_unread_by, unread_counts
from mailboxes.inbox.subscriptions import Rhythm, Subscription, rhythm_of
from mailboxes.messages import Message, settled_id
from mailboxes.notices import can_send, cut_line, queue_notice
from mailboxes.system_mailboxes import Mailbox
from tenants.application import settings_of
from tenants.database import across_organizations, current_organization_id, db, inside, is_one_of, now
from tenants.errors import InvalidError
from tenants.organizations import Membership, Organization

KIND = "digest"
PEOPLE_AT_ONCE = 50  # of an organization, before the others have their turn
MOST_MAILBOXES = 20  # of a letter; of others it says how many they are
MOST_NAMED = 3  # conversations of a mailbox
LOOKED_AT = 30  # messages among which these are found
LIFETIME = timedelta(hours=12)
STANDS_BACK = timedelta(hours=1)  # whoever's digest cannot be written
LETTER = """\
Hello{name},

new in your mailboxes of {organization} since the last digest, and unread:

{mailboxes}

You get this digest because you chose it. Mailboxes, days and the hour are chosen here, also none:
{settings}
"""

log = structlog.get_logger()


@dataclass
class News:
    """What is new in a mailbox: how many conversations, and the newest of them."""

    mailbox_id: UUID
    label: str
    count: int
    unread: int = 0
    newest: list[Any] = field(default_factory=list)


def organizations_with_due_digests() -> list[UUID]:
    """Enabled organizations in which somebody's digest is due; none while the system sends no notices."""
    if not can_send():
        return []
    due = (
        select(Subscription.organization_id)
        .join(Organization, Organization.id == Subscription.organization_id)
        .where(Subscription.due_at <= now(), Organization.is_enabled)
        .distinct()
    )
    with across_organizations("the sweep finds whose digests are due") as session:
        return list(session.scalars(due))


def write_due_digests(organization_id: UUID) -> None:
    """Queue the digests of a few people, those that wait longest; commits each. Safe to run twice."""
    with inside(organization_id):
        organization = db.session.get(Organization, organization_id)
        if organization is None or not organization.is_enabled or not can_send():
            return
        waiting = (
            select(Subscription.membership_id)
            .where(Subscription.due_at <= now())
            .group_by(Subscription.membership_id)
            .order_by(func.min(Subscription.due_at), Subscription.membership_id)
            .limit(PEOPLE_AT_ONCE)
        )
        for membership_id in db.session.scalars(waiting).all():
            _write_or_stand_back(membership_id)


def _write_or_stand_back(membership_id: UUID) -> None:
    """What one digest fails by keeps nobody else's."""
    try:
        _write(membership_id)
        db.session.commit()
    except Exception:
        log.exception("a digest could not be written", membership=str(membership_id))
        db.session.rollback()
        db.session.execute(
            update(Subscription)
            .where(Subscription.membership_id == membership_id, Subscription.due_at <= now())
            .values(due_at=now() + STANDS_BACK)
            .execution_options(synchronize_session=False)
        )
        db.session.commit()


def _write(membership_id: UUID) -> None:
    """Tell a member what is new, if their hour has come; what was due is due again on its next day."""
    own = (Subscription.membership_id == membership_id, Subscription.due_at <= now())
    held = select(Subscription).where(*own).order_by(Subscription.id).with_for_update(skip_locked=True)
    rows = db.session.scalars(held).all()
    member = db.session.get(Membership, (current_organization_id(), membership_id))
    if not rows or member is None:
        return
    moment, rhythm = now(), rhythm_of(member.user)
    timely = [row for row in rows if rhythm.is_due(row.digest, moment)]
    if timely and member.is_active:
        _tell(member, timely, rhythm, moment)
    for row in rows:
        row.due_at = rhythm.next(row.digest, moment)


def _tell(member: Membership, rows: Sequence[Subscription], rhythm: Rhythm, moment: datetime) -> None:
    """Queue one letter of the day, and note up to where it has told."""
    through = settled_id()
    news = _news(member, rows, through)
    day = moment.astimezone(rhythm.zone).date()
    if news and not _is_queued(member, news, f"{KIND} {member.id} {day}"):
        return  # that day has one; what is new since then is told in the next
    for row in rows:
        row.told_through = max(through, row.told_through or through)


def _news(member: Membership, rows: Sequence[Subscription], through: UUID) -> list[News]:
    """By label, what came since each was told of, and is unread, of mailboxes that may be read now."""
    boxes = (
        readable_mailboxes(member)
        .join(Subscription, Subscription.mailbox_id == Mailbox.id)
        .where(is_one_of(Subscription.id, [row.id for row in rows]))
        .order_by(None)
        .with_only_columns(Mailbox.id, Mailbox.label, Subscription.told_through)
        .subquery()
    )
    new = select(Message.thread_id).where(*_is_new(member, boxes, through)).order_by(Message.id.desc())
    some = new.limit(MOST_COUNTED).correlate(boxes).subquery()
    threads = func.count(some.c.thread_id.distinct())
    counted = select(case((func.count() >= MOST_COUNTED, MOST_COUNTED), else_=threads)).select_from(some)
    query = select(boxes.c.id, boxes.c.label, counted.correlate(boxes).scalar_subquery())
    found = [News(*row) for row in db.session.execute(query.order_by(boxes.c.label)) if row[2]]
    _add_newest(member, found[:MOST_MAILBOXES], boxes, through)
    return found


def _add_newest(member: Membership, told: Sequence[News], boxes: Subquery, through: UUID) -> None:
    ids = [one.mailbox_id for one in told]
    unread = unread_counts(member, ids)
    columns = (Message.id, Message.thread_id, Message.sender_name, Message.sender_address, Message.subject)
    latest = select(*columns).where(*_is_new(member, boxes, through)).order_by(Message.id.desc())
    newest = latest.limit(LOOKED_AT).lateral()
    query = select(boxes.c.id.label("mailbox_id"), newest).select_from(boxes.join(newest, true()))
    by_mailbox: defaultdict[UUID, dict[UUID, Any]] = defaultdict(dict)
    for row in db.session.execute(query.where(is_one_of(boxes.c.id, ids)).order_by(newest.c.id.desc())):
        by_mailbox[row.mailbox_id].setdefault(row.thread_id, row)
    for one in told:
        one.unread = unread.get(one.mailbox_id, 0)
        one.newest = list(by_mailbox[one.mailbox_id].values())[:MOST_NAMED]


def _is_new(member: Membership, boxes: Subquery, through: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        Message.organization_id == current_organization_id(),
        Message.mailbox_id == boxes.c.id,
        Message.id > boxes.c.told_through,
        Message.id <= through,
        is_unread_by(member),
        is_not_away(),
    )


def _is_queued(member: Membership, news: Sequence[News], once: str) -> bool:
    """Whether this is the first of its day. Who has an address that no letter reaches is told nothing."""
    organization = db.session.get_one(Organization, member.organization_id)
    settings = f"{_base()}/my-configuration/notifications"
    name = cut_line(organization.name)
    body = LETTER.format(
        name=f" {cut_line(member.user.name)}" if member.user.name else "",
        organization=name,
        mailboxes="\n\n".join(_paragraphs(news)),
        settings=settings,
    )
    subject = f"{name}: {_conversations(sum(one.count for one in news))}"
    recipient = member.user.address
    try:
        made = queue_notice(
            KIND, recipient, subject, body, once=once, lifetime=LIFETIME, settings_url=settings
        )
    except InvalidError:
        return True
    return made is not None


def _paragraphs(news: Sequence[News]) -> list[str]:
    told = [_paragraph(one) for one in news[:MOST_MAILBOXES]]
    more = len(news) - len(told)
    return [*told, f"And in {more:,} more {'mailbox' if more == 1 else 'mailboxes'}."] if more > 0 else told


def _paragraph(one: News) -> str:
    lines = [
        f"{cut_line(one.label)}: {_conversations(one.count)}, {_number(one.unread)} unread in all",
        f"{_base()}/mail/?mailbox={one.mailbox_id}&view=unread",
    ]
    for row in one.newest:
        sender = cut_line(row.sender_name) or row.sender_address or "(no sender)"
        lines.append(f"- {sender}: {cut_line(row.subject) or '(no subject)'}")
        lines.append(f"  {_base()}/mail/conversations/{row.thread_id}")
    return "\n".join(lines)


def _conversations(count: int) -> str:
    return "1 new conversation" if count == 1 else f"{_number(count)} new conversations"


def _number(count: int) -> str:
    return f"{count:,}" if count < MOST_COUNTED else f"{MOST_COUNTED - 1:,}+"


def _base() -> str:
    return settings_of(current_app).base_url
