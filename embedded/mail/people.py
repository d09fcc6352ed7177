"""Who has a mailbox on the embedded mail server: one JSON file, read again when it changes."""

import hmac
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class MailUser:
    """One mailbox: its address is the login name, aliases are delivered into it as well.

    ``reads_elsewhere``: a person whose own mail is read in no system mailbox; it is kept with the world's.
    """

    address: str
    password: str
    aliases: tuple[str, ...] = ()
    reads_elsewhere: bool = False


def write_users(path: Path, users: Iterable[MailUser]) -> None:
    """Replace the file at once, readable by us only: it holds passwords in clear."""
    text = json.dumps([asdict(user) for user in users], indent=1)
    fresh = path.with_suffix(".fresh")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


def read_users(path: Path) -> list[MailUser]:
    """The people in the file, in its order."""
    found = json.loads(path.read_text())
    return [MailUser(**{**entry, "aliases": tuple(entry.get("aliases", ()))}) for entry in found]


class People:
    """Looks people up by login name or by any address that is delivered to them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = -1
        self._by_address: dict[str, MailUser] = {}
        self._users: list[MailUser] = []

    def everybody(self) -> list[MailUser]:
        """All users as the file says right now."""
        self._refresh()
        return self._users

    def mailbox_of(self, address: str) -> MailUser | None:
        """Whose mailbox receives this address; ``name+anything@`` goes where ``name@`` goes."""
        self._refresh()
        local, at, domain = address.lower().rpartition("@")
        bare = f"{local.partition('+')[0]}{at}{domain}"
        return self._by_address.get(address.lower()) or self._by_address.get(bare)

    def is_local(self, domain: str) -> bool:
        """Whether any mailbox has an address in this domain."""
        self._refresh()
        return any(known.rpartition("@")[2] == domain.lower() for known in self._by_address)

    def signed_in(self, name: str, password: str) -> MailUser | None:
        """The user with this login name, if the password is right."""
        self._refresh()
        user = self._by_address.get(name.lower())
        if user is None or user.address.lower() != name.lower():
            return None
        is_right = hmac.compare_digest(user.password.encode(), password.encode())
        return user if is_right else None

    def _refresh(self) -> None:
        changed_at = self._path.stat().st_mtime_ns
        if changed_at == self._read_at:
            return
        self._read_at = changed_at
        self._users = read_users(self._path)
        self._by_address = {
            address.lower(): user for user in self._users for address in (*user.aliases, user.address)
        }
