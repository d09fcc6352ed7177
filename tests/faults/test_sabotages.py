"""The sabotages of ``./dev sabotage`` fit the source, and name tests that are there."""

from pathlib import Path

import pytest

from tests.faults.matrix import FAULTS
from tests.faults.quirks import QUIRKS
from tests.faults.sabotages import SABOTAGES, Sabotage
from tests.faults.test_crashes import DELIVERY_POINTS, PASS_POINTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_a_sabotage_fits_the_source(sabotage: Sabotage, tmp_path: Path) -> None:
    place = tmp_path / sabotage.path
    place.parent.mkdir(parents=True)
    place.write_text((ROOT / sabotage.path).read_text())
    sabotage.apply(tmp_path)
    compile(place.read_text(), str(sabotage.path), "exec")


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_it_names_a_test_that_is_there(sabotage: Sabotage) -> None:
    path, _, name = sabotage.test.partition("::")
    function, _, case = name.partition("[")
    assert f"def {function}(" in (ROOT / path).read_text()
    if function == "test_a_fault_heals_without_a_trace":
        assert case.removesuffix("]") in FAULTS
    if function == "test_a_crash_at_any_point_is_healed_by_the_next_pass":
        assert case.removesuffix("-1]") in PASS_POINTS + DELIVERY_POINTS
    if function == "test_a_quirk_costs_no_message":
        assert case.removesuffix("]") in {quirk.name for quirk in QUIRKS}


def test_there_are_enough_of_them() -> None:
    assert len({sabotage.name for sabotage in SABOTAGES}) == len(SABOTAGES) >= 40
