"""E-mail templates of the current organization: list, change, copy, restore, delete."""

from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from mailboxes import rules
from mailboxes import templates as domain
from mailboxes.sanitizing import plain_text_to_html, sanitize
from mailboxes.templates import KINDS, USED_FOR, InvalidTemplateError, Template
from tenants import audit
from tenants.configuration.catalog import LANGUAGES
from tenants.database import db
from tenants.errors import ConflictError
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.headers import FRAME_POLICY
from webapp.responses.previews import chosen_message, recent_messages, rendered
from webapp.responses.template_forms import TemplateForm, template_form, template_values
from webapp.responses.texts import (
    filter_notes,
    languages_of,
    put_template_error,
    text_parts,
    variable_groups,
)

blueprint = Blueprint("templates", __name__, url_prefix="/configuration/templates")


@blueprint.get("/")
@permission_required("template.manage")
def index() -> ResponseReturnValue:
    """All templates, with their languages and where they are used."""
    templates = db.session.scalars(domain.templates()).all()
    return render_template(
        "responses/templates.html",
        templates=templates,
        languages=domain.languages_by_template(),
        language_names=LANGUAGES,
        uses=rules.uses_by_template([template.id for template in templates]),
        kinds=KINDS,
        used_for=USED_FOR,
        may_offer=not any(template.system_key for template in templates),
        sidebar=organization_tree(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("template.manage")
def new() -> ResponseReturnValue:
    """A new template."""
    languages = languages_of(None)
    form = template_form(None, languages)
    return _saved(form, None, languages) or _page(form, None, languages)


@blueprint.route("/<uuid:template_id>", methods=["GET", "POST"])
@permission_required("template.manage")
def edit(template_id: UUID) -> ResponseReturnValue:
    """One template."""
    template = domain.named_template(template_id)
    stored = domain.values_of(template)
    languages = languages_of(stored)
    form = template_form(stored, languages)
    return _saved(form, template, languages) or _page(form, template, languages)


@blueprint.post("/<uuid:template_id>/clone")
@permission_required("template.manage")
def clone(template_id: UUID) -> ResponseReturnValue:
    """A copy under a free name, to be changed."""
    copy = domain.clone_template(domain.named_template(template_id), by=actor())
    db.session.commit()
    flash(f"This is a copy, called “{copy.name}”. Nothing uses it yet.", "success")
    return redirect(url_for("templates.edit", template_id=copy.id))


@blueprint.post("/<uuid:template_id>/restore")
@permission_required("template.manage")
def restore(template_id: UUID) -> ResponseReturnValue:
    """Give a copy of a system template the system's texts again."""
    template = domain.named_template(template_id)
    try:
        domain.use_system_template(template, by=actor())
    except ConflictError as error:
        db.session.rollback()
        flash(error.message, "error")
    else:
        db.session.commit()
        flash(f"{template.name} has the system's texts again.", "success")
    return redirect(url_for("templates.edit", template_id=template_id))


@blueprint.post("/offer")
@permission_required("template.manage")
def offer() -> ResponseReturnValue:
    """Take over what the system offers and is missing here."""
    domain.offer_system_templates()
    audit.record(actor(), "template.offered", "The system's templates")
    db.session.commit()
    flash("The system's templates are here now.", "success")
    return redirect(url_for("templates.index"))


@blueprint.route("/<uuid:template_id>/delete", methods=["GET", "POST"])
@permission_required("template.manage")
def delete(template_id: UUID) -> ResponseReturnValue:
    """Say where a template is used, and delete it where nothing does."""
    template = domain.named_template(template_id)
    error = ""
    if request.method == "POST":
        name = template.name
        try:
            rules.delete_template(template, by=actor())
        except ConflictError as refused:
            db.session.rollback()
            error = refused.message
        else:
            db.session.commit()
            flash(f"{name} has been deleted.", "success")
            return redirect(url_for("templates.index"))
    page = render_template(
        "responses/delete_template.html",
        template=template,
        uses=rules.where_used(template),
        languages=[LANGUAGES.get(code, code) for code in domain.values_of(template).texts],
        error=error,
        sidebar=organization_tree(),
    )
    return page, 409 if error else 200


@blueprint.get("/<uuid:template_id>/preview")
@permission_required("template.manage")
def preview(template_id: UUID) -> ResponseReturnValue:
    """A template in each language, filled in for a real message."""
    template = domain.named_template(template_id)
    messages = list(db.session.scalars(recent_messages()))
    message = chosen_message(messages)
    shown = rendered(template, message, request.args.get("language", ""))
    return render_template(
        "responses/preview.html",
        template=template,
        messages=messages,
        message=message,
        languages=[(code, LANGUAGES.get(code, code)) for code in domain.values_of(template).texts],
        shown=shown,
        body_url=url_for(
            "templates.preview_body",
            template_id=template.id,
            language=shown.language,
            message=message.id if message is not None else None,
        ),
        sidebar=organization_tree(),
    )


@blueprint.get("/<uuid:template_id>/preview/body")
@permission_required("template.manage")
def preview_body(template_id: UUID) -> ResponseReturnValue:
    """The document inside the preview's frame; nothing runs in it."""
    template = domain.named_template(template_id)
    message = chosen_message(list(db.session.scalars(recent_messages())))
    shown = rendered(template, message, request.args.get("language", ""))
    html = plain_text_to_html(shown.text) if shown.html is None else sanitize(shown.html).html
    response = make_response(
        render_template(
            "message_frame.html",
            body=Markup(html),  # noqa: S704  # sanitized, and the frame runs nothing
            is_plain=shown.html is None,
            language=shown.language,
        )
    )
    response.headers["Content-Security-Policy"] = FRAME_POLICY.format(images="'self' data:")
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _saved(form: TemplateForm, template: Template | None, languages: list[str]) -> ResponseReturnValue | None:
    if not form.validate_on_submit():
        return None
    try:
        saved = domain.save_template(template_values(form, languages), template, by=actor())
    except InvalidTemplateError as error:
        db.session.rollback()
        put_template_error(form, error, languages)
        return None
    db.session.commit()
    flash(f"{saved.name} has been saved.", "success")
    after = "templates.preview" if request.form.get("save") == "preview" else "templates.edit"
    return redirect(url_for(after, template_id=saved.id))


def _page(form: TemplateForm, template: Template | None, languages: list[str]) -> ResponseReturnValue:
    page = render_template(
        "responses/template.html",
        form=form,
        template=template,
        parts=text_parts(form, languages),
        variables=variable_groups(),
        filters=filter_notes(),
        uses=rules.where_used(template) if template is not None else [],
        is_changed=template is not None and bool(template.overrides),
        sidebar=organization_tree(),
    )
    return page, 422 if form.errors else 200
