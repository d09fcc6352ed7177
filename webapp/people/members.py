"""Members of an organization: listed, given roles, disabled, one or many."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func

from mailboxes.crm.paging import Order, page
from tenants import people
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.errors import AppError, InvalidError, NotFoundError
from tenants.organizations import MEMBER_SORTS, MemberFilter, Membership, lock_organization, members
from tenants.people.invitations import open_invitations
from tenants.people.many_members import enable_many, give_role, take_role
from tenants.people.outcomes import Outcome
from tenants.permissions import permissions_of, roles_by_member, roles_of
from tenants.users import SHOWN_NAME
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people import choices
from webapp.people.blueprint import blueprint
from webapp.people.forms import MemberForm
from webapp.versions import held, on_record

HEADINGS = (("Name", "name"), ("Address", "address"), ("Roles", ""), ("State", ""), ("Here since", "joined"))


@blueprint.get("/")
@permission_required("user.manage")
def index() -> ResponseReturnValue:
    """Members, a page at a time."""
    filter = MemberFilter(
        words=records.clean_text(request.args.get("q")),
        role_id=records.id_argument("role"),
        state=request.args.get("state", ""),
    )
    order = Order.of(request.args.get("sort", ""), MEMBER_SORTS, "name")
    found = page(
        members(filter),
        MEMBER_SORTS[order.name],
        Membership.id,
        is_descending=order.is_descending,
        cursor=request.args.get("page", ""),
    )
    return render_template(
        "people/index.html",
        tree=organization_tree(),
        tabs=tabs("people.index"),
        members=found.rows,
        held=roles_by_member(member.id for member in found.rows),
        pager=records.pages("people.index", found),
        columns=[*records.columns("people.index", order, HEADINGS), {"label": "Actions", "hidden": True}],
        roles=choices.role_pairs(),
        is_filtered=bool(filter.words or filter.role_id or filter.state),
        bulk_url=records.link("people.change_many"),
    )


@blueprint.route("/<uuid:member_id>", methods=["GET", "POST"])
@permission_required("user.manage")
def edit(member_id: UUID) -> ResponseReturnValue:
    """The roles of a member, and what they permit together."""
    if request.method == "POST":
        lock_organization()  # whoever changes roles there waits, or is seen
    member = held(people.member_of_organization(member_id))
    stored = [str(role.id) for role in db.session.scalars(roles_of(member))]
    form = MemberForm(roles=stored)
    form.roles.choices = choices.role_pairs()
    form.who_changed = on_record(AuditEntry, "member", member.name)
    if form.validate_on_submit():
        try:
            chosen = _kept_where_refused(form.roles.data or [], stored)
            people.change_roles(member, chosen, by=people.granting(g.member), actor=actor())
        except AppError as error:
            db.session.rollback()
            form.roles.errors = [error.message]
        else:
            db.session.commit()
            flash(f"The roles of {member.name} have been saved.", "success")
            return redirect(url_for("people.index"))
    shown = render_template(
        "people/edit.html",
        tree=organization_tree(),
        form=form,
        member=member,
        notes=choices.notes(),
        refused=choices.refused(),
        permitted=choices.in_words(permissions_of(member)),
    )
    return shown, 422 if form.errors else 200


@blueprint.post("/<uuid:member_id>/enable")
@permission_required("user.manage")
def enable(member_id: UUID) -> ResponseReturnValue:
    """Disable a member here, or enable them again."""
    member = people.member_of_organization(member_id)
    is_enabled = request.form.get("enabled") == "1"
    by = people.granting(g.member)
    if records.attempted(lambda: people.enable(member, is_enabled, by=by, actor=actor())):
        db.session.commit()
        flash(f"{member.name} is {'enabled' if member.is_enabled else 'disabled'} here.", "success")
    return redirect(url_for("people.index"))


@blueprint.post("/change-many")
@permission_required("user.manage")
def change_many() -> ResponseReturnValue:
    """Enable, disable, give or take a role: each ticked member by themselves."""
    by = people.granting(g.member)
    chosen = db.session.scalars(
        members().where(Membership.id.in_(records.selected_ids())).order_by(SHOWN_NAME)
    )
    outcomes: list[Outcome] = []
    act = request.form.get("act", "")
    if not records.attempted(lambda: outcomes.extend(_act(act, by)(chosen.all()))):
        return redirect(records.link("people.index"))
    db.session.commit()
    way = [("Configuration", url_for("organization.index")), ("People", url_for("people.index"))]
    return records.told(outcomes, way, organization_tree())


def tabs(current: str) -> list[dict[str, object]]:
    """The pages about people, with how many invitations are open."""
    count = open_invitations().order_by(None).with_only_columns(func.count())
    listed = (
        ("Members", "people.index", 0),
        ("Invitations", "people.invitations", db.session.scalar(count) or 0),
    )
    return [
        {"label": label, "url": url_for(endpoint), "is_current": endpoint == current, "count": number}
        for label, endpoint, number in listed
    ]


def _act(name: str, by: frozenset[str]) -> Callable[[Sequence[Membership]], list[Outcome]]:
    role_id = records.uuid_or_none(request.form.get("role"))
    if name in ("enable", "disable"):
        return partial(enable_many, enabled=name == "enable", by=by, actor=actor())
    if name not in ("add_role", "remove_role") or role_id is None:
        raise InvalidError("Choose what to do, and which role it is about.")
    try:
        role = people.role_of_organization(role_id)
    except NotFoundError:
        raise InvalidError("This role is no more, and nobody was changed.") from None
    return partial(give_role if name == "add_role" else take_role, role=role, by=by, actor=actor())


def _kept_where_refused(sent: list[str], held: list[str]) -> list[UUID]:
    """The ticked roles; a box that could not be ticked sends nothing, and stays as it was."""
    locked = set(choices.refused())
    wanted = [*sent, *(id for id in held if id in locked)]
    try:
        return [UUID(id) for id in dict.fromkeys(wanted)]
    except ValueError:
        raise InvalidError("Choose roles from the list.", field="roles") from None
