"""My Emails: answers, forwards and new messages."""

import io
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.crm.cases import Case
from mailboxes.crm.contacts import make_contact
from mailboxes.drafts import Draft, DraftAttachment
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.parsing import parse
from mailboxes.raws import raw_content
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.templates import Template, TemplateText
from mailboxes.threads import Thread, ThreadRecord
from tenants.configuration.layers import override
from tenants.database import db
from tests.factories import form_token, make_mailbox, make_message, sign_in
from tests.webapp.reading import form_values, judged, read
from tests.webapp.test_leads import may_do

SENDING = {"smtp_enabled": True, "smtp_host": "smtp.acme.test", "smtp_user": "help"}


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support", address="help@acme.test", account=SENDING)


@pytest.fixture
def question(ours, mailbox):
    return make_message(
        ours,
        mailbox,
        subject="Lamp",
        text="Where is it?",
        to="Help <help@acme.test>, Bob <bob@customer.test>",
        headers=(("Cc", "Cyd <cyd@customer.test>"),),
    )


@pytest.fixture
def client(app, ours):
    return sign_in(app, ours.member)


@pytest.fixture
def stored(ours, inside):
    """All rows of a kind."""

    def rows(model):
        with inside(ours):
            return list(db.session.scalars(select(model).order_by(model.id)))

    return rows


def post(client, url, expect=None, **data):
    data["csrf_token"] = form_token(client)
    answer = client.post(url, data=data, follow_redirects=expect is not None)
    if expect is not None:
        judged(answer, url, expect)
    return answer


def test_senders_are_the_first_and_others_are_found_by_typing(app, ours, theirs, client, inside, monkeypatch):
    monkeypatch.setattr("webapp.mail.composing.MOST_SENDERS", 3)
    for number in range(5):
        make_mailbox(ours, label=f"Box {number}", address=f"box{number}@acme.test", account=SENDING)
    make_mailbox(theirs, label="Box 9 of the neighbour")
    read_only = make_mailbox(ours, label="A box to read", address="read@acme.test")
    with inside(ours):
        for grant in db.session.scalars(select(MailboxGrant).where(MailboxGrant.mailbox_id == read_only.id)):
            grant.level = "read"
        db.session.commit()
    page = post(client, "/mail/drafts", expect=200).text
    offered = [one.text for one in BeautifulSoup(page, "html.parser").select("#mailbox option")]
    assert offered == [f"Box {number} · box{number}@acme.test" for number in range(3)]
    chosen = BeautifulSoup(page, "html.parser").select_one("#mailbox option[selected]")["value"]
    found = client.get(f"/mail/senders?find_mailbox=box+4&mailbox={chosen}").text
    assert [word in found for word in ("Box 4", "Box 0", "Box 3", "neighbour")] == [True, True, False, False]
    draft = BeautifulSoup(page, "html.parser").select_one("form[data-draft]")["action"]
    scriptless = post(
        client, draft, expect=200, find_people="1", find_mailbox="box 4", subject="Kept", mailbox=chosen
    ).text
    assert "Box 4" in scriptless
    assert 'value="Kept"' in scriptless


def begin(client, message, kind="reply"):
    """Begin an answer as the button does; the page with the composer, and the draft's address."""
    page = post(client, f"/mail/messages/{message.id}/answer", kind=kind, expect=200).text
    return page, BeautifulSoup(page, "html.parser").select_one("form[data-draft]")["action"].partition("?")[0]


def composer(html):
    return BeautifulSoup(html, "html.parser").select_one("#composer")


def errors(html):
    return " ".join(composer(html).select_one(".field-errors").get_text(" ").split())


def send(client, url, expect=200, page="/mail/?view=drafts", **values):
    return post(client, f"{url}/send", expect=expect, **values).text


def multipart(fields, filename, content):
    """A form with a file, as bytes: the test client keeps one so large in a file it never closes."""
    head = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += f'--b\r\nContent-Disposition: form-data; name="files"; filename="{filename}"\r\n\r\n'
    return "multipart/form-data; boundary=b", head.encode() + content + b"\r\n--b--\r\n"


def test_an_answer_begins_with_sender_subject_and_quotation(client, question):
    page, url = begin(client, question)
    values = form_values(page, url)
    assert values["to"] == "Carla Customer <carla@customer.test>"
    assert values["cc"] == ""
    assert values["subject"] == "Re: Lamp"
    assert "> Where is it?" in values["body"]
    assert "from help@acme.test" in composer(page).get_text(" ")


