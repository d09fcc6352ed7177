"""An address is proven by a link that is mailed to it; until then the system's address is the sender."""

import email
import re
import threading
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import select, update

from mailboxes import proofs
from mailboxes.accounts import Account
from mailboxes.notices import Notice, send_due_notices
from mailboxes.outgoing import route_of
from mailboxes.proofs import AddressProof
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.database import INSTALLATION, db, inside_installation, now
from tenants.errors import NotFoundError
from tests.factories import csrf_token, make_mailbox, make_user, sign_in
from tests.webapp.reading import read, send, words_of
from tests.webapp.test_mailboxes import typed

ADDRESS, ALIAS = "help@acme.test", "hilfe@acme.test"


@pytest.fixture
def mailbox(ours, theirs, system_sink):
    return make_mailbox(ours, address=ADDRESS, aliases=[ALIAS], label="Help")


@pytest.fixture
def client(app, ours, mailbox):
    return sign_in(app, ours.admin)


def page_of(mailbox):
    return f"/configuration/mailboxes/{mailbox.id}"


def ask(client, mailbox, address=ADDRESS):
    token = csrf_token(client.get(page_of(mailbox)).text)
    return client.post(
        f"{page_of(mailbox)}/prove", data={"csrf_token": token, "prove": address}, follow_redirects=True
    )


def link_in(system_sink, owner):
    send_due_notices(owner)
    letter = email.message_from_bytes(system_sink.messages[-1].content).get_payload(decode=True).decode()
    return re.search(r"http://localhost:8025(/\S+/confirm-address/\S+)", letter)[1]


def sender(inside, world, mailbox):
    with inside(world):
        found = db.session.scalar(select(Mailbox).where(Mailbox.id == mailbox.id))
        return route_of(found).sender


def test_the_link_proves_the_address_and_mail_goes_out_from_it(inside, ours, system_sink, client, mailbox):
    assert sender(inside, ours, mailbox).mailer.address == "notices@postroom.test"
    assert sender(inside, ours, mailbox).reply_to.address == ADDRESS
    shown = words_of(read(client, page_of(mailbox)))
    assert "Not proven" in shown
    assert f"A link was sent to {ADDRESS}" in ask(client, mailbox).text
    link = link_in(system_sink, ours.id)
    assert system_sink.messages[-1].recipients == (ADDRESS,)
    assert sender(inside, ours, mailbox).reply_to is not None  # a link alone proves nothing
    assert f"Confirm {ADDRESS}" in words_of(read(client, link))
    assert sender(inside, ours, mailbox).reply_to is not None  # nor does opening it, which programs do
    assert f"{ADDRESS} is proven" in send(client, link)
    found = sender(inside, ours, mailbox)
    assert (found.mailer.address, found.reply_to) == (ADDRESS, None)
    assert "By a link" in words_of(read(client, page_of(mailbox)))
    with inside(ours):
        acts = db.session.scalars(select(AuditEntry.act)).all()
    assert {"mailbox.proof_asked", "mailbox.address_proven"} <= set(acts)
    read(client, link, expect=404)  # used up


def test_only_the_addresses_of_the_mailbox_are_written_to(client, mailbox, system_sink, inside, ours):
    assert ask(client, mailbox, "victim@bank.test").status_code == 404
    assert ask(client, mailbox, ALIAS).status_code == 200
    with inside(ours):
        assert db.session.scalars(select(Notice.recipient)).all() == [ALIAS]


def test_a_neighbour_and_a_member_cannot_confirm(app, ours, theirs, system_sink, client, mailbox, inside):
    ask(client, mailbox)
    link = link_in(system_sink, ours.id)
    neighbour = sign_in(app, theirs.admin)
    assert "belongs to another organization" in read(neighbour, link, expect=404)
    read(sign_in(app, ours.member), link, expect=403)
    assert app.test_client().get(link).headers["Location"].startswith("/sign-in")
    with inside(ours):
        assert db.session.scalar(select(AddressProof.confirmed_at)) is None


def test_a_link_ends_with_time_and_with_the_next_one(ours, system_sink, client, mailbox, inside):
    ask(client, mailbox)
    first = link_in(system_sink, ours.id)
    assert "A link was sent a moment ago" in ask(client, mailbox).text
    with inside(ours):
        db.session.execute(update(AddressProof).values(asked_at=now() - timedelta(minutes=5)))
        db.session.commit()
    ask(client, mailbox)
    second = link_in(system_sink, ours.id)
    read(client, first, expect=404)
    read(client, second)
    with inside(ours):
        db.session.execute(update(AddressProof).values(expires_at=now() - timedelta(seconds=1)))
        db.session.commit()
    read(client, second, expect=404)


