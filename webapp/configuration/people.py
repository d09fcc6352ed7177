"""Members who may be chosen as the value of a setting."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from tenants.configuration.layers import Effective
from tenants.database import db
from tenants.organizations import Membership, active_members

MOST = 200  # as many as a list can show


@dataclass(frozen=True)
class People:
    """Names and addresses by the id of the member, as text; ``is_whole`` if a list can offer them all."""

    names: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    is_whole: bool = True

    @property
    def choices(self) -> list[tuple[str, str]] | None:
        """What a list offers; None where they are too many and are typed."""
        return list(self.names.items()) if self.is_whole else None


def people_for(states: Iterable[Effective], mentioned: Iterable[object] = ()) -> People:
    """Active members to choose from where a setting wants one, and those who are chosen or ``mentioned``."""
    wanted = [state for state in states if state.setting.kind == "member"]
    if not wanted:
        return People()
    members = list(db.session.scalars(active_members().limit(MOST + 1)))
    is_whole = len(members) <= MOST
    known = {str(member.id) for member in members}
    values = {str(one) for one in (*(state.value for state in wanted), *mentioned) if one}
    members += _members(values - known)
    return People(
        names={str(member.id): member.name for member in members},
        addresses={str(member.id): member.user.address for member in members},
        is_whole=is_whole,
    )


def _members(ids: set[str]) -> list[Membership]:
    if not ids:
        return []
    query = select(Membership).where(Membership.id.in_([UUID(id) for id in ids]))
    return list(db.session.scalars(query.options(joinedload(Membership.user))))