def test_a_quotation_is_introduced_in_the_language_of_what_is_answered(client, ours, mailbox):
    message = make_message(ours, mailbox, text="Wo bleibt meine Lampe?", language="de")
    assert "schrieb Carla Customer <carla@customer.test>:\n" in form_values(*begin(client, message))["body"]


def test_a_forward_is_headed_in_the_language_of_what_is_passed_on(client, ours, mailbox):
    message = make_message(ours, mailbox, subject="Lampe", text="Wo bleibt meine Lampe?", language="de")
    assert "\nBetreff: Lampe\nAn: " in form_values(*begin(client, message, "forward"))["body"]


def test_an_answer_to_all_keeps_everybody_but_us(client, question):
    values = form_values(*begin(client, question, "reply_all"))
    assert values["to"] == "Carla Customer <carla@customer.test>, Bob <bob@customer.test>"
    assert values["cc"] == "Cyd <cyd@customer.test>"


def test_a_forward_takes_the_attachments_along(client, ours, mailbox, stored):
    message = make_message(ours, mailbox, subject="Lamp", attachments=(("a.txt", "text/plain", b"abc"),))
    page, url = begin(client, message, "forward")
    values = form_values(page, url)
    assert (values["to"], values["subject"]) == ("", "Fwd: Lamp")
    assert "Forwarded message" in values["body"]
    assert [(file.filename, file.content) for file in stored(DraftAttachment)] == [("a.txt", b"abc")]


def test_beginning_twice_goes_on_with_the_same_draft(client, question, stored):
    _, url = begin(client, question)
    post(client, url, body="Half a sentence")
    page, again = begin(client, question)
    assert again == url
    assert form_values(page, url)["body"] == "Half a sentence"
    assert len(stored(Draft)) == 1


def test_every_change_is_kept_and_restored_whole(client, question, stored):
    _, url = begin(client, question)
    typed = {"to": "no address yet", "cc": "x", "bcc": "y", "subject": "<b>S</b>", "body": "  Ünfinished\n\n"}
    answer = client.post(
        url,
        data={"csrf_token": form_token(client), **typed},
        headers={"HX-Request": "true"},
    )
    assert "Draft saved" in answer.text
    values = form_values(read(client, f"/mail/conversations/{question.thread_id}"), url)
    assert {name: values[name] for name in typed} == typed
    assert stored(Draft)[0].body == typed["body"]


def test_a_signature_is_appended_or_offered(client, ours, mailbox, question, inside):
    with inside(ours):
        override("mail.signature", "Ada from Acme", "organization", by="test")
        db.session.commit()
    page, url = begin(client, question)
    assert "-- \nAda from Acme" in form_values(page, url)["body"]
    post(client, f"{url}/discard")
    with inside(ours):
        override("mail.append_signature", "manual", "organization", by="test")
        db.session.commit()
    page, url = begin(client, question)
    assert "Ada from Acme" not in form_values(page, url)["body"]
    page = post(client, f"{url}/signature", body="Hello", expect=200).text
    assert form_values(page, url)["body"] == "Hello\n\n-- \nAda from Acme\n"


def test_an_answer_is_queued_and_in_the_conversation_at_once(client, question, stored):
    _, url = begin(client, question)
    page = send(client, url, to="carla@customer.test", cc="", body="It is on its way.")
    card = BeautifulSoup(page, "html.parser").select("#messages article.message")[-1]
    assert "It is on its way." in card.get_text()
    assert "Queued" in card.get_text()
    assert "Undo" in page
    (row,) = stored(Outgoing)
    assert (row.state, row.recipients, row.trigger_id) == ("ready", ["carla@customer.test"], question.id)
    assert row.next_attempt_at - row.created_at > timedelta(seconds=8)


def test_what_is_sent_is_what_was_typed(app, client, ours, question, stored, inside):
    _, url = begin(client, question)
    post(client, f"{url}/files", files=(io.BytesIO(b"data"), "plan.txt"), expect=200)
    send(
        client,
        url,
        to='"Bob, Jr." <bob@x.test>',
        cc="cyd@x.test",
        bcc="dan@x.test",
        subject="Ä",
        body="Grüße\n",
    )
    row = stored(Outgoing)[0]
    with inside(ours):
        message = db.session.scalars(select(Message).where(Message.id == row.message_id)).one()
        parsed = parse(raw_content(message.raw_id))
    assert [one.address for one in parsed.to] == ["bob@x.test"]
    assert [one.name for one in parsed.to] == ["Bob, Jr."]
    assert parsed.bcc == ()
    assert set(row.recipients) == {"bob@x.test", "cyd@x.test", "dan@x.test"}
    assert (parsed.subject, parsed.text.strip()) == ("Ä", "Grüße")
    assert parsed.in_reply_to == question.message_id
    assert [one.filename for one in parsed.attachments] == ["plan.txt"]


