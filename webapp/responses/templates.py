"""Email templates of the current organization: list, change, copy, hide, delete; follow the system again."""

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func

from mailboxes import rules
from mailboxes import templates as domain
from mailboxes.crm.paging import Page, page
from mailboxes.templates import Template, TemplateFilter, TemplateValues
from tenants import audit
from tenants.configuration.catalog import LANGUAGES
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import ConflictError
from webapp.configuration.pages import actor
from webapp.guards import permission_required
from webapp.levels import organization_level
from webapp.records import neighbours
from webapp.responses import template_pages as pages
from webapp.responses.previews import messages_to_choose, preview_document
from webapp.responses.template_forms import followed_fields, template_form
from webapp.responses.texts import languages_of
from webapp.versions import held

blueprint = Blueprint("templates", __name__, url_prefix="/configuration/templates")
LEVEL = organization_level("templates", lambda template: {"template_id": template.id})
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
    written = domain.languages_by_template(ids)
    return pages.list_page(
        LEVEL,
        found.rows,
        {id: written.get(id, []) for id in ids},
        list(value_of("general.languages")),
        pages=_pages(found, shown),
        shown=shown,
        is_filtered=any(shown.values()),
        uses=rules.uses_by_template(ids),
        origins=ORIGINS,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("template.manage")
def new() -> ResponseReturnValue:
    """A new template."""
    return _edited(None)


@blueprint.route("/<uuid:template_id>", methods=["GET", "POST"])
@permission_required("template.manage")
def edit(template_id: UUID) -> ResponseReturnValue:
    """One template."""
    return _edited(held(domain.named_template(template_id)))


@blueprint.post("/<uuid:template_id>/clone")
@permission_required("template.manage")
def clone(template_id: UUID) -> ResponseReturnValue:
    """A copy under a free name, to be changed."""
    copy = domain.clone_template(domain.named_template(template_id), by=actor())
    return pages.cloned(LEVEL, copy, "Nothing uses it yet.")


@blueprint.post("/<uuid:template_id>/restore")
@permission_required("template.manage")
def restore(template_id: UUID) -> ResponseReturnValue:
    """Let a copy of a system's template follow it in everything again."""
    template = domain.named_template(template_id)
    return pages.done_if(LEVEL, domain.use_system_template, template, "follows the system again")


@blueprint.post("/<uuid:template_id>/hide")
@permission_required("template.manage")
def hide(template_id: UUID) -> ResponseReturnValue:
    """Offer a template for choosing no more, or again."""
    template = domain.named_template(template_id)
    is_hidden = request.form.get("hidden") == "1"
    domain.hide_template(template, is_hidden=is_hidden, by=actor())
    what = (
        "cannot be chosen any more; rules that answer with it go on" if is_hidden else "can be chosen again"
    )
    return LEVEL.done(f"{template.name} {what}.")


@blueprint.post("/offer")
@permission_required("template.manage")
def offer() -> ResponseReturnValue:
    """Take over what the system offers, before it came by itself."""
    domain.offer_system_templates()
    audit.record(actor(), "template.offered", "The system's templates")
    return LEVEL.done("The system's templates are here now.")


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
            return LEVEL.done(f"{name} has been deleted.")
    answer = render_template(
        "responses/delete_template.html",
        level=LEVEL,
        template=template,
        uses=rules.where_used(template),
        languages=[LANGUAGES.get(code, code) for code in domain.values_of(template).texts],
        error=error,
    )
    return answer, 409 if error else 200


@blueprint.get("/<uuid:template_id>/preview")
@permission_required("template.manage")
def preview(template_id: UUID) -> ResponseReturnValue:
    """A template in each language, filled in for a real message."""
    template = domain.named_template(template_id)
    messages, message = messages_to_choose()
    return pages.preview_of(LEVEL, template, domain.values_of(template), messages, message)


@blueprint.get("/<uuid:template_id>/preview/body")
@permission_required("template.manage")
def preview_body(template_id: UUID) -> ResponseReturnValue:
    """What stands inside the preview's frame."""
    template = domain.named_template(template_id)
    return preview_document(domain.values_of(template), messages_to_choose()[1])


def _edited(template: Template | None) -> ResponseReturnValue:
    stored = domain.values_of(template) if template is not None else None
    offered = domain.offered_values_of(template) if template is not None else None
    languages = languages_of(stored, offered)
    form = template_form(stored, languages, template if offered is not None else None)
    is_copy = template is not None and template.system_key is not None

    def save(values: TemplateValues) -> Template:
        follows = followed_fields(form, languages) if is_copy else None
        return domain.save_template(values, template, by=actor(), follows=follows)

    return pages.saved(LEVEL, form, languages, save) or pages.edit_page(
        LEVEL,
        form,
        template,
        languages,
        is_copy=is_copy,
        uses=rules.where_used(template) if template is not None else [],
    )


def _pages(found: Page[Template], shown: dict[str, str]) -> dict[str, Any]:
    kept: dict[str, Any] = {name: value for name, value in shown.items() if value}
    return neighbours(found, lambda cursor: url_for("templates.index", page=cursor, **kept))
