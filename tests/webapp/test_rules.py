"""The pages of auto-response rules."""

import itertools
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, select

from mailboxes import rules, templates
from mailboxes.conditions import MOST_CONDITIONS, Condition
from mailboxes.rules import AutoResponseRule, RuleValues, rules_of
from mailboxes.templates import Template, TemplateValues, save_template
from tenants.audit import Actor
from tenants.configuration.layers import override
from tenants.database import db, now
from tests.factories import csrf_token, make_mailbox, make_message, make_user, sign_in
from tests.webapp.reading import errors_of, form_values, judged, read, send, words_of
from tests.webapp.test_leads import may_do
from webapp.mailboxes.door import Door
from webapp.responses import trials
from webapp.responses.rule_forms import MOST_ROWS

BY = Actor("Ada")
THANKS = TemplateValues("Thanks", texts={"en": ("Hi", "Thank you")})
INVOICE = Condition("subject", "contains", "invoice")


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support")


def url_of(mailbox, more=""):
    return f"/configuration/mailboxes/{mailbox.id}{more}"


def stored(inside, world, mailbox, *names, **given):
    with inside(world):
        made = [
            rules.add_rule(mailbox, RuleValues(name, **{"response": THANKS, **given}), by=BY)
            for name in names
        ]
        db.session.commit()
    return made


def names(inside, world, mailbox):
    with inside(world):
        return [rule.name for rule in db.session.scalars(rules_of(mailbox))]


def condition_fields(html):
    page = BeautifulSoup(html, "html.parser")
    return [control["name"] for control in page.select(".condition-list select[name$='-field']")]


def press(client, url, **values):
    """A button of the list on the mailbox's page."""
    token = csrf_token(client.get(url).text)
    return judged(client.post(url, data={"csrf_token": token, **values}, follow_redirects=True), url, 200)


def test_a_rule_is_written_with_a_response_of_its_own_and_listed(client, inside, ours, mailbox):
    page = read(client, url_of(mailbox))
    assert "Nobody who writes to this mailbox gets an automatic response" in page
    row = {
        "conditions-0-field": "header",
        "conditions-0-header": "X-Priority",
        "conditions-0-operator": "is_equal_to",
        "conditions-0-value": "1",
    }
    page = send(client, url_of(mailbox, "/rules/new"), name="Urgent", content_en="At once!", **row)
    shown = words_of(page)
    assert "Urgent has been saved" in shown
    assert "X-Priority is equal to “1”" in shown
    assert "Custom" in shown
    with inside(ours):
        rule = db.session.scalar(select(AutoResponseRule))
        assert rule.conditions == [{"field": "header:X-Priority", "operator": "is_equal_to", "value": "1"}]
    page = read(client, url_of(mailbox, f"/rules/{rule.id}"))
    filled = form_values(page, url_of(mailbox, f"/rules/{rule.id}"))
    assert filled["conditions-0-header"] == "X-Priority"
    assert filled["content_en"] == "At once!"


def test_without_conditions_a_rule_is_for_every_message_and_the_form_says_so(client, inside, ours, mailbox):
    page = read(client, url_of(mailbox, "/rules/new"))
    assert "every message" in BeautifulSoup(page, "html.parser").select_one(".conditions-none").text
    page = send(client, url_of(mailbox, "/rules/new"), name="All", content_en="Thanks.")
    assert "Every message" in words_of(page)


def test_a_rule_answers_with_a_template(client, inside, ours, mailbox):
    with inside(ours):
        template = save_template(THANKS, by=BY)
        db.session.commit()
    page = send(
        client,
        url_of(mailbox, "/rules/new"),
        name="Shared",
        template_id=str(template.id),
        content_en="kept out",
        saves="y",
    )
    assert "Thanks" in words_of(page)
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Template)) == 1