def test_undo_brings_the_draft_back_whole(client, question, stored):
    _, url = begin(client, question)
    post(client, f"{url}/files", files=(io.BytesIO(b"data"), "plan.txt"), expect=200)
    typed = {
        "to": "Carla <carla@customer.test>",
        "cc": "",
        "bcc": "b@x.test",
        "subject": "S",
        "body": " a \n\n b",
    }
    page = send(client, url, **typed)
    bar = BeautifulSoup(page, "html.parser").select_one("form.undo-bar")
    page = post(client, bar["action"], expect=200).text
    assert "Your draft is back" in page
    values = form_values(page, url)
    assert {name: values[name] for name in typed} == typed
    assert "plan.txt" in composer(page).get_text()
    assert len(stored(Message)) == 1
    assert stored(Outgoing) == []


def test_undo_comes_too_late_once_it_is_on_its_way(client, ours, question, stored, inside):
    _, url = begin(client, question)
    page = send(client, url, body="Sent", to="a@x.test")
    bar = BeautifulSoup(page, "html.parser").select_one("form.undo-bar")
    with inside(ours):
        row = db.session.scalars(select(Outgoing)).one()
        row.state = "claimed"
        db.session.commit()
    assert post(client, bar["action"]).status_code == 409
    assert stored(Outgoing)[0].state == "claimed"
    assert "form[data-draft]" not in read(client, f"/mail/conversations/{question.thread_id}")


