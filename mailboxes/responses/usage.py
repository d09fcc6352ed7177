"""How often somebody was answered already, for one message or for all of a portion.

Whoever asks has taken turns (`claims.take_turns`), so that nobody else answers meanwhile; what a portion
answers itself is added as it goes.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_

from mailboxes.decisions import Usage
from mailboxes.responses.claims import AutomaticResponse, ResponseWindow
from tenants.database import db, now
from tenants.database.bulk import among
from tenants.database.portions import asked_once

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Question:
    """Who might be answered, canonical, from which mailbox, and the hash of the text; ``domain`` or ""."""

    mailbox_id: UUID
    recipient: str
    domain: str
    body_hash: bytes


@dataclass
class Answered:
    """What was answered within a day and an hour, by mailbox, domain and recipient."""

    in_day: Counter[UUID | str] = field(default_factory=Counter)
    in_hour: Counter[UUID | str] = field(default_factory=Counter)
    organization_hour_count: int = 0
    bodies: dict[bytes, set[str]] = field(default_factory=dict)  # of the last hour: whom they came from
    windows: dict[tuple[UUID, str], datetime] = field(default_factory=dict)

    def usage(self, one: Question) -> Usage:
        """As a decision on this message counts it."""
        same = self.bodies.get(one.body_hash, ())
        return Usage(
            next_allowed_at=self.windows.get((one.mailbox_id, one.recipient)),
            sender_day_count=self.in_day[one.recipient],
            domain_hour_count=self.in_hour[f"@{one.domain}"],
            mailbox_hour_count=self.in_hour[one.mailbox_id],
            mailbox_day_count=self.in_day[one.mailbox_id],
            organization_hour_count=self.organization_hour_count,
            has_same_body=any(_domain(other) == one.domain and other != one.recipient for other in same),
        )

    def add(self, one: Question, next_allowed_at: datetime) -> None:
        """It is answered now."""
        for key in (one.mailbox_id, f"@{_domain(one.recipient)}", one.recipient):
            self.in_day[key] += 1
            self.in_hour[key] += 1
        self.organization_hour_count += 1
        self.bodies.setdefault(one.body_hash, set()).add(one.recipient)
        self.windows[one.mailbox_id, one.recipient] = next_allowed_at


def answered_for(questions: Iterable[Question]) -> Answered:
    """What these questions have to know, in three queries however many they are."""
    asked, moment = list(questions), now()
    found = Answered()
    _count(found, asked, moment)
    _find_bodies(found, asked, moment)
    _find_windows(found, asked)
    return found


@asked_once
def answered_in_portion() -> Answered | None:
    """What a portion has asked for all of its messages; None outside of one."""
    return None


def _count(found: Answered, asked: list[Question], moment: datetime) -> None:
    recent = (
        select(
            AutomaticResponse.mailbox_id,
            func.substring(AutomaticResponse.recipient, "[^@]*$").label("domain"),
            AutomaticResponse.recipient,
            (AutomaticResponse.decided_at > moment - HOUR).label("is_of_hour"),
        )
        .where(AutomaticResponse.decided_at > moment - DAY)
        .subquery()
    )
    columns = (recent.c.mailbox_id, recent.c.domain, recent.c.recipient)
    counts = (
        select(*columns, func.count(), func.count().filter(recent.c.is_of_hour))
        .group_by(func.grouping_sets(*(tuple_(column) for column in columns)))
        .having(
            recent.c.mailbox_id.is_not(None)
            | recent.c.domain.in_({one.domain for one in asked})
            | recent.c.recipient.in_({one.recipient for one in asked})
        )
    )
    for mailbox_id, domain, recipient, in_day, in_hour in db.session.execute(counts):
        key = mailbox_id or (f"@{domain}" if domain is not None else recipient)
        found.in_day[key], found.in_hour[key] = in_day, in_hour
        found.organization_hour_count += in_hour if mailbox_id is not None else 0


def _find_bodies(found: Answered, asked: list[Question], moment: datetime) -> None:
    query = select(AutomaticResponse.body_hash, AutomaticResponse.recipient).where(
        AutomaticResponse.decided_at > moment - HOUR,
        among(AutomaticResponse.body_hash, {one.body_hash for one in asked}),
    )
    for body_hash, recipient in db.session.execute(query):
        found.bodies.setdefault(body_hash, set()).add(recipient)


def _find_windows(found: Answered, asked: list[Question]) -> None:
    query = select(ResponseWindow.mailbox_id, ResponseWindow.sender, ResponseWindow.next_allowed_at).where(
        among(ResponseWindow.mailbox_id, {one.mailbox_id for one in asked}),
        among(ResponseWindow.sender, {one.recipient for one in asked}),
    )
    for mailbox_id, sender, next_allowed_at in db.session.execute(query):
        found.windows[mailbox_id, sender] = next_allowed_at


def _domain(recipient: str) -> str:
    return recipient.rpartition("@")[2]
