"""An organization begins with what the system offers."""

import pytest
from sqlalchemy import select

from mailboxes.crm.lead_sources import lead_sources
from mailboxes.crm.system_sources import BUILT_IN_SOURCES
from mailboxes.offering import create_organization, offer_everything
from mailboxes.templates import BUILT_IN_TEMPLATES, templates
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import InvalidError
from tenants.organizations import Organization
from tenants.permissions import SYSTEM_ROLES, roles


def test_a_new_organization_has_roles_lead_sources_and_templates(app):
    create_organization("Nordwind Outdoor", "nordwind")
    assert {role.system_key for role in db.session.scalars(roles())} == set(SYSTEM_ROLES)
    assert {source.key for source in db.session.scalars(lead_sources())} == set(BUILT_IN_SOURCES)
    assert {template.system_key for template in db.session.scalars(templates())} == set(BUILT_IN_TEMPLATES)


def test_offering_twice_offers_once(app):
    create_organization("Nordwind Outdoor", "nordwind")
    offer_everything()
    assert len(db.session.scalars(templates()).all()) == len(BUILT_IN_TEMPLATES)
    assert len(db.session.scalars(roles()).all()) == len(SYSTEM_ROLES)


def test_language_and_time_zone_become_the_organizations_own(app):
    create_organization("Nordwind Outdoor", "nordwind", "de", "Europe/Berlin")
    assert value_of("general.language") == "de"
    assert value_of("general.time_zone") == "Europe/Berlin"


def test_the_neighbour_gets_nothing(app, theirs, inside):
    with inside(theirs):
        before = len(db.session.scalars(templates()).all())
    create_organization("Nordwind Outdoor", "nordwind")
    db.session.commit()
    with inside(theirs):
        assert len(db.session.scalars(templates()).all()) == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("", "nordwind"), "name"),
        (("N" * 101, "nordwind"), "name"),
        (("Nordwind", "Not a slug!"), "slug"),
        (("Nordwind", "-nordwind"), "slug"),
        (("Nordwind", "taken"), "slug"),
        (("Nordwind", "nordwind", "xx"), "language"),
        (("Nordwind", "nordwind", "de", "Mars/Olympus"), "time_zone"),
    ],
)
def test_what_cannot_be_accepted_is_said_at_its_field(app, given, field):
    db.session.add(Organization(name="Taken", slug="taken"))
    db.session.commit()
    with pytest.raises(InvalidError) as raised:
        create_organization(*given)
    assert raised.value.field == field
    db.session.rollback()
    assert list(db.session.scalars(select(Organization.slug))) == ["taken"]
