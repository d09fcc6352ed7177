"""An account is connected on the mailbox page: off to the provider, back with nothing typed lost."""

from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes import setup
from mailboxes.accounts import Account, Folder, folders_of
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.oauth import OAuthConnection
from mailboxes.setup.checking import FolderChoice, sealed
from mailboxes.setup.values import values_of
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor, AuditEntry, SystemAuditEntry
from tenants.configuration.layers import override
from tenants.database import db, inside_installation
from tests.dovecot import start_dovecot
from tests.factories import csrf_token, make_mailbox, make_member, make_user, sign_in
from tests.mailboxes.oauth.connected import account_of, connected_mailbox, register
from tests.oauth_provider import dovecot_settings
from tests.webapp.critic import criticise
from tests.webapp.reading import form_values, read, send, words_of

NEW = "/configuration/mailboxes/new"
WHO = "support@acme.test"


@pytest.fixture
def provider(app, oauth_provider, certificates):
    register(app, oauth_provider, certificates)
    return oauth_provider


@pytest.fixture
def client(app, ours, theirs, provider):
    return sign_in(app, ours.admin)


def typed(client, url=NEW, **fields):
    return {
        "csrf_token": csrf_token(client.get(url).text),
        "label": "Support",
        "address": WHO,
        "aliases": "help@acme.test",
        "is_enabled": "y",
        "kind": "google",
        "imap_enabled": "y",
        "smtp_enabled": "y",
        "imap_port": "993",
        "imap_encryption": "tls",
        "smtp_port": "465",
        "smtp_encryption": "tls",
        "imap_password": "canary-typed-password",
        "history": "inherit",
        "action": "nothing",
        "automation_from": "2026-01-01T00:00",
        **fields,
    }


def lead_on(client, url=NEW, **fields):
    """Press *Connect*; where the page in between leads."""
    answer = client.post(url, data=typed(client, url, connect="google", **fields))
    assert answer.status_code == 200, errors_of(answer.text)
    criticise(answer.text, url)
    return BeautifulSoup(answer.text, "html.parser").select_one("a[data-lead-on]")["href"]


def come_back(client, answer):
    """What the browser does with the provider's redirect: the page it ends on, and its address."""
    url = "/oauth/callback"
    response = client.get(url, query_string=answer)
    for _ in range(4):
        if response.status_code != 302:
            break
        url = response.headers["Location"]
        response = client.get(url)
    assert response.status_code == 200, response.text
    criticise(response.text, url)
    return BeautifulSoup(response.text, "html.parser"), url


def form_of(page):
    return form_values(str(page), page.select_one("#mailbox-form")["action"])


def errors_of(html):
    page = BeautifulSoup(html, "html.parser")
    return " ".join(one.get_text(" ", strip=True) for one in page.select(".error-summary, .callout, h1"))


def connections(inside, world):
    with inside(world):
        return list(db.session.scalars(select(OAuthConnection).order_by(OAuthConnection.id)))


def test_the_type_is_offered_only_where_the_installation_is_registered(app, ours, theirs):
    client = sign_in(app, ours.admin)
    assert "Google" not in read(client, NEW)
    answer = client.post(NEW, data=typed(client, connect="google"))
    assert answer.status_code == 422
    assert "not set up" in answer.text


def test_the_redirect_address_is_the_configured_one_whatever_the_host_header_says(client, provider):
    data = typed(client, connect="google")
    for name in ("postroom", "postroom_form"):
        client.set_cookie(name, client.get_cookie(name).value, domain="evil.test")
    answer = client.post(NEW, data=data, base_url="http://evil.test")
    assert answer.status_code == 200, errors_of(answer.text)
    url = BeautifulSoup(answer.text, "html.parser").select_one("a[data-lead-on]")["href"]
    assert parse_qs(urlsplit(url).query)["redirect_uri"] == ["http://localhost:8025/oauth/callback"]


