"""Who a contact is: no message takes the place of another person."""

import pytest

from mailboxes.conversion import contact_of
from mailboxes.crm.cases import Case
from mailboxes.crm.contacts import Contact, ContactAddress
from tenants.database import db, inside
from tests.factories import make_raw
from tests.mailboxes.conversion.acting import act, all_of, opening, stored


def test_a_trusted_web_form_speaks_for_the_person_in_reply_to(ours, cases_mailbox):
    with inside(ours.id):
        db.session.merge(cases_mailbox).trusted_forms = ["form@shop.test"]
        db.session.commit()
    headers = (("Reply-To", "Jane Doe <Jane@customer.test>"),)
    message = opening(ours, cases_mailbox, sender="Shop <form@shop.test>", headers=headers, is_automatic=True)
    act(ours, message)
    (contact,), (address,) = all_of(ours, Contact), all_of(ours, ContactAddress)
    assert (contact.name, address.address) == ("Jane Doe", "jane@customer.test")


def test_nobody_else_speaks_for_reply_to(ours, cases_mailbox):
    headers = (("Reply-To", "Jane Doe <jane@customer.test>"),)
    act(ours, opening(ours, cases_mailbox, sender="Eve <eve@customer.test>", headers=headers))
    assert [row.address for row in all_of(ours, ContactAddress)] == ["eve@customer.test"]


@pytest.mark.parametrize(
    "name",
    [
        "alice@bank.test",
        "'alice@bank.test' via X",
        "alice＠bank.test",
        "\u202ealice@bank.test",
        "Alice (alice@bank.test)",
    ],
)
def test_a_sender_never_becomes_the_one_whose_address_it_shows(ours, cases_mailbox, name):
    mallory = opening(
        ours,
        cases_mailbox,
        sender_name=name,
        sender_address="evil@x.test",
        raw=make_raw(sender="evil@x.test"),
    )
    alice = opening(ours, cases_mailbox, sender="Alice <alice@bank.test>")
    act(ours, mallory)
    act(ours, alice)
    contacts = {row.contact_id: row.address for row in all_of(ours, ContactAddress)}
    names = {contacts[contact.id]: contact.name for contact in all_of(ours, Contact)}
    assert names == {"evil@x.test": "", "alice@bank.test": "Alice"}


def test_a_contact_is_never_renamed_by_a_message(ours, cases_mailbox):
    act(ours, opening(ours, cases_mailbox, sender="Alice <alice@bank.test>"))
    act(ours, opening(ours, cases_mailbox, sender="Mallory <alice@bank.test>", facts=authenticated("fail")))
    act(ours, opening(ours, cases_mailbox, sender="Alison <alice@bank.test>", facts=authenticated("pass")))
    assert [contact.name for contact in all_of(ours, Contact)] == ["Alice"]


def test_an_authenticated_sender_may_give_the_name_that_is_missing(ours, cases_mailbox):
    act(ours, opening(ours, cases_mailbox, sender="alice@bank.test"))
    act(ours, opening(ours, cases_mailbox, sender="Mallory <alice@bank.test>"))
    assert [contact.name for contact in all_of(ours, Contact)] == [""]
    act(ours, opening(ours, cases_mailbox, sender="Alice <alice@bank.test>", facts=authenticated("pass")))
    assert [contact.name for contact in all_of(ours, Contact)] == ["Alice"]


def authenticated(dmarc):
    return {"authentication": {"dmarc": dmarc, "spf": "", "dkim": "", "has_aligned_dkim_pass": False}}


def test_our_own_mailbox_is_no_contact(ours, cases_mailbox):
    act(ours, opening(ours, cases_mailbox, sender=f"Us <{cases_mailbox.address}>"))
    assert all_of(ours, Contact) == []


def test_a_message_without_a_sender_makes_its_case(ours, cases_mailbox):
    message = opening(ours, cases_mailbox, sender_address="", sender_name="")
    act(ours, message)
    assert all_of(ours, Case)[0].contact_id is None
    with inside(ours.id):
        assert contact_of(stored(message)) is None
