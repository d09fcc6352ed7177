"""Requests are read whole before a thread sees them, and nobody fills the room for large ones."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.webapp.serving.pretended import MORE, Connection, everybody, length, nobody, pages, run, talk
from webapp import LARGEST_OF_STRANGERS, LARGEST_REQUEST
from webapp.serving import protocol, requests, spool


def test_requests_and_answers_of_any_size_come_through_whole():
    said = [b"x" * 300_000, b"y" * 200_000, b"z"]
    app, served = pages(lambda: (bytes([n]) * 1_000_000 for n in range(20)))
    connection = run(talk(served, Connection(said, [length(500_001)], method="POST")))
    assert app.requests[0][1] == b"".join(said)
    assert connection.is_whole
    assert connection.body == b"".join(bytes([n]) * 1_000_000 for n in range(20))


def unfinished(announced=9):
    return Connection([MORE], [length(announced)], method="POST")


def test_who_does_not_finish_a_request_holds_up_nobody_and_keeps_no_room(monkeypatch):
    monkeypatch.setattr(spool, "MOST_KEPT", 400_000)
    app, served = pages(lambda: "well")

    async def story():
        slow = [asyncio.create_task(talk(served, unfinished(60_000))) for _ in range(20)]
        large = await talk(served, Connection([b"x" * 300_000], [length(300_000)], method="POST"))
        for one in slow:
            one.cancel()
        return large

    assert run(story()).body == b"well"
    assert len(app.requests) == 1  # no thread saw the others


def test_who_does_not_finish_a_request_in_time_is_refused(monkeypatch):
    monkeypatch.setattr(requests, "REQUEST_SECONDS", 0.0)
    app, served = pages(lambda: "well")
    assert run(talk(served, unfinished())).status == 408
    assert not app.requests


def test_a_request_is_no_longer_than_it_said():
    app, served = pages(lambda: "well")
    assert run(talk(served, Connection([b"a few words"], method="POST"))).status == 411
    assert not app.requests


def test_large_requests_of_strangers_and_too_large_ones_are_not_read():
    for whose, announced in ((nobody, LARGEST_OF_STRANGERS + 1), (everybody, LARGEST_REQUEST + 1)):
        app, served = pages(lambda: "refused by the pages", whose)
        connection = run(talk(served, Connection([MORE], [length(announced)], method="POST")))
        assert connection.body == b"refused by the pages"
        headers, body = app.requests[0]
        assert (headers["Content-Length"], body) == (str(announced), b"")


def test_no_more_is_kept_of_large_requests_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(spool, "MOST_KEPT", 400_000)
    app, served = pages(lambda: "well")

    def sent(size):
        return run(talk(served, Connection([b"x" * size], [length(size)], method="POST"))).status

    assert (sent(400_001), sent(400_000), sent(400_000)) == (503, 200, 200)
    assert len(app.requests) == 2


def test_a_request_in_chunks_is_refused_whatever_length_it_says():
    app, served = pages(lambda: "well")
    for headers in ([], [length(4)]):
        chunked = [*headers, (b"transfer-encoding", b"chunked")]
        connection = run(talk(served, Connection([b""], chunked, method="POST")))
        assert (connection.status, app.requests) == (411, [])


def test_nobody_fills_the_room_for_large_requests_alone():
    async def whose(scope):
        return dict(scope["headers"])[b"cookie"].decode().split("@")

    _, served = pages(lambda: "well", whose, threads=4)
    size = LARGEST_OF_STRANGERS + 1

    def begun(who, pieces):
        headers = [length(size), (b"cookie", who)]
        return asyncio.create_task(talk(served, Connection(pieces, headers, method="POST")))

    async def story():
        kept = [begun(who, [MORE]) for who in [b"mia@acme"] * 3 + [b"ada@acme"] * 3]
        await asyncio.sleep(0)  # until each waits for the rest
        refused = [await begun(who, [b"x" * size]) for who in (b"mia@acme", b"max@acme")]
        others = await begun(b"nora@neighbour", [b"x" * size])
        for task in kept:
            task.cancel()
        await asyncio.gather(*kept, return_exceptions=True)
        again = await begun(b"mia@acme", [b"x" * size])
        return [one.status for one in (*refused, others, again)]

    assert run(story()) == [429, 429, 200, 200]


def test_a_header_cannot_pass_for_one_that_the_proxy_writes():
    app, served = pages(lambda: "well")
    forged = [(b"x-forwarded-for", b"192.0.2.1"), (b"x_forwarded_for", b"198.51.100.1")]
    run(talk(served, Connection(headers=forged)))
    assert app.requests[0][0]["X-Forwarded-For"] == "192.0.2.1"


@asynccontextmanager
async def connected(application):
    """A connection to a server of the network around an application, and the server's side of it."""
    config = uvicorn.Config(application, http=protocol.PatientProtocol, lifespan="off", ws="none")
    config.load()
    state = ServerState()
    made = partial(protocol.PatientProtocol, config, state, {})
    async with await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer, state.connections
        writer.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n"]
)
def test_who_does_not_say_what_they_want_is_hung_up_on(monkeypatch, said):
    monkeypatch.setattr(protocol, "HEADING_SECONDS", 0.05)

    async def story():
        async with connected(pages(lambda: "well")[1]) as (reader, writer, _):
            writer.write(said)
            return await reader.read()

    assert run(story()) == b""


def test_who_has_said_it_is_waited_for_by_the_pages_alone():
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def application(scope, receive, send):
        is_asked.set()
        await may_answer.wait()
        assert (await receive())["body"] == b"more"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"well"})

    async def story():
        async with connected(application) as (reader, writer, connections):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
            await is_asked.wait()
            assert [one._overdue for one in connections] == [None]
            writer.write(b"more")
            may_answer.set()
            return await reader.read()

    assert run(story()).endswith(b"well\r\n0\r\n\r\n")


def test_a_process_that_serves_pages_loads_no_library_that_pages_rarely_need():
    """Each of them weighs megabytes, in every process."""
    imports = "import sys, importlib, webapp.events; [importlib.import_module(x) for x in webapp.BLUEPRINTS]"
    heavy = "print(*{'chardet', 'dns', 'obstore', 'pycld2'} & sys.modules.keys())"
    command = [sys.executable, "-c", f"{imports}; {heavy}"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert loaded.stdout.split() == []
