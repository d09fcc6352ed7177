"""Access before it is saved: whom it reaches, who gains and who loses by it; and people to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Text,
    Uuid,
    case,
    column,
    func,
    select,
    values,
)

from mailboxes.access import READ, REPLY, Access, access_of, grants_in_effect
from mailboxes.setup.values import Grant
from mailboxes.system_mailboxes import Mailbox
from tenants.database import current_organization_id, db
from tenants.database.searching import has_words
from tenants.organizations import Membership, active_members
from tenants.permissions import Role, roles
from tenants.users import User

GAINS, LOSES, MAY_REPLY, MAY_ONLY_READ = "gains", "loses", "may reply", "may only read"
MOST_NAMED = 10
MOST_FOUND = 20
_NOWHERE = UUID(int=0)  # stands for a mailbox that is not there yet


@dataclass(frozen=True)
class Change:
    """What happens to people when access is saved: how many, and the first of them with their reasons.

    The reasons are those that hold then; of whom access is taken, those that hold now.
    """

    kind: str
    count: int
    people: list[Access]


def access_changes(mailbox: Mailbox | None, grants: Sequence[Grant]) -> list[Change]:
    """What would change for active members if these grants were saved; nothing where nothing would."""
    id = mailbox.id if mailbox is not None else _NOWHERE
    before, after = grants_in_effect(), grants_in_effect(_thought_of(id, grants))
    ranked = _ranked(_difference(_levels(before, id), _levels(after, id)))
    rows = db.session.execute(
        select(Membership, ranked.c.kind, ranked.c.number)
        .join(ranked, ranked.c.id == Membership.id)
        .where(ranked.c.place <= MOST_NAMED)
        .order_by(ranked.c.place)
    ).all()
    found = []
    for kind in (GAINS, LOSES, MAY_REPLY, MAY_ONLY_READ):
        of_kind = [row for row in rows if row.kind == kind]
        if of_kind:
            people = [row[0] for row in of_kind]
            named = access_of(id, people, before if kind == LOSES else after)
            found.append(Change(kind, of_kind[0].number, named))
    return found


def roles_found(words: str) -> Select[Role]:
    """Roles whose name has all these words."""
    return roles().where(*has_words(words, Role.name))


def _thought_of(mailbox_id: UUID, grants: Sequence[Grant]) -> FromClause:
    """Grants as rows of no table. Two more reach nobody: a column of nulls only would have no type."""
    organization_id = current_organization_id()
    named = [(grant.role_id, grant.membership_id, grant.level) for grant in grants]
    nobody: list[tuple[UUID | None, UUID | None, str]] = [(_NOWHERE, None, READ), (None, _NOWHERE, READ)]
    return values(
        column("organization_id", Uuid),
        column("mailbox_id", Uuid),
        column("role_id", Uuid),
        column("membership_id", Uuid),
        column("level", Text),
        name="thought_of",
    ).data([(organization_id, mailbox_id, *one) for one in [*nobody, *named]])


def _levels(reaching: Subquery, mailbox_id: UUID) -> Subquery:
    """Whether each member whom grants reach may reply."""
    return (
        select(reaching.c.membership_id, func.bool_or(reaching.c.level == REPLY).label("replies"))
        .where(reaching.c.mailbox_id == mailbox_id)
        .group_by(reaching.c.membership_id)
        .subquery()
    )


def _difference(before: Subquery, after: Subquery) -> Subquery:
    kind: ColumnElement[str] = case(
        (before.c.membership_id.is_(None), GAINS),
        (after.c.membership_id.is_(None), LOSES),
        (after.c.replies, MAY_REPLY),
        else_=MAY_ONLY_READ,
    )
    return (
        select(func.coalesce(before.c.membership_id, after.c.membership_id).label("id"), kind.label("kind"))
        .select_from(before.join(after, before.c.membership_id == after.c.membership_id, full=True))
        .where(before.c.replies.is_distinct_from(after.c.replies))
        .subquery()
    )


def _ranked(difference: Subquery) -> Subquery:
    """The members who may act at all, numbered within their kind by name."""
    place = func.row_number().over(partition_by=difference.c.kind, order_by=(User.name, User.address))
    number = func.count().over(partition_by=difference.c.kind)
    return (
        active_members()
        .order_by(None)
        .join(difference, difference.c.id == Membership.id)
        .with_only_columns(Membership.id, difference.c.kind, place.label("place"), number.label("number"))
        .subquery()
    )
