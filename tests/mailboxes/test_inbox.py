"""What a member sees of the mailboxes they may read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from mailboxes.drafts import Draft
from mailboxes.inbox import listing, read_state
from mailboxes.inbox.listing import Key
from mailboxes.inbox.selection import VIEWS, Selection
from mailboxes.messages import Message, MessageRead
from mailboxes.search_terms import parse_query
from mailboxes.threads import ThreadRecord
from tenants.database import db, uuid7
from tests.factories import make_mailbox, make_member, make_message, make_thread

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


def shown(selection, **given):
    return [row.subject for row in listing.page(selection, **given).rows]


def many(world, mailbox, number, **given):
    return [
        make_message(world, mailbox, subject=f"Message {n}", shown_at=START + timedelta(hours=n), **given)
        for n in range(number)
    ]


def test_a_list_holds_the_mailboxes_that_were_granted_and_no_others(ours, theirs, mailbox, inside):
    make_message(ours, mailbox, subject="Mine")
    make_message(ours, make_mailbox(ours, readers=()), subject="Not granted")
    make_message(theirs, make_mailbox(theirs), subject="The neighbour's")
    with inside(ours):
        assert shown(Selection(ours.member)) == ["Mine"]
        assert shown(Selection(ours.member, query=parse_query("granted neighbour"))) == []


def test_a_mailbox_that_is_not_granted_cannot_be_chosen(ours, inside):
    closed = make_mailbox(ours, readers=())
    make_message(ours, closed)
    with inside(ours):
        assert shown(Selection(ours.member, closed.id)) == []
        assert listing.counts(Selection(ours.member, closed.id)).views["unread"] == 0


def test_conversations_come_newest_first_from_all_mailboxes(ours, mailbox, inside):
    other = make_mailbox(ours)
    for n, one in enumerate((mailbox, other, mailbox)):
        make_message(ours, one, subject=str(n), shown_at=START + timedelta(hours=n))
    with inside(ours):
        assert shown(Selection(ours.member)) == ["2", "1", "0"]
        assert shown(Selection(ours.member, other.id)) == ["1"]


@pytest.mark.parametrize("is_threaded", [True, False])
def test_pages_follow_each_other_by_key_without_a_gap(ours, mailbox, inside, is_threaded):
    many(ours, mailbox, 5)
    with inside(ours):
        first = listing.page(Selection(ours.member), size=2, is_threaded=is_threaded)
        second = listing.page(Selection(ours.member), size=2, before=first.older, is_threaded=is_threaded)
        third = listing.page(Selection(ours.member), size=2, before=second.older, is_threaded=is_threaded)
        back = listing.page(Selection(ours.member), size=2, after=third.newer, is_threaded=is_threaded)
    subjects = [row.subject for page in (first, second, third) for row in page.rows]
    assert subjects == [f"Message {n}" for n in (4, 3, 2, 1, 0)]
    assert (first.newer, third.older) == (None, None)
    assert [row.subject for row in back.rows] == ["Message 2", "Message 1"]


@pytest.mark.parametrize("most_newest", [1, 4, 500])
def test_a_page_is_the_same_however_many_of_the_newest_are_looked_at_first(
    ours, theirs, mailbox, inside, monkeypatch, most_newest
):
    """Who reads nearly everything is served from the organization's newest, others from their mailboxes."""
    monkeypatch.setattr(listing, "MOST_NEWEST", most_newest)
    boxes = [mailbox, make_mailbox(ours, readers=()), make_mailbox(ours)]
    for n in range(9):
        make_message(ours, boxes[n % 3], subject=str(n), shown_at=START + timedelta(hours=n))
    make_message(theirs, make_mailbox(theirs), subject="The neighbour's")
    with inside(ours):
        first = listing.page(Selection(ours.member), size=2)
        second = listing.page(Selection(ours.member), size=2, before=first.older)
        back = listing.page(Selection(ours.member), size=2, after=second.newer)
    pages = [[row.subject for row in page.rows] for page in (first, second, back)]
    assert pages == [["8", "6"], ["5", "3"], ["8", "6"]]


def test_conversations_of_the_same_moment_are_paged_by_id(ours, mailbox, inside):
    for _ in range(3):
        make_message(ours, mailbox, shown_at=START)
    with inside(ours):
        first = listing.page(Selection(ours.member), size=2)
        second = listing.page(Selection(ours.member), size=2, before=first.older)
        assert len({row.id for row in (*first.rows, *second.rows)}) == 3


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_key_survives_its_url(at, id):
    assert Key.of(str(Key(at, id))) == Key(at, id)


