"""Searches are kept under a name: saved, called something else, moved, deleted."""

from uuid import UUID

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.inbox import saved_views as domain
from mailboxes.inbox.saved_views import MAY_SHARE, SavedView
from tenants import audit
from tenants.database import db
from webapp import records
from webapp.configuration.pages import actor
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.forms import ViewForm
from webapp.mail.place import place_of_request, place_of_view
from webapp.versions import held


@blueprint.get("/views/")
@member_required
def saved_views() -> ResponseReturnValue:
    """Those that this member sees in the left pane."""
    views = db.session.scalars(domain.saved_views(g.member)).all()
    return render_template(
        "mail/saved_views.html",
        place=place_of_request(),
        views=[(view, place_of_view(view)) for view in views],
        may_share=_may_share(),
    )


@blueprint.route("/views/new", methods=["GET", "POST"])
@member_required
def new_view() -> ResponseReturnValue:
    """Keep what the address says under a name."""
    place = place_of_request()
    form = ViewForm()
    if form.validate_on_submit() and records.accepts(
        form,
        lambda: domain.save_view(
            place.selection, form.name.data or "", is_shared=form.is_shared.data, may_share=_may_share()
        ),
    ):
        _record("view.added", form.name.data or "", is_shared=form.is_shared.data)
        db.session.commit()
        return redirect(place.of().url(), 303)
    page = render_template(
        "mail/save_view.html", form=form, place=place, looked_at=place, view=None, may_share=_may_share()
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.route("/views/<uuid:view_id>/edit", methods=["GET", "POST"])
@member_required
def edit_view(view_id: UUID) -> ResponseReturnValue:
    """Call it something else, or give it to everybody."""
    view = held(_changeable(view_id))
    was_shared, looked_at = view.is_shared, place_of_view(view)
    form = ViewForm(obj=view)
    if form.validate_on_submit() and records.accepts(
        form,
        lambda: domain.change_view(
            g.member, view, form.name.data or "", is_shared=form.is_shared.data, may_share=_may_share()
        ),
    ):
        _record("view.changed", view.name, is_shared=was_shared or view.is_shared)
        return _back(f"“{view.name}” was saved.")
    page = render_template(
        "mail/save_view.html",
        form=form,
        place=place_of_request(),
        looked_at=looked_at,
        view=view,
        may_share=_may_share(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.post("/views/<uuid:view_id>/move")
@member_required
def move_view(view_id: UUID) -> ResponseReturnValue:
    """Up or down among everybody's, or among one's own."""
    domain.move_view(g.member, held(_changeable(view_id)), up=request.form.get("direction") == "up")
    return _back("")


@blueprint.post("/views/<uuid:view_id>/delete")
@member_required
def delete_view(view_id: UUID) -> ResponseReturnValue:
    """Keep it no more."""
    view = held(_changeable(view_id))
    name, is_shared = view.name, view.is_shared
    domain.delete_view(view)
    _record("view.deleted", name, is_shared=is_shared)
    return _back(f"“{name}” was deleted{' for everybody' if is_shared else ''}.")


def _changeable(view_id: UUID) -> SavedView:
    return domain.changeable_view(g.member, view_id, may_share=_may_share())


def _may_share() -> bool:
    return MAY_SHARE in g.permissions


def _record(act: str, name: str, *, is_shared: bool) -> None:
    """What everybody sees changed by somebody is on record; one's own is nobody else's business."""
    if is_shared:
        audit.record(actor(), act, name)


def _back(words: str) -> ResponseReturnValue:
    db.session.commit()
    if words:
        flash(words, "success")
    return redirect(place_of_request().url("mail.saved_views"), 303)
