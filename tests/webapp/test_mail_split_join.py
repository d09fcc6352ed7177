"""My Emails: the pages that split a conversation and join two."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.crm.cases import Case
from mailboxes.inbox.conversation import assign, change_status
from mailboxes.inbox.split_and_join import held_joining, join, split
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from mailboxes.threads import Thread, ThreadRecord
from tenants.database import db
from tests.factories import form_token, make_mailbox, make_message, make_thread, sign_in
from tests.webapp.reading import form_values, read, words_of


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


@pytest.fixture
def client(app, ours):
    return sign_in(app, ours.member)


def page_of(client, url):
    return BeautifulSoup(read(client, url), "html.parser")


def mailbox_of(thread):
    return db.session.get_one(Mailbox, (thread.organization_id, thread.mailbox_id))


def threads_of(inside, world):
    with inside(world):
        return dict(db.session.execute(select(Message.id, Message.thread_id)).all())


def test_a_conversation_is_split_from_any_message_but_the_first(client, ours, theirs, mailbox, inside):
    thread = make_thread(ours, mailbox)
    first, second = (make_message(ours, mailbox, thread=thread) for _ in range(2))
    page = page_of(client, f"/mail/conversations/{thread.id}")
    [form] = page.select("form[action*='/split']")
    assert form["action"] == f"/mail/messages/{second.id}/split"
    answer = client.post(form["action"], data={"csrf_token": form_token(client)})
    new = threads_of(inside, ours)[second.id]
    assert answer.location == f"/mail/conversations/{new}"
    assert new != threads_of(inside, ours)[first.id] == thread.id
    again = client.post(form["action"], data={"csrf_token": form_token(client)})
    assert (again.status_code, again.location) == (303, answer.location)


def beside(client, thread_id):
    """By their headings, where the blocks beside a conversation lead to; and what its timeline says."""
    side = page_of(client, f"/mail/conversations/{thread_id}").select_one("#side")
    blocks = {block.select_one("h2, h3").get_text(strip=True): block for block in side.select("section")}
    leads = {name: [a["href"] for a in block.select("a")] for name, block in blocks.items()}
    return leads, " ".join(blocks["Timeline"].get_text(" ", strip=True).split())


def test_each_part_of_a_split_names_the_others_until_they_are_joined(client, ours, theirs, mailbox, inside):
    thread = make_thread(ours, mailbox)
    _, second, third = (
        make_message(ours, mailbox, thread=thread, subject=name) for name in ("Lamp", "Shelf", "Chair")
    )
    with inside(ours):
        parts = [split(ours.member, message.id).id for message in (third, second)]
        db.session.commit()
    chair, shelf = (f"/mail/conversations/{id}" for id in parts)
    leads, timeline = beside(client, thread.id)
    assert set(leads["A part of this was split off"]) == {chair, shelf}
    assert "Other conversations" not in leads
    assert "split what comes after it. The other part is “Shelf”." in timeline
    leads, timeline = beside(client, parts[0])
    assert (leads["Split from"], leads["Other parts"]) == ([f"/mail/conversations/{thread.id}"], [shelf])
    assert "made a conversation of its own of this. The other part is “Lamp”." in timeline
    with inside(ours):
        for id in parts:
            join(ours.member, held_joining(ours.member, thread.id, id))
        db.session.commit()
    leads, timeline = beside(client, thread.id)
    assert "A part of this was split off" not in leads
    assert "The other part is" not in timeline


def test_the_other_conversation_is_found_and_what_joining_does_is_read_before(
    client, ours, theirs, mailbox, inside
):
    first = make_message(ours, mailbox, subject="The lamp")
    second = make_message(ours, mailbox, subject="That lamp again")
    make_message(ours, mailbox, subject="Of somebody else", sender="else@where.test")
    make_message(ours, make_mailbox(ours), subject="In another mailbox")
    with inside(ours):
        for message in (first, second):
            case = Case(subject=f"Case of {message.subject}")
            db.session.add(case)
            db.session.flush()
            db.session.add(ThreadRecord(thread_id=message.thread_id, kind="case", case_id=case.id))
        db.session.commit()
    page = page_of(client, f"/mail/conversations/{second.thread_id}")
    choice = page_of(client, page.find("a", string="Join with another conversation")["href"])
    assert [row.get_text(strip=True) for row in choice.select("tbody th")] == ["The lamp"]
    sure = page_of(client, choice.select_one("tbody th a")["href"])
    words = " ".join(sure.select_one("main").get_text().split())
    assert "one conversation of 2 messages, with “The lamp”" in words
    assert "A case is left without this conversation" in words
    action = sure.select_one("main form")["action"]
    answer = client.post(action, data=form_values(str(sure), action))
    assert answer.location == f"/mail/conversations/{first.thread_id}"
    found = threads_of(inside, ours)
    assert found[first.id] == found[second.id] == first.thread_id
    again = client.post(action, data=form_values(str(sure), action))
    assert (again.status_code, again.location) == (303, answer.location)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ours, thread: make_message(ours, mailbox_of(thread), thread=thread), "of 3 messages"),
        (lambda ours, thread: change_status(ours.admin, [thread.id], "done"), "Makes it open"),
        (lambda ours, thread: assign(ours.admin, [thread.id], ours.admin.id), "Leaves it to {admin}"),
    ],
    ids=["a message came", "somebody was done with it", "somebody was assigned"],
)
def test_what_changed_since_its_page_was_opened_is_read_before_conversations_are_joined(
    client, ours, theirs, mailbox, inside, change, words
):
    first, second = (make_thread(ours, mailbox) for _ in range(2))
    for thread in (first, second):
        make_message(ours, mailbox, thread=thread)
    action = f"/mail/conversations/{first.id}/join"
    opened = form_values(read(client, f"{action}?other={second.id}"), action)
    with inside(ours):
        change(ours, db.session.get_one(Thread, (ours.id, second.id)))
        db.session.commit()
    answer = client.post(action, data=opened)
    told = words_of(answer.text)
    assert answer.status_code == 422
    assert "Somebody changed this while this page was open. Read below" in told
    assert words.format(admin=ours.admin.name) in told
    assert client.post(action, data=form_values(answer.text, action)).status_code == 303


def test_whoever_joins_reads_whose_work_it_is_then_and_whom_an_answer_reaches(
    client, ours, theirs, mailbox, inside
):
    first, second = (make_message(ours, mailbox) for _ in range(2))
    with inside(ours):
        assign(ours.admin, [first.thread_id], ours.member.id)
        assign(ours.admin, [second.thread_id], ours.admin.id)
        db.session.commit()
    told = words_of(read(client, f"/mail/conversations/{first.thread_id}/join?other={second.thread_id}"))
    assert f"Leaves it to {ours.member.name}, and no more to {ours.admin.name}" in told
    assert "An answer goes to whoever wrote the message that it answers" in told


def test_nobody_joins_a_conversation_with_one_of_the_neighbour(client, ours, theirs, mailbox, inside):
    message, foreign = make_message(ours, mailbox), make_message(theirs, make_mailbox(theirs))
    given = {"csrf_token": form_token(client), "other": str(foreign.thread_id)}
    client.post(f"/mail/conversations/{message.thread_id}/join", data=given)
    assert threads_of(inside, theirs) == {foreign.id: foreign.thread_id}
    assert threads_of(inside, ours) == {message.id: message.thread_id}
    given["other"] = str(message.thread_id)
    client.post(f"/mail/conversations/{foreign.thread_id}/join", data=given)
    assert threads_of(inside, theirs) == {foreign.id: foreign.thread_id}


def test_any_conversation_of_the_mailbox_is_found_by_words(client, ours, mailbox):
    message = make_message(ours, mailbox, subject="The lamp")
    make_message(ours, mailbox, subject="A parcel", sender="else@where.test")
    url = f"/mail/conversations/{message.thread_id}/join?words=parcel"
    assert [row.get_text(strip=True) for row in page_of(client, url).select("tbody th")] == ["A parcel"]
    empty = page_of(client, f"/mail/conversations/{message.thread_id}/join?words=nothing+of+that")
    assert "No other conversation" in empty.get_text()


def test_where_the_sender_has_no_other_conversation_the_newest_of_the_mailbox_are_offered(
    client, ours, theirs, mailbox
):
    make_message(theirs, make_mailbox(theirs), subject=theirs.canary)
    make_message(ours, make_mailbox(ours), subject="Of another mailbox")
    make_message(ours, mailbox, subject="The lamp", sender="else@where.test")
    message = make_message(ours, mailbox, subject="Re: The lamp", sender="colleague@where.test")
    page = page_of(client, f"/mail/conversations/{message.thread_id}/join")
    assert [row.get_text(strip=True) for row in page.select("tbody th")] == ["The lamp"]
    assert not page.select_one("#words")["value"]


def test_who_may_only_read_is_not_offered_it(app, ours, inside):
    mailbox = make_mailbox(ours, readers=())
    thread = make_thread(ours, mailbox)
    message = [make_message(ours, mailbox, thread=thread) for _ in range(2)][1]
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="read"))
        db.session.commit()
    client = sign_in(app, ours.member)
    page = read(client, f"/mail/conversations/{thread.id}")
    assert "/split" not in page
    assert "/join" not in page
    assert client.get(f"/mail/conversations/{thread.id}/join").status_code == 403
    assert (
        client.post(f"/mail/messages/{message.id}/split", data={"csrf_token": form_token(client)}).status_code
        == 403
    )