@given(st.text(max_size=60))
def test_any_other_text_is_no_key(text):
    key = Key.of(text)
    assert key is None or Key.of(str(key)) == key


def test_without_conversations_every_message_is_a_row(ours, mailbox, inside):
    thread = make_thread(ours, mailbox)
    make_message(ours, mailbox, thread=thread, subject="One", shown_at=START)
    make_message(ours, mailbox, thread=thread, subject="Two", shown_at=START + timedelta(hours=1))
    with inside(ours):
        assert shown(Selection(ours.member), is_threaded=False) == ["Two", "One"]
        assert len(shown(Selection(ours.member))) == 1


def test_views_split_by_status_assignee_and_direction(ours, mailbox, inside):
    make_message(ours, mailbox, subject="Open")
    done = make_thread(ours, mailbox, status="done", subject="Done")
    make_message(ours, mailbox, thread=done)
    waiting = make_thread(ours, mailbox, status="waiting", assignee_id=ours.member.id, subject="Waiting")
    make_message(ours, mailbox, thread=waiting)
    sent = make_thread(ours, mailbox, subject="Sent")
    make_message(ours, mailbox, thread=sent, direction="out")
    expected = {
        "inbox": {"Open", "Waiting"},
        "unread": {"Open", "Done", "Waiting"},
        "mine": {"Waiting"},
        "unassigned": {"Open"},
        "waiting": {"Waiting"},
        "snoozed": set(),
        "done": {"Done"},
        "sent": {"Sent"},
        "all": {"Open", "Done", "Waiting", "Sent"},
        "drafts": set(),
    }
    with inside(ours):
        for name, view in VIEWS.items():
            assert set(shown(Selection(ours.member, view=view))) == expected[name], name
        numbers = listing.counts(Selection(ours.member)).views
    assert numbers == {"unread": 3, "mine": 1, "unassigned": 1, "waiting": 1, "snoozed": 0, "drafts": 0}


def test_drafts_are_seen_by_who_wrote_them(ours, mailbox, inside):
    with inside(ours):
        db.session.add(Draft(membership_id=ours.member.id, mailbox_id=mailbox.id, kind="new", subject="Mine"))
        db.session.add(Draft(membership_id=ours.admin.id, mailbox_id=mailbox.id, kind="new", subject="Hers"))
        db.session.flush()
        assert shown(Selection(ours.member, view=VIEWS["drafts"])) == ["Mine"]
        assert listing.counts(Selection(ours.member)).views["drafts"] == 1


def test_a_row_says_what_its_conversation_holds(ours, mailbox, inside):
    message = make_message(
        ours, mailbox, is_from_new_sender=True, attachments=(("a.txt", "text/plain", b"x"),)
    )
    with inside(ours):
        db.session.add(ThreadRecord(thread_id=message.thread_id, kind="vip", other_id=uuid7()))
        db.session.flush()
        row = listing.page(Selection(ours.member)).rows[0]
    assert (row.is_unread, row.is_from_new_sender, row.has_attachments) == (True, True, True)
    assert (row.mailbox_label, row.records, row.senders) == (mailbox.label, ("vip",), ("Carla Customer",))


def test_a_page_takes_the_same_number_of_queries_however_many_rows_it_has(ours, mailbox, inside):
    def queries():
        statements = []
        with inside(ours):
            note = lambda *args: statements.append(args[2])  # noqa: E731
            event.listen(db.engine, "before_cursor_execute", note)
            listing.page(Selection(ours.member))
            listing.counts(Selection(ours.member))
            event.remove(db.engine, "before_cursor_execute", note)
        return len(statements)

    many(ours, mailbox, 1)
    few = queries()
    many(ours, mailbox, 12, sender="Dora <dora@customer.test>")
    make_mailbox(ours)
    assert queries() == few


def test_reading_is_each_members_own(ours, mailbox, inside):
    message = make_message(ours, mailbox)
    with inside(ours):
        assert read_state.mark_read(ours.member, select(Message).where(Message.id == message.id)) == 1
        assert read_state.unread_count(ours.member) == 0
        assert read_state.unread_count(ours.admin) == 1


def test_reading_twice_is_reading_once(ours, mailbox, inside):
    message = make_message(ours, mailbox)
    with inside(ours):
        statement = read_state.messages_of_threads([message.thread_id])
        assert [read_state.mark_read(ours.member, statement) for _ in range(2)] == [1, 0]
        assert len(db.session.scalars(select(MessageRead)).all()) == 1