def test_a_response_becomes_a_template_for_everybody(client, inside, ours, mailbox):
    new = url_of(mailbox, "/rules/new")
    page = send(client, new, at=new, expect=422, name="First", content_en="Thanks.", saves="y", save_as=" ")
    assert "Give the template a name." in errors_of(page)
    send(client, new, name="First", content_en="Thanks.", saves="y", save_as="Thanks")
    with inside(ours):
        assert [one.name for one in db.session.scalars(templates.templates())] == ["Thanks"]
    page = send(client, new, at=new, expect=422, name="Second", content_en="x", saves="y", save_as="Thanks")
    assert "A template named “Thanks” is here already." in errors_of(page)
    assert names(inside, ours, mailbox) == ["First"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": ""}, "Give the rule a name."),
        ({"content_en": ""}, "Write the content in at least one language."),
        (
            {"content_en": "Hello\n{{ sender.nam }}"},
            "Line 2: {{ sender.nam }}: there is no variable sender.nam",
        ),
        ({"conditions-0-value": ""}, "Type what to compare with."),
        ({"conditions-0-field": "header"}, "Type the name of a header, such as X-Priority."),
        ({"conditions-0-field": "colour"}, "Choose the part of the message to look at."),
        ({"conditions-0-operator": "matches"}, "Choose how to compare."),
        ({"conditions-0-operator": "is_any_of", "conditions-0-value": ","}, "Type the values"),
    ],
)
def test_what_is_wrong_is_said_at_its_row_or_field_and_what_was_typed_stays(
    client, inside, ours, mailbox, typed, sentence
):
    good = {
        "name": "Kept name",
        "content_en": "Thanks.",
        "conditions-0-field": "subject",
        "conditions-0-operator": "contains",
        "conditions-0-value": "invoice",
        "conditions-1-field": "from",
        "conditions-1-operator": "ends_with",
        "conditions-1-value": "@kept.test",
    }
    page = send(client, url_of(mailbox, "/rules/new"), expect=422, **good | typed)
    assert sentence in errors_of(page)
    assert "@kept.test" in page
    assert names(inside, ours, mailbox) == []


def test_rows_are_added_and_removed_without_scripts(client, inside, ours, mailbox):
    new = url_of(mailbox, "/rules/new")
    page = send(client, new, name="Typed", add_condition="1", content_en="Kept text")
    assert condition_fields(page) == ["conditions-0-field"]
    assert "Kept text" in page
    rows = {f"conditions-{place}-value": f"value {place}" for place in range(3)}
    operators = {f"conditions-{place}-operator": "contains" for place in range(3)}
    page = send(client, new, name="Typed", remove_condition="1", **rows, **operators)
    assert condition_fields(page) == ["conditions-0-field", "conditions-1-field"]
    assert "value 0" in page
    assert "value 1" not in page
    assert "value 2" in page
    assert names(inside, ours, mailbox) == []


@pytest.mark.parametrize("row", ["3", "-1", "²", "٣", "9" * 5_000])
def test_a_row_that_there_is_not_is_not_removed(client, inside, ours, theirs, mailbox, row):
    rows = {"conditions-0-value": "value 0", "conditions-0-operator": "contains"}
    page = send(client, url_of(mailbox, "/rules/new"), expect=422, remove_condition=row, **rows)
    assert condition_fields(page) == ["conditions-0-field"]


def test_conditions_without_end_are_counted_and_few_too_many_are_kept(client, inside, ours, mailbox):
    new = url_of(mailbox, "/rules/new")
    typed = {"name": "Long", "content_en": "Thanks."}
    for count in (MOST_CONDITIONS + 1, 40 * MOST_CONDITIONS):
        rows = {f"conditions-{place}-value": f"value {place}" for place in range(count)}
        page = send(client, new, expect=422, **typed, **rows)
        assert f"at most {MOST_CONDITIONS} conditions" in errors_of(page)
        assert len(condition_fields(page)) == min(count, MOST_ROWS)
        page = send(client, new, add_condition="1", **typed, **rows)
        assert len(condition_fields(page)) == min(count + 1, MOST_ROWS)
    assert names(inside, ours, mailbox) == []


