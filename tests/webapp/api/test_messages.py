"""Conversations and messages by the API: no further than a member reads, and answered once."""

import base64

import pytest
from sqlalchemy import select

from mailboxes.outgoing import Outgoing
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.threads import Thread
from mailboxes.timeline import Event
from tenants.database import db, inside
from tests.factories import make_mailbox, make_message, make_raw, with_token

SMTP = {"smtp_enabled": True, "smtp_host": "smtp.example.test", "smtp_user": "help"}


@pytest.fixture
def mailbox(ours, theirs):
    return make_mailbox(ours, account=SMTP)


@pytest.fixture
def program(app, ours):
    return with_token(app, ours.admin, "messages:write")


def outbox(world):
    with inside(world.id):
        return db.session.scalars(select(Outgoing).order_by(Outgoing.created_at)).all()


def test_conversations_are_found_by_the_words_of_my_emails(program, ours, theirs, mailbox):
    make_message(theirs, make_mailbox(theirs), subject="Tents")
    wanted = make_message(ours, mailbox, subject="Tents for Iceland", sender="Nora <nora@customer.test>")
    make_message(ours, mailbox, subject="Boots")
    for query in ("tents", "from:nora", "subject:iceland", "is:unread subject:tents"):
        found = program.get("/api/v1/conversations", query_string={"q": query}).json["data"]
        assert [one["id"] for one in found] == [str(wanted.thread_id)], query
        found = program.get("/api/v1/messages", query_string={"q": query}).json["data"]
        assert [one["id"] for one in found] == [str(wanted.id)], query


def test_conversations_go_on_from_page_to_page(program, ours, mailbox):
    for number in range(5):
        make_message(ours, mailbox, subject=f"Question {number}")
    for list_ in ("conversations", "messages"):
        subjects, cursor = [], ""
        while cursor is not None:
            page = program.get(f"/api/v1/{list_}?limit=2&cursor={cursor}").json
            subjects += [one["subject"] for one in page["data"]]
            cursor = page["next_cursor"]
        assert subjects == [f"Question {number}" for number in (4, 3, 2, 1, 0)]


def test_a_message_is_read_whole_with_its_source_and_attachments(program, ours, mailbox):
    raw = make_raw(text="Hello", attachments=(("tent.txt", "text/plain", b"green"),))
    message = make_message(ours, mailbox, raw=raw)
    told = program.get(f"/api/v1/messages/{message.id}").json
    assert (told["text"].strip(), told["from"][0]["address"]) == ("Hello", "carla@customer.test")
    [attachment] = told["attachments"]
    source = program.get(f"/api/v1/messages/{message.id}/raw")
    assert (source.data, source.mimetype) == (raw, "message/rfc822")
    file = program.get(f"/api/v1/messages/{message.id}/attachments/{attachment['position']}")
    assert (file.data.strip(), file.mimetype) == (b"green", "application/octet-stream")
    assert program.get(f"/api/v1/messages/{message.id}").json["at"].endswith("Z")


def test_a_message_is_answered_once_whatever_is_sent_again(program, ours, mailbox):
    message = make_message(ours, mailbox, subject="Tents")
    address, key = f"/api/v1/messages/{message.id}/reply", {"Idempotency-Key": "answer 1"}
    file = {"filename": "list.txt", "content_type": "text/plain", "content": base64.b64encode(b"x").decode()}
    body = {"text": "In May.", "attachments": [file]}
    first = program.post(address, json=body, headers=key)
    assert first.status_code == 202, first.text
    assert (first.json["subject"], first.json["sending"]) == ("Re: Tents", "ready")
    assert first.json["to"] == [{"name": "Carla Customer", "address": "carla@customer.test"}]
    assert [one["filename"] for one in first.json["attachments"]] == ["list.txt"]
    assert program.post(address, json=body, headers=key).json["id"] == first.json["id"]
    [queued] = outbox(ours)
    assert queued.recipients == ["carla@customer.test"]
    conversation = program.get(f"/api/v1/conversations/{message.thread_id}/messages").json["data"]
    assert [one["id"] for one in conversation] == [first.json["id"], str(message.id)]


