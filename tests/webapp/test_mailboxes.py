"""The mailbox pages of an organization."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, select

from mailboxes.accounts import Account, Folder
from mailboxes.connections import password_of
from mailboxes.crm.cases import Case
from mailboxes.crm.leads import Lead
from mailboxes.setup.checking import FolderChoice, sealed
from mailboxes.setup.demands import MANY_ADDRESSES
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from mailboxes.threads import ThreadRecord
from tenants import audit
from tenants.database import db
from tests.factories import csrf_token, make_mailbox, make_message, sign_in
from tests.mailboxes.deleting import finish_deleting
from tests.webapp.reading import errors_of, read, words_of

NEW = "/configuration/mailboxes/new"
FOLDERS = [
    FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3),
    FolderChoice(b"Sent", "Sent", "/", "sent", True, 1),
]


def typed(app, client, url=NEW, **fields):
    page = client.get(url).text
    with app.app_context():
        folder_list = sealed(FOLDERS)
    return {
        "csrf_token": csrf_token(page),
        "label": "Support",
        "address": "support@acme.test",
        "is_enabled": "y",
        "kind": "other",
        "imap_enabled": "y",
        "imap_host": "imap.acme.test",
        "imap_port": "993",
        "imap_encryption": "tls",
        "imap_user": "support",
        "imap_password": "hunter2hunter2",
        "smtp_port": "587",
        "smtp_encryption": "starttls",
        "folders": ["INBOX"],
        "folder_list": folder_list,
        "history": "inherit",
        "action": "nothing",
        "automation_from": "2026-01-01T00:00",
        **fields,
    }


FIFTY_ADDRESSES = " ".join(f"help{number}@acme.test" for number in range(MANY_ADDRESSES))


def test_an_administrator_adds_a_mailbox(app, inside, ours, theirs, client):
    role_field = f"access-member-{ours.member.id}"
    answer = client.post(NEW, data=typed(app, client, **{role_field: "reply"}))
    assert answer.status_code == 302, errors_of(answer.text)
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        account = db.session.scalar(select(Account))
        assert (mailbox.label, mailbox.address, account.imap_host) == (
            "Support",
            "support@acme.test",
            "imap.acme.test",
        )
        assert b"hunter2" not in account.imap_secret
        assert password_of(account, "imap") == "hunter2hunter2"
        assert db.session.scalars(select(Folder.name).where(Folder.is_synced)).all() == ["INBOX"]
        assert db.session.scalar(select(MailboxGrant.level)) == "reply"
    with inside(theirs):
        assert db.session.scalar(select(func.count()).select_from(Mailbox)) == 0
    page = client.get(answer.location).text
    assert "hunter2" not in page
    assert "granted personally" in page


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("label", "", "Give the mailbox a label"),
        ("address", "support", "is no email address"),
        ("aliases", "help@acme.test nonsense", "nonsense is no email address"),
        ("aliases", f"{FIFTY_ADDRESSES} nonsense", "List at most 50 addresses"),
        ("trusted_forms", f"{FIFTY_ADDRESSES} nonsense", "List at most 50 addresses"),
        ("imap_host", "", "Type the name of the server"),
        ("imap_port", "99999", "from 1 to 65535"),
        ("imap_user", "", "Type the user name"),
        ("imap_password", "", "Type the password"),
        ("folders", [], "Choose at least one folder"),
        ("automation_from", "", "Choose a date and time"),
        ("automation_from", "0001-01-01T00:00", "Choose a year from 1970"),
        ("action", "lead", "channel"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    app, inside, ours, client, field, value, sentence
):
    answer = client.post(
        NEW, data=typed(app, client, **{field: value, "trusted_authserv_id": "mx.kept.test"})
    )
    assert answer.status_code == 422
    assert sentence in errors_of(answer.text)
    assert "mx.kept.test" in answer.text
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Mailbox)) == 0


def test_a_label_is_unique_in_the_organization_only(app, ours, theirs, client):
    make_mailbox(theirs, label="Support")
    assert client.post(NEW, data=typed(app, client)).status_code == 302
    answer = client.post(NEW, data=typed(app, client, address="other@acme.test"))
    assert answer.status_code == 422
    assert "Another mailbox is called Support" in errors_of(answer.text)


@pytest.mark.parametrize(
    ("field", "value"),
    [("imap_host", "evil.test"), ("imap_port", "143"), ("imap_user", "root"), ("imap_encryption", "none")],
)
def test_a_stored_password_is_demanded_anew_for_another_place(app, inside, client, ours, field, value):
    url = client.post(NEW, data=typed(app, client)).location
    answer = client.post(url, data=typed(app, client, url, imap_password="", **{field: value}))
    assert answer.status_code == 422
    assert "Type the password again" in errors_of(answer.text)
    check = client.post(url, data=typed(app, client, url, imap_password="", check="1", **{field: value}))
    assert "Type the password again" in check.text


def test_an_empty_password_keeps_the_stored_one(app, inside, client, ours):
    url = client.post(NEW, data=typed(app, client)).location
    answer = client.post(url, data=typed(app, client, url, imap_password="", label="Help"))
    assert answer.status_code == 302, errors_of(answer.text)
    with inside(ours):
        assert password_of(db.session.scalar(select(Account)), "imap") == "hunter2hunter2"
        assert db.session.scalar(select(Mailbox.label)) == "Help"


def test_at_another_host_the_folders_of_the_former_one_are_left(app, inside, client, ours):
    url = client.post(NEW, data=typed(app, client)).location
    new_place = typed(app, client, url, imap_host="new.acme.test", folders=["Sent"])
    assert client.post(url, data=new_place).status_code == 302
    with inside(ours):
        assert db.session.scalars(select(Account)).one().imap_host == "new.acme.test"
        query = select(Folder.name, Folder.left_at.is_not(None), Folder.is_synced).order_by(Folder.id)
        assert db.session.execute(query).all() == [
            ("INBOX", True, False),
            ("Sent", True, False),
            ("INBOX", False, False),
            ("Sent", False, True),
        ]
    shown = BeautifulSoup(client.get(url).text, "html.parser").select("input[name=folders]")
    assert [(one["value"], one.has_attr("checked")) for one in shown] == [("INBOX", False), ("Sent", True)]


def test_what_a_folder_is_for_is_said_in_our_words_whatever_a_pass_stored(client, ours, inside):
    mailbox = make_mailbox(ours)
    with inside(ours):
        db.session.scalars(select(Folder)).one().special_use = "junk"
        db.session.commit()
    page = BeautifulSoup(client.get(f"/configuration/mailboxes/{mailbox.id}").text, "html.parser")
    assert page.select_one(".folder-tree .badge").text == "Spam"


def test_unticking_a_folder_stops_its_sync_and_deletes_nothing(app, inside, client, ours):
    url = client.post(NEW, data=typed(app, client, folders=["INBOX", "Sent"])).location
    assert client.post(url, data=typed(app, client, url, folders=["INBOX"])).status_code == 302
    with inside(ours):
        rows = db.session.execute(select(Folder.name, Folder.is_synced).order_by(Folder.name)).all()
        assert rows == [("INBOX", True), ("Sent", False)]


def test_deleting_asks_for_the_label(app, inside, client, ours):
    url = client.post(NEW, data=typed(app, client)).location
    page = client.get(url + "/delete").text
    wrong = client.post(url + "/delete", data={"csrf_token": csrf_token(page), "confirmation": "Sales"})
    assert wrong.status_code == 422
    right = client.post(url + "/delete", data={"csrf_token": csrf_token(page), "confirmation": "Support"})
    assert right.status_code == 302
    read(client, url, expect=404)
    finish_deleting()
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Mailbox)) == 0
        assert db.session.scalar(select(func.count()).select_from(Account)) == 0


def test_the_page_that_deletes_names_the_leads_and_cases_that_stay(app, inside, client, ours, theirs):
    for world in (ours, theirs):
        box = make_mailbox(world, label="Sales")
        message = make_message(world, box)
        with inside(world):
            lead, case = Lead(name="Lead"), Case(subject="Case")
            db.session.add_all([lead, case])
            db.session.flush()
            db.session.add(ThreadRecord(thread_id=message.thread_id, kind="lead", lead_id=lead.id))
            db.session.add(ThreadRecord(thread_id=message.thread_id, kind="case", case_id=case.id))
            db.session.commit()
        if world is ours:
            url = f"/configuration/mailboxes/{box.id}/delete"
    assert "1 lead and 1 case from it stay, without their conversations" in words_of(read(client, url))


def test_the_grid_says_how_each_mailbox_is(app, client, ours):
    make_mailbox(ours, label="Sales", account={"imap_enabled": True, "state": "refused", "last_error": "No."})
    page = client.get("/configuration/mailboxes/").text
    assert "Login rejected, needs a new password" in page


def test_a_mailbox_can_be_paused_and_resumed(app, inside, client, ours):
    url = client.post(NEW, data=typed(app, client)).location
    token = csrf_token(client.get(url).text)
    for act, expected in (("pause", False), ("pause", False), ("resume", True), ("resume", True)):
        assert client.post(f"{url}/{act}", data={"csrf_token": token}).status_code == 302
        with inside(ours):
            assert db.session.scalar(select(Mailbox.is_enabled)) is expected
    with inside(ours):
        acts = [one.act for one in db.session.scalars(audit.entries())]
    assert (acts.count("mailbox.paused"), acts.count("mailbox.resumed")) == (1, 1)


def test_a_grant_of_a_neighbours_role_or_person_is_refused(app, inside, client, ours, theirs):
    data = typed(app, client, **{f"access-member-{theirs.member.id}": "reply"})
    answer = client.post(NEW, data=data)
    assert answer.status_code == 422
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(MailboxGrant)) == 0


def test_a_member_without_the_right_sees_no_mailbox_page(app, ours):
    client = sign_in(app, ours.member)
    assert client.get(NEW).status_code == 403
