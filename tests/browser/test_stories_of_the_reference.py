"""What the reference documents tell, done in a browser: once by mouse, once by keyboard alone.

A system mailbox for business inquiries: it makes leads with an owner and a source, a role and a person see
it in My Emails. The administrator of an organization makes it; or a system administrator, for one of many.
"""

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from mailboxes.acting import act_on_pending
from mailboxes.crm.channels import add_channel
from mailboxes.crm.lead_sources import LeadSource, offer_lead_sources
from mailboxes.crm.leads import Lead
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.database import db
from tests.browser.hands import PATIENCE, Keyboard, Mouse
from tests.factories import make_member, make_user
from tests.mailboxes.arriving import letter, receive

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(600)]


@pytest.fixture
def sales(ours, theirs, inside):
    """The organization sells, has its sources, and somebody who is to own what comes in."""
    with inside(ours):
        offer_lead_sources()
        add_channel("Shop", "sales")
        db.session.commit()
    return make_member(ours.id, "Olga Owner", role=None)


@pytest.mark.parametrize("hands_of", [Mouse, Keyboard])
def test_an_administrator_sets_up_a_mailbox_for_business_inquiries(
    visit, ours, sales, server, inside, hands_of
):
    page = visit(ours.admin).open("/")
    hands = hands_of(page)
    hands.press(page.get_by_role("link", name="Configuration", exact=True).first)
    hands.press(page.get_by_role("link", name="Add mailbox").first)
    fill_in(page, hands, server, sales)
    expect(page.locator("main")).to_contain_text("Business inquiries has been saved", timeout=PATIENCE)
    a_lead_is_seen_in_my_emails(visit, ours, sales, inside)


def test_a_system_administrator_sets_up_a_mailbox_of_one_organization(visit, ours, sales, server, inside):
    rosa = make_user(name="Rosa Root", is_system_admin=True)
    window = visit(rosa)
    page = window.open("/system/organizations/")
    row = page.get_by_role("row", name=ours.name)
    row.locator("summary, [popovertarget], .menu-summary").first.click()
    page.get_by_role("link", name="Configuration", exact=True).last.click()
    page.get_by_role("link", name="Add mailbox").first.click()
    fill_in(page, Mouse(page), server, sales)
    expect(page.locator("main")).to_contain_text("Business inquiries has been saved", timeout=PATIENCE)
    a_lead_is_seen_in_my_emails(visit, ours, sales, inside)


def fill_in(page, hands, server, owner):
    """The page of a new mailbox, from its label to the save."""
    hands.write(page.get_by_label("Mailbox label"), "Business inquiries")
    hands.write(page.get_by_label("Email address", exact=False).first, "business@acme.test")
    hands.write(page.get_by_label("IMAP host"), "localhost")
    hands.write(page.get_by_label("IMAP port"), str(server.tls_port))
    hands.write(page.get_by_label("User", exact=True), server.new_user())
    hands.write(page.locator("#imap_password"), "secret")
    hands.press(page.get_by_role("button", name="Check connection"))
    expect(page.locator("#folders").get_by_label("INBOX")).to_be_checked(timeout=PATIENCE)
    hands.press(page.get_by_label("Convert to lead"))
    hands.choose(page.locator("select[name=lead_owner]"), owner.name)
    hands.choose(page.locator("select[name=lead_source]"), "Referral")
    for name in ("Member", owner.name):
        hands.write(page.locator("#access-find"), name)
        hands.press(page.locator("#access-found").get_by_role("button", name=name).first)
        expect(page.get_by_label(f"Access of {name}")).to_be_visible()
    hands.press(page.get_by_role("button", name="Save", exact=True).last)


def a_lead_is_seen_in_my_emails(visit, ours, owner, inside):
    """By the member, whose role was given access; the lead is as the mailbox says."""
    with inside(ours):
        mailbox = db.session.scalars(select(Mailbox).where(Mailbox.label == "Business inquiries")).one()
        granted = db.session.scalars(select(MailboxGrant).where(MailboxGrant.mailbox_id == mailbox.id)).all()
        assert {one.membership_id for one in granted if one.role_id is None} >= {owner.id}
    receive(ours, mailbox, letter("Two hundred cups", to="business@acme.test"))
    with inside(ours):
        act_on_pending()
        lead = db.session.scalars(select(Lead)).one()
        source = db.session.scalars(select(LeadSource).where(LeadSource.name == "Referral")).one()
        assert (lead.owner_id, lead.source_id) == (owner.id, source.id)
    page = visit(ours.member).open("/mail/")
    row = page.locator(".conversation-row", has_text="Two hundred cups")
    expect(row.get_by_title("Lead", exact=True)).to_be_visible()
    expect(row).to_contain_text("Business inquiries")
