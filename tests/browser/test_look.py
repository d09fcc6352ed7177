"""The gallery in a real browser: what style sheet and script do that HTML alone does not say."""

import re
from collections.abc import Iterator
from threading import Thread

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.webapp.gallery import PAGES, gallery_app


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, gallery_app(), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def window(browser, address):
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(window):
    """A new page of a browser that has loaded style and script before, and keeps nothing else."""
    page = window.new_page()
    yield page
    page.evaluate("localStorage.clear()")
    page.close()
    window.clear_cookies()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_the_screen(page, path):
    page.goto(path)
    for width in (360, 640, 1000, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/live"])
def test_no_page_breaks_its_policy_or_a_script(page, path):
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path, wait_until="networkidle")
    assert [words for words in said if "autocomplete" not in words] == []


@pytest.mark.parametrize("path", PAGES)
def test_what_is_pressed_is_at_least_24_pixels_in_both_directions(page, path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(path)
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, summary, nav a, label.check")]
          .filter((element) => element.checkVisibility())
          .map((element) => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
          .filter(([, box]) => box.width > 0 && (box.height < 23.5 || box.width < 23.5))
          .map(([html, box]) => `${html} ${box.width}x${box.height}`)"""
    )
    assert small == []


@pytest.mark.parametrize(("width", "panes"), [(1280, 3), (900, 2), (500, 1)])
def test_my_emails_shows_as_many_panes_as_fit(page, width, panes):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/conversation")
    assert page.locator(".pane:visible").count() == panes
    assert page.locator(".conversation-back").is_visible() is (panes == 1)


def test_on_a_phone_the_list_is_shown_until_a_conversation_is_open(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/emails")
    assert page.locator(".pane-list").is_visible()
    page.locator(".pane-nav-open").click()
    expect(page.locator(".pane-nav")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".pane-nav")).to_be_hidden()


def test_a_message_frame_is_as_high_as_its_message(page):
    page.goto("/conversation")
    frame = page.locator("#message-1 iframe")
    page.wait_for_function(
        """() => {
          const frame = document.querySelector("#message-1 iframe");
          const inside = frame.contentDocument.body;
          return inside && inside.scrollHeight > 100 && frame.clientHeight >= inside.scrollHeight;
        }"""
    )
    assert "allow-scripts" not in frame.get_attribute("sandbox")


def test_keys_walk_the_list_and_open_a_conversation(page):
    page.goto("/emails")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("#row-1")).to_have_class(re.compile("is-walked"))
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_contain_text("1 conversation selected")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/conversation")


def test_two_keys_go_to_a_place(page):
    page.goto("/emails")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/configuration")


def test_keys_do_nothing_in_a_field_or_when_switched_off(page):
    page.goto("/emails")
    page.keyboard.press("/")
    expect(page.locator("#header-search")).to_be_focused()
    page.keyboard.type("jx?")
    assert page.locator("#header-search").input_value() == "jx?"
    page.keyboard.press("Escape")
    page.evaluate("document.body.dataset.shortcuts = 'off'")
    page.keyboard.press("j")
    page.keyboard.press("?")
    assert page.locator(".is-walked").count() == 0
    assert page.locator("#shortcuts").is_hidden()


def test_commands_are_found_by_typing(page):
    page.goto("/emails")
    page.keyboard.press("Control+k")
    page.keyboard.type("conf")
    expect(page.locator(".command")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/configuration")


def test_escape_closes_a_menu_and_returns_the_focus(page):
    page.goto("/emails")
    page.locator(".menu-user > summary").click()
    expect(page.locator(".menu-user .menu-panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".menu-user .menu-panel")).to_be_hidden()
    expect(page.locator(".menu-user > summary")).to_be_focused()


def test_a_key_opens_a_menu_and_arrows_walk_through_it(page):
    page.goto("/conversation")
    page.keyboard.press("s")
    expect(page.get_by_role("link", name="Open", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Waiting for the customer")).to_be_focused()


def test_only_one_menu_is_open_at_a_time(page):
    page.goto("/emails")
    page.locator(".menu-user > summary").click()
    page.locator(".menu-unread > summary").click()
    assert page.locator("details[data-menu][open]").count() == 1


def test_the_chosen_colours_outlive_the_page(page):
    page.goto("/emails")
    page.locator(".menu-user > summary").click()
    page.get_by_text("Dark", exact=True).click()
    page.goto("/mailboxes")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_a_destructive_dialog_wants_the_label_typed(page):
    page.goto("/")
    page.locator("[data-dialog=example-confirm]").first.click()
    typed = page.locator("#example-confirm-confirmation")
    typed.fill("Suport")
    assert page.evaluate("!document.querySelector('#example-confirm-confirmation').validity.valid")
    typed.fill("Support")
    assert page.evaluate("document.querySelector('#example-confirm-confirmation').validity.valid")
    page.locator("#example-confirm").get_by_role("button", name="Cancel").click()
    expect(page.locator("#example-confirm")).to_be_hidden()


def test_an_inherited_setting_sleeps_until_it_is_overridden(page):
    page.goto("/configuration")
    setting = page.locator("#setting-history")
    control = setting.locator("[data-setting-control]")
    assert control.evaluate("element => element.inert")
    setting.locator("[data-setting-inherits]").uncheck()
    assert not control.evaluate("element => element.inert")
    expect(setting.get_by_text("Overridden")).to_be_visible()


def test_the_save_bar_says_what_will_change_and_leaving_warns(page):
    page.goto("/configuration")
    summary = page.locator("[data-save-summary]")
    expect(summary).to_have_text("Nothing changed yet.")
    page.locator("#interval").fill("45")
    expect(summary).to_have_text("1 change: Interval.")
    warned = []
    page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    page.goto("/mailboxes")
    assert warned == ["beforeunload"]


def test_a_changed_server_demands_the_password_again(page):
    page.goto("/mailbox")
    hint = page.locator("[data-anew-hint=password]")
    expect(hint).to_be_hidden()
    page.locator("#host").fill("imap.elsewhere.example")
    expect(hint).to_be_visible()
    assert page.locator("#password").evaluate("element => element.required")


def test_conditions_are_added_and_removed(page):
    page.goto("/")
    rows = page.locator(".condition-list .condition")
    page.get_by_role("button", name="Add condition").click()
    expect(rows).to_have_count(3)
    assert rows.nth(2).locator("select").first.get_attribute("name") == "conditions-2-field"
    for _ in range(3):
        rows.first.get_by_role("button", name="Remove this condition").click()
    expect(page.locator(".conditions-none")).to_be_visible()


def test_select_all_ticks_every_row(page):
    page.goto("/")
    page.locator("#leads [data-select-all]").check()
    assert page.locator("#leads [data-select]:checked").count() == 4
    page.locator("#leads [data-select]").first.uncheck()
    assert page.locator("#leads [data-select-all]").evaluate("box => box.indeterminate")


def test_an_event_of_the_server_reaches_the_page(page):
    event = 'data: {"mailbox": "m1", "kind": "message", "unread_count": 13}\n\n'
    page.route("**/events", lambda route: route.fulfill(content_type="text/event-stream", body=event))
    page.add_init_script(
        """addEventListener("DOMContentLoaded", () => document.body.addEventListener(
          "postroom:changed", (event) => { document.body.dataset.heard = event.detail.kind; }))"""
    )
    page.goto("/live")
    expect(page.locator("body")).to_have_attribute("data-heard", "message")
    expect(page.locator("[data-unread-count]")).to_have_text("13")


def test_quick_search_leaves_what_has_the_words(page):
    page.goto("/configuration")
    page.get_by_label("Quick search").fill("lead")
    expect(page.locator("#configuration-tree li:visible")).to_have_text(["Lead sources"])


def test_every_page_works_without_scripts(browser, address):
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/conversation")
    page.locator(".menu-user > summary").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto("/configuration")
    assert page.locator("#interval").is_enabled()
    context.close()