def test_rules_are_moved_switched_and_deleted_from_the_list(client, inside, ours, mailbox):
    first, second = stored(inside, ours, mailbox, "First", "Second")
    page_url = url_of(mailbox)
    token = csrf_token(client.get(page_url).text)
    client.post(f"{page_url}/rules/{second.id}/move", data={"csrf_token": token, "direction": "up"})
    assert names(inside, ours, mailbox) == ["Second", "First"]
    client.post(f"{page_url}/rules/{second.id}/move", data={"csrf_token": token, "direction": "down"})
    assert names(inside, ours, mailbox) == ["First", "Second"]
    client.post(f"{page_url}/rules/{first.id}/switch", data={"csrf_token": token, "active": "0"})
    with inside(ours):
        assert not rules.rule_of(mailbox, first.id).is_active
    assert 'aria-checked="false"' in read(client, page_url)
    assert "the response that is its own" in read(client, f"{page_url}/rules/{first.id}/delete")
    page = send(client, f"{page_url}/rules/{first.id}/delete")
    assert "First has been deleted" in page
    assert names(inside, ours, mailbox) == ["Second"]


def test_a_rule_is_tried_on_recent_messages_without_being_saved(client, inside, ours, mailbox):
    make_message(
        ours, mailbox, subject="Your invoice 17", to=mailbox.address, may_respond=True, is_opening=True
    )
    make_message(ours, mailbox, subject="Hello there", to=mailbox.address)
    automatic = (("Auto-Submitted", "auto-replied"),)
    make_message(ours, mailbox, subject="Re: invoice", to=mailbox.address, headers=automatic)
    page = send(
        client,
        url_of(mailbox, "/rules/new"),
        **{
            "try": "1",
            "conditions-0-field": "subject",
            "conditions-0-operator": "contains",
            "conditions-0-value": "invoice",
        },
    )
    table = BeautifulSoup(page, "html.parser").select_one("#try table")
    results = {
        row.select_one("th").get_text(strip=True): row.select("td")[-1].get_text(" ", strip=True)
        for row in table.select("tbody tr")
    }
    assert results["Hello there"].startswith("Does not match")
    assert "a machine sent it" in results["Re: invoice"]
    assert results["Your invoice 17"].startswith(("Would answer", "Matches"))
    assert names(inside, ours, mailbox) == []
    page = send(
        client, url_of(mailbox, "/rules/new"), expect=422, **{"try": "1", "conditions-0-operator": "contains"}
    )
    assert "Type what to compare with." in errors_of(page)


def test_a_rule_behind_one_that_takes_every_message_is_never_asked_and_says_so(client, inside, ours, theirs):
    stored(inside, theirs, make_mailbox(theirs), theirs.canary)
    mailbox = make_mailbox(ours, account={"smtp_enabled": True, "smtp_host": "smtp.acme.test"})
    stored(inside, ours, mailbox, "Asleep", is_active=False)
    stored(inside, ours, mailbox, "Everybody")
    (behind,) = stored(inside, ours, mailbox, "Invoices", conditions=(INVOICE,))
    given = {"to": mailbox.address, "may_respond": True, "is_opening": True}
    make_message(ours, mailbox, subject="Your invoice 17", **given)
    rows = BeautifulSoup(read(client, url_of(mailbox)), "html.parser").select("#rules tbody tr")
    said = [row.get_text(" ", strip=True) for row in rows]
    assert ["Never asked: “Everybody” stands before it" in words for words in said] == [False, False, True]
    typed = {"field": "subject", "operator": "contains", "value": "invoice"}
    values = {"try": "1", **{f"conditions-0-{name}": value for name, value in typed.items()}}
    for page_of in ("/rules/new", f"/rules/{behind.id}"):
        page = send(client, url_of(mailbox, page_of), **values)
        assert "0 of 1 message would be answered by this rule" in words_of(page)
        assert "“Everybody” stands before it and matches, too." in words_of(page)
    with inside(ours):
        rules.move_rule(rules.rule_of(mailbox, behind.id), 1, by=BY)
        db.session.commit()
    page = send(client, url_of(mailbox, f"/rules/{behind.id}"), **values)
    assert "1 of 1 message would be answered" in words_of(page)


