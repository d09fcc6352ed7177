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
from queue import Empty, SimpleQueue
from uuid import UUID

import structlog
from flask import Flask, current_app
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from mailboxes.accounts import Account
from mailboxes.connections import egress_policy, imap_settings
from mailboxes.errors import MailServerError
from mailboxes.imap import ImapConnection
from mailboxes.sync.claiming import Rhythms, claim_now, put_off
from mailboxes.sync.foreground import bind_to_owner
from mailboxes.sync.plan import pause_after
from tenants.database import db
from tenants.errors import NotFoundError
from tenants.secrets import UnreadableSecretError
from workers import queues
from workers.schedule import until_asked_to_end
from workers.watched import Post, Watched, ask, posts

LOOK_SECONDS = 2.0  # for new, changed and removed accounts
WAIT_SECONDS = 0.5
PUT_OFF_SECONDS = 20
THREADS = 16
BEGUN_AT_ONCE = 50  # accounts, before the others are heard again
BEGUN_SECONDS = 0.3  # and of organizations no more after that
UNREADABLE_SECONDS = 60.0  # until a password that could not be read is tried again
IDLE_SECONDS = (540.0, 1500.0)  # 9 to 25 minutes: before servers drop an IDLE that is too long
UNASKED_RHYTHMS = 15  # an idling inbox is asked this much less often

log = structlog.get_logger()

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
        self._to_begin: dict[UUID | None, list[Post]] = {}  # by organization, whose turn it is first
        self._unreadable: dict[Post, float] = {}  # until when they are left alone
        self._look_at = 0.0
        self._put_off_at = 0.0

    def turn(self, wait: float = WAIT_SECONDS) -> None:
        """Wait for news a moment, and act on them. Never raises for a server, a database or a Redis."""
        for key, _ in self._selector.select(0 if self._to_begin else wait):
            if key.data is None:
                self._bell.recv(4096)
            else:
                self._hear(key.data)
        self._take_results()
        try:
            self._look()
            self._begin_some()
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
        moment = time.monotonic()
        self._look_at = moment + LOOK_SECONDS
        self._unreadable = {post: until for post, until in self._unreadable.items() if until > moment}
        number, of = self._shard
        queues.say_alive(f"watch {number + 1} of {of}", len(self.watched))
        wanted = {
            post.account_id: post
            for post in posts()
            if is_ours(post.account_id, *self._shard) and self._rhythms.of(post.organization_id).is_enabled
        }
        for account_id, watched in list(self.watched.items()):
            if wanted.get(account_id) != watched.post:
                self._drop(watched)
        to_begin: dict[UUID | None, list[Post]] = {owner: [] for owner in self._to_begin}
        for account_id, post in wanted.items():
            if account_id not in self.watched and post not in self._unreadable:
                to_begin.setdefault(post.organization_id, []).append(post)
        self._to_begin = {owner: waiting for owner, waiting in to_begin.items() if waiting}

    def _begin_some(self) -> None:
        """Organizations take turns: whoever adds thousands of accounts keeps nobody from being heard."""
        left, ends_at = BEGUN_AT_ONCE, time.monotonic() + BEGUN_SECONDS
        while self._to_begin and left:
            owner = next(iter(self._to_begin))
            waiting = self._to_begin.pop(owner)
            if len(waiting) > left:
                self._to_begin[owner] = waiting[left:]
            begun = waiting[:left]
            self._begin(owner, begun)
            left -= len(begun)
            if time.monotonic() >= ends_at:
                return

    def _begin(self, owner: UUID | None, chosen: list[Post]) -> None:
        begun = {post.account_id: post for post in chosen}
        seconds = float(self._rhythms.of(owner).seconds)
        with current_app.app_context():
            bind_to_owner(owner)
            policy = egress_policy()
            for account in db.session.scalars(select(Account).where(Account.id.in_(begun))).all():
                post = begun[account.id]
                try:
                    settings = imap_settings(account)
                except UnreadableSecretError:
                    self._unreadable[post] = time.monotonic() + UNREADABLE_SECONDS
                else:
                    imap = ImapConnection(settings, policy)
                    self.watched[account.id] = Watched(post, settings, policy, imap, seconds)

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
