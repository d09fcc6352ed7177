"""Users of the installation from a file: every row judged first, nothing saved; then exactly those."""

import io

import pytest
from sqlalchemy import func, select

from mailboxes.notices import send_due_notices
from tenants.audit import SystemAuditEntry
from tenants.database import INSTALLATION, db
from tenants.installation.user_import import read_users
from tenants.users import User, user_by_address
from tests.factories import PASSWORD, csrf_token, make_user, sign_in
from tests.mailboxes.system_smtp import letters, path_in, send_notices_to
from tests.queries import counted_queries
from tests.webapp.reading import form_values, judged, send, words_of

IMPORT = "/system/users/import"
MAKE = f"{IMPORT}/make"


@pytest.fixture
def client(app, ours, theirs):
    return sign_in(app, make_user(name="Sam System", is_system_admin=True))


def show(client, text):
    token = csrf_token(client.get(IMPORT).text)
    data = {"csrf_token": token, "file": (io.BytesIO(text.encode()), "users.csv")}
    return judged(client.post(IMPORT, data=data), IMPORT, 200)


def confirm(client, page, expect=200, **changed):
    return judged(client.post(MAKE, data={**form_values(page, MAKE), **changed}), MAKE, expect)


def user_count():
    return db.session.scalar(select(func.count()).select_from(User))


def test_each_row_is_judged_and_nothing_is_saved(client, theirs):
    gone = make_user(address="gone@person.test")
    db.session.get_one(User, gone.id).is_enabled = False
    db.session.commit()
    before = user_count()
    page = show(
        client,
        "e-mail;full name;admin\n"
        "new@person.test;New Person;\nboss@person.test;;yes\nno address;;\nNEW@person.test;;\n"
        f"{theirs.member.user.address};;\ngone@person.test;;\nx@person.test;;perhaps\n",
    )
    words = words_of(page)
    for said in (
        "Will be made a user.",
        "Will be made a user, and administer the system.",
        "Type an email address",
        "Line 2 has the same address.",
        "Is a user already.",
        "Is a disabled user. Enable them instead.",
        "Write yes or no into the column administrator, not perhaps.",
        "Add 2 users",
    ):
        assert said in words
    assert user_count() == before


WRITTEN_OTHERWISE = [  # as it is stored, and in a file
    ("zo\u00eb@person.test", "ZOE\u0308@person.test"),
    ("zo\u00eb@b\u00fccher.test", "zo\u00eb@xn--bcher-kva.test"),
    ("zoe@xn--bcher-kva.test", "Zoe@xn--bcher-kva.test"),  # as `postroom apply` stored it
]


@pytest.mark.parametrize(("stored", "written"), WRITTEN_OTHERWISE)
def test_somebody_is_known_however_the_address_is_written(client, stored, written):
    make_user(address=stored)
    page = words_of(show(client, f"address\n{written}\nno address\n"))
    assert "Is a user already." in page
    assert "Type an email address" in page


def test_exactly_those_who_were_shown_are_made_and_get_a_letter(app, client, smtp_sink, certificates):
    send_notices_to(app, smtp_sink, certificates)
    page = show(client, "address,name,administrator\nmia@person.test, Mia  Moor,no\nboss@person.test,,yes\n")
    make_user(address="boss@person.test")  # by somebody else, meanwhile
    answer = words_of(confirm(client, page))
    assert "Is a user already." in answer
    assert user_by_address("mia@person.test").name == "Mia Moor"
    assert not user_by_address("boss@person.test").is_system_admin
    send_due_notices(INSTALLATION)
    ((recipient, _, text),) = letters(smtp_sink)
    assert recipient == "mia@person.test"
    send(app.test_client(), path_in(text), password=PASSWORD, again=PASSWORD)
    assert user_by_address("mia@person.test").password_hash
    acts = db.session.scalars(
        select(SystemAuditEntry.act).where(SystemAuditEntry.subject == "mia@person.test")
    )
    assert {"user.created", "user.password_link_made"} <= set(acts)


def test_without_mail_the_links_are_shown_to_be_handed_over(app, client):
    page = confirm(client, show(client, "address\nmia@person.test\n"))
    visitor = app.test_client()
    send(visitor, path_in(words_of(page)), password=PASSWORD, again=PASSWORD)
    assert user_by_address("mia@person.test").password_hash


def test_many_are_made_with_as_many_statements_as_a_few(app, client):
    counts = []
    for many in (2, 30):
        rows = "".join(f"p{number}@of-{many}.test,Person {number}\n" for number in range(many))
        page = show(client, f"address,name\n{rows}")
        with counted_queries(app) as statements:
            confirm(client, page)
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_only_a_system_administrator_and_only_what_they_were_shown(app, client, ours):
    page = show(client, "address\nmia@person.test\n")
    other = sign_in(app, make_user(name="Olga Other", is_system_admin=True))
    token = csrf_token(other.get(IMPORT).text)
    confirm(other, page, 409, csrf_token=token)
    assert sign_in(app, ours.admin).get(IMPORT).status_code == 403
    assert user_by_address("mia@person.test") is None


def test_the_template_is_a_file_that_can_be_imported(client):
    (row,) = read_users(client.get(f"{IMPORT}/template.csv").data)
    assert (row.address, row.name, row.administrator) == ("mia@example.com", "Mia Example", "no")
