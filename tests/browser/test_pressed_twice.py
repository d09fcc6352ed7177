"""Impatient hands: what is pressed twice is done once."""

from playwright.sync_api import expect
from sqlalchemy import select

from mailboxes.crm.leads import Lead
from tenants.database import db, inside


def test_a_form_that_is_pressed_twice_is_sent_once(visit, ours, theirs):
    page = visit(ours.admin).open("/leads/new")
    page.locator("input[name=name]").fill("Once")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    # 20 ms apart, as fingers are
    page.locator("form").filter(has=page.locator("input[name=name]")).evaluate(
        "form => { form.requestSubmit(); setTimeout(() => form.requestSubmit(), 20) }"
    )
    expect(page.get_by_text("The lead “Once” was made.")).to_be_visible()
    assert len(sent) == 1
    with inside(ours.id):
        assert list(db.session.scalars(select(Lead.name))) == ["Once"]
