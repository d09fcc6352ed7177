"""Mailboxes whose messages become cases and leads."""

import pytest

from mailboxes.crm.channels import add_channel
from mailboxes.crm.lead_sources import offer_lead_sources
from tenants.database import db, inside
from tests.factories import make_mailbox


@pytest.fixture
def cases_mailbox(ours):
    settings = {"owner": str(ours.admin.id), "assignee": str(ours.member.id), "priority": "high"}
    return make_mailbox(ours, action="case", action_settings={**settings, "tags": ["billing"]})


@pytest.fixture
def leads_mailbox(ours):
    with inside(ours.id):
        offer_lead_sources()
        add_channel("Sales")
        db.session.commit()
    settings = {"owner": str(ours.member.id), "source": "web_form"}
    return make_mailbox(ours, action="lead", action_settings=settings)
