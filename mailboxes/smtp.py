"""The only speaker of SMTP (RFC 5321) and the only importer of smtplib.

What matters here is knowing what became of a message (reliability §3.4). Until the final dot nothing has
happened, and trying again is safe; from the dot on only the server knows, and an answer that does not
come makes the outcome *unknown*, never *try again*. The caller writes down that the point of no return
is reached in ``before_final_dot``, between the last byte of the message and the dot.

A message goes to all its recipients or to none: one refused recipient ends the attempt before DATA.
"""

import base64
import re
import smtplib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.generator import BytesGenerator
from io import BytesIO
from types import TracebackType
from typing import Literal, cast

from mailboxes import egress
from mailboxes.crash_points import crash_point
from mailboxes.errors import (
    AnswerTooLongError,
    AuthenticationFailedError,
    LoginDisabledError,
    MailServerError,
    ProtocolError,
    SendingRefusedError,
    ServerUnavailableError,
    TlsUnavailableError,
    UnsafeArgumentError,
    WrongProtocolError,
)
from mailboxes.wire import Certificate, Timeouts, Wire, tls_context

Encryption = Literal["tls", "starttls", "none"]
Outcome = Literal["sent", "temporary", "permanent", "unknown"]

REPLY_BYTES = 64 * 1024
REPLY_LINES = 500
DATA_CHUNK = 64 * 1024
SHOWN_REPLY = 500

_REPLY = re.compile(rb"(\d{3})([ -]|\Z)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_STARTS_WITH_DOT = re.compile(rb"^\.", re.MULTILINE)
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
_ABOUT_SENDER = re.compile(r"sender|send as|mail from|return.?path|null", re.IGNORECASE)

_MUST_AUTHENTICATE = {530, 534, 535, 538}
_RATE_LIMITS = {"4.2.1", "4.3.2", "4.5.3", "4.7.0", "4.7.1", "4.7.28", "5.4.5", "5.7.3"}


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """One account on one submission server; without ``user`` nobody signs in.

    ``encryption``: as for IMAP; a password is sent unencrypted only if *none* was chosen.
    ``ehlo_name``: how we introduce ourselves.
    """

    host: str
    port: int
    encryption: Encryption
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None
    ehlo_name: str = "[127.0.0.1]"
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(body=600))


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of one attempt to send.

    ``outcome``: *sent*; *temporary* (the same bytes may be sent again); *permanent* (they will be refused
    again); *unknown* (after the dot without a clear answer: never send again unasked).
    ``stage``: envelope, connect, login, sender, recipient, data or dot. ``code``: the reply code or 0.
    ``reason``: for people. ``null_sender_refused``: the server does not take ``<>``, use an address (S9).
    ``stops_mailbox``: password, certificate or settings are wrong; nothing can be sent until a person
    changes them, so keep the queue (S7). ``is_rate_limited``: slow down for this server (S12).
    """

    outcome: Outcome
    stage: str = "dot"
    code: int = 0
    reason: str = ""
    recipient: str = ""
    null_sender_refused: bool = False
    stops_mailbox: bool = False
    is_rate_limited: bool = False

    @property
    def is_sent(self) -> bool:
        """Whether the server has taken the message."""
        return self.outcome == "sent"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a message is from and to on the wire, apart from its headers. Null sender: ``None``."""

    sender: str | None
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.recipients:
            raise UnsafeArgumentError("The message has no recipient.")
        for address in (*self.recipients, *([self.sender] if self.sender is not None else [])):
            if not address or _UNSAFE.search(address) or len(address) > 320:
                raise UnsafeArgumentError("An address contains characters that are not permitted.")

    @property
    def needs_utf8(self) -> bool:
        """Whether a local part is beyond ASCII, so that SMTPUTF8 (RFC 6531) is needed."""
        return not all(_local_part(address).isascii() for address in self._addresses)

    @property
    def _addresses(self) -> tuple[str, ...]:
        return self.recipients if self.sender is None else (self.sender, *self.recipients)


