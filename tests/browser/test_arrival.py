"""The main job, seen by a member who only watches: mail comes in by IMAP, becomes a lead, and is answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from embedded.folders import temporary_folder
from mailboxes.parsing import parse
from tests.factories import PASSWORD
from tests.faults.installation import Installation, start_installation
from tests.faults.letters import Post
from tests.faults.seeding import ADDRESS

SOON = 60_000  # milliseconds, on a machine that does other things as well

pytestmark = [pytest.mark.dovecot, pytest.mark.long]


@pytest.fixture(scope="module")
def installation(cluster: Path) -> Iterator[Installation]:
    with temporary_folder() as folder, start_installation(folder, durable=False, cluster=cluster) as running:
        running.settle()
        yield running


@pytest.fixture
def page(installation: Installation, browser: Browser) -> Iterator[Page]:
    """My Emails, where the member has signed in by the form."""
    context = browser.new_context(base_url=installation.base_url)
    page = context.new_page()
    page.goto("/sign-in?next=/mail/")
    page.get_by_label("Address").fill(installation.ours.member_address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/mail/")
    page.evaluate("window.isTheSamePage = true")
    yield page
    context.close()


def test_a_message_appears_becomes_a_lead_and_is_answered_without_a_reload(
    installation: Installation, page: Page
) -> None:
    letter = Post(ADDRESS, 1).question()
    row = page.locator(".conversation-row", has_text=parse(letter.raw).subject)
    expect(row).to_have_count(0)

    installation.append(letter.raw)

    expect(row).to_be_visible(timeout=SOON)
    expect(row.get_by_title("Lead", exact=True)).to_be_visible(timeout=SOON)
    expect(row.get_by_title("Auto-replied")).to_be_visible(timeout=SOON)
    row.locator("a.conversation-link").click()
    answer = page.locator(".message-automatic")
    expect(answer).to_be_visible(timeout=SOON)
    expect(answer).to_contain_text("Sent", timeout=SOON)
    assert page.evaluate("window.isTheSamePage")
    assert [one.recipients for one in installation.sink.messages] == [(letter.sender,)]
