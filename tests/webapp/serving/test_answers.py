"""Answers wait for whoever takes them slowly: not in a thread, and not for ever."""

import asyncio

import pytest

from tests.webapp.serving.pretended import Connection, pages, run, settled, talk
from webapp.serving import answers, shares
from webapp.serving.spool import FullError, Spool


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
