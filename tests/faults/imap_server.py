"""A scripted IMAP server on 127.0.0.1 that behaves well until it is told not to (reliability §2).

    def test_…(imap_server):
        imap_server.folder("INBOX").add(b"Subject: …")
        imap_server.on("FETCH", hang)                       # or drop, reply(b"…"), refuse("NO [INUSE] …"), …
        imap_server.on("LOGIN", refuse("NO no"), times=1)
        imap_server.on("*", drop, nth=7)                    # at the seventh command, whatever it is
        …
        assert b"LOGIN" not in imap_server.received

It knows the truth (`Folder.messages`) and keeps what it received and sent; `transcript_text` is who said
what when. ``port`` offers STARTTLS, ``tls_port`` speaks TLS from the start. A behaviour gets the session and
the command and returns whether it has answered; those that tests share are in `behaviours`.
"""

import base64
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.certificates import Certificates, ServerCertificate
from tests.faults.truth import Folder

USER, PASSWORD = "support@example.org", "secret"
HOUR = 3600
CAPABILITIES = "IMAP4rev1 LITERAL+ STARTTLS AUTH=PLAIN IDLE UIDPLUS"

Behaviour = Callable[["Session", "Command"], bool]


@dataclass(frozen=True)
class Command:
    """One command: its tag, its verb without UID, its arguments as sent (literals put in quotes)."""

    tag: str
    verb: str
    arguments: bytes
    literals: tuple[bytes, ...] = ()


class ScriptedImap:
    """The server; change ``capabilities``, ``folders``, ``list_lines`` and behaviours while it runs.

    ``cut_after``: the next connection ends after so many bytes from the server; ``deaf_after``: … from the
    client. ``spoil_at``: in the next connection, the byte at this place is replaced by this one.
    ``keeps_transcript``: whether everything that is said is kept (not with a million messages).
    """

    host = "localhost"
    user = USER
    password = PASSWORD

    def __init__(self, certificate: ServerCertificate) -> None:
        self.capabilities = CAPABILITIES
        self.greeting = b"* OK ready\r\n"
        self.folders: dict[bytes, Folder] = {b"INBOX": Folder()}
        self.list_lines: list[bytes] | None = None
        self.received = bytearray()
        self.sent = bytearray()
        self.commands: list[Command] = []
        self.connection_count = 0
        self.cut_after: int | None = None
        self.deaf_after: int | None = None
        self.spoil_at: tuple[int, int] | None = None
        self.keeps_transcript = True
        self.open_count = self.most_open = 0
        self._transcript: list[tuple[float, int, str, bytes]] = []
        self._armed: dict[str, list[_Armed]] = {}
        self._lock = threading.Lock()
        self.present(certificate)
        self._listeners: list[socket.socket] = []
        self._sessions: list[Session] = []
        self._threads: list[threading.Thread] = []
        self.is_stopping = threading.Event()
        self.port = self.tls_port = 0
        self._passed = 0.0

    def present(self, certificate: ServerCertificate) -> None:
        """Show this certificate from now on."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.chain, certificate.key)

    def folder(self, name: str = "INBOX") -> Folder:
        """The folder of this name, made if need be."""
        return self.folders.setdefault(name.encode(), Folder())

    def on(self, verb: str, behaviour: Behaviour, *, nth: int = 1, times: int | None = None) -> None:
        """Behave so at this verb (*connect*, or ``*`` for any) from its n-th time on, for ever or so often.

        Takes the place of what was said about this verb before; `also` adds to it.
        """
        self._armed[verb] = []
        self.also(verb, behaviour, nth=nth, times=times)

    def also(self, verb: str, behaviour: Behaviour, *, nth: int = 1, times: int | None = None) -> None:
        """Behave so, too; what was said first comes first."""
        self._armed.setdefault(verb, []).append(_Armed(behaviour, nth - 1, times))

    def heal(self) -> None:
        """Behave well again."""
        self._armed.clear()
        self.cut_after = self.deaf_after = self.spoil_at = None

    def verbs(self) -> list[str]:
        """The verbs received so far."""
        return [command.verb for command in self.commands]

    def behaviours(self, verb: str) -> list[Behaviour]:
        """What to do at this verb now, counted."""
        with self._lock:
            armed = [*self._armed.get(verb, []), *(self._armed.get("*", []) if verb != "connect" else [])]
            return [one.behaviour for one in armed if one.is_due()]

    def heard(self, number: int, data: bytes) -> None:
        """Note what a client has said."""
        if self.keeps_transcript:
            self.received += data
            self._transcript.append((time.monotonic(), number, "C", data))

    def said(self, number: int, data: bytes) -> None:
        """Note what the server has said."""
        if self.keeps_transcript:
            self.sent += data
            self._transcript.append((time.monotonic(), number, "S", data))

    def transcript_text(self) -> str:
        """Who said what, when (seconds from the first word) and in which connection."""
        began = self._transcript[0][0] if self._transcript else 0.0
        return "\n".join(
            f"{at - began:8.3f} {number:3} {who}: {data.decode('latin-1')!r}"
            for at, number, who, data in self._transcript
        )

    def note_open(self, change: int) -> None:
        """A connection has begun or ended."""
        with self._lock:
            self.open_count += change
            self.most_open = max(self.most_open, self.open_count)

    def let_pass(self, seconds: float) -> None:
        """So much time passes for whoever waits for an answer (`passing_time`)."""
        with self._lock:
            self._passed += seconds

    def taken_time(self) -> float:
        """How much has passed since this was asked."""
        with self._lock:
            passed, self._passed = self._passed, 0.0
        return passed

    def push(self, data: bytes) -> None:
        """Send every open session something unasked."""
        for session in self._sessions:
            with suppress(OSError):
                session.send(data)

    def __enter__(self) -> "ScriptedImap":
        self.port = self._listen(is_encrypted=False)
        self.tls_port = self._listen(is_encrypted=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_stopping.set()
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for session in list(self._sessions):
            session.close()
        for thread in self._threads:
            thread.join(10)

    def _listen(self, *, is_encrypted: bool) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners.append(listener)
        self._start(lambda: self._accept(listener, is_encrypted))
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, is_encrypted: bool) -> None:
        while not self.is_stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connection_count += 1
            session = Session(self, connection, self.connection_count)
            self._sessions.append(session)
            self._start(lambda session=session: session.run(is_encrypted))  # type: ignore[misc]

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="scripted imap", daemon=True)
        self._threads.append(thread)
        thread.start()

    def encrypt(self, connection: socket.socket) -> socket.socket:
        """The server's side of TLS."""
        return self._context.wrap_socket(connection, server_side=True)


