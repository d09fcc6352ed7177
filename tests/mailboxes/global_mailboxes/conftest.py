"""Two organizations with all that the system offers, and a mailbox that serves both."""

import pytest

from mailboxes.crm.lead_sources import offer_lead_sources
from mailboxes.templates import offer_system_templates
from tenants.database import db, inside
from tests.mailboxes.global_mailboxes.saying import make_global


@pytest.fixture
def worlds(ours, theirs):
    for world in (ours, theirs):
        with inside(world.id):
            offer_system_templates()
            offer_lead_sources()
            db.session.commit()
    return {"ours": ours, "theirs": theirs}


@pytest.fixture
def served(worlds):
    """A global mailbox that serves both organizations."""
    return make_global(*worlds.values())