def test_the_page_comes_back_as_it_was_left_and_connected(client, provider, inside, ours, database_urls):
    url = lead_on(client, **{f"access-member-{ours.member.id}": "read"})
    page, _ = come_back(client, provider.permit(url, WHO))
    assert f"Connected as {WHO}" in page.get_text(" ", strip=True)
    values = form_of(page)
    assert (values["label"], values["address"], values["imap_user"]) == ("Support", WHO, WHO)
    assert page.select_one("textarea[name=aliases]").text.strip() == "help@acme.test"
    assert page.select_one("select[name=kind] option[selected]")["value"] == "google"
    chosen = page.select_one(f"select[name=access-member-{ours.member.id}] option[selected]")
    assert chosen["value"] == "read"
    assert "canary-" not in str(page)
    (connection,) = connections(inside, ours)
    assert "canary-" not in str(connection.typed)


def test_declining_loses_nothing_and_says_so(client, provider, inside, ours):
    answer = provider.permit(lead_on(client), WHO)
    page, _ = come_back(client, {"state": answer["state"], "error": "access_denied"})
    shown = page.get_text(" ", strip=True)
    assert "was not permitted" in shown
    assert f"Connected as {WHO}" not in shown
    assert form_of(page)["label"] == "Support"


@pytest.mark.dovecot
def test_connect_check_and_save(app, client, provider, inside, ours, theirs, certificates, smtp_sink):
    smtp_sink.knows_token = provider.knows
    with start_dovecot(certificates.good, oauth2=dovecot_settings(provider)) as dovecot:
        register(app, provider, certificates, dovecot, smtp_sink)
        page, _ = come_back(client, provider.permit(lead_on(client), WHO))
        checked = client.post(NEW, data=form_of(page) | {"kind": "google", "check": "1"})
        criticise(checked.text, NEW)
        checked = BeautifulSoup(checked.text, "html.parser")
    said = checked.select_one("[data-announce]")["data-announce"]
    assert said.startswith("The connection works."), said
    values = form_of(checked) | {"kind": "google", "folders": "INBOX", "save": "save"}
    answer = client.post(NEW, data=values | {"imap_host": "evil.test", "smtp_host": "evil.test"})
    assert answer.status_code == 302, errors_of(answer.text)
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        account = account_of(mailbox)
        assert (account.kind, account.connected_as, account.imap_user) == ("google", WHO, WHO)
        assert (account.imap_host, account.smtp_host) == ("localhost", "localhost")
        assert account.imap_secret is None
        created = db.session.scalar(select(AuditEntry).where(AuditEntry.act == "mailbox.created"))
        assert "canary-" not in str(created.after)
    shown = words_of(read(client, answer.location))
    assert f"Connected as {WHO}" in shown


def test_without_a_connection_nothing_is_saved(client, inside, ours):
    answer = client.post(NEW, data=typed(client, imap_password="", folders="INBOX"))
    assert answer.status_code == 422
    assert "Connect the account with Google first" in answer.text
    with inside(ours):
        assert db.session.scalar(select(Account)) is None


def test_another_session_and_a_neighbour_cannot_use_a_connection_that_waits(
    app, client, provider, inside, ours, theirs
):
    _, url = come_back(client, provider.permit(lead_on(client), WHO))
    waiting = parse_qs(urlsplit(url).query)["connection"][0]
    colleague = make_member(ours.id, "Colleague", role="administrator")
    for who in (colleague, theirs.admin):
        other = sign_in(app, who)
        assert "Support" not in words_of(read(other, f"{NEW}?connection={waiting}"))
        answer = other.post(NEW, data=typed(other, imap_password="", connection=waiting, check="1"))
        assert "Connect the account with Google first" in answer.text


def test_an_answer_of_another_session_is_refused(app, client, provider, ours, inside):
    answer = provider.permit(lead_on(client), WHO)
    victim = sign_in(app, ours.admin)
    page, _ = come_back(victim, answer)
    assert "begun in another session" in page.get_text(" ", strip=True)
    assert provider.asked == []


def test_who_is_not_signed_in_gets_nowhere(app, client, provider):
    answer = provider.permit(lead_on(client), WHO)
    response = app.test_client().get("/oauth/callback", query_string=answer)
    assert response.headers["Location"].startswith("/sign-in")
    assert provider.asked == []


@pytest.mark.parametrize("state", ["", "x", "evil.abc", "opened_mailboxes-zzz.abc", "mailboxes.abc"])
def test_a_callback_with_nonsense_is_no_error_of_ours(client, state):
    response = client.get("/oauth/callback", query_string={"state": state, "code": "x"})
    assert response.status_code in {302, 404}


