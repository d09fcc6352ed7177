"""Every fault of the matrix in every phase, every maker's quirk, every cut, every crash. CI plays a share.

    ./dev bench faults --only matrix,quirks              parts of it
    ./dev bench faults --only cuts --share 3/8           the third eighth of all bytes
    ./dev bench faults --seconds 120                     each part for so long, and what was left out

The tests do the work; here they are told to do all of it, and counted.
"""

import os
import resource
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tables import print_table
from embedded.folders import temporary_folder
from tests.faults.matrix import ELSEWHERE, FAULTS
from tests.faults.scenario import PHASES

ROOT = Path(__file__).parents[1]
PROCESSES = "2"
PATIENT = ("--timeout", "1200")
PARTS = ("matrix", "elsewhere", "quirks", "cuts", "crashes")
CRASHES = ("crashes", "outbox_kills", "routing_crashes")
ROWS = 52

Cell = tuple[str, str]  # row and phase


@dataclass(frozen=True)
class Part:
    """Tests that are played with these variables."""

    name: str
    tests: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """How many tests passed, failed and were left out, what they counted, and the cells of the matrix."""

    well: int = 0
    bad: int = 0
    left: int = 0
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    cells: dict[Cell, bool] = field(default_factory=dict)

    @property
    def counted(self) -> str:
        """What the tests have counted of what they should."""
        return f"{self.done:,} of {self.total:,}" if self.total else ""


def run(only: Sequence[str], seconds: float | None, share: str) -> dict[str, Any]:
    """Play these parts (all, if none is named), print the table and return the figures."""
    outcomes: dict[str, Outcome] = {}
    with temporary_folder() as folder:
        for part in _parts(share):
            if part.name.partition(",")[0] in (only or PARTS):
                outcomes[part.name] = one = _played(folder, part, seconds)
                print(f"{part.name}: {one.well} well, {one.bad} not, {one.seconds:.0f} s", flush=True)
    rows = [
        (name, one.well, one.bad, one.left, one.counted, one.seconds, one.processor)
        for name, one in outcomes.items()
    ]
    columns = ("part", "well", "not well", "left out", "counted", "seconds", "of processor")
    print_table(f"{len(FAULTS)} faults, {len(ELSEWHERE)} rows with tests of their own", columns, rows)
    cells: dict[Cell, bool] = {}
    for one in outcomes.values():
        cells |= {cell: is_well and cells.get(cell, True) for cell, is_well in one.cells.items()}
    well = sum(cells.values())
    print(f"{well} of {len(cells)} cells that were played are well; {len(PHASES) * ROWS} there are")
    return {"cells well": well, "cells played": len(cells)} | {
        name: {key: value for key, value in vars(one).items() if key != "cells"}
        for name, one in outcomes.items()
    }


def _parts(share: str) -> Iterator[Part]:
    for phase in PHASES:
        yield Part(f"matrix, {phase}", [_file("matrix")], {"PHASE": phase, "FLOOD": "1000"})
    yield Part("elsewhere", [*ELSEWHERE.values(), _file("surroundings")])
    yield Part("quirks", [_file("quirks")])
    yield Part("cuts", [_file("cuts")], {"CUTS": "0", "SHARE": share})
    yield Part("crashes", [_file(name) for name in CRASHES], {"TIMES": "3", "PAIRS": "200"})


def _file(name: str) -> str:
    return f"tests/faults/test_{name}.py"


def _played(folder: Path, part: Part, seconds: float | None) -> Outcome:
    began, spent = time.monotonic(), _processor_seconds()
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        PROCESSES,
        "--dist",
        "worksteal",
        "--tb=short",
        *PATIENT,
    ]
    limit = {"SECONDS": str(seconds)} if seconds else {}
    done = subprocess.run(
        [*command, f"--junitxml={report}", *part.tests],
        cwd=ROOT,
        env=os.environ | part.environment | limit,
        capture_output=True,
        text=True,
        check=False,
    )
    outcome = Outcome()
    for case in ET.parse(report).iter("testcase") if report.exists() else ():
        _count(outcome, case, part)
    if done.returncode:
        outcome.bad = max(outcome.bad, 1)
        print(done.stdout[-5_000:])
    outcome.seconds, outcome.processor = time.monotonic() - began, _processor_seconds() - spent
    return outcome


def _processor_seconds() -> float:
    """Of those who have ended: the tests and the servers that they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _count(outcome: Outcome, case: ET.Element, part: Part) -> None:
    is_left = case.find("skipped") is not None
    is_bad = case.find("failure") is not None or case.find("error") is not None
    outcome.left += is_left
    outcome.bad += is_bad
    outcome.well += not (is_left or is_bad)
    for told in case.iter("property"):
        place = told.get("name", "")
        if place in ("done", "total"):
            setattr(outcome, place, getattr(outcome, place) + int(told.get("value", "0")))
    for cell in () if is_left else _cells(case.get("name", ""), part):
        outcome.cells[cell] = outcome.cells.get(cell, True) and not is_bad


def _cells(test: str, part: Part) -> Sequence[Cell]:
    """The cells of the matrix that a test has played: of a row with tests of its own, all three at once."""
    _, is_fault, id = test.partition("test_a_fault_heals_without_a_trace[")
    if is_fault:
        return [(id.rstrip("]").partition("/")[0], part.environment["PHASE"])]
    name = test.partition("[")[0]
    return [
        (row, phase) for row, place in ELSEWHERE.items() if place.endswith(f"::{name}") for phase in PHASES
    ]
