"""One message on its way to a server, and what became of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mailboxes.crash_points import crash_point
from mailboxes.errors import MailServerError, SendingRefusedError
from mailboxes.smtp.envelope import Envelope, wire_form
from mailboxes.smtp.session import REPLY_BYTES, GuardedSmtp
from mailboxes.wire import Timeouts, Wire

Outcome = Literal["sent", "temporary", "permanent", "unknown"]

DATA_CHUNK = 64 * 1024

_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_ABOUT_SENDER = re.compile(r"sender|send as|mail from|return.?path|null", re.IGNORECASE)
_RATE = re.compile(r"\brate(?:s|-?limit\w*)?\b|too much mail", re.IGNORECASE)
_GREYLISTED = re.compile(r"gr[ae]y-?list", re.IGNORECASE)  # that is about one sender and one recipient
_MUST_AUTHENTICATE = {530, 534, 535, 538}
_RATE_LIMITS = {"4.2.1", "4.3.2", "4.5.3", "4.7.0", "4.7.1", "4.7.28", "5.4.5", "5.7.3"}


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


@dataclass(slots=True)
class Attempt:
    """One message on its way; ``stage`` says how far it came."""

    session: GuardedSmtp
    wire: Wire
    timeouts: Timeouts
    envelope: Envelope
    never_notify: bool
    stage: str = "sender"
    recipient: str = ""

    def run(self, data: bytes, before_final_dot: Callable[[], None]) -> DeliveryResult:
        """Transmit, let the caller commit, send the dot, and read the answer."""
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
            400 <= error.code < 500 and _RATE.search(error.text) is not None
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
            is_rate_limited=is_rate_limited and not _GREYLISTED.search(error.text),
        )

    def _is_about_null_sender(self, error: SendingRefusedError) -> bool:
        if self.envelope.sender is not None or not 500 <= error.code < 600:
            return False
        if error.code in _MUST_AUTHENTICATE:
            return False
        return self.stage == "sender" or _ABOUT_SENDER.search(error.text) is not None
