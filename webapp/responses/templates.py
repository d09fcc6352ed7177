"""E-mail templates of the current organization: list, change, copy, hide, delete; follow the system again."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func

from mailboxes import rules
from mailboxes import templates as domain
from mailboxes.crm.paging import Page, page
from mailboxes.templates import KINDS, USED_FOR, InvalidTemplateError, Template, TemplateFilter
from tenants import audit
from tenants.configuration.catalog import LANGUAGES
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import ConflictError
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.records import neighbours
from webapp.responses.previews import messages_to_choose, preview_document, preview_page
from webapp.responses.template_forms import TemplateForm, followed_fields, template_form, template_values
from webapp.responses.texts import (
    default_language,
    filter_notes,
    languages_of,
    missing_in_words,
    put_template_error,
    text_parts,
    variable_groups,
)

blueprint = Blueprint("templates", __name__, url_prefix="/configuration/templates")
ORIGINS = {"system": "System", "changed": "System, changed here", "own": "Own"}
FILTERS = ("q", "used_for", "kind", "language", "origin")


@blueprint.get("/")
@permission_required("template.manage")
def index() -> ResponseReturnValue:
    """Templates with their languages and where they are used, filtered, a page at a time."""
    shown = {name: request.args.get(name, "").strip() for name in FILTERS}
    query = domain.filtered_templates(
        TemplateFilter(shown["q"], shown["used_for"], shown["kind"], shown["language"][:10], shown["origin"])
    )
    found: Page[Template] = page(
        query,
        func.lower(Template.name),
        Template.id,
        is_descending=False,
        cursor=request.args.get("page", ""),
    )
    ids = [template.id for template in found.rows]
    languages = list(value_of("general.languages"))
    written, default = domain.languages_by_template(ids), default_language()
    return render_template(
        "responses/templates.html",
        templates=found.rows,
        pages=_pages(found, shown),
        shown=shown,
        is_filtered=any(shown.values()),
        languages=languages,
        written=written,
        missing={id: missing_in_words(written.get(id, []), languages, default) for id in ids},
        language_names=LANGUAGES,
        uses=rules.uses_by_template(ids),
        kinds=KINDS,
        used_for=USED_FOR,
        origins=ORIGINS,
        sidebar=organization_tree(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("template.manage")
def new() -> ResponseReturnValue:
    """A new template."""
    languages = languages_of()
    form = template_form(None, languages)
    return _saved(form, None, languages) or _page(form, None, languages)


@blueprint.route("/<uuid:template_id>", methods=["GET", "POST"])
@permission_required("template.manage")
def edit(template_id: UUID) -> ResponseReturnValue:
    """One template."""
    template = domain.named_template(template_id)
    stored, offered = domain.values_of(template), domain.offered_values_of(template)
    languages = languages_of(stored, offered)
    form = template_form(stored, languages, template if offered is not None else None)
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
    """Let a copy of a system's template follow it in everything again."""
    template = domain.named_template(template_id)
    try:
        domain.use_system_template(template, by=actor())
    except ConflictError as error:
        db.session.rollback()
        flash(error.message, "error")
    else:
        db.session.commit()
        flash(f"{template.name} follows the system again.", "success")
    return redirect(url_for("templates.edit", template_id=template_id))


@blueprint.post("/<uuid:template_id>/hide")
@permission_required("template.manage")
def hide(template_id: UUID) -> ResponseReturnValue:
    """Offer a template for choosing no more, or again."""
    template = domain.named_template(template_id)
    is_hidden = request.form.get("hidden") == "1"
    domain.hide_template(template, is_hidden=is_hidden, by=actor())
    db.session.commit()
    what = (
        "cannot be chosen any more; rules that answer with it go on" if is_hidden else "can be chosen again"
    )
    flash(f"{template.name} {what}.", "success")
    return redirect(url_for("templates.index"))


@blueprint.post("/offer")
@permission_required("template.manage")
def offer() -> ResponseReturnValue:
    """Take over what the system offers, before it came by itself."""
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
    answer = render_template(
        "responses/delete_template.html",
        template=template,
        uses=rules.where_used(template),
        languages=[LANGUAGES.get(code, code) for code in domain.values_of(template).texts],
        error=error,
        sidebar=organization_tree(),
    )
    return answer, 409 if error else 200


@blueprint.get("/<uuid:template_id>/preview")
@permission_required("template.manage")
def preview(template_id: UUID) -> ResponseReturnValue:
    """A template in each language, filled in for a real message."""
    template = domain.named_template(template_id)
    messages, message = messages_to_choose()
    return preview_page(
        domain.values_of(template),
        message,
        messages=messages,
        url=lambda **given: url_for("templates.preview", template_id=template.id, **given),
        body_url=lambda **given: url_for("templates.preview_body", template_id=template.id, **given),
        edit_url=url_for("templates.edit", template_id=template.id),
        breadcrumbs=[
            ("Configuration", url_for("organization.index")),
            ("E-mail templates", url_for("templates.index")),
        ],
        sidebar=organization_tree(),
    )


@blueprint.get("/<uuid:template_id>/preview/body")
@permission_required("template.manage")
def preview_body(template_id: UUID) -> ResponseReturnValue:
    """What stands inside the preview's frame."""
    template = domain.named_template(template_id)
    return preview_document(domain.values_of(template), messages_to_choose()[1])


def _saved(form: TemplateForm, template: Template | None, languages: list[str]) -> ResponseReturnValue | None:
    if not form.validate_on_submit():
        return None
    is_copy = template is not None and template.system_key is not None
    follows = followed_fields(form, languages) if is_copy else None
    try:
        saved = domain.save_template(template_values(form, languages), template, by=actor(), follows=follows)
    except InvalidTemplateError as error:
        db.session.rollback()
        put_template_error(form, error, languages)
        return None
    db.session.commit()
    flash(f"{saved.name} has been saved.", "success")
    after = "templates.preview" if request.form.get("save") == "preview" else "templates.edit"
    return redirect(url_for(after, template_id=saved.id))


def _page(form: TemplateForm, template: Template | None, languages: list[str]) -> ResponseReturnValue:
    answer = render_template(
        "responses/template.html",
        form=form,
        template=template,
        is_copy=template is not None and template.system_key is not None,
        parts=text_parts(form, languages),
        variables=variable_groups(),
        filters=filter_notes(),
        uses=rules.where_used(template) if template is not None else [],
        sidebar=organization_tree(),
    )
    return answer, 422 if form.errors else 200


def _pages(found: Page[Template], shown: dict[str, str]) -> dict[str, Any]:
    kept: dict[str, Any] = {name: value for name, value in shown.items() if value}
    return neighbours(found, lambda cursor: url_for("templates.index", page=cursor, **kept))
