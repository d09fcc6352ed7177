"""People from a file: every row judged first, nothing saved; then exactly that."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from mailboxes.notices import Notice
from mailboxes.system_mailboxes import MailboxGrant
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.errors import InvalidError
from tenants.organizations import Membership
from tenants.people.import_files import LARGEST_FILE, MOST_ROWS
from tenants.people.invitations import Invitation
from tenants.people.member_import import read_rows
from tenants.permissions import Role
from tests.factories import csrf_token, make_mailbox, make_member, make_user, sign_in
from tests.mailboxes.system_smtp import send_notices_to
from tests.queries import counted_queries
from tests.webapp.reading import form_values, judged, words_of
from tests.webapp.test_roles import make_role
from tests.webapp.test_user_import import WRITTEN_OTHERWISE

IMPORT = "/configuration/people/import"


def show(client, content):
    token = csrf_token(client.get(IMPORT).text)
    data = {"csrf_token": token, "file": (io.BytesIO(content), "people.csv")}
    return judged(client.post(IMPORT, data=data), IMPORT, 200)


def confirm(client, page, **changed):
    url = f"{IMPORT}/invite"
    return client.post(url, data={**form_values(page, url), **changed})


def invited(inside, world):
    with inside(world):
        rows = db.session.scalars(select(Invitation).order_by(Invitation.address)).all()
        return [row.address for row in rows]


def test_each_row_is_judged_and_nothing_is_saved(app, inside, ours, theirs):
    content = (
        "address;roles\r\n"
        f"new@person.test;Member\r\n{ours.member.user.address};\r\nno address;\r\n"
        f"new@person.test;\r\nx@person.test;Pirate\r\n{theirs.member.user.address};member\r\n"
    )
    page = words_of(show(sign_in(app, ours.admin), content.encode()))
    for words in (
        "Is a member already.",
        "Type an email address",
        "Line 2 has the same address.",
        "There is no role Pirate.",
        "Invite 2 people",
    ):
        assert words in page
    assert page.count("Will be invited.") == 2  # the neighbour's member like anybody else
    assert invited(inside, ours) == []


def test_a_column_that_is_not_read_is_named_before_anybody_is_invited_without_roles(app, ours):
    client = sign_in(app, ours.admin)
    page = words_of(show(client, "E-Mail;Rollen;Büro\r\nnew@person.test;Member;Kiel\r\n".encode()))
    assert "Not read: Rollen, Büro Read are the columns address, roles." in page
    assert "Will be invited." in page
    assert "Not read" not in words_of(show(client, b"email,role,\r\nnew@person.test,Member,\r\n"))


@pytest.mark.parametrize(("stored", "written"), WRITTEN_OTHERWISE)
def test_a_member_is_never_invited_however_the_address_is_written(app, inside, ours, stored, written):
    with inside(ours):
        db.session.add(Membership(user_id=make_user(address=stored).id))
        db.session.commit()
    page = words_of(show(sign_in(app, ours.admin), f"address\n{written}\n".encode()))
    assert "Is a member already." in page
    assert "Nobody would be invited" in page


def test_exactly_those_who_were_shown_are_invited_with_their_roles(app, inside, ours, theirs):
    client = sign_in(app, ours.admin)
    page = show(client, b"email,role\nB@person.test,Member\na@person.test,\n")
    answer = judged(confirm(client, page), IMPORT, 200)
    assert answer.count("/invitations/") == 2 * 2  # shown, and to be copied
    assert invited(inside, ours) == ["a@person.test", "b@person.test"]
    with inside(ours):
        acts = db.session.scalars(select(AuditEntry.act)).all()
    assert acts == ["member.invited", "member.invited"]


def test_who_joined_meanwhile_is_told_and_the_others_are_invited(app, inside, ours, theirs):
    client = sign_in(app, ours.admin)
    page = show(client, f"address\n{theirs.member.user.address}\nnew@person.test\n".encode())
    with inside(ours):
        db.session.add(Membership(user_id=theirs.member.user_id))
        db.session.commit()
    answer = words_of(judged(confirm(client, page), IMPORT, 200))
    assert "Is a member already." in answer
    assert invited(inside, ours) == ["new@person.test"]


def test_who_was_invited_a_moment_ago_waits_and_the_others_are_invited(
    app, inside, ours, theirs, smtp_sink, certificates
):
    send_notices_to(app, smtp_sink, certificates)
    client = sign_in(app, ours.admin)
    both = show(client, b"address\nnew@person.test\nother@person.test\n")
    confirm(client, show(client, b"address\nnew@person.test\n"))
    page = words_of(show(client, b"address\nnew@person.test\nother@person.test\n"))
    assert "new@person.test was sent an invitation a moment ago. Wait two minutes." in page
    assert "Invite 1 person" in page
    assert "Wait two minutes." in confirm(client, both).text
    assert invited(inside, ours) == ["new@person.test", "other@person.test"]
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Notice)) == 2


def test_a_file_over_what_is_left_of_the_day_says_so_at_each_row_and_the_others_are_invited(
    app, inside, ours, theirs, smtp_sink, certificates, monkeypatch
):
    monkeypatch.setattr("mailboxes.people_letters.MOST_A_DAY", 3)
    send_notices_to(app, smtp_sink, certificates)
    client, file = sign_in(app, ours.admin), b"address\na@person.test\nb@person.test\nc@person.test\n"
    all_three = show(client, file)
    assert "Invite 3 people" in words_of(all_three)
    confirm(client, show(client, b"address\nfirst@person.test\n"))
    page = words_of(show(client, file))
    assert page.count("at most 3 invitations within a day, and 2 are left. Invite the others tomorrow.") == 1
    assert "Invite 2 people" in page
    answer = words_of(judged(confirm(client, all_three), IMPORT, 200))
    assert answer.count("Invite the others tomorrow.") == 1
    assert invited(inside, ours) == ["a@person.test", "b@person.test", "first@person.test"]


def test_tags_make_no_second_mailbox_of_one(app, inside, ours, theirs, smtp_sink, certificates):
    send_notices_to(app, smtp_sink, certificates)
    client = sign_in(app, ours.admin)
    rows = "".join(f"victim+{number}@person.test\n" for number in range(5))
    page = show(client, f"address\n{rows}+49@person.test\n+50@person.test\n".encode())
    assert words_of(page).count("reaches the same person as victim+0@person.test.") == 4
    confirm(client, page)
    assert invited(inside, ours) == ["+49@person.test", "+50@person.test", "victim+0@person.test"]
    assert "a moment ago" in words_of(show(client, b"address\nvictim@person.test\n"))


def test_many_are_invited_with_as_many_statements_as_a_few(app, inside, ours, theirs):
    client = sign_in(app, ours.admin)
    counts = []
    for many in (2, 30):
        rows = "".join(f"p{number}@of-{many}.test,Member\n" for number in range(many))
        page = show(client, f"address,roles\n{rows}".encode())
        with counted_queries(app) as statements:
            judged(confirm(client, page), IMPORT, 200)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert len(invited(inside, ours)) == 32


def test_the_template_is_a_file_that_can_be_imported(app, ours):
    answer = sign_in(app, ours.admin).get(f"{IMPORT}/template.csv")
    (row,) = read_rows(answer.data)
    assert (row.address, row.roles) == ("mia@example.com", ("Member",))


def test_what_was_not_shown_to_this_person_is_refused(app, inside, ours, theirs):
    page = show(sign_in(app, theirs.admin), b"address\nnew@person.test\n")
    client = sign_in(app, ours.admin)
    token = csrf_token(client.get(IMPORT).text)
    assert confirm(client, page, csrf_token=token).status_code == 409
    assert invited(inside, ours) == []


def test_a_file_gives_no_role_that_its_owner_lacks(app, inside, ours):
    manager = make_member(ours.id, "Manager", role=None)
    make_role(inside, ours, "People", ["user.manage"], manager)
    page = words_of(show(sign_in(app, manager), b"address,roles\nx@person.test,Administrator\n"))
    assert "You cannot give or take the role Administrator" in page
    assert "Nobody would be invited" in page


def test_a_role_that_opens_mailboxes_is_refused_at_its_row(app, inside, ours):
    manager = make_member(ours.id, "Manager", role=None)
    make_role(inside, ours, "People", ["user.manage"], manager)
    make_role(inside, ours, "Readers", [], ours.member)
    box = make_mailbox(ours)
    with inside(ours):
        readers = db.session.scalar(select(Role.id).where(Role.name == "Readers"))
        db.session.add(MailboxGrant(mailbox_id=box.id, role_id=readers))
        db.session.commit()
    page = words_of(show(sign_in(app, manager), b"address,roles\na@person.test,Readers\nb@person.test,\n"))
    assert "it opens mailboxes, and you may not grant those" in page
    assert "Invite 1 person" in page


@pytest.mark.parametrize(
    "content",
    [
        "address,roles\nzoë@person.test,Café".encode(),
        b"\xef\xbb\xbf" + "address,roles\nzoë@person.test,Café".encode(),
        "address;roles\nzoë@person.test;Café".encode("utf-16"),
        "address\troles\r\nzoë@person.test\tCafé".encode("cp1252"),
    ],
)
def test_encoding_and_delimiter_are_found(content):
    (row,) = read_rows(content)
    assert (row.line, row.address, row.roles) == (2, "zoë@person.test", ("Café",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name\nMia",
        b"address\n",
        b"address\n" + b"x" * LARGEST_FILE,
        b"address\n" + b"a@b.test\n" * (MOST_ROWS + 1),
        b"\x89PNG\0\0",
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(content):
    with pytest.raises(InvalidError):
        read_rows(content)


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_a_refusal(content):
    try:
        rows = read_rows(content)
    except InvalidError:
        return
    assert all(row.line >= 2 for row in rows)


def test_a_formula_is_shown_as_text_and_is_no_address(app, ours):
    page = words_of(show(sign_in(app, ours.admin), b"address\n=HYPERLINK(1)\n"))
    assert "=HYPERLINK(1)" in page
    assert "Nobody would be invited" in page


def test_a_quotation_mark_that_is_not_closed_is_said():
    with pytest.raises(InvalidError, match="quotation mark"):
        read_rows(b'address\n"' + b"x" * 200_000)