def deliver(
    settings: SmtpSettings,
    policy: egress.EgressPolicy,
    *,
    envelope_sender: str | None,
    recipients: Sequence[str],
    data: bytes,
    before_final_dot: Callable[[], None],
    never_notify: bool = False,
) -> DeliveryResult:
    """Send one message over a connection of its own; see `SmtpConnection.deliver`.

    A connection that cannot be opened is a result too. Only ``before_final_dot`` may raise: then the
    connection is cut without the dot and the server forgets the message.
    """
    try:
        with SmtpConnection(settings, policy) as connection:
            return connection.deliver(
                envelope_sender=envelope_sender,
                recipients=recipients,
                data=data,
                before_final_dot=before_final_dot,
                never_notify=never_notify,
            )
    except MailServerError as error:
        return _not_connected(error)


def check(settings: SmtpSettings, policy: egress.EgressPolicy) -> None:
    """Connect, encrypt and sign in, and send nothing. Raises a `MailServerError`."""
    with SmtpConnection(settings, policy):
        pass


class SmtpConnection:
    """One signed-in connection that can send several messages; a context manager."""

    def __init__(
        self,
        settings: SmtpSettings,
        policy: egress.EgressPolicy,
        resolver: egress.Resolver | None = None,
    ) -> None:
        self.settings = settings
        self._policy = policy
        self._resolver = resolver
        self._wire: Wire | None = None
        self._session: _GuardedSmtp | None = None
        self._target_name = ""

    def __enter__(self) -> "SmtpConnection":
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

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
        for value in (self.settings.user, self.settings.password, self.settings.ehlo_name):
            if any(character in value for character in "\0\r\n"):
                raise UnsafeArgumentError
        seconds = self.settings.timeouts.connect
        if target is None:
            host, port = self.settings.host, self.settings.port
            target = egress.resolve(host, port, self._policy, seconds, self._resolver)
        self._target_name = target.name
        self._wire = Wire(egress.open_socket(target, seconds))

    def secure(self) -> None:
        """Read the greeting, say EHLO, encrypt as chosen; no secret was sent before this returns."""
        wire = self._open_wire()
        context = tls_context(self.settings.ca_file)
        with wire.allowance(self.settings.timeouts.greeting, REPLY_BYTES):
            if self.settings.encryption == "tls":
                wire.start_tls(context, self._target_name)
            self._session = _GuardedSmtp(wire, self.settings)
            self._session.greet()
            self._session.introduce()
        if self.settings.encryption == "starttls":
            with wire.allowance(self.settings.timeouts.greeting, REPLY_BYTES):
                self._session.encrypt(context, self._target_name)

    def log_in(self) -> None:
        """Sign in if there is a user."""
        session = self._open_session()
        if self.settings.user:
            with self._open_wire().allowance(self.settings.timeouts.command, REPLY_BYTES):
                session.authenticate(self.settings.user, self.settings.password)

    def close(self) -> None:
        """Say QUIT if the server listens, and close. Never raises."""
        wire, session = self._wire, self._session
        if wire is None or wire.is_closed:
            return
        if session is not None:
            session.say_goodbye()
        wire.close()

    @property
    def is_open(self) -> bool:
        """Whether another message can be sent."""
        return self._wire is not None and not self._wire.is_closed

    @property
    def certificate(self) -> Certificate | None:
        """The server's verified certificate, None without encryption."""
        return self._wire.certificate() if self._wire else None

    def deliver(
        self,
        *,
        envelope_sender: str | None,
        recipients: Sequence[str],
        data: bytes,
        before_final_dot: Callable[[], None],
        never_notify: bool = False,
    ) -> DeliveryResult:
        """Send one message and tell what became of it; does not raise for what a server does.

        ``envelope_sender``: None for the null sender ``<>``. ``never_notify``: no bounce, where the server
        offers DSN (RFC 3461). Addresses that could carry a command are a *permanent* result. Raises only
        what ``before_final_dot`` raises, after cutting the connection.
        """
        try:
            envelope = Envelope(envelope_sender, tuple(recipients))
        except UnsafeArgumentError as error:
            return DeliveryResult("permanent", "envelope", reason=error.message)
        session, wire = self._open_session(), self._open_wire()
        attempt = _Attempt(session, wire, self.settings.timeouts, envelope, never_notify)
        return attempt.run(data, before_final_dot)

    def _open_wire(self) -> Wire:
        if self._wire is None:
            raise ProtocolError("The connection is not open.")
        return self._wire

    def _open_session(self) -> "_GuardedSmtp":
        if self._session is None:
            raise ProtocolError("The connection is not open.")
        return self._session