def test_nothing_is_sent_where_somebody_wrote_meanwhile(program, ours, mailbox):
    message = make_message(ours, mailbox)
    count = program.get(f"/api/v1/conversations/{message.thread_id}").json["message_count"]
    with inside(ours.id):
        thread = db.session.scalars(select(Thread)).one()
    make_message(ours, mailbox, thread=thread)
    body = {"text": "In May.", "message_count": count}
    assert program.post(f"/api/v1/messages/{message.id}/reply", json=body).status_code == 409
    assert outbox(ours) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"text": " "}, "#/text"),
        ({"text": "x", "to": ["nobody"]}, "#/to"),
        ({"text": "x", "to": []}, "#/to"),
        ({"text": "x", "subject": "a" * 501}, "#/subject"),
        ({"text": "x", "attachments": [{"filename": "a", "content": "%"}]}, "#/attachments/0/content"),
    ],
)
def test_what_is_wrong_with_an_answer_is_told_at_its_place(program, ours, mailbox, body, pointer):
    message = make_message(ours, mailbox)
    refused = program.post(f"/api/v1/messages/{message.id}/reply", json=body)
    assert refused.status_code == 422, refused.text
    assert [one["pointer"] for one in refused.json["errors"]] == [pointer]
    assert outbox(ours) == []


def test_whoever_may_only_read_a_mailbox_answers_nothing(program, ours, mailbox):
    message = make_message(ours, mailbox)
    with inside(ours.id):
        for grant in db.session.scalars(select(MailboxGrant)):
            grant.level = "read"
        db.session.commit()
    assert program.get(f"/api/v1/messages/{message.id}").status_code == 200
    assert program.post(f"/api/v1/messages/{message.id}/reply", json={"text": "x"}).status_code == 403


def test_of_a_mailbox_that_its_maker_may_not_read_a_token_tells_nothing(program, ours, theirs):
    hidden, foreign = make_mailbox(ours, readers=(ours.member,)), make_mailbox(theirs)
    for message in (make_message(ours, hidden), make_message(theirs, foreign)):
        for address in (
            f"messages/{message.id}",
            f"messages/{message.id}/raw",
            f"messages/{message.id}/attachments/1",
            f"conversations/{message.thread_id}",
            f"conversations/{message.thread_id}/messages",
            f"conversations/{message.thread_id}/notes",
            f"conversations?mailbox_id={message.mailbox_id}",
        ):
            assert program.get(f"/api/v1/{address}").status_code == 404, address
        assert program.post(f"/api/v1/messages/{message.id}/reply", json={"text": "x"}).status_code == 404
    assert program.get("/api/v1/conversations").json["data"] == []
    assert program.get("/api/v1/readable-mailboxes").json["data"] == []


def test_a_conversation_is_given_to_somebody_done_with_and_noted(program, ours, theirs, mailbox):
    message = make_message(ours, mailbox)
    address = f"/api/v1/conversations/{message.thread_id}"
    changes = {"status": "done", "assignee_id": str(ours.member.id)}
    changed = program.patch(address, json=changes)
    assert {name: changed.json[name] for name in changes} == changes
    assert program.patch(address, json={"assignee_id": None}).json["assignee_id"] is None
    assert program.patch(address, json={"assignee_id": str(theirs.member.id)}).status_code == 422
    note = program.post(f"{address}/notes", json={"text": "Third shelf."})
    assert note.status_code == 201
    assert program.get(f"{address}/notes").json["data"] == [note.json]


def test_a_conversation_is_given_to_nobody_who_may_not_read_it_and_its_field_says_so(program, ours, theirs):
    message = make_message(ours, make_mailbox(ours, readers=(ours.admin,)))
    given = {"assignee_id": str(ours.member.id)}
    refused = program.patch(f"/api/v1/conversations/{message.thread_id}", json=given)
    assert [one["pointer"] for one in refused.json["errors"]] == ["#/assignee_id"]


def test_what_a_program_does_to_a_conversation_is_in_its_history_with_its_token(app, ours, theirs, mailbox):
    message = make_message(ours, mailbox)
    program = with_token(app, ours.admin, name="Web shop")
    address = f"/api/v1/conversations/{message.thread_id}"
    program.patch(address, json={"status": "done", "assignee_id": str(ours.member.id)})
    program.post(f"{address}/notes", json={"text": "Third shelf."})
    program.post(f"/api/v1/messages/{message.id}/reply", json={"text": "In May."})
    with inside(ours.id):
        reasons = db.session.scalars(select(Event.reason)).all()
    acts = [reason for reason in reasons if f"{ours.admin.name} by the token Web shop " in reason]
    assert len(acts) == 4


def test_reading_marks_nothing_until_that_is_said(program, app, ours, mailbox):
    message = make_message(ours, mailbox)
    program.get(f"/api/v1/messages/{message.id}")
    unread = {"q": "is:unread"}
    assert len(program.get("/api/v1/conversations", query_string=unread).json["data"]) == 1
    assert program.patch(f"/api/v1/messages/{message.id}", json={"is_read": True}).status_code == 200
    assert program.get("/api/v1/conversations", query_string=unread).json["data"] == []
