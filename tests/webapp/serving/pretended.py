"""A client that sends and takes as slowly as a test likes, and pages that answer it."""

import asyncio

from werkzeug.wrappers import Request, Response

from webapp.serving import Pages

MORE = b"more"  # a piece that nothing follows, though it should


class Pretended:
    """An application in place of the pages."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []

    def __call__(self, environ, start_response):
        self.requests.append((Request(environ).headers, environ["wsgi.input"].read()))
        return Response(self.answer(), mimetype="text/plain")(environ, start_response)


class Connection:
    """A client as an ASGI server would carry it: says the pieces of a request, takes what is sent."""

    def __init__(self, pieces=(b"",), headers=(), path="/", method="GET", is_stuck=False):
        self.pieces = list(pieces)
        self.scope = {
            "type": "http",
            "path": path,
            "method": method,
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(b"host", b"localhost"), *headers],
        }
        self.status = None
        self.body = bytearray()
        self.is_whole = False
        self.goes_on, self.hung_up = asyncio.Event(), asyncio.Event()
        if not is_stuck:
            self.goes_on.set()

    async def receive(self):
        if not self.pieces:
            await self.hung_up.wait()  # nothing more ever comes
            return {"type": "http.disconnect"}
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or piece == MORE}

    async def send(self, message):
        self.status = message.get("status", self.status)
        if message["type"] == "http.response.body":
            await self.goes_on.wait()
            self.body += message["body"]
            self.is_whole = not message["more_body"]


async def everybody(scope):
    return ()


async def nobody(scope):
    return None


def pages(answer, whose=everybody, threads=1):
    app = Pretended(answer)
    return app, Pages(app, threads, whose)


def run(story):
    return asyncio.run(asyncio.wait_for(story, 60))


async def talk(application, connection):
    await application(connection.scope, connection.receive, connection.send)
    return connection


def length(number):
    return (b"content-length", str(number).encode())


async def settled(made):
    """Until no more is made."""
    before = -1
    while len(made) != before:
        before = len(made)
        await asyncio.sleep(0.2)
