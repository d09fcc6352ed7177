"""Hears of new mail at once: one process holds a connection to each account, idles, and rings on change.

IDLE is a hint and nothing more. Every connection is also asked (STATUS) in the rhythm of its organization,
which notices dead links, other folders and servers that do not tell; and the schedule looks at accounts
that nobody watches. What blocks (signing in, asking) is done by a few threads, one at a time for each
connection; the loop itself only waits for sockets.
"""

import hashlib
import random
import selectors
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

import structlog
from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from mailboxes.accounts import WAITING_FOR_PEOPLE, Account, Folder
from mailboxes.connections import egress_policy, imap_settings
from mailboxes.egress import EgressPolicy
from mailboxes.errors import CommandRefusedError, MailServerError, TurnedAwayError
from mailboxes.imap import FolderStatus, ImapConnection, ImapSettings
from mailboxes.sync.claiming import Rhythms, claim_now, is_wanted, may_be_asked, put_off
from mailboxes.sync.foreground import bound_to_owner
from mailboxes.sync.plan import pause_after
from tenants.database import across_organizations, db
from tenants.errors import NotFoundError
from tenants.secrets import UnreadableSecretError
from workers import queues
from workers.schedule import until_asked_to_end

LOOK_SECONDS = 2.0  # for new, changed and removed accounts
WAIT_SECONDS = 0.5
PUT_OFF_SECONDS = 20
THREADS = 16
IDLE_SECONDS = (540.0, 1500.0)  # 9 to 25 minutes: before servers drop an IDLE that is too long
MOST_MISSED = 2
UNASKED_RHYTHMS = 15  # an idling inbox is asked this much less often
UNASKED_SECONDS = 900.0  # a folder that cost the connection is left to the scheduled passes for so long
MOST_LOST = 2  # connections, each time folders are asked; the others are asked next time

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Post:
    """An account to watch. ``version`` changes with everything that matters to its connection."""

    account_id: UUID
    organization_id: UUID | None
    folders: tuple[bytes, ...]  # the inbox first
    version: str


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
    is_idle_no_use: bool = False  # it was offered, and is refused or tells nothing
    is_heard: bool = False  # IDLE has told something since the inbox was asked about
    missed_count: int = 0  # how often in a row it had changed without a word
    lost_count: int = 0  # connections that other folders have cost, this time

    @property
    def can_idle(self) -> bool:
        """Whether the server offers IDLE, and keeps its word."""
        return "IDLE" in self.imap.capabilities and not self.is_idle_no_use


Result = tuple[Watched, bool, MailServerError | None]


def run_watch(app: Flask, number: int = 0, of: int = 1) -> None:
    """Watch one part of all accounts until the process is asked to end."""
    is_over = until_asked_to_end()
    with app.app_context():
        watch = Watch(number, of)
        try:
            while not is_over.is_set():
                watch.turn()
        finally:
            watch.close()


def is_ours(account_id: UUID, number: int, of: int) -> bool:
    """Rendezvous hashing: when a shard comes or goes, only its own accounts move."""
    return max(range(of), key=lambda shard: _weight(account_id, shard)) == number


def _weight(account_id: UUID, shard: int) -> bytes:
    return hashlib.blake2b(account_id.bytes + shard.to_bytes(4, "big"), digest_size=8).digest()


