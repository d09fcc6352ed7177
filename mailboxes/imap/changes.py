"""What has changed in a folder, as the server tells it in one go (RFC 7162 §3.1.4), in bounded memory."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from mailboxes.imap import fetching
from mailboxes.imap.dialogue import Parts
from mailboxes.imap.session import ImapSession
from mailboxes.uids import Uids

MOST_TOLD = 5_000  # whose flags are kept: those of a million would take a gigabyte

Flags = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Flags of messages that have changed, by UID. ``others`` have, too: they are to be asked for theirs."""

    flags: Mapping[int, Flags]
    others: Uids


def changed_since(session: ImapSession, mod_seq: int) -> Changes:
    """What has changed in the open folder after ``mod_seq``."""
    flags: dict[int, Flags] = {}
    others = array("q")

    def take(parts: Parts) -> bool:
        items = fetching.fetched_items(parts)
        uid = fetching.whole_number(items.get(b"UID")) if items else None
        if items and uid and b"FLAGS" in items:
            if uid in flags or len(flags) < MOST_TOLD:
                flags[uid] = fetching.flag_names(items[b"FLAGS"])
            else:
                others.append(uid)
        return items is not None

    command = b"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE %d)" % max(1, mod_seq)
    session.run(command, seconds=session.body_seconds, budget=fetching.CHANGES_BUDGET, take=take)
    return Changes(flags, Uids.of(others))
