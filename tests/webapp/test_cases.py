"""Cases on pages: the list, a case, comments, forms, statuses, the file."""

import csv
import io

import pytest
from sqlalchemy import select

from mailboxes.conversion import convert
from mailboxes.crm import cases as domain
from mailboxes.crm.cases import Case, CaseComment
from mailboxes.crm.contacts import make_contact
from mailboxes.messages import Message
from tenants.database import db, inside
from tests.factories import csrf_token, form_token, make_mailbox, make_message, sign_in
from tests.webapp.reading import read, send, words_of


def make_case(organization, subject="A case", **given):
    facts = {field: given.pop(field) for field in list(given) if field not in domain.FIELDS}
    with inside(organization.id):
        case = domain.open_case({"subject": subject, **given}, "Ada", **facts)
        db.session.commit()
    return case


def cases_of(organization):
    with inside(organization.id):
        return db.session.scalars(select(Case).order_by(Case.reported_at)).all()


def test_the_list_narrows_by_status_assignee_priority_tag_and_words(app, ours, theirs):
    make_case(theirs, theirs.canary)
    make_case(ours, "Broken zip", priority="high", assignee_id=ours.member.id, tags=["warranty"])
    make_case(ours, "Late parcel", status="closed")
    client = sign_in(app, ours.member)
    for query in (
        "status=unsolved",
        "priority=high",
        f"assignee={ours.member.id}",
        "tag=warranty",
        "q=zip",
        "q=warranty",
    ):
        words = words_of(read(client, f"/cases/?{query}"))
        assert "Broken zip" in words, query
        assert "Late parcel" not in words, query
    assert "Late parcel" in words_of(read(client, "/cases/?assignee=nobody&sort=-priority"))
    assert "The filter hides all cases." in read(client, "/cases/?q=nothing")
    assert theirs.canary not in read(client, "/cases/")


@pytest.mark.parametrize("sort", ["subject", "-status", "priority", "-reported", "updated"])
def test_every_order_pages_through_all_cases_once(app, ours, sort):
    with inside(ours.id):
        for number in range(60):
            priority = domain.PRIORITIES[number % 3]
            domain.open_case({"subject": f"Case {number:02}", "priority": priority}, "Ada")
        db.session.commit()
    client = sign_in(app, ours.member)
    from bs4 import BeautifulSoup

    first = BeautifulSoup(read(client, f"/cases/?sort={sort}"), "html.parser")
    second = BeautifulSoup(read(client, first.select_one('a[rel="next"]')["href"]), "html.parser")
    found = [link.text for page in (first, second) for link in page.select("a.row-link")]
    assert sorted(found) == [f"Case {number:02}" for number in range(60)]


def test_a_case_is_opened_by_hand_for_a_contact(app, ours):
    with inside(ours.id):
        contact = make_contact({"name": "Kim Kunde"}, ["kim@customer.test"])
        db.session.commit()
    client = sign_in(app, ours.member)
    page = send(client, "/cases/new", expect=422, subject="No heat", contact_address="nobody@customer.test")
    assert "No contact has this address." in page
    assert "No heat" in page
    page = send(
        client, "/cases/new", subject="No heat", contact_address="Kim@customer.test", tags="stove, #gas"
    )
    assert "Kim Kunde" in page
    (case,) = cases_of(ours)
    assert (case.contact_id, case.tags, case.source) == (contact.id, ["stove", "gas"], "phone")


def test_a_case_is_changed_and_remembers(app, ours):
    case = make_case(ours, "First", tags=["a"])
    client = sign_in(app, ours.member)
    page = send(
        client,
        f"/cases/{case.id}/edit",
        subject="Second",
        priority="high",
        assignee_id=str(ours.admin.id),
        tags="",
    )
    words = words_of(page)
    assert "Priority: normal → high" in words
    assert f"Assigned to: – → {ours.admin.name}" in words
    assert "Tags: a → –" in words
    send(client, f"/cases/{case.id}/edit", expect=422, subject="")


def test_a_case_goes_through_its_statuses(app, ours):
    case = make_case(ours)
    client, url = sign_in(app, ours.member), f"/cases/{case.id}/status"
    for status in ("in_progress", "resolved", "closed"):
        send(client, url, at=f"/cases/{case.id}", status=status)
    assert cases_of(ours)[0].closed_at is not None
    answer = client.post(url, data={"status": "resolved", "csrf_token": csrf_token(read(client, "/cases/"))})
    assert answer.status_code == 409
    send(client, url, at=f"/cases/{case.id}", status="open")
    assert cases_of(ours)[0].closed_at is None
    assert "Closed" in words_of(read(client, f"/cases/{case.id}"))


def test_ticked_cases_change_together(app, ours, theirs):
    ticked = [str(make_case(ours).id), str(make_case(ours, status="closed").id), str(make_case(theirs).id)]
    page = send(sign_in(app, ours.member), "/cases/status", at="/cases/", selected=ticked, status="resolved")
    assert "1 case changed." in page
    assert [case.status for case in cases_of(theirs)] == ["open"]


