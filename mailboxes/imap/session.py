"""One signed-in IMAP connection: opened step by step, kept in step, closed.

Nothing secret is said before the connection is encrypted as chosen; a server that lets us in without
being asked (PREAUTH) or forgets to offer STARTTLS gets nothing (reliability F27-F30).
"""

import time
from contextlib import suppress
from typing import Self

from mailboxes import egress
from mailboxes.crash_points import crash_point
from mailboxes.errors import (
    AuthenticationFailedError,
    CommandRefusedError,
    FolderUnavailableError,
    LoginDisabledError,
    MailboxFullError,
    MailServerError,
    ProtocolError,
    ServerTimeoutError,
    ServerUnavailableError,
    TlsUnavailableError,
    TokenRefusedError,
    TurnedAwayError,
    UidValidityChangedError,
    UnencryptedLoginError,
)
from mailboxes.imap.client import GuardedClient
from mailboxes.imap.dialogue import (
    GOODBYE,
    Answer,
    Argument,
    Dialogue,
    Taker,
    astring,
    refuse_control,
)
from mailboxes.imap.folder_numbers import FolderState, folder_state
from mailboxes.imap.folders import INBOX
from mailboxes.imap.refusals import CLOSED_TO_US, login_refusal, quota_of_traffic
from mailboxes.imap.settings import ImapSettings
from mailboxes.imap.signing_in import login_command
from mailboxes.sasl import TokenSource
from mailboxes.wire import Certificate, Wire, tls_context

LINE_BUDGET = 1024 * 1024
GOODBYE_SECONDS = 3.0
IDENTITY = b'("name" "Postroom" "version" "0.1.0")'  # RFC 2971
MOST_GOODBYES = 8  # in a row, with no message handed out between them: then they are about no one message
MOST_LOST_SECONDS = 240.0  # to time-outs; then nothing may take longer than an ordinary command
_TELL_OF_A_FULL_MAILBOX = (b"APPEND", b"UID STORE", b"LOGIN", b"AUTHENTICATE")


