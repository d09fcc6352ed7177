"""The pages of a mailbox with their scripts: what is shown when, rows, variables, the check."""

import pytest
from playwright.sync_api import expect

from mailboxes import rules
from mailboxes.conditions import Condition
from mailboxes.rules import RuleValues
from mailboxes.templates import TemplateValues
from tenants.audit import Actor
from tenants.database import db
from tests.factories import make_mailbox, make_message

NEW = "/configuration/mailboxes/new"
PATIENCE = 30_000  # milliseconds, for a server that is asked over the network


@pytest.fixture
def mailbox(ours, theirs):
    return make_mailbox(ours, label="Support")


def url_of(mailbox, more=""):
    return f"/configuration/mailboxes/{mailbox.id}{more}"


def test_what_belongs_to_a_choice_is_shown_with_it(visit, ours, mailbox):
    page = visit(ours.admin).open(NEW)
    expect(page.get_by_label("SMTP host")).to_be_hidden()
    page.get_by_label("Enable SMTP").check()
    expect(page.get_by_label("SMTP host")).to_be_visible()
    expect(page.get_by_label("Days", exact=True)).to_be_hidden()
    page.get_by_label("The last days").check()
    expect(page.get_by_label("Days", exact=True)).to_be_visible()
    expect(page.locator("[data-shown-when='action=case']")).to_be_hidden()
    page.get_by_label("Convert to case").check()
    expect(page.locator("[data-shown-when='action=case']")).to_be_visible()


@pytest.mark.dovecot
def test_the_check_shows_its_steps_and_folders_in_place(visit, ours, theirs, server):
    window = visit(ours.admin)
    page = window.open(NEW)
    page.get_by_label("Mailbox label").fill("Kept label")
    page.get_by_label("Email address").fill("support@acme.test")
    page.get_by_label("IMAP host").fill("localhost")
    page.get_by_label("IMAP port").fill(str(server.tls_port))
    page.get_by_label("User", exact=True).fill(server.new_user())
    page.locator("#imap_password").fill("wrong")
    page.get_by_role("button", name="Check connection").click()
    expect(page.locator("#check-result .step-bad")).to_contain_text("Sign-in", timeout=PATIENCE)
    expect(page.locator("#announcer")).to_contain_text("The check failed. IMAP, Sign-in")
    page.locator("#imap_password").fill("secret")
    page.get_by_role("button", name="Check connection").click()
    expect(page.locator("#announcer")).to_contain_text("The connection works.", timeout=PATIENCE)
    expect(page.locator("#folders").get_by_label("INBOX")).to_be_checked()
    assert page.get_by_label("Mailbox label").input_value() == "Kept label"
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("main")).to_contain_text("Kept label has been saved")


def test_conditions_are_added_and_removed_in_place_and_a_rule_is_tried(visit, ours, mailbox, inside):
    make_message(ours, mailbox, subject="Your invoice", to=mailbox.address)
    page = visit(ours.admin).open(url_of(mailbox, "/rules/new"))
    expect(page.locator(".conditions-none")).to_be_visible()
    add = page.get_by_role("button", name="Add condition")
    add.click()
    add.click()
    expect(page.locator(".condition-list .condition")).to_have_count(2)
    expect(page.locator(".conditions-none")).to_be_hidden()
    page.get_by_role("button", name="Remove this condition").first.click()
    expect(page.locator(".condition-list .condition")).to_have_count(1)
    page.get_by_label("Field").select_option("header")
    expect(page.get_by_label("Name of the header")).to_be_visible()
    page.get_by_label("Field").select_option("subject")
    expect(page.get_by_label("Name of the header")).to_be_hidden()
    page.get_by_label("Value").fill("invoice")
    page.get_by_role("button", name="Try on recent messages").click()
    expect(page.locator("#try table")).to_contain_text("Your invoice")
    expect(page.locator("[data-save-summary]")).to_have_text("What you typed is not saved yet.")
    page.locator("#name").fill("Invoices")
    page.get_by_label("Content (English)").fill("Thank you.")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("#rules")).to_contain_text("Subject contains “invoice”")


def test_a_variable_is_inserted_where_the_cursor_was(visit, ours, theirs):
    page = visit(ours.admin).open("/configuration/templates/new")
    content = page.get_by_label("Content (English)")
    content.fill("Dear !")
    content.evaluate("field => field.setSelectionRange(5, 5)")
    page.get_by_text("Variables to insert").click()
    page.get_by_role("button", name="First word of the sender's name").click()
    assert content.input_value() == "Dear {{ sender.first_name }}!"


def test_no_page_of_a_mailbox_is_wider_than_a_phone_and_what_is_pressed_is_large_enough(
    visit, ours, mailbox, inside
):
    with inside(ours):
        response = TemplateValues(texts={"en": ("", "Thank you.")})
        long = Condition("subject", "contains", "x" * 80)
        rules.add_rule(mailbox, RuleValues("Everybody", (long,), response=response), by=Actor("Ada"))
        db.session.commit()
    window = visit(ours.admin, width=390, height=844)
    for path in (NEW, url_of(mailbox), url_of(mailbox, "/rules/new"), "/configuration/templates/new"):
        page = window.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        small = page.evaluate(
            """() => [...document.querySelectorAll("main :is(button, .button, summary, label.check)")]
              .filter((element) => element.checkVisibility() && !element.matches(".sr-only"))
              .map((element) => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
              .filter(([, box]) => box.width > 0 && (box.height < 23.5 || box.width < 23.5))
              .map(([html, box]) => `${html} ${box.width}x${box.height}`)"""
        )
        assert small == [], path


def test_typing_an_address_offers_settings_and_one_press_fills_them_in(visit, ours, theirs, names):
    page = visit(ours.admin).open(NEW)
    page.get_by_label("Password", exact=True).fill("typed before")
    page.get_by_label("Email address").press_sequentially("info@gmx.de")
    offer = page.locator("#proposals").get_by_role("button", name="Use these")
    expect(offer).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("IMAP host")).to_have_value("")
    offer.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("IMAP host")).to_have_value("imap.gmx.net")
    expect(page.get_by_label("SMTP host")).to_have_value("mail.gmx.net")
    expect(page.get_by_label("SMTP host")).to_be_visible()
    expect(page.get_by_label("User", exact=True)).to_have_value("info@gmx.de")
    expect(page.get_by_label("Password", exact=True)).to_have_value("typed before")
    expect(page.locator("#announcer")).to_have_text("The settings were filled in")
