"""My Emails: one conversation."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from flask import render_template
from sqlalchemy import event, select

from mailboxes import timeline
from mailboxes.accounts import Folder
from mailboxes.crm.contacts import make_contact
from mailboxes.crm.leads import Lead
from mailboxes.drafts import Draft
from mailboxes.inbox import read_state
from mailboxes.messages import Location, Message
from mailboxes.outgoing import Outgoing
from mailboxes.sync import leases
from mailboxes.sync.following import follow_removals, follow_returns
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.threads import Thread, ThreadRecord
from tenants.configuration.layers import override
from tenants.database import db, now
from tests.factories import form_token, make_mailbox, make_member, make_message, make_thread, sign_in
from tests.mailboxes.arriving import account_of, letter, receive
from tests.webapp.critic import criticise
from tests.webapp.reading import read, words_of
from tests.webapp.test_leads import may_do
from webapp.mail.presenting import MOST_EVENTS

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support")


@pytest.fixture
def client(app, ours):
    return sign_in(app, ours.member)


def test_a_page_asks_after_its_last_fifty_incomplete_messages_and_no_others(app):
    asked = []
    place = SimpleNamespace(url=lambda endpoint, **values: asked.append((endpoint, values)) or "/")
    messages = [{"id": number, "problem": "too large" if number % 2 else ""} for number in range(200)]
    known = {"newest_key": "k", "last_note": "n", "messages": messages}
    with app.test_request_context():
        render_template("mail/watch.html", place=place, thread=SimpleNamespace(id=7), **known)
    stubs = list(range(101, 200, 2))  # an address has an end
    expected = {"thread_id": 7, "after": "k", "noted": "n", "stub": stubs}
    assert asked == [("mail.news", expected)]


def cards(html):
    return BeautifulSoup(html, "html.parser").select("#messages article.message")


def url_of(message):
    return f"/mail/conversations/{message.thread_id}"


def post(client, url, **data):
    return client.post(url, data={"csrf_token": form_token(client), **data})


def several(world, mailbox, number, **given):
    thread = make_thread(world, mailbox, subject="Talk")
    return [
        make_message(
            world, mailbox, thread=thread, shown_at=START + timedelta(hours=n), text=f"Text {n}", **given
        )
        for n in range(number)
    ]


def queued(world, message, state="ready", **given):
    row = Outgoing(
        mailbox_id=message.mailbox_id,
        message_id=message.id,
        header_id=message.message_id,
        state=state,
        give_up_at=now() + timedelta(hours=1),
        **{"kind": "reply", **given},
    )
    db.session.add(row)
    db.session.commit()
    return row


def test_messages_stand_oldest_first_and_what_was_read_is_folded(client, ours, mailbox, inside):
    messages = several(ours, mailbox, 3)
    with inside(ours):
        read_state.mark_read(ours.member, select(Message).where(Message.id == messages[0].id))
        db.session.commit()
    shown = cards(read(client, url_of(messages[0])))
    assert [card["id"] for card in shown] == [f"message-{message.id}" for message in messages]
    assert [card.select_one("details.message-fold").has_attr("open") for card in shown] == [False, True, True]


def test_a_question_that_was_read_is_not_folded_above_our_robots_answer(client, ours, mailbox, inside):
    asked, more = several(ours, mailbox, 2)
    with inside(ours):
        read_state.mark_read(ours.member, select(Message))
        thread = db.session.get_one(Thread, (ours.id, asked.thread_id))
        db.session.commit()
    robot = {"direction": "out", "box": "sent", "is_automatic": True}
    make_message(ours, mailbox, thread=thread, shown_at=more.shown_at + timedelta(minutes=1), **robot)
    shown = cards(read(client, url_of(asked)))
    assert [card.select_one("details.message-fold").has_attr("open") for card in shown] == [False, True, True]


def test_what_a_mail_system_says_is_neither_answered_nor_taken_for_the_customer(
    client, ours, mailbox, inside
):
    asked, more = several(ours, mailbox, 2, sender_address="anna@customer.test")
    with inside(ours):
        thread = db.session.get_one(Thread, (ours.id, asked.thread_id))
    bounce = {"is_automatic": True, "is_bounce": True, "sender_address": "mailer-daemon@relay.test"}
    make_message(ours, mailbox, thread=thread, shown_at=more.shown_at + timedelta(minutes=1), **bounce)
    with inside(ours):
        read_state.mark_read(ours.member, select(Message))
        db.session.commit()
    page = read(client, url_of(asked))
    shown = cards(page)
    assert [card.select_one("details.message-fold").has_attr("open") for card in shown] == [False, True, True]
    assert [bool(card.select_one("[data-shortcut=r]")) for card in shown] == [False, True, False]
    side = BeautifulSoup(page, "html.parser").select_one("#side")
    assert "anna@customer.test" in side.text
    assert "mailer-daemon" not in side.text


def test_what_a_program_wrote_is_answered_where_nobody_else_wrote(client, ours, mailbox):
    message = make_message(ours, mailbox, is_automatic=True, sender_address="robot@shop.test")
    page = read(client, url_of(message))
    assert cards(page)[0].select_one("[data-shortcut=r]")
    assert "robot@shop.test" in BeautifulSoup(page, "html.parser").select_one("#side").text


def test_the_list_stays_beside_it_with_its_row_marked(client, ours, mailbox):
    message = make_message(ours, mailbox, subject="This one")
    make_message(ours, mailbox, subject="That one")
    page = BeautifulSoup(read(client, f"{url_of(message)}?view=all"), "html.parser")
    current = page.select("#conversations .is-current .row-subject")
    assert [one.get_text(strip=True) for one in current] == ["This one"]
    assert page.select_one(".conversation-back")["href"] == "/mail/?view=all"


@pytest.mark.parametrize("which", ["closed", "theirs"])
def test_a_conversation_that_is_not_granted_is_not_there(client, ours, theirs, which):
    world = ours if which == "closed" else theirs
    readers = (ours.admin,) if which == "closed" else None
    message = make_message(world, make_mailbox(world, readers=readers))
    for path in ("", "/messages", "/news"):
        answer = client.get(url_of(message) + path)
        assert answer.status_code == 404
        assert "Carla" not in answer.text
    for path in ("/read", "/unread", "/status", "/assignee"):
        assert post(client, url_of(message) + path, status="done").status_code == 404


def test_ours_and_theirs_look_different(client, ours, mailbox):
    thread = make_thread(ours, mailbox)
    make_message(ours, mailbox, thread=thread)
    make_message(ours, mailbox, thread=thread, direction="out", sent_by_id=ours.admin.id)
    make_message(ours, mailbox, thread=thread, direction="out", is_automatic=True)
    make_message(ours, mailbox, thread=thread, box="drafts", direction="out")
    shown = cards(read(client, f"/mail/conversations/{thread.id}"))
    kinds = [card["class"][-1] for card in shown]
    assert kinds == ["message-incoming", "message-outgoing", "message-automatic", "message-draft"]
    assert "Ada" in shown[1].get_text()


def test_a_long_conversation_begins_with_its_end(client, ours, mailbox):
    messages = several(ours, mailbox, 33)
    page = read(client, url_of(messages[0]))
    assert len(cards(page)) == 30
    link = BeautifulSoup(page, "html.parser").select_one(".older-messages")
    assert "3 earlier messages" in link.get_text()
    part = client.get(link["href"], headers={"HX-Request": "true", "HX-Target": "messages"})
    assert len(BeautifulSoup(part.text, "html.parser").select("article.message")) == 33


def test_a_conversation_takes_as_many_queries_for_one_message_as_for_many(app, client, ours, mailbox):
    def queries(url):
        statements = []
        with app.app_context():
            engines = [db.engine, db.engines["system"]]
        note = lambda *args: statements.append(args[2])  # noqa: E731
        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        assert client.get(url).status_code == 200
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
        return len(statements)

    files = (("a.txt", "text/plain", b"x"),)
    (one,) = several(ours, mailbox, 1, attachments=files)
    few = queries(url_of(one))
    many = several(ours, mailbox, 12, attachments=files, html="<p>x</p>")
    assert queries(url_of(many[0])) == few


def test_quoted_text_and_signatures_are_folded(client, ours, mailbox):
    text = "Thank you!\n\nOn 3 May 2026, Ada <ada@x.test> wrote:\n> The old text\n> goes on\n\n-- \nCarla\n"
    message = make_message(ours, mailbox, text=text)
    card = cards(read(client, url_of(message)))[0]
    folds = [fold.get_text(" ", strip=True) for fold in card.select(".message-text details.quoted")]
    assert any("The old text" in fold for fold in folds)
    assert all("Thank you!" not in fold for fold in folds)


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"]
)
def test_hostile_text_is_text_wherever_it_stands(client, ours, mailbox, hostile):
    message = make_message(
        ours,
        mailbox,
        subject=hostile,
        text=hostile,
        sender_name=hostile,
        attachments=((hostile, "text/plain", b"x"),),
    )
    for url in (url_of(message), "/mail/", f"/mail/messages/{message.id}/original", "/mail/unread-menu"):
        page = BeautifulSoup(client.get(url).text, "html.parser")
        assert not page.select("script:not([nonce]), img[onerror], a[href^=javascript]"), url


def test_what_is_attached_can_be_saved(client, ours, mailbox):
    files = (("invoice.pdf", "application/pdf", b"%PDF"), ("data.csv", "text/csv", b"a,b"))
    message = make_message(ours, mailbox, attachments=files)
    card = cards(read(client, url_of(message)))[0]
    names = [one.get_text(strip=True) for one in card.select(".attachment-name a")]
    assert names == ["invoice.pdf", "data.csv"]
    assert "Download all 2 as zip" in card.get_text()


def test_the_senders_check_is_said_in_words(client, ours, inside):
    mailbox = make_mailbox(ours, trusted_authserv_id="mx.acme.test")
    results = "mx.acme.test; dmarc={}; spf=fail smtp.mailfrom=customer.test"
    good = make_message(ours, mailbox, headers=(("Authentication-Results", results.format("pass")),))
    bad = make_message(ours, mailbox, headers=(("Authentication-Results", results.format("fail")),))
    silent = make_message(ours, mailbox)
    assert "Sender verified" in cards(read(client, url_of(good)))[0].get_text()
    assert "Sender may be forged" in cards(read(client, url_of(bad)))[0].get_text()
    assert "Sender not checked" in cards(read(client, url_of(silent)))[0].get_text()


def test_a_new_sender_and_a_stub_are_pointed_out(client, ours, mailbox):
    message = make_message(ours, mailbox, is_from_new_sender=True, is_stub=True)
    text = cards(read(client, url_of(message)))[0].get_text()
    assert "New sender" in text
    assert "Only its header is here" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [("ready", "Queued"), ("sent", "Sent"), ("failed", "Not sent"), ("unknown", "Send again")],
)
def test_what_became_of_an_answer_is_shown(client, ours, mailbox, inside, state, words):
    message = make_message(ours, mailbox, direction="out", sent_by_id=ours.member.id)
    with inside(ours):
        queued(ours, message, state, last_error="550 no such user" if state == "failed" else "")
    text = cards(read(client, url_of(message)))[0].get_text(" ")
    assert words in text
    assert ("550 no such user" in text) == (state == "failed")


def test_the_record_and_the_timeline_stand_beside_it(client, ours, mailbox, inside):
    message = make_message(ours, mailbox)
    with inside(ours):
        lead = Lead(name="Lamp for the hall")
        db.session.add(lead)
        db.session.flush()
        db.session.add(ThreadRecord(thread_id=message.thread_id, kind="lead", lead_id=lead.id))
        timeline.record(message, "rules", "suppressed", "It is automatic mail.", milliseconds=42)
        db.session.commit()
    side = BeautifulSoup(read(client, url_of(message)), "html.parser").select_one("#side").get_text(" ")
    assert "Lamp for the hall" in side
    assert "It is automatic mail." in side
    assert "42 ms" in side
    assert "The latest steps." not in side
    with inside(ours):
        for _ in range(MOST_EVENTS):
            timeline.record(db.session.merge(message), "rules", "suppressed", "Once more.")
        db.session.commit()
    side = BeautifulSoup(read(client, url_of(message)), "html.parser").select_one("#side").get_text(" ")
    assert "The latest steps." in side
    assert "42 ms" not in side


def test_what_became_of_an_automatic_response_stands_once_on_the_timeline(client, ours, mailbox, inside):
    asked = make_message(ours, mailbox)
    answer = make_message(ours, mailbox, direction="out", thread=Thread(id=asked.thread_id))
    with inside(ours):
        queued(ours, answer, "sent", kind="automatic", trigger_id=asked.id)
        for message in (asked, answer):
            timeline.record(db.session.merge(message), "sent", "sent", "Taken by the server.")
        db.session.commit()
    page = BeautifulSoup(read(client, url_of(asked)), "html.parser")
    assert page.select_one("#side").get_text().count("Taken by the server.") == 1


def test_the_contact_of_the_sender_is_a_step_away_for_whoever_may_see_contacts(
    app, client, ours, theirs, mailbox, inside
):
    with inside(theirs):
        make_contact({"name": theirs.canary}, ["carla@customer.test"])
        db.session.commit()
    message = make_message(ours, mailbox)
    assert "/contacts/" not in str(
        BeautifulSoup(read(client, url_of(message)), "html.parser").select_one("#side")
    )
    with inside(ours):
        contact = make_contact({"name": "Carla of old", "company": "Lamps"}, ["carla@customer.test"])
        few = may_do(ours, "case.view")
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=few.id, level="reply"))
        db.session.commit()
    side = BeautifulSoup(read(client, url_of(message)), "html.parser").select_one("#side")
    link = side.select_one("a[href^='/contacts/']")
    assert (link["href"], "Carla of old" in link.get_text()) == (f"/contacts/{contact.id}", True)
    assert "Lamps" in side.get_text()
    assert "Carla of old" not in read(sign_in(app, few), url_of(message))


def test_a_linked_conversation_is_shown_to_who_may_read_it(app, ours, mailbox, inside):
    closed = make_message(ours, make_mailbox(ours, readers=(ours.admin,)), subject="Behind the wall")
    message = make_message(ours, mailbox, sender="Somebody <else@where.test>")
    with inside(ours):
        thread = db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()
        thread.linked_thread_id = closed.thread_id
        db.session.commit()
    assert "Behind the wall" in read(sign_in(app, ours.admin), url_of(message))
    assert "Behind the wall" not in read(sign_in(app, ours.member), url_of(message))


def test_opening_asks_to_be_read_by_a_post(client, ours, mailbox, inside):
    message = make_message(ours, mailbox)
    page = BeautifulSoup(read(client, url_of(message)), "html.parser")
    form = page.select_one("form.mark-read")
    assert form["hx-trigger"] == "load"
    values = {control["name"]: control["value"] for control in form.select("input")}
    later = make_message(ours, mailbox, thread=None)
    answer = client.post(form["action"], data=values, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (204, "postroom:read")
    with inside(ours):
        assert read_state.unread_count(ours.member) == 1
    assert later.thread_id != message.thread_id
    assert not BeautifulSoup(read(client, url_of(message)), "html.parser").select("form.mark-read")


def test_what_came_after_the_page_was_made_stays_unread(client, ours, mailbox, inside):
    message = make_message(ours, mailbox)
    page = BeautifulSoup(read(client, url_of(message)), "html.parser")
    values = {control["name"]: control["value"] for control in page.select("form.mark-read input")}
    with inside(ours):
        thread = db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()
    make_message(ours, mailbox, thread=thread)
    client.post(f"{url_of(message)}/read", data=values)
    with inside(ours):
        assert read_state.unread_count(ours.member) == 1


def test_it_can_be_made_unread_again(client, ours, mailbox, inside):
    message = make_message(ours, mailbox, is_read_by_all=True)
    answer = post(client, f"{url_of(message)}/unread?view=all")
    assert answer.location == "/mail/?view=all"
    with inside(ours):
        assert read_state.unread_count(ours.member) == 1


def test_its_status_and_assignee_change_with_a_line_on_the_timeline(client, ours, mailbox, inside):
    message = make_message(ours, mailbox)
    assert post(client, f"{url_of(message)}/status", status="waiting").status_code == 303
    assert post(client, f"{url_of(message)}/assignee", assignee=ours.admin.id).status_code == 303
    with inside(ours):
        thread = db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()
        assert (thread.status, thread.assignee_id) == ("waiting", ours.admin.id)
    page = read(client, url_of(message))
    assert "set the status to waiting" in page
    assert f"assigned the conversation to {ours.admin.name}" in page


def test_only_who_may_read_it_can_be_given_it(client, ours, theirs, inside):
    message = make_message(ours, make_mailbox(ours, readers=(ours.member,)))
    for somebody in (ours.admin, theirs.member):
        assert post(client, f"{url_of(message)}/assignee", assignee=somebody.id).status_code == 422
    assert post(client, f"{url_of(message)}/status", status="purple").status_code == 422
    assert post(client, f"{url_of(message)}/assignee", assignee="nobody").status_code == 404


def test_news_are_put_into_the_open_page_and_only_once(client, ours, mailbox, inside):
    message = make_message(ours, mailbox)
    watch = BeautifulSoup(read(client, url_of(message)), "html.parser").select_one("#watch")
    known = {"HX-Request": "true", "If-None-Match": f'"{watch["data-etag"]}"'}
    assert client.get(watch["hx-get"], headers=known).status_code == 304
    with inside(ours):
        thread = db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()
    newer = make_message(ours, mailbox, thread=thread, text="And another thing")
    answer = client.get(watch["hx-get"], headers=known)
    criticise(answer.text, watch["hx-get"])
    part = BeautifulSoup(answer.text, "html.parser")
    assert [card["id"] for card in part.select("article.message")] == [f"message-{newer.id}"]
    renewed = part.select_one("#watch")
    known["If-None-Match"] = f'"{renewed["data-etag"]}"'
    assert client.get(renewed["hx-get"], headers=known).status_code == 304


def test_how_far_an_answer_got_is_shown_without_a_reload(client, ours, mailbox, inside):
    message = make_message(ours, mailbox, direction="out")
    with inside(ours):
        row = queued(ours, message)
    watch = BeautifulSoup(read(client, url_of(message)), "html.parser").select_one("#watch")
    with inside(ours):
        db.session.merge(row).state = "sent"
        db.session.commit()
    part = BeautifulSoup(client.get(watch["hx-get"]).text, "html.parser")
    assert part.select_one(f"#state-{message.id}[hx-swap-oob]").text.strip() == "Sent"


def test_a_message_that_has_come_whole_is_drawn_again_without_a_reload(client, ours, mailbox, inside):
    message = make_message(ours, mailbox, is_stub=True, text="")
    watch = BeautifulSoup(read(client, url_of(message)), "html.parser").select_one("#watch")
    with inside(ours):
        whole = db.session.merge(message)
        whole.is_stub, whole.text = False, "All of it"
        db.session.commit()
    answer = client.get(watch["hx-get"])
    criticise(answer.text, watch["hx-get"])
    part = BeautifulSoup(answer.text, "html.parser")
    (card,) = part.select("article.message")
    assert (card["id"], card["hx-swap-oob"]) == (f"message-{message.id}", "true")
    assert "All of it" in card.text
    assert card.select_one("[data-shortcut=r]")  # keys answer it as before
    again = client.get(part.select_one("#watch")["hx-get"]).text
    assert BeautifulSoup(again, "html.parser").select("article.message") == []


def test_a_part_is_fetched_for_the_right_pane_alone(client, ours, mailbox):
    message = make_message(ours, mailbox, subject="Only me")
    headers = {"HX-Request": "true", "HX-Target": "pane-main", "HX-Boosted": "true"}
    answer = client.get(url_of(message), headers=headers)
    criticise(answer.text, url_of(message))
    assert "<title>Only me" in answer.text
    assert "conversations" not in [
        tag.get("id") for tag in BeautifulSoup(answer.text, "html.parser").select("ul")
    ]


def test_who_may_only_read_is_offered_no_answer(app, ours, inside):
    mailbox = make_mailbox(ours, readers=())
    message = make_message(ours, mailbox)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="read"))
        db.session.commit()
    page = read(sign_in(app, ours.member), url_of(message))
    assert "but not reply from it" in page
    assert "/answer" not in page


def test_whom_it_is_given_to_is_found_by_name_among_many(client, ours, theirs, inside):
    others = [make_member(ours.id, f"Person {number:02}") for number in range(24)]
    others += [make_member(ours.id, name) for name in ("Zelda Quist", "Zelda Without")]
    box = make_mailbox(ours, readers=(ours.member, *others[:25]))
    message = make_message(ours, box)
    make_member(theirs.id, "Zelda Quist of theirs")
    page = words_of(read(client, url_of(message)))
    assert "Person 18" in page
    assert "Zelda Quist" not in page
    found = words_of(read(client, f"{url_of(message)}/assignees?person=zelda+quist"))
    assert "Zelda Quist" in found
    assert "theirs" not in found
    assert "Zelda Without" not in words_of(read(client, f"{url_of(message)}/assignees?person=zelda+without"))
    part = client.get(
        f"{url_of(message)}/assignees?person=quist", headers={"HX-Request": "true", "HX-Target": "assignees"}
    )
    assert "<html" not in part.text
    assert part.text.count('name="assignee"') == 1


def test_every_key_that_is_listed_does_something(client, ours, mailbox):
    page = BeautifulSoup(read(client, url_of(make_message(ours, mailbox))), "html.parser")
    listed = {key.get_text() for key in page.select("#shortcuts dt kbd")}
    pressed = {control["data-shortcut"] for control in page.select("[data-shortcut]")}
    by_script = {"j", "k", "x", "Enter", "/", "?", "g", "Esc", "Ctrl+K", "Ctrl+Enter"}  # keys.js
    assert listed > by_script
    assert listed - by_script - pressed == set()


@pytest.mark.parametrize(("shown", "landing"), [("list", "/mail/"), ("next", "/mail/conversations/{middle}")])
def test_who_is_done_sees_the_list_or_what_stands_below(client, ours, mailbox, inside, shown, landing):
    oldest, middle, newest = (
        make_message(ours, mailbox, subject=name, shown_at=START + timedelta(hours=hour))
        for hour, name in enumerate(("Oldest", "Middle", "Newest"))
    )
    with inside(ours):
        override("mail.after_done", shown, "user", by="Mo", user=ours.member.user)
        db.session.commit()
    answer = post(client, f"{url_of(newest)}/status", status="done")
    assert answer.headers["Location"] == landing.format(middle=middle.thread_id)
    answer = post(client, f"{url_of(oldest)}/status", status="done")
    assert answer.headers["Location"] == "/mail/"  # nothing stands below the last


def test_among_drafts_no_conversation_stands_below(client, ours, mailbox, inside):
    older, newer = (make_message(ours, mailbox, shown_at=START + timedelta(hours=hour)) for hour in range(2))
    with inside(ours):
        for at, message in ((START, older), (START + timedelta(hours=2), newer)):
            draft = Draft(
                membership_id=ours.member.id,
                mailbox_id=mailbox.id,
                kind="reply",
                thread_id=message.thread_id,
                updated_at=at,
            )
            db.session.add(draft)
        override("mail.after_done", "next", "user", by="Mo", user=ours.member.user)
        db.session.commit()
    answer = post(client, f"{url_of(newer)}/status?view=drafts", status="done")
    assert answer.headers["Location"] == "/mail/?view=drafts"


def test_keys_answer_what_people_wrote_and_not_our_robot(client, ours, mailbox, inside):
    asked = make_message(ours, mailbox, subject="Where is it?", shown_at=START)
    with inside(ours):
        thread = db.session.scalars(select(Thread).where(Thread.id == asked.thread_id)).one()
    robot = {"direction": "out", "box": "sent", "is_automatic": True}
    make_message(ours, mailbox, thread=thread, shown_at=START + timedelta(minutes=1), **robot)
    page = BeautifulSoup(read(client, url_of(asked)), "html.parser")
    reply = page.select_one("[data-shortcut='r']")
    assert reply.find_parent("article")["id"] == f"message-{asked.id}"
    assert reply.find_parent("form")["action"] == f"/mail/messages/{asked.id}/answer"


def test_what_the_server_has_no_more_says_so_here_and_comes_back(inside, ours, theirs, mailbox, client):
    [first] = receive(ours, mailbox, letter("Kept"))
    [answer] = receive(ours, mailbox, letter("Other"), folder="archive")
    receive(theirs, make_mailbox(theirs), letter("Kept"))
    badge = "Removed on the server"

    def lies(message, follow):
        with inside(ours):
            place = db.session.scalars(select(Location).where(Location.message_id == message.id)).one()
            account, folder = account_of(mailbox), db.session.get_one(Folder, place.folder_id)
            fence = leases.take(account.id, "a test")
            follow(account, folder, fence, 1, [place.uid])
            leases.release(account.id, fence)

    lies(first, lambda *args: follow_removals(*args, now()))
    [card] = cards(read(client, url_of(first)))
    assert badge in card.select_one(".message-marks").get_text()
    assert "it was in the folder INBOX last" in read(client, url_of(first))
    assert badge not in cards(read(client, url_of(answer)))[0].get_text()
    rows = {
        row.select_one(".row-subject").get_text(): badge in row.get_text()
        for row in BeautifulSoup(read(client, "/mail/"), "html.parser").select(".conversation-row")
    }
    assert rows == {"Kept": True, "Other": False}
    lies(first, follow_returns)
    [card] = cards(read(client, url_of(first)))
    assert badge not in card.select_one(".message-marks").get_text()
    assert "The server has it again, in the folder INBOX." in read(client, url_of(first))
