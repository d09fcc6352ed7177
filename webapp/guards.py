"""Who passes. Every route has exactly one of these guards; a test reads them all.

Being a member means: signed in, and a member of the chosen organization, in which the session is then
bound. A system administrator's page binds nothing by itself.
"""

import hmac
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from tenants.configuration.layers import value_of
from tenants.database import enter_organization, now
from tenants.errors import ForbiddenError, NotFoundError
from tenants.organizations import Organization, membership_of, organizations_of
from tenants.permissions import PERMISSIONS, permissions_of
from tenants.users import User
from tenants.users.second_factor import has_second_factor
from webapp.api.door import demand_token
from webapp.form_tokens import name_organization, organization_of_page

View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Everybody."""
    return _guarded(view, "public", lambda: None)


def signed_in_required(view: View) -> View:
    """Everybody who is signed in."""
    return _guarded(view, "signed in", _demand_user)


def member_required(view: View) -> View:
    """Members of the chosen organization."""
    return _guarded(view, "member", _demand_member)


def permission_required(*permissions: str) -> Callable[[View], View]:
    """Members of the chosen organization who hold each of these permissions of ``tenants.permissions``."""
    for permission in permissions:
        if permission not in PERMISSIONS:
            raise ValueError(f"{permission} is no permission; see tenants/permissions.py")

    def guard(view: View) -> View:
        return _guarded(view, " and ".join(permissions), lambda: _demand_permissions(permissions))

    return guard


def system_admin_required(view: View) -> View:
    """System administrators; outside any organization."""
    return _guarded(view, "system administrator", _demand_system_admin)


def api_token_required(scope: str, *permissions: str) -> Callable[[View], View]:
    """Programs with a token for this scope ("": any), made by a member who holds these permissions."""

    def guard(view: View) -> View:
        name = " and ".join(permissions) or "member"
        guarded = _guarded(view, name, lambda: demand_token(scope, permissions))
        guarded.scope = scope  # type: ignore[attr-defined]
        return guarded

    return guard


def metrics_token_required(view: View) -> View:
    """Machines that know ``POSTROOM_METRICS_TOKEN``; without one set, the page does not exist."""
    return _guarded(view, "metrics token", _demand_metrics_token)


def enter_chosen_organization(user: User) -> bool:
    """Bind the session to the organization of the page that asks, else to the one this user chose last.

    False if there is none for them.
    """
    organization = _chosen_organization(user)
    if organization is None:
        return False
    enter_organization(organization.id)
    member = membership_of(user)
    if member is None or not member.is_active:
        return False
    g.organization, g.member, g.permissions = organization, member, permissions_of(member)
    g.zone = value_of("general.time_zone", user=user)
    name_organization(organization.id)
    return True


def _guarded(view: View, name: str, demand: Callable[[], ResponseReturnValue | None]) -> View:
    if hasattr(view, "guard"):
        raise TypeError(f"{view.__name__} has a guard already: {view.guard}")

    @wraps(view)
    def guarded(*args: Any, **given: Any) -> ResponseReturnValue:
        refusal = demand()
        return view(*args, **given) if refusal is None else refusal

    guarded.guard = name  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


def _demand_user() -> ResponseReturnValue | None:
    if g.get("user") is not None:
        return None
    if request.method == "GET" and not request.headers.get("HX-Request"):
        return redirect(url_for("auth.sign_in", next=request.full_path.rstrip("?")))
    return abort(401)


def _demand_member() -> ResponseReturnValue | None:
    refusal = _demand_user()
    if refusal is not None:
        return refusal
    if not enter_chosen_organization(g.user):
        if g.user.is_system_admin and request.method == "GET":
            return redirect(url_for("system.index"))
        raise ForbiddenError("You belong to no organization here. Ask its administrator to invite you.")
    _demand_the_page_is_of_here()
    return _demand_what_is_asked_of_sessions()


def _demand_the_page_is_of_here() -> None:
    """A page left open elsewhere acts there, and who sent it works there again; or nothing is done."""
    if organization_of_page() not in ("", str(g.organization.id)):
        raise ForbiddenError(
            "This page is of an organization in which you no longer work. Nothing was changed."
        )
    if request.method == "POST" and not request.headers.get("HX-Request"):
        g.user.current_organization_id = g.organization.id


def _demand_what_is_asked_of_sessions() -> ResponseReturnValue | None:
    """A session no older than is allowed here, and a second factor where it is required."""
    if g.session_began_at < now() - timedelta(hours=int(value_of("session.lifetime_hours"))):
        return redirect(url_for("auth.sign_in", next=request.path))
    if value_of("session.two_factor_required") and not has_second_factor(g.user):
        return redirect(url_for("security.set_up"))
    return None


def _demand_permissions(permissions: tuple[str, ...]) -> ResponseReturnValue | None:
    refusal = _demand_member()
    if refusal is None and not g.permissions.issuperset(permissions):
        raise ForbiddenError
    return refusal


def _demand_system_admin() -> ResponseReturnValue | None:
    refusal = _demand_user()
    if refusal is None and not g.user.is_system_admin:
        raise ForbiddenError("Only system administrators may open this page.")
    if refusal is None:
        g.zone = value_of("general.time_zone", user=g.user)
    return refusal or _demand_what_is_asked_of_sessions()


def _demand_metrics_token() -> None:
    token: str = current_app.config["POSTROOM"].metrics_token
    if not token:
        raise NotFoundError
    given = request.authorization
    known = given.token if given is not None and given.type == "bearer" else None
    if not hmac.compare_digest((known or "").encode(), token.encode()):
        abort(401)


def _chosen_organization(user: User) -> Organization | None:
    if "organizations" not in g:
        g.organizations = organizations_of(user)
    known = {str(organization.id): organization for organization in g.organizations}
    of_page, chosen = organization_of_page(), str(user.current_organization_id)
    return known.get(of_page) or known.get(chosen) or next(iter(known.values()), None)
