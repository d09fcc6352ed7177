"""The pages of email templates, the same at both levels: the list, one template, and what buttons do."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.messages import Message
from mailboxes.templates import KINDS, USED_FOR, InvalidTemplateError, TemplateValues
from tenants.configuration.catalog import LANGUAGES
from tenants.database import db
from webapp import records
from webapp.configuration.pages import actor
from webapp.levels import Level
from webapp.responses.previews import preview_page
from webapp.responses.template_forms import TemplateForm, template_values
from webapp.responses.texts import (
    default_language,
    filter_notes,
    missing_in_words,
    put_template_error,
    text_parts,
    variable_groups,
)


def list_page(
    level: Level,
    templates: Iterable[Any],
    written: Mapping[Any, list[str]],
    languages: list[str],
    **known: Any,
) -> str:
    """Templates with their languages. ``written``: those of each, by its id, or its key."""
    default = default_language()
    return render_template(
        "responses/templates.html",
        level=level,
        templates=templates,
        written=written,
        missing={one: missing_in_words(codes, languages, default) for one, codes in written.items()},
        languages=languages,
        language_names=LANGUAGES,
        kinds=KINDS,
        used_for=USED_FOR,
        **known,
    )


def saved(
    level: Level, form: TemplateForm, languages: list[str], save: Callable[[TemplateValues], Any]
) -> ResponseReturnValue | None:
    """Keep what was sent; nothing if there is nothing, or if the form now says what is wrong with it."""
    form.who_changed = level.who_changed("template", form.name.object_data or "")
    if not form.validate_on_submit():
        return None
    try:
        template = save(template_values(form, languages))
    except InvalidTemplateError as error:
        db.session.rollback()
        put_template_error(form, error, languages)
        return None
    page = "preview" if request.form.get("save") == "preview" else "edit"
    return level.done(f"{template.name} has been saved.", page, template)


def edit_page(
    level: Level, form: TemplateForm, template: Any, languages: list[str], **known: Any
) -> ResponseReturnValue:
    """One template, or a new one."""
    page = render_template(
        "responses/template.html",
        level=level,
        form=form,
        template=template,
        parts=text_parts(form, languages),
        variables=variable_groups(),
        filters=filter_notes(),
        **known,
    )
    return page, 422 if form.errors else 200


def cloned(level: Level, copy: Any, use: str) -> ResponseReturnValue:
    """A copy was made, to be changed. ``use``: what it is there for so far."""
    return level.done(f"This is a copy, called “{copy.name}”. {use}", "edit", copy)


def done_if(
    level: Level, command: Callable[..., object], template: Any, words: str, page: str = "edit"
) -> ResponseReturnValue:
    """Do something to a template and say so on ``page``, or say there why not."""
    shown = template if page == "edit" else None
    if records.attempted(lambda: command(template, by=actor())):
        return level.done(f"{template.name} {words}.", page, shown)
    return redirect(level.url(page, shown))


def preview_of(
    level: Level, template: Any, values: TemplateValues, messages: list[Message], message: Message | None
) -> str:
    """A template in each language."""
    return preview_page(
        values,
        message,
        messages=messages,
        url=lambda **given: level.url("preview", template, **given),
        body_url=lambda **given: level.url("preview_body", template, **given),
        edit_url=level.url("edit", template),
        breadcrumbs=level.crumbs("Email templates"),
        sidebar=level.sidebar(),
    )
