"""Connections to a submission server: opened step by step, carrying one message or several."""

from collections.abc import Callable, Sequence

from mailboxes import egress
from mailboxes.errors import (
    AuthenticationFailedError,
    LoginDisabledError,
    MailServerError,
    ProtocolError,
    UnsafeArgumentError,
)
from mailboxes.smtp.delivery import Attempt, DeliveryResult
from mailboxes.smtp.envelope import Envelope
from mailboxes.smtp.session import REPLY_BYTES, GuardedSmtp
from mailboxes.smtp.settings import SmtpSettings
from mailboxes.wire import Certificate, Wire, tls_context


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

    def __init__(self, settings: SmtpSettings, policy: egress.EgressPolicy) -> None:
        self.settings = settings
        self._policy = policy
        self._wire: Wire | None = None
        self._session: GuardedSmtp | None = None
        self._target_name = ""

    def __enter__(self) -> "SmtpConnection":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
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
            target = egress.resolve(host, port, self._policy, seconds)
        self._target_name = target.name
        self._wire = Wire(egress.open_socket(target, seconds))

    def secure(self) -> None:
        """Read the greeting, say EHLO, encrypt as chosen; no secret was sent before this returns."""
        wire = self._open_wire()
        context = tls_context(self.settings.ca_file)
        with wire.allowance(self.settings.timeouts.greeting, REPLY_BYTES):
            if self.settings.encryption == "tls":
                wire.start_tls(context, self._target_name)
            self._session = GuardedSmtp(wire, self.settings)
            self._session.greet()
            self._session.introduce()
        if self.settings.encryption == "starttls":
            with wire.allowance(self.settings.timeouts.greeting, REPLY_BYTES):
                self._session.encrypt(context, self._target_name)

    def log_in(self) -> None:
        """Sign in if there is a user."""
        session, settings = self._open_session(), self.settings
        if not settings.user:
            return
        with self._open_wire().allowance(settings.timeouts.command, REPLY_BYTES):
            if settings.tokens is not None:
                session.authenticate_by_token(
                    settings.user, settings.tokens, self._target_name, settings.port
                )
            else:
                session.authenticate(settings.user, settings.password)

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
        attempt = Attempt(session, wire, self.settings.timeouts, envelope, never_notify)
        return attempt.run(data, before_final_dot)

    def _open_wire(self) -> Wire:
        if self._wire is None:
            raise ProtocolError("The connection is not open.")
        return self._wire

    def _open_session(self) -> GuardedSmtp:
        if self._session is None:
            raise ProtocolError("The connection is not open.")
        return self._session


def _not_connected(error: MailServerError) -> DeliveryResult:
    stage = "login" if isinstance(error, AuthenticationFailedError | LoginDisabledError) else "connect"
    return DeliveryResult(
        outcome="temporary",
        stage=stage,
        reason=error.told,
        stops_mailbox=error.is_permanent,
    )
