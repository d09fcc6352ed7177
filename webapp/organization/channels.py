"""Sales channels of the current organization: without an active one no message becomes a lead."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length

from mailboxes.conversion import deactivation_effects
from mailboxes.crm import channels as domain
from tenants import audit
from tenants.database import db
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required

blueprint = Blueprint("channels", __name__, url_prefix="/configuration/channels")


class ChannelForm(FlaskForm):
    """What a channel is called, and of which type it is."""

    name = StringField(
        "Name",
        validators=[InputRequired("Type a name."), Length(max=domain.NAME_LENGTH)],
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
        effects={channel.id: deactivation_effects(channel) for channel in channels if channel.is_active},
        sidebar=organization_tree(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.route("/<uuid:channel_id>/edit", methods=["GET", "POST"])
@permission_required("channel.manage")
def edit(channel_id: UUID) -> ResponseReturnValue:
    """Call a channel something else, or make it of another type."""
    channel = domain.channel_of(channel_id)
    before = channel.name
    form = ChannelForm(obj=channel)
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.change_channel(channel, form.name.data or "", form.kind.data or "")
    ):
        return _done("channel.changed", before, "was saved", name=channel.name, kind=channel.kind)
    page = render_template(
        "organization/channel.html", form=form, channel=channel, sidebar=organization_tree()
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.post("/<uuid:channel_id>/active")
@permission_required("channel.manage")
def activate(channel_id: UUID) -> ResponseReturnValue:
    """Sell through a channel, or no more."""
    channel = domain.channel_of(channel_id)
    is_active = request.form.get("active") == "1"
    domain.activate_channel(channel, is_active=is_active)
    act = "channel.activated" if is_active else "channel.deactivated"
    return _done(act, channel.name, "is active now" if is_active else "is not active any more")


def _done(act: str, subject: str, words: str, **after: Any) -> ResponseReturnValue:
    audit.record(actor(), act, subject, after=after)
    db.session.commit()
    flash(f"“{subject}” {words}.", "success")
    return redirect(url_for("channels.index"))