def test_reconnect_takes_effect_at_once_and_demands_the_same_account(client, provider, inside, ours, theirs):
    mailbox = connected_mailbox(inside, ours, provider, WHO, label="Support")
    url = f"/configuration/mailboxes/{mailbox.id}"
    with inside(ours):
        account = account_of(mailbox)
        account.state, account.last_error = "disconnected", "It has ended."
        db.session.commit()
    shown = words_of(read(client, url))
    assert "This mailbox needs to be connected again" in shown
    assert "Needs to be connected again" in words_of(read(client, "/configuration/mailboxes/"))

    def again(identity):
        token = csrf_token(client.get(url).text)
        page = client.post(f"{url}/reconnect", data={"csrf_token": token})
        link = BeautifulSoup(page.text, "html.parser").select_one("a[data-lead-on]")["href"]
        return come_back(client, provider.permit(link, identity))[0].get_text(" ", strip=True)

    assert "You permitted other@acme.test, but this mailbox signs in as" in again("other@acme.test")
    with inside(ours):
        assert account_of(mailbox).state == "disconnected"
    assert f"Support is connected again, as {WHO}" in again(WHO)
    with inside(ours):
        assert account_of(mailbox).state == "new"
        entry = db.session.scalar(select(AuditEntry).where(AuditEntry.act == "mailbox.connected"))
        assert entry.after == {"account": WHO}
    assert len([one for one in connections(inside, ours) if one.account_id]) == 1


def test_disconnect_says_what_it_means(client, provider, inside, ours):
    mailbox = connected_mailbox(inside, ours, provider, WHO, label="Support")
    url = f"/configuration/mailboxes/{mailbox.id}"
    page = send(client, f"{url}/disconnect", at=url)
    assert "Support is disconnected. Its messages stay" in page
    assert len(provider.revoked) == 1
    with inside(ours):
        assert account_of(mailbox).state == "disconnected"


def test_nobody_reconnects_what_has_no_connection_or_is_not_theirs(
    app, client, provider, inside, ours, theirs
):
    own = make_mailbox(ours)
    other = connected_mailbox(inside, theirs, provider, WHO)
    token = csrf_token(client.get(NEW).text)
    for mailbox in (own, other):
        for what in ("reconnect", "disconnect"):
            answer = client.post(f"/configuration/mailboxes/{mailbox.id}/{what}", data={"csrf_token": token})
            assert answer.status_code == 404
    assert provider.revoked == []


def test_another_user_needs_another_permission_and_the_messages_stay(client, provider, inside, ours):
    mailbox = connected_mailbox(inside, ours, provider, WHO, label="Support")
    url = f"/configuration/mailboxes/{mailbox.id}"
    data = typed(client, url, imap_password="", folders="INBOX", imap_user="other@acme.test")
    answer = client.post(url, data=data)
    assert answer.status_code == 422
    assert "Connect it again for another user" in answer.text
    link = lead_on(client, url, imap_user="other@acme.test", folders="INBOX")
    page, _ = come_back(client, provider.permit(link, "other@acme.test"))
    answer = client.post(url, data=form_of(page) | {"kind": "google", "folders": "INBOX"})
    assert answer.status_code == 302, errors_of(answer.text)
    with inside(ours):
        account = db.session.scalars(select(Account)).one()
        assert (account.connected_as, account.imap_user) == ("other@acme.test", "other@acme.test")
        assert all(folder.left_at for folder in db.session.scalars(select(Folder)) if not folder.is_synced)
    assert [one.identity for one in connections(inside, ours)] == ["other@acme.test"]


@pytest.mark.parametrize("renamed", [False, True])
def test_the_same_user_keeps_the_connection_and_the_folders(client, provider, inside, ours, renamed):
    mailbox = connected_mailbox(inside, ours, provider, WHO, label="Support")
    url = f"/configuration/mailboxes/{mailbox.id}"
    saved = client.post(url, data=typed(client, url, imap_password="", folders="INBOX", imap_user=WHO))
    assert saved.status_code == 302, errors_of(saved.text)
    if renamed:
        override("oauth.google.imap_server", "127.0.0.1:993", "system", by="a test")
        db.session.commit()
    written = "Support@Acme.test"
    saved = client.post(url, data=typed(client, url, imap_password="", folders="INBOX", imap_user=written))
    assert saved.status_code == 302, errors_of(saved.text)
    with inside(ours):
        account = db.session.scalars(select(Account)).one()
        assert (account.connected_as, account.imap_user) == (WHO, written)
        assert account.imap_host == ("127.0.0.1" if renamed else "localhost")
        assert [(one.name, one.is_synced) for one in db.session.scalars(folders_of(account))] == [
            ("INBOX", True)
        ]
        assert db.session.scalar(select(Folder).where(Folder.left_at.is_not(None))) is None
    assert [one.account_id for one in connections(inside, ours)] == [account.id]


