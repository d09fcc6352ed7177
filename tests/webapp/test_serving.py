"""What stands between the network and the pages: no client keeps a thread of theirs, however slow it is."""

import asyncio
import csv
import io
import subprocess
import sys
import zipfile
from contextlib import asynccontextmanager
from functools import partial

import pytest
import uvicorn
from flask import g
from uvicorn.server import ServerState
from werkzeug.wrappers import Request, Response

from mailboxes.crm.leads import make_lead
from tenants.database import db, enter_organization, inside
from tenants.errors import ConflictError
from tests.factories import form_token, sign_in
from webapp import LARGEST_OF_STRANGERS, LARGEST_REQUEST, streaming
from webapp.events import Application
from webapp.serving import Pages, answers, protocol, requests, shares, spool
from webapp.serving.spool import FullError, Spool
from webapp.streaming import TooManyDownloadsError

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


def test_who_takes_nothing_of_an_answer_holds_up_nobody():
    _, served = pages(lambda: (b"x" * 100_000 for _ in range(50)))

    async def story():
        stuck = [Connection(is_stuck=True) for _ in range(5)]
        tasks = [asyncio.create_task(talk(served, one)) for one in stuck]
        quick = await talk(served, Connection())
        assert not any(task.done() for task in tasks)
        for one in stuck:
            one.goes_on.set()
        return [quick, *await asyncio.gather(*tasks)]

    assert {len(one.body) for one in run(story())} == {5_000_000}


def counted(made, most=1000):
    """An answer of so many pieces at most, and how many of them were made."""
    for number in range(most):
        made.append(number)
        yield b"x" * 100_000


async def settled(made):
    """Until no more is made."""
    before = -1
    while len(made) != before:
        before = len(made)
        await asyncio.sleep(0.2)


def test_an_answer_is_made_no_further_than_some_way_ahead(monkeypatch):
    monkeypatch.setattr(answers, "MOST_AHEAD", 300_000)
    made = []
    _, served = pages(lambda: counted(made, 50))

    async def story():
        stuck = Connection(is_stuck=True)
        task = asyncio.create_task(talk(served, stuck))
        await settled(made)
        assert 3 < len(made) < 30  # some more wait between the thread and us
        stuck.goes_on.set()
        return await task

    assert len(run(story()).body) == 5_000_000


def test_nothing_more_is_made_for_whoever_hangs_up(monkeypatch):
    monkeypatch.setattr(answers, "MOST_AHEAD", 300_000)
    made = []
    _, served = pages(lambda: counted(made))

    async def story():
        leaving = Connection(is_stuck=True)
        task = asyncio.create_task(talk(served, leaving))
        await settled(made)
        leaving.hung_up.set()
        leaving.goes_on.set()  # a server lets whatever is sent go nowhere
        await task

    run(story())
    assert len(made) < 30


def test_nothing_more_is_made_for_whoever_takes_nothing_for_long(monkeypatch):
    monkeypatch.setattr(answers, "TAKING_SECONDS", 0.01)
    made = []
    _, served = pages(lambda: counted(made))
    assert not run(talk(served, Connection(is_stuck=True))).is_whole
    assert len(made) < 1000


@pytest.mark.parametrize("error", [OSError, FullError])
def test_an_answer_for_which_there_is_no_room_ends_early_and_frees_its_thread(monkeypatch, error):
    made = []
    _, served = pages(lambda: counted(made))

    def put(self, piece):
        if piece:
            raise error

    monkeypatch.setattr(Spool, "put", put)
    assert not run(talk(served, Connection())).is_whole
    assert len(made) < 1000


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


