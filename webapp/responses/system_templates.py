"""The email templates that the system offers to every organization."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.global_mailboxes.uses import uses_of_template
from mailboxes.offering import count_of_those_behind, withdraw_template
from mailboxes.offering.followers import Following, template_following, withdrawal_of_template
from mailboxes.templates import TemplateValues
from mailboxes.templates import system as domain
from mailboxes.templates.system import SystemTemplate
from tenants.database import db
from webapp.configuration.pages import actor
from webapp.guards import system_admin_required
from webapp.levels import offering_level
from webapp.responses import template_pages as pages
from webapp.responses.previews import preview_document
from webapp.responses.template_forms import template_form
from webapp.responses.texts import languages_of
from webapp.versions import held

blueprint = Blueprint("system_templates", __name__, url_prefix="/system/templates")
LEVEL = offering_level("system_templates")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """All of them, with who follows each."""
    templates = db.session.scalars(domain.system_templates()).all()
    written = domain.system_languages()
    return pages.list_page(
        LEVEL,
        templates,
        {one.key: written.get(one.key, []) for one in templates},
        languages_of(),
        following=template_following(),
        nobody=Following(),
        behind=count_of_those_behind(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@system_admin_required
def new() -> ResponseReturnValue:
    """Offer a new template."""
    return _edited(None)


@blueprint.route("/<key>", methods=["GET", "POST"])
@system_admin_required
def edit(key: str) -> ResponseReturnValue:
    """One template."""
    return _edited(held(domain.system_template_of(key)))


@blueprint.post("/<key>/clone")
@system_admin_required
def clone(key: str) -> ResponseReturnValue:
    """A copy under a free name, to be changed."""
    copy = domain.clone_system_template(domain.system_template_of(key), by=actor())
    return pages.cloned(LEVEL, copy, "It is offered to every organization.")


@blueprint.post("/<key>/built-in")
@system_admin_required
def use_built_in(key: str) -> ResponseReturnValue:
    """Offer a template as it came with the installation again."""
    template = domain.system_template_of(key)
    return pages.done_if(LEVEL, domain.use_built_in, template, "is as it came with the installation")


@blueprint.get("/<key>/preview")
@system_admin_required
def preview(key: str) -> ResponseReturnValue:
    """A template in each language, with invented values: nobody's message is shown here."""
    template = domain.system_template_of(key)
    return pages.preview_of(LEVEL, template, domain.system_values_of(template), [], None)


@blueprint.get("/<key>/preview/body")
@system_admin_required
def preview_body(key: str) -> ResponseReturnValue:
    """What stands inside the preview's frame."""
    return preview_document(domain.system_values_of(domain.system_template_of(key)), None)


@blueprint.route("/<key>/withdraw", methods=["GET", "POST"])
@system_admin_required
def withdraw(key: str) -> ResponseReturnValue:
    """Offer a template no more; says before where it stays."""
    template = domain.system_template_of(key)
    if request.method == "POST":
        return pages.done_if(LEVEL, withdraw_template, template, "is no longer offered", "index")
    return render_template(
        "installation/withdraw.html",
        level=LEVEL,
        heading="Email templates",
        name=template.name,
        withdrawal=withdrawal_of_template(key),
        use_words="Rules of these answer with it:",
        place=("rule", "rules"),
    )


def _edited(template: SystemTemplate | None) -> ResponseReturnValue:
    languages = _languages()
    form = template_form(domain.system_values_of(template) if template is not None else None, languages)

    def save(values: TemplateValues) -> SystemTemplate:
        return domain.save_system_template(values, template, by=actor())

    return pages.saved(LEVEL, form, languages, save) or pages.edit_page(
        LEVEL, form, template, languages, **_known(template)
    )


def _known(template: SystemTemplate | None) -> dict[str, Any]:
    if template is None:
        return {}
    return {
        "following": template_following().get(template.key, Following()),
        "differs": domain.differs_from_built_in(template),
        "uses": uses_of_template(template.key),
    }


def _languages() -> list[str]:
    """Those of the system, and any that it offers a template in: organizations choose their own."""
    written = {code for codes in domain.system_languages().values() for code in codes}
    return [*languages_of(), *sorted(written - set(languages_of()))]
