"""My Emails: what members write on a conversation for one another."""

from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, select

from mailboxes.outgoing import Outgoing
from mailboxes.setup import deletion_effects
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.threads.notes import Note
from tenants.database import db
from tests.factories import form_token, make_mailbox, make_message, make_thread, sign_in
from tests.webapp.critic import criticise
from tests.webapp.reading import read, send, words_of

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


@pytest.fixture
def thread(ours, mailbox):
    thread = make_thread(ours, mailbox)
    make_message(ours, mailbox, thread=thread, shown_at=START)
    return thread


@pytest.fixture
def client(app, ours):
    return sign_in(app, ours.member)


@pytest.fixture
def notes(ours, inside):
    """The stored ones of our organization."""

    def stored():
        with inside(ours):
            return list(db.session.scalars(select(Note).order_by(Note.id)))

    return stored


def write(client, thread, text):
    data = {"csrf_token": form_token(client), "text": text}
    return client.post(f"/mail/conversations/{thread.id}/notes", data=data)


def page_of(client, thread):
    return BeautifulSoup(read(client, f"/mail/conversations/{thread.id}"), "html.parser")


def test_a_note_stands_where_it_was_written_and_is_never_sent(
    app, client, ours, mailbox, thread, notes, inside
):
    answer = write(client, thread, "She <b>rang</b>.\r\nSee https://shop.test/7")
    [note] = notes()
    assert answer.location == f"/mail/conversations/{thread.id}#message-{note.id}"
    make_message(ours, mailbox, thread=thread, shown_at=note.written_at + timedelta(hours=1))
    page = page_of(sign_in(app, ours.admin), thread)
    cards = page.select("#messages article.message")
    assert [card["class"][1] for card in cards] == ["message-incoming", "message-note", "message-incoming"]
    assert "She <b>rang</b>." in cards[1].get_text()
    assert cards[1].select_one("a")["href"] == "https://shop.test/7"
    assert f"Note from {ours.member.name}" in cards[1]["aria-label"]
    assert f"{ours.member.name} wrote a note." in page.select_one("#side").get_text()
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Outgoing)) == 0


def test_who_may_only_read_may_write_a_note_and_who_may_not_read_finds_nothing(app, ours, inside, notes):
    mailbox = make_mailbox(ours, readers=())
    thread = make_thread(ours, mailbox)
    make_message(ours, mailbox, thread=thread)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="read"))
        db.session.commit()
    assert write(sign_in(app, ours.member), thread, "I have looked.").status_code == 303
    assert write(sign_in(app, ours.admin), thread, "Me, too.").status_code == 404
    assert [note.text for note in notes()] == ["I have looked."]


@pytest.mark.parametrize("text", [" \n ", "x" * 50_001], ids=["empty", "endless"])
def test_what_is_no_note_is_refused_at_its_field(client, thread, notes, text):
    answer = write(client, thread, text)
    assert answer.status_code == 422
    criticise(answer.text, "note")
    page = BeautifulSoup(answer.text, "html.parser")
    assert page.select_one("details.note-fold").has_attr("open")
    assert page.select_one("#note-text")["aria-invalid"] == "true"
    assert page.select_one("#note-text").get_text().strip() == text.strip()
    assert notes() == []


def test_a_note_of_a_colleague_is_put_into_the_open_page_and_only_once(app, client, ours, thread, notes):
    write(client, thread, "The first.")
    watch = page_of(client, thread).select_one("#watch")
    known = {"HX-Request": "true", "If-None-Match": f'"{watch["data-etag"]}"'}
    assert client.get(watch["hx-get"], headers=known).status_code == 304
    write(sign_in(app, ours.admin), thread, "The second.")
    part = BeautifulSoup(client.get(watch["hx-get"], headers=known).text, "html.parser")
    assert [card["id"] for card in part.select("article")] == [f"message-{notes()[1].id}"]
    assert part.select_one("[data-news]")["data-new-notes"] == "1"
    renewed = part.select_one("#watch")
    known["If-None-Match"] = f'"{renewed["data-etag"]}"'
    assert client.get(renewed["hx-get"], headers=known).status_code == 304


def test_notes_of_earlier_messages_come_with_these(client, ours, mailbox, inside):
    thread = make_thread(ours, mailbox)
    for number in range(31):
        make_message(ours, mailbox, thread=thread, shown_at=START + timedelta(hours=number))
    with inside(ours):
        for number in (0, 20):
            written_at = START + timedelta(hours=number, minutes=1)
            note = Note(thread_id=thread.id, author_name="Ada", text=f"Note {number}", written_at=written_at)
            db.session.add(note)
        db.session.commit()
    address = f"/mail/conversations/{thread.id}"
    pages = [BeautifulSoup(read(client, url), "html.parser") for url in (address, f"{address}/messages")]
    texts = [[text.get_text() for text in page.select(".message-note .message-text")] for page in pages]
    assert texts == [["Note 20"], ["Note 0", "Note 20"]]


