"""SEARCH answers, plain and compressed (RFC 4731), and how far to ask at once."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from mailboxes.errors import AnswerTooLongError, CommandRefusedError, ProtocolError
from mailboxes.imap.dialogue import Parts
from mailboxes.imap.session import ImapSession
from mailboxes.uids import HIGHEST_UID, Uids, in_order

UIDS_PER_SEARCH = 50_000
MOST_UIDS = 2_000_000  # found by one search
EVERYTHING = b"UID 1:*"  # iCloud has been seen to answer ALL by UIDs that nothing has
LONGEST_NUMBER = 18  # digits
SEARCH_BUDGET = 32 * 1024 * 1024

_SEARCH = re.compile(rb"\* SEARCH((?:\s[\s\d]*+)?)(?:\(MODSEQ \d+\)\s*)?\Z", re.IGNORECASE)
_ESEARCH = re.compile(rb"\* ESEARCH\b(?:.*?\bALL (\S+))?", re.IGNORECASE)
_RANGE = re.compile(rb"(\d{1,10})(?::(\d{1,10}))?")
_UID = re.compile(rb"\d++")
_ANY = re.compile(rb"\* E?SEARCH\b", re.IGNORECASE)


def search(session: ImapSession, criteria: bytes) -> "array[int]":
    """UIDs in the open folder that meet the criteria, ascending; a million take eight megabytes."""
    returns = b"RETURN (ALL) " if "ESEARCH" in session.capabilities else b""
    found = array("q")

    def take(parts: Parts) -> bool:
        found.extend(found_uids(parts[0]))
        if len(found) > MOST_UIDS:
            raise AnswerTooLongError
        return _ANY.match(parts[0]) is not None

    try:
        session.run(b"UID SEARCH " + returns + criteria, budget=SEARCH_BUDGET, take=take)
    except CommandRefusedError:
        if not returns:
            raise
        del found[:]
        session.run(b"UID SEARCH " + criteria, budget=SEARCH_BUDGET, take=take)
        session.capabilities -= {"ESEARCH"}  # it promised too much (F35)
    ascending = in_order(found)
    del ascending[: bisect_left(ascending, 1)]
    return ascending


def all_uids(session: ImapSession, uid_next: int, lowest: int = 1, criteria: bytes = b"") -> Uids:
    """Every UID in the open folder from ``lowest`` on that meets the criteria, if any; asked for in ranges
    that keep answers short."""
    found: list[Uids] = []
    for first, last in ranges(uid_next, lambda: sum(map(len, found)), lowest):
        end = b"*" if last is None else b"%d" % last
        there = Uids.of(search(session, b" ".join(filter(None, (b"UID %d:%s" % (first, end), criteria)))))
        found.append(there.between(first, last or HIGHEST_UID))
    return Uids.joined(found)


def found_uids(line: bytes) -> Iterable[int]:
    """The UIDs that one SEARCH or ESEARCH answer tells, in whatever order and number (F4).

    Raises `ProtocolError` for one that cannot be read: nothing found would mean *all gone*.
    """
    if plain := _SEARCH.match(line):
        return _numbers(plain[1])
    if compressed := _ESEARCH.match(line):
        return _expanded(compressed[1] or b"")
    if _ANY.match(line):
        raise ProtocolError
    return ()


def ranges(
    uid_next: int, found_count: Callable[[], int], lowest: int = 1
) -> Iterator[tuple[int, int | None]]:
    """Ranges of UIDs to search, wider where few are found; the last one is open-ended.

    ``found_count`` tells how many were found so far.
    """
    first, width = lowest, UIDS_PER_SEARCH
    while first + width < uid_next:
        before = found_count()
        yield first, first + width - 1
        first += width
        if found_count() - before < UIDS_PER_SEARCH // 4:
            width *= 2
        else:
            width = UIDS_PER_SEARCH
    yield first, None


def _numbers(text: bytes) -> Iterator[int]:
    """One by one: a million of them would be a hundred megabytes of words."""
    for found in _UID.finditer(text):
        if len(found[0]) > LONGEST_NUMBER:
            raise ProtocolError
        yield int(found[0])


def _expanded(text: bytes) -> Iterator[int]:
    """``1:3,7`` → 1, 2, 3, 7."""
    count = 0
    for piece in text.split(b",") if text else []:
        found = _RANGE.fullmatch(piece)
        if not found:
            raise ProtocolError
        low, high = sorted((int(found[1]), int(found[2] or found[1])))
        count += high - low + 1
        if count > MOST_UIDS:
            raise AnswerTooLongError
        yield from range(low, high + 1)
