"""The pages behind an event loop: no thread waits for a slow client.

A request is read whole before a thread sees it, and what a thread answers is kept as fast as it is made
and sent as fast as it is taken. Whoever sends a byte a minute, or takes one, keeps a connection busy and
nothing else; of whoever is gone, nothing more is made.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from itertools import takewhile
from tempfile import SpooledTemporaryFile
from typing import Any

import structlog
from a2wsgi import WSGIMiddleware
from flask import Flask
from werkzeug.wsgi import ClosingIterator

from webapp import LARGEST_OF_STRANGERS, LARGEST_REQUEST

REQUEST_SECONDS = 20.0  # that a client may keep us waiting for a request …
TAKING_SECONDS = 60.0  # … and until it takes an answer …
RATE = 8 * 1024  # … and one second more for so many bytes
MOST_AHEAD = 64 * 1024 * 1024  # bytes of an answer that nobody has taken; then its maker waits
MOST_KEPT = 1024 * 1024 * 1024  # bytes of all large requests and answers, in temporary files
PIECE = 64 * 1024
IN_MEMORY = 256 * 1024  # then a file is written …
IN_A_FILE = 8 * 1024 * 1024  # … and another one

log = structlog.get_logger()

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class FullError(Exception):
    """No more is kept in this process, or of this client."""


class Pages:
    """A Flask application as an ASGI application, with so many threads.

    ``is_signed_in`` says whose request it is: large ones of strangers are not read.
    """

    def __init__(self, app: Flask, threads: int, is_signed_in: Callable[[Scope], Awaitable[bool]]) -> None:
        self._pages = WSGIMiddleware(_while_wanted(app), workers=threads)
        self._is_signed_in = is_signed_in
        self._files = _Files()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request for a page (ASGI 3)."""
        headers = [(name, value) for name, value in scope["headers"] if _is_plain(name)]
        length = _length_of(headers)
        is_read = length <= LARGEST_OF_STRANGERS or (
            length <= LARGEST_REQUEST and await self._is_signed_in(scope)
        )  # else the pages refuse it by its Content-Length
        with _Spool(self._files) as body, _Spool(self._files) as content:
            if is_read and not await _read(receive, send, body, length):
                return
            answer = _Answer(content, send)
            sending = asyncio.create_task(answer.send())
            watching = asyncio.create_task(answer.watch(receive)) if is_read else None
            try:
                inner = {**scope, "headers": headers, "is_wanted": answer.is_wanted}
                await self._pages(inner, body.receive, answer.keep)  # type: ignore[arg-type]
                await answer.end()
                await sending
            finally:
                sending.cancel()
                if watching is not None:
                    watching.cancel()


class _Files:
    """How much is kept in temporary files, by all of a process."""

    def __init__(self) -> None:
        self.size = 0


