"""The *Unrouted* queue: what nothing routes is assigned by hand, or by a rule that is made of it."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.accounts import Account
from mailboxes.routing import unrouted as domain
from tenants.database import db
from tenants.errors import AppError
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.records import id_argument, neighbours, selected_ids, uuid_or_none
from webapp.routing.door import installation, place_of
from webapp.routing.forms import AssignForm
from workers.queues import ring_intake

blueprint = Blueprint("unrouted", __name__, url_prefix="/system/unrouted")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """What waits of one account; of the first that has something, unless one is chosen."""
    return _list_page(id_argument("account"))


@blueprint.get("/progress")
@system_admin_required
def progress() -> ResponseReturnValue:
    """How far assignments have come; the page asks again until they are over."""
    account_id = id_argument("account")
    with installation():
        under_way = domain.assignments(account_id) if account_id is not None else []
    return render_template("unrouted/_progress.html", assignments=under_way, account_id=account_id)


@blueprint.post("/assign")
@system_admin_required
def assign() -> ResponseReturnValue:
    """Assign the ticked messages, or all that wait, to an organization."""
    account_id, by = uuid_or_none(request.form.get("account")), actor()
    ids = None if request.form.get("everything") else selected_ids()
    if account_id is None or ids == []:
        flash("Tick the messages to assign first.", "info")
        return redirect(url_for("unrouted.index", account=account_id))
    try:
        with installation() as session:
            place = place_of(session, account_id)
            target = place.organization_of(request.form.get("organization", ""))
            count = domain.assign(account_id, target, ids, by=by)
            db.session.commit()
    except AppError as error:
        if ids is not None and request.form.get("alone"):
            return _message_page(ids[0], error.message), HTTPStatus.UNPROCESSABLE_ENTITY
        return _list_page(account_id, error.message), HTTPStatus.UNPROCESSABLE_ENTITY
    ring_intake(account_id)
    flash(f"Messages assigned to {request.form.get('organization', '').strip()}: {count}.", "success")
    return redirect(url_for("unrouted.index", account=account_id))


@blueprint.post("/again")
@system_admin_required
def again() -> ResponseReturnValue:
    """Route everything that waits again, by the rules of now."""
    account_id, by = uuid_or_none(request.form.get("account")), actor()
    if account_id is None:
        return redirect(url_for("unrouted.index"))
    with installation() as session:
        place_of(session, account_id)
        count = domain.route_again(account_id, by=by)
        db.session.commit()
    ring_intake(account_id)
    flash(f"Messages that are routed again: {count}. What nothing routes comes back here.", "success")
    return redirect(url_for("unrouted.index", account=account_id))


@blueprint.get("/<uuid:arrival_id>")
@system_admin_required
def message(arrival_id: UUID) -> ResponseReturnValue:
    """One message: its headers, and why nothing routed it."""
    return _message_page(arrival_id)


def _list_page(account_id: UUID | None, refusal: str = "") -> str:
    """The queue; after a refusal with what was typed and ticked."""
    with installation():
        accounts = domain.accounts_with_unrouted()
    chosen = account_id or next((account.id for account, _ in accounts), None)
    if chosen is None:
        return render_template("unrouted/empty.html", tree=system_tree())
    with installation() as session:
        place = place_of(session, chosen)
        found = domain.unrouted_page(chosen, request.values.get("page", ""))
        under_way = domain.assignments(chosen)
    return render_template(
        "unrouted/index.html",
        tree=system_tree(),
        place=place,
        tabs=_tabs(accounts, chosen),
        total={account.id: count for account, count in accounts}.get(chosen, 0),
        rows=found.rows,
        selected=selected_ids(),
        ticked=_assign_form("" if "everything" in request.form else refusal),
        everything=_assign_form(refusal if "everything" in request.form else ""),
        refusal=refusal,
        assignments=under_way,
        pager=neighbours(found, lambda cursor: url_for("unrouted.index", account=chosen, page=cursor)),
    )


def _assign_form(refusal: str) -> AssignForm:
    """Empty, or with what was typed and why it is refused."""
    form = AssignForm() if refusal else AssignForm(formdata=None)
    if refusal:
        form.organization.errors = [refusal]
    return form


def _message_page(arrival_id: UUID, refusal: str = "") -> str:
    with installation() as session:
        row = domain.unrouted_message(arrival_id)
        header = domain.unrouted_header(arrival_id)
        place = place_of(session, row.account_id)
    return render_template(
        "unrouted/message.html",
        tree=system_tree(),
        place=place,
        row=row,
        header=header,
        form=_assign_form(refusal),
    )


def _tabs(accounts: list[tuple[Account, int]], chosen: UUID) -> list[dict[str, Any]]:
    """The accounts for which something waits, where there are several."""
    tabs = [
        {
            "label": account.address,
            "url": url_for("unrouted.index", account=account.id),
            "count": count,
            "is_current": account.id == chosen,
        }
        for account, count in accounts
    ]
    return tabs if len(tabs) > 1 else []
