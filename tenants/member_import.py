"""Many people from a file: read, judged row by row without saving anything, then invited.

The file is CSV as spreadsheets write it: UTF-8, UTF-16 with a byte order mark, or Windows-1252; split by
commas, semicolons or tabs. Columns ``address`` and ``roles`` (several divided by ``,``, ``;`` or ``|``).
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from tenants.bulk import among
from tenants.database import db
from tenants.errors import InvalidError
from tenants.invitations import Invitation, open_invitations
from tenants.organizations import Membership
from tenants.permissions import PERMISSIONS, Role, roles
from tenants.users import User, checked_address

LARGEST_FILE = 512 * 1024
MOST_ROWS = 1000
ADDRESSES = {"address", "email", "e-mail", "e-mail address", "email address", "mail"}
ROLES = {"roles", "role"}
DELIMITERS = ",;\t"
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


def read_rows(content: bytes) -> list[ImportRow]:
    """The rows of a file; `InvalidError` where it cannot be read, with what to do."""
    if len(content) > LARGEST_FILE:
        raise InvalidError(f"The file is larger than {LARGEST_FILE // 1024} KB. Divide it.", field="file")
    text = _decoded(content)
    header, _, _ = text.partition("\n")
    delimiter = max(DELIMITERS, key=header.count)
    lines = _cells_of(text, delimiter)
    names = [name.strip().casefold() for name in lines[0]] if lines else []
    address, role = _column(names, ADDRESSES), _column(names, ROLES)
    if address is None:
        raise InvalidError(
            "The first row must name the columns: address, and roles if you like.", field="file"
        )
    rows = [
        ImportRow(number, _cell(cells, address), _names(_cell(cells, role)))
        for number, cells in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in cells)
    ]
    if not rows:
        raise InvalidError("There is nobody in the file: it has no row below the first.", field="file")
    if len(rows) > MOST_ROWS:
        raise InvalidError(f"The file has more than {MOST_ROWS} rows. Divide it.", field="file")
    return rows


def _cells_of(text: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        words = "The file cannot be read as CSV. Look for a quotation mark that is not closed."
        raise InvalidError(words, field="file") from None


def judge(rows: Sequence[ImportRow], by: frozenset[str]) -> list[Verdict]:
    """What will become of each row, for somebody who may grant ``by``. Saves nothing."""
    known = {role.name.casefold(): role for role in db.session.scalars(roles())}
    addresses = [row.address.lower() for row in rows]
    states = _members(addresses)
    invited = set(
        db.session.scalars(
            open_invitations()
            .where(among(Invitation.address, addresses))
            .with_only_columns(Invitation.address)
        )
    )
    first: dict[str, int] = {}
    return [_verdict(row, known, states, invited, first, by) for row in rows]


def _verdict(
    row: ImportRow,
    known: dict[str, Role],
    states: dict[str, bool],
    invited: set[str],
    first: dict[str, int],
    by: frozenset[str],
) -> Verdict:
    try:
        address = checked_address(row.address)
        chosen = [_role(name, known, by) for name in row.roles]
    except InvalidError as error:
        return Verdict(row, ERROR, error.message)
    if address in first:
        return Verdict(row, ERROR, f"Line {first[address]} has the same address. Keep one of them.")
    first[address] = row.line
    if address in states:
        words = (
            "Is a member already" if states[address] else "Is a disabled member. Enable them under Members"
        )
        return Verdict(row, MEMBER if states[address] else ERROR, f"{words}.")
    words = "Will be invited again; the link before ends." if address in invited else "Will be invited."
    return Verdict(ImportRow(row.line, address, row.roles), INVITE, words, tuple(role.id for role in chosen))


def _role(name: str, known: dict[str, Role], by: frozenset[str]) -> Role:
    role = known.get(name.casefold())
    if role is None:
        raise InvalidError(
            f"There is no role {name[:60]}. Known are: {', '.join(r.name for r in known.values())}."
        )
    lacking = set(role.permissions) - by
    if lacking:
        raise InvalidError(
            f"You cannot give the role {role.name}: it permits what you may not do yourself"
            f" ({PERMISSIONS[min(lacking)]})."
        )
    return role


def _members(addresses: list[str]) -> dict[str, bool]:
    found = db.session.execute(
        select(User.address, Membership.is_enabled)
        .join(Membership, Membership.user_id == User.id)
        .where(among(User.address, addresses))
    )
    return {row[0]: row[1] for row in found}


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ["utf-16"] if is_utf16 else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InvalidError("This is no text file. Save the list as CSV (UTF-8).", field="file")


def _column(names: list[str], wanted: set[str]) -> int | None:
    return next((place for place, name in enumerate(names) if name in wanted), None)


def _cell(cells: list[str], place: int | None) -> str:
    """A cell without the mark by which our own files keep a spreadsheet from running it."""
    text = cells[place].strip() if place is not None and place < len(cells) else ""
    return text.removeprefix("'")[:320]


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in _BETWEEN_ROLES.split(text) if name))
