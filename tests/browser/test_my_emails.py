"""My Emails in a browser."""

import json
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from mailboxes.drafts import Draft
from mailboxes.inbox import read_state
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.parsing.html_text import text_of_html
from mailboxes.threads import Thread
from mailboxes.threads.tags import define_tag
from tenants.database import db, inside
from tests.factories import make_mailbox, make_message
from tests.processes import wait_for
from workers import queues

CORPUS = Path(os.environ.get("POSTROOM_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
SENDING = {"smtp_enabled": True, "smtp_host": "smtp.acme.test", "smtp_user": "help"}
SPIES = '<p>Hello</p><img src="https://spy.test/pixel.gif"><div style="background:url(https://spy.test/b.gif)">x</div>'
PAYLOADS_TRIED = 25
# How far the words of an element are from both sides of its page.
PLACE = """element => {
  const words = document.createRange();
  words.selectNodeContents(element);
  const { left, right } = words.getBoundingClientRect();
  return { left, right: document.documentElement.clientWidth - right };
}"""
# A printer that notes what can be read of each message at the moment of printing.
PRINTING = """() => { window.print = () => {
  dispatchEvent(new Event("beforeprint"));
  const text = (card) => {
    const frame = card.querySelector("iframe");
    const shown = frame ? frame.contentDocument.body : card.querySelector(".message-text");
    return (frame || shown).checkVisibility({ contentVisibilityAuto: true }) ? shown.innerText.trim() : "";
  };
  window.printed = [...document.querySelectorAll("#messages article")].map(text);
  dispatchEvent(new Event("afterprint"));
}; }"""
FIRST_LETTER_IS_SHOWN = """element => {
  const letter = document.createRange();
  letter.setStart(element.firstChild, 0);
  letter.setEnd(element.firstChild, 1);
  const { left, right } = letter.getBoundingClientRect();
  const around = element.parentElement.getBoundingClientRect();
  return right > left
    && left >= around.left - 1 && right <= around.right + 1;
}"""
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)' autofocus onfocus=alert(1)>x</a>",
    "<form action='https://evil.test'><input autofocus onfocus=alert(1)><button>Go</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.test'>",
    "<base href='https://evil.test/'><link rel=stylesheet href=x.css>",
    "<style>@import 'https://evil.test/x.css'; body{background:url(https://evil.test/x)}</style>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
)


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support", address="help@acme.test", account=SENDING)


def thread_of(world, message):
    with inside(world.id):
        return db.session.scalars(select(Thread).where(Thread.id == message.thread_id)).one()


def tell(page):
    """What the server would say when something changed."""
    page.wait_for_load_state("load")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('postroom:changed'))")


