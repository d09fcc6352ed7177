"""A conversation with one IMAP account: only UIDs, only reading, unless told otherwise.

Folders are opened by EXAMINE and bodies fetched by BODY.PEEK, so that nothing changes on the server;
the two methods that write, `ImapConnection.append` and `store_seen`, say so. One connection belongs to
one thread. After an error that `needs_reconnect` the connection is closed; open a new one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import TracebackType

from mailboxes import egress
from mailboxes.errors import (
    AuthenticationFailedError,
    CommandRefusedError,
    FolderUnavailableError,
    LoginDisabledError,
    MailServerError,
    ProtocolError,
    ServerUnavailableError,
    TlsUnavailableError,
    UidValidityChangedError,
    UnencryptedLoginError,
)
from mailboxes.imap import fetching, folders, searching
from mailboxes.imap.client import GuardedClient
from mailboxes.imap.dialogue import (
    CLOSED_TO_US,
    Answer,
    Argument,
    Dialogue,
    Literal,
    Parts,
    Reply,
    astring,
    login_refusal,
    refuse_control,
    refuse_goodbye,
    response_code,
    uid_set,
)
from mailboxes.imap.fetching import FetchedMessage, MessageDetails
from mailboxes.imap.folders import FolderListing
from mailboxes.imap.settings import ImapSettings
from mailboxes.wire import Certificate, Wire, tls_context

LINE_BUDGET = 1024 * 1024
GOODBYE_SECONDS = 3.0
MOST_RECONNECTS = 10
MOST_FREE_LITERAL = 4096

_EXISTS = re.compile(rb"\* (\d{1,10}) (EXISTS|EXPUNGE|FETCH|RECENT)\b", re.IGNORECASE)
_STATUS = re.compile(rb"\* STATUS\b.*\(([^()]*)\)\s*\Z", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class FolderState:
    """What opening a folder tells. None where the server does not tell, or tells nonsense (F3, F35)."""

    uid_validity: int | None
    uid_next: int | None
    exists: int
    highest_mod_seq: int | None


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """What STATUS tells without opening a folder; None where it does not."""

    messages: int | None
    unseen: int | None
    uid_next: int | None
    uid_validity: int | None
    highest_mod_seq: int | None


class ImapConnection:
    """One signed-in connection; a context manager that opens and closes it.

    `open` goes through `connect`, `secure` and `log_in`, which can be called one by one to see
    which of them fails. Every method raises a `MailServerError`.
    """

    def __init__(
        self,
        settings: ImapSettings,
        policy: egress.EgressPolicy,
        resolver: egress.Resolver | None = None,
    ) -> None:
        self.settings = settings
        self.capabilities: frozenset[str] = frozenset()
        self._policy = policy
        self._resolver = resolver
        self._wire: Wire | None = None
        self._client: GuardedClient | None = None
        self._dialogue: Dialogue | None = None
        self._folder: tuple[bytes, int | None] | None = None
        self._idle_tag: bytes | None = None

    def __enter__(self) -> "ImapConnection":
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- opening and closing -----------------------------------------------------------------

    def open(self) -> None:
        """Connect, encrypt, sign in."""
        try:
            self.connect()
            self.secure()
            self.log_in()
        except BaseException:
            self.close()
            raise

    def connect(self, target: egress.Target | None = None) -> None:
        """Open the TCP connection, to a target that has passed the guard already if one is given."""
        refuse_control(self.settings.user.encode("utf-8"))
        refuse_control(self.settings.password.encode("utf-8"))
        seconds = self.settings.timeouts.connect
        if target is None:
            host, port = self.settings.host, self.settings.port
            target = egress.resolve(host, port, self._policy, seconds, self._resolver)
        self._target_name = target.name
        self._wire = Wire(egress.open_socket(target, seconds))

    def secure(self) -> None:
        """Read the greeting and encrypt as chosen; no secret was sent before this returns."""
        wire = self._open_wire()
        with wire.allowance(self.settings.timeouts.greeting, LINE_BUDGET):
            if self.settings.encryption == "tls":
                wire.start_tls(tls_context(self.settings.ca_file), self._target_name)
            client = GuardedClient(
                wire, self._target_name, self.settings.port, is_encrypted=wire.is_encrypted
            )
            self._client = client
            self._dialogue = Dialogue(wire, client.new_tag)
            self.capabilities = client.announced()
        if self.settings.encryption == "starttls":
            self._start_tls()

    def log_in(self) -> None:
        """Sign in by LOGIN or AUTHENTICATE PLAIN; afterwards the capabilities are read anew (F35)."""
        client = self._client
        if client is None:
            raise ProtocolError
        if not client.is_signed_in:
            try:
                self._run(*self._login_command())
            except CommandRefusedError as error:
                raise login_refusal(error) from error
        self._read_capabilities()

    def close(self) -> None:
        """Say goodbye if the server listens, and close. Never raises."""
        wire, dialogue = self._wire, self._dialogue
        if wire is not None and not wire.is_closed:
            with suppress(MailServerError):
                if dialogue is not None and self._idle_tag is None:
                    dialogue.run(b"LOGOUT", seconds=GOODBYE_SECONDS, budget=LINE_BUDGET)
            wire.close()
        self._idle_tag = None

    @property
    def is_open(self) -> bool:
        """Whether commands can be given."""
        return self._wire is not None and not self._wire.is_closed

    @property
    def certificate(self) -> Certificate | None:
        """The server's verified certificate, None without encryption."""
        return self._wire.certificate() if self._wire else None

    def fileno(self) -> int:
        """For a selector that waits for news while IDLE runs."""
        return self._open_wire().fileno()

    # --- folders -----------------------------------------------------------------------------

    def folders(self, *, with_counts: bool = False) -> list[FolderListing]:
        """List all folders, with numbers of messages if asked for and the server tells in one go."""
        options = []
        if "LIST-EXTENDED" in self.capabilities and "SPECIAL-USE" in self.capabilities:
            options.append(b"SPECIAL-USE")
        if with_counts and "LIST-STATUS" in self.capabilities:
            options.append(b"STATUS (MESSAGES UNSEEN)")
        command: list[Argument] = [b"LIST", b'""', b'"*"']
        if options:
            command.append(b"RETURN (" + b" ".join(options) + b")")
        answer = self._run(*command)
        return folders.listings(answer.untagged)

    def status(self, folder_raw: bytes) -> FolderStatus:
        """Ask about a folder without opening it."""
        items = b"(MESSAGES UNSEEN UIDNEXT UIDVALIDITY" + (
            b" HIGHESTMODSEQ)" if "CONDSTORE" in self.capabilities else b")"
        )
        answer = self._folder_command(b"STATUS", astring(folder_raw), items)
        told = _status_numbers(answer.untagged)
        return FolderStatus(
            messages=told.get("MESSAGES"),
            unseen=told.get("UNSEEN"),
            uid_next=_positive(told.get("UIDNEXT")),
            uid_validity=_uid_validity(told.get("UIDVALIDITY")),
            highest_mod_seq=_positive(told.get("HIGHESTMODSEQ")),
        )

    def examine(self, folder_raw: bytes) -> FolderState:
        """Open a folder for reading only."""
        return self._open_folder(b"EXAMINE", folder_raw)

    def noop(self) -> int | None:
        """Prod the server; return how many messages the folder has now if it says so."""
        answer = self._run(b"NOOP")
        counts = [found for found in map(_event, answer.untagged) if found]
        return next((number for number, kind in reversed(counts) if kind == "EXISTS"), None)

    # --- what there is -----------------------------------------------------------------------

    def search_uids(self, from_uid: int | None = None, since: date | None = None) -> list[int]:
        """UIDs in the open folder, ascending: from a UID on (F6), received since a day, or both."""
        lowest = max(1, from_uid or 1)
        criteria = [] if from_uid is None else [b"UID %d:*" % lowest]
        if since is not None:
            month = fetching.ENGLISH_MONTHS[since.month - 1]
            criteria.append(f"SINCE {since.day}-{month}-{since.year:04}".encode("ascii"))
        found = self._search(b" ".join(criteria) or b"ALL")
        return [uid for uid in found if uid >= lowest]

    def all_uids(self, state: FolderState | None = None) -> list[int]:
        """Every UID in the open folder, ascending; in ranges, so that no line grows without end.

        ``state``: what `examine` returned, to know how far UIDs go.
        """
        if state is None or state.uid_next is None or state.exists <= searching.UIDS_PER_SEARCH:
            return self._search(b"ALL")
        found: set[int] = set()
        for first, last in searching.ranges(state.uid_next, lambda: len(found)):
            end = b"*" if last is None else b"%d" % last
            found.update(uid for uid in self._search(b"UID %d:%s" % (first, end)) if uid >= first)
        return sorted(found)

    def changed_since(self, mod_seq: int) -> list[MessageDetails]:
        """UID, flags and MODSEQ of messages changed after ``mod_seq`` (RFC 7162 §3.1.4).

        Only where `examine` told a ``highest_mod_seq``.
        """
        command = b"FETCH 1:* (UID FLAGS) (CHANGEDSINCE %d)" % max(0, mod_seq)
        answer = self._run(b"UID", command, seconds=self.settings.timeouts.body)
        changed: dict[int, MessageDetails] = {}
        for parts in answer.untagged:
            items = fetching.fetched_items(parts)
            uid = fetching.whole_number(items.get(b"UID")) if items else None
            if items is not None and uid:
                changed[uid] = fetching.details_of(uid, items)
        return [changed[uid] for uid in sorted(changed)]

    def fetch_details(self, uids: Sequence[int]) -> dict[int, MessageDetails]:
        """Size, flags and INTERNALDATE by UID. A UID that is missing is not proven gone (F8)."""
        return self._details(uids, b"(UID FLAGS INTERNALDATE RFC822.SIZE)")

    def fetch_sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """RFC822.SIZE by UID: a hint, some servers compute it wrongly (F17)."""
        details = self._details(uids, b"(UID RFC822.SIZE)")
        return {uid: message.size for uid, message in details.items() if message.size >= 0}

    def fetch_flags(self, uids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Flags by UID."""
        return {uid: message.flags for uid, message in self._details(uids, b"(UID FLAGS)").items()}

    # --- messages ----------------------------------------------------------------------------

    def fetch_messages(self, uids: Iterable[int]) -> Iterator[FetchedMessage]:
        """Fetch messages of the open folder, in the order asked for, a few megabytes at a time.

        A UID that is not yielded was asked for again by SEARCH and is gone (F7, F8). A message that the
        server has but does not hand out is yielded with a ``failure``; the others go on (F44). The
        connection is made anew when an answer has thrown it out of step, at most ten times.
        """
        wanted = list(dict.fromkeys(uid for uid in uids if uid > 0))
        reconnects = searching.Countdown(MOST_RECONNECTS)
        for portion in fetching.portions(wanted):
            details = self._details_or_nothing(portion, reconnects)
            for batch in fetching.batches(portion, details):
                yield from self._batch(batch, reconnects)

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
        answer = self._folder_command(*command, Literal(raw), seconds=self.settings.timeouts.body)
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
        dialogue = self._open_dialogue()
        with dialogue.wire.allowance(self.settings.timeouts.command, LINE_BUDGET):
            tag = dialogue.send(b"IDLE")
            earlier = dialogue.await_continuation(tag)
        self._idle_tag = tag
        return _kinds(earlier)

    def idle_poll(self) -> list[str]:
        """Take what the server has told meanwhile, without waiting: EXISTS, EXPUNGE, FETCH, ….

        Call it when the file descriptor is readable. A connection that ended raises.
        """
        dialogue = self._open_dialogue()
        wire = dialogue.wire
        told: list[Parts] = []
        with wire.allowance(self.settings.timeouts.command, LINE_BUDGET):
            while wire.read_available():
                pass
            while wire.has_line:
                told.append(self._idle_line(dialogue))
        return _kinds(told)

    def idle_done(self) -> list[str]:
        """End IDLE; return the kinds of events that were told until then."""
        dialogue, tag = self._open_dialogue(), self._idle_tag
        self._idle_tag = None
        if tag is None:
            return []
        with dialogue.wire.allowance(self.settings.timeouts.greeting, LINE_BUDGET):
            dialogue.wire.sendall(b"DONE\r\n")
            return _kinds(dialogue.complete(tag).untagged)

    # --- private -----------------------------------------------------------------------------

    def _open_wire(self) -> Wire:
        if self._wire is None:
            raise ProtocolError("The connection is not open.")
        return self._wire

    def _open_dialogue(self) -> Dialogue:
        if self._dialogue is None:
            raise ProtocolError("The connection is not open.")
        return self._dialogue

    def _run(self, *arguments: Argument, seconds: float | None = None, **limits: int) -> Answer:
        allowed = self.settings.timeouts.command if seconds is None else seconds
        return self._open_dialogue().run(*arguments, seconds=allowed, **limits)

    def _start_tls(self) -> None:
        """Encrypt before anything secret, or give up (F27, F28)."""
        if self._client is not None and self._client.is_signed_in:
            self.close()
            raise UnencryptedLoginError
        if "STARTTLS" not in self.capabilities:
            self.close()
            raise TlsUnavailableError
        try:
            self._run(b"STARTTLS")
        except (CommandRefusedError, ServerUnavailableError) as error:
            self.close()
            raise TlsUnavailableError from error
        wire = self._open_wire()
        with wire.allowance(self.settings.timeouts.greeting, LINE_BUDGET):
            wire.start_tls(tls_context(self.settings.ca_file), self._target_name)
        self._read_capabilities()

    def _read_capabilities(self) -> None:
        """Ask CAPABILITY; what was said before encryption or login counts no more."""
        names: set[str] = set()
        for parts in self._run(b"CAPABILITY", budget=LINE_BUDGET).untagged:
            words = parts[0].decode("ascii", "replace").upper().split()
            if words[1:2] == ["CAPABILITY"]:
                names.update(words[2:])
        self.capabilities = frozenset(names)
        self._open_dialogue().has_free_literals = "LITERAL+" in names

    def _login_command(self) -> list[Argument]:
        user = self.settings.user.encode("utf-8")
        password = self.settings.password.encode("utf-8")
        is_plain_offered = "AUTH=PLAIN" in self.capabilities
        if "LOGINDISABLED" in self.capabilities and not (is_plain_offered and self._open_wire().is_encrypted):
            self.close()
            raise LoginDisabledError
        is_odd = not (user + password).isascii() or "LOGINDISABLED" in self.capabilities
        if is_odd and is_plain_offered:
            return [b"AUTHENTICATE", b"PLAIN", Reply(searching.plain_response(user, password))]
        return [b"LOGIN", astring(user), astring(password)]

    def _folder_command(self, *arguments: Argument, seconds: float | None = None) -> Answer:
        """Run a command about a folder; that the folder is not there is an error of its own (F38)."""
        try:
            return self._run(*arguments, seconds=seconds)
        except FolderUnavailableError:
            raise
        except CommandRefusedError as error:
            raise FolderUnavailableError(code=error.code, text=error.text) from error

    def _open_folder(self, verb: bytes, folder_raw: bytes) -> FolderState:
        self._folder = None
        command: list[Argument] = [verb, astring(folder_raw)]
        if "CONDSTORE" in self.capabilities:
            command.append(b"(CONDSTORE)")
        try:
            answer = self._run(*command, budget=LINE_BUDGET)
        except CommandRefusedError as error:
            if len(command) == 2 or error.code in CLOSED_TO_US:
                raise FolderUnavailableError(code=error.code, text=error.text) from error
            answer = self._folder_command(*command[:2])
        state = _folder_state(answer)
        self._folder = folder_raw, state.uid_validity
        return state

    def _search(self, criteria: bytes) -> list[int]:
        returns = b"RETURN (ALL) " if "ESEARCH" in self.capabilities else b""
        answer = self._run(b"UID SEARCH " + returns + criteria)
        return searching.found_uids(answer.untagged)

    def _details(self, uids: Sequence[int], items: bytes) -> dict[int, MessageDetails]:
        details: dict[int, MessageDetails] = {}
        for portion in fetching.portions(sorted(set(uids))):
            answer = self._run(b"UID FETCH", uid_set(portion), items)
            for uid, found in fetching.asked_items(answer.untagged, set(portion)):
                details[uid] = fetching.details_of(uid, found)
        return details

    def _details_or_nothing(
        self, uids: Sequence[int], reconnects: searching.Countdown
    ) -> dict[int, MessageDetails]:
        """Sizes and dates; where the server stumbles over them, messages are fetched one by one."""
        try:
            return self.fetch_details(uids)
        except MailServerError as error:
            self._go_on_after(error, reconnects)
            return {}

    def _batch(
        self, batch: Sequence[MessageDetails], reconnects: searching.Countdown
    ) -> Iterator[FetchedMessage]:
        small = [message for message in batch if message.size <= fetching.WHOLE_BYTES]
        bodies: dict[int, bytes] = {}
        try:
            bodies = self._bodies(small) if small else {}
        except MailServerError as error:
            self._go_on_after(error, reconnects)
        for message in batch:
            raw = bodies.pop(message.uid, None)
            fetched = _whole(message, raw) if raw is not None else self._alone(message, reconnects)
            if fetched is not None:
                yield fetched

    def _bodies(self, batch: Sequence[MessageDetails]) -> dict[int, bytes]:
        """The bytes of several messages by UID, those that came."""
        uids = [message.uid for message in batch]
        expected = sum(max(0, message.size) for message in batch)
        limit = self.settings.max_message_bytes
        answer = self._run(
            b"UID FETCH",
            uid_set(uids),
            b"(UID BODY.PEEK[])",
            seconds=self.settings.timeouts.body,
            budget=2 * expected + limit + LINE_BUDGET,
            literal_limit=limit,
        )
        bodies: dict[int, bytes] = {}
        for uid, items in fetching.asked_items(answer.untagged, set(uids)):
            raw = fetching.body_of(items)
            if raw is not None:
                bodies[uid] = raw
        return bodies

    def _alone(self, message: MessageDetails, reconnects: searching.Countdown) -> FetchedMessage | None:
        """One message by itself: whole, in pieces, or at least its header. None: it is gone."""
        failure = "the server sent no content"
        if message.size <= self.settings.max_message_bytes:
            attempts = [self._in_pieces]
            if message.size <= fetching.WHOLE_BYTES:
                attempts.insert(0, self._in_one)
            for attempt in attempts:
                try:
                    raw = attempt(message)
                except MailServerError as error:
                    self._go_on_after(error, reconnects)
                    failure = error.message
                    continue
                if raw:
                    return _whole(message, raw)
            if not self._search(b"UID %d" % message.uid):
                return None
        return self._header_only(message, failure, reconnects)

    def _in_one(self, message: MessageDetails) -> bytes | None:
        return self._bodies([message]).get(message.uid)

    def _in_pieces(self, message: MessageDetails) -> bytes | None:
        """A message by partial fetches, so that memory holds it once and a cut costs a piece (F16)."""
        pieces: list[bytes] = []
        offset = 0
        while offset <= self.settings.max_message_bytes:
            piece = self._piece(message.uid, b"", offset, fetching.PIECE_BYTES)
            pieces.append(piece)
            offset += len(piece)
            if not piece or (len(piece) < fetching.PIECE_BYTES and offset >= message.size):
                return b"".join(pieces)
        return None

    def _piece(self, uid: int, section: bytes, offset: int, size: int) -> bytes:
        answer = self._run(
            b"UID FETCH",
            uid_set([uid]),
            b"(UID BODY.PEEK[%s]<%d.%d>)" % (section, offset, size),
            seconds=self.settings.timeouts.body,
            literal_limit=2 * size,
        )
        for _, items in fetching.asked_items(answer.untagged, {uid}):
            return fetching.body_of(items) or b""
        return b""

    def _header_only(
        self, message: MessageDetails, failure: str, reconnects: searching.Countdown
    ) -> FetchedMessage:
        is_too_large = message.size > self.settings.max_message_bytes
        header = b""
        try:
            header = self._piece(message.uid, b"HEADER", 0, fetching.HEADER_BYTES)
        except MailServerError as error:
            self._go_on_after(error, reconnects)
        return FetchedMessage(
            uid=message.uid,
            raw=None,
            size=max(0, message.size),
            received_at=message.received_at,
            flags=message.flags,
            header=header,
            is_too_large=is_too_large,
            failure="" if is_too_large else failure,
        )

    def _go_on_after(self, error: MailServerError, reconnects: searching.Countdown) -> None:
        """Swallow a failure that may be one message's fault; raise what is the server's (F34)."""
        if error.is_permanent or isinstance(
            error, (ServerUnavailableError, AuthenticationFailedError, UidValidityChangedError)
        ):
            raise error
        if not error.needs_reconnect:
            return
        folder = self._folder
        if folder is None or not reconnects.take():
            raise error
        self.close()
        self.open()
        if self.examine(folder[0]).uid_validity != folder[1]:
            raise UidValidityChangedError

    def _store_seen(
        self, change: bytes, folder_raw: bytes, uids: Sequence[int], uid_validity: int | None
    ) -> None:
        state = self._open_folder(b"SELECT", folder_raw)
        if uid_validity is not None and state.uid_validity != uid_validity:
            raise UidValidityChangedError
        for portion in fetching.portions(sorted(set(uids))):
            self._run(b"UID STORE", uid_set(portion), change, rb"(\Seen)")

    def _idle_line(self, dialogue: Dialogue) -> Parts:
        parts = dialogue.read_parts(self._idle_tag or b"")
        refuse_goodbye(parts[0])
        if not parts[0].startswith(b"* "):
            raise ProtocolError  # the server ended IDLE by itself
        return parts


def _whole(message: MessageDetails, raw: bytes) -> FetchedMessage:
    return FetchedMessage(
        uid=message.uid,
        raw=raw,
        size=len(raw),
        received_at=message.received_at,
        flags=message.flags,
    )


def _folder_state(answer: Answer) -> FolderState:
    codes: dict[str, int | None] = {}
    exists = 0
    for parts in answer.untagged:
        event = _event(parts)
        if event and event[1] == "EXISTS":
            exists = event[0]
        code, argument = response_code(parts[0].partition(b" ")[2].partition(b" ")[2])
        if code:
            codes[code] = fetching.whole_number(argument)
    return FolderState(
        uid_validity=_uid_validity(codes.get("UIDVALIDITY")),
        uid_next=_positive(codes.get("UIDNEXT")),
        exists=exists,
        highest_mod_seq=_positive(codes.get("HIGHESTMODSEQ")),
    )


def _status_numbers(answers: Iterable[Parts]) -> dict[str, int]:
    told: dict[str, int] = {}
    for parts in answers:
        found = _STATUS.match(b" ".join(parts[:1] + parts[2::2]))
        words = found[1].decode("ascii", "replace").upper().split() if found else []
        for name, value in zip(words[::2], words[1::2], strict=False):
            if value.isdigit():
                told[name] = int(value)
    return told


def _event(parts: Parts) -> tuple[int, str] | None:
    found = _EXISTS.match(parts[0])
    return (int(found[1]), found[2].decode("ascii").upper()) if found else None


def _kinds(told: Iterable[Parts]) -> list[str]:
    return [event[1] for event in map(_event, told) if event]


def _positive(number: int | None) -> int | None:
    return number if number is not None and number > 0 else None


def _uid_validity(number: int | None) -> int | None:
    return number if number is not None and 0 < number < 2**32 else None


def _flag(flag: str) -> bytes:
    r"""A flag as an atom; raises `ValueError` for anything that is none."""
    if not re.fullmatch(r"\\?[A-Za-z0-9$_.-]{1,100}", flag):
        raise ValueError(f"not a flag: {flag!r}")
    return flag.encode("ascii")


def _date_time(when: datetime) -> bytes:
    moment = when.astimezone(UTC)
    month = fetching.ENGLISH_MONTHS[moment.month - 1]
    return f'"{moment.day:2}-{month}-{moment.year:04} {moment:%H:%M:%S} +0000"'.encode("ascii")
