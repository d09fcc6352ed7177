"""A conversation with one IMAP account: only UIDs, only reading, unless told otherwise.

Folders are opened by EXAMINE and bodies fetched by BODY.PEEK, so that nothing changes on the server;
the methods that write, `append`, `add_seen` and `remove_seen`, say so. One connection belongs to one
thread. After an error that `needs_reconnect` the connection is closed; open a new one.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

from mailboxes.errors import (
    CommandRefusedError,
    FolderUnavailableError,
    ProtocolError,
    UidValidityChangedError,
    UnsafeArgumentError,
)
from mailboxes.imap import asking, changes, fetching, folders, reading, searching
from mailboxes.imap.dialogue import (
    Argument,
    Literal,
    Parts,
    astring,
    refuse_goodbye,
    uid_set,
)
from mailboxes.imap.fetching import FetchedMessage, MessageDetails
from mailboxes.imap.folder_numbers import FolderState, FolderStatus, event_of, folder_status
from mailboxes.imap.folders import INBOX, FolderListing
from mailboxes.imap.refusals import CLOSED_TO_US
from mailboxes.imap.session import LINE_BUDGET, ImapSession
from mailboxes.uids import Uids

MOST_OF_ONE_ID = 10
NOT_KEPT = "The server does not keep there what is read."


class ImapConnection(ImapSession):
    """One signed-in connection with everything Postroom asks of a server."""

    # --- folders -----------------------------------------------------------------------------

    def folders(self, *, seconds: float | None = None) -> list[FolderListing]:
        """List all folders. ``seconds``: how long it may take, where that is not what any command may."""
        is_extended = {"LIST-EXTENDED", "SPECIAL-USE"} <= self.capabilities
        command: list[Argument] = [b"LIST", b'""', b'"*"']
        extended = [*command, b"RETURN (SPECIAL-USE)"] if is_extended else command
        try:
            answer = self.run(*extended, seconds=seconds, budget=folders.LIST_BUDGET)
        except CommandRefusedError:
            if not is_extended:
                raise
            answer = self.run(
                *command, seconds=seconds, budget=folders.LIST_BUDGET
            )  # it promised too much (F35)
        return folders.listings(answer.untagged)

    def statuses(self, *, seconds: float | None = None) -> dict[bytes, FolderStatus]:
        """Ask about all folders in one go, by name, where the server can (RFC 5819); none where it cannot.

        Of the open one nothing is said: it is told as it was (RFC 9051 §6.3.11).
        """
        told: dict[bytes, FolderStatus] = {}

        def take(parts: Parts) -> bool:
            if name_raw := folders.status_numbers(parts)[0]:
                told[INBOX if name_raw.upper() == INBOX else name_raw] = folder_status([parts])
            return True

        if "LIST-STATUS" in self.capabilities:
            command = b'LIST "" "*" RETURN (STATUS ' + self._status_items() + b")"
            try:
                self.run(command, seconds=seconds, budget=folders.LIST_BUDGET, take=take)
            except CommandRefusedError:
                self.capabilities -= {"LIST-STATUS"}  # it promised too much (F35)
                return {}
        if self._folder is not None:
            told.pop(self._folder[0], None)
        return told

    def status(self, folder_raw: bytes) -> FolderStatus:
        """Ask about a folder without opening it."""
        items = self._status_items()
        try:
            answer = self.run_on_folder(b"STATUS", astring(folder_raw), items)
        except FolderUnavailableError as error:
            if b"HIGHESTMODSEQ" not in items or error.code in CLOSED_TO_US:
                raise
            plain = items.replace(b" HIGHESTMODSEQ", b"")  # it promised too much (F35)
            answer = self.run_on_folder(b"STATUS", astring(folder_raw), plain)
        return folder_status(answer.untagged)

    # --- what there is -----------------------------------------------------------------------

    def search_uids(
        self,
        from_uid: int | None = None,
        since: date | None = None,
        before: date | None = None,
        uid_next: int = 0,
    ) -> "array[int]":
        """UIDs in the open folder, ascending: from a UID on (F6), received since a day and before another.

        ``uid_next``: how far they go from a UID on, if that is known; since a day, it is what opening the
        folder has told. Where they may be many, they are asked for in ranges, as far as the highest goes
        where nothing is told.
        """
        lowest, day = max(1, from_uid or 1), _received(since, before)
        if not 0 < self.message_count <= searching.UIDS_PER_SEARCH:
            uid_next = (self.uid_next if day else uid_next) or self._uid_after_all()
        if uid_next - lowest > searching.UIDS_PER_SEARCH:
            return array("q", searching.all_uids(self, uid_next, lowest, day))
        uids = b"" if from_uid is None else b"UID %d:*" % lowest
        found = searching.search(self, b" ".join(filter(None, (uids, day))) or b"ALL")
        return found[bisect_left(found, lowest) :]

    def all_uids(self, state: FolderState | None = None) -> Uids:
        """Every UID in the open folder; asked for in ranges, so that no line grows without end.

        ``state``: what `examine` returned, to know how far UIDs go. Raises `ProtocolError` if it told of
        messages and none is found: that would read as *all of them are gone* (F8).
        """
        count = None if state is None else state.exists
        if state is None or (count is not None and count <= searching.UIDS_PER_SEARCH):
            found = Uids.of(searching.search(self, searching.EVERYTHING))
        else:
            found = searching.all_uids(self, state.uid_next or self._uid_after_all())
        if count and not found:
            raise ProtocolError("The server tells of messages and finds none.")
        return found

    def has_message(self, folder_raw: bytes, message_id: str, since: date) -> bool:
        """Whether a folder holds a message with this Message-ID, received since a day.

        Opens the folder, and leaves it where it holds none: Courier files nothing in one that is open for
        reading only.
        """
        quoted = astring(f"<{message_id}>".encode())
        if not isinstance(quoted, bytes):
            raise UnsafeArgumentError  # no id of ours is as long, or needs other letters
        self.examine(folder_raw)
        found = searching.search(self, b"HEADER Message-ID %b %b" % (quoted, _received(since)))
        newest = found[-MOST_OF_ONE_ID:]  # a server that does not know HEADER finds them all
        headers = self._message_id_headers(newest)
        is_there = any(f"<{message_id}>".encode() in header for header in headers)
        if not is_there:
            self.leave_folder()
        return is_there

    def changed_since(self, mod_seq: int) -> changes.Changes:
        """Messages changed after ``mod_seq``. Only where `examine` told a ``highest_mod_seq``."""
        return changes.changed_since(self, mod_seq)

    def fetch_details(self, uids: Sequence[int]) -> dict[int, MessageDetails]:
        """Size, flags and INTERNALDATE by UID. A UID that is missing is not proven gone (F8)."""
        return asking.details(self, uids, fetching.DETAIL_ITEMS)

    def fetch_flags(self, uids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Flags by UID, where they are told."""
        told = asking.details(self, uids, b"(UID FLAGS)", needed=b"FLAGS")
        return {uid: message.flags for uid, message in told.items()}

    # --- messages ----------------------------------------------------------------------------

    def fetch_messages(self, uids: Iterable[int], most_bytes: int | None = None) -> Iterator[FetchedMessage]:
        """Fetch messages of the open folder, in the order asked for, a few megabytes at a time.

        ``most_bytes``: how large a message may be, where that is not what the settings say.
        A UID that is not yielded was asked for again by SEARCH and is gone (F7, F8). A message that the
        server has but does not hand out is yielded with a ``failure``; the others go on (F44). The
        connection is made anew when an answer has thrown it out of step, at most ten times.
        """
        limit = self.settings.max_message_bytes if most_bytes is None else most_bytes
        yield from reading.MessageReader(self, limit).messages(uids)

    # --- writing -----------------------------------------------------------------------------

    def append(
        self,
        folder_raw: bytes,
        raw: bytes,
        flags: Sequence[str] = (),
        when: datetime | None = None,
    ) -> int | None:
        """File a message in a folder (the Sent copy); return its UID if the server tells (UIDPLUS)."""
        command: list[Argument] = [b"APPEND", astring(folder_raw)]
        if flags:
            command.append(b"(" + b" ".join(_flag(flag) for flag in flags) + b")")
        if when is not None:
            command.append(_date_time(when))
        answer = self.run_on_folder(*command, Literal(raw), seconds=self.settings.timeouts.body)
        numbers = answer.code_argument.split() if answer.code == "APPENDUID" else []
        return fetching.whole_number(numbers[1]) if len(numbers) == 2 else None

    def add_seen(self, folder_raw: bytes, uids: Sequence[int], uid_validity: int | None) -> None:
        r"""Set \Seen on the server. Leaves the folder open for writing: `examine` before reading on."""
        self._store_seen(b"+FLAGS.SILENT", folder_raw, uids, uid_validity)

    def remove_seen(self, folder_raw: bytes, uids: Sequence[int], uid_validity: int | None) -> None:
        r"""Take \Seen away on the server. `examine` before reading on."""
        self._store_seen(b"-FLAGS.SILENT", folder_raw, uids, uid_validity)

    # --- waiting for news --------------------------------------------------------------------

    def idle_start(self) -> list[str]:
        """Begin IDLE (RFC 2177); return the kinds of events that were told just before."""
        dialogue = self.dialogue
        with dialogue.wire.allowance(self.settings.timeouts.command, LINE_BUDGET):
            tag = dialogue.send(b"IDLE")
            earlier = dialogue.await_continuation(tag)
        self._idle_tag = tag
        return _kinds(earlier) + self.idle_poll()  # what came along is in our buffer, not the socket's

    def idle_poll(self) -> list[str]:
        """Take what the server has told meanwhile, without waiting: EXISTS, EXPUNGE, FETCH, ….

        Call it when the file descriptor is readable. A connection that ended raises.
        """
        wire = self.wire
        told: list[Parts] = []
        with wire.allowance(self.settings.timeouts.command, LINE_BUDGET):
            while wire.read_available():
                pass
            while wire.has_line:
                told.append(_idle_line(wire.read_line()))
        return _kinds(told)

    def idle_done(self) -> list[str]:
        """End IDLE; return the kinds of events that were told until then."""
        dialogue, tag = self.dialogue, self._idle_tag
        self._idle_tag = None
        if tag is None:
            return []
        with dialogue.wire.allowance(self.settings.timeouts.greeting, LINE_BUDGET):
            dialogue.wire.sendall(b"DONE\r\n")
            return _kinds(dialogue.complete(tag).untagged)

    # --- private -----------------------------------------------------------------------------

    def _uid_after_all(self) -> int:
        """Of a server that does not tell the next UID: one above the highest; 0 where it finds none."""
        try:
            return max(searching.search(self, b"UID *"), default=-1) + 1
        except CommandRefusedError:  # as of an empty folder
            return 0

    def _status_items(self) -> bytes:
        mod_seq = b" HIGHESTMODSEQ" if "CONDSTORE" in self.capabilities else b""
        return b"(MESSAGES UNSEEN UIDNEXT UIDVALIDITY" + mod_seq + b")"

    def _message_id_headers(self, uids: Sequence[int]) -> list[bytes]:
        if not uids:
            return []
        told = asking.fetch(self, uids, b"(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])", budget=LINE_BUDGET)
        return [fetching.body_of(items) for items in told.values()]

    def _store_seen(
        self, change: bytes, folder_raw: bytes, uids: Sequence[int], uid_validity: int | None
    ) -> None:
        state = self.open_folder(b"SELECT", folder_raw)
        if not state.keeps_seen:
            raise CommandRefusedError("The server keeps no read state.", advice=NOT_KEPT)
        if uid_validity is not None and state.uid_validity != uid_validity:
            raise UidValidityChangedError
        for portion in fetching.portions(sorted(set(uids))):
            self.run(b"UID STORE", uid_set(portion), change, rb"(\Seen)")


