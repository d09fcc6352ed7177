"""What a thread answers is kept as fast as it is made, and sent as fast as it is taken."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog

from webapp.serving.connection import Message, Receive, Send, gone, plain
from webapp.serving.patience import Patience
from webapp.serving.shares import FULL
from webapp.serving.spool import FullError, Spool

TAKING_SECONDS = 60.0  # that a client may keep us waiting until it takes an answer, and what it earns besides
MOST_AHEAD = 64 * 1024 * 1024  # bytes of an answer that nobody has taken; then its maker waits

log = structlog.get_logger()


class Answer:
    """What an application answers, kept until the client has taken it or is gone."""

    def __init__(self, content: Spool, send: Send, admits: Callable[[Message], Awaitable[bool]]) -> None:
        self._content = content
        self._send = send
        self._admits = admits
        self._patience = Patience(TAKING_SECONDS)
        self._start: Message | None = None
        self._is_whole = self._is_gone = self._is_refused = False
        self._changed = asyncio.Condition()

    def is_wanted(self) -> bool:
        """Whether there is still somebody to take it, and room for it."""
        return not self._is_gone and not self._is_refused

    async def keep(self, message: Message) -> None:
        """Take over what the application says. Never raises: its thread would wait for good."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self.is_wanted():
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

    async def _begin(self, start: Message) -> None:
        if await self._admits(start):
            self._start = start
            return
        self._is_refused = True
        self._start, body = plain(HTTPStatus.TOO_MANY_REQUESTS, FULL)
        self._put(body)

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
