"""The form of an e-mail template."""

from typing import cast

from flask_wtf import FlaskForm
from wtforms import RadioField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from mailboxes.templates import LONGEST_NAME, USED_FOR, TemplateValues
from webapp.responses.texts import KIND_CHOICES, text_data, text_fields, texts_from


class TemplateForm(FlaskForm):
    """Name, type and uses; the texts of each language are added by `template_form`."""

    name = StringField(
        "Name",
        [InputRequired("Give the template a name."), Length(max=LONGEST_NAME)],
        render_kw={"autocomplete": "off"},
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


def template_form(values: TemplateValues | None, languages: list[str]) -> TemplateForm:
    """The form with a subject and a content for each language, filled with what is stored."""
    form_class = cast("type[TemplateForm]", type("FullTemplateForm", (TemplateForm,), text_fields(languages)))
    if values is None:
        return form_class()
    stored = {"name": values.name, "kind": values.kind, "used_for": list(values.used_for)}
    return form_class(data=stored | text_data(values))


def template_values(form: TemplateForm, languages: list[str]) -> TemplateValues:
    """What was typed."""
    return TemplateValues(
        name=form.name.data or "",
        kind=form.kind.data or "",
        used_for=tuple(form.used_for.data or ()),
        texts=texts_from(form, languages),
    )