def payloads():
    """Hostile HTML: our own, and every so many of the corpus where it is there."""
    manifest = CORPUS / "manifest-xss.jsonl"
    if not manifest.exists():
        return list(HOSTILE)
    lines = manifest.read_text().splitlines()
    found = [json.loads(line)["payload"] for line in lines]
    return [*HOSTILE, *found[:: max(1, len(found) // PAYLOADS_TRIED)]]


def test_what_came_in_appears_without_a_reload(visit, ours, mailbox):
    make_message(ours, mailbox, subject="The first")
    window = visit(ours.member)
    page = window.open("/mail/")
    page.evaluate("window.isTheSamePage = true")
    expect(page.locator("#conversations .row-subject")).to_have_text(["The first"])
    make_message(ours, mailbox, subject="The second")
    for _ in range(100):  # the page may still be about to listen
        queues.tell_pages(ours.id, mailbox.id, "message")
        if page.locator("#conversations .row-subject").count() == 2:
            break
        page.wait_for_timeout(100)
    expect(page.locator("#conversations .row-subject")).to_have_text(["The second", "The first"])
    expect(page.locator(".menu-unread > summary")).to_have_accessible_name("Unread messages 2")
    assert page.evaluate("window.isTheSamePage")


def test_new_mail_is_told_by_the_computer_to_whoever_wants_that_and_looks_elsewhere(visit, ours, mailbox):
    make_message(ours, mailbox)
    window = visit(ours.member)
    window.page.add_init_script("""
        window.told = [];
        window.Notification = class extends EventTarget {
            static permission = "default";
            static async requestPermission() { return (this.permission = "granted"); }
            constructor(title, options) { super(); window.told.push([title, options.body]); }
        };
    """)
    page = window.open("/mail/")
    expect(page.locator("#unread-count")).to_have_text("1")
    page.locator(".menu-unread > summary").click()
    switch = page.get_by_role("switch", name="Tell me on this computer")
    for looks_elsewhere, number in ((True, 2), (True, 3), (False, 4)):  # not yet wanted, wanted, seen
        page.evaluate("value => { document.hasFocus = () => value; }", not looks_elsewhere)
        make_message(ours, mailbox)
        tell(page)
        expect(page.locator("#unread-count")).to_have_text(str(number))
        if number == 2:
            switch.click()
            expect(switch).to_be_checked()
        if number == 3:
            page.wait_for_function("window.told.length")  # htmx has settled what it put there
    assert page.evaluate("window.told") == [["1 more unread conversation", ours.name]]
    page.evaluate(  # as on a phone
        "() => { Notification = Object.assign(function () { throw Error(); }, { permission: 'granted' }); }"
    )
    page.evaluate("document.hasFocus = () => false")
    make_message(ours, mailbox)
    tell(page)
    expect(page.locator("#unread-count")).to_have_text("5")
    expect(switch).to_be_hidden()
    page.locator(".menu-unread > summary").click()
    with page.expect_response("**/mail/unread**"):
        page.locator(".menu-unread > summary").click()
    page.wait_for_load_state("networkidle")
    expect(switch).to_be_hidden()


def test_what_a_page_asks_for_by_itself_is_not_taken_for_somebody_at_it(visit, ours, mailbox):
    make_message(ours, mailbox)
    page = visit(ours.member).open("/mail/")
    with page.expect_request("**/mail/**") as by_itself:
        tell(page)
    assert by_itself.value.headers["x-unasked"] == "1"
    with page.expect_request(
        lambda request: "/mail/unread" in request.url and "x-unasked" not in request.headers
    ):
        page.locator(".menu-unread > summary").click()


def test_a_list_that_is_being_worked_on_does_not_jump(visit, ours, mailbox):
    make_message(ours, mailbox, subject="The first")
    page = visit(ours.member).open("/mail/")
    page.locator("#conversations [data-select]").first.check()
    make_message(ours, mailbox, subject="The second")
    tell(page)
    expect(page.locator("#news button")).to_have_text("↑ 1 new")
    expect(page.locator("#conversations .row-subject")).to_have_text(["The first"])
    page.locator("#news button").click()
    expect(page.locator("#conversations .row-subject")).to_have_text(["The second", "The first"])


def test_opening_reads_and_the_address_can_be_shared(visit, ours, mailbox):
    message = make_message(ours, mailbox, subject="Open me", text="The inside")
    make_message(ours, mailbox, subject="Another")
    window = visit(ours.member)
    page = window.open("/mail/")
    page.get_by_text("Open me").click()
    expect(page.locator("#messages .message-text")).to_contain_text("The inside")
    assert page.url == f"{window.url}/mail/conversations/{message.thread_id}"
    assert page.title().startswith("Open me")
    row = page.locator(f"#row-{message.thread_id}")
    expect(row).to_have_class(re.compile("is-current"))
    expect(row).not_to_have_class(re.compile("is-unread"))
    expect(page.locator("#unread-count")).to_have_text("1")
    with inside(ours.id):
        assert read_state.unread_count(ours.member) == 1
    page.go_back()
    expect(page.get_by_text("No conversation open")).to_be_visible()
    page.goto(f"{window.url}/mail/conversations/{message.thread_id}")
    expect(page.locator("#messages .message-text")).to_contain_text("The inside")


def test_an_open_conversation_grows_without_a_jump(visit, ours, mailbox):
    message = make_message(ours, mailbox, text="One")
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    expect(page.locator("#messages article")).to_have_count(1)
    make_message(ours, mailbox, thread=thread_of(ours, message), text="Two")
    tell(page)
    expect(page.locator("#messages article")).to_have_count(2)
    expect(page.locator("#announcer")).to_contain_text("new")
    tell(page)
    page.wait_for_load_state("networkidle")
    expect(page.locator("#messages article")).to_have_count(2)


def test_an_open_conversation_that_was_deleted_says_so_once(visit, ours, mailbox):
    message = make_message(ours, mailbox, text="One")
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    page.route("**/news?**", lambda route: route.fulfill(status=404, json={"error": "Gone"}))
    tell(page)
    expect(page.locator("#pane-main .callout")).to_contain_text("joined with another, or deleted")
    expect(page.locator("#watch")).to_have_count(0)
    expect(page.locator(".toast")).to_have_count(0)


def test_what_becomes_of_an_answer_is_seen_without_a_reload(visit, ours, mailbox):
    message = make_message(ours, mailbox)
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    page.get_by_role("button", name="Reply", exact=True).click()
    page.locator("#composer textarea").fill("Done.")
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url("**sent=**")  # the page that is left may hear of it first
    expect(page.locator("#messages article").last).to_contain_text("Queued")
    with inside(ours.id):
        db.session.scalars(select(Outgoing)).one().state = "sent"
        db.session.commit()
    tell(page)
    expect(page.locator("#messages article").last).to_contain_text("Sent")


def test_keys_lead_through_the_day(visit, ours, mailbox):
    for subject in ("Older", "Newer"):
        make_message(ours, mailbox, subject=subject)
    page = visit(ours.member).open("/mail/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator(".conversation-title")).to_contain_text("Newer")
    expect(page.locator("#pane-main")).to_be_focused()  # Space and the arrows scroll what is read
    page.keyboard.press("r")
    expect(page.locator("#composer textarea")).to_be_focused()
    page.keyboard.type("Typed by hand. ")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(page.get_by_text("No conversation open")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.keyboard.press("/")
    expect(page.locator("#header-search")).to_be_focused()


def test_a_conversation_is_tagged_and_put_away_by_keys_alone_and_so_are_many(visit, ours, mailbox):
    for subject in ("Older", "Newer"):
        message = make_message(ours, mailbox, subject=subject)
    with inside(ours.id):
        define_tag("urgent", "red")
        db.session.commit()
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    page.keyboard.press("l")
    page.keyboard.type("Urgent")
    page.keyboard.press("Enter")
    expect(page.locator("#tags")).to_have_text("urgent")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    expect(page.locator("#conversations .row-subject")).to_have_text(["Older"])
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("l")
    page.keyboard.type("urgent")
    page.keyboard.press("Enter")
    expect(page.locator("#conversations .row-tag")).to_have_text(["urgent"])


def test_an_answer_is_typed_sent_and_taken_back(visit, ours, mailbox):
    message = make_message(ours, mailbox)
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    page.get_by_role("button", name="Reply", exact=True).click()
    text = page.locator("#composer textarea")
    text.fill("We send a new one today.")
    page.wait_for_load_state()  # nobody types so fast that no script is there yet
    text.press("Control+Enter")
    expect(page.locator("#messages article").last).to_contain_text("We send a new one today.")
    expect(page.locator("#messages article").last).to_contain_text("Queued")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#composer textarea")).to_have_value("We send a new one today.")
    expect(page.locator("#messages article")).to_have_count(1)
    with inside(ours.id):
        assert db.session.scalars(select(Outgoing)).all() == []


@pytest.fixture
def writing(visit, ours, mailbox):
    """A window in which an answer is begun, the page, and what the server keeps of what is typed."""
    message = make_message(ours, mailbox, subject="Open")
    window = visit(ours.member)
    page = window.open(f"/mail/conversations/{message.thread_id}")
    page.get_by_role("button", name="Reply", exact=True).click()
    expect(page.locator("#body")).to_be_focused()

    def kept():
        with inside(ours.id):
            return db.session.scalars(select(Draft.body)).one()

    return window, page, kept


def test_what_was_typed_outlives_the_session_and_is_sent_in_the_next(writing, ours):
    window, page, kept = writing
    cookies = window.context.cookies()
    window.context.clear_cookies(name="postroom")
    page.locator("#body").fill("Typed after the session ended")
    page.keyboard.press("ControlOrMeta+Enter")
    expect(page.locator("#draft-state")).to_contain_text("Not saved: you are no longer signed in")
    assert page.get_by_role("link", name="Sign in in another tab").get_attribute("target") == "_blank"
    assert page.locator("#body").input_value() == "Typed after the session ended"
    window.context.add_cookies(cookies)
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    assert kept() == "Typed after the session ended"
    page.keyboard.press("ControlOrMeta+Enter")
    expect(page.locator("#messages article").last).to_contain_text("Typed after the session ended")


@pytest.mark.parametrize("because", ["no network", "the server starts anew"])
def test_a_draft_that_cannot_be_saved_says_so_until_it_is(writing, because):
    window, page, kept = writing
    if because == "no network":
        window.context.set_offline(True)
    else:
        page.route("**/mail/drafts/*", lambda route: route.fulfill(status=502, body="Bad Gateway"))
    page.locator("#body").fill("Typed in a tunnel")
    expect(page.locator("#draft-state")).to_contain_text("Not saved: the server does not answer")
    window.context.set_offline(False)
    page.unroute_all()
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    assert kept() == "Typed in a tunnel"


@pytest.mark.parametrize("way", ["#conversations .row-subject >> text=Another", ".places >> text=Cases"])
def test_what_was_typed_last_is_kept_however_fast_one_leaves(writing, ours, mailbox, way):
    _, page, kept = writing
    make_message(ours, mailbox, subject="Another")
    tell(page)
    leads = page.locator(way)
    expect(leads).to_be_visible()
    page.locator("#body").fill("Typed, and gone at once")
    leads.click()
    expect(page.locator("#composer")).to_have_count(0)
    wait_for(lambda: kept() == "Typed, and gone at once")  # a page that is left sends it beside the next one


def leave(page, way):
    if way == "back":
        page.go_back()
    else:
        page.locator(f"#conversations .row-subject >> text={way}").click()


@pytest.mark.parametrize(("status", "way"), [(403, "Another"), (404, "back"), (422, "Another")])
def test_a_draft_that_was_refused_is_not_left_without_a_question(writing, ours, mailbox, status, way):
    window, page, _ = writing
    make_message(ours, mailbox, subject="Another")
    tell(page)
    leave(page, "Another")
    expect(page.locator("#composer")).to_have_count(0)
    leave(page, "Open")
    expect(page.locator("#body")).to_be_focused()
    address = page.url
    page.route("**/mail/drafts/*", lambda route: route.fulfill(status=status, body="<p>Refused</p>"))
    page.locator("#body").fill("Typed for nothing?")
    expect(page.locator("#draft-state")).to_contain_text("Not saved. Copy what you typed")
    with page.expect_event("dialog"):
        leave(page, way)
    assert window.dialogs == ["Leave? What you typed here is not saved, and would be lost."]
    expect(page).to_have_url(address)
    assert page.locator("#body").input_value() == "Typed for nothing?"


@pytest.mark.parametrize("way", ["Another", "back"])
def test_a_note_is_not_left_without_a_question(visit, ours, mailbox, way):
    for subject in ("Another", "Open"):
        make_message(ours, mailbox, subject=subject)
    window = visit(ours.member)
    page = window.open("/mail/")
    leave(page, "Open")
    page.locator(".note-fold > summary").click()
    note = page.locator(".note-fold textarea")
    note.fill("Call them first")
    with page.expect_event("dialog"):
        leave(page, way)
    assert len(window.dialogs) == 1
    assert note.input_value() == "Call them first"


def test_a_draft_that_is_open_twice_is_overwritten_by_neither_tab(writing):
    window, page, kept = writing
    second = window.context.new_page()
    second.goto(page.url)
    second.locator("#body").fill("Typed in the second tab")
    expect(second.locator("#draft-state")).to_contain_text("Draft saved")
    expect(page.locator("#draft-state")).to_contain_text("You write this in another tab")
    expect(page.locator("#body")).not_to_be_editable()
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("button", name="Go on here").click()
    expect(page.locator("#body")).to_have_value("Typed in the second tab")
    assert kept() == "Typed in the second tab"


def test_a_file_that_is_too_large_does_not_travel(visit, ours, mailbox, tmp_path):
    large = tmp_path / "film.mov"
    large.write_bytes(b"x" * 11 * 1024 * 1024)
    message = make_message(ours, mailbox)
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    page.get_by_role("button", name="Reply", exact=True).click()
    page.locator("#files").set_input_files(large)
    state = page.locator("#draft-state")
    expect(state).to_contain_text("All files of one message together may have 10 MB")
    page.locator("#body").fill("Saved all the same")
    expect(state).to_contain_text("Draft saved")
    small = tmp_path / "note.txt"
    small.write_text("hello")
    page.locator("#files").set_input_files(small)
    expect(page.locator("#composer .attachment-name")).to_contain_text("note.txt")


def test_remote_images_make_no_request_until_they_are_asked_for(visit, ours, mailbox):
    message = make_message(ours, mailbox, html=SPIES)
    window = visit(ours.member)
    page = window.open(f"/mail/conversations/{message.thread_id}")
    expect(page.locator("[data-images-bar]")).to_contain_text("2 remote images are blocked")
    expect(page.frame_locator("iframe[data-message-frame]").get_by_text("Hello")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert window.strange_requests == []
    with window.context.expect_event("requestfailed", lambda one: one.url == "https://spy.test/pixel.gif"):
        page.get_by_role("button", name="Show images").click()
    expect(page.locator("[data-images-bar]")).to_have_count(0)


def test_a_frame_is_as_high_as_its_message_and_folds_quotations(visit, ours, mailbox):
    html = "<p>Top</p>" + "<p>line</p>" * 60 + "<blockquote><p>An old story</p></blockquote>"
    message = make_message(ours, mailbox, html=html)
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    frame = page.frame_locator("iframe[data-message-frame]")
    expect(frame.locator("details.quoted summary")).to_have_text("Quoted text")
    expect(frame.get_by_text("An old story")).to_be_hidden()
    page.wait_for_function("document.querySelector('iframe[data-message-frame]').offsetHeight > 1000")


def test_what_outlook_quotes_below_an_answer_is_folded_and_what_is_forwarded_is_shown(visit, ours, mailbox):
    html = (
        "<div><p>Thanks, that works.</p><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p>"
        "<b>Von:</b> Acme &lt;support@acme.test&gt;<br><b>Gesendet:</b> Freitag, 27. November 2026 10:00<br>"
        "<b>An:</b> Carla<br><b>Betreff:</b> Lamp</p></div><p>Dear Carla, here it is.</p></div>"
    )
    for subject, is_folded in (("AW: Lamp", True), ("WG: Lamp", False)):
        message = make_message(ours, mailbox, html=html, text=text_of_html(html, 1000), subject=subject)
        page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
        frame = page.frame_locator("iframe[data-message-frame]")
        expect(frame.get_by_text("Thanks, that works.")).to_be_visible()
        expect(frame.locator("details.quoted")).to_have_count(int(is_folded))
        for words in ("Gesendet:", "Dear Carla, here it is."):
            expect(frame.get_by_text(words)).to_be_visible(visible=not is_folded)


def test_a_wide_table_keeps_its_words_and_is_pushed_sideways(visit, ours, mailbox):
    cells = "".join(f"<td>Article{number}</td>" for number in range(20))
    link = f"<table width=600><tr><td>https://acme.test/{'track' * 60}</td></tr></table>"
    message = make_message(ours, mailbox, html=f"<table><tr>{cells}</tr></table>{link}")
    page = visit(ours.member, width=390).open(f"/mail/conversations/{message.thread_id}")
    frame = page.frame_locator("iframe[data-message-frame]")
    assert frame.get_by_text("Article7").evaluate("cell => cell.offsetHeight") < 40, "on one line"
    frame.get_by_text("Article19").scroll_into_view_if_needed()
    assert frame.locator("table").last.evaluate("table => table.offsetWidth") < 390, (
        "only lays out: it breaks"
    )
    assert too_wide(page) <= 0


def test_a_page_in_hebrew_begins_at_the_right_though_it_does_not_say_so(visit, ours, mailbox):
    html = "<p>שלום</p><table width=300><tr><td>אחד</td><td>שתיים</td></tr></table><p>Hello</p>"
    message = make_message(ours, mailbox, html=html)
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    frame = page.frame_locator("iframe[data-message-frame]")
    places = {words: frame.get_by_text(words).evaluate(PLACE) for words in ("שלום", "Hello", "אחד", "שתיים")}
    assert places["שלום"]["right"] < 5
    assert places["Hello"]["left"] < 5
    assert places["אחד"]["left"] < places["שתיים"]["left"], "columns stay in their order"


def test_on_paper_every_message_is_whole(visit, ours, mailbox):
    first = make_message(ours, mailbox, html="<p>Told on a page</p>", text="")
    make_message(ours, mailbox, thread=thread_of(ours, first), text="Told in plain words")
    make_message(ours, mailbox, thread=thread_of(ours, first), text="The last")
    with inside(ours.id):
        read_state.mark_read(ours.member, select(Message))
        db.session.commit()
    page = visit(ours.member).open(f"/mail/conversations/{first.thread_id}")
    folded = page.locator(".message-fold:not([open])")
    expect(folded).to_have_count(2)
    page.evaluate(PRINTING)
    page.keyboard.press("ControlOrMeta+p")
    page.wait_for_function("() => window.printed")
    assert page.evaluate("window.printed") == ["Told on a page", "Told in plain words", "The last"]
    expect(folded).to_have_count(2)


def test_a_long_conversation_begins_below_what_was_read_and_says_that_there_is_more(visit, ours, mailbox):
    first = make_message(ours, mailbox, text="The first")
    for _ in range(8):
        make_message(ours, mailbox, thread=thread_of(ours, first), text="In between")
    with inside(ours.id):
        read_state.mark_read(ours.member, select(Message))
        db.session.commit()
    make_message(ours, mailbox, thread=thread_of(ours, first), text="line\n" * 60)
    for width in (1440, 390):
        page = visit(ours.member, width=width).open("/mail/")
        page.locator("#conversations a").first.click()
        messages = page.locator("#messages article")
        expect(messages.last).to_be_in_viewport()
        expect(messages.nth(8).locator(".message-teaser")).to_be_in_viewport(ratio=1)
        expect(messages.first).not_to_be_in_viewport()


def test_words_begin_where_their_script_does_and_are_cut_only_where_the_room_ends(visit, ours, mailbox):
    hebrew = "הזמנתי מנורה לפני שבועיים והיא עדיין לא הגיעה אליי " * 3
    message = make_message(ours, mailbox, subject="Lamp", text=hebrew)
    make_message(ours, mailbox, subject=hebrew.strip(), text="Hello")
    make_message(ours, mailbox, subject="Shelf", text=hebrew)
    with inside(ours.id):
        read_state.mark_read(ours.member, select(Message))
        db.session.commit()
    make_message(ours, mailbox, thread=thread_of(ours, message), text="Well?")
    page = visit(ours.member).open(f"/mail/conversations/{message.thread_id}")
    teaser = page.locator(".conversation-row", has_text="Shelf").locator(".row-teaser")
    folded = page.locator(".message-fold:not([open])")
    for words in (*page.locator(".row-subject").all(), teaser, folded.locator(".message-teaser")):
        page.wait_for_function(FIRST_LETTER_IS_SHOWN, arg=words.element_handle())  # once all is laid out
    teaser, marks = (folded.locator(one).bounding_box() for one in (".message-teaser", ".message-marks"))
    assert teaser["x"] + teaser["width"] >= marks["x"] + marks["width"]


def test_nothing_runs_in_the_frame_of_a_message(visit, ours, mailbox):
    tried = payloads()
    window = visit(ours.member)
    for payload in tried:
        message = make_message(ours, mailbox, html=f"<p>before</p>{payload}<p>after</p>")
        window.open(f"/mail/messages/{message.id}/body")
        window.page.evaluate("document.querySelectorAll('a, button').forEach((e) => e.focus())")
    assert window.dialogs == []
    assert window.strange_requests == []


def test_the_same_payloads_do_run_where_nothing_defends(browser):
    """Otherwise the test above would prove nothing."""
    page = browser.new_page()
    hits = []
    page.on("dialog", lambda dialog: (hits.append(1), dialog.dismiss()))
    for payload in HOSTILE[:5]:
        page.goto("about:blank")
        page.set_content(f"<p>before</p>{payload}")
        page.wait_for_timeout(100)
    page.close()
    assert len(hits) >= 4


@pytest.mark.parametrize("width", [360, 640, 1000, 1440])
def test_nothing_scrolls_sideways(visit, ours, mailbox, width):
    long = "Averylongwordwithoutanyspaces" * 8
    message = make_message(
        ours,
        mailbox,
        subject=f"Re: {long}",
        text=f"{long}\n" * 3,
        html=f"<table width=2000><tr><td>{long}</td></tr></table>",
        sender=f"{long} <{long[:50]}@customer.test>",
        is_from_new_sender=True,
        attachments=((f"{long}.pdf", "application/pdf", b"x"),),
    )
    window = visit(ours.member, width=width)
    for path in (
        "/mail/",
        f"/mail/conversations/{message.thread_id}",
        f"/mail/messages/{message.id}/original",
    ):
        page = window.open(path)
        page.wait_for_load_state("networkidle")
        assert too_wide(page) <= 0, f"{path} is {too_wide(page)} px too wide"
        for menu in page.locator(".conversation-head .menu-summary").all():
            menu.click()
            assert too_wide(page) <= 0, f"{path} is {too_wide(page)} px too wide with a menu open"


def too_wide(page):
    """By how much the page, or one of its panes, is wider than what is seen of it."""
    return page.evaluate(
        """() => Math.max(...[document.documentElement, ...document.querySelectorAll(".pane")]
            .map(part => part.scrollWidth - part.clientWidth))"""
    )


def test_a_long_sender_makes_a_new_message_no_wider_than_a_phone(visit, ours, mailbox):
    address = f"{'returns' * 8}@acme.test"
    make_mailbox(ours, label="Returns, repairs and complaints", address=address, account=SENDING)
    page = visit(ours.member, width=360).open("/mail/")
    page.locator(".pane-nav-open").click()
    page.get_by_role("button", name="New message").click()
    expect(page.get_by_label("From")).to_be_visible()
    assert too_wide(page) <= 0


def test_a_long_word_in_an_answer_makes_nothing_wider(visit, ours, mailbox):
    message = make_message(ours, mailbox)
    page = visit(ours.member, width=1100).open(f"/mail/conversations/{message.thread_id}")
    page.get_by_role("button", name="Reply", exact=True).click()
    page.locator("#body").fill("https://acme.test/" + "averylongaddress" * 30)
    assert too_wide(page) <= 0


def test_a_phone_shows_one_pane_with_a_way_back(visit, ours, mailbox):
    make_message(ours, mailbox, subject="Pocket size")
    page = visit(ours.member, width=390, height=844).open("/mail/")
    page.get_by_text("Pocket size").click()
    expect(page.locator(".conversation-title")).to_be_visible()
    expect(page.locator("#list")).to_be_hidden()
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("#list")).to_be_visible()


def test_without_scripts_everything_can_still_be_done(visit, ours, mailbox):
    make_message(ours, mailbox, subject="Plain old web")
    page = visit(ours.member, java_script_enabled=False).open("/mail/")
    page.get_by_text("Plain old web").click()
    page.get_by_role("button", name="Mark as read").click()
    page.get_by_role("button", name="Reply", exact=True).click()
    page.locator("#composer textarea").fill("Answered without scripts")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#messages article").last).to_contain_text("Answered without scripts")
    with inside(ours.id):
        assert read_state.unread_count(ours.member) == 0
        assert db.session.scalars(select(Message).where(Message.direction == "out")).one()
