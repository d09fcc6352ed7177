"""F22: the connection ends at any byte of a session, in either direction: no message is lost, none is half.

CUTS=20000 SEED=7 pytest tests/faults/test_cuts.py          more of them
"""

import os

import pytest

from tests.faults.cutting import DIRECTIONS, Cuts, Direction
from tests.faults.seeds import chance
from tests.faults.stage import Stage

CUTS = int(os.environ.get("CUTS") or 500)
TLS_CUTS = CUTS // 10


@pytest.mark.timeout(60 + CUTS)
def test_a_cut_at_the_end_of_a_line(stage: Stage) -> None:
    cuts = Cuts(stage, messages=2)
    for direction in DIRECTIONS:
        for byte in cuts.boundaries[direction]:
            cuts.cut(direction, byte)


@pytest.mark.timeout(60 + CUTS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_cut_at_any_byte(stage: Stage, direction: Direction) -> None:
    _cut_at_random(Cuts(stage), (CUTS - TLS_CUTS) // 2, direction)


@pytest.mark.timeout(60 + CUTS)
def test_a_cut_at_any_byte_under_tls(stage: Stage) -> None:
    cuts = Cuts(stage, encryption="tls")
    for direction in DIRECTIONS:
        _cut_at_random(cuts, TLS_CUTS // 2, direction)


def _cut_at_random(cuts: Cuts, count: int, direction: Direction) -> None:
    places = range(cuts.total[direction])
    for byte in chance(f"{cuts.encryption} {direction}").sample(places, min(count, len(places))):
        cuts.cut(direction, byte)
