"""The gap audit: what a server has in a folder, set against what is known of it here. Pure.

Every message on the server falls into exactly one group, so that the figures add up for whoever checks them.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from mailboxes.sync.plan import Cursor
from mailboxes.uids import Uids

MOST_NAMED = 100  # UIDs of missing messages that are shown
GROUPS = {
    "stored": "Stored",
    "waiting": "Waiting for delivery",
    "unrouted": "Unrouted",
    "quarantined": "Quarantined",
    "too_large": "Too large",
    "unfetchable": "Not handed out",
    "to_come": "Still to come",
    "before": "Before the chosen history",
    "missing": "Missing",
}
_GROUP_OF_STATE = {"delivered": "stored", "stored": "waiting", "before_history": "before"}


@dataclass(frozen=True, slots=True)
class Gaps:
    """``groups`` sum up to ``server``; ``vanished`` are known here and no longer there."""

    server: int
    groups: dict[str, int]
    vanished: int
    missing: tuple[int, ...]  # UIDs, the newest first, at most `MOST_NAMED`

    def as_json(self) -> dict[str, Any]:
        """To be kept with the folder."""
        return asdict(self)


def gaps(server: Uids, living: Mapping[str, Uids], gone: Uids, cursor: Cursor) -> Gaps:
    """Sort the UIDs of a server; ``living`` are those of arrivals by state, ``gone`` those that vanished.

    A UID that is known as gone and is there again is missing until the comparison has brought it back.
    """
    left = server
    groups = dict.fromkeys(GROUPS, 0)
    known_elsewhere = 0
    for state, uids in living.items():
        here = left & uids
        groups[_GROUP_OF_STATE.get(state, state)] += len(here)
        known_elsewhere += len(uids) - len(here)
        left = left - here
    unknown = Counter(_group_of_unknown(uid, cursor) for uid in left)
    groups |= {group: groups[group] + count for group, count in unknown.items()}
    missing = (uid for uid in reversed(left) if _group_of_unknown(uid, cursor) == "missing")
    vanished = known_elsewhere + len(gone - server)
    return Gaps(len(server), groups, vanished, tuple(islice(missing, MOST_NAMED)))


def _group_of_unknown(uid: int, cursor: Cursor) -> str:
    """Why nothing is known of a message: it is too old, its turn comes, or it slipped through."""
    if uid > cursor.last_uid:
        return "to_come"
    if not cursor.is_history_chosen or uid > cursor.first_uid or uid >= cursor.history_uid:
        return "missing"
    return "before" if uid < cursor.history_floor else "to_come"
