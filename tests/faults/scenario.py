"""The language of fault scenarios (reliability §2.2): mailboxes, and what goes wrong when.

    Scenario({"INBOX": 5, "Projects": 2}, [("first", "F12")])            in a phase, at its usual place
    Scenario({"INBOX": 5}, [(Nth("FETCH", 2), "F24"), (Uid(3), "F9")])   at a command, at a message
    Scenario({"INBOX": 5}, [(Byte(300), "F22")])                         after so many bytes from the server

`run` goes through one phase on a `Stage` and returns what happened; then `Stage.settle` heals and judges.
A fault is named by its row of the matrix; where a row has variants, by ``F9/nil``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from mailboxes.connection_check import CheckReport
from mailboxes.sync.passes import PassReport
from tests.faults.faults import FAULTS, Fault
from tests.faults.passing_time import time_of
from tests.faults.stage import Stage
from tests.faults.when import Byte, Nth, Uid, When

PhaseName = Literal["check", "first", "incremental"]
PHASES: tuple[PhaseName, ...] = get_args(PhaseName)

__all__ = ["PHASES", "Byte", "Happened", "Nth", "PhaseName", "Scenario", "Uid"]


@dataclass(frozen=True)
class Happened:
    """What a phase with faults has brought."""

    phase: PhaseName
    check: CheckReport | None = None
    report: PassReport | None = None


@dataclass(frozen=True)
class Scenario:
    """Folders with so many letters, and faults."""

    mailboxes: Mapping[str, int]
    faults: Sequence[tuple[When | PhaseName, str]] = field(default_factory=list)

    def run(self, stage: Stage, phase: PhaseName) -> Happened:
        """Go through one phase while the faults of it last."""
        for name, count in self.mailboxes.items():
            stage.fill(name, count)
        if phase == "incremental":
            stage.sync()
            stage.oracle.act()
            stage.live_on()
        armed = [(when, FAULTS[id]) for when, id in self.faults if when == phase or when not in PHASES]
        for when, fault in armed:
            fault.arm(stage, None if isinstance(when, str) else when)
        with time_of(stage.server):
            if phase == "check":
                return Happened(phase, check=stage.check())
            return Happened(phase, report=stage.sync())


def faults_of(row: str) -> list[Fault]:
    """The variants of a row of the matrix."""
    return [fault for fault in FAULTS.values() if fault.row == row]
