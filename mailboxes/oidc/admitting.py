"""Whose account it is here: the one it was linked to, else one that may be linked, else nobody's.

An account at the provider is its issuer and subject; an address alone opens nothing. It is linked to a person
who is here only where the provider says that the address is verified, for a domain that it may vouch for, and
the person types their password once; who has none, and no account there yet, has no other way in to prove:
an address that is given to somebody else opens nothing of whoever had it. Identities are of the whole
installation, as people are: no organization can have somebody signed in as a person of another.
"""

from dataclasses import dataclass

from mailboxes.oidc.errors import RefusedSignInError
from mailboxes.oidc.provider import IdentityProvider
from mailboxes.oidc.requests import ProviderRequest
from mailboxes.oidc.tokens import Claims
from tenants.audit import Actor, record_for_system
from tenants.database import db
from tenants.installation.users import make_user
from tenants.users import User, authenticate, identities, user_by_address

DISABLED = "You may not sign in here at the moment. Ask an administrator of your organization."
NOT_VERIFIED = (
    "{label} does not say that your email address is verified, so we cannot tell who you are here. Have"
    " it verified there, or {otherwise}."
)
BY_ONESELF = "sign in with your password, and link your account under Security"
BY_SOMEBODY = "ask a system administrator to permit passwords until your account is linked"
OTHER_DOMAIN = (
    "{label} may not vouch for {address} here. Sign in with your password, or ask a system administrator to"
    " permit its domain."
)
ANOTHER = (
    "Another account at {label} signs in as {address} here. If that person is you, ask a system administrator"
    " to unlink the other account."
)
UNKNOWN = "Nobody uses Postroom as {address}. Ask an administrator of your organization to invite you."


@dataclass(frozen=True, slots=True)
class Admitted:
    """``user``: whose account it is. ``is_linked``: it is so from now on. ``waits``: once they type the
    password."""

    user: User
    is_linked: bool = False
    waits: bool = False


def admit(provider: IdentityProvider, request: ProviderRequest, claims: Claims, place: str) -> Admitted:
    """Who that is here. `RefusedSignInError` says why it is nobody who may come in. The caller commits."""
    known = identities.owner_of(request.issuer, claims.subject)
    if request.for_user_id is not None:
        return _linked_by_oneself(provider, request, claims, known, place)
    if known is not None:
        identities.mark_used(request.issuer, claims.subject)
        return Admitted(_enabled(known))
    _demand_vouched(provider, claims)
    user = user_by_address(claims.address)
    if user is None:
        return Admitted(_made(provider, request, claims, place), is_linked=True)
    _enabled(user)
    if user.password_hash:
        request.user_id, request.subject, request.address = user.id, claims.subject, claims.address
        return Admitted(user, waits=True)
    if identities.has_account_at(user, request.issuer):
        raise RefusedSignInError(ANOTHER.format(label=provider.label, address=claims.address))
    _link(user, request.issuer, claims.subject, claims.address, place)
    return Admitted(user, is_linked=True)


def link_with_password(request: ProviderRequest, password: str, place: str, browser: str) -> User:
    """The person whom an account there waits for has typed this; `AppError` where it is not right.

    The caller commits, also after an error: it counts as an attempt.
    """
    user = db.session.get_one(User, request.user_id)
    authenticate(user.address, password, place, browser=browser)
    _link(user, request.issuer, request.subject, request.address, place)
    db.session.delete(request)
    return user


def _linked_by_oneself(
    provider: IdentityProvider, request: ProviderRequest, claims: Claims, known: User | None, place: str
) -> Admitted:
    """Somebody who is signed in, and proved it before they left, links whichever account they have there."""
    user = _enabled(db.session.get_one(User, request.for_user_id))
    if known is not None and known.id != user.id:
        raise RefusedSignInError(f"That account at {provider.label} belongs to another person here.")
    if known is None:
        _link(user, request.issuer, claims.subject, claims.address, place)
    return Admitted(user, is_linked=known is None)


def _demand_vouched(provider: IdentityProvider, claims: Claims) -> None:
    if not claims.address:
        otherwise = BY_ONESELF if provider.permits_passwords else BY_SOMEBODY
        raise RefusedSignInError(NOT_VERIFIED.format(label=provider.label, otherwise=otherwise))
    if not provider.vouches_for(claims.address):
        raise RefusedSignInError(OTHER_DOMAIN.format(label=provider.label, address=claims.address))


def _made(provider: IdentityProvider, request: ProviderRequest, claims: Claims, place: str) -> User:
    """A new person, where the installation makes them like that, or an invitation has named them."""
    if not provider.makes_people and request.invited_address != claims.address:
        raise RefusedSignInError(UNKNOWN.format(address=claims.address))
    user = make_user(claims.address, claims.name, actor=Actor(provider.label, place=place))
    _link(user, request.issuer, claims.subject, claims.address, place)
    return user


def _link(user: User, issuer: str, subject: str, address: str, place: str) -> None:
    identities.link(user, issuer, subject, address)
    person = Actor(user.name or user.address, user.id, place)
    record_for_system(person, "user.identity_linked", user.address, {}, {"issuer": issuer, "as": address})


def _enabled(user: User) -> User:
    if not user.is_enabled:
        raise RefusedSignInError(DISABLED)
    return user
