"""Subscriptions: what a member follows, and digests: once a day, of what is new, and of nothing closed."""

import email
from datetime import UTC, datetime, timedelta
from email import policy
from zoneinfo import ZoneInfo

import pytest
import time_machine
from sqlalchemy import delete, func, select, update

from mailboxes.inbox import digests, listing, read_state
from mailboxes.inbox.digests import organizations_with_due_digests, write_due_digests
from mailboxes.inbox.selection import VIEWS, Selection
from mailboxes.inbox.snoozing import snooze
from mailboxes.inbox.subscriptions import DAILY, WORKING_DAYS, Rhythm, Subscription, Wish, subscribe
from mailboxes.notices import Notice, send_due_notices
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.configuration.layers import override
from tenants.database import across_organizations, db
from tenants.organizations import Membership, Organization
from tenants.users import User
from tests.factories import make_mailbox, make_message

MONDAY = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)  # an hour before digests are due
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clock():
    with time_machine.travel(MONDAY, tick=False) as traveller:
        yield traveller


@pytest.fixture
def mailbox(clock, ours):
    return make_mailbox(ours, label="Support")


@pytest.fixture
def news(clock, ours, theirs, inside, mailbox):
    """The member gets a daily digest; a message came, and one to the neighbour, an hour before it is due."""
    closed = make_mailbox(theirs, label="Theirs")
    for world, box in ((ours, mailbox), (theirs, closed)):
        wish(inside, world, box, digest=DAILY)
        make_message(world, box, sender="Ada <ada@customer.test>", subject=f"Question to {box.label}")
    return mailbox


def wish(inside, world, mailbox, **given):
    with inside(world):
        count = subscribe(db.session.merge(world.member), {mailbox.id: Wish(**given)})
        db.session.commit()
    return count


def digests_of(world, sink):
    """What a member of this organization has got since the test began, once all that is due was written."""
    for organization_id in organizations_with_due_digests():
        write_due_digests(organization_id)
        send_due_notices(organization_id)
    parsed = [email.message_from_bytes(sunk.content, policy=policy.default) for sunk in sink.messages]
    return [one for one in parsed if one["To"] == world.member.user.address]


def change(statement):
    with across_organizations("a test changes what is there") as session:
        session.execute(statement)
        session.commit()


def test_what_is_not_followed_is_only_in_my_emails(ours, theirs, mailbox, inside):
    make_message(ours, mailbox, subject="Quiet")
    make_message(ours, make_mailbox(ours), subject="Followed")
    wish(inside, ours, mailbox, is_followed=False)
    with inside(ours):
        followed = Selection(ours.member, view=VIEWS["unread"], is_of_followed=True)
        assert [row.subject for row in listing.page(followed).rows] == ["Followed"]
        assert read_state.unread_count(ours.member, is_of_followed=True) == 1
        assert read_state.unread_count(ours.admin, is_of_followed=True) == 2
        assert {row.subject for row in listing.page(Selection(ours.member)).rows} == {"Quiet", "Followed"}
        assert listing.counts(Selection(ours.member)).unread == 2


def test_only_what_is_wished_otherwise_is_stored_and_only_of_what_may_be_read(ours, theirs, mailbox, inside):
    def stored():
        with across_organizations("a test counts") as session:
            return session.scalar(select(func.count()).select_from(Subscription))

    for closed in (make_mailbox(ours, readers=()), make_mailbox(theirs)):
        assert wish(inside, ours, closed, is_followed=False) == 0
    assert (wish(inside, ours, mailbox, digest=DAILY), stored()) == (1, 1)
    assert (wish(inside, ours, mailbox), stored()) == (1, 0)


def test_a_digest_tells_what_is_new_and_unread_at_the_persons_hour_once(
    ours, theirs, news, clock, system_sink
):
    assert digests_of(ours, system_sink) == []
    clock.shift(HOUR)
    for _ in range(2):
        (letter,) = digests_of(ours, system_sink)
    text = letter.get_content()
    assert letter["Subject"] == "Acme: 1 new conversation"
    assert "Support: 1 new conversation, 1 unread in all" in text
    assert "- Ada: Question to Support" in text
    assert "Theirs" not in text
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Unsubscribe"].strip("<>") in text
    (of_the_neighbour,) = digests_of(theirs, system_sink)
    assert "Support" not in of_the_neighbour.get_content()


def test_what_is_put_away_is_in_no_digest(ours, theirs, news, inside, clock, system_sink):
    away = make_message(ours, news, subject="Not before Friday")
    with inside(ours):
        snooze(ours.member, [away.thread_id], MONDAY + 4 * DAY)
        db.session.commit()
    clock.shift(HOUR)
    (letter,) = digests_of(ours, system_sink)
    text = letter.get_content()
    assert ("1 new conversation, 1 unread in all" in text, "Not before Friday" in text) == (True, False)


def test_what_is_told_or_read_is_told_no_more(ours, theirs, news, inside, clock, system_sink):
    clock.shift(HOUR)
    digests_of(ours, system_sink)
    told = make_message(ours, news, subject="Read meanwhile")
    with inside(ours):
        read_state.mark_read(ours.member, read_state.messages_of_threads([told.thread_id]))
        db.session.commit()
    clock.shift(DAY)
    assert len(digests_of(ours, system_sink)) == 1


