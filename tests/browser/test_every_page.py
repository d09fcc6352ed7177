"""Every page in a real browser: nothing scrolls sideways, and axe finds nothing serious, by day and night.

``POSTROOM_PICTURES=/some/folder`` keeps a picture of each page, at 1440 and 360 pixels, light and dark: to
be looked at.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import template_rendered
from playwright.sync_api import Page

from tests.factories import sign_in
from tests.webapp.pages import PAGES

PICTURES = os.environ.get("POSTROOM_PICTURES", "")
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 780}
SERIOUS = {"serious", "critical"}
BY_DAY = {"resultTypes": ["violations"], "preload": False}  # nothing here plays sound
BY_NIGHT = {**BY_DAY, "runOnly": {"type": "rule", "values": ["color-contrast"]}}  # the rest is as by day
SHELL_APART = {"exclude": [["header.top"], ["aside.sidebar"]]}  # the same on every page of a visitor
AXE = Axe()
# What breaks a rule weighs what the rule weighs: those of less weight would not be told, and are not asked.
# No source is written down: it would be that of each element that a rule looks at, with all that is in it.
RUN = """
async ([context, options]) => {
    const lesser = axe._audit.rules.filter(rule => ['minor', 'moderate'].includes(rule.impact));
    const rules = Object.fromEntries(lesser.map(rule => [rule.id, {enabled: false}]));
    axe.configure({noHtml: true});
    const found = await axe.run(context.exclude ? context : document, {...options, rules});
    return found.violations.map(({impact, help, nodes: [first]}) => (
        {impact, help, where: first.target.join(' '), summary: first.failureSummary}
    ));
}
"""
# What shows all that it holds, or says with "…" that there is more.
WHOLE = ".pane, .table-stack tbody :is(th, td), .place-label, .conversation-head .toolbar"
CUT = """selector => [...document.querySelectorAll(selector)]
    .filter(part => part.checkVisibility() && part.scrollWidth > part.clientWidth + 1)
    .map(part => `${part.className || part.tagName} “${part.textContent.trim().slice(0, 60)}”`)"""
AS_MEANT = {200, 403, 404}  # the last two are pages, too


@pytest.fixture
def rendered(app):
    """The templates that were rendered since it was last emptied."""
    names = set()

    def note(sender, template, context, **more):
        names.add(template.name)

    with template_rendered.connected_to(note, app):
        yield names


@pytest.mark.long
@pytest.mark.timeout(900)  # a hundred pages; on a quiet machine two minutes
def test_every_page_is_within_everybodys_reach(app, visit, showroom, rendered):
    """The test client opens each page, the browser each template once; for pictures, every page."""
    faults, known = [], set()
    for who, paths in PAGES.items():
        client, window = entered(app, visit, showroom.people.get(who))
        for path in paths:
            address = path.format_map(showroom.ids)
            rendered.clear()
            assert client.get(address, follow_redirects=True).status_code in AS_MEANT, path
            if rendered <= known and not PICTURES:
                continue
            known |= rendered
            page = window.open(address)
            found = (*too_wide(page), *serious(page, whole=path == paths[0]))
            faults += [f"{who}, {path}: {fault}" for fault in found]
            if PICTURES:
                take_pictures(page, f"{who} {path}")
    assert not faults, "\n".join(["", *faults])


def entered(app, visit, user):
    """A client and a window in which somebody has signed in."""
    window = visit(None, reduced_motion="reduce")
    if user is None:
        return app.test_client(), window
    client = sign_in(app, user)
    token = client.get_cookie("postroom").value
    window.context.add_cookies([{"name": "postroom", "value": token, "url": window.url}])
    return client, window


def too_wide(page: Page) -> Iterator[str]:
    """Whether a phone has to scroll sideways, or cuts something off."""
    page.set_viewport_size(PHONE)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        yield f"scrolls sideways by {wider} pixels on a phone"
    yield from (f"cut off on a phone: {part}" for part in page.evaluate(CUT, WHOLE))
    page.set_viewport_size(DESKTOP)


def serious(page: Page, *, whole: bool = True) -> Iterator[str]:
    """What axe finds, once for each template; in head and menu only of a ``whole`` page."""
    page.evaluate(AXE.axe_script)
    for scheme, options in (("light", BY_DAY), ("dark", BY_NIGHT)):
        page.emulate_media(color_scheme=scheme)
        given = {} if whole else SHELL_APART
        for found in page.evaluate(RUN, [given, options]):
            if found["impact"] in SERIOUS:
                yield f"{scheme}: {found['help']}: {found['where']} {found['summary']}"
    page.emulate_media(color_scheme="light")


def take_pictures(page: Page, name: str) -> None:
    """The whole page, as it is on a desk and on a phone."""
    name = re.sub(r"[^a-z]+", "-", name.lower())[:90]
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=Path(PICTURES) / f"{name}.{size['width']}.{scheme}.png", full_page=True)