class _Spool:
    """Bytes in the order in which they came, in files where there are many; what was taken is let go."""

    def __init__(self, files: _Files) -> None:
        self._all = files
        self._files: deque[SpooledTemporaryFile[bytes]] = deque()
        self._taken_of_first = self._size_of_last = 0
        self.size = 0

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._grow(-self.size)
        while self._files:
            self._files.popleft().close()

    def put(self, piece: bytes) -> None:
        """Add to the end. Raises `FullError`, or `OSError` where a disk or process has room for no more."""
        if self.size + len(piece) > IN_MEMORY and self._all.size + len(piece) > MOST_KEPT:
            raise FullError
        if not self._files or self._size_of_last >= IN_A_FILE:
            self._files.append(SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 -- `take` or `__exit__` does
            self._size_of_last = 0
        self._files[-1].seek(self._size_of_last)
        self._files[-1].write(piece)
        self._size_of_last += len(piece)
        self._grow(len(piece))

    def take(self) -> bytes:
        """The next piece; none where there is nothing left."""
        while self._files:
            self._files[0].seek(self._taken_of_first)
            if piece := self._files[0].read(PIECE):
                self._taken_of_first += len(piece)
                self._grow(-len(piece))
                return piece
            self._files.popleft().close()
            self._taken_of_first = 0
        return b""

    async def receive(self) -> Message:
        """The next piece, as an application asks for its request."""
        piece = self.take()
        return {"type": "http.request", "body": piece, "more_body": self.size > 0}

    def _grow(self, count: int) -> None:
        self.size += count
        self._all.size += count


class _Patience:
    """How long a client may keep us waiting; what it sends or takes meanwhile earns it more, up to that."""

    def __init__(self, seconds: float) -> None:
        self._most = self._left = seconds

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """`TimeoutError` where it is over before what is waited for has come."""
        clock = asyncio.get_running_loop()
        began = clock.time()
        async with asyncio.timeout(self._left):
            yield
        self._left -= clock.time() - began

    def earn(self, count: int) -> None:
        """So many bytes have come, or gone."""
        self._left = min(self._most, self._left + count / RATE)


class _Answer:
    """What an application answers, kept until the client has taken it or is gone."""

    def __init__(self, content: _Spool, send: Send) -> None:
        self._content = content
        self._send = send
        self._patience = _Patience(TAKING_SECONDS)
        self._start: Message | None = None
        self._is_whole = self._is_gone = False
        self._changed = asyncio.Condition()

    def is_wanted(self) -> bool:
        """Whether there is still somebody to take it."""
        return not self._is_gone

    async def keep(self, message: Message) -> None:
        """Take over what the application says. Never raises: its thread would wait for good."""
        if message["type"] == "http.response.start":
            self._start = message
        elif not self._is_gone:
            self._put(message.get("body", b""))
        await self._tell()
        await self._until(lambda: self._is_gone or self._content.size <= MOST_AHEAD)

    async def end(self) -> None:
        """Nothing follows."""
        self._is_whole = True
        await self._tell()

    async def watch(self, receive: Receive) -> None:
        """Until the client is gone."""
        await gone(receive)
        await self._leave()

    async def send(self) -> None:
        """Hand all of it to the client; where it takes nothing any more, no more of it."""
        try:
            await self._until(lambda: self._start is not None or self._is_whole or self._is_gone)
            if self._start is not None:
                await self._say(self._start)
                await self._send_content()
        except (TimeoutError, OSError):
            pass  # the server closes a connection whose answer is not whole
        finally:
            await self._leave()

    async def _send_content(self) -> None:
        while not self._is_gone:
            if piece := self._content.take():
                await self._say({"type": "http.response.body", "body": piece, "more_body": True})
                self._patience.earn(len(piece))
                await self._tell()
            elif self._is_whole:
                await self._say({"type": "http.response.body", "body": b"", "more_body": False})
                return
            else:
                await self._until(lambda: self._content.size > 0 or self._is_whole or self._is_gone)

    async def _say(self, message: Message) -> None:
        async with self._patience.lasting():
            await self._send(message)

    def _put(self, piece: bytes) -> None:
        try:
            self._content.put(piece)
        except (FullError, OSError) as error:
            log.warning("an answer ends early", error=type(error).__name__, kept=self._content.size)
            self._is_gone = True

    async def _leave(self) -> None:
        self._is_gone = True
        await self._tell()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(is_so)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def gone(receive: Receive) -> None:
    """Until the client has hung up, or has its answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def refuse(send: Send, status: int, text: str) -> None:
    """An answer that no page gives; whatever else the client would send is not read."""
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode(), "more_body": False})


async def _read(receive: Receive, send: Send, body: _Spool, length: int) -> bool:
    """Whether all of the request has come; else the client was told why it is not taken."""
    patience = _Patience(REQUEST_SECONDS)
    has_more = True
    while has_more:
        try:
            async with patience.lasting():
                message = await receive()
            piece = message.get("body", b"")
            body.put(piece)
        except TimeoutError:
            await refuse(send, 408, "The request took too long to come in.")
            return False
        except (FullError, OSError):
            await refuse(send, 503, "Much is being uploaded. Try again in a few minutes.")
            return False
        if message["type"] != "http.request":
            return False
        if body.size > length:
            await refuse(send, 411, "Say in Content-Length how long the request is.")
            return False
        patience.earn(len(piece))
        has_more = message.get("more_body", False)
    return True


def _while_wanted(app: Flask) -> Callable[..., Iterable[bytes]]:
    """The application, which makes no more of an answer that nobody takes."""

    def answered(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_wanted = environ["asgi.scope"]["is_wanted"]
        pieces = app(environ, start_response)
        return ClosingIterator(takewhile(lambda _: is_wanted(), pieces), getattr(pieces, "close", None))

    return answered


def _is_plain(name: bytes) -> bool:
    """In the environment of WSGI, ``X_Forwarded_For`` would be what a proxy says as ``X-Forwarded-For``."""
    return b"_" not in name


def _length_of(headers: list[tuple[bytes, bytes]]) -> int:
    """As announced; without that, the pages read no request at all (WSGI)."""
    told = dict(headers).get(b"content-length", b"")
    return int(told) if told.isdigit() else 0
