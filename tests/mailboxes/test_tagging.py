"""Tags: one vocabulary, given to conversations by who may answer them, and changed everywhere at once."""

import pytest
from sqlalchemy import select

from mailboxes.crm.cases import Case
from mailboxes.inbox import listing, tagging
from mailboxes.inbox.conversation import newest_message
from mailboxes.inbox.selection import VIEWS, Selection
from mailboxes.inbox.split_and_join import held_joining, join, split
from mailboxes.search_terms import parse_query
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.threads import Thread
from mailboxes.threads.tags import MOST_OF_ONE, Tag, define_tag, tag_named, tags, tags_of
from mailboxes.timeline import events_of
from tenants.database import db
from tenants.errors import ForbiddenError, InvalidError
from tests.factories import make_mailbox, make_message


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


def tagged(world, message, *names):
    for name in names:
        tagging.tag(world.member, [message.thread_id], name, may_define=True)
    db.session.commit()


def borne(thread_id):
    return [tag.name for tag in tags_of([thread_id]).get(thread_id, [])]


def found(world, query):
    page = listing.page(Selection(world.member, view=VIEWS["all"], query=parse_query(query)))
    return [row.subject for row in page.rows]


def thread_of(message):
    return db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()


def test_a_word_is_one_tag_however_it_is_typed_and_the_search_finds_it(ours, theirs, mailbox, inside):
    lamp, stove = (make_message(ours, mailbox, subject=subject) for subject in ("Lamp", "Stove"))
    strange = make_message(theirs, make_mailbox(theirs), subject="Theirs")
    with inside(theirs):
        tagged(theirs, strange, "Late parcel")
    with inside(ours):
        tagged(ours, lamp, "Late parcel", "#late  PARCEL", "red")
        tagged(ours, stove, "red")
        assert borne(lamp.thread_id) == ["Late parcel", "red"]
        assert found(ours, 'tag:"late parcel"') == ["Lamp"]
        assert found(ours, "tag:#RED") == ["Stove", "Lamp"]
        assert found(ours, 'tag:red tag:"Late parcel" lamp') == ["Lamp"]
        assert (found(ours, "tag:nothing"), tags_of([strange.thread_id])) == ([], {})
        told = [step.reason for step in events_of(newest_message(thread_of(lamp))) if step.result == "tagged"]
        assert told == [
            f"{ours.member.name} tagged the conversation “{name}”." for name in borne(lamp.thread_id)
        ]
        assert tagging.untag(ours.member, [lamp.thread_id, stove.thread_id], "RED")
        assert (borne(lamp.thread_id), borne(stove.thread_id)) == (["Late parcel"], [])


@pytest.mark.parametrize(
    ("typed", "name", "asked"),
    [
        ("cafe\u0301", "caf\u00e9", "CAFE\u0301"),
        ("İSTANBUL", "İSTANBUL", "İSTANBUL"),
        ("ΟΔΟΣ", "ΟΔΟΣ", "ΟΔΟΣ"),
        ("# #late", "late", "#late"),
        ("می\u200cخواهم", "میخواهم", "می\u200cخواهم"),
    ],
)
def test_a_tag_is_found_as_it_was_typed_in_every_script(ours, mailbox, inside, typed, name, asked):
    message = make_message(ours, mailbox, subject="Lamp")
    with inside(ours):
        tagged(ours, message, typed)
        assert borne(message.thread_id) == [name]
        assert (found(ours, f"tag:{asked}"), found(ours, f'tag:"{name}"')) == (["Lamp"], ["Lamp"])


def test_what_is_too_long_for_a_tag_is_refused_at_its_field_and_not_cut(ours, mailbox, inside):
    message = make_message(ours, mailbox)
    with inside(ours):
        with pytest.raises(InvalidError) as refused:
            tagged(ours, message, "x" * 51)
        assert (refused.value.field, borne(message.thread_id)) == ("tag", [])
        tagged(ours, message, "x" * 50)
        with pytest.raises(InvalidError):
            tagging.rename_tag(tag_named("x" * 50), "y" * 51, "red")


def test_only_who_may_reply_tags_and_only_who_may_define_words_makes_new_ones(ours, theirs, inside):
    read_only, strange = make_mailbox(ours, readers=()), make_message(theirs, make_mailbox(theirs))
    message, told = make_message(ours, make_mailbox(ours)), make_message(ours, read_only)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=read_only.id, membership_id=ours.member.id, level="read"))
        db.session.commit()
        with pytest.raises(ForbiddenError):
            tagging.tag(ours.member, [message.thread_id, told.thread_id], "red", may_define=True)
        for name in ("red", " #,, ", ""):
            with pytest.raises(InvalidError):
                tagging.tag(ours.member, [message.thread_id], name, may_define=False)
        with pytest.raises(InvalidError):
            tagging.untag(ours.member, [message.thread_id], "red")
        assert tagging.tag(ours.member, [strange.thread_id], "red", may_define=True) == []
        tagged(ours, message, *map(str, range(MOST_OF_ONE)))
        with pytest.raises(InvalidError):
            tagged(ours, message, "one more")


def test_a_word_is_renamed_merged_and_deleted_in_conversations_and_cases_of_its_organization_alone(
    ours, theirs, mailbox, inside
):
    messages = [make_message(ours, mailbox) for _ in range(2)]
    for world in (ours, theirs):
        with inside(world):
            db.session.add(Case(subject="Lamp", tags=["Broken", "urgent", "old"]))
            db.session.commit()
    with inside(ours):
        tagged(ours, messages[0], "broken", "urgent")
        tagged(ours, messages[1], "broken")
        broken, urgent = tag_named("broken"), tag_named("urgent")
        with pytest.raises(InvalidError):
            tagging.rename_tag(broken, "URGENT", "red")
        tagging.rename_tag(broken, "defect", "red")
        assert _of_cases() == ["defect", "urgent", "old"]
        assert tagging.counts_by_tag() == {broken.id: 2, urgent.id: 1}
        assert tagging.merge_tags(broken, urgent) == tagging.Uses(conversations=2, cases=1)
        assert [borne(message.thread_id) for message in messages] == [["urgent"], ["urgent"]]
        assert _of_cases() == ["urgent", "old"]
        assert tagging.delete_tag(urgent) == tagging.Uses(conversations=2, cases=1)
        assert (tags_of([messages[0].thread_id]), _of_cases()) == ({}, ["old"])
        assert db.session.scalars(tags()).all() == []
        db.session.commit()
    with inside(theirs):
        assert _of_cases() == ["Broken", "urgent", "old"]


def test_tags_go_with_what_is_split_and_with_what_is_joined(ours, mailbox, inside):
    first = make_message(ours, mailbox)
    with inside(ours):
        thread = thread_of(first)
    second = make_message(ours, mailbox, thread=thread)
    with inside(ours):
        tagged(ours, first, "red")
        new = split(ours.member, second.id).id
        assert borne(new) == ["red"]
        tagging.tag(ours.member, [new], "blue", may_define=True)
        survivor = join(ours.member, held_joining(ours.member, first.thread_id, new)).id
        assert borne(survivor) == ["blue", "red"]


def test_the_vocabulary_has_an_end(ours, inside, monkeypatch):
    monkeypatch.setattr("mailboxes.threads.tags.MOST_TAGS", 2)
    with inside(ours):
        for name in ("a", "b"):
            define_tag(name)
        with pytest.raises(InvalidError):
            define_tag("c")
        assert [tag.name for tag in db.session.scalars(select(Tag))] == ["a", "b"]


def _of_cases():
    return db.session.scalars(select(Case.tags).execution_options(populate_existing=True)).one()
