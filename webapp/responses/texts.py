"""Subject and content in each language, on the form of a template and on that of a rule."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field, StringField, TextAreaField

from mailboxes.templates import KINDS, InvalidTemplateError, TemplateValues, missing_languages
from mailboxes.templating import FILTERS, VARIABLES
from tenants.configuration.catalog import LANGUAGES
from tenants.configuration.layers import value_of
from webapp.records import storable
from webapp.versions import VersionedForm

KIND_CHOICES = list(KINDS.items())
FOLLOWS_TEXT = "follows_text_"  # and a language: the box that lets the system's text apply


def languages_of(*known: TemplateValues | None) -> list[str]:
    """The languages a form offers: the default, those of the configuration, others that are written."""
    written = [language for values in known if values is not None for language in values.texts]
    wanted = [*value_of("general.languages"), *written]
    return list(dict.fromkeys([code for code in (default_language(),) if code in wanted] + wanted))


def default_language() -> str:
    """The language that is sent where a text is missing in the one that is wanted."""
    return str(value_of("general.language"))


def missing_in_words(written: Sequence[str], languages: Sequence[str], default: str) -> dict[str, str]:
    """By the code of a language without a text, the name of the language that is sent instead."""
    return {
        code: LANGUAGES.get(other, other) for code, other in missing_languages(written, languages, default)
    }


def text_fields(languages: Iterable[str]) -> dict[str, Field]:
    """A subject and a content for each language, by the names of their fields."""
    fields: dict[str, Field] = {}
    for language in languages:
        name = LANGUAGES.get(language, language)
        fields[f"subject_{language}"] = StringField(
            f"Subject in {name}",
            filters=[storable],
            render_kw={"autocomplete": "off", "data-insertable": True},
        )
        fields[f"content_{language}"] = TextAreaField(
            f"Content in {name}",
            filters=[storable],
            render_kw={"rows": 10, "data-insertable": True, "lang": language},
        )
    return fields


EveryLanguage = type("EveryLanguage", (VersionedForm,), text_fields(LANGUAGES))  # for `webapp.typed_before`


def text_data(values: TemplateValues) -> dict[str, str]:
    """What those fields hold for stored texts."""
    data = {}
    for language, (subject, content) in values.texts.items():
        data[f"subject_{language}"], data[f"content_{language}"] = subject, content
    return data


def texts_from(form: FlaskForm, languages: Iterable[str]) -> dict[str, tuple[str, str]]:
    """What was typed, language by language."""
    return {
        language: (form[f"subject_{language}"].data or "", form[f"content_{language}"].data or "")
        for language in languages
    }


def put_template_error(form: FlaskForm, error: InvalidTemplateError, languages: list[str]) -> None:
    """Show every problem at the field it is in: a variable with its name and line at its text."""
    for found in error.problems:
        problem = found.problem
        text = problem.sentence if problem.part == "subject" else str(problem)
        put_error(form, f"{problem.part}_{found.language}", text)
    if not error.problems:
        name = error.field or ""
        put_error(form, name if name in form else f"{name}_{languages[0]}", error.message)


def put_error(form: FlaskForm, name: str, sentence: str) -> None:
    """At the field of that name, or above the form where there is none."""
    if name in form:
        form[name].errors = [*form[name].errors, sentence]
    else:
        form.form_errors.append(sentence)


def text_parts(form: FlaskForm, languages: list[str]) -> list[dict[str, Any]]:
    """Each language with its two fields, as the page shows them; the first two and faulty ones are open.

    ``inherits``: the box that lets the text of a system's template apply; ``fallback``: what is sent instead.
    """
    boxes = {field.name: field for field in form if field.name.startswith(FOLLOWS_TEXT)}
    written = [code for code in languages if _is_written(form, code)]
    instead = missing_in_words(written, languages, default_language())
    return [
        {
            "language": language,
            "name": LANGUAGES.get(language, language),
            "subject": form[f"subject_{language}"],
            "content": form[f"content_{language}"],
            "inherits": boxes.get(FOLLOWS_TEXT + language),
            "is_written": language in written,
            "fallback": instead.get(language, ""),
            "is_open": place < 2 or _needs_a_look(form, language),
        }
        for place, language in enumerate(languages)
    ]


def variable_groups() -> Mapping[str, list[tuple[str, str]]]:
    """What can be inserted, by group: (text, what it stands for)."""
    return {
        group: [(f"{{{{ {group}.{name} }}}}", label) for name, label in members.items()]
        for group, members in VARIABLES.items()
    }


def filter_notes() -> list[tuple[str, str]]:
    """The filters of the template language, with what each does."""
    return list(FILTERS.items())


def _is_written(form: FlaskForm, language: str) -> bool:
    return bool(form[f"subject_{language}"].data or form[f"content_{language}"].data)


def _needs_a_look(form: FlaskForm, language: str) -> bool:
    return bool(form[f"subject_{language}"].errors or form[f"content_{language}"].errors)
