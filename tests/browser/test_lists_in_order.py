"""Lists that people put in order: by dragging a row, and by the arrow keys on its handle."""

import pytest
from playwright.sync_api import expect

from mailboxes.crm.lead_sources import lead_sources, offer_lead_sources
from tenants.database import db, inside

SOURCES = "/configuration/lead-sources/"


@pytest.fixture
def page(visit, ours, theirs):
    with inside(ours.id):
        offer_lead_sources()
        db.session.commit()
    return visit(ours.admin).open(SOURCES)


def stored(world):
    with inside(world.id):
        return [one.name for one in db.session.scalars(lead_sources())]


def shown(page):
    return page.locator("[data-sort-id] th a").all_inner_texts()


def test_a_row_is_dragged_to_its_place(page, ours):
    handle = page.get_by_role("button", name="Move Phone with the arrow keys")
    first = page.locator("[data-sort-id]").first.bounding_box()
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 5, first["y"] + 5, steps=5)
    page.mouse.up()
    expect(page.locator("#toasts")).to_contain_text("Order saved")
    expect(page.get_by_text("The order is this organization’s own.")).to_be_visible()
    assert shown(page) == stored(ours) == ["Phone", "Email", "Web form", "Referral", "Demand Generation"]


def test_a_row_walks_by_the_arrow_keys_and_says_where_it_is(page, ours):
    handle = page.get_by_role("button", name="Move Email with the arrow keys")
    handle.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#announcer")).to_have_text("Place 3 of 5")
    expect(handle).to_be_focused()
    expect(page.locator("#toasts")).to_contain_text("Order saved")
    assert stored(ours)[:3] == ["Web form", "Phone", "Email"]