def test_days_that_were_lost_are_caught_up_in_one_digest(ours, theirs, news, clock, system_sink):
    clock.shift(2 * DAY)
    make_message(ours, news, subject="Another question")
    clock.shift(2 * HOUR)
    (letter,) = digests_of(ours, system_sink)
    assert "2 new conversations" in letter["Subject"]
    clock.shift(DAY)
    assert len(digests_of(ours, system_sink)) == 1


def test_whoever_chooses_anew_gets_no_second_digest_of_a_day_and_misses_nothing(
    ours, theirs, news, inside, clock, system_sink
):
    clock.shift(HOUR)
    digests_of(ours, system_sink)
    with inside(ours):
        override("mail.digest_hour", "9", "user", by="Mo", user=ours.member.user)
        db.session.commit()
    for wished in ("never", DAILY):
        wish(inside, ours, news, digest=wished)
    make_message(ours, news, subject="Later that day")
    clock.shift(3 * HOUR)
    assert len(digests_of(ours, system_sink)) == 1
    clock.shift(DAY)
    assert "Later that day" in digests_of(ours, system_sink)[1].get_content()


def test_what_a_delivery_may_still_be_storing_is_told_once_by_the_next_digest(
    ours, theirs, news, clock, system_sink
):
    clock.shift(HOUR - timedelta(minutes=2))
    make_message(ours, news, subject="Just now")
    clock.shift(timedelta(minutes=2))
    (first,) = digests_of(ours, system_sink)
    clock.shift(DAY)
    (_, second) = digests_of(ours, system_sink)
    assert "Just now" not in first.get_content()
    assert second["Subject"] == "Acme: 1 new conversation"
    assert "Just now" in second.get_content()


@pytest.mark.parametrize(
    "closing",
    [
        lambda world, box: delete(MailboxGrant).where(MailboxGrant.membership_id == world.member.id),
        lambda world, box: update(Mailbox).where(Mailbox.id == box.id).values(is_enabled=False),
        lambda world, box: update(Mailbox).where(Mailbox.id == box.id).values(deleted_at=func.now()),
        lambda world, box: (
            update(Membership).where(Membership.id == world.member.id).values(is_enabled=False)
        ),
        lambda world, box: update(User).where(User.id == world.member.user_id).values(is_enabled=False),
        lambda world, box: update(Organization).where(Organization.id == world.id).values(is_enabled=False),
    ],
    ids=["access", "paused", "deleted", "membership", "person", "organization"],
)
def test_nobody_is_told_of_what_is_closed_to_them_by_now(ours, theirs, news, clock, system_sink, closing):
    change(closing(ours, news))
    clock.shift(HOUR)
    assert digests_of(ours, system_sink) == []
    assert len(digests_of(theirs, system_sink)) == 1


def test_what_one_digest_fails_by_keeps_nobody_elses(
    ours, theirs, news, inside, clock, system_sink, monkeypatch
):
    with inside(ours):
        subscribe(db.session.merge(ours.admin), {news.id: Wish(digest=DAILY)})
        db.session.commit()
    written, failing = digests._news, ours.admin.id

    def fail(member, *given):
        if member.id == failing:
            raise RuntimeError("a digest that cannot be written")
        return written(member, *given)

    monkeypatch.setattr(digests, "_news", fail)
    clock.shift(HOUR)
    assert len(digests_of(ours, system_sink)) == 1
    with inside(ours):
        due = select(Subscription.due_at).where(Subscription.membership_id == failing)
        assert db.session.scalar(due) == MONDAY + 2 * HOUR


def test_nothing_is_written_while_the_system_sends_no_notices(ours, theirs, news, clock):
    clock.shift(HOUR)
    assert organizations_with_due_digests() == []
    write_due_digests(ours.id)
    with across_organizations("a test looks at all of them") as session:
        assert session.scalars(select(Notice)).all() == []


@pytest.mark.parametrize(
    ("digest", "now", "is_due", "following"),
    [
        (DAILY, "2026-03-27T06:59+01:00", False, "2026-03-27T07:00+01:00"),
        (DAILY, "2026-03-27T07:00+01:00", True, "2026-03-28T07:00+01:00"),
        (DAILY, "2026-03-28T12:00+01:00", True, "2026-03-29T07:00+02:00"),  # summer begins
        (WORKING_DAYS, "2026-03-27T12:00+01:00", True, "2026-03-30T07:00+02:00"),  # a Friday
        (WORKING_DAYS, "2026-03-28T12:00+01:00", False, "2026-03-30T07:00+02:00"),
        (DAILY, "2026-03-28T23:30+00:00", False, "2026-03-29T07:00+02:00"),  # the day there has begun
    ],
)
def test_a_digest_is_due_at_an_hour_of_the_persons_day(digest, now, is_due, following):
    rhythm, moment = Rhythm(ZoneInfo("Europe/Berlin"), 7), datetime.fromisoformat(now)
    assert rhythm.is_due(digest, moment) == is_due
    assert rhythm.next(digest, moment) == datetime.fromisoformat(following)
