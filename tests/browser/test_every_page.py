"""Every page in a real browser: nothing scrolls sideways, and axe finds nothing serious, by day and night.

``POSTROOM_PICTURES=/some/folder`` keeps a picture of each page, at 1440 and 390 pixels, light and dark: to
be looked at.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.factories import sign_in
from tests.showroom import furnish
from tests.webapp.pages import PAGES

PICTURES = os.environ.get("POSTROOM_PICTURES", "")
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SERIOUS = {"serious", "critical"}
BY_DAY = {"resultTypes": ["violations"]}
BY_NIGHT = {**BY_DAY, "runOnly": {"type": "rule", "values": ["color-contrast"]}}  # the rest is as by day
AXE = Axe()


@pytest.fixture
def showroom(app):
    return furnish(app)


def test_every_page_is_within_everybodys_reach(app, visit, showroom):
    faults = []
    for who, paths in PAGES.items():
        window = visit(None, reduced_motion="reduce")
        enter(app, window, showroom.people.get(who))
        for path in paths:
            page = window.open(path.format_map(showroom.ids))
            faults += [f"{who}, {path}: {fault}" for fault in faults_of(page)]
            if PICTURES:
                take_pictures(page, f"{who} {path}")
    assert not faults, "\n".join(["", *faults])


def enter(app, window, user):
    """Sign in without the form, as `visit` does for members."""
    if user is not None:
        token = sign_in(app, user).get_cookie("postroom").value
        window.context.add_cookies([{"name": "postroom", "value": token, "url": window.url}])


def faults_of(page: Page) -> Iterator[str]:
    """What somebody would stumble over."""
    page.set_viewport_size(PHONE)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        yield f"scrolls sideways by {wider} pixels on a phone"
    page.set_viewport_size(DESKTOP)
    for scheme, options in (("light", BY_DAY), ("dark", BY_NIGHT)):
        page.emulate_media(color_scheme=scheme)
        for violation in AXE.run(page, options=options).response["violations"]:
            if violation["impact"] in SERIOUS:
                where = violation["nodes"][0]
                yield f"{scheme}: {violation['help']}: {where['html'][:200]} {where['failureSummary']}"


def take_pictures(page: Page, name: str) -> None:
    """The whole page, as it is on a desk and on a phone."""
    name = re.sub(r"[^a-z]+", "-", name.lower())[:90]
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=Path(PICTURES) / f"{name}.{size['width']}.{scheme}.png", full_page=True)