def test_of_many_who_use_a_link_at_once_one_wins(app, ours, system_sink, client, mailbox, inside):
    ask(client, mailbox)
    token = link_in(system_sink, ours.id).rpartition("/")[2]
    outcomes = []

    def use_it():
        with app.app_context(), inside(ours):
            try:
                proofs.confirm(token, by="Ada")
                db.session.commit()
                outcomes.append(1)
            except NotFoundError:
                outcomes.append(0)

    threads = [threading.Thread(target=use_it) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [0] * 19 + [1]


def test_the_token_is_nowhere_in_the_database(ours, system_sink, client, mailbox, database_urls):
    ask(client, mailbox)
    token = link_in(system_sink, ours.id).rpartition("/")[2]
    with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
        for table in ("address_proofs", "notices", "audit_entries"):
            assert token not in str(connection.execute(f"SELECT t::text FROM {table} t").fetchall())


def test_a_host_header_changes_no_link(ours, system_sink, client, mailbox):
    token = csrf_token(client.get(page_of(mailbox)).text)
    for name in ("postroom", "postroom_form"):
        client.set_cookie(name, client.get_cookie(name).value, domain="evil.test")
    data = {"csrf_token": token, "prove": ADDRESS}
    answer = client.post(f"{page_of(mailbox)}/prove", data=data, base_url="http://evil.test")
    assert answer.status_code == 302
    send_due_notices(ours.id)
    assert b"evil.test" not in system_sink.messages[-1].content


def test_links_are_few_a_day(ours, system_sink, client, mailbox, inside, monkeypatch):
    monkeypatch.setattr(proofs, "MOST_A_DAY", 1)
    ask(client, mailbox)
    assert "Many links were sent today" in ask(client, mailbox, ALIAS).text


def test_without_a_server_for_notices_it_says_so(app, ours, theirs):
    mailbox = make_mailbox(ours, address=ADDRESS)
    assert "no SMTP server for notices" in ask(sign_in(app, ours.admin), mailbox).text


def test_the_proof_goes_along_to_another_server(app, inside, ours, system_sink, client):
    url = client.post("/configuration/mailboxes/new", data=typed(app, client)).location
    with inside(ours):
        account = db.session.scalar(select(Account).where(Account.address == "support@acme.test"))
        proof = AddressProof(
            account_id=account.id,
            address="support@acme.test",
            asked_by="Ada",
            expires_at=now(),
            confirmed_at=now(),
        )
        db.session.add(proof)
        db.session.commit()
    moved = client.post(url, data=typed(app, client, url, imap_host="new.acme.test"))
    assert moved.status_code == 302
    with inside(ours):
        new = db.session.scalar(select(Account).where(Account.imap_host == "new.acme.test"))
        assert db.session.scalar(select(AddressProof.account_id)) == new.id


def test_a_proof_is_of_the_address_it_was_given_for(app, inside, ours, system_sink, client, mailbox):
    with inside(ours):
        db.session.add(
            AddressProof(
                account_id=mailbox.account_id,
                address=ADDRESS,
                asked_by="Ada",
                expires_at=now(),
                confirmed_at=now(),
            )
        )
        db.session.commit()
    assert sender(inside, ours, mailbox).reply_to is None
    with inside(ours):
        db.session.execute(update(Mailbox).values(address="ceo@bank.test"))
        db.session.commit()
    assert sender(inside, ours, mailbox).reply_to.address == "ceo@bank.test"


def test_a_global_account_is_proven_by_the_system(app, inside, ours, system_sink):
    root = sign_in(app, make_user(name="Root", is_system_admin=True))
    with inside_installation("a test"):
        account = Account(address=ADDRESS, home_organization_id=ours.id)
        db.session.add(account)
        db.session.flush()
        proofs.ask_for_proof(account, ADDRESS, "/system/mailboxes/confirm-address", "Help", by="Root")
        db.session.commit()
    with inside(ours):
        mailbox = Mailbox(
            account_id=account.id, account_owner_id=INSTALLATION, address=ADDRESS, label="Global"
        )
        db.session.add(mailbox)
        db.session.commit()
    assert sender(inside, ours, mailbox).reply_to is not None
    send(root, link_in(system_sink, INSTALLATION))
    assert sender(inside, ours, mailbox).reply_to is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"address": "hilfe@acme.test"}, "hilfe@acme.test belongs to the mailbox Help"),
        ({"aliases": "x@acme.test\nHILFE@acme.test"}, "hilfe@acme.test belongs to the mailbox Help"),
        ({"aliases": "help@acme.test"}, "help@acme.test belongs to the mailbox Help"),
    ],
)
def test_an_address_or_alias_leads_to_one_mailbox(app, client, mailbox, fields, sentence):
    answer = client.post("/configuration/mailboxes/new", data=typed(app, client, **fields))
    assert answer.status_code == 422
    assert sentence in answer.text


def test_a_neighbours_alias_is_free_and_what_is_said_twice_is_kept_once(app, client, inside, ours, theirs):
    make_mailbox(theirs, address="sales@acme.test", aliases=["free@acme.test"])
    data = typed(app, client, aliases="free@acme.test\nFree@acme.test support@acme.test")
    assert client.post("/configuration/mailboxes/new", data=data).status_code == 302
    with inside(ours):
        found = db.session.scalar(select(Mailbox).where(Mailbox.address == "support@acme.test"))
        assert found.aliases == ["free@acme.test"]