def test_a_sent_draft_is_gone_from_lists_and_a_new_one_can_begin(client, question, stored):
    _, url = begin(client, question)
    send(client, url, body="Sent", to="a@x.test")
    assert client.get(url).status_code == 404
    page, again = begin(client, question)
    assert again != url
    assert form_values(page, again)["subject"] == "Re: Lamp"
    assert len(stored(Draft)) == 1


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"to": "", "cc": "", "bcc": "", "body": "x"}, "to", "Say who gets this message."),
        ({"to": "carla", "body": "x"}, "to", "“carla” is not an email address."),
        ({"to": "a@x.test", "cc": "b@", "body": "x"}, "cc", "“b@” is not an email address."),
        ({"to": "a@x.test", "body": " \n"}, "body", "The message is empty. Write something first."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_everything_typed_is_kept(
    client, question, stored, typed, field, words
):
    _, url = begin(client, question)
    page = send(client, url, expect=422, **typed)
    assert words in errors(page)
    assert composer(page).select_one(f"#{field}")["aria-describedby"] == f"{field}-errors"
    assert {name: form_values(page, url)[name] for name in typed} == typed
    assert {name: getattr(stored(Draft)[0], name) for name in typed} == typed
    assert stored(Outgoing) == []


def test_a_line_break_makes_no_header(client, question, stored):
    _, url = begin(client, question)
    send(client, url, to="a@x.test", subject="Hello\r\nBcc: spy@x.test", body="x")
    assert stored(Outgoing)[0].recipients == ["a@x.test"]


def test_a_mailbox_that_cannot_send_says_so_and_the_draft_is_kept(client, ours, stored):
    message = make_message(ours, make_mailbox(ours))
    _, url = begin(client, message)
    page = send(client, url, expect=409, to="a@x.test", body="My words")
    assert "SMTP" in composer(page).get_text(" ")
    assert stored(Draft)[0].body == "My words"


def test_sending_stops_when_the_conversation_moved_on(client, ours, mailbox, question, stored, inside):
    _, url = begin(client, question)
    with inside(ours):
        thread = db.session.scalars(select(Thread)).one()
    make_message(ours, mailbox, thread=thread, text="Forget it, I have found it.")
    page = send(client, url, expect=409, to="a@x.test", body="My answer")
    assert "A new message came into this conversation" in composer(page).get_text(" ")
    assert "Forget it, I have found it." in page
    assert form_values(page, url)["body"] == "My answer"
    assert stored(Outgoing) == []
    send(client, url, to="a@x.test", body="My answer")
    assert len(stored(Outgoing)) == 1


def test_our_own_automatic_response_stops_nobody(client, ours, mailbox, question, stored, inside):
    _, url = begin(client, question)
    with inside(ours):
        thread = db.session.scalars(select(Thread)).one()
    make_message(ours, mailbox, thread=thread, direction="out", is_automatic=True)
    send(client, url, to="a@x.test", body="My answer")
    assert len(stored(Outgoing)) == 1


def test_a_file_too_large_is_refused_at_its_field_and_nothing_is_lost(client, question, stored):
    _, url = begin(client, question)
    fields = {"csrf_token": form_token(client), "body": "My words"}
    content_type, body = multipart(fields, "film.mov", b"x" * 60 * 1024 * 1024)
    answer = client.post(f"{url}/files", data=body, content_type=content_type)
    page = judged(answer, url, 422)
    assert "“film.mov” was not added" in errors(page)
    assert "10 MB" in errors(page)
    assert form_values(page, url)["body"] == "My words"
    assert stored(Draft)[0].body == "My words"
    assert stored(DraftAttachment) == []


def test_files_are_added_and_removed(client, question, stored):
    _, url = begin(client, question)
    page = post(client, f"{url}/files", files=(io.BytesIO(b"1"), "../a.txt"), body="Words", expect=200).text
    assert "_a.txt" in composer(page).get_text()
    file = stored(DraftAttachment)[0]
    page = post(client, f"{url}/files/{file.id}/remove", body="More words", expect=200).text
    assert "_a.txt" not in composer(page).get_text()
    assert stored(Draft)[0].body == "More words"


def test_send_and_done_closes_the_conversation(client, question, stored):
    _, url = begin(client, question)
    send(client, url, to="a@x.test", body="Bye", then="done")
    assert stored(Thread)[0].status == "done"


def test_whichever_buttons_send_a_draft_again_it_is_one_letter(client, question, stored):
    _, url = begin(client, question)
    for then in ("", "done", "waiting", "done"):
        send(client, url, to="a@x.test", body="Once", then=then)
    assert len(stored(Outgoing)) == 1
    assert stored(Thread)[0].status == "done"


def test_a_new_message_begins_a_conversation(client, mailbox, stored):
    page = post(client, "/mail/drafts", expect=200).text
    url = BeautifulSoup(page, "html.parser").select_one("form[data-draft]")["action"]
    page = send(client, url, to="new@x.test", subject="Offer", body="Dear Sir")
    assert "Dear Sir" in page
    assert [thread.subject for thread in stored(Thread)] == ["Offer"]


def test_a_new_message_is_written_from_the_mailbox_that_is_chosen(client, ours, mailbox, stored):
    other = make_mailbox(ours, label="Sales", address="sales@acme.test", account=SENDING)
    page = post(client, f"/mail/drafts?mailbox={mailbox.id}", expect=200).text
    url = BeautifulSoup(page, "html.parser").select_one("form[data-draft]")["action"].partition("?")[0]
    send(client, url, to="new@x.test", subject="Offer", body="Dear Sir", mailbox=str(other.id))
    assert stored(Outgoing)[0].mailbox_id == other.id


def test_the_mailbox_that_is_chosen_is_kept_with_what_is_typed(client, ours, mailbox, stored):
    other = make_mailbox(ours, label="Sales", address="sales@acme.test", account=SENDING)
    post(client, f"/mail/drafts?mailbox={mailbox.id}")
    [draft] = stored(Draft)
    post(client, f"/mail/drafts/{draft.id}", body="To be continued", mailbox=str(other.id))
    assert stored(Draft)[0].mailbox_id == other.id


def test_a_template_is_filled_in_before_what_is_typed(client, ours, question, stored, inside):
    with inside(ours):
        template = Template(name="Thanks", used_for=["message"])
        db.session.add(template)
        db.session.flush()
        text = "Dear {{ sender.first_name }}, thank you. {{ user.name }}"
        db.session.add(TemplateText(template_id=template.id, language="en", content=text))
        db.session.commit()
    page, url = begin(client, question)
    assert "Thanks" in composer(page).get_text()
    page = post(client, f"{url}/template", template=str(template.id), body="PS: more", expect=200).text
    assert form_values(page, url)["body"] == f"Dear Carla, thank you. {ours.member.name}\nPS: more"


def test_templates_for_a_record_are_offered_where_there_is_one_that_the_member_may_see(
    app, ours, theirs, mailbox, inside
):
    few = may_do(ours, "lead.view")
    message, other = make_message(ours, mailbox), make_message(ours, mailbox)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=few.id, level="reply"))
        db.session.add_all(
            Template(name=f"For {use}s", used_for=[use]) for use in ("message", "lead", "case")
        )
        case = Case(subject="Broken lamp")
        db.session.add(case)
        db.session.flush()
        db.session.add(ThreadRecord(thread_id=message.thread_id, kind="case", case_id=case.id))
        db.session.commit()

    def offered(member, answered):
        page, _ = begin(sign_in(app, member), answered)
        return [
            name for name in ("For messages", "For leads", "For cases") if name in composer(page).get_text()
        ]

    assert offered(ours.member, message) == ["For messages", "For cases"]
    assert offered(few, message) == ["For messages"]
    assert offered(ours.member, other) == ["For messages"]


