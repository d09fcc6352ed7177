"""My Emails: the list, its views and searches, and what is done to many conversations."""

from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import event, select

from benchmarks.visitor import Row, rows_of
from mailboxes.accounts import Account
from mailboxes.crm.leads import Lead
from mailboxes.drafts import Draft
from mailboxes.inbox import read_state
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.threads import Thread, ThreadRecord
from tenants.configuration.layers import override
from tenants.database import db, uuid7
from tests.factories import csrf_token, make_mailbox, make_message, make_thread, sign_in
from tests.webapp.critic import criticise
from tests.webapp.reading import read, words_of

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support")


@pytest.fixture
def client(app, ours, theirs):
    make_message(theirs, make_mailbox(theirs))
    return sign_in(app, ours.member)


def subjects(html):
    page = BeautifulSoup(html, "html.parser")
    return [one.get_text(strip=True) for one in page.select("#conversations .row-subject")]


def senders(html):
    return [one.get_text(strip=True) for one in rows(html)[0].select(".row-senders")]


def rows(html):
    return BeautifulSoup(html, "html.parser").select("#conversations [data-walk-row]")


def part(client, url, target="list", **headers):
    answer = client.get(url, headers={"HX-Request": "true", "HX-Target": target, **headers})
    if answer.status_code == 200:
        criticise(answer.text, url)
    return answer


def bulk(client, what, ids, kind="threads", url="/mail/"):
    token = csrf_token(client.get(url).text)
    data = {"csrf_token": token, "selected": [str(id) for id in ids], "do": what, "rows": kind}
    return client.post(f"/mail/bulk?{url.partition('?')[2]}", data=data)


def test_the_start_page_is_the_list(client, ours, mailbox):
    make_message(ours, mailbox, subject="Where is my lamp?", text="It has not come.", is_from_new_sender=True)
    page = read(client, "/")
    assert subjects(page) == ["Where is my lamp?"]
    row = rows(page)[0].get_text(" ", strip=True)
    assert "Carla Customer" in row
    assert "It has not come." in row
    assert "Unread." in row
    assert "New sender" in row
    assert "Support" in row


def test_a_row_names_our_mailbox_whole_and_only_where_a_person_has_answered(client, ours, inside):
    desk = make_mailbox(ours, label="Customer service")
    asked = make_message(ours, desk, sender="Klaus Reimann <klaus@customer.test>", shown_at=START)
    with inside(ours):
        thread = db.session.get_one(Thread, (ours.id, asked.thread_id))
        thread.is_auto_replied = True
        db.session.commit()
    answer = {"thread": thread, "direction": "out", "sender": "Customer service <help@acme.test>"}
    make_message(ours, desk, is_automatic=True, shown_at=START + timedelta(minutes=1), **answer)
    assert senders(read(client, "/mail/")) == ["Klaus Reimann"]
    make_message(ours, desk, shown_at=START + timedelta(minutes=2), **answer)
    assert senders(read(client, "/mail/")) == ["Klaus, Customer service"]


def test_the_measurements_read_the_list_as_it_is(client, ours, mailbox, inside):
    plain = make_message(ours, mailbox, subject="Where & when?", shown_at=START)
    answered = make_message(ours, mailbox, subject="How?", shown_at=START + timedelta(minutes=1))
    with inside(ours):
        db.session.get_one(Thread, (ours.id, answered.thread_id)).is_auto_replied = True
        db.session.add(lead := Lead(name="Where & when?"))
        db.session.flush()
        db.session.add(ThreadRecord(thread_id=plain.thread_id, kind="lead", lead_id=lead.id))
        db.session.commit()
    assert rows_of(read(client, "/mail/")) == [
        Row("How?", has_lead=False, is_answered=True),
        Row("Where & when?", has_lead=True, is_answered=False),
    ]


def test_nothing_of_the_neighbour_is_on_any_page(client, ours, theirs, mailbox):
    make_message(ours, mailbox)
    for url in (
        "/mail/",
        "/mail/?view=all",
        "/mail/?q=question",
        "/mail/unread-menu",
        "/mail/people?to=carla",
    ):
        assert theirs.canary not in client.get(url).text


def test_each_view_and_mailbox_has_an_address(client, ours, mailbox):
    other = make_mailbox(ours)
    make_message(ours, mailbox, subject="Here")
    done = make_thread(ours, other, subject="There", status="done")
    make_message(ours, other, thread=done)
    assert subjects(read(client, "/mail/")) == ["Here"]
    assert subjects(read(client, "/mail/?view=done")) == ["There"]
    assert subjects(read(client, f"/mail/?mailbox={other.id}&view=all")) == ["There"]
    assert subjects(read(client, f"/mail/?mailbox={mailbox.id}")) == ["Here"]
    assert subjects(read(client, "/mail/?view=nonsense")) == ["Here"]


