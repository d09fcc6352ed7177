"""Every row of the fault matrix of mail servers (reliability §2, F1 to F52), healed to the last flag.

    SEED=7 pytest tests/faults/test_matrix.py                  the phases that a seed draws
    PHASE=first pytest tests/faults/test_matrix.py             all of them in one phase
    ./dev bench faults                                          every variant in all three phases

While a fault lasts, nothing may break but what the row says; afterwards two passes must make the database
what the server is. Rows that need more than a server have tests of their own: `ELSEWHERE` names them.
"""

from pathlib import Path

import pytest

from tests.faults import matrix
from tests.faults.scenario import PHASES, PhaseName
from tests.faults.seeds import PHASE, chance
from tests.faults.stage import Stage

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("id", sorted(matrix.FAULTS))
def test_a_fault_heals_without_a_trace(stage: Stage, id: str) -> None:
    matrix.play(stage, id, phase_of(id))


def phase_of(id: str) -> PhaseName:
    drawn = chance(id).choice(PHASES)
    return next((phase for phase in PHASES if phase == PHASE), drawn)


def test_every_row_is_there() -> None:
    """Nothing of the matrix is forgotten."""
    for place in matrix.ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(), place
    rows = {fault.row for fault in matrix.FAULTS.values()} | matrix.ELSEWHERE.keys()
    assert {f"F{number}" for number in range(1, 53)} - rows == set()