def test_a_file_that_names_another_user_leaves_no_tokens_of_the_former_one(provider, inside, ours):
    mailbox = connected_mailbox(inside, ours, provider, WHO, label="Support")
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        account = account_of(mailbox)
        account.imap_host = "localhost"
        values = values_of(mailbox, account)
        values.folders, values.imap_user, values.connects_later = [b"INBOX"], "other@acme.test", True
        setup.change(
            mailbox, values, [FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 1)], by=Actor("Ada")
        )
        db.session.commit()
        assert (account.state, account.connected_as) == ("disconnected", "other@acme.test")
    assert connections(inside, ours) == []


def test_back_to_a_password_forgets_the_connection(client, provider, inside, ours):
    mailbox = connected_mailbox(inside, ours, provider, WHO, label="Support")
    url = f"/configuration/mailboxes/{mailbox.id}"
    fields = {"kind": "other", "imap_host": "imap.acme.test", "smtp_host": "smtp.acme.test"}
    wrong = client.post(
        url, data=typed(client, url, imap_password="", folders="INBOX", imap_user=WHO, **fields)
    )
    assert wrong.status_code == 422
    right = client.post(url, data=typed(client, url, folders="INBOX", imap_user=WHO, **fields))
    assert right.status_code == 302, errors_of(right.text)
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        account = account_of(mailbox)
        assert (account.kind, account.connected_as) == ("other", "")
        assert account.imap_secret is not None
        assert [one.account_id for one in connections(inside, ours)] == []


def test_a_system_administrator_connects_a_mailbox_of_an_organization(app, provider, inside, ours, theirs):
    client = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    url = f"/system/organizations/{ours.id}/mailboxes/new"
    page, back = come_back(client, provider.permit(lead_on(client, url), WHO))
    assert back.startswith(url)
    assert f"Connected as {WHO}" in page.get_text(" ", strip=True)
    assert len(connections(inside, ours)) == 1


def test_a_global_mailbox_is_connected_in_the_scope_of_the_installation(app, provider, inside, ours, theirs):
    client = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    url = "/system/mailboxes/new"
    link = lead_on(client, url, delivery_mode="routed", serves="chosen")
    page, back = come_back(client, provider.permit(link, WHO))
    assert back.startswith(url)
    data = form_of(page) | {"kind": "google", "folders": "INBOX", "folder_list": folder_list(app)}
    answer = client.post(url, data=data)
    assert answer.status_code == 302, errors_of(answer.text)
    with inside_installation("a test"):
        account = db.session.scalar(select(Account))
        assert (account.connected_as, account.imap_host) == (WHO, "localhost")
        account.state = "disconnected"
        db.session.commit()
        source = db.session.scalar(select(GlobalMailbox))
    assert connections(inside, ours) == []
    url = f"/system/mailboxes/{source.id}"
    assert "This mailbox needs to be connected again" in words_of(read(client, url))
    token = csrf_token(client.get(url).text)
    between = client.post(f"{url}/reconnect", data={"csrf_token": token})
    link = BeautifulSoup(between.text, "html.parser").select_one("a[data-lead-on]")["href"]
    page, _ = come_back(client, provider.permit(link, WHO))
    assert "is connected again" in page.get_text(" ", strip=True)
    with inside_installation("a test"):
        assert db.session.scalar(select(Account.state)) == "new"
        acts = db.session.scalars(select(SystemAuditEntry.act)).all()
    assert "mailbox.connected" in acts
    send(client, f"{url}/disconnect", at=url)
    with inside_installation("a test"):
        assert db.session.scalar(select(Account.state)) == "disconnected"


def folder_list(app):
    with app.app_context():
        return sealed([FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3)])