class Watch:
    """The connections of one shard. Only the thread that calls `turn` touches the database.

    But for access tokens: the source of them works in whatever thread asks, in a scope of its own.
    """

    def __init__(self, number: int = 0, of: int = 1, threads: int = THREADS) -> None:
        self.watched: dict[UUID, Watched] = {}
        self._shard = number, of
        self._rhythms = Rhythms()
        self._selector = selectors.DefaultSelector()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="watch")
        self._most_of_one = max(1, threads // 2)
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._bell, self._rope = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._look_at = 0.0
        self._put_off_at = 0.0

    def turn(self, wait: float = WAIT_SECONDS) -> None:
        """Wait for news a moment, and act on them. Never raises for a server, a database or a Redis."""
        for key, _ in self._selector.select(wait):
            if key.data is None:
                self._bell.recv(4096)
            else:
                self._hear(key.data)
        self._take_results()
        try:
            self._look()
            self._send_due()
            self._put_off()
        except (SQLAlchemyError, RedisError) as error:
            log.warning("watching goes on without", error=type(error).__name__)
        finally:
            db.session.remove()

    def close(self) -> None:
        """Close every connection."""
        for watched in list(self.watched.values()):
            self._drop(watched)
        self._pool.shutdown(cancel_futures=True)
        self._selector.close()
        self._bell.close()
        self._rope.close()

    # --- which accounts --------------------------------------------------------------------------

    def _look(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        number, of = self._shard
        queues.say_alive(f"watch {number + 1} of {of}", len(self.watched))
        posts = {
            post.account_id: post
            for post in _posts()
            if is_ours(post.account_id, *self._shard) and self._rhythms.of(post.organization_id).is_enabled
        }
        for account_id, watched in list(self.watched.items()):
            if posts.get(account_id) != watched.post:
                self._drop(watched)
        for account_id, post in posts.items():
            if account_id not in self.watched:
                self._begin(post)

    def _begin(self, post: Post) -> None:
        rhythm = self._rhythms.of(post.organization_id)
        try:
            with bound_to_owner(post.account_id):
                account = db.session.scalars(select(Account).where(Account.id == post.account_id)).one()
                settings, policy = imap_settings(account), egress_policy()
        except (NotFoundError, UnreadableSecretError):
            return
        self.watched[post.account_id] = Watched(
            post, settings, policy, ImapConnection(settings, policy), float(rhythm.seconds)
        )

    def _drop(self, watched: Watched) -> None:
        self.watched.pop(watched.post.account_id, None)
        watched.is_dropped = True
        if not watched.is_busy:
            self._forget_socket(watched)
            watched.imap.close()

    # --- hearing ---------------------------------------------------------------------------------

    def _hear(self, watched: Watched) -> None:
        """The server says something during IDLE."""
        try:
            kinds = watched.imap.idle_poll()
        except MailServerError as error:
            self._forget_socket(watched)
            self._failed(watched, error)
            return
        if {"EXISTS", "EXPUNGE", "FETCH", "VANISHED"}.intersection(kinds):
            watched.is_heard = True
            self._ring(watched)

    def _take_results(self) -> None:
        while True:
            try:
                watched, is_changed, error = self._results.get_nowait()
            except Empty:
                return
            watched.is_busy = False
            if watched.is_dropped:
                watched.imap.close()
            elif error is not None:
                self._failed(watched, error)
            else:
                self._heard(watched, is_changed=is_changed)

    def _heard(self, watched: Watched, *, is_changed: bool) -> None:
        watched.failures = 0
        watched.told_at = time.monotonic()
        watched.due_at = watched.told_at + self._pause(watched)
        if watched.can_idle:
            watched.socket = watched.imap.fileno()
            self._selector.register(watched.socket, selectors.EVENT_READ, watched)
        if is_changed:
            self._ring(watched)

    def _pause(self, watched: Watched) -> float:
        """Until the next question; where only an idling inbox is watched, questions are rare."""
        if watched.can_idle and len(watched.post.folders) <= 1:
            return min(random.uniform(*IDLE_SECONDS), watched.seconds * UNASKED_RHYTHMS)  # noqa: S311
        return watched.seconds

    def _failed(self, watched: Watched, error: MailServerError) -> None:
        watched.failures += 1
        watched.imap.close()
        watched.imap = ImapConnection(watched.settings, watched.policy)
        watched.told.clear()
        pause = pause_after(
            watched.failures,
            is_refused=error.is_permanent,
            retry_after=error.retry_after,
            jitter=random.random(),  # noqa: S311  # spreads load, guards nothing
        )
        is_first = watched.failures == 1 and not error.is_permanent
        watched.due_at = time.monotonic() + (1.0 if is_first else pause.total_seconds())
        log.info(
            "watched connection failed", account=str(watched.post.account_id), error=type(error).__name__
        )

    # --- asking ----------------------------------------------------------------------------------

    def _send_due(self) -> None:
        """Nobody's slow servers take more than half of the threads."""
        moment = time.monotonic()
        busy = Counter(one.post.organization_id for one in self.watched.values() if one.is_busy)
        for watched in self.watched.values():
            owner = watched.post.organization_id
            if not watched.is_busy and watched.due_at <= moment and busy[owner] < self._most_of_one:
                watched.is_busy = True
                busy[owner] += 1
                self._forget_socket(watched)
                self._pool.submit(self._asked, watched)

    def _asked(self, watched: Watched) -> None:
        """In a thread: ask, idle again, hand back."""
        try:
            self._results.put((watched, ask(watched), None))
        except MailServerError as error:
            self._results.put((watched, False, error))
        except Exception:  # the loop must hear of it, or the account would be busy for ever
            log.exception("watching failed", account=str(watched.post.account_id))
            self._results.put((watched, False, MailServerError()))
        with suppress(OSError):
            self._rope.send(b"!")

    # --- ringing ---------------------------------------------------------------------------------

    def _ring(self, watched: Watched) -> None:
        account_id = watched.post.account_id
        try:
            fence = claim_now(account_id)
        except NotFoundError:
            return
        if fence is not None:
            queues.ring_sync(account_id, fence, is_news=True)

    def _put_off(self) -> None:
        """Tell the schedule every now and then which accounts are watched and need no pass of its own."""
        if time.monotonic() < self._put_off_at:
            return
        self._put_off_at = time.monotonic() + PUT_OFF_SECONDS
        overdue = time.monotonic() - PUT_OFF_SECONDS
        well: dict[float, list[UUID]] = {}
        for watched in self.watched.values():
            if watched.failures == 0 and watched.told_at and watched.due_at > overdue:
                well.setdefault(watched.seconds, []).append(watched.post.account_id)
        for seconds, account_ids in well.items():
            put_off(account_ids, round(seconds) + PUT_OFF_SECONDS)

    def _forget_socket(self, watched: Watched) -> None:
        """By its number, which a closed connection would no longer tell and a new one may get again."""
        if watched.socket is not None:
            self._selector.unregister(watched.socket)
            watched.socket = None


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
    for folder in folders[1:] if watched.can_idle else folders:
        is_changed = _has_changed(watched, folder) or is_changed
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


def _has_changed(watched: Watched, folder: bytes) -> bool:
    """Whether a folder is not as it was told last; one that tells nothing is read by the scheduled passes.

    One that is in use, or that the server says goodbye over, costs the connection: a new one goes on without
    it, so that the inbox is watched whatever the others do. What that fails by is the account's trouble.
    """
    is_inbox = folder == watched.post.folders[0]
    if not is_inbox and _is_left_out(watched, folder):
        return False
    try:
        status = watched.imap.status(folder)
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


def _posts() -> list[Post]:
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
    return Post(row.id, row.organization_id, tuple(name for _, name in pairs), version)