def _idle_line(line: bytes) -> Parts:
    """One line told during IDLE. Anything that would have to be waited for ends the connection."""
    refuse_goodbye(line)
    if not line.startswith(b"* "):
        raise ProtocolError  # the server ended IDLE by itself
    return [line]


def _kinds(told: Iterable[Parts]) -> list[str]:
    return [event[1] for event in map(event_of, told) if event]


def _flag(flag: str) -> bytes:
    r"""A flag as an atom; raises `ValueError` for anything that is none."""
    if not re.fullmatch(r"\\?[A-Za-z0-9$_.-]{1,100}", flag):
        raise ValueError(f"not a flag: {flag!r}")
    return flag.encode("ascii")


def _received(since: date | None, before: date | None = None) -> bytes:
    """Search criteria for these days."""
    days = [b"SINCE " + _day(since)] if since is not None else []
    days += [b"BEFORE " + _day(before)] if before is not None else []
    return b" ".join(days)


def _day(day: date) -> bytes:
    return f"{day.day}-{fetching.ENGLISH_MONTHS[day.month - 1]}-{day.year:04}".encode("ascii")


def _date_time(when: datetime) -> bytes:
    moment = when.astimezone(UTC)
    month = fetching.ENGLISH_MONTHS[moment.month - 1]
    return f'"{moment.day:2}-{month}-{moment.year:04} {moment:%H:%M:%S} +0000"'.encode("ascii")
