"""Where one message went and why; from here it moves, if that was wrong."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from mailboxes.routing.leaving import Effects, effects_of, message_at, others_that_came_in
from mailboxes.routing.moving import begin_move, routing_to_move
from mailboxes.routing.records import FACTS_DAYS, Routing, every_way_of, steps_from
from tenants.database import db, inside
from tenants.errors import AppError, NotFoundError
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.records import accepts
from webapp.routing.door import installation, organization_names, place_of
from webapp.routing.forms import MoveForm
from workers.queues import ring_intake

blueprint = Blueprint("routing_moves", __name__, url_prefix="/system/routing/messages")


@dataclass(frozen=True)
class Moving:
    """What a move would do, in numbers; ``problem`` says why there is none."""

    effects: Effects | None = None
    others: int = 0
    problem: str = ""


@blueprint.route("/<uuid:arrival_id>", methods=["GET", "POST"])
@system_admin_required
def message(arrival_id: UUID) -> ResponseReturnValue:
    """The way of a message, every step of it; moves it on request."""
    form, by = MoveForm(), actor()
    with installation() as session:
        if form.validate_on_submit():
            target = place_of(session, _ways(arrival_id)[-1].account_id).organization_of(
                form.organization.data or ""
            )
            whole = bool(form.whole.data)
            if accepts(form, lambda: begin_move(arrival_id, target, whole=whole, by=by)):
                db.session.commit()
        ways = _ways(arrival_id)
        place = place_of(session, ways[-1].account_id)
        names = place.names | organization_names(session, {way.organization_id for way in ways})
        moving = _moving(arrival_id)
    if form.is_submitted() and not form.errors:
        ring_intake(place.account.id)
        flash(f"The message moves to {form.organization.data}. It is delivered there in a moment.", "success")
        return redirect(url_for("routing_moves.message", arrival_id=arrival_id))
    page = render_template(
        "routing/message.html",
        tree=system_tree(),
        place=place,
        ways=ways,
        names=names,
        steps=steps_from(ways[-1].steps),
        moving=moving,
        form=form,
        days=FACTS_DAYS,
    )
    return page, 422 if form.errors else 200


def _ways(arrival_id: UUID) -> list[Routing]:
    ways = every_way_of(arrival_id)
    if not ways:
        raise NotFoundError("Nothing was decided about this message.")
    return ways


def _moving(arrival_id: UUID) -> Moving:
    """Counts alone: nothing of the message is read."""
    try:
        way: Routing = routing_to_move(arrival_id)
    except AppError as error:
        return Moving(problem=error.message)
    if way.organization_id is None:
        return Moving(problem="No organization has this message.")
    with inside(way.organization_id):
        found = message_at(arrival_id)
        if found is None:
            return Moving(problem="The organization does not have this message any more.")
        return Moving(effects_of(found), len(others_that_came_in(found)))