def test_a_rule_is_tried_on_a_month_and_what_matches_is_shown(client, ours, theirs, mailbox):
    for days, subject in ((1, "Invoice 1"), (2, "Hello"), (29, "Invoice 2"), (31, "Invoice of old")):
        shown_at = now() - timedelta(days=days)
        make_message(ours, mailbox, subject=subject, to=mailbox.address, shown_at=shown_at, is_opening=True)
    make_message(theirs, make_mailbox(theirs), subject=f"Invoice {theirs.canary}")
    typed = {"field": "subject", "operator": "contains", "value": "invoice"}
    values = {f"conditions-0-{name}": value for name, value in typed.items()}
    page = send(client, url_of(mailbox, "/rules/new"), **{"try": "days", **values})
    found = BeautifulSoup(page, "html.parser").select_one("#try")
    assert [row.get_text(strip=True) for row in found.select("tbody th")] == ["Invoice 1", "Invoice 2"]
    words = " ".join(found.get_text().split())  # it sends through no server yet
    assert "0 of 3 messages of the last 30 days would be answered by this rule." in words
    assert "2 match and would not be answered." in words
    values["conditions-0-value"] = "parcel"
    page = send(client, url_of(mailbox, "/rules/new"), **{"try": "days", **values})
    found = BeautifulSoup(page, "html.parser").select_one("#try")
    assert "0 of 3 messages" in " ".join(found.get_text().split())
    assert found.select("table") == []


def test_a_rule_is_tried_on_messages_with_certain_words(client, ours, theirs, mailbox):
    for subject in ("Invoice for a lamp", "Invoice for a table"):
        make_message(ours, mailbox, subject=subject, to=mailbox.address, is_opening=True)
    make_message(ours, make_mailbox(ours), subject="Invoice for a lamp elsewhere")
    make_message(theirs, make_mailbox(theirs), subject=f"A lamp {theirs.canary}")
    for which in ("latest", "days"):
        page = send(client, url_of(mailbox, "/rules/new"), **{"try": which, "try_words": " LAMP "})
        found = BeautifulSoup(page, "html.parser").select_one("#try")
        assert [row.get_text(strip=True) for row in found.select("tbody th")] == ["Invoice for a lamp"]
        assert found.select_one("[name=try_words]")["value"] == " LAMP "
    page = send(client, url_of(mailbox, "/rules/new"), **{"try": "latest", "try_words": "parcel"})
    assert "Nothing to try on" in words_of(page)
    values = {"try": "latest", "try_words": "x" * 201}
    page = send(client, url_of(mailbox, "/rules/new"), expect=422, **values)
    assert "Use at most 200 characters." in errors_of(page)


def test_loops_are_rehearsed_with_the_limits_of_the_organization(app, inside, ours, theirs):
    mailbox = make_mailbox(ours, readers=(ours.member,))
    client = sign_in(app, ours.admin)  # who reads no message of it

    def answers():
        page = send(client, url_of(mailbox, "/rules/new"), **{"try": "loops"})
        rows = BeautifulSoup(page, "html.parser").select("#try tbody tr")
        return {row.th.get_text(strip=True): row.select("td")[1].get_text(strip=True) for row in rows}

    hourly = "It answers everything an hour later"
    assert answers()[hourly] == "1"
    with inside(ours):
        override("response.window_hours", "1", "organization", by="test")
        db.session.commit()
    assert answers()[hourly] == "2"


