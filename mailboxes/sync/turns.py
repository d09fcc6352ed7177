"""Whose turn it is: the order in which a pass visits the folders of an account. Pure.

A pass ends when its time is over, and its folders may take any time: what comes first in each pass would
starve what comes behind it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

PUT_BACK = timedelta(hours=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
RANKS = {"inbox": 0, "sent": 1, "other": 2, "archive": 3, "all": 5}
OTHER_RANK = 4


class Visited(Protocol):
    """What matters of a folder. ``visited_at``: when the pass began that visited it last; ``new_since``: of
    one that was never visited, when it was chosen."""

    @property
    def name(self) -> str: ...
    @property
    def special_use(self) -> str: ...
    @property
    def new_since(self) -> datetime: ...
    @property
    def visited_at(self) -> datetime | None: ...
    @property
    def left_alone_until(self) -> datetime | None: ...


FolderLike = TypeVar("FolderLike", bound=Visited)


def in_turn(folders: Iterable[FolderLike]) -> list[FolderLike]:
    """The inbox first, unless the last pass got to no other; then whoever has waited longest since its visit,
    which counts as an hour later if it cost the connection: so each is visited after finitely many passes.

    Those that one pass has visited have waited equally long, and come in the order in which a message that
    lies in several of them is to be found: where it counts.
    """
    known = list(folders)
    others = [max(_waits_since(one), one.new_since) for one in known if one.special_use != "inbox"]
    latest = max(others, default=LONG_AGO)

    def key(folder: FolderLike) -> tuple[bool, datetime, int, str]:
        since = _waits_since(folder)
        is_first = folder.special_use == "inbox" and since <= latest
        return not is_first, since, RANKS.get(folder.special_use, OTHER_RANK), folder.name

    return sorted(known, key=key)


def _waits_since(folder: Visited) -> datetime:
    visited_at = folder.visited_at or LONG_AGO
    return visited_at if folder.left_alone_until is None else visited_at + PUT_BACK