def test_nobody_fills_the_room_for_large_answers_alone(monkeypatch):
    monkeypatch.setattr(shares, "MOST", (3_300_000, 5_500_000))

    async def whose(scope):
        return dict(scope["headers"])[b"cookie"].decode().split("@")

    _, served = pages(lambda: b"x" * 1_600_000, whose, threads=4)

    async def asked(who, is_stuck=False):
        connection = Connection(headers=[(b"cookie", who)], is_stuck=is_stuck)
        return connection, asyncio.create_task(talk(served, connection))

    async def ended(who):
        _, task = await asked(who)
        return await task

    async def story():
        stuck = [await asked(who, is_stuck=True) for who in (b"mia@acme", b"mia@acme", b"ada@acme")]
        while any(connection.status is None for connection, _ in stuck):
            await asyncio.sleep(0.01)
        refused = [await ended(who) for who in (b"mia@acme", b"max@acme")]
        neighbour = await ended(b"nora@neighbour")
        for connection, task in stuck:
            connection.goes_on.set()
            await task
        return [*refused, neighbour, await ended(b"mia@acme")]

    told = run(story())
    assert [one.status for one in told] == [429, 429, 200, 200]
    assert [len(one.body) for one in told[2:]] == [1_600_000] * 2
    assert told[0].body.decode().strip() == shares.FULL


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


def keep_lead(world, name):
    with inside(world.id):
        make_lead({"name": name}, "Ada")
        db.session.commit()


@pytest.fixture
def asked_live(app, ours):
    """Post as an administrator through the whole application, as a browser does."""
    client = sign_in(app, ours.admin)

    def post(path):
        body = f"csrf_token={form_token(client)}".encode()
        cookies = (client.get_cookie(name) for name in ("postroom", "postroom_form"))
        cookie = "; ".join(f"{one.key}={one.value}" for one in cookies)
        headers = [
            length(len(body)),
            (b"cookie", cookie.encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ]
        return run(talk(Application(app), Connection([body], headers, path, "POST")))

    return post


def test_files_that_are_sent_while_they_are_made_are_those_of_the_organization(asked_live, ours, theirs):
    keep_lead(theirs, theirs.canary)
    keep_lead(ours, "Ours")
    leads = asked_live("/leads/export")
    assert leads.is_whole
    assert [row[0] for row in csv.reader(io.StringIO(leads.body.decode()))][1:] == ["Ours"]
    archive = asked_live("/configuration/archive/")
    assert archive.is_whole
    with zipfile.ZipFile(io.BytesIO(archive.body)) as files:
        assert b"Ours" in files.read("records/leads.csv")
        assert not any(theirs.canary.encode() in files.read(name) for name in files.namelist())


def test_one_person_an_organization_and_everybody_have_so_many_downloads_at_a_time(
    app, ours, theirs, monkeypatch
):
    monkeypatch.setattr(streaming, "MOST_OF_AN_ORGANIZATION", 3)
    monkeypatch.setattr(streaming, "MOST", 4)
    noted = []

    def begun(member, organization):
        user = member.user
        with app.app_context(), app.test_request_context():
            enter_organization(organization.id)
            g.user = user
            return streaming.streamed(
                iter(["a"]), "list.csv", "text/csv", noted=lambda: noted.append(member.name)
            )

    def is_refused(member, organization, why):
        with pytest.raises(TooManyDownloadsError, match=why):
            begun(member, organization)

    running = [begun(ours.admin, ours), begun(ours.admin, ours)]
    is_refused(ours.admin, ours, "Two of your downloads")
    running.append(begun(ours.member, ours))
    is_refused(ours.member, ours, "Many downloads are under way")
    running.append(begun(theirs.admin, theirs))
    is_refused(theirs.member, theirs, "Many downloads are under way")
    assert len(noted) == 4
    for one in running:
        one.close()
    begun(ours.admin, ours).close()
    assert not streaming._running


def test_what_cannot_be_put_on_record_is_not_sent_and_keeps_no_place(app, ours):
    def noted():
        raise ConflictError

    user = ours.admin.user
    with app.app_context(), app.test_request_context():
        g.user = user
        with pytest.raises(ConflictError):
            streaming.streamed(iter(["a"]), "list.csv", "text/csv", noted=noted)
    assert not streaming._running


def test_a_process_that_serves_pages_loads_no_library_that_pages_rarely_need():
    """Each of them weighs megabytes, in every process."""
    imports = "import sys, importlib, webapp.events; [importlib.import_module(x) for x in webapp.BLUEPRINTS]"
    heavy = "print(*{'chardet', 'dns', 'obstore', 'pycld2'} & sys.modules.keys())"
    command = [sys.executable, "-c", f"{imports}; {heavy}"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert loaded.stdout.split() == []
