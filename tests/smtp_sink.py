"""An SMTP server on 127.0.0.1 that stores what it is sent, or fails as it is told (aiosmtpd).

    def test_…(smtp_sink):
        smtp_sink.fail("RCPT", "550 5.1.1 No such user")       # answer of a verb
        smtp_sink.fail("dot", DROP, is_stored=True)             # stored, then silence and a closed line
        …
        assert smtp_sink.messages == []

Verbs: connect, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, dot, RSET, QUIT. A fault holds until `heal`, or
so many ``times``. Answers: text, bytes sent as they are, `DROP` (the connection ends), `HANG` (silence).
"""

import asyncio
import base64
import logging
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, AnyStr

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.certificates import Certificates, ServerCertificate

USER, PASSWORD = "support@example.org", "sésame"
DROP = "(drop)"
HANG = "(hang)"

Answer = str | bytes

logging.getLogger("mail.log").setLevel(logging.ERROR)  # the library warns of itself at each sign-in


@dataclass(frozen=True)
class SunkMessage:
    """One message as it arrived: envelope and content (dots unstuffed)."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...] = ()
    recipient_options: tuple[str, ...] = ()


@dataclass
class Fault:
    """What to answer instead, how often, and whether the message is stored before."""

    answer: Answer
    times: int | None = None
    is_stored: bool = False


@dataclass
class Sink:
    """The server's behaviour and memory; change it while it runs."""

    messages: list[SunkMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connection_count: int = 0
    port: int = 0
    tls_port: int = 0
    host: str = "localhost"
    user: str = USER
    password: str = PASSWORD
    extensions_hidden: set[str] = field(default_factory=set)
    extensions_added: list[str] = field(default_factory=list)
    on_data: Callable[[SunkMessage], None] | None = None
    knows_token: Callable[[str, str], bool] | None = None  # (user, access token)
    _faults: dict[str, Fault] = field(default_factory=dict)

    def fail(self, verb: str, answer: Answer, *, times: int | None = None, is_stored: bool = False) -> None:
        """From now on (or so many times) answer this verb so. ``is_stored``: only for *dot*."""
        self._faults[verb] = Fault(answer, times, is_stored)

    def heal(self) -> None:
        """Behave again; forget nothing that arrived."""
        self._faults.clear()
        self.extensions_hidden.clear()
        self.extensions_added.clear()

    def reset(self) -> None:
        """As new."""
        self.heal()
        self.messages.clear()
        self.commands.clear()
        self.connection_count = 0
        self.on_data = self.knows_token = None

    def verbs(self) -> list[str]:
        """The verbs of all commands so far."""
        return [command.split(" ", 1)[0].upper() for command in self.commands]

    def fault(self, verb: str) -> Fault | None:
        """The fault to show now, counted."""
        fault = self._faults.get(verb)
        if fault is None or fault.times == 0:
            return None
        if fault.times is not None:
            fault.times -= 1
        return fault


class _Session(SMTP):
    """aiosmtpd's session with our faults in front of each verb."""

    def __init__(self, sink: Sink, *arguments: Any, **options: Any) -> None:
        self._sink = sink
        self._is_greeted = False
        self._rcpt_options: list[str] = []
        super().__init__(
            self,
            *arguments,
            hostname="sink.test",
            enable_SMTPUTF8=True,
            data_size_limit=8_000_000,
            auth_require_tls=False,
            authenticator=self._is_known,
            **options,
        )
        self.command_size_limits.clear()
        for verb in ("EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT"):
            self._smtp_methods[verb] = self._guarded(verb, self._smtp_methods[verb])

    async def push(self, status: AnyStr) -> None:
        if not self._is_greeted:
            self._is_greeted = True
            self._sink.connection_count += 1
            fault = self._sink.fault("connect")
            if fault is not None:
                await self._show(fault)
                return
        await super().push(status)

    def _guarded(
        self, verb: str, method: Callable[[str | None], Awaitable[None]]
    ) -> Callable[[str | None], Awaitable[None]]:
        async def run(argument: str | None) -> None:
            self._sink.commands.append(f"{verb} {argument or ''}".strip())
            fault = self._sink.fault(verb)
            if fault is not None:
                await self._show(fault)
                return
            if verb == "RCPT" and argument:
                argument, *options = argument.split(" NOTIFY=")
                self._rcpt_options += [f"NOTIFY={option}" for option in options]
            await method(argument)

        return run

    async def _show(self, fault: Fault) -> None:
        if fault.answer == HANG:
            await asyncio.sleep(3600)
        if fault.answer == DROP:
            self._writer.transport.abort()
            return
        if isinstance(fault.answer, bytes):
            self._writer.write(fault.answer)
            await self._writer.drain()
            return
        await super().push(fault.answer)
        if fault.answer.startswith("421"):
            self._writer.close()

    def _is_known(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        expected = LoginPassword(self._sink.user.encode(), self._sink.password.encode())
        return AuthResult(success=data == expected, handled=False)

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """Google's way with tokens: a refusal is explained first, and wants an empty answer."""
        said = base64.b64decode(args[1]).decode().split("\x01")
        user, token = said[0].removeprefix("user="), said[1].removeprefix("auth=Bearer ")
        if self._sink.knows_token is not None and self._sink.knows_token(user, token):
            return AuthResult(success=True)
        await self.challenge_auth('{"status":"401","schemes":"bearer"}')
        return AuthResult(success=False, handled=False)

    # --- hooks of aiosmtpd -------------------------------------------------------------------

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        shown = [
            line for line in responses if line[4:].split(" ")[0].upper() not in self._sink.extensions_hidden
        ]
        added = [f"250-{extension}" for extension in self._sink.extensions_added]
        lines = [*shown[:-1], *added, shown[-1]]
        lines[-1] = "250 " + lines[-1][4:]
        return lines

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        fault = self._sink.fault("dot")
        message = SunkMessage(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            content=envelope.original_content or b"",
            options=tuple(envelope.mail_options),
            recipient_options=tuple(self._rcpt_options),
        )
        self._rcpt_options.clear()
        if fault is None or fault.is_stored:
            if self._sink.on_data is not None:
                self._sink.on_data(message)
            self._sink.messages.append(message)
        if fault is None:
            return "250 2.0.0 Stored"
        await self._show(fault)
        raise asyncio.CancelledError


class RunningSink:
    """A sink's sockets and its thread."""

    def __init__(self, certificate: ServerCertificate) -> None:
        self.sink = Sink()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.chain, certificate.key)
        self._loop = asyncio.new_event_loop()
        self._servers: Sequence[asyncio.Server] = ()
        self._thread = threading.Thread(target=self._run, name="smtp sink", daemon=True)

    def __enter__(self) -> Sink:
        self._thread.start()  # a browser may run an event loop in ours
        self._servers = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        ports = [server.sockets[0].getsockname()[1] for server in self._servers]
        self.sink.port, self.sink.tls_port = ports
        return self.sink

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> list[asyncio.Server]:
        def plain() -> _Session:
            return _Session(self.sink, loop=self._loop, tls_context=self._context)

        def encrypted() -> _Session:
            return _Session(self.sink, loop=self._loop)

        return [
            await self._loop.create_server(plain, "127.0.0.1", 0),
            await self._loop.create_server(encrypted, "127.0.0.1", 0, ssl=self._context),
        ]

    async def _finish(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


@pytest.fixture(scope="session")
def running_sink(certificates: Certificates) -> Iterator[Sink]:
    """One sink for the session; tests take `smtp_sink`."""
    with RunningSink(certificates.good) as sink:
        yield sink


@pytest.fixture
def smtp_sink(running_sink: Sink) -> Iterator[Sink]:
    """An empty, healthy sink: ``port`` with STARTTLS, ``tls_port`` with TLS, AUTH as ``user``."""
    running_sink.reset()
    yield running_sink
    running_sink.reset()
