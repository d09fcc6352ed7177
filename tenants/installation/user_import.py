"""Many users of the installation from a file: judged row by row without saving anything, then made together.

Columns ``address``, ``name`` and ``administrator`` (yes or no), see `tenants.people.import_files`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from tenants.audit import Actor, record_for_system
from tenants.database import db, uuid7
from tenants.database.bulk import among
from tenants.errors import InvalidError
from tenants.installation.users import described
from tenants.people.import_files import ADDRESSES, ERROR, KNOWN, TAKEN, Standing, Verdict, judged, read_lines
from tenants.users import User, checked_address, checked_name, spellings

COLUMNS = {
    "address": ADDRESSES,
    "name": {"name", "full name", "person"},
    "administrator": {"administrator", "system administrator", "admin"},
}
TEMPLATE = (("address", "name", "administrator"), ("mia@example.com", "Mia Example", "no"))
DISABLED = "Is a disabled user. Enable them instead."
_YES, _NO = {"yes", "y", "true", "1", "x"}, {"no", "n", "false", "0", ""}


@dataclass(frozen=True)
class UserRow:
    """One row of a file: its line, and what it says."""

    line: int
    address: str
    name: str
    administrator: str
    is_system_admin: bool = False


def read_users(content: bytes) -> list[UserRow]:
    """The rows of a file; `InvalidError` where it cannot be read, with what to do."""
    lines = read_lines(content, COLUMNS)
    return [UserRow(line.number, line["address"], line["name"], line["administrator"]) for line in lines]


def judge_users(rows: Sequence[UserRow]) -> list[Verdict[UserRow]]:
    """What will become of each row. Saves nothing."""
    known = users_by_address(spellings(row.address for row in rows))

    def standing(row: UserRow, as_written: str) -> Standing | None:
        user = known.get(row.address) or known.get(as_written)
        if user is None:
            return None
        return (KNOWN, "Is a user already.") if user.is_enabled else (ERROR, DISABLED)

    return judged(rows, _checked, standing, _words)


def make_users(verdicts: Sequence[Verdict[UserRow]], *, actor: Actor) -> list[User]:
    """The new users, in few statements however many they are. The caller commits.

    Somebody who was made in the same moment is left out, and is another's to welcome.
    """
    rows = [
        {
            "id": uuid7(),
            "address": verdict.row.address,
            "name": verdict.row.name,
            "is_system_admin": verdict.row.is_system_admin,
        }
        for verdict in verdicts
        if verdict.kind == TAKEN
    ]
    if not rows:
        return []
    db.session.execute(insert(User).on_conflict_do_nothing(index_elements=[User.address]), rows)
    ids = {row["id"] for row in rows}
    made = [
        user for user in users_by_address([str(row["address"]) for row in rows]).values() if user.id in ids
    ]
    for user in made:
        record_for_system(actor, "user.created", user.address, {}, described(user))
    return made


def users_by_address(addresses: Iterable[str]) -> dict[str, User]:
    """The users who have one of these addresses, by address."""
    found = db.session.scalars(select(User).where(among(User.address, addresses)).order_by(User.address))
    return {user.address: user for user in found}


def _checked(row: UserRow) -> UserRow:
    is_system_admin = _is_yes(row.administrator)
    address, name = checked_address(row.address), checked_name(row.name)
    return replace(row, address=address, name=name, is_system_admin=is_system_admin)


def _words(row: UserRow) -> str:
    return (
        "Will be made a user, and administer the system." if row.is_system_admin else "Will be made a user."
    )


def _is_yes(text: str) -> bool:
    word = text.casefold()
    if word not in _YES | _NO:
        raise InvalidError(f"Write yes or no into the column administrator, not {text[:60]}.")
    return word in _YES
