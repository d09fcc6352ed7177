"""Many users of the installation from a file: judged row by row without saving anything, then made together.

Columns ``address``, ``name`` and ``administrator`` (yes or no), see `tenants.import_files`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from tenants.audit import Actor, record_for_system
from tenants.bulk import among
from tenants.database import db, uuid7
from tenants.errors import InvalidError
from tenants.import_files import ADDRESSES, read_lines
from tenants.user_administration import described
from tenants.users import User, checked_address, checked_name, spellings

NAMES = {"name", "full name", "person"}
ADMINISTRATORS = {"administrator", "system administrator", "admin"}
TEMPLATE = (("address", "name", "administrator"), ("mia@example.com", "Mia Example", "no"))
MAKE, KNOWN, ERROR = "make", "known", "error"
_YES, _NO = {"yes", "y", "true", "1", "x"}, {"no", "n", "false", "0", ""}


@dataclass(frozen=True)
class UserRow:
    """One row of a file: its line, and what it says."""

    line: int
    address: str
    name: str
    administrator: str


@dataclass(frozen=True)
class UserVerdict:
    """What will become of a row: make, known (nothing to do) or error; ``words`` say it."""

    row: UserRow
    kind: str
    words: str
    is_system_admin: bool = False


def read_users(content: bytes) -> list[UserRow]:
    """The rows of a file; `InvalidError` where it cannot be read, with what to do."""
    lines = read_lines(content, {"address": ADDRESSES, "name": NAMES, "administrator": ADMINISTRATORS})
    return [UserRow(line.number, line["address"], line["name"], line["administrator"]) for line in lines]


def judge_users(rows: Sequence[UserRow]) -> list[UserVerdict]:
    """What will become of each row. Saves nothing."""
    known = users_by_address(spellings(row.address for row in rows))
    first: dict[str, int] = {}
    return [_verdict(row, known, first) for row in rows]


def make_users(verdicts: Sequence[UserVerdict], *, actor: Actor) -> list[User]:
    """The new users, in few statements however many they are. The caller commits.

    Somebody who was made in the same moment is left out, and is another's to welcome.
    """
    rows = [
        {
            "id": uuid7(),
            "address": verdict.row.address,
            "name": verdict.row.name,
            "is_system_admin": verdict.is_system_admin,
        }
        for verdict in verdicts
        if verdict.kind == MAKE
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


def _verdict(row: UserRow, known: dict[str, User], first: dict[str, int]) -> UserVerdict:
    try:
        address, name = checked_address(row.address), checked_name(row.name)
        is_system_admin = _is_yes(row.administrator)
    except InvalidError as error:
        return UserVerdict(row, ERROR, error.message)
    if address in first:
        return UserVerdict(row, ERROR, f"Line {first[address]} has the same address. Keep one of them.")
    first[address] = row.line
    user = known.get(address) or known.get(row.address.lower())
    if user is not None:
        words = "Is a user already" if user.is_enabled else "Is a disabled user. Enable them instead"
        return UserVerdict(row, KNOWN if user.is_enabled else ERROR, f"{words}.")
    words = "Will be made a user, and administer the system." if is_system_admin else "Will be made a user."
    return UserVerdict(UserRow(row.line, address, name, row.administrator), MAKE, words, is_system_admin)


def _is_yes(text: str) -> bool:
    word = text.casefold()
    if word not in _YES | _NO:
        raise InvalidError(f"Write yes or no into the column administrator, not {text[:60]}.")
    return word in _YES
