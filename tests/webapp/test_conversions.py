"""Conversations become records by hand, from their own page."""

import pytest
from sqlalchemy import select

from mailboxes import timeline
from mailboxes.crm.cases import Case
from mailboxes.crm.channels import add_channel
from mailboxes.inbox.split_and_join import held_joining, join
from tenants.database import db, inside
from tests.factories import csrf_token, make_mailbox, make_member, make_message, make_thread, sign_in
from tests.mailboxes.conversion.acting import act, opening
from tests.webapp.reading import read, send, words_of
from tests.webapp.test_roles import make_role


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


def test_who_may_not_see_cases_is_not_told_by_a_join_which_one_lost_its_conversation(app, ours, theirs):
    powerless = make_member(ours.id, "Only Reads", role=None)
    mailbox = make_mailbox(ours, readers=(ours.member, powerless))
    first, second = make_message(ours, mailbox, subject="One"), make_message(ours, mailbox, subject="Two")
    client = sign_in(app, ours.member)
    for message in (first, second):
        page = f"/mail/conversations/{message.thread_id}"
        send(client, f"/conversions/{message.thread_id}", at=page, kind="case")
    (case,) = [one for one in cases_of(ours) if one.subject == "Two"]
    send(client, f"/cases/{case.id}/edit", subject="Secret case B")
    with inside(ours.id):
        join(ours.member, held_joining(ours.member, first.thread_id, second.thread_id))
        db.session.commit()
    page = f"/mail/conversations/{first.thread_id}"
    assert "The case “Secret case B” lost its conversation" in words_of(read(client, page))
    html = read(sign_in(app, powerless), page)
    assert "joined “Two” with “One”." in words_of(html)
    assert ("Secret case B" in html, str(case.id) in html) == (False, False)


@pytest.mark.parametrize("is_shadow", [True, False])
def test_who_may_see_leads_alone_is_not_told_the_name_of_a_case_beside_one(
    app, ours, theirs, inside, is_shadow
):
    seller = make_member(ours.id, "Sells", role=None)
    make_role(inside, ours, "Sales", ["lead.view", "mailbox.manage"], seller)
    origin = make_message(ours, make_mailbox(ours, readers=(ours.member,)), subject="Help us")
    with inside(ours):
        add_channel("Sales")
        db.session.commit()
    client, page = sign_in(app, ours.member), f"/mail/conversations/{origin.thread_id}"
    for kind in ("lead", "case"):
        send(client, f"/conversions/{origin.thread_id}", at=page, kind=kind)
    (case,) = cases_of(ours)
    send(client, f"/cases/{case.id}/edit", subject="Secret case B")
    other = make_mailbox(ours, readers=(ours.member, seller), action="case", is_shadow=is_shadow)
    thread = make_thread(ours, other, linked_thread_id=origin.thread_id)
    act(ours, opening(ours, other, thread=thread, is_shadow=is_shadow))
    pages = [f"/mail/conversations/{thread.id}", *[f"/configuration/mailboxes/{other.id}/shadow"] * is_shadow]
    assert "and the case “Secret case B”." in words_of(read(client, pages[0]))
    for page in pages:
        html = read(sign_in(app, seller), page)
        assert "You may not see cases." in words_of(html)
        assert "Secret case B" not in html
