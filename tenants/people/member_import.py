"""Many people from a file: read, judged row by row without saving anything, then invited.

Columns ``address`` and ``roles`` (several divided by ``,``, ``;`` or ``|``), see `import_files`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import select

from tenants.database import db
from tenants.database.bulk import among
from tenants.errors import InvalidError
from tenants.organizations import Membership
from tenants.people import refusals
from tenants.people.import_files import ADDRESSES, ERROR, KNOWN, Standing, Verdict, judged, read_lines
from tenants.people.invitations import Invitation, open_invitations
from tenants.permissions import Role, roles
from tenants.users import User, checked_address, spellings

COLUMNS = {"address": ADDRESSES, "roles": {"roles", "role"}}
TEMPLATE = (("address", "roles"), ("mia@example.com", "Member"))
DISABLED = "Is a disabled member. Enable them under Members."
AGAIN = "Will be invited again; the link before ends."
_BETWEEN_ROLES = re.compile(r"\s*[,;|]\s*")


@dataclass(frozen=True)
class ImportRow:
    """One row of a file: its line, and what it says."""

    line: int
    address: str
    roles: tuple[str, ...]
    role_ids: tuple[UUID, ...] = ()


def read_rows(content: bytes) -> list[ImportRow]:
    """The rows of a file; `InvalidError` where it cannot be read, with what to do."""
    lines = read_lines(content, COLUMNS)
    return [ImportRow(line.number, line["address"], _names(line["roles"])) for line in lines]


def judge(rows: Sequence[ImportRow], by: frozenset[str]) -> list[Verdict[ImportRow]]:
    """What will become of each row, for somebody who may grant ``by``. Saves nothing."""
    addresses = spellings(row.address for row in rows)
    members, invited = _members(addresses), _invited(addresses)
    known = {role.name.casefold(): role for role in db.session.scalars(roles())}
    names = {name.casefold() for row in rows for name in row.roles}
    refused = refusals([role for name, role in known.items() if name in names], by)

    def checked(row: ImportRow) -> ImportRow:
        address, chosen = checked_address(row.address), [_role(name, known, refused) for name in row.roles]
        return replace(row, address=address, role_ids=tuple(role.id for role in chosen))

    def standing(row: ImportRow, as_written: str) -> Standing | None:
        is_enabled = members.get(row.address, members.get(as_written))
        if is_enabled is None:
            return None
        return (KNOWN, "Is a member already.") if is_enabled else (ERROR, DISABLED)

    return judged(
        rows, checked, standing, lambda row: AGAIN if row.address in invited else "Will be invited."
    )


def _role(name: str, known: Mapping[str, Role], refused: Mapping[UUID, str]) -> Role:
    role = known.get(name.casefold())
    if role is None:
        raise InvalidError(
            f"There is no role {name[:60]}. Known are: {', '.join(r.name for r in known.values())}."
        )
    if role.id in refused:
        raise InvalidError(refused[role.id])
    return role


def _invited(addresses: Iterable[str]) -> set[str]:
    query = open_invitations().where(among(Invitation.address, addresses))
    return set(db.session.scalars(query.with_only_columns(Invitation.address)))


def _members(addresses: Iterable[str]) -> dict[str, bool]:
    found = db.session.execute(
        select(User.address, Membership.is_enabled)
        .join(Membership, Membership.user_id == User.id)
        .where(among(User.address, addresses))
    )
    return {row[0]: row[1] for row in found}


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in _BETWEEN_ROLES.split(text) if name))
