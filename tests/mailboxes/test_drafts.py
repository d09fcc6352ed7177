"""Drafts: begun, kept, sent once, and brought back whole."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from mailboxes import drafts
from mailboxes.drafts import ConversationMovedOnError, Draft, DraftAttachment
from mailboxes.outgoing import Outgoing
from mailboxes.templates import TemplateValues, save_template
from tenants.audit import Actor
from tenants.configuration.layers import override
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tests.factories import make_mailbox, make_message

SENDING = {"smtp_enabled": True, "smtp_host": "smtp.acme.test", "smtp_user": "help"}
MEGABYTE = 1024 * 1024


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, address="help@acme.test", account=SENDING)


@pytest.fixture
def message(ours, mailbox):
    return make_message(ours, mailbox, to="help@acme.test")


def test_a_mailboxs_signature_goes_before_a_persons(ours, mailbox, inside):
    with inside(ours):
        override("mail.signature", "Mine", "organization", by="test")
        assert drafts.signature_of(ours.member, mailbox.id) == "\n\n-- \nMine\n"
        db.session.merge(mailbox).signature = "The team"
        assert drafts.signature_of(ours.member, mailbox.id) == "\n\n-- \nThe team\n"
        db.session.merge(mailbox).signature = ""
        assert drafts.signature_of(ours.member, mailbox.id) == ""


def test_a_template_is_in_the_language_of_who_writes_where_no_message_says_one(ours, mailbox, inside):
    texts = {"en": ("Hello", "Hello"), "de": ("Hallo", "Guten Tag")}
    with inside(ours):
        template = save_template(TemplateValues("Greeting", texts=texts), by=Actor("Ada"))
        override("general.language", "de", "user", by="Mia", user=ours.member.user)
        for member, subject in ((ours.member, "Hallo"), (ours.admin, "Hello")):
            draft = drafts.begin_message(member, mailbox.id)
            drafts.use_template(member, draft, template.id)
            assert draft.subject == subject


def test_a_template_of_a_new_message_names_mailbox_organization_and_writer(ours, theirs, mailbox, inside):
    text = "{{ user.name }}, {{ mailbox.label }} of {{ organization.name }}{{ contact.name }}"
    with inside(ours):
        template = save_template(TemplateValues("Regards", texts={"en": ("Hello", text)}), by=Actor("Ada"))
        draft = drafts.begin_message(ours.member, mailbox.id)
        drafts.use_template(ours.member, draft, template.id)
        first = draft.body.splitlines()[0]
        assert first == f"{ours.member.name}, {db.session.merge(mailbox).label} of {ours.name}"


def test_all_files_together_have_a_limit(ours, mailbox, inside):
    with inside(ours):
        override("mail.max_upload_mb", "1", "organization", by="test")
        draft = drafts.begin_message(ours.member, mailbox.id)
        drafts.attach(draft, "a.bin", "application/octet-stream", b"x" * (MEGABYTE // 2))
        with pytest.raises(InvalidError, match=r"“b.bin” was not added: .* 1 MB") as refused:
            drafts.attach(draft, "b.bin", "nonsense", b"x" * MEGABYTE)
        assert refused.value.field == "files"
        assert [row.filename for row in db.session.execute(drafts.files_of(draft))] == ["a.bin"]


def test_the_files_of_all_drafts_of_a_person_have_a_limit(ours, mailbox, inside):
    with inside(ours):
        override("mail.drafts_mb", "10", "organization", by="test")
        full, other = (drafts.begin_message(ours.member, mailbox.id) for _ in range(2))
        drafts.attach(full, "a.bin", "application/octet-stream", b"x" * (9 * MEGABYTE))
        with pytest.raises(InvalidError, match=r"“b.bin” was not added: .* 11.0 MB, .* may have 10 MB"):
            drafts.attach(other, "b.bin", "application/octet-stream", b"x" * (2 * MEGABYTE))
        theirs = drafts.begin_message(ours.admin, mailbox.id)
        drafts.attach(theirs, "b.bin", "application/octet-stream", b"x" * (2 * MEGABYTE))
        drafts.discard(full)
        drafts.attach(other, "b.bin", "application/octet-stream", b"x" * (2 * MEGABYTE))


def test_nobody_begins_drafts_without_end(ours, mailbox, message, inside, monkeypatch):
    monkeypatch.setattr("mailboxes.drafts.room.MOST_DRAFTS", 2)
    with inside(ours):
        for _ in range(2):
            draft = drafts.begin_message(ours.member, mailbox.id)
        with pytest.raises(ConflictError, match="You have 2 drafts already"):
            drafts.begin_message(ours.member, mailbox.id)
        with pytest.raises(ConflictError, match="Send or discard some of them first"):
            drafts.begin_answer(ours.member, message.id, "reply")
        drafts.begin_message(ours.admin, mailbox.id)
        drafts.discard(draft)
        answer = drafts.begin_answer(ours.member, message.id, "reply")
        assert drafts.begin_answer(ours.member, message.id, "reply") is answer  # goes on with it


def test_a_forward_says_what_it_could_not_take_along(ours, mailbox, inside):
    large = make_message(ours, mailbox, attachments=(("film.mov", "video/mp4", b"x" * 2 * MEGABYTE),))
    with inside(ours):
        override("mail.max_upload_mb", "1", "organization", by="test")
        draft = drafts.begin_answer(ours.member, large.id, "forward")
        assert "“film.mov” was not added" in draft.body
        assert db.session.scalar(select(func.count(DraftAttachment.id))) == 0


def test_what_is_too_long_is_refused_at_its_field(ours, mailbox, inside):
    with inside(ours):
        draft = drafts.begin_message(ours.member, mailbox.id)
        with pytest.raises(InvalidError) as refused:
            drafts.save(draft, {"subject": "x" * 501})
        assert refused.value.field == "subject"


def test_a_kind_that_does_not_exist_is_not_found(ours, message, inside):
    with inside(ours), pytest.raises(NotFoundError):
        drafts.begin_answer(ours.member, message.id, "shout")


def test_only_who_may_reply_begins(ours, inside):
    closed = make_mailbox(ours, readers=(ours.admin,))
    with inside(ours):
        with pytest.raises(NotFoundError):
            drafts.begin_message(ours.member, closed.id)
        with pytest.raises((NotFoundError, ForbiddenError)):
            drafts.begin_answer(ours.member, make_message(ours, closed).id, "reply")


def test_a_second_answer_to_the_same_conversation_stops_at_the_first(ours, message, inside):
    with inside(ours):
        mine = drafts.begin_answer(ours.member, message.id, "reply")
        hers = drafts.begin_answer(ours.admin, message.id, "reply")
        mine.body, hers.body = "Mine", "Hers"
        drafts.send(ours.member, mine)
        with pytest.raises(ConversationMovedOnError):
            drafts.send(ours.admin, hers)
        drafts.show_news(hers)
        drafts.send(ours.admin, hers)
        assert db.session.scalar(select(func.count(Outgoing.id))) == 2


def test_two_who_send_at_once_do_not_both_get_through(app, ours, message, inside):
    with inside(ours):
        ids = []
        for member in (ours.member, ours.admin):
            draft = drafts.begin_answer(member, message.id, "reply")
            draft.body = "Answer"
            db.session.flush()
            ids.append((member, draft.id))
        db.session.commit()

    def send(member, id):
        with inside(ours):
            try:
                drafts.send(member, drafts.own_draft(member, id))
            except ConversationMovedOnError:
                return False
            db.session.commit()
            return True

    def in_its_own_context(pair):
        with app.app_context():
            return send(*pair)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(in_its_own_context, ids)) == [False, True]


def test_an_answer_begun_twice_at_once_is_one(app, ours, message, inside):
    def begin(_):
        with app.app_context(), inside(ours):
            both_are_here.wait(10)
            draft = drafts.begin_answer(ours.member, message.id, "reply")
            db.session.commit()
            return draft.id

    both_are_here = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(begin, range(2)))) == 1
    with inside(ours):
        assert db.session.scalar(select(func.count(Draft.id))) == 1


def test_a_new_message_sent_twice_at_once_goes_out_once(app, ours, mailbox, inside):
    with inside(ours):
        draft = drafts.begin_message(ours.member, mailbox.id)
        draft.to, draft.body = "anna@customer.test", "Hello"
        db.session.commit()

    def send(_):
        with app.app_context(), inside(ours):
            own = drafts.own_draft(ours.member, draft.id)
            both_are_here.wait(10)
            queued = drafts.send(ours.member, own)
            db.session.commit()
            return queued.id

    both_are_here = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(send, range(2)))) == 1
    with inside(ours):
        assert db.session.scalar(select(func.count(Outgoing.id))) == 1


def test_undo_gives_back_the_same_draft(ours, message, inside):
    with inside(ours):
        draft = drafts.begin_answer(ours.member, message.id, "reply_all")
        drafts.save(
            draft, {"to": "Ada <ada@x.test>", "bcc": " b@x.test ", "body": "  spaces  \n\n\nand lines"}
        )
        drafts.attach(draft, "a.txt", "text/plain", b"abc")
        kept = {name: getattr(draft, name) for name in drafts.LONGEST}
        queued = drafts.send(ours.member, draft)
        db.session.commit()
        with pytest.raises(NotFoundError):
            drafts.take_back(ours.admin, queued.id)
        again = drafts.take_back(ours.member, queued.id)
        db.session.commit()
        assert {name: getattr(again, name) for name in drafts.LONGEST} == kept
        assert again.id == draft.id
        assert [row.size for row in db.session.execute(drafts.files_of(again))] == [3]
        assert drafts.news_since(again) == 0


def test_a_sent_draft_is_kept_until_the_next_one_only(ours, message, inside):
    with inside(ours):
        draft = drafts.begin_answer(ours.member, message.id, "reply")
        draft.body = "One"
        drafts.send(ours.member, draft)
        assert db.session.scalars(drafts.own_drafts(ours.member)).all() == []
        drafts.begin_answer(ours.member, message.id, "reply")
        assert db.session.scalar(select(func.count(Draft.id))) == 1
