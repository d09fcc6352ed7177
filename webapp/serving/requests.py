"""A request is read whole before a thread sees it."""

from webapp.serving.connection import Receive, Send, refuse
from webapp.serving.patience import Patience
from webapp.serving.spool import FullError, Spool

NO_LENGTH = "Say in Content-Length how long the request is."
REQUEST_SECONDS = 20.0  # that a client may keep us waiting for a request, and what it earns besides


async def read(receive: Receive, send: Send, body: Spool, length: int) -> bool:
    """Whether all of the request has come; else the client was told why it is not taken."""
    patience = Patience(REQUEST_SECONDS)
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
            await refuse(send, 411, NO_LENGTH)
            return False
        patience.earn(len(piece))
        has_more = message.get("more_body", False)
    return True