class ImapSession:
    """A connection that can be opened, given commands, and closed; a context manager.

    `open` goes through `connect`, `secure` and `log_in`, which can be called one by one to see
    which of them fails. Every method raises a `MailServerError`.
    """

    def __init__(self, settings: ImapSettings, policy: egress.EgressPolicy) -> None:
        self.settings = settings
        self.capabilities: frozenset[str] = frozenset()
        self._policy = policy
        self._target: egress.Target | None = None
        self._wire: Wire | None = None
        self._client: GuardedClient | None = None
        self._dialogue: Dialogue | None = None
        self._folder: tuple[bytes, int | None] | None = None
        self._received_before = 0
        self.is_throttled = False
        self.lost_seconds = 0.0  # waited for answers that did not end in time
        self.goodbye_count = 0  # since it last handed out a message
        self.ending_count = 0  # of connections, as messages were told of
        self.ended_over: set[int] = set()  # UIDs by which it ended when one was asked for alone
        self.message_count = 0  # in the open folder, when it was opened
        self.uid_next = 0  # … as it was told then; 0: it was not
        self._idle_tag: bytes | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- opening and closing -----------------------------------------------------------------

    def open(self) -> None:
        """Connect, encrypt, sign in. Who is turned away here is so from everything."""
        try:
            self.connect()
            crash_point("connected")
            self.secure()
            self.log_in()
            crash_point("signed in")
        except TurnedAwayError as error:
            self.close()
            raise ServerUnavailableError from error
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
            target = egress.resolve(host, port, self._policy, seconds)
        self._target, self._target_name = target, target.name
        self._wire = Wire(egress.open_socket(target, seconds), self.settings.timeouts.command)

    def secure(self) -> None:
        """Read the greeting and encrypt as chosen; no secret was sent before this returns."""
        wire = self.wire
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
        """Sign in by password or token; afterwards the capabilities are read anew (F35).

        We say who we are where that can be said: 163.com opens no folder for programs without a name.
        """
        client = self._client
        if client is None:
            raise ProtocolError
        if not client.is_signed_in:
            if self.settings.tokens is not None:
                self._log_in_by_token(self.settings.tokens)
            else:
                self._log_in(None)
        self._read_capabilities()
        if "ID" in self.capabilities:
            self._introduce()

    def close(self) -> None:
        """Say goodbye if the server listens, and close. Never raises."""
        wire, dialogue = self._wire, self._dialogue
        if wire is not None and not wire.is_closed:
            with suppress(MailServerError):
                if dialogue is not None and self._idle_tag is None:
                    dialogue.run(b"LOGOUT", seconds=GOODBYE_SECONDS, budget=LINE_BUDGET)
            wire.close()
        if wire is not None:
            self._received_before += wire.received_count
            wire.received_count = 0
        self._idle_tag = None

    @property
    def is_open(self) -> bool:
        """Whether commands can be given."""
        return self._wire is not None and not self._wire.is_closed

    @property
    def body_seconds(self) -> float:
        """How long what is large may take; less, where the server has trickled before (F20)."""
        timeouts = self.settings.timeouts
        return min(timeouts.body, max(timeouts.command, MOST_LOST_SECONDS - self.lost_seconds))

    @property
    def is_turned_away(self) -> bool:
        """Whether the server has said goodbye so often that it means us, not what it was asked for (F24)."""
        return self.goodbye_count > MOST_GOODBYES

    @property
    def received_count(self) -> int:
        """How many bytes the server has sent, over all connections of this session."""
        return self._received_before + (self._wire.received_count if self._wire else 0)

    @property
    def certificate(self) -> Certificate | None:
        """The server's verified certificate, None without encryption."""
        return self._wire.certificate() if self._wire else None

    def fileno(self) -> int:
        """For a selector that waits for news while IDLE runs."""
        return self.wire.fileno()

    # --- commands ----------------------------------------------------------------------------

    @property
    def wire(self) -> Wire:
        """The open connection below."""
        if self._wire is None:
            raise ProtocolError("The connection is not open.")
        return self._wire

    @property
    def dialogue(self) -> Dialogue:
        """The conversation over it."""
        if self._dialogue is None:
            raise ProtocolError("The connection is not open.")
        return self._dialogue

    def run(
        self,
        *arguments: Argument,
        seconds: float | None = None,
        take: Taker | None = None,
        **limits: int,
    ) -> Answer:
        """Say one command, within the time-out for commands unless told otherwise; see `Dialogue.run`."""
        allowed = self.settings.timeouts.command if seconds is None else seconds
        began = time.monotonic()
        try:
            answer = self.dialogue.run(*arguments, seconds=allowed, take=take, **limits)
        except ServerTimeoutError:
            self.lost_seconds += time.monotonic() - began
            raise
        except TurnedAwayError:
            self.goodbye_count += 1
            raise
        except MailboxFullError as error:
            verb = arguments[0]
            if isinstance(verb, bytes) and verb.startswith(_TELL_OF_A_FULL_MAILBOX):
                raise
            raise quota_of_traffic(error) from error
        self.is_throttled = self.is_throttled or answer.code == "THROTTLED"
        return answer

    def run_on_folder(self, *arguments: Argument, seconds: float | None = None) -> Answer:
        """Run a command about a folder; that the folder is not there is an error of its own (F38)."""
        try:
            return self.run(*arguments, seconds=seconds)
        except (FolderUnavailableError, MailboxFullError):
            raise
        except CommandRefusedError as error:
            raise FolderUnavailableError(code=error.code, text=error.text) from error

    def open_folder(self, verb: bytes, folder_raw: bytes) -> FolderState:
        """Open a folder by SELECT or EXAMINE, with numbers of changes where the server has them."""
        self._folder = None
        command: list[Argument] = [verb, astring(folder_raw)]
        if "CONDSTORE" in self.capabilities:
            command.append(b"(CONDSTORE)")
        try:
            answer = self.run(*command)
        except CommandRefusedError as error:
            if len(command) == 2 or error.code in CLOSED_TO_US:
                raise FolderUnavailableError(code=error.code, text=error.text) from error
            answer = self.run_on_folder(*command[:2])
        state = folder_state(answer, has_mod_seq="CONDSTORE" in self.capabilities)
        self._folder = folder_raw, state.uid_validity
        self.message_count = state.exists or 0  # 0: it is not told
        self.uid_next = state.uid_next or 0
        return state

    def examine(self, folder_raw: bytes) -> FolderState:
        """Open a folder for reading only."""
        return self.open_folder(b"EXAMINE", folder_raw)

    def leave_folder(self) -> None:
        """Have none open, or one that is never written to; nothing is expunged, as CLOSE might."""
        self._folder = None
        if "UNSELECT" in self.capabilities:
            with suppress(CommandRefusedError):
                self.run(b"UNSELECT")
                return
        self.examine(INBOX)

    def reopen(self) -> None:
        """Connect anew and open the same folder, which must still be numbered as before."""
        folder = self._folder
        self.close()
        self.open()
        if folder is not None and self.examine(folder[0]).uid_validity != folder[1]:
            raise UidValidityChangedError

    # --- private -----------------------------------------------------------------------------

    def _start_tls(self) -> None:
        """Encrypt before anything secret, or give up (F27, F28)."""
        if self._client is not None and self._client.is_signed_in:
            self.close()
            raise UnencryptedLoginError
        if "STARTTLS" not in self.capabilities:
            self.close()
            raise TlsUnavailableError
        try:
            self.run(b"STARTTLS")
        except CommandRefusedError as error:
            self.close()
            raise TlsUnavailableError from error
        wire = self.wire
        with wire.allowance(self.settings.timeouts.greeting, LINE_BUDGET):
            wire.start_tls(tls_context(self.settings.ca_file), self._target_name)
        self._read_capabilities()

    def _read_capabilities(self) -> None:
        """Ask CAPABILITY; what was said before encryption or login counts no more."""
        names: set[str] = set()
        for parts in self.run(b"CAPABILITY").untagged:
            words = parts[0].decode("ascii", "replace").upper().split()
            if words[1:2] == ["CAPABILITY"]:
                names.update(words[2:])
        self.capabilities = frozenset(names)
        self.dialogue.has_free_literals = "LITERAL+" in names

    def _introduce(self) -> None:
        """Who refuses to hear our name, for good or for now, may let us in all the same."""
        with self.wire.allowance(self.settings.timeouts.command, LINE_BUDGET):
            tag = self.dialogue.send(b"ID", IDENTITY)
            try:
                self.dialogue.complete(tag)
            except (CommandRefusedError, TurnedAwayError) as error:
                if error.message == GOODBYE:
                    raise

    def _log_in(self, token: str | None) -> None:
        """By token, or else by password."""
        host, is_encrypted = self._target_name, self.wire.is_encrypted
        try:
            command = login_command(self.settings, self.capabilities, token, host, is_encrypted=is_encrypted)
        except LoginDisabledError:
            self.close()
            raise
        try:
            self.run(*command)
        except CommandRefusedError as error:
            raise login_refusal(error) from error

    def _log_in_by_token(self, tokens: TokenSource) -> None:
        """A token that was refused is refreshed once: clocks differ, and permissions end early (F32)."""
        token = tokens("")
        try:
            self._log_in(token)
        except AuthenticationFailedError:
            fresh = tokens(token)
            self.connect(self._target)  # a refusal has closed the connection
            self.secure()
            try:
                self._log_in(fresh)
            except AuthenticationFailedError as error:
                raise TokenRefusedError from error
