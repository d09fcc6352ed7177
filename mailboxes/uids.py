"""Sets of UIDs that take little room: as ranges, the way IMAP writes them. Pure.

A folder may have a million messages. As a set of numbers their UIDs take a hundred megabytes; as ranges they
take none to speak of while most are in a row, and sixteen megabytes at worst.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Set
from itertools import groupby, islice, pairwise
from typing import Any

HIGHEST_UID = 2**63 - 1  # whatever a server calls a UID

Range = tuple[int, int]  # the first and the last


class Uids(Set[int]):
    """An immutable set of UIDs, in order."""

    __slots__ = ("_count", "_firsts", "_lasts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """``ranges`` ascend; those that touch become one."""
        self._firsts, self._lasts = array("q"), array("q")
        for first, last in ranges:
            if self._lasts and first <= self._lasts[-1]:
                raise ValueError("ranges have to ascend")
            if self._lasts and first == self._lasts[-1] + 1:
                self._lasts[-1] = last
            else:
                self._firsts.append(first)
                self._lasts.append(last)
        self._count = sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    @classmethod
    def of(cls, uids: Iterable[int]) -> "Uids":
        """These UIDs, in whatever order and number."""
        if isinstance(uids, Uids):
            return uids
        return cls.ascending(in_order(uids if isinstance(uids, array) else array("q", uids)))

    @classmethod
    def ascending(cls, uids: Iterable[int]) -> "Uids":
        """These UIDs, which ascend already: they may come one by one from a server or a table."""
        return cls((uid, uid) for uid in uids)

    @classmethod
    def joined(cls, pieces: Iterable["Uids"]) -> "Uids":
        """All of these; each is higher than those before it."""
        return cls(one for piece in pieces for one in piece.ranges())

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> "Uids":  # type: ignore[override]  # of numbers only
        return cls.of(it)

    def ranges(self) -> Iterator[Range]:
        """The ranges, ascending; no two of them touch."""
        return zip(self._firsts, self._lasts, strict=True)

    def between(self, low: int, high: int) -> "Uids":
        """Those from ``low`` to ``high``."""
        begin, end = bisect_left(self._lasts, low), bisect_right(self._firsts, high)
        pieces = zip(self._firsts[begin:end], self._lasts[begin:end], strict=True)
        return Uids((max(first, low), min(last, high)) for first, last in pieces)

    def newest(self, count: int) -> list[int]:
        """The highest, at most so many, descending."""
        return list(islice(reversed(self), count))

    def portions(self, count: int) -> Iterator[list[int]]:
        """All of them, so many at a time, descending."""
        left = reversed(self)
        while portion := list(islice(left, count)):
            yield portion

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges():
            yield from range(first, last + 1)

    def __reversed__(self) -> Iterator[int]:
        for first, last in zip(reversed(self._firsts), reversed(self._lasts), strict=True):
            yield from range(last, first - 1, -1)

    def __contains__(self, uid: object) -> bool:
        if not isinstance(uid, int):
            return False
        place = bisect_right(self._firsts, uid) - 1
        return place >= 0 and uid <= self._lasts[place]

    def __sub__(self, other: Set[Any]) -> "Uids":
        return Uids(_without(self.ranges(), Uids.of(other).ranges()))

    def __and__(self, other: Set[Any]) -> "Uids":
        return self - (self - other)

    def __repr__(self) -> str:
        told = ",".join(str(first) if first == last else f"{first}:{last}" for first, last in self.ranges())
        return f"Uids({told})"


def in_order(uids: "array[int]") -> "array[int]":
    """The same ones, ascending, each once. Nearly always they are so already."""
    if all(one < next_one for one, next_one in pairwise(uids)):
        return uids
    return array("q", (uid for uid, _ in groupby(sorted(uids))))


def _without(ranges: Iterator[Range], cuts: Iterator[Range]) -> Iterator[Range]:
    """What the cuts leave of the ranges; both ascend."""
    cut = next(cuts, None)
    for begin, last in ranges:
        first = begin
        while cut is not None and cut[0] <= last:
            if first < cut[0]:
                yield first, cut[0] - 1
            first = max(first, cut[1] + 1)
            if cut[1] > last:
                break  # it reaches beyond this range
            cut = next(cuts, None)
        if first <= last:
            yield first, last
