"""Sales channels of the current organization: without an active one no message becomes a lead."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Length

from mailboxes.conversion import activation_effects, deactivation_effects
from mailboxes.crm import channels as domain
from tenants import audit
from tenants.database import db
from tenants.errors import ConflictError
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.versions import OverwritingForm, held, on_record

blueprint = Blueprint("channels", __name__, url_prefix="/configuration/channels")


class ChannelForm(OverwritingForm):
    """What a channel is called, and of which type it is."""

    name = StringField(
        "Name",
        validators=[DataRequired("Type a name."), Length(max=domain.NAME_LENGTH)],
        filters=[records.clean_text],
    )
    kind = SelectField("Type", choices=list(domain.KINDS.items()))


@blueprint.route("/", methods=["GET", "POST"])
@permission_required("channel.manage")
def index() -> ResponseReturnValue:
    """The list, and a form for one more."""
    form = ChannelForm()
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.add_channel(form.name.data or "", form.kind.data or "")
    ):
        return _done("channel.added", form.name.data or "", "is active now", kind=form.kind.data)
    channels = db.session.scalars(domain.channels()).all()
    page = render_template(
        "organization/channels.html",
        form=form,
        channels=channels,
        kinds=domain.KINDS,
        has_active=any(channel.is_active for channel in channels),
        sidebar=organization_tree(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.route("/<uuid:channel_id>/edit", methods=["GET", "POST"])
@permission_required("channel.manage")
def edit(channel_id: UUID) -> ResponseReturnValue:
    """Call a channel something else, or make it of another type."""
    channel = held(domain.channel_of(channel_id))
    before = channel.name
    form = ChannelForm(obj=channel)
    form.who_changed = on_record(audit.AuditEntry, "channel", channel.name)
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.change_channel(channel, form.name.data or "", form.kind.data or "")
    ):
        return _done("channel.changed", before, "was saved", name=channel.name, kind=channel.kind)
    page = render_template(
        "organization/channel.html", form=form, channel=channel, sidebar=organization_tree()
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.route("/<uuid:channel_id>/active", methods=["GET", "POST"])
@permission_required("channel.manage")
def activate(channel_id: UUID) -> ResponseReturnValue:
    """Sell through a channel, or no more; says before what that changes."""
    channel = domain.channel_of(channel_id)
    if request.method == "GET":
        return render_template(
            "organization/activate_channel.html",
            channel=channel,
            effects=deactivation_effects(channel) if channel.is_active else activation_effects(),
            sidebar=organization_tree(),
        )
    is_active = request.form.get("active") == "1"
    domain.activate_channel(channel, is_active=is_active)
    act = "channel.activated" if is_active else "channel.deactivated"
    return _done(act, channel.name, "is active now" if is_active else "is not active any more")


@blueprint.post("/<uuid:channel_id>/remove")
@permission_required("channel.manage")
def remove(channel_id: UUID) -> ResponseReturnValue:
    """Take a channel away that is not active."""
    channel = domain.channel_of(channel_id)
    name = channel.name
    try:
        domain.delete_channel(channel)
    except ConflictError as error:
        db.session.rollback()
        flash(error.message, "error")
        return redirect(url_for("channels.index"))
    return _done("channel.removed", name, "was removed")


def _done(act: str, subject: str, words: str, **after: Any) -> ResponseReturnValue:
    audit.record(actor(), act, subject, after=after)
    db.session.commit()
    flash(f"“{subject}” {words}.", "success")
    return redirect(url_for("channels.index"))
