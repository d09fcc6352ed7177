"""The tags of the current organization: define, rename, colour, merge, delete."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Length

from mailboxes.inbox import tagging
from mailboxes.inbox.tagging import Uses
from mailboxes.threads import tags as domain
from tenants import audit
from tenants.database import db
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.filters import counted
from webapp.guards import permission_required
from webapp.versions import OverwritingForm, held, on_record

blueprint = Blueprint("tags", __name__, url_prefix="/configuration/tags")


class TagForm(OverwritingForm):
    """What a tag is called, and its colour."""

    name = StringField(
        "Name",
        validators=[DataRequired("Type a name."), Length(max=domain.NAME_LENGTH)],
        filters=[records.clean_text],
    )
    colour = SelectField("Colour", choices=list(domain.COLOURS.items()))


class MergeForm(FlaskForm):
    """Which tag takes over."""

    into = SelectField("Merge into", validators=[DataRequired("Choose a tag.")])


@blueprint.route("/", methods=["GET", "POST"])
@permission_required("mail.organize")
def index() -> ResponseReturnValue:
    """The vocabulary, and a form for one more word."""
    form = TagForm()
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.define_tag(form.name.data or "", form.colour.data or "")
    ):
        return _done("tag.added", form.name.data or "", "can be given to conversations now")
    page = render_template(
        "organization/tags.html",
        form=form,
        tags=db.session.scalars(domain.tags()).all(),
        counts=tagging.counts_by_tag(),
        most_counted=tagging.MOST_COUNTED,
        colours=domain.COLOURS,
        sidebar=organization_tree(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.route("/<uuid:tag_id>/edit", methods=["GET", "POST"])
@permission_required("mail.organize")
def edit(tag_id: UUID) -> ResponseReturnValue:
    """Call it something else, or give it another colour."""
    tag = held(domain.tag_of(tag_id))
    before = {"name": tag.name, "colour": tag.colour}
    form = TagForm(obj=tag)
    form.who_changed = on_record(audit.AuditEntry, "tag", tag.name)
    if form.validate_on_submit() and records.accepts(
        form, lambda: tagging.rename_tag(tag, form.name.data or "", form.colour.data or "")
    ):
        after = {"name": tag.name, "colour": tag.colour}
        return _done("tag.changed", before["name"], "was saved", before=before, after=after)
    page = render_template("organization/tag.html", form=form, tag=tag, sidebar=organization_tree())
    return page, 422 if request.method == "POST" else 200


@blueprint.route("/<uuid:tag_id>/merge", methods=["GET", "POST"])
@permission_required("mail.organize")
def merge(tag_id: UUID) -> ResponseReturnValue:
    """Make one of two; says before what that changes."""
    tag = held(domain.tag_of(tag_id))
    others = {str(one.id): one for one in db.session.scalars(domain.tags()) if one.id != tag.id}
    form = MergeForm()
    form.into.choices = [("", "Choose a tag"), *((id, one.name) for id, one in others.items())]
    if form.validate_on_submit():
        name, into = tag.name, others[form.into.data]
        uses = tagging.merge_tags(tag, held(into))
        words = f"was merged into “{into.name}”, which {_told(uses)} had"
        return _done("tag.merged", name, words, after={"into": into.name, **vars(uses)})
    page = render_template(
        "organization/merge_tag.html",
        form=form,
        tag=tag,
        has_others=bool(others),
        effects=[f"{_told(tagging.uses_of(tag))} get the other tag instead", f"“{tag.name}” is no more"],
        sidebar=organization_tree(),
    )
    return page, 422 if form.errors else 200


@blueprint.route("/<uuid:tag_id>/delete", methods=["GET", "POST"])
@permission_required("mail.organize")
def delete(tag_id: UUID) -> ResponseReturnValue:
    """Take a word out of the vocabulary; says before what loses it."""
    tag = held(domain.tag_of(tag_id))
    if request.method == "POST":
        name, uses = tag.name, tagging.delete_tag(tag)
        return _done("tag.deleted", name, f"was deleted: {_told(uses)} had it", after=vars(uses))
    effects = [f"{_told(tagging.uses_of(tag))} lose the tag", f"“{tag.name}” is offered no more"]
    return render_template(
        "organization/delete_tag.html", tag=tag, effects=effects, sidebar=organization_tree()
    )


def _told(uses: Uses) -> str:
    return f"{counted(uses.conversations, 'conversations')} and {counted(uses.cases, 'cases')}"


def _done(act: str, subject: str, words: str, **told: Any) -> ResponseReturnValue:
    audit.record(actor(), act, subject, **told)
    db.session.commit()
    flash(f"“{subject}” {words}.", "success")
    return redirect(url_for("tags.index"))
