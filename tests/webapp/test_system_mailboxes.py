"""Global mailboxes: set up by system administrators, read in their home organization."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, select

from mailboxes import rules
from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.connections import password_of
from mailboxes.raws import keep_raw
from mailboxes.setup import global_saving
from mailboxes.setup.checking import FolderChoice, sealed
from mailboxes.sync.claiming import Rhythms, claim_due
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.audit import AuditEntry, SystemAuditEntry
from tenants.database import INSTALLATION, db, inside_installation
from tests.factories import csrf_token, make_mailbox, make_user, sign_in
from tests.webapp.critic import criticise
from tests.webapp.reading import read, send, words_of

LIST = "/system/mailboxes/"
FOLDERS = [
    FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3),
    FolderChoice(b"Sent", "Sent", "/", "sent", True, 1),
]


@pytest.fixture
def client(app, ours, theirs):
    return sign_in(app, make_user(name="Sys Admin", is_system_admin=True))


@pytest.fixture
def administrator(app, ours):
    """Of the home organization."""
    return sign_in(app, ours.admin)


def new_url(world):
    return f"/system/mailboxes/new?home={world.id}"


def typed(app, client, url, **fields):
    page = client.get(url).text
    with app.app_context():
        folder_list = sealed(FOLDERS)
    return {
        "csrf_token": csrf_token(page),
        "label": "Info",
        "address": "info@everybody.test",
        "is_enabled": "y",
        "imap_enabled": "y",
        "imap_host": "imap.everybody.test",
        "imap_port": "993",
        "imap_encryption": "tls",
        "imap_user": "info",
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


def errors_of(html):
    page = BeautifulSoup(html, "html.parser")
    return " ".join(error.get_text(" ", strip=True) for error in page.select(".field-errors, .error-summary"))


@pytest.fixture
def url(app, client, ours):
    """The page of a global mailbox whose home is ours."""
    data = typed(app, client, new_url(ours), **{f"access-member-{ours.member.id}": "reply"})
    answer = client.post(new_url(ours), data=data)
    assert answer.status_code == 302, errors_of(answer.text)
    return answer.location


def the_account():
    with inside_installation("a test"):
        return db.session.scalar(select(Account).order_by(Account.created_at.desc()))


def the_mailbox(inside, world):
    with inside(world):
        return db.session.scalar(select(Mailbox))


def test_a_global_mailbox_is_an_account_of_the_installation_and_a_mailbox_at_home(inside, ours, theirs, url):
    account, mailbox = the_account(), the_mailbox(inside, ours)
    assert (account.organization_id, account.home_organization_id) == (None, ours.id)
    assert account.is_enabled
    assert password_of(account, "imap") == "hunter2hunter2"
    assert (mailbox.account_id, mailbox.account_owner_id) == (account.id, INSTALLATION)
    with inside(ours):
        assert db.session.scalar(select(MailboxGrant.level)) == "reply"
        assert db.session.scalar(select(func.count()).select_from(Account)) == 0
    assert the_mailbox(inside, theirs) is None


def test_the_grid_says_where_each_is_at_home(client, url, theirs):
    assert words_of(read(client, LIST)).count("Acme") == 1
    shown = words_of(read(client, "/system/configuration/email"))
    assert "System Mailboxes" in shown
    assert "info@everybody.test" in shown
    assert "Delivers to" in shown


def test_first_the_home_organization_is_chosen(client, ours, theirs):
    page = read(client, "/system/mailboxes/new")
    assert {ours.name, theirs.name} <= set(
        BeautifulSoup(page, "html.parser").select_one("#home").stripped_strings
    )
    page = read(client, new_url(ours))
    assert ours.canary in page
    assert theirs.canary not in page
    read(client, "/system/mailboxes/new?home=nonsense", expect=404)


def test_every_page_is_well_made(client, url):
    for more in ("", "/delete", "/rules/new"):
        read(client, url + more)


def test_changing_writes_both_owners_and_keeps_the_password(app, inside, client, ours, url):
    data = typed(app, client, url, imap_password="", label="Information", folders=["INBOX", "Sent"])
    answer = client.post(url, data=data)
    assert answer.status_code == 302, errors_of(answer.text)
    account = the_account()
    assert account.is_enabled
    assert password_of(account, "imap") == "hunter2hunter2"
    assert the_mailbox(inside, ours).label == "Information"
    with inside_installation("a test"):
        synced = db.session.scalars(select(Folder.name).where(Folder.is_synced).order_by(Folder.name)).all()
    assert synced == ["INBOX", "Sent"]


def test_another_server_is_another_account_and_the_old_one_rests_without_its_password(
    app, inside, client, ours, url
):
    answer = client.post(url, data=typed(app, client, url, imap_host="new.everybody.test"))
    assert answer.status_code == 302, errors_of(answer.text)
    with inside_installation("a test"):
        old, new = db.session.scalars(select(Account).order_by(Account.created_at)).all()
    assert (old.is_enabled, old.imap_secret) == (False, None)
    assert (new.is_enabled, new.home_organization_id) == (True, ours.id)
    assert the_mailbox(inside, ours).account_id == new.id


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("label", "Taken", "Another mailbox is called Taken"),
        ("imap_password", "", "Type the password"),
        ("imap_host", "", "Type the name of the server"),
        ("folders", [], "Choose at least one folder"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left_behind(app, inside, client, ours, field, value, sentence):
    make_mailbox(ours, label="Taken")
    answer = client.post(new_url(ours), data=typed(app, client, new_url(ours), **{field: value}))
    assert answer.status_code == 422
    criticise(answer.text, new_url(ours))
    assert sentence in errors_of(answer.text)
    assert the_account() is None


def test_a_neighbours_person_gets_no_access(app, inside, client, ours, theirs):
    data = typed(app, client, new_url(ours), **{f"access-member-{theirs.member.id}": "reply"})
    answer = client.post(new_url(ours), data=data)
    assert answer.status_code == 422
    assert "Choose roles and people of this organization" in errors_of(answer.text)
    assert the_account() is None


def test_a_change_that_dies_half_way_fetches_nothing_and_is_saved_again(
    app, inside, client, ours, url, monkeypatch
):
    def die(*_args, **_given):
        raise RuntimeError("killed")

    data = typed(app, client, url, imap_host="new.everybody.test")
    with monkeypatch.context() as patched:
        patched.setattr(global_saving, "_switch", die)
        with pytest.raises(RuntimeError):
            client.post(url, data=data)
    with inside_installation("a test"):
        assert db.session.scalars(select(Account.is_enabled)).all() == [False, False]
    assert "A change was interrupted" in words_of(read(client, LIST))
    assert client.post(url, data=data).status_code == 302
    assert the_account().is_enabled


def test_an_account_that_a_dead_create_left_behind_is_forgotten(app, client, ours, monkeypatch):
    def die(*_args, **_given):
        raise RuntimeError("killed")

    data = typed(app, client, new_url(ours))
    with monkeypatch.context() as patched:
        patched.setattr(global_saving, "keep_grants", die)
        with pytest.raises(RuntimeError):
            client.post(new_url(ours), data=data)
    assert not the_account().is_enabled
    monkeypatch.setattr(global_saving, "LEFT_BEHIND", -global_saving.LEFT_BEHIND)
    assert client.post(new_url(ours), data=data).status_code == 302
    with inside_installation("a test"):
        assert db.session.scalars(select(Account.is_enabled)).all() == [True]


def test_pausing_and_syncing(inside, client, ours, url):
    send(client, f"{url}/pause", at=url)
    assert not the_mailbox(inside, ours).is_enabled
    before = the_account().next_attempt_at
    send(client, f"{url}/pause", at=url)
    assert the_mailbox(inside, ours).is_enabled
    resumed = the_account().next_attempt_at
    assert resumed > before
    send(client, f"{url}/sync", at=url)
    assert the_account().next_attempt_at > resumed


def test_a_paused_one_is_not_fetched(inside, client, administrator, ours, url):
    own = f"/configuration/mailboxes/{the_mailbox(inside, ours).id}"
    send(administrator, f"{own}/pause", at=own)  # its home may pause it too
    assert claim_due("test", 10, Rhythms()) == []
    send(client, f"{url}/pause", at=url)
    assert [claim.account_id for claim in claim_due("test", 10, Rhythms())] == [the_account().id]


def test_deleting_takes_mailbox_and_account(inside, client, ours, url):
    page = send(client, f"{url}/delete", expect=422, confirmation="Wrong")
    assert "Type the label Info" in page
    assert the_account() is not None
    send(client, f"{url}/delete", confirmation="Info")
    assert the_account() is None
    assert the_mailbox(inside, ours) is None


def test_its_rules_are_those_of_the_home_organization(inside, client, ours, theirs, url):
    page = send(client, f"{url}/rules/new", name="Everybody", content_en="Thank you.")
    assert "Everybody has been saved" in page
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        assert [rule.name for rule in db.session.scalars(rules.rules_of(mailbox))] == ["Everybody"]


def test_both_records_tell_of_it_and_the_organizations_hides_the_connection(inside, client, ours, url):
    with inside(ours):
        entry = db.session.scalar(select(AuditEntry).where(AuditEntry.act == "mailbox.created"))
        system = db.session.scalar(select(SystemAuditEntry).where(SystemAuditEntry.act == "mailbox.created"))
    assert entry.actor_name == system.actor_name == "Sys Admin"
    assert system.after["imap_host"] == "imap.everybody.test"
    assert not {"imap_host", "imap_user", "folders"} & set(entry.after)
    assert "hunter2" not in str(system.after)


def test_at_home_it_is_marked_and_its_connection_is_never_shown(administrator, url, inside, ours):
    mailbox = the_mailbox(inside, ours)
    page = read(administrator, "/configuration/mailboxes/")
    assert "System" in words_of(page)
    page = read(administrator, f"/configuration/mailboxes/{mailbox.id}")
    for hidden in ("imap.everybody.test", "imap_host", "imap_password", "hunter2", "INBOX"):
        assert hidden not in page
    assert "kept by the system administrators" in page


def test_at_home_label_access_and_rules_are_changed_but_not_its_address(administrator, url, inside, ours):
    mailbox = the_mailbox(inside, ours)
    own = f"/configuration/mailboxes/{mailbox.id}"
    fields = {f"access-member-{ours.admin.id}": "read", "address": "evil@everybody.test"}
    page = send(administrator, own, label="Our info", imap_host="evil.test", **fields)
    assert "Our info has been saved" in page
    changed = the_mailbox(inside, ours)
    assert (changed.label, changed.address) == ("Our info", "info@everybody.test")
    assert the_account().imap_host == "imap.everybody.test"
    with inside(ours):
        entry = db.session.scalar(select(AuditEntry).where(AuditEntry.act == "mailbox.changed"))
        assert set(entry.after) == {"label", "access"}
    send(administrator, f"{own}/rules/new", name="Ours", content_en="Thanks.")


def test_at_home_it_is_not_deleted(administrator, url, inside, ours):
    mailbox = the_mailbox(inside, ours)
    own = f"/configuration/mailboxes/{mailbox.id}"
    token = csrf_token(administrator.get(own).text)
    answer = administrator.post(own + "/delete", data={"csrf_token": token, "confirmation": "Info"})
    assert answer.status_code == 403
    assert the_mailbox(inside, ours) is not None


def test_nobody_else_passes(app, administrator, url, ours, theirs):
    for who in (administrator, sign_in(app, theirs.admin)):
        for path in (LIST, "/system/mailboxes/new", url, f"{url}/rules/new"):
            read(who, path, expect=403)


def test_an_organizations_own_mailbox_is_not_behind_this_door(client, ours):
    mailbox = make_mailbox(ours)
    read(client, f"/system/mailboxes/{mailbox.id}", expect=404)


def test_what_is_held_back_is_shown_and_taken_in_again(app, inside, client, administrator, ours, url):
    account = the_account()
    with inside_installation("a test"):
        raw = keep_raw(b"Subject: Poison\r\n\r\nx", None)
        folder = db.session.scalar(select(Folder).limit(1))
        arrival = Arrival(
            account_id=account.id,
            folder_id=folder.id,
            uid_validity=1,
            uid=7,
            raw_id=raw.id,
            sha256=raw.sha256,
            size=raw.size,
            state="quarantined",
            failure="Reading it failed.",
        )
        db.session.add(arrival)
        db.session.commit()
    shown = words_of(read(client, url))
    assert "Quarantined" in shown
    assert "Reading it failed." in shown
    page = read(client, f"{url}/arrivals/{arrival.id}")
    assert "Subject: Poison" in page
    file = client.get(f"{url}/arrivals/{arrival.id}/raw")
    assert file.data == b"Subject: Poison\r\n\r\nx"
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["Content-Disposition"].startswith("attachment")
    mailbox = the_mailbox(inside, ours)
    own = f"/configuration/mailboxes/{mailbox.id}/arrivals/{arrival.id}"
    read(administrator, own, expect=404)
    read(administrator, f"{own}/raw", expect=404)
    send(client, f"{url}/arrivals/{arrival.id}/again", at=f"{url}/arrivals/{arrival.id}")
    with inside_installation("a test"):
        assert db.session.scalar(select(Arrival.state)) == "stored"
