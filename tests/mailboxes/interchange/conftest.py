"""An organization that a file has made, and a neighbour who was there before."""

import pytest
from sqlalchemy import select

from tenants.database import db
from tenants.database import inside as inside_of
from tenants.organizations import Organization
from tests.factories import make_organization
from tests.mailboxes.interchange.written import apply


@pytest.fixture
def beginning(once):
    """A neighbour, and beside it the file that most tests change."""
    return once("the file is applied", lambda: (make_organization("Neighbour"), apply()))


@pytest.fixture
def applied(beginning):
    return beginning[1]


@pytest.fixture
def theirs(request, app):
    """The neighbour, who was there before the file."""
    if "applied" in request.fixturenames:
        return request.getfixturevalue("beginning")[0]
    return make_organization("Neighbour")


@pytest.fixture
def nordwind(applied):
    found = db.session.scalars(select(Organization).where(Organization.slug == "nordwind")).one()
    with inside_of(found.id):
        yield found