def test_a_trial_that_takes_long_says_which_messages_it_tried(client, ours, mailbox, monkeypatch):
    for hours in (1, 2, 3):
        make_message(ours, mailbox, to=mailbox.address, shown_at=now() - timedelta(hours=hours))
    clock = itertools.count(step=trials.SECONDS / 2.5)
    monkeypatch.setattr(trials, "monotonic", lambda: next(clock))
    page = send(client, url_of(mailbox, "/rules/new"), **{"try": "days"})
    words = " ".join(BeautifulSoup(page, "html.parser").select_one("#try").get_text().split())
    assert "0 of the latest 2 messages of the last 30 days would be answered" in words


def test_trying_a_rule_shows_no_message_to_whom_has_no_access(app, inside, ours, theirs):
    closed = make_mailbox(ours, readers=(ours.member,))
    make_message(ours, closed, subject=f"Salaries {ours.canary}", to=closed.address)
    page = send(sign_in(app, ours.admin), url_of(closed, "/rules/new"), expect=422, **{"try": "1"})
    assert "you have no access to this mailbox" in errors_of(page)
    assert "Salaries" not in page


def test_trying_a_rule_shows_no_message_to_a_system_administrator(app, ours, theirs):
    mailbox = make_mailbox(ours)
    make_message(ours, mailbox, subject=f"Salaries {ours.canary}", to=mailbox.address)
    client = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    url = f"/system/organizations/{ours.id}/mailboxes/{mailbox.id}/rules/new"
    page = send(client, url, expect=422, **{"try": "1"})
    assert "you have no access to this mailbox" in page
    assert "Salaries" not in page


def test_a_neighbours_rule_and_another_mailboxs_rule_are_not_there(client, inside, ours, theirs, mailbox):
    theirs_box = make_mailbox(theirs)
    (foreign,) = stored(inside, theirs, theirs_box, "Foreign")
    (other,) = stored(inside, ours, make_mailbox(ours), "Other")
    token = csrf_token(client.get(url_of(mailbox)).text)
    for where, rule in ((mailbox, foreign), (theirs_box, foreign), (mailbox, other)):
        read(client, url_of(where, f"/rules/{rule.id}"), expect=404)
        for act in ("move", "switch", "delete"):
            answer = client.post(url_of(where, f"/rules/{rule.id}/{act}"), data={"csrf_token": token})
            assert answer.status_code == 404
    assert names(inside, theirs, theirs_box) == ["Foreign"]


def test_a_template_of_a_neighbour_cannot_be_chosen(client, inside, ours, theirs, mailbox):
    with inside(theirs):
        template = save_template(THANKS, by=BY)
        db.session.commit()
    page = send(client, url_of(mailbox, "/rules/new"), expect=422, name="Sly", template_id=str(template.id))
    assert "Write the content" in errors_of(page)


def test_who_may_not_make_templates_makes_none_by_a_rule(app, inside, ours, theirs, mailbox):
    new = url_of(mailbox, "/rules/new")
    client = sign_in(app, may_do(ours, "mailbox.manage"))
    assert 'name="saves"' not in read(client, new)
    assert 'name="saves"' in read(sign_in(app, ours.admin), new)
    send(client, new, expect=403, name="First", content_en="Hi", saves="y", save_as="For all")
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Template)) == 0
    send(client, new, name="First", content_en="Hi")
    assert names(inside, ours, mailbox) == ["First"]


def test_the_systems_administrators_may_make_templates_by_a_rule(app, inside, ours, theirs, mailbox):
    client = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    new = f"/system/organizations/{ours.id}/mailboxes/{mailbox.id}/rules/new"
    send(client, new, name="First", content_en="Hi", saves="y", save_as="For all")
    with inside(ours):
        assert [one.name for one in db.session.scalars(templates.templates())] == ["For all"]


def test_without_permissions_nobody_makes_templates_by_a_rule(app):
    with app.test_request_context():  # a guard that read none
        assert not Door("mailboxes", [], [], "").may_make_templates


def test_a_member_without_the_right_sees_no_rules(app, ours, mailbox):
    client = sign_in(app, ours.member)
    read(client, url_of(mailbox, "/rules/new"), expect=403)
