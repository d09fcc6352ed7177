"""The form of an email template, the system's or an organization's."""

from collections.abc import Iterable
from typing import cast

from wtforms import BooleanField, Field, RadioField, SelectMultipleField, StringField
from wtforms.validators import Length
from wtforms.widgets import CheckboxInput, ListWidget

from mailboxes.templates import LONGEST_NAME, USED_FOR, Template, TemplateValues
from webapp.records import storable
from webapp.responses.texts import FOLLOWS_TEXT, KIND_CHOICES, text_data, text_fields, texts_from
from webapp.versions import OverwritingForm

FOLLOWED = ("name", "kind", "used_for")
_USE = "Use system value"


class TemplateForm(OverwritingForm):
    """Name, type and uses; the texts of each language are added by `template_form`."""

    name = StringField(
        "Name", [Length(max=LONGEST_NAME)], filters=[storable], render_kw={"autocomplete": "off"}
    )
    kind = RadioField("Type", choices=KIND_CHOICES, default="plain", validate_choice=False)
    used_for = SelectMultipleField(
        "Used for",
        choices=list(USED_FOR.items()),
        default=["message"],
        validate_choice=False,
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
        description="Where the template is offered. Automatic responses use those for messages.",
    )


def template_form(
    values: TemplateValues | None, languages: list[str], copy: Template | None = None
) -> TemplateForm:
    """The form with a subject and a content for each language, filled with what is stored.

    ``copy``: a copy of a system's template; each of its fields has a box that lets the system's apply.
    """
    fields = text_fields(languages) | (_boxes(languages) if copy is not None else {})
    form_class = cast("type[TemplateForm]", type("FullTemplateForm", (TemplateForm,), fields))
    if values is None:
        return form_class()
    stored = {"name": values.name, "kind": values.kind, "used_for": list(values.used_for)}
    ticked = {name: copy.follows(what) for name, what in _named(languages)} if copy is not None else {}
    return form_class(data=stored | text_data(values) | ticked)


def template_values(form: TemplateForm, languages: list[str]) -> TemplateValues:
    """What was typed."""
    return TemplateValues(
        name=form.name.data or "",
        kind=form.kind.data or "",
        used_for=tuple(form.used_for.data or ()),
        texts=texts_from(form, languages),
    )


def followed_fields(form: TemplateForm, languages: list[str]) -> set[str]:
    """What stays the system's, as `mailboxes.templates.save_template` takes it."""
    return {what for name, what in _named(languages) if form[name].data}


def _boxes(languages: Iterable[str]) -> dict[str, Field]:
    return {name: BooleanField(_USE) for name, _ in _named(languages)}


def _named(languages: Iterable[str]) -> list[tuple[str, str]]:
    """The boxes: the name in the form, and what follows."""
    texts = [(f"{FOLLOWS_TEXT}{language}", f"text.{language}") for language in languages]
    return [*((f"follows_{name}", name) for name in FOLLOWED), *texts]
