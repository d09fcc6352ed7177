"""Words that have nowhere to break, on a phone and on a small desk."""

import pytest
from sqlalchemy import select

from mailboxes.crm.lead_sources import LeadSource, offer_lead_sources
from mailboxes.given_up import leave_to_people
from mailboxes.messages import Message
from tenants.database import db
from tests.factories import make_mailbox, make_member, make_message

WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
PAGES = (
    "mailboxes/",
    "mailboxes/applying",
    "mailboxes/{mailbox}",
    "mailboxes/{mailbox}/health",
    "mailboxes/{mailbox}/delete",
    "lead-sources/",
    "lead-sources/{source}/merge",
    "people/",
    "quarantine/not-converted",
)
TOO_WIDE = """
() => [document.documentElement, ...document.querySelectorAll(".table-frame")]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => `${one.tagName}: ${one.scrollWidth} instead of ${one.clientWidth}`)
"""


@pytest.fixture
def ids(ours, theirs, inside):
    """A mailbox that fails, gives leads a source and could not convert a message, and a person, so named."""
    account = {"state": "failing", "last_error": "The server refuses the user or the password. Type it anew."}
    mailbox = make_mailbox(
        ours, label=WORD, action="lead", action_settings={"source": "email"}, account=account
    )
    message = make_message(ours, mailbox)
    make_member(ours.id, WORD)
    with inside(ours):
        offer_lead_sources()
        leave_to_people(
            db.session.scalars(select(Message).where(Message.id == message.id)).one(), "It failed."
        )
        source = db.session.scalars(select(LeadSource).where(LeadSource.key == "email")).one()
        ids = {"mailbox": mailbox.id, "source": source.id}
        db.session.commit()
    return ids


@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_word_breaks_before_a_list_or_page_scrolls_sideways(visit, ours, ids, width):
    window = visit(ours.admin, width=width)
    faults = {}
    for path in PAGES:
        page = window.open("/configuration/" + path.format_map(ids))
        assert WORD in page.content(), path
        faults[path] = page.evaluate(TOO_WIDE)
    assert {path: found for path, found in faults.items() if found} == {}