def test_a_template_tells_nothing_of_records_that_its_user_may_not_see(app, ours, theirs, mailbox, inside):
    few = may_do(ours, "lead.view")
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=few.id, level="reply"))
        make_contact({"name": "Carla", "phone": "+49 301", "company": "Shop"}, ["carla@customer.test"])
        template = Template(name="Call", used_for=["message"])
        db.session.add(template)
        db.session.flush()
        text = "Call {{ contact.phone }} {{ contact.company }}, {{ user.name }} {{ lead.name }}"
        db.session.add(TemplateText(template_id=template.id, language="en", content=text))
        db.session.commit()
    message = make_message(ours, mailbox)
    told = "speaks of the contact, which you may not see"
    for member, words in (
        (few, f"Call  , {few.name}"),
        (ours.admin, f"Call +49 301 Shop, {ours.admin.name}"),
    ):
        client = sign_in(app, member)
        page, url = begin(client, message)
        page = post(client, f"{url}/template", template=str(template.id), body="", expect=200).text
        assert form_values(page, url)["body"].splitlines()[0].rstrip() == words
        assert (told in page) == (member is few)


def test_an_answer_to_another_domain_is_warned_about(client, ours, mailbox):
    message = make_message(ours, mailbox, headers=(("Reply-To", "thief@evil.test"),))
    page, url = begin(client, message)
    assert form_values(page, url)["to"] == "thief@evil.test"
    assert "another domain" in composer(page).get_text(" ")


def test_people_are_suggested_after_what_is_typed(client, ours, inside):
    with inside(ours):
        make_contact({"name": "Cyd Charisse"}, ["cyd@customer.test"])
        db.session.commit()
    options = BeautifulSoup(client.get("/mail/people?to=ada@x.test, cy").text, "html.parser").select("option")
    assert [option["value"] for option in options] == ["ada@x.test, Cyd Charisse <cyd@customer.test>"]
    assert not BeautifulSoup(client.get("/mail/people?to=c").text, "html.parser").select("option")


def test_who_may_only_read_cannot_answer(app, ours, inside, stored):
    mailbox = make_mailbox(ours, readers=())
    message = make_message(ours, mailbox)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="read"))
        db.session.commit()
    client = sign_in(app, ours.member)
    assert post(client, f"/mail/messages/{message.id}/answer", kind="reply").status_code == 403
    assert post(client, "/mail/drafts").status_code == 403
    assert stored(Draft) == []


def test_somebody_elses_draft_is_not_there(app, client, ours, question, stored):
    _, url = begin(client, question)
    other = sign_in(app, ours.admin)
    assert other.get(url).status_code == 404
    for path in ("", "/send", "/discard", "/files", "/signature", "/template"):
        assert post(other, url + path, body="mine now", to="a@x.test").status_code == 404
    assert "> Where is it?" in stored(Draft)[0].body


def test_a_right_taken_away_stops_the_sending(client, ours, question, stored, inside):
    _, url = begin(client, question)
    with inside(ours):
        for grant in db.session.scalars(
            select(MailboxGrant).where(MailboxGrant.membership_id == ours.member.id)
        ):
            grant.level = "read"
        db.session.commit()
    assert post(client, f"{url}/send", to="a@x.test", body="x").status_code == 403
    assert stored(Outgoing) == []


def test_what_may_have_been_sent_is_sent_again_by_a_person(client, ours, question, stored, inside):
    _, url = begin(client, question)
    send(client, url, to="a@x.test", body="x")
    with inside(ours):
        row = db.session.scalars(select(Outgoing)).one()
        row.state = "unknown"
        db.session.commit()
    before = row.header_id
    page = post(client, f"/mail/messages/{row.message_id}/send-again", expect=200).text
    assert "sent again" in page
    (row,) = stored(Outgoing)
    assert (row.state, row.header_id) == ("ready", before)