def test_comments_are_private_unless_said_otherwise(app, ours):
    case = make_case(ours)
    client, url = sign_in(app, ours.member), f"/cases/{case.id}/comments"
    assert "Write something first." in send(client, url, at=f"/cases/{case.id}", expect=422, text="  ")
    send(client, url, at=f"/cases/{case.id}", text="Called <b>them</b>.\nNobody there.")
    page = send(client, url, at=f"/cases/{case.id}", text="We are on it.", is_public="y")
    assert "Called &lt;b&gt;them&lt;/b&gt;." in page
    with inside(ours.id):
        comments = db.session.scalars(select(CaseComment).order_by(CaseComment.written_at)).all()
    assert [(one.is_public, one.author_name) for one in comments] == [
        (False, ours.member.name),
        (True, ours.member.name),
    ]


def test_who_wrote_a_comment_changes_and_removes_it_and_the_history_says_so(app, ours, theirs):
    case = make_case(ours)
    client, url = sign_in(app, ours.member), f"/cases/{case.id}/comments"
    send(client, url, at=f"/cases/{case.id}", text="Call them.")
    with inside(ours.id):
        comment = db.session.scalars(select(CaseComment)).one()
    own = f"{url}/{comment.id}"
    words = words_of(send(client, own, text="Called them.", is_public="y"))
    assert "edited" in words
    assert "Called them." in words
    assert "Call them." not in words
    assert "written → changed" in words
    assert "Write something first." in send(client, own, expect=422, text="  ")
    for other, status in ((ours.admin, 403), (theirs.admin, 404)):
        stranger = sign_in(app, other)
        for path in (own, f"{own}/remove"):
            assert stranger.get(path).status_code == status
            data = {"csrf_token": form_token(stranger), "text": "Not mine."}
            assert stranger.post(path, data=data).status_code == status
    assert "Change comment" not in read(sign_in(app, ours.admin), f"/cases/{case.id}")
    assert f'href="{own}/remove"' in read(client, own)
    asked = words_of(read(client, f"{own}/remove"))
    assert "Remove your comment?" in asked
    assert "Called them." in asked
    assert "written → removed" in words_of(send(client, f"{own}/remove"))
    with inside(ours.id):
        assert db.session.scalars(select(CaseComment)).all() == []


def test_a_case_is_found_by_the_words_of_its_comments(app, ours, theirs):
    for world in (ours, theirs):
        with inside(world.id):
            member, case = world.member, domain.open_case({"subject": f"Of {world.canary}"}, "Ada")
            domain.comment(case, "The warehouse rang.", member.id, member.name, is_public=False)
            db.session.commit()
    make_case(ours, "Another")
    words = words_of(read(sign_in(app, ours.member), "/cases/?q=warehouse"))
    assert f"Of {ours.canary}" in words
    assert "Another" not in words
    assert theirs.canary not in words


def test_a_case_shows_its_conversation_to_those_who_may_read_it(app, ours):
    mailbox = make_mailbox(ours, action="case", readers=(ours.member,))
    message = make_message(ours, mailbox, subject="Help", may_convert=True, is_opening=True)
    with inside(ours.id):
        convert(db.session.scalars(select(Message).where(Message.id == message.id)).one())
        db.session.commit()
    (case,) = cases_of(ours)
    url = f"/cases/{case.id}"
    assert mailbox.label in read(sign_in(app, ours.member), url)
    assert mailbox.label not in read(sign_in(app, ours.admin), url)


def test_a_neighbours_case_does_not_exist(app, ours, theirs):
    case = make_case(theirs, theirs.canary)
    client = sign_in(app, ours.admin)
    token = csrf_token(read(client, "/cases/"))
    for part in ("", "/edit"):
        assert client.get(f"/cases/{case.id}{part}").status_code == 404
    for part in ("/edit", "/status", "/comments"):
        data = {"csrf_token": token, "status": "closed", "text": "hello", "subject": "mine"}
        assert client.post(f"/cases/{case.id}{part}", data=data).status_code == 404
    assert cases_of(theirs)[0].status == "open"


def test_a_neighbours_contact_cannot_be_named(app, ours, theirs):
    with inside(theirs.id):
        make_contact({"name": theirs.canary}, ["kim@customer.test"])
        db.session.commit()
    page = send(
        sign_in(app, ours.member), "/cases/new", expect=422, subject="X", contact_address="kim@customer.test"
    )
    assert theirs.canary not in page


def test_the_file_has_the_filtered_list(app, ours):
    make_case(ours, "+1 call me", tags=["=a"], description="-1")
    make_case(ours, "Other", priority="low")
    client = sign_in(app, ours.admin)
    answer = client.post(
        "/cases/export?priority=normal", data={"csrf_token": csrf_token(read(client, "/cases/"))}
    )
    header, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert tuple(header) == domain.EXPORT_HEADER
    assert (row[0], row[7], row[11]) == ("'+1 call me", "'=a", "'-1")
    assert sign_in(app, ours.member).post("/cases/export").status_code in (400, 403)
