"""The numbers that a server tells of one folder: when it is opened, and without opening it.

Few of them can be relied upon: what is not told, or cannot be meant, is None (reliability F3, F35).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailboxes.imap.dialogue import Answer, Parts, response_code
from mailboxes.imap.fetching import whole_number
from mailboxes.imap.folders import status_numbers

# DavMail keeps a slow answer alive by blanks behind the asterisk.
_EVENT = re.compile(rb"\*\s++(\d{1,10})\s++(EXISTS|EXPUNGE|FETCH|RECENT)\b", re.IGNORECASE)
_CODED = re.compile(rb"\*\s++OK\s++(\[.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class FolderState:
    """What opening a folder tells."""

    uid_validity: int | None
    uid_next: int | None
    exists: int | None
    highest_mod_seq: int | None
    keeps_seen: bool = True  # when opened for writing


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """What STATUS tells without opening a folder."""

    messages: int | None
    unseen: int | None
    uid_next: int | None
    uid_validity: int | None
    highest_mod_seq: int | None


def folder_state(answer: Answer, *, has_mod_seq: bool) -> FolderState:
    """What SELECT or EXAMINE told.

    Numbers of changes count only where the server promises to keep them (Yahoo tells some, F35).
    """
    codes: dict[str, int | None] = {}
    exists: int | None = None
    keeps_seen = True
    for parts in answer.untagged:
        told = event_of(parts)
        if told and told[1] == "EXISTS":
            exists = told[0]
        if found := _CODED.match(parts[0]):
            code, argument = response_code(found[1])
            codes[code] = whole_number(argument)
            if code == "PERMANENTFLAGS":
                keeps_seen = b"\\seen" in argument.lower().strip(b"()").split()
    return FolderState(
        uid_validity=_positive(codes.get("UIDVALIDITY")),
        uid_next=_positive(codes.get("UIDNEXT")),
        exists=exists,
        highest_mod_seq=_positive(codes.get("HIGHESTMODSEQ")) if has_mod_seq else None,
        keeps_seen=keeps_seen,
    )


def folder_status(answers: Iterable[Parts]) -> FolderStatus:
    """What STATUS told of one folder."""
    told: dict[str, int] = {}
    for parts in answers:
        told |= status_numbers(parts)[1]
    return FolderStatus(
        messages=told.get("MESSAGES"),
        unseen=told.get("UNSEEN"),
        uid_next=_positive(told.get("UIDNEXT")),
        uid_validity=_positive(told.get("UIDVALIDITY")),
        highest_mod_seq=_positive(told.get("HIGHESTMODSEQ")),
    )


def event_of(parts: Parts) -> tuple[int, str] | None:
    """``* 3 EXISTS`` → (3, "EXISTS"); None for what tells of no event."""
    found = _EVENT.match(parts[0])
    return (int(found[1]), found[2].decode("ascii").upper()) if found else None


def _positive(number: int | None) -> int | None:
    """The number if it can be meant (Zoho says MODSEQ -1, F35); some count in 64 bits (F3)."""
    return number if number is not None and number > 0 else None
