"""Templates of an organization: saved, copied, offered and filled in."""

import pytest
from sqlalchemy import select

from mailboxes import templates
from mailboxes.templates import (
    BUILT_IN_TEMPLATES,
    InvalidTemplateError,
    Template,
    TemplateValues,
    choose_language,
    clone_template,
    name_template,
    offer_system_templates,
    render,
    save_template,
    use_system_template,
    values_of,
)
from mailboxes.templating import check_source
from tenants.audit import Actor, entries
from tenants.database import db
from tenants.errors import NotFoundError

BY = Actor("Ada")
HELLO = TemplateValues("Hello", "plain", ("message",), {"en": ("Hi", "Hi"), "de": ("Hallo", "Hallo")})


def test_a_saved_template_is_listed_and_on_the_record(ours, inside):
    with inside(ours):
        template = save_template(HELLO, by=BY)
        assert values_of(template) == TemplateValues(
            "Hello", "plain", ("message",), {"de": ("Hallo", "Hallo"), "en": ("Hi", "Hi")}
        )
        assert [one.name for one in db.session.scalars(templates.templates("message"))] == ["Hello"]
        assert not db.session.scalars(templates.templates("case")).all()
        assert [entry.act for entry in db.session.scalars(entries())] == ["template.created"]


def test_a_neighbours_template_is_not_there(ours, theirs, inside):
    with inside(theirs):
        template = save_template(HELLO, by=BY)
        db.session.commit()
    with inside(ours):
        assert not db.session.scalars(templates.templates()).all()
        with pytest.raises(NotFoundError):
            templates.template_of(template.id)
        save_template(HELLO, by=BY)  # the name is free here


def test_changing_a_template_replaces_its_texts(ours, inside):
    with inside(ours):
        template = save_template(HELLO, by=BY)
        save_template(
            TemplateValues("Bye", "html", ("case",), {"fr": ("Salut", "<p>x</p>")}), template, by=BY
        )
        assert values_of(template).texts == {"fr": ("Salut", "<p>x</p>")}
        assert (template.name, template.kind, template.used_for) == ("Bye", "html", ["case"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (TemplateValues(" ", texts={"en": ("a", "b")}), "name"),
        (TemplateValues("x" * 101, texts={"en": ("a", "b")}), "name"),
        (TemplateValues("x", "pdf", texts={"en": ("a", "b")}), "kind"),
        (TemplateValues("x", used_for=(), texts={"en": ("a", "b")}), "used_for"),
        (TemplateValues("x", texts={"en": (" ", "")}), "content"),
        (TemplateValues("x", texts={"xx": ("a", "b")}), "content"),
        (TemplateValues("x", texts={"en": ("{{ a }}", "b")}), "subject"),
        (TemplateValues("x", texts={"en": ("a", "")}), "content"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(ours, inside, values, field):
    with inside(ours), pytest.raises(InvalidTemplateError) as caught:
        save_template(values, by=BY)
    assert caught.value.field == field


def test_an_unknown_variable_is_named_with_its_language_and_line(ours, inside):
    values = TemplateValues("x", texts={"en": ("a", "fine"), "de": ("a", "Hallo\n{{ sender.nme }}")})
    with inside(ours), pytest.raises(InvalidTemplateError) as caught:
        save_template(values, by=BY)
    assert [problem.language for problem in caught.value.problems] == ["de"]
    assert caught.value.message == (
        "Line 2: {{ sender.nme }}: there is no variable sender.nme; did you mean sender.name?"
    )


def test_a_name_is_there_only_once(ours, inside):
    with inside(ours):
        save_template(HELLO, by=BY)
        with pytest.raises(InvalidTemplateError, match="here already"):
            save_template(HELLO, by=BY)


def test_a_clone_gets_a_free_name(ours, inside):
    with inside(ours):
        template = save_template(HELLO, by=BY)
        names = [clone_template(template, by=BY).name, clone_template(template, by=BY).name]
        assert names == ["Hello (copy)", "Hello (copy) 2"]


def test_the_system_offers_its_templates_once(ours, inside):
    with inside(ours):
        save_template(TemplateValues("Acknowledgement", texts={"en": ("a", "b")}), by=BY)
        offered = offer_system_templates()
        assert offer_system_templates() == offered
        assert offered["acknowledgement"].name == "Acknowledgement 2"
        assert set(values_of(offered["acknowledgement"]).texts) == {"en", "de", "fr", "es"}


def test_an_overridden_system_template_can_be_restored(ours, inside):
    with inside(ours):
        template = offer_system_templates()["acknowledgement"]
        assert not template.overrides
        save_template(TemplateValues("Ours", texts={"en": ("a", "b")}), template, by=BY)
        assert template.overrides
        use_system_template(template, by=BY)
        assert not template.overrides


@pytest.mark.parametrize("key", BUILT_IN_TEMPLATES)
def test_what_the_system_offers_passes_its_own_check(key):
    for subject, content in BUILT_IN_TEMPLATES[key].texts.values():
        assert check_source(subject, content) == []


def test_a_rules_own_response_becomes_a_template(ours, inside):
    with inside(ours):
        own = templates.keep_texts(TemplateValues(texts={"en": ("a", "b")}))
        assert own.is_custom
        assert not db.session.scalars(templates.templates()).all()
        name_template(own, "Ours", by=BY)
        assert db.session.scalars(select(Template.name).where(~Template.is_custom)).all() == ["Ours"]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["de"], "de"),
        (["de-AT"], "de"),
        (["pt-BR"], "pt-BR"),
        (["pl", "de"], "de"),
        (["pl", None], "en"),
        ([], "en"),
    ],
)
def test_the_language_falls_back(wanted, chosen):
    assert choose_language(["pt-BR", "en", "de"], wanted, "en") == chosen


def test_norwegian_is_answered_in_its_usual_form():
    assert choose_language(["en", "nb"], ["no"], "en") == "nb"


def test_without_the_default_language_any_will_do():
    assert choose_language(["fr", "it"], ["pl"], "en") == "fr"


def test_a_template_is_filled_in_in_the_best_language(ours, inside):
    with inside(ours):
        template = save_template(HELLO, by=BY)
        rendered = render(template, ["pl", "de-CH"], {})
        assert (rendered.language, rendered.subject, rendered.text) == ("de", "Hallo", "Hallo\n")