@dataclass(slots=True)
class _Attempt:
    """One message on its way; ``stage`` says how far it came."""

    session: "_GuardedSmtp"
    wire: Wire
    timeouts: Timeouts
    envelope: Envelope
    never_notify: bool
    stage: str = "sender"
    recipient: str = ""

    def run(self, data: bytes, before_final_dot: Callable[[], None]) -> DeliveryResult:
        try:
            self._transmit(data)
        except MailServerError as error:
            return self._before_the_dot(error)
        try:
            crash_point("data sent")
            before_final_dot()
        except BaseException:
            self.wire.close()  # without the dot nothing was sent
            raise
        self.stage = "dot"
        return self._finish()

    def _transmit(self, data: bytes) -> None:
        """Everything up to, not with, the final dot."""
        content = wire_form(self.session.fitting(data, self.envelope))
        with self.wire.allowance(self.timeouts.body, REPLY_BYTES):
            self.session.expect(b"2", self.session.sender_command(self.envelope, len(content)))
            self.stage = "recipient"
            for recipient in self.envelope.recipients:
                self.recipient = recipient
                command = self.session.recipient_command(recipient, never_notify=self.never_notify)
                self.session.expect(b"2", command)
            self.stage, self.recipient = "data", ""
            self.session.expect(b"3", b"DATA")
            for start in range(0, len(content), DATA_CHUNK):
                self.wire.sendall(content[start : start + DATA_CHUNK])

    def _finish(self) -> DeliveryResult:
        """The dot, and what the server says to it. No clear answer means unknown."""
        try:
            with self.wire.allowance(self.timeouts.body, REPLY_BYTES):
                self.wire.sendall(b".\r\n")
                crash_point("dot sent")
                code, text = self.session.read_reply()
                crash_point("dot answered")
        except MailServerError as error:
            return DeliveryResult("unknown", "dot", reason=error.message)
        except BaseException:
            self.wire.close()
            raise
        if 200 <= code < 300:
            return DeliveryResult("sent", "dot", code, text)
        if 400 <= code < 600:
            return self._refused(SendingRefusedError(code=code, text=text))
        self.wire.close()
        return DeliveryResult("unknown", "dot", code, text)

    def _before_the_dot(self, error: MailServerError) -> DeliveryResult:
        if isinstance(error, SendingRefusedError):
            self._forget()
            return self._refused(error)
        self.wire.close()
        outcome: Outcome = "permanent" if error.is_permanent else "temporary"
        return DeliveryResult(outcome, self.stage, reason=error.message, recipient=self.recipient)

    def _forget(self) -> None:
        """RSET, so that the connection can carry the next message."""
        try:
            with self.wire.allowance(self.timeouts.command, REPLY_BYTES):
                self.session.expect(b"2", b"RSET")
        except MailServerError:
            self.wire.close()

    def _refused(self, error: SendingRefusedError) -> DeliveryResult:
        """A clear 4xx or 5xx, at whatever stage."""
        enhanced = _ENHANCED.search(error.text)
        is_rate_limited = (enhanced is not None and enhanced[1] in _RATE_LIMITS) or (
            error.code in {421, 450, 454} and "rate" in error.text.lower()
        )
        must_sign_in = error.code in _MUST_AUTHENTICATE
        is_temporary = error.code < 500 or must_sign_in or (enhanced is not None and enhanced[1] == "5.4.5")
        if error.code == 421:
            self.wire.close()
        return DeliveryResult(
            outcome="temporary" if is_temporary else "permanent",
            stage=self.stage,
            code=error.code,
            reason=error.text,
            recipient=self.recipient,
            null_sender_refused=self._is_about_null_sender(error),
            stops_mailbox=must_sign_in,
            is_rate_limited=is_rate_limited,
        )

    def _is_about_null_sender(self, error: SendingRefusedError) -> bool:
        if self.envelope.sender is not None or not 500 <= error.code < 600:
            return False
        if error.code in _MUST_AUTHENTICATE:
            return False
        return self.stage == "sender" or _ABOUT_SENDER.search(error.text) is not None


