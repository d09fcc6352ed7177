"""The pages of email templates."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes import rules, templates
from mailboxes.rules import RuleValues
from mailboxes.templates import Template, TemplateValues, save_template
from tenants.audit import Actor
from tenants.configuration.catalog import ORGANIZATION
from tenants.configuration.layers import override
from tenants.database import db
from tests.factories import csrf_token, make_mailbox, make_message, sign_in
from tests.webapp.reading import errors_of, judged, read, send, words_of

LIST = "/configuration/templates/"
NEW = "/configuration/templates/new"
BY = Actor("Ada")
THANKS = TemplateValues(
    "Thanks", texts={"en": ("Re: {{ message.subject }}", "Dear {{ sender.first_name }},\nthank you.")}
)


def stored(inside, world, values=THANKS):
    with inside(world):
        template = save_template(values, by=BY)
        db.session.commit()
    return template


def url_of(template, more=""):
    return f"/configuration/templates/{template.id}{more}"


def test_a_template_is_written_listed_changed_and_deleted(client, inside, ours, theirs):
    assert "No template yet" in read(client, LIST)
    page = send(client, NEW, name="Thanks", content_en="Thank you, {{ sender.name }}.")
    assert "Thanks has been saved" in page
    with inside(ours):
        template = db.session.scalar(select(Template))
    page = send(client, url_of(template), name="Many thanks", kind="html", used_for="case")
    assert "Many thanks" in words_of(read(client, LIST))
    assert "Cases" in words_of(read(client, LIST))
    assert "Deletes the template with its texts in English" in read(client, url_of(template, "/delete"))
    page = send(client, url_of(template, "/delete"))
    assert "Many thanks has been deleted" in page
    with inside(theirs):
        assert db.session.scalar(select(Template)) is None


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "Give the template a name."),
        ("name", "Taken", "A template named “Taken” is here already."),
        ("content_en", "", "The content is empty."),
        ("content_en", "Hi\n\n{{ sender.nam }}", "Line 3: {{ sender.nam }}: there is no variable sender.nam"),
        ("content_en", "{% for a in b %}{% endfor %}", "{% for %} is not available"),
        ("subject_en", "{{ order }}", "{{ order }}: there is no variable order"),
        ("kind", "pdf", "Choose HTML or plain text."),
        ("used_for", None, "Choose what the template is for."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    client, inside, ours, field, value, sentence
):
    stored(inside, ours, TemplateValues("Taken", texts={"en": ("", "x")}))
    typed = {"name": "New one", "content_en": "Thank you.", "subject_en": "Kept subject", field: value}
    page = send(client, NEW, at=NEW, expect=422, **typed)
    assert sentence in errors_of(page)
    assert ("Kept subject" in page) is (field != "subject_en")
    with inside(ours):
        assert [one.name for one in db.session.scalars(templates.templates())] == ["Taken"]


def test_each_language_of_the_configuration_has_its_texts(client, inside, ours):
    with inside(ours):
        override("general.languages", "de, fr", ORGANIZATION, by="Ada")
        db.session.commit()
    template = stored(inside, ours)
    page = read(client, url_of(template))
    for name in ("German", "French", "English"):
        assert f"Content ({name})" in page
    send(client, url_of(template), content_de="Vielen Dank.")
    with inside(ours):
        texts = templates.values_of(db.session.scalar(select(Template))).texts
    assert set(texts) == {"en", "de"}
    page = send(client, url_of(template), expect=422, content_fr="{{ x.y }}")
    assert "there is no variable x.y" in errors_of(page)


def test_a_template_in_use_says_where_and_is_not_deleted(client, inside, ours):
    template = stored(inside, ours)
    mailbox = make_mailbox(ours, label="Support")
    with inside(ours):
        rules.add_rule(mailbox, RuleValues("Everybody", template_id=template.id), by=BY)
        db.session.commit()
    assert "Support: Everybody" in words_of(read(client, LIST))
    assert "Everybody" in read(client, url_of(template))
    asked = read(client, url_of(template, "/delete"))
    assert "It is in use" in asked
    answer = client.post(url_of(template, "/delete"), data={"csrf_token": csrf_token(read(client, NEW))})
    page = judged(answer, url_of(template, "/delete"), 409)
    assert "“Everybody” (Support)" in page
    with inside(ours):
        assert db.session.scalar(select(Template)) is not None


def test_a_rules_own_response_is_no_template(client, inside, ours):
    mailbox = make_mailbox(ours)
    with inside(ours):
        rule = rules.add_rule(mailbox, RuleValues("Own", response=THANKS), by=BY)
        db.session.commit()
        own = templates.template_of(rule.template_id)
    assert "No template yet" in read(client, LIST)
    read(client, url_of(own), expect=404)


def offered(inside, world):
    with inside(world):
        template = templates.offer_system_templates()["acknowledgement"]
        db.session.commit()
    return template


def test_a_copy_of_a_systems_template_is_overridden_field_by_field(client, inside, ours, theirs):
    assert "Acknowledgement" in words_of(send(client, "/configuration/templates/offer", at=LIST))
    template = offered(inside, ours)
    page = send(client, url_of(template, "/clone"), at=url_of(template))
    assert "Acknowledgement (copy)" in page
    assert "As the system offers it" in read(client, url_of(template))
    page = send(client, url_of(template), content_en="Ours now.", follows_text_en=None, content_de="Ignored.")
    assert "Overridden here" in page
    with inside(ours):
        changed = db.session.scalar(select(Template).where(Template.id == template.id))
        texts = templates.values_of(changed).texts
        assert changed.overrides == ["text.en"]
        assert texts["en"][1] == "Ours now."
        assert texts["de"] == templates.BUILT_IN_TEMPLATES["acknowledgement"].texts["de"]
    listed = words_of(read(client, f"{LIST}?origin=changed"))
    assert "Overridden" in listed
    assert "Case received" not in listed
    page = send(client, url_of(template, "/restore"), at=url_of(template))
    assert "As the system offers it" in page


def test_a_systems_template_is_hidden_but_not_deleted(client, inside, ours):
    template = offered(inside, ours)
    answer = client.post(url_of(template, "/delete"), data={"csrf_token": csrf_token(read(client, NEW))})
    assert "Hide it instead" in judged(answer, url_of(template, "/delete"), 409)
    assert "Hidden" in words_of(send(client, url_of(template, "/hide"), at=LIST, hidden="1"))
    with inside(ours):
        assert template.id not in [one.id for one in db.session.scalars(templates.templates("message"))]
    send(client, url_of(template, "/hide"), at=LIST, hidden="0")
    with inside(ours):
        assert template.id in [one.id for one in db.session.scalars(templates.templates("message"))]


def test_the_list_is_filtered_and_says_which_languages_are_missing(client, inside, ours, theirs):
    with inside(ours):
        override("general.languages", "en, de, fr", ORGANIZATION, by="Ada")
        db.session.commit()
    stored(inside, ours)
    stored(inside, theirs, TemplateValues("Thanks from next door", texts={"en": ("", "x")}))
    both = TemplateValues("Parcel", "html", ("case",), {"en": ("", "<p>P</p>"), "de": ("", "<p>Paket</p>")})
    stored(inside, ours, both)
    page = read(client, LIST)
    assert "English is sent instead of German" in page
    assert "next door" not in page
    for query, shown in (
        ("q=paket", ["Parcel"]),
        ("q=thank", ["Thanks"]),
        ("used_for=case", ["Parcel"]),
        ("kind=plain", ["Thanks"]),
        ("language=de", ["Parcel"]),
        ("language=-de", ["Thanks"]),
        ("language=-fr", ["Parcel", "Thanks"]),
        ("origin=own", ["Parcel", "Thanks"]),
        ("origin=system", []),
    ):
        page = BeautifulSoup(read(client, f"{LIST}?{query}"), "html.parser")
        assert [cell.get_text() for cell in page.select("th[scope=row] a")] == shown, query


def test_a_long_list_is_read_page_by_page_with_as_many_queries(client, inside, ours):
    with inside(ours):
        for number in range(52):
            save_template(TemplateValues(f"T{number:02}", texts={"en": ("", "x")}), by=BY)
        db.session.commit()
    first = BeautifulSoup(read(client, LIST), "html.parser")
    assert len(first.select("th[scope=row]")) == 50
    second = read(client, first.select_one("a[rel=next]")["href"])
    assert [cell.get_text() for cell in BeautifulSoup(second, "html.parser").select("th[scope=row]")] == [
        "T50",
        "T51",
    ]


def test_what_is_sent_for_a_missing_language_is_said(client, inside, ours):
    with inside(ours):
        override("general.languages", "en, de", ORGANIZATION, by="Ada")
        db.session.commit()
    template = stored(inside, ours)
    page = words_of(read(client, url_of(template)))
    assert "Written in 1 of 2 languages. German is missing: English is sent instead." in page
    page = words_of(read(client, url_of(template, "/preview?language=de")))
    assert "There is no text in German: this one in English is sent instead." in page


def test_the_preview_is_filled_in_for_a_real_message(client, inside, ours):
    template = stored(inside, ours)
    mailbox = make_mailbox(ours)
    make_message(ours, mailbox, sender="Carla Customer <carla@customer.test>", subject="Where is it?")
    page = read(client, url_of(template, "/preview"))
    assert "Re: Where is it?" in words_of(page)
    frame = BeautifulSoup(page, "html.parser").select_one("iframe")
    assert "allow-scripts" not in frame["sandbox"]
    answer = client.get(frame["src"])
    assert "Dear Carla" in answer.text
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]


def test_the_preview_takes_an_older_message_that_the_person_may_read(client, inside, ours, monkeypatch):
    monkeypatch.setattr("webapp.responses.previews.MOST_MESSAGES", 1)
    template, mailbox = stored(inside, ours), make_mailbox(ours)
    old = make_message(ours, mailbox, subject="Older")
    make_message(ours, mailbox, subject="Newer")
    assert "Re: Newer" in words_of(read(client, url_of(template, "/preview")))
    assert "Re: Older" in words_of(read(client, url_of(template, f"/preview?message={old.id}")))


def test_the_preview_shows_no_message_that_the_person_may_not_read(client, inside, ours, theirs):
    template = stored(inside, ours)
    make_message(ours, make_mailbox(ours, readers=(ours.member,)), subject="Confidential")
    hidden = make_message(theirs, make_mailbox(theirs), subject="Foreign")
    page = read(client, url_of(template, f"/preview?message={hidden.id}"))
    assert "these values are invented" in page
    assert "Confidential" not in page
    assert "Foreign" not in page


def test_a_html_template_is_shown_without_what_could_run(client, inside, ours):
    hostile = TemplateValues("Loud", "html", texts={"en": ("", "<script>alert(1)</script><p>Hello</p>")})
    template = stored(inside, ours, hostile)
    page = read(client, url_of(template, "/preview"))
    frame = BeautifulSoup(page, "html.parser").select_one("iframe")
    body = client.get(frame["src"]).text
    assert "Hello" in body
    assert "alert" not in body


def test_a_neighbours_template_is_not_there(client, inside, theirs):
    template = stored(inside, theirs)
    for more in ("", "/delete", "/preview", "/preview/body"):
        read(client, url_of(template, more), expect=404)


def test_a_member_without_the_right_sees_no_template(app, ours):
    client = sign_in(app, ours.member)
    read(client, LIST, expect=403)


def test_what_no_database_stores_is_left_out(client):
    page = send(client, NEW, name="A\0B", subject_en="Hello", content_en="x\0y")
    assert "AB" in words_of(page)
