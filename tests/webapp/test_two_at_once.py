"""Two people work on the same thing: the second one is told, and nothing of the first one's is lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, select, text

from mailboxes import setup
from mailboxes.accounts import Account
from mailboxes.crm.channels import Channel
from mailboxes.crm.contacts import change_contact, make_contact
from mailboxes.global_mailboxes import following, overriding, saving
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.routing.rules import RoutingRule, RuleValues, change_rule
from mailboxes.system_mailboxes import Mailbox
from tenants import people
from tenants.audit import Actor
from tenants.configuration.layers import override, value_of
from tenants.database import db, inside, inside_installation
from tenants.database.locks import hold_row
from tenants.installation.organizations import rename_organization
from tenants.installation.users import change_user
from tenants.organizations import Membership, Organization
from tenants.people.roles import save_role
from tenants.permissions import PERMISSIONS, Role
from tenants.users import User
from tests.administration import SYSTEM_ADMIN, Place, pages
from tests.everything import make_everything
from tests.factories import csrf_token, make_mailbox, make_user, sign_in
from tests.mailboxes.global_mailboxes.saying import make_global, system_locks
from tests.webapp.filling import fields_of
from tests.webapp.reading import form_values
from webapp import versions

SETTINGS = "/configuration/settings/display"
TOLD = "while you were typing"
BOB = Actor("Bob")


def opened(client, url):
    """The form of a page as it is filled in when somebody opens it."""
    page = client.get(url).text
    return {**fields(page, url), "csrf_token": csrf_token(page)}


def fields(page, url):
    return fields_of(page) if url == SETTINGS else form_values(page, url)


@pytest.fixture
def ada(app, ours, theirs):
    return sign_in(app, ours.admin)


def demand_told_once(client, url, typed):
    """The first time nothing is saved; who has looked and saves again gets what they want."""
    answer = client.post(url, data=typed)
    assert (answer.status_code, TOLD in answer.text) == (422, True)
    again = {**typed, "version": fields(answer.text, url)["version"]}
    return lambda: client.post(url, data=again)


def test_what_is_deleted_while_a_form_waits_for_it_is_not_there(ada, ours, monkeypatch):
    with inside(ours.id):
        db.session.add(channel := Channel(name="Web", kind="web"))
        db.session.flush()
        url = f"/configuration/channels/{channel.id}/edit"
        db.session.commit()
    typed = opened(ada, url)

    def delete_first(row):
        with inside(ours.id):
            db.session.execute(delete(Channel).where(Channel.id == row.id))
            db.session.commit()
        hold_row(row)

    monkeypatch.setattr(versions, "hold_row", delete_first)
    answer = ada.post(url, data=typed)
    assert answer.status_code == 404
    assert "Somebody has deleted this meanwhile" in answer.text


def test_a_mailbox_that_was_paused_meanwhile_stays_paused(ada, ours):
    mailbox = make_mailbox(ours, label="Support", account={"imap_enabled": False})
    url = f"/configuration/mailboxes/{mailbox.id}"
    typed = {**opened(ada, url), "signature": "Typed by Ada"}
    with inside(ours.id):
        setup.pause(db.session.get_one(Mailbox, (ours.id, mailbox.id)), by=BOB)
        db.session.commit()
    save_again = demand_told_once(ada, url, typed)
    assert state_of(ours) == (False, None)
    assert TOLD not in save_again().text


def state_of(world):
    with inside(world.id):
        mailbox = db.session.scalars(select(Mailbox)).one()
        return mailbox.is_enabled, mailbox.signature


def test_a_mailbox_that_was_deleted_meanwhile_is_not_there(ada, ours, monkeypatch):
    mailbox = make_mailbox(ours)
    url = f"/configuration/mailboxes/{mailbox.id}"
    typed = opened(ada, url)
    connection_of = setup.connection_of

    def delete_first(found):
        with inside(ours.id):
            setup.begin_deleting(db.session.get_one(Mailbox, (ours.id, mailbox.id)), mailbox.label, by=BOB)
            db.session.commit()
        return connection_of(found)

    monkeypatch.setattr(setup, "connection_of", delete_first)
    answer = ada.post(url, data=typed)
    assert answer.status_code == 404
    assert "Somebody has deleted this mailbox" in answer.text


def test_a_setting_that_somebody_else_saved_meanwhile_is_kept(ada, ours):
    typed = {**opened(ada, SETTINGS), "mail-recent-menu": "false"}
    typed.pop("inherits-mail-recent-menu")
    with inside(ours.id):
        override("mail.page_size", "77", "organization", by="Bob")
        db.session.commit()
    save_again = demand_told_once(ada, SETTINGS, typed)
    with inside(ours.id):
        assert (value_of("mail.page_size"), value_of("mail.recent_menu")) == (77, True)
    assert save_again().status_code == 302
    with inside(ours.id):
        assert value_of("mail.recent_menu") is False


def test_what_the_system_locks_meanwhile_is_told_where_it_is_overridden(ada, ours, theirs):
    source_id = make_global(ours, theirs)
    with inside(ours.id):
        id = db.session.scalar(select(Mailbox.id))
    url = f"/configuration/mailboxes/{id}"
    typed = {**opened(ada, url), "signature": "Typed by Ada"}
    typed.pop("inherits-signature")
    system_locks(source_id, {"signature": "One for all"})
    following.follow(source_id)
    demand_told_once(ada, url, typed)
    with inside(ours.id):
        assert "signature" not in overriding_of(id)


def overriding_of(id):
    mailbox = db.session.scalars(select(Mailbox).where(Mailbox.id == id)).one()
    return {state.field for state in overriding.states(mailbox) if state.is_overridden}


def test_a_global_mailbox_that_was_paused_meanwhile_stays_paused(app, ours, theirs):
    source_id = make_global(ours, theirs)
    root = sign_in(app, make_user(is_system_admin=True))
    url = f"/system/mailboxes/{source_id}"
    typed = {**opened(root, url), "signature": "Typed by Sam"}
    with inside_installation("a test"):
        saving.switch(db.session.get_one(GlobalMailbox, source_id), is_enabled=False, by=BOB)
        db.session.commit()
    demand_told_once(root, url, typed)
    with inside_installation("a test"):
        source = db.session.get_one(GlobalMailbox, source_id)
        assert (source.is_enabled, source.said("signature")) == (False, None)


def test_what_somebody_else_wrote_of_a_contact_is_kept(ada, ours):
    with inside(ours.id):
        contact = make_contact({"name": "Kim"}, ["kim@customer.test"])
        db.session.commit()
    url = f"/contacts/{contact.id}/edit"
    typed = {**opened(ada, url), "company": "Typed by Ada"}
    with inside(ours.id):
        found = db.session.get_one(type(contact), (ours.id, contact.id))
        change_contact(found, {"name": "Kim", "phone": "0123"}, ["kim@customer.test"])
        db.session.commit()
    demand_told_once(ada, url, typed)
    with inside(ours.id):
        found = db.session.get_one(type(contact), (ours.id, contact.id))
        assert (found.phone, found.company) == ("0123", "")


def inside_of(world, endpoint):
    return inside_installation("a test") if endpoint.startswith("routing") else inside(world.id)


def save_as_bob(endpoint, ids):
    """What Bob's page does, but for its commit."""
    session = db.session
    if endpoint == "people.edit":
        member = session.scalars(select(Membership).where(Membership.id == ids["member_id"])).one()
        people.change_roles(member, [ids["role_id"]], by=frozenset(PERMISSIONS), actor=BOB)
    elif endpoint == "roles.edit":
        role = session.scalars(select(Role).where(Role.id == ids["role_id"])).one()
        save_role(role, "Bob's role", [], by=frozenset(PERMISSIONS), actor=BOB)
    elif endpoint == "users.edit":
        change_user(session.get_one(User, ids["user_id"]), "bob@new.test", "Bob's user", actor=BOB)
    elif endpoint == "organizations.edit":
        rename_organization(session.get_one(Organization, ids["organization_id"]), "Bob's", actor=BOB)
    else:
        account, rule = (
            session.get_one(Account, ids["account_id"]),
            session.get_one(RoutingRule, ids["routing.rule_id"]),
        )
        change_rule(account, rule, RuleValues("tag", "bob", ids["organization_id"]), by=BOB)
    session.flush()


@pytest.mark.parametrize(
    "endpoint", ["people.edit", "roles.edit", "users.edit", "organizations.edit", "routing.edit_rule"]
)
def test_who_saves_while_another_ones_change_is_being_stored_waits_for_it_and_is_told(
    app, ada, ours, endpoint
):
    place = Place(ours, make_everything(ours))
    (page,) = (page for page in pages(app) if page.endpoint == endpoint)
    client = sign_in(app, make_user(is_system_admin=True)) if page.who == SYSTEM_ADMIN else ada
    url = place.address(app, page)
    typed = opened(client, url)
    with ThreadPoolExecutor(1) as job, inside_of(ours, endpoint):
        save_as_bob(endpoint, place.ids)
        answer = job.submit(client.post, url, data=typed)
        while not db.session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            assert not answer.done(), answer.result().text
        db.session.commit()
        assert (answer.result().status_code, TOLD in answer.result().text) == (422, True)
