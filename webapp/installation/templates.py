"""The e-mail templates that the system offers to every organization."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.global_mailboxes.uses import own_uses_of_template, uses_of_template
from mailboxes.offering import (
    MOST_IN_A_REQUEST,
    carry_offers,
    count_of_those_behind,
    withdraw_template,
)
from mailboxes.templates import KINDS, USED_FOR, InvalidTemplateError
from mailboxes.templates import system as domain
from mailboxes.templates.system import SystemTemplate, TemplateFollowing
from tenants.configuration.catalog import LANGUAGES
from tenants.database import db
from tenants.errors import ConflictError
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.responses.previews import preview_document, preview_page
from webapp.responses.template_forms import TemplateForm, template_form, template_values
from webapp.responses.texts import (
    default_language,
    filter_notes,
    languages_of,
    missing_in_words,
    put_template_error,
    text_parts,
    variable_groups,
)

blueprint = Blueprint("system_templates", __name__, url_prefix="/system/templates")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """All of them, with who follows each."""
    templates = db.session.scalars(domain.system_templates()).all()
    written, languages, default = domain.system_languages(), languages_of(), default_language()
    return render_template(
        "installation/templates.html",
        templates=templates,
        written=written,
        missing={
            one.key: missing_in_words(written.get(one.key, []), languages, default) for one in templates
        },
        language_names=LANGUAGES,
        kinds=KINDS,
        used_for=USED_FOR,
        following=domain.template_following(),
        nobody=TemplateFollowing(),
        behind=count_of_those_behind(),
        tree=system_tree(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@system_admin_required
def new() -> ResponseReturnValue:
    """Offer a new template."""
    languages = _languages()
    form = template_form(None, languages)
    return _saved(form, None, languages) or _page(form, None, languages)


@blueprint.route("/<key>", methods=["GET", "POST"])
@system_admin_required
def edit(key: str) -> ResponseReturnValue:
    """One template."""
    template = domain.system_template_of(key)
    stored = domain.system_values_of(template)
    languages = _languages()
    form = template_form(stored, languages)
    return _saved(form, template, languages) or _page(form, template, languages)


@blueprint.post("/<key>/clone")
@system_admin_required
def clone(key: str) -> ResponseReturnValue:
    """A copy under a free name, to be changed."""
    copy = domain.clone_system_template(domain.system_template_of(key), by=actor())
    _carry()
    flash(f"This is a copy, called “{copy.name}”. It is offered to every organization.", "success")
    return redirect(url_for("system_templates.edit", key=copy.key))


@blueprint.post("/<key>/built-in")
@system_admin_required
def use_built_in(key: str) -> ResponseReturnValue:
    """Offer a template as it came with the installation again."""
    template = domain.system_template_of(key)
    try:
        domain.use_built_in(template, by=actor())
    except ConflictError as error:
        db.session.rollback()
        flash(error.message, "error")
    else:
        _carry()
        flash(f"{template.name} is as it came with the installation.", "success")
    return redirect(url_for("system_templates.edit", key=key))


@blueprint.get("/<key>/preview")
@system_admin_required
def preview(key: str) -> ResponseReturnValue:
    """A template in each language, with invented values: nobody's message is shown here."""
    template = domain.system_template_of(key)
    return preview_page(
        domain.system_values_of(template),
        None,
        messages=[],
        url=lambda **given: url_for("system_templates.preview", key=key, **given),
        body_url=lambda **given: url_for("system_templates.preview_body", key=key, **given),
        edit_url=url_for("system_templates.edit", key=key),
        breadcrumbs=[
            ("System", url_for("system.index")),
            ("E-mail templates", url_for("system_templates.index")),
        ],
        sidebar=system_tree(),
    )


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
        return _withdrawn(template)
    copies, kept = (
        domain.template_following().get(key, TemplateFollowing()),
        domain.count_of_template_users(key),
    )
    return render_template(
        "installation/withdraw.html",
        name=template.name,
        removed=copies.follow + copies.override - kept,
        kept=kept,
        uses=uses_of_template(key),
        use_words="Rules of these answer with it:",
        own=own_uses_of_template(key),
        place=("rule", "rules"),
        back=url_for("system_templates.index"),
        heading="E-mail templates",
        tree=system_tree(),
    )


def _withdrawn(template: SystemTemplate) -> ResponseReturnValue:
    name = template.name
    try:
        withdraw_template(template, by=actor())
    except ConflictError as error:
        db.session.rollback()
        flash(error.message, "error")
    else:
        _carry()
        flash(f"{name} is no longer offered.", "success")
    return redirect(url_for("system_templates.index"))


def _saved(
    form: TemplateForm, template: SystemTemplate | None, languages: list[str]
) -> ResponseReturnValue | None:
    if not form.validate_on_submit():
        return None
    try:
        saved = domain.save_system_template(template_values(form, languages), template, by=actor())
    except InvalidTemplateError as error:
        db.session.rollback()
        put_template_error(form, error, languages)
        return None
    _carry()
    flash(f"{saved.name} has been saved.", "success")
    after = "system_templates.preview" if request.form.get("save") == "preview" else "system_templates.edit"
    return redirect(url_for(after, key=saved.key))


def _page(form: TemplateForm, template: SystemTemplate | None, languages: list[str]) -> ResponseReturnValue:
    known: dict[str, Any] = {}
    if template is not None:
        known = {
            "following": domain.template_following().get(template.key, TemplateFollowing()),
            "differs": domain.differs_from_built_in(template),
            "uses": uses_of_template(template.key),
        }
    answer = render_template(
        "installation/template.html",
        form=form,
        template=template,
        parts=text_parts(form, languages),
        variables=variable_groups(),
        filters=filter_notes(),
        tree=system_tree(),
        **known,
    )
    return answer, 422 if form.errors else 200


def _languages() -> list[str]:
    """Those of the system, and any that it offers a template in: organizations choose their own."""
    written = {code for codes in domain.system_languages().values() for code in codes}
    return [*languages_of(), *sorted(written - set(languages_of()))]


def _carry() -> None:
    db.session.commit()
    carry_offers(MOST_IN_A_REQUEST)
