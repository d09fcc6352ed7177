"""Many people from a file: read, judged row by row without saving anything, then invited.

Columns ``address`` and ``roles`` (several divided by ``,``, ``;`` or ``|``), see `tenants.import_files`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from tenants.bulk import among
from tenants.database import db
from tenants.errors import ForbiddenError, InvalidError
from tenants.import_files import ADDRESSES, read_lines
from tenants.invitations import Invitation, open_invitations
from tenants.organizations import Membership
from tenants.people import grantable
from tenants.permissions import PERMISSIONS, Role, roles
from tenants.users import User, checked_address, spellings

ROLES = {"roles", "role"}
TEMPLATE = (("address", "roles"), ("mia@example.com", "Member"))
INVITE, MEMBER, ERROR = "invite", "member", "error"
_BETWEEN_ROLES = re.compile(r"\s*[,;|]\s*")


@dataclass(frozen=True)
class ImportRow:
    """One row of a file: its line, and what it says."""

    line: int
    address: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What will become of a row: invite, member (nothing to do) or error; ``words`` say it."""

    row: ImportRow
    kind: str
    words: str
    role_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What rows are judged by, read once for all of them."""

    known: dict[str, Role]  # by name
    refused: dict[UUID, str]  # why a role cannot be given
    states: dict[str, bool]  # members by address: whether they are enabled
    invited: set[str]
    by: frozenset[str]  # what whoever judges may grant
    first: dict[str, int] = field(default_factory=dict)  # the line on which an address came first


def read_rows(content: bytes) -> list[ImportRow]:
    """The rows of a file; `InvalidError` where it cannot be read, with what to do."""
    lines = read_lines(content, {"address": ADDRESSES, "roles": ROLES})
    return [ImportRow(line.number, line["address"], _names(line["roles"])) for line in lines]


def judge(rows: Sequence[ImportRow], by: frozenset[str]) -> list[Verdict]:
    """What will become of each row, for somebody who may grant ``by``. Saves nothing."""
    known = {role.name.casefold(): role for role in db.session.scalars(roles())}
    addresses = spellings(row.address for row in rows)
    states = _members(addresses)
    invited = set(
        db.session.scalars(
            open_invitations()
            .where(among(Invitation.address, addresses))
            .with_only_columns(Invitation.address)
        )
    )
    names = {name.casefold() for row in rows for name in row.roles}
    named = [role for name, role in known.items() if name in names]
    judged = Judged(known, _refusals(named, by), states, invited, by)
    return [_verdict(row, judged) for row in rows]


def _refusals(chosen: Sequence[Role], by: frozenset[str]) -> dict[UUID, str]:
    """Why roles cannot be given: asked of all at once, and one by one only where that is refused."""
    if not _refusal(chosen, by):
        return {}
    found = {role.id: _refusal([role], by) for role in chosen}
    return {id: words for id, words in found.items() if words}


def _refusal(chosen: Sequence[Role], by: frozenset[str]) -> str:
    try:
        grantable([role.id for role in chosen], by)
    except ForbiddenError as error:
        return error.message
    return ""


def _verdict(row: ImportRow, judged: Judged) -> Verdict:
    states, first = judged.states, judged.first
    try:
        address = checked_address(row.address)
        chosen = [_role(name, judged) for name in row.roles]
    except InvalidError as error:
        return Verdict(row, ERROR, error.message)
    if address in first:
        return Verdict(row, ERROR, f"Line {first[address]} has the same address. Keep one of them.")
    first[address] = row.line
    is_enabled = states.get(address, states.get(row.address.lower()))
    if is_enabled is not None:
        words = "Is a member already" if is_enabled else "Is a disabled member. Enable them under Members"
        return Verdict(row, MEMBER if is_enabled else ERROR, f"{words}.")
    words = (
        "Will be invited again; the link before ends." if address in judged.invited else "Will be invited."
    )
    return Verdict(ImportRow(row.line, address, row.roles), INVITE, words, tuple(role.id for role in chosen))


def _role(name: str, judged: Judged) -> Role:
    known = judged.known
    role = known.get(name.casefold())
    if role is None:
        raise InvalidError(
            f"There is no role {name[:60]}. Known are: {', '.join(r.name for r in known.values())}."
        )
    lacking = set(role.permissions) - judged.by
    if lacking:
        raise InvalidError(
            f"You cannot give the role {role.name}: it permits what you may not do yourself"
            f" ({PERMISSIONS[min(lacking)]})."
        )
    if role.id in judged.refused:
        raise InvalidError(judged.refused[role.id])
    return role


def _members(addresses: Iterable[str]) -> dict[str, bool]:
    found = db.session.execute(
        select(User.address, Membership.is_enabled)
        .join(Membership, Membership.user_id == User.id)
        .where(among(User.address, addresses))
    )
    return {row[0]: row[1] for row in found}


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in _BETWEEN_ROLES.split(text) if name))
