"""The pages behind an event loop: no thread waits for a slow client.

A request is read whole before a thread sees it, and what a thread answers is kept as fast as it is made
and sent as fast as it is taken. Whoever sends a byte a minute, or takes one, keeps a connection busy and
nothing else.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from tempfile import SpooledTemporaryFile
from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask

REQUEST_SECONDS = 20.0  # for a request to come in …
REQUEST_RATE = 8 * 1024  # … and one second more for so many bytes of it
TAKING_SECONDS = 60.0  # for a piece of an answer to be taken; then the client counts as gone
MOST_AHEAD = 64 * 1024 * 1024  # bytes of an answer that nobody has taken; then its maker waits
MOST_KEPT = 1024 * 1024 * 1024  # bytes of all requests that are under way
OF_STRANGERS = 256 * 1024  # bytes of a request that are read of anybody
PIECE = 64 * 1024
IN_MEMORY = 256 * 1024  # then a file is written …
IN_A_FILE = 8 * 1024 * 1024  # … and another one

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Pages:
    """A Flask application as an ASGI application, with so many threads.

    ``is_known`` says whether a request is of somebody who is signed in: large ones of others are not read.
    """

    def __init__(self, app: Flask, threads: int, is_known: Callable[[Scope], Awaitable[bool]]) -> None:
        self._pages = WSGIMiddleware(app, workers=threads)  # type: ignore[arg-type]  # its environ is narrower
        self._largest = app.config["MAX_CONTENT_LENGTH"]
        self._is_known = is_known
        self._kept = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request for a page (ASGI 3)."""
        headers = [(name, value) for name, value in scope["headers"] if _is_plain(name)]
        length = _length_of(headers)
        if length > self._largest or (length > OF_STRANGERS and not await self._is_known(scope)):
            length = 0  # not read: the pages refuse it by its Content-Length
        if self._kept + length > MOST_KEPT:
            await _refuse(send, 503, b"Much is being uploaded. Try again in a minute.\n")
            return
        self._kept += length
        try:
            await self._page({**scope, "headers": headers}, receive, send, length)
        finally:
            self._kept -= length

    async def _page(self, scope: Scope, receive: Receive, send: Send, length: int) -> None:
        with _Spool() as body, _Spool() as content:
            if length and not await _is_read(receive, body, length):
                await _refuse(send, 408, b"The request took too long to come in.\n")
                return
            answer = _Answer(content, send)
            sending = asyncio.create_task(answer.send())
            try:
                await self._pages(scope, body.receive, answer.keep)  # type: ignore[arg-type]
                await answer.end()
                await sending
            finally:
                sending.cancel()


class _Spool:
    """Bytes in the order in which they came, in files where there are many; what was taken is let go."""

    def __init__(self) -> None:
        self._files: deque[SpooledTemporaryFile[bytes]] = deque()
        self._taken_of_first = self._size_of_last = 0
        self.size = 0

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def put(self, piece: bytes) -> None:
        """Add to the end."""
        if not self._files or self._size_of_last >= IN_A_FILE:
            self._files.append(SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 -- `take` or `__exit__` does
            self._size_of_last = 0
        self._files[-1].seek(self._size_of_last)
        self._files[-1].write(piece)
        self._size_of_last += len(piece)
        self.size += len(piece)

    def take(self) -> bytes:
        """The next piece; none where there is nothing left."""
        while self._files:
            self._files[0].seek(self._taken_of_first)
            if piece := self._files[0].read(PIECE):
                self._taken_of_first += len(piece)
                self.size -= len(piece)
                return piece
            self._files.popleft().close()
            self._taken_of_first = 0
        return b""

    async def receive(self) -> Message:
        """The next piece, as an application asks for its request."""
        piece = self.take()
        return {"type": "http.request", "body": piece, "more_body": self.size > 0}


class _Answer:
    """What an application answers, kept until the client has taken it or is gone."""

    def __init__(self, content: _Spool, send: Send) -> None:
        self._content = content
        self._send = send
        self._start: Message | None = None
        self._is_whole = self._is_gone = False
        self._changed = asyncio.Condition()

    async def keep(self, message: Message) -> None:
        """Take over what the application says. Never raises: a thread would wait for it for good."""
        if message["type"] == "http.response.start":
            self._start = message
        elif not self._is_gone:
            self._content.put(message.get("body", b""))
        async with self._changed:
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._is_gone or self._content.size <= MOST_AHEAD)

    async def end(self) -> None:
        """Nothing follows."""
        self._is_whole = True
        await self._tell()

    async def send(self) -> None:
        """Hand all of it to the client; where it takes nothing any more, no more of it."""
        try:
            await self._until(lambda: self._start is not None or self._is_whole)
            if self._start is not None:
                await self._say(self._start)
                await self._send_content()
        except (TimeoutError, OSError):
            pass  # the server closes a connection whose answer is not whole
        finally:
            self._is_gone = True
            await self._tell()

    async def _send_content(self) -> None:
        while True:
            if piece := self._content.take():
                await self._say({"type": "http.response.body", "body": piece, "more_body": True})
                await self._tell()
            elif self._is_whole:
                await self._say({"type": "http.response.body", "body": b"", "more_body": False})
                return
            else:
                await self._until(lambda: self._content.size > 0 or self._is_whole)

    async def _say(self, message: Message) -> None:
        async with asyncio.timeout(TAKING_SECONDS):
            await self._send(message)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(is_so)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _is_read(receive: Receive, body: _Spool, length: int) -> bool:
    """Whether the client has sent all of it in time."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS + length / REQUEST_RATE):
            has_more = True
            while has_more:
                message = await receive()
                if message["type"] != "http.request":
                    return False
                body.put(message.get("body", b""))
                has_more = message.get("more_body", False)
    except TimeoutError:
        return False
    return True


def _is_plain(name: bytes) -> bool:
    """In the environment of WSGI, ``X_Forwarded_For`` would be what a proxy says as ``X-Forwarded-For``."""
    return b"_" not in name


def _length_of(headers: list[tuple[bytes, bytes]]) -> int:
    """As announced; without that, the pages read no request at all (WSGI)."""
    told = dict(headers).get(b"content-length", b"")
    return int(told) if told.isdigit() else 0


async def _refuse(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": False})