class _GuardedSmtp(smtplib.SMTP):
    """smtplib over a guarded wire: bounded replies, no look-up of names, no TLS of its own."""

    def __init__(self, wire: Wire, settings: SmtpSettings) -> None:
        super().__init__(local_hostname=settings.ehlo_name)
        self._wire = wire
        self._may_send_password_unencrypted = settings.encryption == "none"
        self.sock = cast("smtplib.socket.socket", wire)  # type: ignore[name-defined]

    # --- smtplib's transport ------------------------------------------------------------------

    def getreply(self) -> tuple[int, bytes]:
        """One reply, however many lines, within `REPLY_BYTES` (S16)."""
        lines: list[bytes] = []
        while len(lines) < REPLY_LINES:
            found = _REPLY.match(self._wire.read_line(REPLY_BYTES))
            if not found:
                raise WrongProtocolError if not lines else ProtocolError
            lines.append(found[3].strip(b" \t\r\n"))
            if found[2] != b"-":
                return int(found[1]), b"\n".join(lines)
        raise AnswerTooLongError

    def send(self, s: object) -> None:
        """Send text or bytes."""
        self._wire.sendall(s.encode("utf-8") if isinstance(s, str) else cast(bytes, s))

    def close(self) -> None:
        self._wire.close()

    # --- our steps ----------------------------------------------------------------------------

    def greet(self) -> None:
        """Read the greeting; its text is nobody's business (F26)."""
        code, _ = self.getreply()
        if 400 <= code < 600:
            raise ServerUnavailableError
        if code != 220:
            raise WrongProtocolError

    def introduce(self) -> None:
        """EHLO, or HELO where the server knows no better."""
        code, _ = self.ehlo()
        if code == 421:
            raise ServerUnavailableError
        if code >= 400:
            code, _ = self.helo()
        if not 200 <= code < 300:
            raise WrongProtocolError

    def encrypt(self, context: object, name: str) -> None:
        """STARTTLS is required: no offer, no conversation (S8). What was said before is forgotten."""
        if not self.has_extn("starttls"):
            raise TlsUnavailableError
        code, _ = self.docmd("STARTTLS")
        if code != 220:
            raise TlsUnavailableError
        self._wire.start_tls(cast("smtplib.ssl.SSLContext", context), name)  # type: ignore[name-defined]
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
        self.introduce()

    def authenticate(self, user: str, password: str) -> None:
        """AUTH PLAIN or LOGIN (RFC 4954), only over TLS unless *none* was chosen."""
        if not (self._wire.is_encrypted or self._may_send_password_unencrypted):
            raise LoginDisabledError
        mechanisms = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in mechanisms:
            secret = base64.b64encode(f"\0{user}\0{password}".encode())
            code, text = self._say(b"AUTH PLAIN " + secret)
        elif "LOGIN" in mechanisms:
            code, text = self._log_in_by_steps(user, password)
        else:
            raise LoginDisabledError
        if not 200 <= code < 300:
            raise _login_refusal(code, text)

    def say_goodbye(self) -> None:
        """QUIT, without minding what comes back."""
        try:
            with self._wire.allowance(3, REPLY_BYTES):
                self._say(b"QUIT")
        except MailServerError:
            return

    def read_reply(self) -> tuple[int, str]:
        """A reply as text that can be shown."""
        code, text = self.getreply()
        return code, _shown(text)

    def expect(self, kind: bytes, command: bytes) -> None:
        """Say something; raise `SendingRefusedError` unless the code begins with ``kind``."""
        code, text = self._say(command)
        if not str(code).encode().startswith(kind):
            if code < 400:
                raise ProtocolError
            raise SendingRefusedError(code=code, text=_shown(text))

    def sender_command(self, envelope: Envelope, size: int) -> bytes:
        """MAIL FROM with what the server understands of SIZE, BODY and SMTPUTF8."""
        command = f"MAIL FROM:<{_on_the_wire(envelope.sender or '')}>"
        if self.has_extn("size"):
            command += f" SIZE={size}"
        if self.has_extn("8bitmime"):
            command += " BODY=8BITMIME"
        if envelope.needs_utf8:
            command += " SMTPUTF8"
        return command.encode("utf-8")

    def recipient_command(self, recipient: str, *, never_notify: bool) -> bytes:
        """RCPT TO, without bounces where that can be said."""
        command = f"RCPT TO:<{_on_the_wire(recipient)}>"
        if never_notify and self.has_extn("dsn"):
            command += " NOTIFY=NEVER"
        return command.encode("utf-8")

    def fitting(self, data: bytes, envelope: Envelope) -> bytes:
        """The message as this server can take it, or a permanent refusal before anything is said (S11)."""
        if envelope.needs_utf8 and not self.has_extn("smtputf8"):
            text = "The server does not support addresses with letters beyond ASCII."
            raise SendingRefusedError(text, code=553, text=text)
        if not data.isascii() and not self.has_extn("8bitmime"):
            data = _in_seven_bits(data)
        largest = self.esmtp_features.get("size", "")
        if largest.isdigit() and 0 < int(largest) < len(data):
            text = f"The message is larger than the {int(largest) // 1024} KB that the server takes."
            raise SendingRefusedError(text, code=552, text=text)
        return data

    def _log_in_by_steps(self, user: str, password: str) -> tuple[int, bytes]:
        code, text = self._say(b"AUTH LOGIN")
        for value in (user, password):
            if code != 334:
                break
            code, text = self._say(base64.b64encode(value.encode("utf-8")))
        return code, text

    def _say(self, command: bytes) -> tuple[int, bytes]:
        if b"\r" in command or b"\n" in command or b"\0" in command:
            raise UnsafeArgumentError
        self.send(command + b"\r\n")
        return self.getreply()