def test_a_new_message_is_offered_to_whom_a_mailbox_lets_write(app, ours, inside):
    mailbox = make_mailbox(ours, readers=())
    for person, level in ((ours.member, "read"), (ours.admin, "reply")):
        with inside(ours):
            db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=person.id, level=level))
            db.session.commit()
        page = BeautifulSoup(read(sign_in(app, person), "/mail/"), "html.parser")
        assert bool(page.select("#nav form[action^='/mail/drafts']")) == (level == "reply")


@pytest.mark.parametrize("id", ["closed", "theirs", "nonsense"])
def test_a_mailbox_that_is_not_granted_is_not_there(client, ours, theirs, id):
    ids = {
        "closed": lambda: make_mailbox(ours, readers=(ours.admin,)).id,
        "theirs": lambda: make_mailbox(theirs).id,
        "nonsense": lambda: "12",
    }
    assert client.get(f"/mail/?mailbox={ids[id]()}").status_code == 404


def test_a_page_leads_to_the_older_one_and_back(client, ours, mailbox, inside):
    with inside(ours):
        override("mail.page_size", "10", "organization", by="test")
        db.session.commit()
    for n in range(12):
        make_message(ours, mailbox, subject=f"Message {n}", shown_at=START + timedelta(hours=n))
    first = read(client, "/mail/")
    older = BeautifulSoup(first, "html.parser").select_one('a[rel="next"]')["href"]
    second = read(client, older)
    newer = BeautifulSoup(second, "html.parser").select_one('a[rel="prev"]')["href"]
    assert subjects(second) == ["Message 1", "Message 0"]
    assert subjects(read(client, newer)) == subjects(first)


def test_a_search_is_shown_as_chips_that_can_be_taken_away(client, ours, mailbox):
    make_message(ours, mailbox, subject="Lamp", text="broken glass")
    page = read(client, "/mail/?q=broken from:carla")
    assert subjects(page) == ["Lamp"]
    chips = [chip.get_text(" ", strip=True) for chip in BeautifulSoup(page, "html.parser").select(".chip")]
    assert [" ".join(chip.split()) for chip in chips] == ["words: broken", "from: carla"]
    links = [chip["href"] for chip in BeautifulSoup(page, "html.parser").select(".chip-remove")]
    assert links == ["/mail/?q=from:carla", "/mail/?q=broken"]


def test_a_search_that_makes_no_sense_says_so(client, mailbox):
    assert "“is:purple” is not known" in read(client, "/mail/?q=is:purple")


def test_each_kind_of_nothing_is_told_apart(client, ours, inside):
    assert "No mailbox is granted to you" in read(client, "/mail/")
    mailbox = make_mailbox(ours)
    assert "Nothing new" in read(client, "/mail/")
    assert "Nothing matches" in read(client, "/mail/?q=unicorn")
    assert "No drafts" in read(client, "/mail/?view=drafts")
    with inside(ours):
        account = db.session.scalars(select(Account).where(Account.id == mailbox.account_id)).one()
        account.imap_enabled = True
        account.state, account.last_error = "failing", "The password was refused. Type it again."
        db.session.commit()
    page = read(client, "/mail/")
    assert "The password was refused." in page
    assert "new messages do not arrive" in page


def test_conversations_can_be_switched_off(client, ours, mailbox, inside):
    thread = make_thread(ours, mailbox)
    make_message(ours, mailbox, thread=thread, subject="One", shown_at=START)
    make_message(ours, mailbox, thread=thread, subject="Two", shown_at=START + timedelta(hours=1))
    with inside(ours):
        override("mail.threaded", "off", "organization", by="test")
        db.session.commit()
    assert subjects(read(client, "/mail/")) == ["Two", "One"]


def test_many_are_read_and_made_new_at_once(client, ours, mailbox, inside):
    messages = [make_message(ours, mailbox) for _ in range(3)]
    threads = [message.thread_id for message in messages]
    assert bulk(client, "read", threads[:2]).status_code == 303
    with inside(ours):
        assert read_state.unread_count(ours.member) == 1
    bulk(client, "unread", threads[:1])
    with inside(ours):
        assert read_state.unread_count(ours.member) == 2


@pytest.mark.parametrize(
    ("what", "status", "is_mine"),
    [
        ("done", "done", False),
        ("waiting", "waiting", False),
        ("mine", "open", True),
        ("nobodys", "open", False),
    ],
)
def test_many_change_at_once(client, ours, mailbox, inside, what, status, is_mine):
    message = make_message(ours, mailbox)
    bulk(client, what, [message.thread_id])
    with inside(ours):
        thread = db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()
        assert (thread.status, thread.assignee_id == ours.member.id) == (status, is_mine)


