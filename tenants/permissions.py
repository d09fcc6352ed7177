"""Roles and what they permit."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, Select, UniqueConstraint, exists, func, select
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, db, is_one_of
from tenants.organizations import Membership, MembershipRole, active_members

PERMISSIONS: dict[str, str] = {
    "organization.configure": "Change the organization's configuration",
    "user.manage": "Invite people, disable them and give them roles",
    "mailbox.manage": "Create and change mailboxes and their rules",
    "mail.organize": "Define tags and share views of My Emails",
    "template.manage": "Create and change email templates",
    "lead_source.manage": "Define lead sources",
    "channel.manage": "Activate and deactivate sales channels",
    "lead.view": "See leads",
    "lead.edit": "Create and change leads",
    "case.view": "See cases",
    "case.edit": "Create and change cases",
    "contact.view": "See contacts",
    "contact.edit": "Create, change and erase contacts",
    "api_token.manage": "Make and revoke tokens of the API",
    "data.export": "Export data",
    "audit.view": "Read the audit log",
}
ADMINISTRATOR = "administrator"
MEMBER = "member"
# Offered in every organization: copied into each under its key.
SYSTEM_ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    ADMINISTRATOR: ("Administrator", tuple(PERMISSIONS)),
    MEMBER: (
        "Member",
        ("lead.view", "lead.edit", "case.view", "case.edit", "contact.view", "contact.edit"),
    ),
}


class Role(OrganizationScoped, Base):
    """A named set of permissions; ``system_key`` marks a copy of one that the system offers."""

    __tablename__ = "roles"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        UniqueConstraint("organization_id", "system_key"),
    )

    name: Mapped[str]
    system_key: Mapped[str | None] = mapped_column(default=None)
    permissions: Mapped[list[str]] = mapped_column(default=list)


def roles() -> Select[Role]:
    """Roles of the current organization: the system's first, then its own by name."""
    return select(Role).order_by(Role.system_key.is_(None), Role.name)


def roles_of(member: Membership) -> Select[Role]:
    """The roles a member holds."""
    return (
        select(Role)
        .join(
            MembershipRole,
            (MembershipRole.organization_id == Role.organization_id) & (MembershipRole.role_id == Role.id),
        )
        .where(MembershipRole.membership_id == member.id)
        .order_by(Role.name)
    )


def permissions_of(member: Membership) -> frozenset[str]:
    """What all roles of a member permit together; nothing for a disabled one."""
    if not member.is_active:
        return frozenset()
    held = roles_of(member).order_by(None).with_only_columns(func.unnest(Role.permissions))
    return frozenset(db.session.scalars(held))


def roles_by_member(ids: Iterable[UUID]) -> dict[UUID, list[Role]]:
    """The roles of several members, by name; who holds none is missing."""
    rows = db.session.execute(
        select(MembershipRole.membership_id, Role)
        .join(
            Role,
            (MembershipRole.organization_id == Role.organization_id) & (MembershipRole.role_id == Role.id),
        )
        .where(is_one_of(MembershipRole.membership_id, ids))
        .order_by(Role.name)
    )
    found: dict[UUID, list[Role]] = {}
    for id, role in rows:
        found.setdefault(id, []).append(role)
    return found


def members_who_may(*permissions: str) -> Select[Membership]:
    """Active members whose roles permit all of these, as the database knows it, in no order."""
    return active_members().order_by(None).where(*map(_may, permissions))


def offer_system_roles() -> dict[str, Role]:
    """Copy the system's roles into the current organization; those already there stay. By key."""
    present = {role.system_key: role for role in db.session.scalars(roles()) if role.system_key}
    for key, (name, permissions) in SYSTEM_ROLES.items():
        if key not in present:
            present[key] = Role(name=name, system_key=key, permissions=list(permissions))
            db.session.add(present[key])
    db.session.flush()  # the new rows' ids
    return present


def grant_role(member: Membership, role_id: UUID) -> None:
    """Give a role of this organization to a member; twice is once."""
    held = select(MembershipRole).where(
        MembershipRole.membership_id == member.id, MembershipRole.role_id == role_id
    )
    if db.session.scalar(held) is None:
        db.session.add(MembershipRole(membership_id=member.id, role_id=role_id))


def _may(permission: str) -> ColumnElement[bool]:
    held = (
        select(MembershipRole.id)
        .join(
            Role,
            (Role.organization_id == MembershipRole.organization_id) & (Role.id == MembershipRole.role_id),
        )
        .where(MembershipRole.membership_id == Membership.id, Role.permissions.any_() == permission)
    )
    return exists(held)
