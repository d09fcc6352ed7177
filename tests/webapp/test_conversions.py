"""Conversations become records by hand, from their own page."""

from sqlalchemy import select

from mailboxes import timeline
from mailboxes.crm.cases import Case
from tenants.database import db, inside
from tests.factories import csrf_token, make_mailbox, make_member, make_message, sign_in
from tests.webapp.reading import read, send, words_of


def cases_of(organization):
    with inside(organization.id):
        return db.session.scalars(select(Case)).all()


def test_a_conversation_becomes_a_case_by_hand_once(app, ours):
    message = make_message(ours, make_mailbox(ours), subject="Help us")
    client, page = sign_in(app, ours.member), f"/mail/conversations/{message.thread_id}"
    url = f"/conversions/{message.thread_id}"
    before = read(client, page)
    assert "Convert to case" in before
    assert "Converting to leads needs an active sales channel" in before
    after = send(client, url, at=page, kind="case")
    assert "“Help us” was made." in after
    assert "Convert to case" not in after
    (case,) = cases_of(ours)
    assert (case.is_automatic, case.owner_id, f"/cases/{case.id}" in after) == (False, ours.member.id, True)
    assert client.post(url, data={"kind": "case", "csrf_token": csrf_token(after)}).status_code == 409
    assert client.post(url, data={"kind": "moon", "csrf_token": csrf_token(after)}).status_code == 404


def test_what_one_may_not_read_or_make_stays_as_it_is(app, ours, theirs):
    foreign = make_message(theirs, make_mailbox(theirs))
    powerless = make_member(ours.id, "Only Reads", role=None)
    message = make_message(ours, make_mailbox(ours, readers=(powerless,)))
    admin, reader = sign_in(app, ours.admin), sign_in(app, powerless)
    page = read(reader, f"/mail/conversations/{message.thread_id}")
    assert "Convert to" not in page
    token = csrf_token(page)
    answer = reader.post(f"/conversions/{message.thread_id}", data={"kind": "case", "csrf_token": token})
    assert answer.status_code == 403
    token = csrf_token(read(admin, "/leads/"))
    for thread_id in (message.thread_id, foreign.thread_id):
        answer = admin.post(f"/conversions/{thread_id}", data={"kind": "case", "csrf_token": token})
        assert answer.status_code == 404
    assert cases_of(ours) == [] == cases_of(theirs)


def test_who_may_not_see_cases_is_not_told_what_one_is_called(app, ours):
    powerless = make_member(ours.id, "Only Reads", role=None)
    message = make_message(ours, make_mailbox(ours, readers=(ours.member, powerless)), subject="Help us")
    client, page = sign_in(app, ours.member), f"/mail/conversations/{message.thread_id}"
    send(client, f"/conversions/{message.thread_id}", at=page, kind="case")
    (case,) = cases_of(ours)
    send(client, f"/cases/{case.id}/edit", subject="Important customer")
    assert "Important customer" in words_of(read(client, page))
    with inside(ours.id):
        details = {"kind": "case", "record_id": str(case.id), "url": f"/cases/{case.id}"}
        told = "It belongs to the case “Important customer”."
        timeline.record(db.session.merge(message), "converted", "attached", told, details=details)
        db.session.commit()
    html = read(sign_in(app, powerless), page)
    seen = words_of(html)
    assert "Important customer" not in seen
    assert "There is one. You may not see cases." in seen
    assert "attached You may not see cases." in seen
    assert f"/cases/{case.id}" not in html
    assert f"/cases/{case.id}" in read(client, page)
