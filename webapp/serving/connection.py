"""A client as an ASGI server carries it: what it says, what it is told, and that it is gone."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Headers of what no page gives (`webapp.headers` has those of pages).
SHOWN_NOWHERE = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)


async def gone(receive: Receive) -> None:
    """Until the client has hung up, or has its answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def refuse(send: Send, status: int, text: str) -> None:
    """An answer that no page gives; whatever else the client would send is not read."""
    start, body = plain(status, text)
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


def plain(status: int, text: str) -> tuple[Message, bytes]:
    """How such an answer begins, and what it says."""
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close"), *SHOWN_NOWHERE]
    return {"type": "http.response.start", "status": status, "headers": headers}, f"{text}\n".encode()
