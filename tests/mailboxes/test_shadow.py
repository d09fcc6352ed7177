"""Shadow mode: everything is shown, nothing is done, and going live touches nothing that came before."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, select, update

from mailboxes import setup, timeline
from mailboxes.conversion import Conversion, convert_conversation
from mailboxes.crm.cases import Case
from mailboxes.crm.channels import Channel
from mailboxes.crm.contacts import Contact
from mailboxes.crm.leads import Lead
from mailboxes.global_mailboxes import following, saving
from mailboxes.messages import Message
from mailboxes.responses import AutomaticResponse, ResponseWindow
from mailboxes.shadow import shadow_counts, shadowed_messages
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor
from tenants.database import db, inside_installation
from tests.factories import csrf_token, make_mailbox, make_user, sign_in
from tests.faults.crashing import is_killed_at
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import receive_globally
from tests.mailboxes.global_mailboxes.saying import make_global, processing, system_says
from tests.mailboxes.sending import act, answering_rule, ask, let_out, outbox, send, sending_mailbox
from tests.webapp.reading import read, words_of
from tests.webapp.reading import send as submit

RECORDS = (Lead, Contact, Conversion, AutomaticResponse, ResponseWindow)


@pytest.fixture
def mailbox(app, ours, theirs, inside, smtp_sink, certificates):
    let_out(app, smtp_sink, certificates)
    mailbox = sending_mailbox(ours, smtp_sink, label="Support", is_shadow=True, action="lead")
    with inside(ours):
        db.session.add(Channel(name="Web", kind="web", is_active=True))
        db.session.execute(
            update(Mailbox)
            .where(Mailbox.id == mailbox.id)
            .values(action_settings={"owner": str(ours.member.id), "source": ""})
        )
        db.session.commit()
    answering_rule(ours, mailbox)
    return mailbox


def shadowed(world, inside, message):
    """(stage, what would have been done, the sentence) of every step of automation on the timeline."""
    with inside(world):
        events = timeline.events_of(message)
        return [(e.stage, e.details.get("shadow"), e.reason) for e in events if "shadow" in e.details]


def counts(world, inside):
    with inside(world):
        return [db.session.scalar(select(func.count()).select_from(table)) for table in RECORDS]


def test_it_says_what_it_would_have_done_and_does_nothing(ours, inside, mailbox, smtp_sink):
    message = ask(ours, mailbox)
    assert [one.is_answered for one in act(ours)] == [False]
    (made, answered) = shadowed(ours, inside, message)
    assert made[:2] == ("converted", "lead")
    assert made[2].startswith("Shadow: would have made a lead “")
    assert f"owner {ours.member.name}" in made[2]
    assert answered[:2] == ("rules", "answer")
    for words in ("would have answered", "with rule “", "in ", "because: "):
        assert words in answered[2]
    assert counts(ours, inside) == [0] * len(RECORDS)
    assert outbox(ours) == []
    assert send(ours) == []


def test_a_job_that_runs_twice_or_dies_says_it_once(ours, inside, mailbox):
    message = ask(ours, mailbox)
    assert is_killed_at("before commit of action", lambda: act(ours))
    assert shadowed(ours, inside, message) == []
    for _ in range(2):
        act(ours)
        with inside(ours):
            db.session.execute(update(Message).values(work="pending"))
            db.session.commit()
    assert len(shadowed(ours, inside, message)) == 2
    assert counts(ours, inside) == [0] * len(RECORDS)


def test_the_second_message_of_a_sender_would_not_have_been_answered(ours, inside, mailbox):
    ask(ours, mailbox)
    act(ours)
    second = ask(ours, mailbox, subject="Another question", body="Something else entirely?")
    act(ours)
    assert shadowed(ours, inside, second)[1][1] == ""
    with inside(ours):
        assert shadow_counts(mailbox) == {"lead": 2, "answer": 1, "": 1}
        assert len(db.session.scalars(shadowed_messages(mailbox)).all()) == 2


def test_going_live_converts_and_answers_nothing_that_came_before(ours, inside, mailbox):
    seen, waiting = ask(ours, mailbox, sender="a@x.test"), None
    act(ours)
    waiting = ask(ours, mailbox, sender="b@y.test", body="b")
    with inside(ours):
        db.session.execute(update(Message).where(Message.id == waiting.id).values(is_shadow=True))
        own = db.session.get_one(Mailbox, (ours.id, mailbox.id))
        began = own.automation_from
        setup.go_live(own, by=Actor("Ada"))
        db.session.commit()
        assert own.automation_from > began
        db.session.execute(update(Message).values(work="pending"))
        db.session.commit()
    act(ours)
    assert outbox(ours) == []
    assert counts(ours, inside)[0] == 0
    assert [one[1] for one in shadowed(ours, inside, waiting)] == ["lead", "answer"]
    fresh = ask(ours, mailbox, sender="c@z.test", body="c")
    assert [one.is_answered for one in act(ours)] == [True]
    assert shadowed(ours, inside, fresh) == []
    assert counts(ours, inside)[0] == 1
    with inside(ours):
        record = convert_conversation(seen.thread_id, "lead", ours.admin)
        db.session.commit()
        assert record.label


def test_an_answer_that_waits_when_shadow_begins_is_held(ours, inside, mailbox, smtp_sink):
    def put(is_shadow):
        with inside(ours):
            db.session.execute(update(Mailbox).values(is_shadow=is_shadow))
            db.session.commit()

    put(is_shadow=False)
    ask(ours, mailbox)
    act(ours)
    assert len(outbox(ours)) == 1
    put(is_shadow=True)
    assert send(ours) == []
    put(is_shadow=False)
    assert len(send(ours)) == 1


def test_the_page_lists_it_to_whoever_may_read_the_mailbox_and_goes_live(app, ours, theirs, inside, mailbox):
    ask(ours, mailbox, subject="Where is my order")
    act(ours)
    client, url = sign_in(app, ours.admin), f"/configuration/mailboxes/{mailbox.id}/shadow"
    words = words_of(read(client, url))
    assert "Leads it would have made 1" in words
    assert "Where is my order" in words
    assert "is live" in words_of(submit(client, url))
    assert "This mailbox is live" in words_of(read(client, url))
    read(sign_in(app, theirs.admin), url, expect=404)
    closed = make_mailbox(ours, label="Closed", readers=(), is_shadow=True)
    read(client, f"/configuration/mailboxes/{closed.id}/shadow", expect=403)


def test_a_global_mailbox_in_shadow_acts_only_where_an_organization_says_so(app, ours, theirs, inside):
    """Each organization sees its own messages with what would have been; the system sees numbers."""
    id = make_global(ours, theirs, is_shadow=True)
    system_says(id, "processing", processing("case"))
    following.follow(id)
    with inside_installation("a test") as session:
        source = saving.global_mailbox_of(id)
        account_id = source.account_id
        saving.account_of(source).delivery_mode = "copied"
        session.commit()
    url = "/system/mailboxes/" + str(id) + "/shadow"
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        own = f"/configuration/mailboxes/{mailbox.id}"
    ada = sign_in(app, ours.admin)
    submit(ada, own, **{"inherits-access": None, f"access-member-{ours.admin.id}": "read"})

    def take_in(subject):
        raw = letter(subject, to="info@everybody.test", sender=f"{subject} <{subject}@x.test>")
        receive_globally(account_id, raw, folder="inbox")
        for world in (ours, theirs):
            act(world)

    def cases(world):
        with inside(world):
            return sorted(db.session.scalars(select(Case.subject)))

    take_in("first")
    assert "would have made a case “first”" in words_of(read(ada, f"{own}/shadow"))
    submit(ada, f"{own}/shadow")
    with inside(ours):
        assert not db.session.scalar(select(Mailbox)).is_shadow
    take_in("second")
    assert (cases(ours), cases(theirs)) == (["second"], [])

    root = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    page = read(root, url)
    rows = {
        row.select_one("th a").text: [cell.get_text(" ", strip=True) for cell in row.select("td")]
        for row in BeautifulSoup(page, "html.parser").select("main tbody tr")
    }
    assert rows[ours.name] == ["Live Overridden", "1", "1", "0"]
    assert rows[theirs.name] == ["In shadow", "2", "2", "0"]
    assert "second" not in page
    assert "in 1 organization" in words_of(page)
    assert "2 messages" not in words_of(page)
    assert "3 messages that came in shadow mode" in words_of(page)

    assert "is live" in submit(root, url)
    take_in("third")
    assert (cases(ours), cases(theirs)) == (["second", "third"], ["third"])
    with inside(theirs):
        mailbox = db.session.scalar(select(Mailbox))
        assert mailbox.automation_from == mailbox.live_since
    assert root.post(url, data={"csrf_token": csrf_token(read(root, url))}).status_code == 409
