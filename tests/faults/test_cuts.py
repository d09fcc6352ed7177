"""F22: the connection ends at any byte of a session, in either direction: no message is lost, none is half.

CUTS=5000 SEED=7 pytest tests/faults/test_cuts.py          more of them
CUTS=0 SHARE=2/8 pytest tests/faults/test_cuts.py          every byte; of eight shares the second
"""

import os
from collections.abc import Callable

import pytest

from tests.faults.cutting import DIRECTIONS, Cuts, Direction
from tests.faults.seeds import chance, is_time_over
from tests.faults.stage import Stage

CUTS = int(os.environ.get("CUTS") or 500)
SHARE, SHARES = map(int, (os.environ.get("SHARE") or "1/1").split("/"))
PLAIN_SHARE = 0.9  # a session under TLS is the same one once its records are read
LONGEST = 300 + CUTS if CUTS else 24 * 3600

Record = Callable[[str, object], None]


@pytest.mark.long
@pytest.mark.timeout(LONGEST)
def test_a_cut_at_the_end_of_a_line(stage: Stage) -> None:
    cuts = Cuts(stage, messages=2)
    for direction in DIRECTIONS:
        for byte in cuts.boundaries[direction]:
            cuts.cut(direction, byte)


@pytest.mark.long
@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_cut_at_any_byte(stage: Stage, direction: Direction, record_property: Record) -> None:
    _cut(Cuts(stage), direction, PLAIN_SHARE, record_property)


@pytest.mark.long
@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_cut_at_any_byte_under_tls(stage: Stage, direction: Direction, record_property: Record) -> None:
    _cut(Cuts(stage, encryption="tls"), direction, 1 - PLAIN_SHARE, record_property)


def _cut(cuts: Cuts, direction: Direction, part: float, record_property: Record) -> None:
    """At random bytes, so that whoever stops early has seen all of the session."""
    places = range(cuts.total[direction])[SHARE - 1 :: SHARES]
    count = min(round(CUTS * part / 2), len(places)) if CUTS else len(places)
    done = 0
    for byte in chance(f"{cuts.encryption} {direction}").sample(places, count):
        if is_time_over():
            break
        cuts.cut(direction, byte)
        done += 1
    record_property("total", count)
    record_property("done", done)
