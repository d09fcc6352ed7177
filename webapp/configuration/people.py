"""Members who may be chosen as the value of a setting."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Select, select

from tenants.configuration.layers import Effective
from tenants.database import db
from tenants.organizations import Membership, active_members
from tenants.users import User

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
    members = _named(active_members().limit(MOST + 1))
    is_whole = len(members) <= MOST
    values = {str(one) for one in (*(state.value for state in wanted), *mentioned) if one}
    members |= _mentioned(values - members.keys())
    return People(
        names={id: name or address for id, (name, address) in members.items()},
        addresses={id: address for id, (_, address) in members.items()},
        is_whole=is_whole,
    )


def _mentioned(ids: set[str]) -> dict[str, tuple[str, str]]:
    if not ids:
        return {}
    wanted = Membership.id.in_([UUID(id) for id in ids])
    return _named(select(Membership).join(User, User.id == Membership.user_id).where(wanted))


def _named(query: Select[Membership]) -> dict[str, tuple[str, str]]:
    """Names and addresses by id, of members with their users: columns, for they may be hundreds."""
    rows = db.session.execute(query.with_only_columns(Membership.id, User.name, User.address))
    return {str(id): (name, address) for id, name, address in rows}
