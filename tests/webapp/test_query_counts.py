"""However many organizations, people, mailboxes and values there are, a page asks as many questions."""

import pytest

from mailboxes.crm.channels import add_channel
from mailboxes.crm.lead_sources import add_lead_source
from mailboxes.templates import TemplateValues, save_template
from tenants.audit import Actor, record
from tenants.configuration.layers import override
from tenants.database import db
from tenants.permissions import ADMINISTRATOR
from tests.administration import ADMIN, MEMBER, PAGES, SYSTEM_ADMIN, Place
from tests.factories import make_mailbox, make_member, make_message, make_user, sign_in
from tests.multiplying import multiply
from tests.queries import counted_queries

# An organization has a handful of channels; each active one says what its end would change.
A_QUESTION_A_ROW = {(ADMIN, "/configuration/channels/")}


@pytest.fixture
def clients(app, ours):
    return {
        SYSTEM_ADMIN: sign_in(app, make_user(name="Sys Admin", is_system_admin=True)),
        ADMIN: sign_in(app, ours.admin),
        MEMBER: sign_in(app, ours.member),
    }


def counts(app, clients, place):
    found = {}
    for who, path in PAGES:
        with counted_queries(app) as statements:
            answer = clients[who].get(place.address(path))
        assert answer.status_code == 200, path
        found[who, path] = len(statements)
    return found


def add_dictionaries(*numbers):
    for number in numbers:
        texts = {"en": ("Hello", "Hello"), "de": ("Hallo", "Hallo")}
        save_template(TemplateValues(f"Template {number}", texts=texts), by=Actor("Ada"))
        add_lead_source(f"Source {number}")
        add_channel(f"Channel {number}", "sales")


def grow(inside, ours, database_urls):
    """More of everything inside our organization, and more organizations."""
    for number in range(4):
        make_member(ours.id, f"Person {number}", role=ADMINISTRATOR)
        make_message(ours, make_mailbox(ours))
    with inside(ours):
        add_dictionaries(*range(1, 5))
        for number in range(20):
            override("mail.signature", f"Number {number}", "organization", by="Ada")
            override("sync.interval_seconds", str(60 + number), "organization", by="Ada")
            record(Actor("Ada"), "test.done", f"number {number}")
        db.session.commit()
    multiply(database_urls.system, ours.id, 60)


def test_no_page_of_the_administration_asks_more_the_more_there_is(
    app, inside, ours, theirs, clients, database_urls
):
    mailbox = make_mailbox(ours)
    make_message(ours, mailbox)
    with inside(ours):
        override("sync.interval_seconds", "90", "organization", by="Ada")
        override("mail.signature", "Kind regards", "organization", by="Ada")
        record(Actor("Ada"), "test.done", "nothing")
        add_dictionaries(0)
        db.session.commit()
    place = Place(ours, mailbox)
    clients[SYSTEM_ADMIN].get(f"/system/organizations/{ours.id}/mailboxes/")  # which is recorded once
    before = counts(app, clients, place)
    grow(inside, ours, database_urls)
    after = counts(app, clients, place)
    constant = before.keys() - A_QUESTION_A_ROW
    grown = {page: (before[page], after[page]) for page in constant if after[page] > before[page]}
    assert grown == {}, "read what rows need together, not row by row"
