"""Impatient hands: what is pressed twice is done once."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from mailboxes.crm.leads import Lead
from tenants.database import db, inside
from tests.factories import make_mailbox, make_message

# Pressed one after the other, in a browser that sends nothing.
PRESS = """(form, buttons) => buttons.map((button) => {
  delete form.dataset.leaving;
  let isSent;
  const stop = (event) => { isSent = !event.defaultPrevented; event.preventDefault(); };
  addEventListener("submit", stop, { once: true });
  form.requestSubmit(form.querySelector(button));
  return { isSent, isLeaving: "leaving" in form.dataset };
})"""


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


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


def test_what_is_swallowed_as_pressed_twice_leaves_a_draft_as_it_is(visit, ours, theirs, mailbox):
    page = visit(ours.member).open(f"/mail/conversations/{make_message(ours, mailbox).thread_id}")
    page.get_by_role("button", name="Reply", exact=True).click()
    form, files, send = page.locator("form[data-draft]"), "[data-upload]", "[data-send]"
    expect(form).to_be_visible()
    page.wait_for_load_state()  # until then nobody listens to it
    # another button of the same form is no second press
    assert form.evaluate(PRESS, [files, send, send, files]) == [
        {"isSent": True, "isLeaving": True},
        {"isSent": True, "isLeaving": True},
        {"isSent": False, "isLeaving": False},
        {"isSent": True, "isLeaving": True},
    ]
