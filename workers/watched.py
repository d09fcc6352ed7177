"""An account under watch: which there are, what is known of each, and how its server is asked.

IDLE is a hint and nothing more: what it does not tell is asked for by STATUS.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from mailboxes.accounts import WAITING_FOR_PEOPLE, Account, Folder
from mailboxes.egress import EgressPolicy
from mailboxes.errors import CommandRefusedError, TurnedAwayError
from mailboxes.imap import FolderStatus, ImapConnection, ImapSettings
from mailboxes.sync.claiming import is_wanted, may_be_asked
from mailboxes.sync.plan import are_told_at_once
from tenants.database import across_organizations, now

MOST_MISSED = 2
UNASKED_SECONDS = 900.0  # a folder that cost the connection is left to the scheduled passes for so long
MOST_LOST = 2  # connections, each time folders are asked; the others are asked next time


@dataclass(frozen=True, slots=True)
class Post:
    """An account to watch. ``version`` changes with everything that matters to its connection."""

    account_id: UUID
    organization_id: UUID | None
    folders: tuple[bytes, ...]  # the inbox first
    version: str
    is_told_at_once: bool = False  # whether its folders are many, and the server may tell of all at once


@dataclass(slots=True)
class Watched:
    """An account under watch. While ``is_busy`` a thread has its connection."""

    post: Post
    settings: ImapSettings
    policy: EgressPolicy
    imap: ImapConnection
    seconds: float
    due_at: float = 0.0
    told_at: float = 0.0  # when the server last answered
    is_busy: bool = False
    is_dropped: bool = False
    failures: int = 0
    socket: int | None = None  # its number while the selector waits for it
    told: dict[bytes, FolderStatus] = field(default_factory=dict)
    unasked: dict[bytes, float] = field(default_factory=dict)  # folders, and until when
    is_list_no_use: bool = False  # the server fails by telling of all folders at once
    is_idle_no_use: bool = False  # it was offered, and is refused or tells nothing
    is_heard: bool = False  # IDLE has told something since the inbox was asked about
    missed_count: int = 0  # how often in a row it had changed without a word
    lost_count: int = 0  # connections that other folders have cost, this time

    @property
    def can_idle(self) -> bool:
        """Whether the server offers IDLE, and keeps its word."""
        return "IDLE" in self.imap.capabilities and not self.is_idle_no_use


def posts() -> list[Post]:
    """Every account that is to be watched, with its folders."""
    query = (
        select(
            Account.id,
            Account.organization_id,
            Account.imap_host,
            Account.imap_port,
            Account.imap_encryption,
            Account.imap_user,
            Account.imap_secret,
            Account.connected_as,
            Account.statuses_untold_at,
            func.array_agg(Folder.name_raw).label("folders"),
            func.array_agg(Folder.special_use).label("uses"),
        )
        .join(Folder, (Folder.owner_id == Account.owner_id) & (Folder.account_id == Account.id))
        .where(
            Account.is_enabled,
            Account.imap_enabled,
            Account.state.not_in(WAITING_FOR_PEOPLE),
            text(is_wanted("accounts")),
            text(may_be_asked("accounts")),
            Folder.is_synced,
            Folder.is_selectable,
            Folder.gone_at.is_(None),
            Folder.left_at.is_(None),
        )
        .group_by(Account.id)
    )
    with across_organizations("a watcher holds connections of all organizations") as session:
        return [_post(row) for row in session.execute(query)]


def _post(row: Any) -> Post:
    pairs = sorted(zip(row.uses, row.folders, strict=True), key=lambda pair: (pair[0] != "inbox", pair[1]))
    login = (row.imap_user, row.imap_secret, row.connected_as)
    connection = (row.imap_host, row.imap_port, row.imap_encryption, *login)
    version = hashlib.sha256(repr(connection).encode()).hexdigest()
    is_told_at_once = are_told_at_once(len(pairs), row.statuses_untold_at, now())
    return Post(row.id, row.organization_id, tuple(name for _, name in pairs), version, is_told_at_once)


def ask(watched: Watched) -> bool:
    """Sign in if need be, ask for what IDLE does not tell, idle again; whether anything has changed.

    IDLE is about the folder that is open, the first one, of which the server tells on its own; ending it
    shows that the link is alive. That folder is asked about only to see whether IDLE tells anything at all.
    """
    imap, folders = watched.imap, watched.post.folders
    is_new = not imap.is_open
    if is_new:
        imap.open()
        is_changed = True  # whatever has happened while nobody looked
    else:
        is_changed = watched.can_idle and bool(imap.idle_done())
    watched.is_heard = watched.is_heard or is_changed
    watched.lost_count = 0
    told = _told_at_once(watched)
    for folder in folders[1:] if watched.can_idle else folders:
        is_changed = _has_changed(watched, folder, told.get(folder)) or is_changed
    if watched.can_idle:
        is_changed = _is_missed(watched, folders[0]) or is_changed
    if watched.can_idle:
        if is_new or watched.lost_count:
            imap.examine(folders[0])
        try:
            is_changed = bool(imap.idle_start()) or is_changed
        except CommandRefusedError:
            watched.is_idle_no_use = True  # from now on the inbox is asked about as all others
    return is_changed


def _is_missed(watched: Watched, folder: bytes) -> bool:
    """Whether the inbox has other messages and IDLE said nothing. Once, the message came just now."""
    before = watched.told.get(folder)
    _has_changed(watched, folder)
    after = watched.told.get(folder)
    is_known = before is not None and after is not None
    is_missed = is_known and not watched.is_heard and _messages(before) != _messages(after)
    watched.missed_count = 0 if watched.is_heard else watched.missed_count + is_missed
    watched.is_idle_no_use = watched.missed_count >= MOST_MISSED
    watched.is_heard = False
    return is_missed


def _messages(status: FolderStatus | None) -> tuple[int | None, int | None]:
    return (status.messages, status.uid_next) if status is not None else (None, None)


def _told_at_once(watched: Watched) -> Mapping[bytes, FolderStatus]:
    """What is told of all folders in one go, where they are many; what is left out is asked for by itself."""
    if not watched.post.is_told_at_once or watched.is_list_no_use:
        return {}
    watched.is_list_no_use = True  # unless it is answered
    told = watched.imap.statuses()
    watched.is_list_no_use = False
    return told


def _has_changed(watched: Watched, folder: bytes, status: FolderStatus | None = None) -> bool:
    """Whether a folder is not as it was told last; one that tells nothing is read by the scheduled passes.

    One that is in use, or that the server says goodbye over, costs the connection: a new one goes on without
    it, so that the inbox is watched whatever the others do. What that fails by is the account's trouble.
    """
    is_inbox = folder == watched.post.folders[0]
    if not is_inbox and _is_left_out(watched, folder):
        return False
    try:
        status = status or watched.imap.status(folder)
    except CommandRefusedError:
        return False
    except TurnedAwayError:
        if is_inbox:
            raise
        return _connected_without(watched, folder)
    is_changed = watched.told.get(folder, status) != status
    watched.told[folder] = status
    return is_changed


def _is_left_out(watched: Watched, folder: bytes) -> bool:
    is_unasked = watched.unasked.get(folder, 0.0) > time.monotonic()
    return is_unasked or watched.lost_count >= MOST_LOST


def _connected_without(watched: Watched, folder: bytes) -> bool:
    """Sign in again without it; true, for nobody knows what has happened meanwhile."""
    watched.unasked[folder] = time.monotonic() + UNASKED_SECONDS
    watched.lost_count += 1
    watched.imap.open()
    watched.is_heard = True
    return True