def test_rows_are_as_dense_as_each_person_likes(app, client, ours, mailbox, inside):
    with inside(ours):
        override("mail.density", "relaxed", "user", by="Mo", user=ours.member.user)
        db.session.commit()
    shown = [
        BeautifulSoup(read(one, "/mail/"), "html.parser").body for one in (client, sign_in(app, ours.admin))
    ]
    assert [body["data-density"] for body in shown] == ["relaxed", "dense"]


def test_what_is_not_readable_does_not_change(client, ours, theirs, inside):
    closed = make_message(ours, make_mailbox(ours, readers=(ours.admin,)))
    strange = make_message(theirs, make_mailbox(theirs))
    for what in ("done", "read", "mine"):
        assert bulk(client, what, [closed.thread_id, strange.thread_id, "nonsense"]).status_code == 303
    for world, message in ((ours, closed), (theirs, strange)):
        with inside(world):
            thread = db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()
            assert (thread.status, thread.assignee_id) == ("open", None)


def test_drafts_are_discarded_by_who_wrote_them(client, ours, mailbox, inside):
    with inside(ours):
        mine = Draft(membership_id=ours.member.id, mailbox_id=mailbox.id, kind="new", subject="Mine")
        hers = Draft(membership_id=ours.admin.id, mailbox_id=mailbox.id, kind="new", subject="Hers")
        db.session.add_all((mine, hers))
        db.session.commit()
        ids = [mine.id, hers.id]
    assert subjects(read(client, "/mail/?view=drafts")) == ["Mine"]
    bulk(client, "discard", ids, kind="drafts", url="/mail/?view=drafts")
    with inside(ours):
        assert [draft.subject for draft in db.session.scalars(select(Draft))] == ["Hers"]


def test_the_list_alone_is_fetched_and_only_when_it_changed(client, ours, mailbox):
    make_message(ours, mailbox, subject="One")
    answer = part(client, "/mail/")
    assert "<html" not in answer.text
    assert subjects(answer.text) == ["One"]
    again = part(client, "/mail/", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    make_message(ours, mailbox, subject="Two")
    renewed = part(client, "/mail/", **{"If-None-Match": answer.headers["ETag"]})
    assert set(subjects(renewed.text)) == {"One", "Two"}


def test_an_etag_of_somebody_else_is_not_known(app, client, ours, mailbox):
    make_message(ours, mailbox)
    etag = part(sign_in(app, ours.admin), "/mail/").headers["ETag"]
    assert part(client, "/mail/", **{"If-None-Match": etag}).status_code == 200


def test_going_back_in_the_browser_brings_the_whole_page(client, mailbox):
    answer = part(client, "/mail/", **{"HX-History-Restore-Request": "true"})
    assert "<html" in answer.text


def test_the_header_counts_and_lists_what_is_unread(client, ours, mailbox):
    make_message(ours, mailbox, subject="Brand new")
    assert ">1</span>" in part(client, "/mail/unread-count", "unread-count").text
    assert "Brand new" in part(client, "/mail/unread-menu", "menu").text


def test_a_list_takes_as_many_queries_for_one_row_as_for_many(app, client, ours, mailbox, inside):
    def queries():
        statements = []
        with app.app_context():
            engines = [db.engine, db.engines["system"]]
        note = lambda *args: statements.append(args[2])  # noqa: E731
        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        assert client.get("/mail/").status_code == 200
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
        return len(statements)

    def fill(number):
        for _ in range(number):
            message = make_message(ours, mailbox)
            with inside(ours):
                db.session.add(ThreadRecord(thread_id=message.thread_id, kind="vip", other_id=uuid7()))
                db.session.commit()

    fill(1)
    few = queries()
    fill(12)
    assert queries() == few


def test_reading_changes_nothing_by_a_get(client, ours, mailbox, inside):
    message = make_message(ours, mailbox)
    for url in ("/mail/", f"/mail/conversations/{message.thread_id}", f"/mail/messages/{message.id}/body"):
        client.get(url)
    with inside(ours):
        assert read_state.unread_count(ours.member) == 1


def test_of_many_mailboxes_the_first_are_listed_and_the_others_found(app, ours, theirs):
    for number in range(52):
        make_mailbox(ours, label=f"Box {number:02}", readers=(ours.member,))
    make_mailbox(ours, label="Zebra", readers=(ours.member,))
    make_mailbox(ours, label="Yak", readers=(ours.admin,))
    make_mailbox(theirs, label="Zebra of theirs")
    client = sign_in(app, ours.member)
    page = words_of(read(client, "/mail/"))
    assert "Box 49" in page
    assert "Box 50" not in page
    found = words_of(read(client, "/mail/mailboxes?label=zebra"))
    assert "Zebra" in found
    assert "theirs" not in found
    assert "Yak" not in words_of(read(client, "/mail/mailboxes?label=yak"))
    found = BeautifulSoup(read(client, "/mail/mailboxes?label=zebra"), "html.parser")
    [link] = found.select("#mailboxes a")
    assert "Zebra" in words_of(read(client, link["href"]))
