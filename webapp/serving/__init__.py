"""The pages behind an event loop: no thread waits for a slow client.

A request is read whole before a thread sees it, and what a thread answers is kept as fast as it is made
and sent as fast as it is taken. Whoever sends a byte a minute, or takes one, keeps a connection busy and
nothing else; of whoever is gone, nothing more is made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from itertools import takewhile
from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask
from werkzeug.wsgi import ClosingIterator

from webapp import LARGEST_OF_STRANGERS, LARGEST_REQUEST
from webapp.serving.answers import Answer
from webapp.serving.connection import Receive, Scope, Send, refuse
from webapp.serving.requests import NO_LENGTH, read
from webapp.serving.shares import Share, Shares
from webapp.serving.spool import Files, Spool
from webapp.serving.uploads import FULL, Uploads


class Pages:
    """A Flask application as an ASGI application, with so many threads.

    ``whose`` says by whom a request is, the person and the organization, as far as there are any; None of
    strangers, whose large requests are not read.
    """

    def __init__(
        self, app: Flask, threads: int, whose: Callable[[Scope], Awaitable[Sequence[str] | None]]
    ) -> None:
        self._pages = WSGIMiddleware(_while_wanted(app), workers=threads)
        self._whose = whose
        self._files, self._uploads, self._shares = Files(), Uploads(), Shares()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request for a page (ASGI 3)."""
        headers = [(name, value) for name, value in scope["headers"] if _is_plain(name)]
        length = _length_of(headers)
        if b"transfer-encoding" in dict(headers):  # beside a length, each proxy reads that otherwise
            await refuse(send, HTTPStatus.LENGTH_REQUIRED, NO_LENGTH)
            return
        owners = await self._owners(scope, length)
        is_read = owners is not None  # else the pages refuse it by its Content-Length
        with (
            Spool(self._files) as body,
            Spool(self._files) as content,
            self._uploads.place(owners or ()) as has_room,
        ):
            if not has_room:
                await refuse(send, HTTPStatus.TOO_MANY_REQUESTS, FULL)
                return
            if is_read and not await read(receive, send, body, length):
                return
            share = Share(self._shares, partial(self._whose, scope))
            answer = Answer(content, send, share.admits)
            sending = asyncio.create_task(answer.send())
            watching = asyncio.create_task(answer.watch(receive)) if is_read else None
            try:
                inner = {**scope, "headers": headers, "is_wanted": answer.is_wanted}
                await self._pages(inner, body.receive, answer.keep)  # type: ignore[arg-type]
                await answer.end()
                await sending
            finally:
                share.leave()
                sending.cancel()
                if watching is not None:
                    watching.cancel()

    async def _owners(self, scope: Scope, length: int) -> Sequence[str] | None:
        """Of a large request those whose it is; of a small one nobody is asked. None: it is not read."""
        if length <= LARGEST_OF_STRANGERS:
            return ()
        return await self._whose(scope) if length <= LARGEST_REQUEST else None


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
