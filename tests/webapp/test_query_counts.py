"""However many organizations, people, mailboxes and values there are, a page asks as many questions."""

from datetime import timedelta

import pytest

from tenants.permissions import ADMINISTRATOR
from tests.administration import ADMIN, MEMBER, NO_PAGES, QUERIES, SYSTEM_ADMIN, Place, pages
from tests.everything import make_everything, make_everything_inside
from tests.factories import make_api_token, make_member, make_organization, make_user, sign_in
from tests.multiplying import multiply
from tests.queries import counted_queries


@pytest.fixture
def clients(app, ours):
    """Each with a token besides, for the API."""
    found = {
        SYSTEM_ADMIN: sign_in(app, make_user(name="Sys Admin", is_system_admin=True)),
        ADMIN: sign_in(app, ours.admin),
        MEMBER: sign_in(app, ours.member),
    }
    for client in found.values():
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {make_api_token(ours.admin)}"
    return found


def counts(app, clients, place):
    """By page, how many questions it asks."""
    found = {}
    for page in pages(app):
        address = place.address(app, page)
        with counted_queries(app) as statements:
            answer = clients[page.who].get(address)
        found[page] = len(statements) if answer.status_code == 200 else answer.status
    wrong = {str(page): status for page, status in found.items() if isinstance(status, str)}
    assert wrong == {}, "a page must be there to be counted"
    return found


def grow(ours, database_urls):
    """More of everything inside our organization and the installation, and more organizations."""
    for number in range(3):
        make_member(ours.id, f"Person {number}", role=ADMINISTRATOR)
        make_everything(ours)
    plain = make_organization("Plain")
    make_everything_inside(plain)
    multiply(database_urls.system, plain.id, 60)


@pytest.mark.long
def test_no_page_asks_more_the_more_there_is(app, ours, theirs, clients, database_urls, monkeypatch):
    for touched in ("tenants.users", "tenants.api_tokens"):  # when a session was seen, a token used
        monkeypatch.setattr(f"{touched}.TOUCH_EVERY", timedelta(days=1))
    ids = make_everything(ours)
    place = Place(ours, ids)
    counts(app, clients, place)  # that a page was opened may be recorded, once
    before = counts(app, clients, place)
    grow(ours, database_urls)
    after = counts(app, clients, place)
    grown = {str(page): (before[page], after[page]) for page in before if after[page] > before[page]}
    assert grown == {}, "read what rows need together, not row by row"


def test_what_is_left_out_is_there(app):
    named = {endpoint for endpoints in NO_PAGES.values() for endpoint in endpoints} | QUERIES.keys()
    # The demo's pages are not in this application.
    assert {name for name in named - app.view_functions.keys() if not name.startswith("customer.")} == set()
