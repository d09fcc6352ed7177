"""Organizations and the people in them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Select, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tenants.database import (
    Base,
    OrganizationScoped,
    across_organizations,
    current_organization_id,
    db,
    is_one_of,
    now,
    uuid7,
)
from tenants.database.searching import has_words
from tenants.users import SHOWN_NAME, User


class Organization(Base):
    """A tenant. The row itself belongs to the installation."""

    __tablename__ = "organizations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    offers_revision: Mapped[int] = mapped_column(default=0)  # of what the system offers, see tenants.offers
    # It is being deleted: closed for good, and gone as soon as everything of it is.
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)
    deleted_by: Mapped[str] = mapped_column(default="")


class Membership(OrganizationScoped, Base):
    """A user in an organization: the *member* that tenant rows refer to.

    ``name`` and ``address`` repeat the user's, so that lists of people need no look outside.
    ``token_name``: by which token a program acts as this member at present; "" for themselves.
    """

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("organization_id", "user_id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    joined_at: Mapped[datetime] = mapped_column(default=now)
    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    token_name = ""

    @property
    def name(self) -> str:
        """What people call this member."""
        return self.user.name or self.user.address

    @property
    def acting_name(self) -> str:
        """Who acts, for histories: the member, and the token of a program that does it for them."""
        return f"{self.name} by the token {self.token_name}" if self.token_name else self.name

    @property
    def is_active(self) -> bool:
        """Whether this member may act at all."""
        return self.is_enabled and self.user.is_enabled


class MembershipRole(OrganizationScoped, Base):
    """A member holds a role."""

    __tablename__ = "membership_roles"
    __table_args__ = (
        UniqueConstraint("organization_id", "membership_id", "role_id"),
        ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["organization_id", "role_id"],
            ["roles.organization_id", "roles.id"],
            ondelete="CASCADE",
        ),
        Index("ix_membership_roles_role", "organization_id", "role_id", "membership_id"),
    )

    membership_id: Mapped[UUID]
    role_id: Mapped[UUID]


def lock_organization() -> None:
    """Until this transaction ends nobody else changes who may do what in the current organization."""
    own = Organization.id == current_organization_id()
    db.session.execute(select(Organization.id).where(own).with_for_update(key_share=True))


def organizations_of(user: User) -> list[Organization]:
    """Enabled organizations in which this user is an enabled member, by name."""
    with across_organizations("a user's own memberships, to choose one of them") as session:
        return list(
            session.scalars(
                select(Organization)
                .join(Membership, Membership.organization_id == Organization.id)
                .where(Membership.user_id == user.id, Membership.is_enabled, Organization.is_enabled)
                .order_by(Organization.name)
            )
        )


def membership_of(user: User) -> Membership | None:
    """The user's membership in the organization this session is bound to."""
    return db.session.scalar(select(Membership).where(Membership.user_id == user.id))


@dataclass(frozen=True)
class MemberFilter:
    """What a list of members is narrowed to; empty values do not narrow. ``state``: enabled or disabled."""

    words: str = ""
    role_id: UUID | None = None
    state: str = ""


MOST_OFFERED = 50  # in a list to choose from; others are found by typing
MEMBER_SORTS = {"name": SHOWN_NAME, "address": User.address, "joined": Membership.joined_at}


def members(filter: MemberFilter = MemberFilter()) -> Select[Membership]:
    """Members of the current organization that a filter lets through, in no order."""
    query = select(Membership).join(User, User.id == Membership.user_id)
    if filter.role_id is not None:
        held = select(MembershipRole.membership_id).where(MembershipRole.role_id == filter.role_id)
        query = query.where(Membership.id.in_(held))
    if filter.state:
        query = query.where((Membership.is_enabled & User.is_enabled) == (filter.state == "enabled"))
    return query.where(*has_words(filter.words, User.name, User.address))


def active_members() -> Select[Membership]:
    """Members of the current organization who may act, by name."""
    return (
        select(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.is_enabled, User.is_enabled)
        .order_by(SHOWN_NAME, User.id)
    )


def members_found(words: str) -> Select[Membership]:
    """Members who may act whose name or address has all these words, by name."""
    return active_members().where(*has_words(words, User.name, User.address))


def members_offered(words: str = "", *chosen: str) -> list[tuple[str, str]]:
    """(id, name) of the first `MOST_OFFERED` members who may act and whose name or address has these words.

    And of those who are ``chosen``, whatever was searched for, as long as they may act.
    """
    found = _named(members_found(words).limit(MOST_OFFERED))
    missing = [id for id in map(_id, set(chosen) - dict(found).keys()) if id is not None]
    if missing:
        found += _named(active_members().where(is_one_of(Membership.id, missing)))
    return found


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _named(query: Select[Membership]) -> list[tuple[str, str]]:
    rows = db.session.execute(query.with_only_columns(Membership.id, User.name, User.address))
    return [(str(id), name or address) for id, name, address in rows]


def all_organizations() -> Select[Organization]:
    """Every organization of the installation, by name."""
    return select(Organization).order_by(Organization.name)
