"""What a form refuses: said at the field and in a summary that has the focus, and nothing typed is lost."""

import re
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page

from tenants.errors import TooManyAttemptsError
from tests.browser.test_every_page import PICTURES, entered, serious, take_pictures, too_wide
from tests.webapp.refusals import DEAD_ENDS, REFUSALS, Dead, Refusal

NO_CHECKS_OF_THE_BROWSER = "for (const form of document.forms) form.noValidate = true"
IS_INERT = "control => control.closest('[inert]') !== null"
INHERITS = "[data-setting-inherits]"
SUBMIT = "[type=submit]"
VALUES = "all => all.map(one => one.value)"
TOLD = ".error-summary, .callout-bad"
# All pages show refusals alike: axe looks at the first of each kind of visitor, and at all with pictures.
ONE_OF_EACH = tuple({refusal.who: refusal for refusal in REFUSALS}.values())
HAS_FOCUS = "told => told.contains(document.activeElement)"
UNTIED = """
() => [...document.querySelectorAll('[aria-invalid="true"]')].filter(
    control => !(control.getAttribute('aria-describedby') || '').split(' ').some(
        id => document.getElementById(id)?.matches('.field-errors, .field-errors *'))
).map(control => control.name)
"""
SEND = """
([path, values, hasToken]) => {
    const form = document.body.appendChild(document.createElement('form'));
    Object.assign(form, {method: 'post', action: path});
    const token = hasToken ? {csrf_token: document.querySelector('meta[name=csrf-token]').content} : {};
    for (const [name, value] of Object.entries({...values, ...token})) {
        form.append(Object.assign(document.createElement('input'), {name, value}));
    }
    form.submit();
}
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_what_is_refused_is_told_and_kept(app, visit, showroom):
    faults, windows = [], {}
    for refusal in REFUSALS:
        if refusal.who not in windows:
            _, windows[refusal.who] = entered(app, visit, showroom.people.get(refusal.who))
        page = windows[refusal.who].context.new_page()
        page.goto(windows[refusal.who].url + refusal.path.format_map(showroom.ids))
        fields = _typed(page, refusal)
        faults += [f"{refusal.path}: {fault}" for fault in _refused(page, refusal, fields)]
        page.close()  # without the question whether to leave what is typed
    assert not faults, "\n".join(["", *faults])


def _typed(page: Page, refusal: Refusal) -> dict[str, str]:
    """Fill the form and send it; the names of what was typed, with their values. Passwords are not kept."""
    page.evaluate(NO_CHECKS_OF_THE_BROWSER)
    kept = {}
    for label, value in refusal.typed.items():
        control = _control(page, label)
        form = control.locator("xpath=ancestor::form")
        control.fill(value)
        if control.get_attribute("type") != "password":
            kept[control.get_attribute("name")] = value
    if refusal.file[0]:
        name, content = refusal.file
        form = page.locator("form:has(input[type=file])")
        form.locator("input[type=file]").set_input_files(
            {"name": name, "mimeType": "text/csv", "buffer": content}
        )
    buttons = form.get_by_role("button", name=refusal.button) if refusal.button else form.locator(SUBMIT)
    with page.expect_navigation():
        buttons.locator("visible=true").first.click()
    return kept


def _control(page: Page, label: str) -> Locator:
    """The field of this label in the page itself; a folded part is opened, an inherited value overridden."""
    whole = re.compile(rf"^\s*{re.escape(label)}\s*\*?\s*$")  # required fields end in an asterisk
    control = page.locator("main").get_by_label(whole).locator("visible=true").first
    if control.evaluate(IS_INERT):
        control.locator("xpath=ancestor::*[@data-setting][1]").locator(INHERITS).first.uncheck()
    return control


def _refused(page: Page, refusal: Refusal, fields: dict[str, str]) -> Iterator[str]:
    told = page.locator(TOLD).first
    if not told.count():
        yield f"nothing tells that it was refused; the page is {page.title()}"
        return
    if refusal.words not in page.locator("main").inner_text():
        yield f"no word of “{refusal.words}”: {told.inner_text()}"
    if not told.evaluate(HAS_FOCUS) and page.locator(":focus[aria-invalid=true]").count() == 0:
        yield "the focus is neither on the summary nor on what is wrong"
    for name, value in fields.items():
        if value not in page.locator(f"main [name='{name}']").evaluate_all(VALUES):
            yield f"what was typed into {name} is lost"
    for name in page.evaluate(UNTIED):
        yield f"{name} is wrong, and no message stands at it"
    yield from too_wide(page)
    if PICTURES or refusal in ONE_OF_EACH:
        yield from serious(page)
    if PICTURES:
        take_pictures(page, f"refused {refusal.who} {refusal.path}")


@pytest.mark.long
def test_no_error_is_a_dead_end(app, visit, showroom, monkeypatch):
    """Each says what to do, and has a way out."""
    _break(app, monkeypatch, {"contacts.index": TooManyAttemptsError(), "leads.index": RuntimeError()})
    faults, windows = [], {}
    for dead in DEAD_ENDS:
        if dead.who not in windows:
            _, windows[dead.who] = entered(app, visit, showroom.people.get(dead.who))
        window = windows[dead.who]
        window.open("/security/" if showroom.people.get(dead.who) else "/sign-in")
        status = _run_into(window.page, window.url, dead, dead.path.format_map(showroom.ids))
        found = [] if status == dead.status else [f"is {status}"]
        faults += [f"{dead}: {fault}" for fault in (*found, *_without_a_way_out(window.page))]
        if PICTURES:
            take_pictures(window.page, f"error {dead.who} {dead.path} {window.page.title()}")
    assert not faults, "\n".join(["", *faults])


def _break(app: Flask, monkeypatch: pytest.MonkeyPatch, failing: dict[str, Exception]) -> None:
    def broken(error: Exception) -> Callable[..., NoReturn]:
        def fail(**given: object) -> NoReturn:
            raise error

        return fail

    for endpoint, error in failing.items():
        monkeypatch.setitem(app.view_functions, endpoint, broken(error))
    monkeypatch.setitem(app.config, "TESTING", False)  # tests are shown the error itself


def _run_into(page: Page, url: str, dead: Dead, path: str) -> int:
    with page.expect_response(url + path) as answers:
        if dead.sent is None:
            page.goto(url + path)
        else:
            page.evaluate(SEND, [path, dict(dead.sent), dead.has_token])
    page.wait_for_load_state()
    return answers.value.status


def _without_a_way_out(page: Page) -> Iterator[str]:
    if len(page.locator(".error-page h1 + p").inner_text()) < 15:
        yield "does not say what to do"
    if page.locator(".error-links .button-primary").count() != 1:
        yield "has no button that stands out, or several"
    yield from too_wide(page)
    yield from serious(page)
