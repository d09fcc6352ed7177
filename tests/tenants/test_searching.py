"""What is typed into a search field costs a handful of conditions, however much it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes import access
from mailboxes.crm import contacts, leads
from mailboxes.setup import granting
from mailboxes.templates.organization import TemplateFilter, filtered_templates
from tenants import organizations, users
from tenants.database.searching import MOST_WORDS, search_words
from tenants.installation import organizations as administration

MANY = " ".join(f"word{number}" for number in range(1_000))


@given(st.text())
def test_words_are_few_and_in_order(text):
    words = search_words(text)
    assert len(words) <= MOST_WORDS
    assert not any("\x00" in word for word in words)
    assert words == text.replace("\x00", "").split()[: len(words)]


@pytest.mark.parametrize(
    "search",
    [
        lambda: organizations.members(organizations.MemberFilter(words=MANY)),
        lambda: organizations.members_found(MANY),
        lambda: administration.organizations(administration.OrganizationFilter(words=MANY)),
        lambda: users.users(users.UserFilter(words=MANY)),
        lambda: granting.roles_found(MANY),
        lambda: contacts.contacts(MANY),
        lambda: leads.leads(leads.LeadFilter(words=MANY)),
        lambda: filtered_templates(TemplateFilter(words=MANY)),
    ],
)
def test_every_list_searches_for_the_first_words_only(app, search):
    asked = set(search().compile().params.values())
    assert {one for one in asked if str(one).startswith("word")} == {
        f"word{one}" for one in range(MOST_WORDS)
    }


def test_mailboxes_are_searched_for_the_first_words_only():
    assert len(access.has_words(MANY)) == MOST_WORDS
