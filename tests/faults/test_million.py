"""F47: a folder of very many messages, taken over newest first, in pieces, and again after every break.

    MESSAGES=1000000 pytest tests/faults/test_million.py        as many as the row says

The messages are made from a seed when they are asked for, so that neither side keeps them in memory.
"""

import os
import resource

import pytest
from sqlalchemy import func, select

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.sync import history
from tenants.database import db, inside
from tests.faults.behaviours import drop
from tests.faults.seeds import SEED, chance
from tests.faults.stage import INBOX, Stage
from tests.faults.truth import Folder as ServerFolder

COUNT = int(os.environ.get("MESSAGES") or 1_500)
BREAKS = 5
MOST_GROWTH_KB = 150 * 1024


@pytest.fixture
def large(stage: Stage) -> Stage:
    stage.server.keeps_transcript = False
    stage.server.folders[INBOX.encode()] = ServerFolder.synthetic(COUNT, SEED)
    return stage


def stored(stage: Stage) -> list[int]:
    """UIDs of the inbox in the order in which they came."""
    with inside(stage.world.id):
        inbox = stage.folders()[INBOX]
        return list(db.session.scalars(select(Arrival.uid).where(Arrival.folder_id == inbox.id)))


def test_a_large_folder_is_taken_over_whatever_breaks(large: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "portion_after", lambda *_: max(100, COUNT // 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    dice = chance("million")
    for _ in range(BREAKS):
        large.server.on("*", drop, nth=dice.randint(8, 14))
        seen = len(stored(large))
        large.sync()
        assert len(stored(large)) >= seen
    assert 0 < len(stored(large)) < COUNT, "it was broken in the middle"
    large.settle()
    assert sorted(stored(large)) == list(range(1, COUNT + 1))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWTH_KB
    assert large.lead_count() == 0


def test_history_begins_with_the_newest_and_goes_on_where_it_stopped(
    large: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "portion_after", lambda *_: 100)
    large.server.on("FETCH", drop, nth=4)
    large.sync()
    first = stored(large)
    assert max(first) == COUNT
    assert sorted(first) == list(range(min(first), COUNT + 1))
    with inside(large.world.id):
        cursor = db.session.scalars(
            select(Folder.history_uid).where(Folder.id == large.folders()[INBOX].id)
        ).one()
        assert cursor == min(first)
        assert db.session.scalar(select(func.count()).where(Arrival.is_history.is_(False))) == 0
