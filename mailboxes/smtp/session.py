"""smtplib over a guarded wire: bounded replies, no look-up of names, no TLS of its own."""

import base64
import re
import smtplib
import socket
import ssl
from typing import cast

from mailboxes.errors import (
    AnswerTooLongError,
    AuthenticationFailedError,
    LoginDisabledError,
    MailServerError,
    NotWelcomeError,
    ProtocolError,
    SendingRefusedError,
    ServerUnavailableError,
    TlsUnavailableError,
    TokenRefusedError,
    UnsafeArgumentError,
    WrongProtocolError,
)
from mailboxes.sasl import CONFESSIONS, TokenSource, initial_response, mechanism_of
from mailboxes.smtp.envelope import Envelope, in_seven_bits, on_the_wire
from mailboxes.smtp.settings import SmtpSettings
from mailboxes.wire import Wire

REPLY_BYTES = 64 * 1024
REPLY_LINES = 500
SHOWN_REPLY = 500

_UNKNOWN_COMMAND = {500, 502}  # to EHLO and HELO: such as by LMTP

_REPLY = re.compile(rb"(\d{3})([ -]|\Z)(.*)", re.DOTALL)


class GuardedSmtp(smtplib.SMTP):
    """One conversation, from the greeting to QUIT; every step within the caller's allowance."""

    def __init__(self, wire: Wire, settings: SmtpSettings) -> None:
        super().__init__(local_hostname=settings.ehlo_name)
        self._wire = wire
        self._may_send_password_unencrypted = settings.encryption == "none"
        self.sock = cast("socket.socket", wire)

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
        if code >= 500:
            code, _ = self.helo()
        if 400 <= code < 500:
            raise ServerUnavailableError
        if code >= 500 and code not in _UNKNOWN_COMMAND:
            raise NotWelcomeError
        if not 200 <= code < 300:
            raise WrongProtocolError

    def encrypt(self, context: ssl.SSLContext, name: str) -> None:
        """STARTTLS is required: no offer, no conversation (S8). What was said before is forgotten."""
        if not self.has_extn("starttls"):
            raise TlsUnavailableError
        code, _ = self.docmd("STARTTLS")
        if 400 <= code < 500:  # 454: not now (RFC 3207 §4)
            raise ServerUnavailableError
        if code != 220:
            raise TlsUnavailableError
        self._wire.start_tls(context, name)
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

    def authenticate_by_token(self, user: str, tokens: TokenSource, host: str, port: int) -> None:
        """AUTH XOAUTH2 or OAUTHBEARER, over TLS alone; a token that is refused is refreshed once (F32)."""
        mechanism = mechanism_of(self.esmtp_features.get("auth", "").split())
        if mechanism is None or not self._wire.is_encrypted:
            raise LoginDisabledError
        token = tokens("")
        try:
            self._say_token(mechanism, initial_response(mechanism, user, token, host, port))
        except AuthenticationFailedError:
            fresh = tokens(token)
            try:
                self._say_token(mechanism, initial_response(mechanism, user, fresh, host, port))
            except AuthenticationFailedError as error:
                raise TokenRefusedError from error

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
        command = f"MAIL FROM:<{on_the_wire(envelope.sender or '')}>"
        if self.has_extn("size"):
            command += f" SIZE={size}"
        if self.has_extn("8bitmime"):
            command += " BODY=8BITMIME"
        if envelope.needs_utf8:
            command += " SMTPUTF8"
        return command.encode("utf-8")

    def recipient_command(self, recipient: str, *, never_notify: bool) -> bytes:
        """RCPT TO, without bounces where that can be said."""
        command = f"RCPT TO:<{on_the_wire(recipient)}>"
        if never_notify and self.has_extn("dsn"):
            command += " NOTIFY=NEVER"
        return command.encode("utf-8")

    def fitting(self, data: bytes, envelope: Envelope) -> bytes:
        """The message as this server can take it, or a permanent refusal before anything is said (S11)."""
        if envelope.needs_utf8 and not self.has_extn("smtputf8"):
            text = "The server does not support addresses with letters beyond ASCII."
            raise SendingRefusedError(text, code=553, text=text)
        if not data.isascii() and not self.has_extn("8bitmime"):
            data = in_seven_bits(data)
        largest = _size(self.esmtp_features.get("size", ""))
        if 0 < largest < len(data):
            text = f"The message is larger than the {largest // 1024} KB that the server takes."
            raise SendingRefusedError(text, code=552, text=text)
        return data

    def _say_token(self, mechanism: str, response: bytes) -> None:
        code, text = self._say(b"AUTH " + mechanism.encode() + b" " + response)
        if code == 334:  # an account of the error, which wants an answer before the refusal
            code, text = self._say(CONFESSIONS[mechanism])
        if not 200 <= code < 300:
            raise _login_refusal(code, text)

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


def _size(told: str) -> int:
    """What a server says to SIZE (RFC 1870 §4: at most 20 digits); 0 for no limit, and for nonsense."""
    return int(told) if re.fullmatch(r"[0-9]{1,20}", told) else 0


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
