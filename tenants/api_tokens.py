"""Tokens of the JSON API: a program acts in one organization, as the member who made its token.

A token names its organization, so that nothing is looked for across organizations. Only its hash is kept.
"""

import base64
import re
import secrets as random
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, UniqueConstraint, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tenants.audit import Actor, record
from tenants.database import Base, OrganizationScoped, db, enter_organization, now, scoped_key, uuid7
from tenants.errors import AppError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership, Organization
from tenants.secrets import hash_of_token

MANAGES_TOKENS = "api_token.manage"
LONGEST_NAME = 100
MOST_TOKENS = 200
TOUCH_EVERY = timedelta(minutes=1)
REMEMBERED_FOR = timedelta(days=2)  # what was made by a request with a key
# What a token may be for; who may write may read.
AREAS = {
    "mailboxes": "Mailboxes and their rules",
    "messages": "Messages and conversations",
    "leads": "Leads",
    "cases": "Cases",
    "contacts": "Contacts",
}
SCOPES = {
    f"{area}:{right}": f"{label}: {words}"
    for area, label in AREAS.items()
    for right, words in (("read", "read"), ("write", "read and change"))
}
_PREFIX = "postroom_"
_FORM = re.compile(rf"{_PREFIX}([A-Za-z0-9_-]{{22}})[A-Za-z0-9_-]{{43}}")


class WrongTokenError(AppError):
    """No token that counts: never made, revoked, or too old."""

    status = HTTPStatus.UNAUTHORIZED
    message = "This token is not known here. It may have been revoked."


class ApiToken(OrganizationScoped, Base):
    """A program may act as a member, within these scopes and never beyond what the member may."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("organization_id", "token_hash"),
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        Index("ix_api_tokens_membership", "organization_id", "membership_id"),
    )

    membership_id: Mapped[UUID]
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(default=list)
    token_hash: Mapped[bytes]
    made_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None] = mapped_column(default=None)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def is_over(self) -> bool:
        """Whether its time has come."""
        return self.expires_at is not None and self.expires_at <= now()

    def permits(self, scope: str) -> bool:
        """Whether it is for this; what may be changed may be read."""
        area, _, right = scope.partition(":")
        return scope in self.scopes or (right == "read" and f"{area}:write" in self.scopes)


class ApiRequest(OrganizationScoped, Base):
    """What a program made by a request with a key of its own: sent again, it makes nothing new."""

    __tablename__ = "api_requests"
    __table_args__ = (
        UniqueConstraint("organization_id", "token_id", "key"),
        scoped_key("token_id", "api_tokens", ondelete="CASCADE"),
    )

    token_id: Mapped[UUID]
    key: Mapped[str]
    content_hash: Mapped[bytes]
    made_id: Mapped[UUID | None] = mapped_column(default=None)
    at: Mapped[datetime] = mapped_column(default=now)


def api_tokens() -> Select[ApiToken]:
    """The tokens of the current organization, the latest first."""
    return select(ApiToken).order_by(ApiToken.made_at.desc(), ApiToken.id.desc())


def make_token(
    member: Membership, name: str, scopes: list[str], expires_at: datetime | None, *, by: Actor
) -> str:
    """A token, which is told only here: its organization and 256 random bits."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise InvalidError(f"Give it a name of at most {LONGEST_NAME} characters.", field="name")
    if (db.session.scalar(select(func.count(ApiToken.id))) or 0) >= MOST_TOKENS:
        raise ConflictError(f"An organization has at most {MOST_TOKENS} tokens. Revoke one first.")
    if db.session.scalar(select(ApiToken.id).where(func.lower(ApiToken.name) == name.lower())) is not None:
        raise InvalidError("There is already a token of this name.", field="name")
    chosen = [scope for scope in SCOPES if scope in scopes]
    if not chosen:
        raise InvalidError("Choose what it is for.", field="scopes")
    place = base64.urlsafe_b64encode(member.organization_id.bytes).decode().rstrip("=")
    token = f"{_PREFIX}{place}{random.token_urlsafe(32)}"
    row = ApiToken(membership_id=member.id, name=name, scopes=chosen, expires_at=expires_at)
    row.token_hash = hash_of_token(token)
    db.session.add(row)
    db.session.flush()
    until = expires_at.isoformat() if expires_at is not None else None
    record(by, "api_token.made", name, {}, {"scopes": chosen, "expires_at": until})
    return token


def api_token_of(id: UUID) -> ApiToken:
    """A token of the current organization; `NotFoundError` if there is none."""
    token = db.session.scalar(select(ApiToken).where(ApiToken.id == id))
    if token is None:
        raise NotFoundError("This token is not here any more.")
    return token


def revoke_token(token: ApiToken, *, by: Actor) -> None:
    """It counts no more from now on."""
    record(by, "api_token.revoked", token.name)
    db.session.delete(token)
    db.session.flush()


def enter_with_token(text: str) -> tuple[ApiToken, Membership, Organization]:
    """Bind the session to the organization of a token: the token, who acts by it, and where.

    `WrongTokenError` where it does not count, `ForbiddenError` where nobody may act by it at present.
    """
    found = _FORM.fullmatch(text)
    organization = db.session.get(Organization, _organization_id(found[1])) if found else None
    if organization is None:
        raise WrongTokenError
    enter_organization(organization.id)
    token = db.session.scalar(select(ApiToken).where(ApiToken.token_hash == hash_of_token(text)))
    if token is None:
        raise WrongTokenError
    if token.is_over:
        raise WrongTokenError("This token has expired. Make a new one.")
    member = db.session.scalars(select(Membership).where(Membership.id == token.membership_id)).one()
    if not organization.is_enabled or organization.deleted_at is not None:
        raise ForbiddenError("This organization is closed at present.")
    if not member.is_active:
        raise ForbiddenError("Who made this token may not act here at present.")
    return token, member, organization


def touch(token: ApiToken) -> bool:
    """Remember that it was used, to the minute, and forget what it made long ago; whether to commit that.

    Not with each request: a program that sends thousands of keys would have all of them looked through.
    """
    if token.last_used_at is not None and token.last_used_at > now() - TOUCH_EVERY:
        return False
    token.last_used_at = now()
    db.session.execute(delete(ApiRequest).where(ApiRequest.token_id == token.id, _is_forgotten()))
    return True


def made_once(token: ApiToken, key: str, content_hash: bytes, make: Callable[[], UUID]) -> UUID:
    """The id of what is made; where this key was used before, of what was made then.

    A second request of the same key waits for the first to end; `ConflictError` where it says something else.
    """
    of_token = ApiRequest.token_id == token.id
    db.session.execute(delete(ApiRequest).where(of_token, ApiRequest.key == key, _is_forgotten()))
    claim = {"organization_id": token.organization_id, "id": uuid7(), "token_id": token.id, "key": key}
    statement = insert(ApiRequest).values(**claim, content_hash=content_hash, at=now())
    claimed = db.session.scalar(statement.on_conflict_do_nothing().returning(ApiRequest.id))
    row = db.session.scalars(select(ApiRequest).where(of_token, ApiRequest.key == key)).one()
    if claimed is not None:
        row.made_id = make()
        db.session.flush()
    if row.content_hash != content_hash or row.made_id is None:
        raise ConflictError("This Idempotency-Key was used for another request. Choose a new one.")
    return row.made_id


def _is_forgotten() -> ColumnElement[bool]:
    return ApiRequest.at < now() - REMEMBERED_FOR


def _organization_id(text: str) -> UUID:
    return UUID(bytes=base64.urlsafe_b64decode(f"{text}=="))
