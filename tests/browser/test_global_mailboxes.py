"""A system administrator sets up a mailbox for many organizations: once by mouse, once by keyboard alone."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from mailboxes.accounts import Account
from tenants.database import db, inside_installation
from tests.browser.hands import PATIENCE, Keyboard, Mouse
from tests.factories import make_user
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import deliver_globally, receive_globally, subjects_in

ADDRESS = "info@everybody.test"

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(600)]


@pytest.mark.parametrize("hands_of", [Mouse, Keyboard])
def test_from_a_new_mailbox_to_a_message_that_is_assigned(visit, ours, theirs, server, hands_of):
    page = visit(make_user(name="Rosa Root", is_system_admin=True)).open("/system/mailboxes/")
    hands = hands_of(page)
    main = page.locator("main")
    hands.press(page.get_by_role("link", name="Add mailbox").first)
    make_it(page, hands, server)
    expect(main).to_contain_text("Choose the organizations that it serves", timeout=PATIENCE)
    choose_whom_it_serves(page, hands, ours)
    route_by_domain(page, hands, ours)
    try_it(page, hands, ours)
    assign_what_nothing_routes(page, hands, ours)
    deliver_globally(account_id())
    assert subjects_in(ours) == ["Lost parcel"]
    assert subjects_in(theirs) == []


def make_it(page, hands, server):
    hands.write(page.locator("#label"), "Info")
    hands.write(page.get_by_label("Email address", exact=False).first, ADDRESS)
    hands.write(page.get_by_label("IMAP host"), "localhost")
    hands.write(page.get_by_label("IMAP port"), str(server.tls_port))
    hands.write(page.get_by_label("User", exact=True), server.new_user())
    hands.write(page.locator("#imap_password"), "secret")
    hands.press(page.get_by_role("button", name="Check connection"))
    expect(page.locator("#folders").get_by_label("INBOX")).to_be_checked(timeout=PATIENCE)
    hands.press(page.get_by_role("button", name="Save", exact=True).last)


def choose_whom_it_serves(page, hands, world):
    hands.press(page.get_by_label(f"Select {world.name}", exact=True))
    hands.press(page.get_by_role("button", name="Serve", exact=True))
    expect(page.locator("main")).to_contain_text("1 more organization is served")
    hands.press(page.get_by_role("link", name="Info", exact=True).first)


def route_by_domain(page, hands, world):
    hands.press(page.get_by_role("link", name="Routing rules"))
    hands.press(page.get_by_role("link", name="Add rule").first)
    hands.choose(page.locator("select[name=field]"), "Sender domain")
    hands.write(page.locator("input[name=value]"), "customer.test")
    hands.write(page.locator("input[name=organization]"), world.name)
    hands.press(page.get_by_role("button", name="Save", exact=True))
    expect(page.locator("main")).to_contain_text("customer.test")


def try_it(page, hands, world):
    hands.press(page.get_by_role("link", name="Try routing"))
    hands.write(page.locator("textarea[name=raw]"), letter("Question", to=ADDRESS).decode())
    hands.press(page.get_by_role("button", name="Try", exact=True))
    expect(page.get_by_role("heading", name=f"It would go to: {world.name}")).to_be_visible()


def assign_what_nothing_routes(page, hands, world):
    receive_globally(account_id(), letter("Lost parcel", sender="Eve <eve@elsewhere.test>", to=ADDRESS))
    hands.press(page.get_by_role("link", name="Unrouted").first)
    hands.press(page.get_by_label("Select Lost parcel"))
    hands.write(page.locator("#assign-ticked"), world.name)
    hands.press(page.get_by_role("button", name="Assign", exact=True))
    expect(page.locator("main")).to_contain_text(f"Messages assigned to {world.name}: 1")


def account_id():
    with inside_installation("a test"):
        return db.session.scalars(select(Account.id)).one()