def test_what_is_not_granted_cannot_be_marked(ours, inside):
    message = make_message(ours, make_mailbox(ours, readers=(ours.admin,)))
    with inside(ours):
        statement = select(Message).where(Message.id == message.id)
        assert read_state.mark_read(ours.member, statement) == 0
        assert read_state.mark_unread(ours.member, statement) == 0


def test_what_was_read_can_be_new_again(ours, mailbox, inside):
    message = make_message(ours, mailbox)
    with inside(ours):
        statement = read_state.messages_of_threads([message.thread_id])
        read_state.mark_read(ours.member, statement)
        assert read_state.mark_unread(ours.member, statement) == 1
        assert read_state.unread_count(ours.member) == 1
        assert shown(Selection(ours.member, view=VIEWS["unread"])) == [message.subject]


def test_what_all_have_read_becomes_new_to_nobody_else(ours, mailbox, inside):
    message = make_message(ours, mailbox, is_read_by_all=True)
    with inside(ours):
        assert read_state.unread_count(ours.member) == 0
        read_state.mark_unread(ours.member, read_state.messages_of_threads([message.thread_id]))
        assert read_state.unread_count(ours.member) == 1
        assert read_state.unread_count(ours.admin) == 0


def test_what_we_sent_and_what_is_spam_is_never_unread(ours, mailbox, inside):
    make_message(ours, mailbox, direction="out")
    make_message(ours, mailbox, box="spam")
    with inside(ours):
        assert read_state.unread_count(ours.member) == 0


def test_the_read_mark_skips_what_is_old_and_read_and_nothing_else(ours, mailbox, inside, monkeypatch):
    monkeypatch.setattr("mailboxes.messages._SETTLED_AFTER", timedelta(seconds=-60))
    first, second, third = many(ours, mailbox, 3)
    with inside(ours):
        read_state.mark_read(ours.member, select(Message).where(Message.id == first.id))
        mark = db.session.scalars(select(read_state.ReadMark)).one()
        assert first.id < mark.read_through < second.id
        read_state.mark_read(ours.member, select(Message).where(Message.id == third.id))
        assert read_state.unread_count(ours.member) == 1
        read_state.mark_read(ours.member, select(Message).where(Message.id == second.id))
        db.session.refresh(mark)
        assert mark.read_through > third.id
        read_state.mark_unread(ours.member, select(Message).where(Message.id == second.id))
        assert read_state.unread_count(ours.member) == 1


def test_a_delivery_that_commits_late_is_still_counted(ours, mailbox, inside):
    late = uuid7()
    message = make_message(ours, mailbox)
    with inside(ours):
        read_state.mark_read(ours.member, select(Message).where(Message.id == message.id))
        db.session.commit()
    make_message(ours, mailbox, id=late)
    with inside(ours):
        assert read_state.unread_count(ours.member) == 1


def test_numbers_stop_at_a_thousand(ours, mailbox, inside, monkeypatch):
    monkeypatch.setattr(read_state, "MOST_COUNTED", 2)
    monkeypatch.setattr(listing, "MOST_COUNTED", 2)
    many(ours, mailbox, 4)
    with inside(ours):
        counts = listing.counts(Selection(ours.member), [mailbox.id])
    assert (counts.views["unread"], counts.views["unassigned"], counts.mailboxes[mailbox.id]) == (2, 2, 2)


def test_many_unread_conversations_are_listed_too(ours, mailbox, inside, monkeypatch):
    monkeypatch.setattr(read_state, "MOST_COUNTED", 2)
    many(ours, mailbox, 4)
    with inside(ours):
        assert len(shown(Selection(ours.member, view=VIEWS["unread"]))) == 4


def test_a_disabled_mailbox_is_not_shown(ours, inside):
    make_message(ours, make_mailbox(ours, is_enabled=False))
    with inside(ours):
        assert shown(Selection(ours.member)) == []


def test_a_reader_through_a_role_sees_as_much(ours, inside):
    from mailboxes.system_mailboxes import MailboxGrant
    from tenants.permissions import Role

    mailbox = make_mailbox(ours, readers=())
    make_message(ours, mailbox)
    someone = make_member(ours.id)
    with inside(ours):
        role = db.session.scalars(select(Role).where(Role.system_key == "member")).one()
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, role_id=role.id, level="read"))
        db.session.commit()
        assert len(shown(Selection(someone))) == 1
