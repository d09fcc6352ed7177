"""Conversations are put away until a time: out of sight, counted nowhere else, and back on top."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from mailboxes.inbox import conversation, listing, read_state, snoozing
from mailboxes.inbox.listing import Key
from mailboxes.inbox.selection import VIEWS, Selection
from mailboxes.inbox.split_and_join import held_joining, join
from mailboxes.search_terms import parse_query
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.threads import Thread
from mailboxes.threads.summaries import refresh_summary
from tenants.database import db, now
from tenants.errors import ForbiddenError, InvalidError
from tests.factories import make_mailbox, make_message
from tests.mailboxes.arriving import letter, receive

TO_DO = ("inbox", "unread", "mine", "unassigned")
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


def shown(world, view="inbox", query="", **given):
    selection = Selection(world.member, view=VIEWS[view], query=parse_query(query))
    return [row.subject for row in listing.page(selection, **given).rows]


def put_away(world, message, **span):
    snoozing.snooze(world.member, [message.thread_id], now() + timedelta(**span))
    db.session.commit()


def thread_of(message):
    return db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()


def test_the_usual_times_are_each_offered_once_and_never_over():
    def offered(*day):
        at = datetime(*day, tzinfo=BERLIN)
        return {choice.label: f"{choice.at:%a %H:%M}" for choice in snoozing.choices(at)}

    usual = {"Later today": "Wed 17:00", "Tomorrow morning": "Thu 09:00"}
    assert offered(2026, 11, 25, 14, 20) == usual | {"On Monday": "Mon 09:00", "In a week": "Wed 09:00"}
    assert offered(2026, 11, 29, 22, 0) == {"Tomorrow morning": "Mon 09:00", "In a week": "Sun 09:00"}
    clocks_change = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    assert {choice.at.utcoffset() for choice in snoozing.choices(clocks_change)[1:]} == {timedelta(hours=1)}


def test_what_is_put_away_is_in_no_list_of_what_is_to_be_done_and_counted_in_none(
    ours, theirs, mailbox, inside, time_machine_clock
):
    away, other = (make_message(ours, mailbox, subject=subject) for subject in ("Away", "Here"))
    make_message(theirs, make_mailbox(theirs), subject="The neighbour's")
    with inside(ours):
        conversation.assign(ours.member, [away.thread_id, other.thread_id], ours.member.id)
        put_away(ours, away, hours=1)
        conversation.assign(ours.member, [other.thread_id], None)
        db.session.commit()
        assert [shown(ours, view) for view in TO_DO] == [["Here"], ["Here"], [], ["Here"]]
        assert shown(ours, is_threaded=False) == ["Here"]
        assert (shown(ours, "snoozed"), shown(ours, "all", "is:snoozed")) == (["Away"], ["Away"])
        counts = listing.counts(Selection(ours.member), [mailbox.id])
        assert (counts.unread, counts.mailboxes[mailbox.id]) == (1, 1)
        assert [counts.views[view] for view in ("unread", "mine", "snoozed")] == [1, 0, 1]
    time_machine_clock.shift(3601)
    with inside(ours):
        assert (shown(ours, "snoozed"), read_state.unread_count(ours.member)) == ([], 2)
        assert (shown(ours), shown(ours, "mine")) == (["Away", "Here"], ["Away"])
    with inside(theirs):
        assert shown(theirs) == ["The neighbour's"]


@pytest.mark.parametrize("most_newest", [500, 3])
def test_what_is_back_stands_where_its_time_puts_it_and_every_page_goes_on(
    ours, mailbox, inside, time_machine_clock, monkeypatch, most_newest
):
    monkeypatch.setattr(listing, "MOST_NEWEST", most_newest)
    hours = [
        make_message(ours, mailbox, subject=str(n), shown_at=now() - timedelta(hours=10 - n))
        for n in range(6)
    ]
    with inside(ours):
        put_away(ours, hours[1], hours=2)
        put_away(ours, hours[3], hours=1)
    time_machine_clock.shift(3 * 3600)
    in_order = ["1", "3", "5", "4", "2", "0"]
    with inside(ours):
        assert shown(ours) == in_order
        pages, before = [], None
        while before is not None or not pages:
            page = listing.page(Selection(ours.member), size=2, before=before)
            pages.append([row.subject for row in page.rows])
            before = page.older
        assert [subject for subjects in pages for subject in subjects] == in_order
        last = listing.page(Selection(ours.member), size=2, after=Key(hours[4].shown_at, hours[4].thread_id))
        assert [row.subject for row in last.rows] == ["3", "5"]
        assert listing.conversation_below(Selection(ours.member), thread_of(hours[1])) == hours[3].thread_id
        assert thread_of(hours[1]).is_back


@pytest.mark.parametrize("most_newest", [500, 0])
@pytest.mark.parametrize("query", ["", "lamp"])
def test_what_is_snoozed_stands_by_when_it_comes_back_soonest_first_on_every_page(
    ours, mailbox, inside, monkeypatch, most_newest, query
):
    monkeypatch.setattr(listing, "MOST_NEWEST", most_newest)
    comes_back_in = {"Lamp 3": 3, "Lamp 1": 1, "Lamp 4": 4, "Lamp 2": 2}
    messages = {subject: make_message(ours, mailbox, subject=subject) for subject in comes_back_in}
    with inside(ours):
        for subject, message in messages.items():
            put_away(ours, message, hours=comes_back_in[subject])
        in_order = sorted(comes_back_in)
        assert shown(ours, "snoozed", query) == in_order
        selection = Selection(ours.member, view=VIEWS["snoozed"], query=parse_query(query))
        first = listing.page(selection, size=2)
        second = listing.page(selection, size=2, before=first.older)
        back = listing.page(selection, size=2, after=second.newer)
        assert [[row.subject for row in one.rows] for one in (first, second, back)] == [
            in_order[:2],
            in_order[2:],
            in_order[:2],
        ]
        assert (first.newer, second.older) == (None, None)
        below = listing.conversation_below(selection, thread_of(messages["Lamp 1"]))
        assert below == messages["Lamp 2"].thread_id


def test_nobody_is_done_with_a_conversation_while_it_is_put_away(ours, mailbox, inside, monkeypatch):
    message = make_message(ours, mailbox)
    change = snoozing.change_threads

    def be_done():
        with inside(ours):
            db.session.execute(text("SET LOCAL lock_timeout = '10ms'"))
            conversation.change_status(ours.admin, [message.thread_id], "done")
            db.session.commit()

    def after_a_colleague_tries(*given, **more):
        with pytest.raises(OperationalError, match="lock timeout"):
            be_done()
        return change(*given, **more)

    monkeypatch.setattr(snoozing, "change_threads", after_a_colleague_tries)
    with inside(ours):
        put_away(ours, message, hours=1)
        assert (thread_of(message).status, thread_of(message).is_snoozed) == ("open", True)


def test_the_customers_answer_brings_it_back_at_once(ours, mailbox, inside):
    (asked,) = receive(ours, mailbox, letter("Lamp", message_id="a@x"))
    with inside(ours):
        put_away(ours, asked, days=3)
    (robot,) = receive(
        ours, mailbox, letter("Re: Lamp", answers=["a@x"], headers="Auto-Submitted: auto-replied")
    )
    with inside(ours):
        assert robot.thread_id == asked.thread_id
        assert shown(ours) == []
    receive(ours, mailbox, letter("Re: Lamp", answers=["a@x"], body="It is here."))
    with inside(ours):
        assert (shown(ours), thread_of(asked).snoozed_until) == (["Lamp"], None)


def test_once_back_it_is_marked_until_it_gets_a_message_or_is_done(ours, mailbox, inside, time_machine_clock):
    answered, done = make_message(ours, mailbox), make_message(ours, mailbox)
    with inside(ours):
        for message in (answered, done):
            put_away(ours, message, minutes=5)
        thread = thread_of(answered)
    time_machine_clock.shift(600)
    make_message(ours, mailbox, direction="out", thread=thread)
    with inside(ours):
        refresh_summary(thread_of(answered))
        conversation.change_status(ours.member, [done.thread_id], "done")
        assert [thread_of(message).snoozed_until for message in (answered, done)] == [None, None]


def test_being_done_ends_it_and_putting_away_what_is_done_opens_it(ours, mailbox, inside):
    message = make_message(ours, mailbox)
    with inside(ours):
        put_away(ours, message, days=1)
        conversation.change_status(ours.member, [message.thread_id], "done")
        assert not thread_of(message).is_snoozed
        put_away(ours, message, days=1)
        assert (thread_of(message).status, thread_of(message).is_snoozed) == ("open", True)
        snoozing.bring_back(ours.member, [message.thread_id])
        assert thread_of(message).snoozed_until is None


def test_only_who_may_reply_puts_away_and_only_until_a_time_to_come(ours, theirs, mailbox, inside):
    message, strange = make_message(ours, mailbox), make_message(theirs, make_mailbox(theirs))
    read_only = make_mailbox(ours, readers=())
    told = make_message(ours, read_only)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=read_only.id, membership_id=ours.member.id, level="read"))
        db.session.commit()
        tomorrow = now() + timedelta(days=1)
        with pytest.raises(ForbiddenError):
            snoozing.snooze(ours.member, [message.thread_id, told.thread_id], tomorrow)
        for until in (now() - timedelta(seconds=1), now() + timedelta(days=9999)):
            with pytest.raises(InvalidError):
                snoozing.snooze(ours.member, [message.thread_id], until)
        assert snoozing.snooze(ours.member, [strange.thread_id], tomorrow) == 0


@pytest.mark.parametrize(
    ("hours", "statuses", "comes_back_in"),
    [((1, 3), ("open", "open"), 1), ((1, None), ("open", "open"), None), ((1, None), ("open", "done"), 1)],
)
def test_two_that_are_joined_are_away_only_if_neither_is_to_be_worked_on(
    ours, mailbox, inside, hours, statuses, comes_back_in
):
    at = datetime.now(UTC).replace(microsecond=0)
    messages = [make_message(ours, mailbox, subject=str(n)) for n in range(2)]
    with inside(ours):
        for message, hour, status in zip(messages, hours, statuses, strict=True):
            conversation.change_status(ours.member, [message.thread_id], status)
            if hour:
                snoozing.snooze(ours.member, [message.thread_id], at + timedelta(hours=hour))
        db.session.commit()
        joining = held_joining(ours.member, *(message.thread_id for message in messages))
        wanted = at + timedelta(hours=comes_back_in) if comes_back_in else None
        assert joining.snoozed_until == wanted
        id = join(ours.member, joining).id
        db.session.expire_all()
        assert db.session.scalars(select(Thread.snoozed_until).where(Thread.id == id)).one() == wanted
