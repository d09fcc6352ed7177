"""Contacts on pages: the list, a contact, forms, erasing."""

import pytest
from sqlalchemy import select

from mailboxes.crm.cases import CaseChange, change_case, open_case
from mailboxes.crm.contacts import Contact, ContactAddress, make_contact
from mailboxes.crm.leads import Lead, LeadChange, change_lead, make_lead
from tenants.audit import AuditEntry
from tenants.database import db, inside
from tests.factories import csrf_token, make_mailbox, make_message, sign_in
from tests.webapp.reading import read, send, words_of
from tests.webapp.test_leads import may_do


def add(organization, name="Kim Kunde", address="kim@customer.test", **given):
    with inside(organization.id):
        contact = make_contact({"name": name, **given}, [address])
        db.session.commit()
    return contact


def all_of(organization, table):
    with inside(organization.id):
        return db.session.scalars(select(table)).all()


def test_the_list_finds_by_name_company_phone_and_address(app, ours, theirs):
    add(theirs, theirs.canary)
    client = sign_in(app, ours.member)
    assert "No contacts yet" in read(client, "/contacts/")
    add(ours, company="Hill School", phone="0123")
    add(ours, "Bob", "bob@customer.test")
    for words in ("kunde", "hill", "0123", "KIM@", "kim school"):
        found = words_of(read(client, f"/contacts/?q={words}"))
        assert "Kim Kunde" in found
        assert "Bob" not in found
    assert "The search hides all contacts." in read(client, "/contacts/?q=%25")
    assert theirs.canary not in read(client, "/contacts/?sort=-name")


def test_a_contact_is_added_and_changed(app, ours, theirs):
    add(theirs, address="kim@customer.test")
    client = sign_in(app, ours.member)
    addresses = "Kim@customer.test\nkim@home.test"
    page = send(client, "/contacts/new", name="Kim Kunde", addresses=addresses, language="de")
    assert "kim@home.test" in page
    assert "German" in page or "Deutsch" in page
    (contact,) = all_of(ours, Contact)
    send(client, f"/contacts/{contact.id}/edit", addresses="kim@home.test", company="Own Ltd")
    assert [row.address for row in all_of(ours, ContactAddress)] == ["kim@home.test"]
    assert [row.address for row in all_of(theirs, ContactAddress)] == ["kim@customer.test"]


@pytest.mark.parametrize(("code", "shown"), [("zh", "Chinese"), ("no", "Norwegian"), ("ca", "ca")])
def test_a_language_that_templates_lack_is_named_and_kept(app, ours, code, shown):
    add(ours, address="kim@customer.test", language=code)
    client = sign_in(app, ours.member)
    (contact,) = all_of(ours, Contact)
    assert shown in send(client, f"/contacts/{contact.id}/edit", company="Own Ltd")
    assert [(one.company, one.language) for one in all_of(ours, Contact)] == [("Own Ltd", code)]


def test_an_address_belongs_to_one_contact(app, ours):
    add(ours)
    client = sign_in(app, ours.member)
    page = send(client, "/contacts/new", expect=422, name="Another", addresses="kim@customer.test")
    assert "belongs to another contact" in page
    assert 'value="Another"' in page
    page = send(client, "/contacts/new", expect=422, name="Another", addresses="not an address")
    assert "is no email address" in page
    assert "Type a name or an address." in send(client, "/contacts/new", expect=422)


def test_the_page_shows_what_this_member_may_see(app, ours):
    contact = add(ours)
    mailbox = make_mailbox(ours, readers=(ours.member,))
    make_message(ours, mailbox, sender="Kim <kim@customer.test>", subject="Where is it")
    with inside(ours.id):
        make_lead({"name": "A lead of Kim"}, "Ada", contact_id=contact.id)
        open_case({"subject": "A case of Kim", "contact_id": contact.id}, "Ada")
        db.session.commit()
    url = f"/contacts/{contact.id}"
    words = words_of(read(sign_in(app, ours.member), url))
    assert "Where is it" in words
    assert "A lead of Kim" in words
    assert "A case of Kim" in words
    words = words_of(read(sign_in(app, may_do(ours, "contact.view")), url))
    for hidden in ("Where is it", "A lead of Kim", "A case of Kim", "Edit", "Erase"):
        assert hidden not in words


def test_erasing_forgets_who_it_was_and_nothing_else(app, ours, theirs):
    add(theirs)
    contact = add(ours)
    with inside(ours.id):
        lead = make_lead({"name": "Tents", "first_name": "Kim", "phone": "1"}, "Ada", contact_id=contact.id)
        change_lead(lead, {"first_name": "Kimberly", "name": "Ten tents"}, "Ada")
        case = open_case({"subject": "Zip"}, "Ada")
        change_case(case, {"contact_id": contact.id}, "Ada")
        db.session.commit()
    client = sign_in(app, ours.admin)
    page = read(client, f"/contacts/{contact.id}")
    assert "1 lead," in page
    send(client, f"/contacts/{contact.id}/erase", at=f"/contacts/{contact.id}")
    assert all_of(ours, Contact) == [] == all_of(ours, ContactAddress)
    (lead,) = all_of(ours, Lead)
    assert (lead.name, lead.first_name, lead.phone, lead.contact_id) == ("Ten tents", "", "", None)
    told = [change.changes for table in (LeadChange, CaseChange) for change in all_of(ours, table)]
    assert not any("Kim" in str(changes) for changes in told)
    assert len(all_of(theirs, Contact)) == 1
    assert "Kim" not in str([(entry.subject, entry.after) for entry in all_of(ours, AuditEntry)])
    assert client.get(f"/contacts/{contact.id}").status_code == 404


def test_a_neighbours_contact_does_not_exist(app, ours, theirs):
    contact = add(theirs, theirs.canary)
    client = sign_in(app, ours.admin)
    token = {"csrf_token": csrf_token(read(client, "/contacts/"))}
    assert client.get(f"/contacts/{contact.id}").status_code == 404
    assert client.post(f"/contacts/{contact.id}/erase", data=token).status_code == 404
    assert client.post(f"/contacts/{contact.id}/edit", data=token).status_code == 404
    assert len(all_of(theirs, Contact)) == 1
