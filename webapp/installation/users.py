"""Users of the installation: listed, made, changed; sessions, passwords and second factors ended."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.crm.paging import Order, page
from mailboxes.notices import can_send
from mailboxes.people_letters import password_link, send_password_link, send_welcome
from tenants.audit import SystemAuditEntry, record_for_system
from tenants.database import db, enter_installation
from tenants.installation import users as domain
from tenants.installation.many_users import change_many as change_users
from tenants.users import (
    USER_SORTS,
    User,
    UserFilter,
    last_seen,
    password_links,
    second_factor,
    sessions_of,
    sign_out_everywhere,
    user_of,
    users,
)
from tenants.users.identities import identities_of, identity_of, unlink
from tenants.users.password_links import Opened
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.people.forms import NewUserForm, UserForm
from webapp.versions import held, on_record
from workers import queues

blueprint = Blueprint("users", __name__, url_prefix="/system/users")

HEADINGS = (
    ("Name", "name"),
    ("Address", "address"),
    ("Organizations", ""),
    ("State", ""),
    ("Last here", ""),
    ("Added", "created"),
)


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """Everybody who may sign in, a page at a time."""
    filter = UserFilter(records.clean_text(request.args.get("q")), request.args.get("state", ""))
    order = Order.of(request.args.get("sort", ""), USER_SORTS, "name")
    found = page(
        users(filter),
        USER_SORTS[order.name],
        User.id,
        is_descending=order.is_descending,
        cursor=request.args.get("page", ""),
    )
    ids = [user.id for user in found.rows]
    return render_template(
        "installation/users.html",
        tree=system_tree(),
        users=found.rows,
        memberships=domain.count_memberships(ids),
        seen=last_seen(ids),
        pager=records.pages("users.index", found),
        columns=records.columns("users.index", order, HEADINGS, numbers={"Organizations"}),
        is_filtered=bool(filter.words or filter.state),
        bulk_url=records.link("users.change_many"),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@system_admin_required
def new() -> ResponseReturnValue:
    """A new user, who chooses a password with a link."""
    form = NewUserForm()
    if request.method == "POST":
        enter_installation("the letter to a new user belongs to no organization")
    made: list[User] = []
    if form.validate_on_submit() and records.accepts(
        form,
        lambda: made.append(
            domain.make_user(
                form.address.data or "",
                form.name.data or "",
                is_system_admin=bool(form.is_system_admin.data),
                actor=actor(),
            )
        ),
    ):
        return _delivered(password_links.make(made[0], password_links.WELCOME_LIFETIME), is_new=True)
    shown = render_template("installation/new_user.html", tree=system_tree(), form=form)
    return shown, 422 if form.errors else 200


@blueprint.route("/<uuid:user_id>", methods=["GET", "POST"])
@system_admin_required
def edit(user_id: UUID) -> ResponseReturnValue:
    """One user: name and address, where they belong, what protects them."""
    user = held(user_of(user_id))
    form = UserForm(obj=user)
    form.who_changed = on_record(SystemAuditEntry, "user", user.address)
    if form.validate_on_submit() and records.accepts(
        form,
        lambda: domain.change_user(user, form.address.data or "", form.name.data or "", actor=actor()),
    ):
        db.session.commit()
        flash(f"{_name(user)} has been saved.", "success")
        return redirect(url_for("users.edit", user_id=user.id))
    shown = render_template(
        "installation/user.html",
        tree=system_tree(),
        form=form,
        user=user,
        memberships=domain.memberships_of(user),
        sessions=db.session.scalars(sessions_of(user)).all(),
        has_second_factor=second_factor.has_second_factor(user),
        identities=db.session.scalars(identities_of(user)).all(),
        can_send=can_send(),
    )
    return shown, 422 if form.errors else 200


@blueprint.post("/<uuid:user_id>/enable")
@system_admin_required
def enable(user_id: UUID) -> ResponseReturnValue:
    """Let a user sign in, or not."""
    user, is_enabled = user_of(user_id), request.form.get("enabled") == "1"
    words = "may sign in again" if is_enabled else "is disabled, and signed out everywhere"
    return _done_if(user, lambda: domain.enable_user(user, is_enabled, actor=actor()), words)


@blueprint.post("/<uuid:user_id>/system-administrator")
@system_admin_required
def make_admin(user_id: UUID) -> ResponseReturnValue:
    """Let a user administer the system, or not."""
    user, is_admin = user_of(user_id), request.form.get("admin") == "1"
    words = "administers the system now" if is_admin else "no longer administers the system"
    return _done_if(user, lambda: domain.make_system_admin(user, is_admin, actor=actor()), words)


@blueprint.post("/<uuid:user_id>/sign-out")
@system_admin_required
def sign_out(user_id: UUID) -> ResponseReturnValue:
    """End all sessions of a user."""
    user = user_of(user_id)
    domain.end_sessions(user, actor=actor())
    return _saved(user, f"{_name(user)} was signed out everywhere.")


@blueprint.post("/<uuid:user_id>/forget-second-factor")
@system_admin_required
def forget_second_factor(user_id: UUID) -> ResponseReturnValue:
    """Somebody has lost their authenticator app."""
    user = user_of(user_id)
    second_factor.forget(user)
    sign_out_everywhere(user)
    record_for_system(actor(), "user.second_factor_removed", user.address)
    return _saved(user, f"{_name(user)} is no longer asked for a code.")


@blueprint.post("/<uuid:user_id>/unlink-identity")
@system_admin_required
def unlink_identity(user_id: UUID) -> ResponseReturnValue:
    """An account at the identity provider signs in as this user no longer, also where it has."""
    user = user_of(user_id)
    identity = identity_of(user, records.uuid_or_none(request.form.get("identity")))
    unlink(identity)
    sign_out_everywhere(user)
    record_for_system(actor(), "user.identity_removed", user.address, {"as": identity.address}, {})
    return _saved(user, f"{identity.address or identity.subject} no longer signs in as {_name(user)}.")


@blueprint.post("/<uuid:user_id>/password-link")
@system_admin_required
def reset_password(user_id: UUID) -> ResponseReturnValue:
    """A link to a new password, by mail or (asked for, or without a server) to hand over."""
    enter_installation("a letter about a password belongs to no organization")
    link = password_links.make(user_of(user_id))
    return _delivered(link, is_shown=request.form.get("by") == "hand")


@blueprint.post("/change-many")
@system_admin_required
def change_many() -> ResponseReturnValue:
    """Enable, disable or sign out: each ticked user by themselves."""
    outcomes = change_users(records.selected_ids(), request.form.get("act", ""), actor=actor())
    db.session.commit()
    way = [("System", url_for("system.index")), ("Users", url_for("users.index"))]
    return records.told(outcomes, way, system_tree())


def _done_if(user: User, command: Callable[[], object], words: str) -> ResponseReturnValue:
    if records.attempted(command):
        return _saved(user, f"{_name(user)} {words}.")
    return redirect(url_for("users.edit", user_id=user.id))


def _saved(user: User, sentence: str) -> ResponseReturnValue:
    db.session.commit()
    flash(sentence, "success")
    return redirect(url_for("users.edit", user_id=user.id))


def _delivered(link: Opened, *, is_new: bool = False, is_shown: bool = False) -> ResponseReturnValue:
    by_hand = is_shown or not can_send()
    if not by_hand:
        (send_welcome if is_new else send_password_link)(link)
    record_for_system(actor(), "user.password_link_made", link.user.address, {}, {"shown": by_hand})
    db.session.commit()
    queues.ring_notices()
    if by_hand:
        return render_template(
            "installation/password_link.html",
            tree=system_tree(),
            user=link.user,
            link=password_link(link.token),
            until=link.expires_at,
        )
    flash(f"A link to a new password is on its way to {link.user.address}.", "success")
    return redirect(url_for("users.edit", user_id=link.user.id))


def _name(user: User) -> str:
    return user.name or user.address