def wire_form(data: bytes) -> bytes:
    """CRLF line ends only, dots stuffed, one line end at the end (T10, RFC 5321 §4.5.2)."""
    content = _LINE_END.sub(b"\r\n", data)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return _STARTS_WITH_DOT.sub(b"..", content)


def _in_seven_bits(data: bytes) -> bytes:
    """Encode parts down to quoted-printable or base64 for a server without 8BITMIME."""
    output = BytesIO()
    seven = policy.compat32.clone(cte_type="7bit", linesep="\r\n")
    BytesGenerator(output, mangle_from_=False, policy=seven).flatten(message_from_bytes(data))
    if not output.getvalue().isascii():
        text = "The server takes only messages in 7-bit characters."
        raise SendingRefusedError(text, code=554, text=text)
    return output.getvalue()


def _on_the_wire(address: str) -> str:
    """The address with its domain in A-labels; the local part belongs to the receiver."""
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UnsafeArgumentError("The domain of an address is not possible.") from error


def _local_part(address: str) -> str:
    return address.rpartition("@")[0]


def _shown(text: bytes) -> str:
    """A reply in one line that a page may show."""
    line = " ".join(text.decode("utf-8", "replace").split())
    return "".join(character for character in line if character.isprintable())[:SHOWN_REPLY]


def _login_refusal(code: int, text: bytes) -> MailServerError:
    """4xx: not now. 5xx: a wrong password, or a mechanism that is not permitted here."""
    if code < 500:
        return ServerUnavailableError()
    if code in {534, 538} or b"5.7.11" in text:
        return LoginDisabledError()
    return AuthenticationFailedError()


def _not_connected(error: MailServerError) -> DeliveryResult:
    stage = "login" if isinstance(error, AuthenticationFailedError | LoginDisabledError) else "connect"
    return DeliveryResult(
        outcome="temporary",
        stage=stage,
        reason=f"{error.message} {error.advice}",
        stops_mailbox=error.is_permanent,
    )
