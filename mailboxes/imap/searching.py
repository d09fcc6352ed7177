"""SEARCH answers, plain and compressed (RFC 4731), and how far to ask at once."""

import re
from collections.abc import Callable, Iterable, Iterator

from mailboxes.errors import AnswerTooLongError, ProtocolError
from mailboxes.imap.dialogue import Parts
from mailboxes.imap.session import ImapSession

UIDS_PER_SEARCH = 50_000
MOST_UIDS = 20_000_000

_SEARCH = re.compile(rb"\* SEARCH\b([\d\s]*)(?:\(MODSEQ \d+\)\s*)?\Z", re.IGNORECASE)
_ESEARCH = re.compile(rb"\* ESEARCH\b.*?\bALL ([\d:,*]+)", re.IGNORECASE)
_ANY = re.compile(rb"\* E?SEARCH\b", re.IGNORECASE)


def search(session: ImapSession, criteria: bytes) -> list[int]:
    """UIDs in the open folder that meet the criteria, ascending."""
    returns = b"RETURN (ALL) " if "ESEARCH" in session.capabilities else b""
    return found_uids(session.run(b"UID SEARCH " + returns + criteria).untagged)


def all_uids(session: ImapSession, uid_next: int) -> list[int]:
    """Every UID in the open folder, ascending, asked for in ranges that keep answers short."""
    found: set[int] = set()
    for first, last in ranges(uid_next, lambda: len(found)):
        end = b"*" if last is None else b"%d" % last
        found.update(uid for uid in search(session, b"UID %d:%s" % (first, end)) if uid >= first)
    return sorted(found)


def found_uids(answers: Iterable[Parts]) -> list[int]:
    """All UIDs of SEARCH and ESEARCH answers, ascending, once each (F4)."""
    found: set[int] = set()
    for parts in answers:
        line = parts[0]
        if plain := _SEARCH.match(line):
            found.update(map(int, plain[1].split()))
        elif compressed := _ESEARCH.match(line):
            _add_ranges(found, compressed[1])
        elif _ANY.match(line) and b"ALL" in line.upper():
            raise ProtocolError
    found.discard(0)
    return sorted(found)


def ranges(uid_next: int, found_count: Callable[[], int]) -> Iterator[tuple[int, int | None]]:
    """Ranges of UIDs to search, wider where few are found; the last one is open-ended.

    ``found_count`` tells how many were found so far.
    """
    first, width = 1, UIDS_PER_SEARCH
    while first + width < uid_next:
        before = found_count()
        yield first, first + width - 1
        first += width
        if found_count() - before < UIDS_PER_SEARCH // 4:
            width *= 2
        else:
            width = UIDS_PER_SEARCH
    yield first, None


def _add_ranges(found: set[int], text: bytes) -> None:
    for piece in text.split(b","):
        first, _, last = piece.partition(b":")
        if not first.isdigit() or (last and not last.isdigit()):
            raise ProtocolError
        low, high = sorted((int(first), int(last or first)))
        if len(found) + high - low >= MOST_UIDS:
            raise AnswerTooLongError
        found.update(range(low, high + 1))
