"""The grid of mailboxes: what it says, what it finds, how it is paged, at both levels."""

import re
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import event

from mailboxes import access, rules
from mailboxes.crm.paging import Order
from mailboxes.rules import RuleValues
from mailboxes.setup import GridFilter, mailbox_page, overview
from mailboxes.setup import grid as module
from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.templates import TemplateValues
from tenants.audit import Actor
from tenants.database import db, now
from tenants.organizations import Membership
from tenants.permissions import MEMBER, roles
from tests.factories import make_mailbox, make_member, make_message, sign_in
from tests.mailboxes.arriving import folder_of
from tests.webapp.reading import read, words_of

LIST = "/configuration/mailboxes/"
IMAP = {"imap_enabled": True, "state": "ok"}


@pytest.fixture
def client(app, ours, theirs):
    make_mailbox(theirs, label="Strange")
    return sign_in(app, ours.admin)


def labels(html):
    page = BeautifulSoup(html, "html.parser")
    return [cell.get_text() for cell in page.select("main tbody th a")]


def listed(inside, world, cursor="", sort="label", **filter):
    with inside(world):
        return mailbox_page(
            GridFilter(**filter), Order.of(sort, {**module.SORTS, "state": None}, "label"), cursor
        )


def found(inside, world, **filter):
    return [row.mailbox.label for row in listed(inside, world, **filter).page.rows]


def test_numbers_stand_under_one_another_and_under_their_headings(ours, client):
    make_mailbox(ours)
    page = BeautifulSoup(read(client, LIST), "html.parser")
    numbers = [heading.get_text(strip=True) for heading in page.select("thead .number")]
    assert numbers == ["Rules", "People", "Waiting"]
    assert [cell["data-label"] for cell in page.select("tbody .number")] == numbers


def test_a_row_says_how_its_mailbox_is(inside, ours, client):
    given = {**IMAP, "smtp_enabled": True, "state": "failing"}
    failure = "The server does not answer. It is tried again by itself."
    mailbox = make_mailbox(ours, label="Support", readers=(), account={**given, "last_error": failure})
    make_message(ours, mailbox)
    make_member(ours.id, "Another Member")
    with inside(ours):
        member = next(role for role in db.session.scalars(roles()) if role.system_key == MEMBER)
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, role_id=member.id))
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="reply"))
        for name, is_active in (("One", True), ("Two", False)):
            response = TemplateValues(texts={"en": ("", "Thank you.")})
            rules.add_rule(mailbox, RuleValues(name, is_active=is_active, response=response), by=Actor("Ada"))
        db.session.commit()
    row = BeautifulSoup(read(client, LIST), "html.parser").select_one("main tbody tr")
    cells = {cell["data-label"]: " ".join(cell.get_text(" ").split()) for cell in row.select("[data-label]")}
    assert cells == {
        "Scope": "Organization",
        "State": f"Failing, tries again by itself {failure}",
        "IMAP": "Yes",
        "SMTP": "Yes",
        "Processing": "Do nothing",
        "Rules": "1 of 2 rules of Support active",
        "People": "2 people see Support",
        "Newest": "now",
        "Waiting": "0",
    }


def test_words_find_labels_addresses_and_aliases(inside, ours, theirs):
    make_mailbox(ours, label="Sales 100%", address="sales@acme.test")
    make_mailbox(ours, label="Support", address="help@acme.test", aliases=["care@acme.test"])
    assert found(inside, ours) == ["Sales 100%", "Support"]
    assert found(inside, ours, words="SALES") == ["Sales 100%"]
    assert found(inside, ours, words="help@") == ["Support"]
    assert found(inside, ours, words="care@") == ["Support"]
    assert found(inside, ours, words="%") == ["Sales 100%"]
    assert found(inside, theirs, words="sales") == []


@pytest.mark.parametrize(
    ("state", "given", "account"),
    [
        ("attention", {}, {**IMAP, "state": "refused"}),
        ("attention", {}, {**IMAP, "state": "failing"}),
        ("attention", {}, {**IMAP, "state": "misconfigured"}),
        ("attention", {}, {**IMAP, "state": "disconnected"}),
        ("attention", {}, {**IMAP, "is_enabled": False}),
        ("attention", {}, {}),
        ("new", {}, {**IMAP, "state": "new"}),
        ("ok", {}, IMAP),
        ("ok", {}, {"smtp_enabled": True}),
        ("ok", {}, {**IMAP, "quiet_until": now() - timedelta(hours=1)}),
        ("paused", {"is_enabled": False}, {**IMAP, "state": "failing"}),
        ("paused", {"is_served": False}, IMAP),
        ("attention", {}, {**IMAP, "quiet_until": now() + timedelta(days=1)}),
    ],
)
def test_each_state_is_found_by_its_filter_and_by_no_other(inside, ours, theirs, state, given, account):
    make_mailbox(theirs, account={**IMAP, "state": "refused"})
    make_mailbox(ours, label="It", account=account, **given)
    hits = [name for name in module.STATE_FILTERS if found(inside, ours, state=name)]
    assert hits == [state]
    with inside(ours):
        assert module.attention_count() == (state == "attention")  # as the navigation says


def test_a_mailbox_that_is_read_but_for_a_folder_needs_attention(inside, ours):
    mailbox = make_mailbox(ours, label="It", account=IMAP)
    with inside(ours):
        folder_of(mailbox).troubled_since = now()
        db.session.commit()
        assert module.attention_count() == 1
    assert found(inside, ours, state="attention") == ["It"]


