"""Saved views are ways to look: they open nothing, and count what an index finds."""

import pytest

from mailboxes.inbox import conversation, tagging
from mailboxes.inbox.saved_views import (
    MOST_VIEWS,
    change_view,
    changeable_view,
    counts_of,
    delete_view,
    move_view,
    save_view,
    saved_views,
)
from mailboxes.inbox.selection import VIEWS, Selection
from mailboxes.search_terms import parse_query
from mailboxes.threads.tags import define_tag
from tenants.database import db
from tenants.errors import ForbiddenError, InvalidError, NotFoundError
from tests.factories import make_mailbox, make_message


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


def saved(member, name, query="", *, view="all", mailbox=None, is_shared=False):
    looked_at = Selection(member, mailbox.id if mailbox else None, VIEWS[view], parse_query(query))
    made = save_view(looked_at, name, is_shared=is_shared, may_share=True)
    db.session.commit()
    return made


def names(member):
    return [view.name for view in db.session.scalars(saved_views(member))]


def test_everybodys_come_first_then_ones_own_in_the_order_that_was_chosen(ours, theirs, inside):
    with inside(ours):
        for name in ("Parcels", "Lamps"):
            saved(ours.member, name, name)
        saved(ours.admin, "All ours", is_shared=True)
        saved(ours.admin, "The administrator's own")
        assert names(ours.member) == ["All ours", "Parcels", "Lamps"]
        lamps = list(db.session.scalars(saved_views(ours.member)))[-1]
        for _ in range(2):
            move_view(ours.member, lamps, up=True)
        assert names(ours.member) == ["All ours", "Lamps", "Parcels"]
        change_view(ours.member, lamps, "Lights", is_shared=True, may_share=True)
        assert (names(ours.member), names(ours.admin)[:2]) == (
            ["All ours", "Lights", "Parcels"],
            ["All ours", "Lights"],
        )
        delete_view(lamps)
        assert names(ours.admin) == ["All ours", "The administrator's own"]
    with inside(theirs):
        assert names(theirs.member) == []


def test_a_view_of_a_mailbox_is_seen_by_its_readers_and_changed_by_who_may(ours, inside):
    closed = make_mailbox(ours, readers=(ours.admin,))
    with inside(ours):
        secret = saved(ours.admin, "Secret", mailbox=closed, is_shared=True)
        own = saved(ours.admin, "Own")
        assert (names(ours.member), names(ours.admin)) == ([], ["Secret", "Own"])
        shared = saved(ours.admin, "Shared", is_shared=True)
        for view in (secret, own):
            with pytest.raises(NotFoundError):
                changeable_view(ours.member, view.id, may_share=True)
        saved(ours.admin, "Another secret", mailbox=closed, is_shared=True)
        last = saved(ours.admin, "Last", is_shared=True)
        move_view(ours.member, last, up=True)
        assert names(ours.member) == ["Last", "Shared"]
        with pytest.raises(ForbiddenError):
            changeable_view(ours.member, shared.id, may_share=False)
        with pytest.raises(InvalidError):
            save_view(Selection(ours.member), "Mine for all", is_shared=True, may_share=False)


def test_a_name_is_taken_once_and_there_is_an_end(ours, inside):
    with inside(ours):
        saved(ours.member, "Lamps")
        saved(ours.member, "Lamps", is_shared=True)  # another one: everybody's
        for name in ("lamps", "", "  "):
            with pytest.raises(InvalidError):
                saved(ours.member, name)
        for number in range(MOST_VIEWS - 1):
            saved(ours.member, str(number))
        with pytest.raises(InvalidError):
            saved(ours.member, "One more")


def test_what_an_index_finds_is_counted_as_its_reader_sees_it(ours, mailbox, inside):
    closed = make_message(ours, make_mailbox(ours, readers=(ours.admin,)))
    messages = [make_message(ours, mailbox) for _ in range(3)]
    with inside(ours):
        for message in (*messages, closed):
            tagging.tag(ours.admin, [message.thread_id], "red", may_define=True)
        conversation.change_status(ours.admin, [messages[0].thread_id], "waiting")
        conversation.change_status(ours.admin, [messages[1].thread_id], "done")
        conversation.assign(ours.admin, [messages[1].thread_id], ours.member.id)
        wanted = {
            "tag:red": 3,
            "tag:red is:done": 1,
            "is:waiting": 1,
            "is:mine": 1,
            "tag:none": 0,
            "tag:red lamp": None,
            "from:ada": None,
            "tag:red is:unread": None,
            "has:attachment": None,
        }
        views = {query: saved(ours.member, query, query) for query in wanted}
        counts = counts_of(list(views.values()), ours.member)
        assert {query: counts.get(view.id) for query, view in views.items()} == wanted
        in_inbox = saved(ours.member, "Inbox", "tag:red", view="inbox", mailbox=mailbox)
        assert counts_of([in_inbox], ours.member) == {in_inbox.id: 2}


def test_what_may_be_more_than_was_looked_at_is_not_counted(ours, mailbox, inside, monkeypatch):
    monkeypatch.setattr("mailboxes.inbox.saved_views.MOST_COUNTED", 2)
    messages = [make_message(ours, mailbox) for _ in range(4)]
    with inside(ours):
        for message in messages[:3]:
            tagging.tag(ours.admin, [message.thread_id], "red", may_define=True)
        tagging.tag(ours.admin, [messages[3].thread_id], "blue", may_define=True)
        conversation.change_status(ours.admin, [messages[2].thread_id], "done")
        wanted = {"tag:red": 2, "tag:red is:done": None, "tag:red tag:blue": None, "tag:blue is:done": 0}
        views = {query: saved(ours.member, query, query) for query in wanted}
        counts = counts_of(list(views.values()), ours.member)
        assert {query: counts.get(view.id) for query, view in views.items()} == wanted


def test_views_follow_a_tag_that_is_renamed_or_merged_whoever_they_are_of(ours, theirs, inside):
    searches = ('lamp tag:"Late parcel" is:open', "tag:other", "late parcel")
    with inside(theirs):
        saved(theirs.member, "Theirs", searches[0])
    with inside(ours):
        late, other = define_tag("late parcel"), define_tag("other")
        for query in searches:
            saved(ours.member, query, query)
        saved(ours.admin, "Everybody's", "tag:LATE tag:other", is_shared=True)
        tagging.rename_tag(late, "late", "red")
        assert queries(ours) == ["tag:LATE tag:other", "lamp tag:late is:open", *searches[1:]]
        tagging.merge_tags(late, other)
        assert queries(ours) == ["tag:other", "lamp tag:other is:open", *searches[1:]]
        db.session.commit()
    with inside(theirs):
        assert queries(theirs) == ['lamp tag:"Late parcel" is:open']


def queries(world):
    return [view.query for view in db.session.scalars(saved_views(world.member))]
