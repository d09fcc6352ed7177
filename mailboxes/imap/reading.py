"""Fetching messages so that one that cannot be fetched never stops the others (reliability F7-F17, F44).

A batch is asked for at once. What is missing from its answer, or all of it when the answer made no
sense, is asked for message by message: whole, then in pieces, then at least the header. A stream that
is out of step, or that the server ends, is replaced by a new connection, a bounded number of times. What
is the server's fault and not a message's (throttled, a goodbye to everything, password changed) is raised.
What the server tells about messages is asked for in `mailboxes.imap.asking`.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from mailboxes.crash_points import crash_point
from mailboxes.errors import (
    CommandRefusedError,
    ConnectionLostError,
    MailServerError,
    ServerTimeoutError,
    ServerUnavailableError,
    TurnedAwayError,
    UidValidityChangedError,
)
from mailboxes.imap import asking, fetching, searching
from mailboxes.imap.dialogue import uid_set
from mailboxes.imap.fetching import FetchedMessage, MessageDetails, Piece
from mailboxes.imap.session import LINE_BUDGET, ImapSession
from mailboxes.spool import Spool

MOST_RECONNECTS = 10
MOST_HANGS = 4  # as often as one message can that hangs, however it is asked for: each costs a minute
PIECEWISE_ATTEMPTS = 3
SAMPLE_BYTES = 1024
SILENCE = (ServerTimeoutError, ConnectionLostError)

Content = bytes | Spool
Attempt = Callable[[MessageDetails], Content | None]


class MessageReader:
    """Reads messages of a session's open folder; one for each call of ``fetch_messages``.

    What is larger than ``most_bytes`` is told of and stays on the server.
    """

    def __init__(self, session: ImapSession, most_bytes: int) -> None:
        self._session = session
        self._most_bytes = most_bytes
        self._most_at_once = min(fetching.WHOLE_BYTES, most_bytes)
        self._reconnects_left = MOST_RECONNECTS
        self._hangs_left = MOST_HANGS

    def messages(self, uids: Iterable[int]) -> Iterator[FetchedMessage]:
        """Each message once, in the order asked for; see ``ImapConnection.fetch_messages``."""
        wanted = list(dict.fromkeys(uid for uid in uids if uid > 0))
        for portion in fetching.portions(wanted):
            told = self._details_or_nothing(portion)
            for batch in fetching.batches(self._present(portion, told), told):
                yield from self._batch(batch)

    def _present(self, uids: Sequence[int], told: Mapping[int, MessageDetails]) -> Sequence[int]:
        """The UIDs without those that are gone: not told of, and not found either (F7)."""
        missing = [uid for uid in uids if uid not in told]
        if not missing:
            return uids
        found = set(searching.search(self._session, b"UID " + uid_set(missing)))
        return [uid for uid in uids if uid in told or uid in found]

    def _details_or_nothing(self, uids: Sequence[int]) -> dict[int, MessageDetails]:
        """Sizes and dates; where the server stumbles over them, messages are fetched one by one."""
        try:
            return asking.details_of_one_connection(self._session, uids)
        except MailServerError as error:
            self._go_on_after(error)
            return {}

    def _batch(self, batch: Sequence[MessageDetails]) -> Iterator[FetchedMessage]:
        small = [message for message in batch if 0 <= message.size <= self._most_at_once]
        bodies: dict[int, bytes] = {}
        try:
            bodies = self._bodies(small) if small else {}
        except MailServerError as error:
            self._go_on_after(error)
        crash_point("bodies received")
        for message in batch:
            raw = bodies.pop(message.uid, None)
            fetched = _whole(message, raw) if raw is not None else self._alone(message)
            if fetched is not None:
                if fetched.is_whole:
                    self._session.goodbye_count = 0
                yield fetched

    def _bodies(self, batch: Sequence[MessageDetails]) -> dict[int, bytes]:
        """The bytes of several messages by UID, those that came."""
        uids = [message.uid for message in batch]
        expected = sum(max(0, message.size) for message in batch)
        found: asking.Fetched = {}
        try:
            asking.fetch(
                self._session,
                uids,
                b"(UID BODY.PEEK[])",
                seconds=self._session.body_seconds,
                told=found,
                budget=2 * expected + 2 * self._most_at_once + LINE_BUDGET,
                literal_limit=min(2 * self._most_at_once, self._most_bytes),
            )
        except CommandRefusedError:
            if not found:
                raise
        bodies = {uid: fetching.body_of(items) for uid, items in found.items()}
        return {uid: raw for uid, raw in bodies.items() if raw and raw != fetching.GONE}

    def _alone(self, message: MessageDetails) -> FetchedMessage | None:
        """One message by itself: whole, in pieces, or at least its header. None: it is gone."""
        failures: list[MailServerError] = []
        for attempt in self._attempts(message):
            try:
                content = attempt(message)
            except MailServerError as error:
                self._go_on_after(error)
                failures.append(error)
                continue
            if content is None:
                return self._header_only(message)
            if content and content != fetching.GONE:
                return _whole(message, content)
        if not self._is_still_there(message.uid):
            return None
        found = self._header_only(message, failures[-1].message if failures else fetching.NO_CONTENT)
        if any(_may_be_about_all(error, message) for error in failures):
            self._demand_another(message.uid)
        return found

    def _demand_another(self, uid: int) -> None:
        """Have any other message of the folder handed out; raise the error if that cannot be had either.

        Then no message is set aside for what is the server's trouble. Which one is asked for is left to
        chance: it may be another bad one, and in the next pass it is not.
        """
        count = max(1, self._session.message_count)
        places = random.sample(range(1, count + 1), min(2, count))
        try:
            found = searching.search(self._session, ",".join(map(str, places)).encode("ascii"))
            others = [other for other in found if other != uid]
            if others:
                self._piece(others[0], b"", 0, SAMPLE_BYTES, most=self._most_bytes)
                self._session.goodbye_count = 0
        except (TurnedAwayError, *SILENCE):
            raise
        except MailServerError as error:
            self._go_on_after(error)

    def _attempts(self, message: MessageDetails) -> Iterable[Attempt]:
        """Ways to get the bytes, each tried once; they return b"" for nothing, None for too large.

        What came before a cut counts: the next attempt goes on from there.
        """
        spool = Spool()
        in_pieces = partial(self._in_pieces, spool=spool)
        if message.size > self._most_bytes and not self._is_smaller_than_told(message):
            return (lambda _: None,)
        if message.size > self._most_at_once:
            return (in_pieces,) * PIECEWISE_ATTEMPTS
        return (self._in_one, in_pieces)

    def _is_smaller_than_told(self, message: MessageDetails) -> bool:
        """RFC822.SIZE is a hint: beyond the limit there may be nothing (F17)."""
        try:
            piece = self._piece(message.uid, b"", self._most_bytes, 1, most=0)
        except MailServerError as error:
            self._go_on_after(error)
            return False
        return piece is not None and not piece.data

    def _in_one(self, message: MessageDetails) -> bytes | None:
        return self._bodies([message]).get(message.uid, b"")

    def _in_pieces(self, message: MessageDetails, spool: Spool) -> Content | None:
        """A message by partial fetches, so that memory holds a piece, and a cut costs one (F16).

        Where nothing comes, that is no end, unless there is as much as the server has told of.
        """
        while spool.size <= self._most_bytes:
            piece = self._piece(message.uid, b"", spool.size, fetching.PIECE_BYTES, most=self._most_bytes)
            if piece is None:
                return _content(spool) if 0 < message.size <= spool.size else b""
            if piece.is_whole:
                return _all_at_once(piece.data, spool)
            spool.add(piece.data)
            if not piece.data and spool.size < message.size and not self._is_still_there(message.uid):
                return b""  # moved meanwhile: what came so far is not the message
            if not piece.data or (len(piece.data) < fetching.PIECE_BYTES and spool.size >= message.size):
                return _content(spool)
        return None

    def _is_still_there(self, uid: int) -> bool:
        self._session.run(b"NOOP")  # by which some look at what others have removed (Courier)
        return bool(searching.search(self._session, b"UID %d" % uid))

    def _piece(self, uid: int, section: bytes, offset: int, size: int, most: int) -> Piece | None:
        """``most``: how many bytes are taken of a server that sends more than it is asked for."""
        found = asking.fetch(
            self._session,
            [uid],
            b"(UID BODY.PEEK[%s]<%d.%d>)" % (section, offset, size),
            seconds=self._session.body_seconds,
            budget=max(2 * size, most) + LINE_BUDGET,
            literal_limit=max(2 * size, most),
        )
        return fetching.piece_of(found.get(uid, {}), offset, size)

    def _header_only(self, message: MessageDetails, failure: str = "") -> FetchedMessage:
        """A message that stays on the server: too large, or not to be had because of ``failure``."""
        header = b""
        try:
            piece = self._piece(message.uid, b"HEADER", 0, fetching.HEADER_BYTES, most=0)
            header = piece.data if piece else b""
        except MailServerError as error:
            self._go_on_after(error)
        return _without_content(message, failure, header)

    def _go_on_after(self, error: MailServerError) -> None:
        """Swallow a failure that may be one message's fault; raise what is the server's (F24, F34)."""
        if error.is_permanent or self._is_of_server(error):
            raise error
        if not error.needs_reconnect:
            return
        self._reconnects_left -= 1
        self._hangs_left -= isinstance(error, ServerTimeoutError)
        if self._reconnects_left < 0 or self._hangs_left < 0:
            raise error
        self._session.reopen()

    def _is_of_server(self, error: MailServerError) -> bool:
        if isinstance(error, TurnedAwayError):
            return self._session.is_turned_away
        return isinstance(error, ServerUnavailableError | UidValidityChangedError)


def _may_be_about_all(error: MailServerError, message: MessageDetails) -> bool:
    """Whether a message may have failed by what is true of all: a goodbye, or silence from the start."""
    return isinstance(error, TurnedAwayError) or (message.size < 0 and isinstance(error, SILENCE))


def _content(spool: Spool) -> Content:
    return spool if spool.size > fetching.WHOLE_BYTES else spool.content()


def _all_at_once(data: bytes, spool: Spool) -> Content:
    """All that a server sends where a piece was asked for, if it is more than that, or once more the same.

    A piece without its place is no message.
    """
    if len(data) <= fetching.PIECE_BYTES:
        return data if len(data) == spool.size and data == spool.content() else b""
    whole = Spool()
    whole.add(data)
    return _content(whole)


def _whole(message: MessageDetails, content: Content) -> FetchedMessage:
    if isinstance(content, bytes) and fetching.is_placeholder(content):
        return _without_content(message, fetching.PLACEHOLDER)
    return FetchedMessage(
        uid=message.uid,
        raw=None if isinstance(content, Spool) else content,
        size=content.size if isinstance(content, Spool) else len(content),
        received_at=message.received_at,
        flags=message.flags,
        spool=content if isinstance(content, Spool) else None,
    )


def _without_content(message: MessageDetails, failure: str, header: bytes = b"") -> FetchedMessage:
    """One that stays on the server: by a failure, or for its size."""
    return FetchedMessage(
        uid=message.uid,
        raw=None,
        size=max(0, message.size),
        received_at=message.received_at,
        flags=message.flags,
        header=header,
        is_too_large=not failure,
        failure=failure,
    )
