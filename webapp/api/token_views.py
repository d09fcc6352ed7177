"""Tokens of the API: the list, a new one that is shown once, and the end of one."""

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from tenants.api_tokens import SCOPES, api_token_of, api_tokens, make_token, revoke_token
from tenants.database import db, is_one_of, now
from tenants.organizations import Membership
from webapp import records
from webapp.api.forms import TokenForm
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required

blueprint = Blueprint("api_tokens", __name__, url_prefix="/configuration/api-tokens")


@blueprint.route("/", methods=["GET", "POST"])
@permission_required("api_token.manage")
def index() -> ResponseReturnValue:
    """The list, and a form for one more. A token is in the answer to its making, and nowhere else."""
    form = TokenForm()
    made: list[str] = []
    if form.validate_on_submit() and records.accepts(form, lambda: made.append(_made(form))):
        db.session.commit()
        form = TokenForm(formdata=None)
    tokens = db.session.scalars(api_tokens()).all()
    page = render_template(
        "organization/api_tokens.html",
        form=form,
        made=made[0] if made else "",
        tokens=tokens,
        scopes=SCOPES,
        makers=_makers({token.membership_id for token in tokens}),
        sidebar=organization_tree(),
    )
    return page, 422 if form.errors else 200


@blueprint.route("/<uuid:token_id>/revoke", methods=["GET", "POST"])
@permission_required("api_token.manage")
def revoke(token_id: UUID) -> ResponseReturnValue:
    """What that ends, and the end of it."""
    token = api_token_of(token_id)
    if request.method == "GET":
        return render_template("organization/revoke_api_token.html", token=token, sidebar=organization_tree())
    revoke_token(token, by=actor())
    db.session.commit()
    flash(f"“{token.name}” is revoked: it opens nothing any more.", "success")
    return redirect(url_for("api_tokens.index"))


def _made(form: TokenForm) -> str:
    days = form.days.data or ""
    expires_at = now() + timedelta(days=int(days)) if days else None
    return make_token(g.member, form.name.data or "", form.scopes.data or [], expires_at, by=actor())


def _makers(ids: set[UUID]) -> dict[UUID, Membership]:
    return {
        one.id: one for one in db.session.scalars(select(Membership).where(is_one_of(Membership.id, ids)))
    }