def test_whoever_deletes_a_mailbox_reads_how_many_notes_go(client, ours, theirs, mailbox, thread, inside):
    write(client, thread, "Mind the lamp.")
    with inside(ours):
        assert deletion_effects(mailbox)["notes"] == 1
        assert deletion_effects(make_mailbox(ours))["notes"] == 0


def test_who_wrote_a_note_changes_it_and_it_says_so(app, client, ours, theirs, thread, notes):
    write(client, thread, "They rang.")
    [note] = notes()
    watch = page_of(sign_in(app, ours.admin), thread).select_one("#watch")
    page = send(client, f"/mail/notes/{note.id}", text="They rang twice.")
    card = BeautifulSoup(page, "html.parser").select_one(f"#message-{note.id}")
    assert "They rang twice." in card.get_text()
    assert "edited" in card.get_text()
    assert f"{ours.member.name} changed a note." in words_of(page)
    known = {"HX-Request": "true", "If-None-Match": f'"{watch["data-etag"]}"'}
    news = BeautifulSoup(sign_in(app, ours.admin).get(watch["hx-get"], headers=known).text, "html.parser")
    assert "They rang twice." in news.select_one(f"#message-{note.id}[hx-swap-oob]").get_text()
    assert send(client, f"/mail/notes/{note.id}", expect=422, text="  ").count("Write something first.") >= 1


def test_who_wrote_a_note_removes_it_and_the_timeline_says_so(app, client, ours, thread, notes, inside):
    write(client, thread, "Wrong conversation.")
    [note] = notes()
    page = send(client, f"/mail/notes/{note.id}/remove")
    assert notes() == []
    assert "Wrong conversation." not in page
    assert f"{ours.member.name} removed a note." in words_of(page)
    token = form_token(client)
    again = client.post(f"/mail/notes/{note.id}/remove", data={"csrf_token": token})
    assert again.status_code == 404


def test_a_note_is_removed_only_after_a_question_that_shows_it(client, ours, theirs, thread, notes):
    write(client, thread, "Wrong conversation.")
    [note] = notes()
    page = BeautifulSoup(read(client, f"/mail/notes/{note.id}"), "html.parser")
    assert [one["action"] for one in page.select("main form, .page-actions form")] == [
        f"/mail/notes/{note.id}"
    ]
    asked = read(client, page.select_one(".page-actions a")["href"])
    assert "Wrong conversation." in words_of(asked)
    assert "cannot be brought back" in words_of(asked)
    assert [one.id for one in notes()] == [note.id]


def test_nobody_else_changes_or_removes_a_note(app, client, ours, theirs, thread, notes):
    write(client, thread, "Mine.")
    [note] = notes()
    for other, status in ((ours.admin, 403), (theirs.admin, 404)):
        stranger = sign_in(app, other)
        for path in (f"/mail/notes/{note.id}", f"/mail/notes/{note.id}/remove"):
            assert stranger.get(path).status_code == status
            data = {"csrf_token": form_token(stranger), "text": "Not mine."}
            assert stranger.post(path, data=data).status_code == status
    assert "Change note" not in page_of(sign_in(app, ours.admin), thread).get_text()
    assert [one.text for one in notes()] == ["Mine."]


def found_by(client, words):
    page = BeautifulSoup(read(client, f"/mail/?q={words}"), "html.parser")
    return [row["id"].removeprefix("row-") for row in page.select(".conversation-row")]


def test_a_conversation_is_found_by_the_words_of_its_notes_as_they_are_now(
    app, client, ours, theirs, mailbox, thread, notes, inside
):
    elsewhere = make_mailbox(ours, readers=(ours.admin,))
    other = make_thread(ours, elsewhere)
    make_message(ours, elsewhere, thread=other)
    write(client, thread, "Die Lieferantenrückfrage läuft")
    write(sign_in(app, ours.admin), other, "Lieferantenrückfrage")
    assert found_by(client, "lieferantenruckfr") == [str(thread.id)]
    assert found_by(client, "lieferantenrückfrage+laeuft") == []
    assert found_by(client, "lieferantenrückfrage+is:open") == [str(thread.id)]
    assert found_by(client, "has:note") == [str(thread.id)]
    assert found_by(sign_in(app, theirs.admin), "lieferantenrückfrage") == []
    note = next(one for one in notes() if one.thread_id == thread.id)
    send(client, f"/mail/notes/{note.id}", text="Erledigt")
    assert (found_by(client, "lieferantenrückfrage"), found_by(client, "erledigt")) == ([], [str(thread.id)])
    send(client, f"/mail/notes/{note.id}/remove")
    assert found_by(client, "erledigt") == []


def test_the_list_shows_which_conversations_have_notes(client, ours, mailbox, thread):
    make_message(ours, mailbox, subject="Without")
    write(client, thread, "They rang.")
    rows = BeautifulSoup(read(client, "/mail/"), "html.parser").select(".conversation-row")
    assert [row["id"] for row in rows if "Has notes of colleagues" in str(row)] == [f"row-{thread.id}"]
