"""What variables stand for, and that no stranger speaks through them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.crm.cases import Case, comment
from mailboxes.crm.contacts import Contact, ContactAddress
from mailboxes.crm.leads import Lead
from mailboxes.template_values import first_name, harmless_name, harmless_subject, values_for
from mailboxes.templates import TemplateValues, render, save_template
from mailboxes.templating import VARIABLES
from mailboxes.threads import ThreadRecord
from tenants.audit import Actor
from tenants.database import db
from tests.factories import make_mailbox, make_message


@pytest.fixture
def message(ours):
    mailbox = make_mailbox(ours, label="Support", signature="Your team")
    return make_message(ours, mailbox, sender="Carla Customer <carla@customer.test>", subject="Order")


def test_every_variable_of_the_catalogue_has_a_value_where_there_is_one(ours, message, inside):
    with inside(ours):
        contact = Contact(name="Carla C.", first_name="Carla", last_name="C.", company="Shop", phone="+1 23")
        lead = Lead(name="Order", owner_id=ours.member.id)
        case = Case(subject="Order", status="in_progress", assignee_id=ours.admin.id)
        db.session.add_all([contact, lead, case])
        db.session.flush()
        db.session.add(ContactAddress(contact_id=contact.id, address="carla@customer.test"))
        db.session.add(ThreadRecord(thread_id=message.thread_id, kind="lead", lead_id=lead.id))
        db.session.add(ThreadRecord(thread_id=message.thread_id, kind="case", case_id=case.id))
        values = values_for(db.session.merge(message), member=ours.member)
    assert set(values) == set(VARIABLES)
    for group, members in values.items():
        assert set(members) == set(VARIABLES[group]), group
    assert values["sender"] == {
        "name": "Carla Customer",
        "first_name": "Carla",
        "address": "carla@customer.test",
    }
    assert values["contact"]["company"] == "Shop"
    assert values["lead"]["owner"] == ours.member.name
    assert (values["case"]["status"], values["case"]["assignee"]) == ("in progress", ours.admin.name)
    assert values["mailbox"]["signature"] == "Your team"
    assert values["organization"] == {"name": "Acme"}
    assert values["user"]["name"] == ours.member.name


def test_only_the_newest_public_comment_on_a_case_is_told(ours, theirs, message, inside):
    with inside(ours):
        case = Case(subject="Order")
        db.session.add(case)
        db.session.flush()
        db.session.add(ThreadRecord(thread_id=message.thread_id, kind="case", case_id=case.id))
        told = []
        for text, is_public in (("Secret", False), ("It is packed.", True), ("Secret again", False)):
            comment(case, text, ours.member.id, ours.member.name, is_public=is_public)
            told.append(values_for(db.session.merge(message))["case"]["comment"])
    assert told == ["", "It is packed.", "It is packed."]


def test_without_records_their_variables_are_empty(ours, message, inside):
    with inside(ours):
        values = values_for(db.session.merge(message))
    assert values["contact"] == values["user"] == {}
    assert "lead" not in values


def test_the_sender_of_an_answer_to_somebody_else_is_not_named(ours, message, inside):
    with inside(ours):
        values = values_for(db.session.merge(message), address="other@customer.test")
    assert values["sender"]["name"] == "other@customer.test"


@pytest.mark.parametrize(
    "name", ["Anna Müller", "O'Neil, Pat", "Dr. Q. Doe", "Jean-Luc (Sales)", "山田 太郎", "Smith & Co"]
)
def test_names_are_names(name):
    assert harmless_name(name) == name


@pytest.mark.parametrize(
    ("name", "first"),
    [
        *(("Ada Lovelace", "Ada"), ("Lovelace, Ada King", "Ada"), ("Ada", "Ada"), ("", "")),
        *(("Lovelace,", "Lovelace"), ("Lovelace , ,", "Lovelace"), (", Ada", "Ada"), (" , ", "")),
    ],
)
def test_a_first_name_is_found_wherever_commas_stand(name, first):
    assert first_name(name) == first


@given(st.text(alphabet=" ,A\xa0"))
def test_a_first_name_is_a_word_or_nothing(name):
    assert first_name(name).isalpha() or not first_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("http://evil.test", "www.evil.test", "evil.test", "a@b.test", "Call 0123456789", "Buy <b>now</b>"),
        *("x" * 61, "Win: 100€", "a/b", "a\\b", "evil。com/x"),
    ],
)
def test_what_may_be_a_link_or_a_message_is_no_name(name):
    assert harmless_name(name) == ""


@given(st.text())
def test_a_subject_comes_back_short_and_on_one_line(subject):
    line = harmless_subject(subject)
    assert len(line) <= 78
    assert not any(character in line for character in "\r\n\x00\u2028\u202e")


def test_a_template_is_filled_in_for_a_message_in_any_language(ours, message, inside):
    with inside(ours):
        texts = {"en": ("x", "Hi {{ sender.first_name }}"), "de": ("x", "Hallo {{ user.name }}")}
        template = save_template(TemplateValues("T", texts=texts), by=Actor("Ada"))
        found = db.session.merge(message)
        assert render(template, ["en"], values_for(found)).text == "Hi Carla\n"
        values = values_for(found, member=ours.member)
        assert render(template, ["de"], values).text == f"Hallo {ours.member.name}\n"