def test_the_scope_says_whose_a_mailbox_is_and_whether_it_is_overridden(inside, ours):
    make_mailbox(ours, label="Own")
    make_mailbox(ours, label="Otherwise", overrides={"label": {"value": "Otherwise"}})
    assert found(inside, ours, scope="organization") == ["Otherwise", "Own"]
    assert found(inside, ours, scope="overridden") == ["Otherwise"]
    assert found(inside, ours, scope="system") == []


def test_every_order_pages_through_everything_once(inside, ours, theirs, monkeypatch):
    monkeypatch.setattr(module, "SIZE", 2)
    make_mailbox(theirs)
    for number, state in enumerate(("ok", "refused", "ok", "new", "failing")):
        mailbox = make_mailbox(ours, label=f"Box {number}", account={**IMAP, "state": state})
        if number % 2:
            make_message(ours, mailbox)
    for name in (*module.SORTS, "state"):
        for sort in (name, f"-{name}"):
            first = listed(inside, ours, sort=sort)
            assert first.count == 5
            pages = [first.page]
            while pages[-1].next:
                pages.append(listed(inside, ours, pages[-1].next, sort).page)
            rows = [row.mailbox.label for page in pages for row in page.rows]
            assert sorted(rows) == [f"Box {number}" for number in range(5)], sort
            back = listed(inside, ours, pages[-1].previous, sort).page
            assert [r.mailbox.id for r in back.rows] == [r.mailbox.id for r in pages[-2].rows]
    problems = listed(inside, ours, sort="state").page.rows
    assert [row.account.state for row in problems] == ["refused", "failing"]


def test_the_number_of_queries_does_not_grow_with_the_mailboxes(inside, ours, client):
    def queries():
        count = []
        note = lambda *_: count.append(1)  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        read(client, LIST)
        event.remove(db.engine, "before_cursor_execute", note)
        return len(count)

    make_mailbox(ours, label="First")
    before = queries()
    for number in range(5):
        make_message(ours, make_mailbox(ours, label=f"Next {number}"))
    assert queries() == before


def test_the_page_filters_sorts_and_says_when_nothing_is_found(ours, client):
    make_mailbox(ours, label="Sales")
    make_mailbox(ours, label="Support", is_enabled=False)
    assert labels(read(client, LIST)) == ["Sales", "Support"]
    assert labels(read(client, f"{LIST}?sort=-label")) == ["Support", "Sales"]
    assert labels(read(client, f"{LIST}?state=paused")) == ["Support"]
    assert "The filter hides all mailboxes" in words_of(read(client, f"{LIST}?q=nonsense"))
    for nonsense in ("sort=nonsense", "page=nonsense", "scope=%00", "state=x", "processing=%00", "q=%00"):
        read(client, f"{LIST}?{nonsense}")


def test_an_action_comes_back_to_the_list_as_it_was(ours, client):
    mailbox = make_mailbox(ours, label="Support")
    query, act = "q=sup&sort=-label", f"{LIST}{mailbox.id}/pause"
    page = BeautifulSoup(read(client, f"{LIST}?{query}"), "html.parser")
    form = page.select_one("#grid-acts")
    assert page.select_one(f'button[formaction="{act}"]')["form"] == form["id"]
    data = {one["name"]: one["value"] for one in form.select("input")}
    answer = client.post(act, data={**data, "list": f"{data['list']}&next=//evil.test"})
    assert answer.location == f"{LIST}?{query}"
    answer = client.post(act, data={"csrf_token": data["csrf_token"]})
    assert answer.location == f"{LIST}{mailbox.id}"


def test_people_are_counted_once_and_only_so_far(inside, ours, theirs, monkeypatch):
    monkeypatch.setattr(access, "MOST_COUNTED", 3)
    monkeypatch.setattr(overview, "MOST_COUNTED", 3)
    few = make_mailbox(ours, label="Few", readers=(ours.admin, ours.member))
    make_mailbox(ours, label="Many", readers=(ours.admin, ours.member))
    make_member(theirs.id)
    absent = make_member(ours.id, "Absent")
    with inside(ours):
        role = next(role for role in db.session.scalars(roles()) if role.system_key == MEMBER)
        db.session.add(MailboxGrant(mailbox_id=few.id, role_id=role.id))  # ours.member holds it, and Absent
        db.session.get(Membership, (ours.id, absent.id)).is_enabled = False
        db.session.commit()
    assert [row.people for row in listed(inside, ours).page.rows] == ["2", "2"]
    for number in range(4):
        make_member(ours.id, f"Further {number}")
    assert [row.people for row in listed(inside, ours).page.rows] == ["3+", "2"]


def test_what_changes_by_itself_is_sent_alone(ours, client):
    mailbox = make_mailbox(ours, label="Support", account={**IMAP, "state": "refused"})
    part = read(client, f"{LIST}states")
    assert "Login rejected" in part
    ids = re.findall(r'id="([a-z]+)-' + str(mailbox.id), part)
    assert ids == ["state", "newest", "waiting"]
    shown = read(client, LIST)
    assert all(f'id="{name}-{mailbox.id}"' in shown for name in ids)


def test_the_block_on_the_email_page_is_the_first_page_whatever_is_asked_there(ours, client):
    make_mailbox(ours, label="Sales")
    page = read(client, "/configuration/settings/email?sort=-label&state=paused")
    assert "Sales" in labels(page)