@dataclass
class _Armed:
    """A behaviour, from a certain time on and so many times."""

    behaviour: Behaviour
    skipped: int
    left: int | None

    def is_due(self) -> bool:
        if self.skipped:
            self.skipped -= 1
            return False
        if self.left is not None:
            self.left -= 1
            return self.left >= 0
        return True


class Session:
    """One connection of the server; behaviours talk through it."""

    def __init__(self, server: ScriptedImap, connection: socket.socket, number: int) -> None:
        self.server = server
        self.socket = connection
        self.number = number
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selected: Folder | None = None
        self.is_done = True  # False: the client waits for more of an answer of which nothing more comes
        self._buffer = bytearray()
        self._bytes_left, server.cut_after = server.cut_after, None
        self._ears_left, server.deaf_after = server.deaf_after, None
        self._spoil_at, server.spoil_at = server.spoil_at, None
        self._sent_count = 0

    def run(self, is_encrypted: bool) -> None:
        """Serve until the connection ends."""
        self.server.note_open(1)
        try:
            with suppress(OSError, EOFError, ValueError):
                self._converse(is_encrypted)
        finally:  # a mistake in a behaviour must not look like a server that is silent
            self.server.note_open(-1)
            self.close()

    def _converse(self, is_encrypted: bool) -> None:
        if self._is_answered("connect", Command("", "connect", b"")):
            return
        if is_encrypted:
            self.socket = self.server.encrypt(self.socket)
        self.send(self.server.greeting)
        while not self.server.is_stopping.is_set():
            self._serve(self._command())

    def _is_answered(self, verb: str, command: Command) -> bool:
        return any(behaviour(self, command) for behaviour in self.server.behaviours(verb))

    def send(self, data: bytes) -> None:
        """Send bytes as they are, as far as the connection is meant to live."""
        if self._bytes_left is not None:
            data = data[: self._bytes_left]
            self._bytes_left -= len(data)
        if self._spoil_at is not None:
            data = self._spoilt(data, *self._spoil_at)
        self._sent_count += len(data)
        self.server.said(self.number, data)
        self.socket.sendall(data)
        if self._bytes_left == 0:
            raise EOFError

    def _spoilt(self, data: bytes, place: int, byte: int) -> bytes:
        at = place - self._sent_count
        return data[:at] + bytes([byte]) + data[at + 1 :] if 0 <= at < len(data) else data

    def line(self, text: bytes) -> None:
        """Send one line."""
        self.send(text + b"\r\n")

    def done(self, command: Command, text: str = "done") -> None:
        """Complete a command with OK."""
        self.line(f"{command.tag} OK {text}".encode())

    def close(self) -> None:
        """End the connection."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def read_line(self) -> bytes:
        """One line from the client, without its end."""
        while b"\n" not in self._buffer:
            self._receive()
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        return line.rstrip(b"\r")

    def _receive(self) -> None:
        received = self.socket.recv(65536)
        if not received:
            raise EOFError
        if self._ears_left is not None:
            received = received[: self._ears_left]
            self._ears_left -= len(received)
        self.server.heard(self.number, received)
        self._buffer += received
        if self._ears_left == 0:
            raise EOFError

    def _literal(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        literal = bytes(self._buffer[:size])
        del self._buffer[:size]
        return literal

    def _command(self) -> Command:
        if not self.is_done:
            self.server.let_pass(HOUR)
        line = self.read_line()
        literals: list[bytes] = []
        while found := re.search(rb"\{(\d+)(\+?)\}$", line):
            if not found[2]:
                self.line(b"+ go on")
            literals.append(self._literal(int(found[1])))
            line = line[: found.start()] + b'"' + literals[-1] + b'"' + self.read_line()
        tag, _, rest = line.partition(b" ")
        verb, _, arguments = rest.partition(b" ")
        if verb.upper() == b"UID":
            verb, _, arguments = arguments.partition(b" ")
        return Command(tag.decode(), verb.decode().upper(), arguments, tuple(literals))

    def _serve(self, command: Command) -> None:
        self.server.commands.append(command)
        if self._is_answered(command.verb, command):
            return
        answer = getattr(self, f"_{command.verb.lower()}", None)
        if answer is None:
            self.line(f"{command.tag} BAD unknown command".encode())
        else:
            answer(command)

    # --- what a good server does -------------------------------------------------------------

    def _capability(self, command: Command) -> None:
        self.line(f"* CAPABILITY {self.server.capabilities}".encode())
        self.done(command)

    def _starttls(self, command: Command) -> None:
        self.done(command)
        self.socket = self.server.encrypt(self.socket)

    def _login(self, command: Command) -> None:
        expected = f'"{self.server.user}" "{self.server.password}"'.encode()
        self._judge_login(command, command.arguments == expected)

    def _authenticate(self, command: Command) -> None:
        self.line(b"+ ")
        given = base64.b64decode(self.read_line())
        self._judge_login(command, given == f"\0{self.server.user}\0{self.server.password}".encode())

    def _judge_login(self, command: Command, is_right: bool) -> None:
        if is_right:
            self.done(command)
        else:
            self.line(f"{command.tag} NO [AUTHENTICATIONFAILED] no".encode())

    def _list(self, command: Command) -> None:
        lines = self.server.list_lines
        if lines is None:
            lines = [b'* LIST () "/" "%s"' % name for name in self.server.folders]
        self.send(b"".join(line + b"\r\n" for line in lines))
        if b"STATUS (" in command.arguments:
            for name, folder in self.server.folders.items():
                self.line(self.status_line(b'"%s"' % name, folder))
        self.done(command)

    def _examine(self, command: Command) -> None:
        folder = self._named(command)
        if folder is None:
            self.line(f"{command.tag} NO [NONEXISTENT] no such folder".encode())
            return
        self.selected = folder
        self.line(b"* %d EXISTS" % len(folder.messages))
        self.line(b"* OK [UIDVALIDITY %d] valid" % folder.uid_validity)
        self.line(b"* OK [UIDNEXT %d] next" % folder.uid_next)
        if self._knows("CONDSTORE"):
            self.line(b"* OK [HIGHESTMODSEQ %d] changes" % folder.mod_seq)
        self.done(command, "[READ-ONLY] open")

    _select = _examine

    def _status(self, command: Command) -> None:
        folder = self._named(command)
        if folder is None:
            self.line(f"{command.tag} NO no such folder".encode())
            return
        name = command.arguments.rpartition(b" (")[0]
        self.line(self.status_line(re.match(rb'"[^"]*"', name)[0], folder))  # type: ignore[index]
        self.done(command)

    def status_line(self, name: bytes, folder: Folder) -> bytes:
        """What is told of a folder that is not open, by its name as it is written."""
        numbers = f"MESSAGES {len(folder.messages)} UNSEEN 0 UIDNEXT {folder.uid_next}"
        numbers += f" UIDVALIDITY {folder.uid_validity}"
        numbers += f" HIGHESTMODSEQ {folder.mod_seq}" if self._knows("CONDSTORE") else ""
        return b"* STATUS %s (%s)" % (name, numbers.encode())

    def _named(self, command: Command) -> Folder | None:
        found = re.match(rb'"([^"]*)"', command.arguments)
        return self.server.folders.get(found[1]) if found else None

    def _search(self, command: Command) -> None:
        found = re.search(rb"UID ([\d:,*]+)", command.arguments)
        uids = self.folder.asked(found[1].decode()) if found else self.folder.uids()
        self.line(b"* SEARCH" + b"".join(b" %d" % uid for uid in uids))
        self.done(command)

    def _fetch(self, command: Command) -> None:
        wanted, _, items = command.arguments.partition(b" ")
        since = re.search(rb"CHANGEDSINCE (\d+)", items)
        for uid in self.folder.asked(wanted.decode()):
            if since is None or self.folder.messages[uid].mod_seq > int(since[1]):
                self.send(self.fetch_answer(uid, items))
        self.done(command)

    def _store(self, command: Command) -> None:
        found = re.match(rb"([\d:,*]+) ([+-])FLAGS(?:\.SILENT)? \(([^)]*)\)", command.arguments)
        if found is None:
            self.line(f"{command.tag} BAD what".encode())
            return
        given = found[3].decode().split()
        for uid in self.folder.asked(found[1].decode()):
            kept = [flag for flag in self.folder.messages[uid].flags if flag not in given]
            self.folder.flag(uid, *kept, *(given if found[2] == b"+" else []))
        self.done(command)

    def _append(self, command: Command) -> None:
        folder = self._named(command)
        if folder is None:
            self.line(f"{command.tag} NO [TRYCREATE] no such folder".encode())
            return
        uid = folder.add(command.literals[-1])
        self.done(command, f"[APPENDUID {folder.uid_validity} {uid}] stored")

    def _noop(self, command: Command) -> None:
        self.done(command)

    def _idle(self, command: Command) -> None:
        self.line(b"+ idling")
        while self.read_line().upper() != b"DONE":
            pass
        self.done(command)

    def _logout(self, command: Command) -> None:
        self.line(b"* BYE see you")
        self.done(command)
        raise EOFError

    @property
    def folder(self) -> Folder:
        """The open folder."""
        if self.selected is None:
            raise EOFError
        return self.selected

    def _knows(self, capability: str) -> bool:
        return capability in self.server.capabilities.split()

    def fetch_answer(self, uid: int, items: bytes) -> bytes:
        """A well-formed FETCH answer for one message."""
        message = self.folder.messages[uid]
        told = b"* %d FETCH (UID %d" % (self.folder.sequence(uid), uid)
        if self._knows("CONDSTORE") and b"CHANGEDSINCE" in items:
            told += b" MODSEQ (%d)" % message.mod_seq
        if b"FLAGS" in items:
            told += b" FLAGS (" + " ".join(message.flags).encode() + b")"
        if b"INTERNALDATE" in items:
            told += b' INTERNALDATE "' + message.date.encode() + b'"'
        if b"RFC822.SIZE" in items:
            size = len(message.raw) if message.claimed_size is None else message.claimed_size
            told += b" RFC822.SIZE %d" % size
        if b"HEADER.FIELDS (MESSAGE-ID)" in items:
            found_ids = re.findall(rb"^message-id:.*\r\n", message.raw, re.IGNORECASE | re.MULTILINE)
            told += b" BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n" % (len(b"".join(found_ids)) + 2)
            told += b"".join(found_ids) + b"\r\n"
        if found := re.search(rb"BODY\.PEEK\[(\w*)\](?:<(\d+)\.(\d+)>)?", items):
            raw = message.raw
            if found[1] == b"HEADER":
                raw = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            if found[2]:
                raw = raw[int(found[2]) : int(found[2]) + int(found[3])]
            origin = b"<" + found[2] + b">" if found[2] else b""
            told += b" BODY[%s]%s {%d}\r\n" % (found[1], origin, len(raw)) + raw
        return told + b")\r\n"


@pytest.fixture
def imap_server(certificates: Certificates) -> Iterator[ScriptedImap]:
    """A healthy scripted server with an empty INBOX."""
    with ScriptedImap(certificates.good) as server:
        yield server
