"""What the scripted server has: folders and messages, the truth that the database must end with.

`Folder.synthetic` has a million messages without storing one: each is made anew from the seed when asked for.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field

USUAL_DATE = "20-Nov-2026 10:00:00 +0000"


@dataclass
class StoredMessage:
    """A message as the server has it. ``claimed_size``: RFC822.SIZE, where it is wrong."""

    raw: bytes
    flags: list[str] = field(default_factory=list)
    date: str = USUAL_DATE
    claimed_size: int | None = None
    mod_seq: int = 1

    @property
    def sha256(self) -> bytes:
        """How an arrival is known by its bytes."""
        return hashlib.sha256(self.raw).digest()


@dataclass
class Folder:
    """A folder and the truth about its messages, by UID."""

    uid_validity: int = 1
    uid_next: int = 1
    messages: MutableMapping[int, StoredMessage] = field(default_factory=dict)
    mod_seq: int = 1

    @classmethod
    def synthetic(cls, count: int, seed: int) -> "Folder":
        """A folder of so many messages that are nowhere stored, the same ones for the same seed."""
        return cls(uid_next=count + 1, messages=SyntheticMessages(count, seed))

    def add(self, raw: bytes, *, uid: int | None = None, **values: object) -> int:
        """Store a message, return its UID."""
        uid = uid or self.uid_next
        self.mod_seq += 1
        self.messages[uid] = StoredMessage(raw, mod_seq=self.mod_seq, **values)  # type: ignore[arg-type]
        self.uid_next = max(self.uid_next, uid + 1)
        return uid

    def flag(self, uid: int, *flags: str) -> None:
        """Somebody gives a message exactly these flags."""
        self.mod_seq += 1
        message = self.messages[uid]
        message.flags, message.mod_seq = list(flags), self.mod_seq
        self.messages[uid] = message

    def remove(self, uid: int) -> None:
        """Somebody removes a message."""
        del self.messages[uid]
        self.mod_seq += 1

    def uids(self) -> Sequence[int]:
        """All UIDs, ascending."""
        if isinstance(self.messages, SyntheticMessages):
            return self.messages.uids()
        return sorted(self.messages)

    def asked(self, wanted: str) -> list[int]:
        """The UIDs that a set such as ``1:3,7,9:*`` names, ascending."""
        uids = self.uids()
        highest = uids[-1] if uids else 1
        found: set[int] = set()
        for piece in wanted.split(","):
            first, _, last = piece.partition(":")
            low, high = sorted(highest if end == "*" else int(end) for end in (first, last or first))
            found.update(uids[bisect_left(uids, low) : bisect_right(uids, high)])
        return sorted(found)

    def sequence(self, uid: int) -> int:
        """The message's number in its folder."""
        return bisect_left(self.uids(), uid) + 1


class SyntheticMessages(MutableMapping[int, StoredMessage]):
    """Messages 1 … count, made from a seed whenever one is looked at; changes to few of them are kept."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._changed: dict[int, StoredMessage] = {}
        self._removed: set[int] = set()
        self._uids: Sequence[int] = range(1, count + 1)

    def uids(self) -> Sequence[int]:
        """All UIDs, ascending."""
        return self._uids

    def __getitem__(self, uid: int) -> StoredMessage:
        if uid in self._changed:
            return self._changed[uid]
        if uid in self._removed or not 1 <= uid <= self._count:
            raise KeyError(uid)
        return StoredMessage(synthetic_letter(self._seed, uid), ["\\Seen"])

    def __setitem__(self, uid: int, message: StoredMessage) -> None:
        self._changed[uid] = message
        self._removed.discard(uid)
        self._count_again()

    def __delitem__(self, uid: int) -> None:
        self._changed.pop(uid, None)
        self._removed.add(uid)
        self._count_again()

    def __iter__(self) -> Iterator[int]:
        return iter(self._uids)

    def __len__(self) -> int:
        return len(self._uids)

    def _count_again(self) -> None:
        whole = range(1, self._count + 1)
        added = [uid for uid in self._changed if uid > self._count]
        if self._removed:
            self._uids = [*(uid for uid in whole if uid not in self._removed), *sorted(added)]
        elif added:
            self._uids = [*whole, *sorted(added)]


def synthetic_letter(seed: int, uid: int) -> bytes:
    """The bytes of one of a million messages: a short letter, its own sender and Message-ID."""
    word = hashlib.sha256(f"{seed}/{uid}".encode()).hexdigest()
    return (
        f"From: Person {uid} <p{uid % 5000}@customer.test>\r\nTo: help@acme.test\r\n"
        f"Subject: Order {word[:8]}\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{uid}.{word[:16]}@customer.test>\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
        f"Where is the order {word[8:24]}? It should have come last week.\r\n"
    ).encode()
