"""What a person did is told to webhooks at once, not by the next sweep."""

from flask import Flask, Response, g, request

from mailboxes.webhooks.telling import takes_bell
from workers import queues


def ring_for_webhooks(app: Flask) -> None:
    """Ring after a request that has written something to be told; committed or not, a bell costs little."""

    @app.after_request
    def ring(response: Response) -> Response:
        if request.method != "GET" and "organization" in g and takes_bell():
            queues.ring_webhooks(g.organization.id)
        return response
