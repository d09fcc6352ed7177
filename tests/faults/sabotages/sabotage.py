"""What a sabotage is, and places and tests that many of them name."""

from dataclasses import dataclass
from pathlib import Path

SYNC, INTAKE, IMAP = Path("mailboxes/sync"), Path("mailboxes/intake"), Path("mailboxes/imap")
_MATRIX = "tests/faults/test_matrix.py::test_a_fault_heals_without_a_trace[{}]"
_CRASHES = "tests/faults/test_crashes.py::test_a_crash_at_any_point_is_healed_by_the_next_pass[{}-1]"


@dataclass(frozen=True)
class Sabotage:
    """In ``path``, ``found`` becomes ``instead``; then ``test`` fails (one of the matrix in ``phase``)."""

    name: str
    path: Path
    found: str
    instead: str
    test: str
    phase: str = "incremental"

    def apply(self, root: Path) -> None:
        """Change the source below ``root``; `AssertionError` if it is not what it was."""
        place = root / self.path
        source = place.read_text()
        assert source.count(self.found) == 1, (
            f"{self.name}: {self.path} has it {source.count(self.found)} times"
        )
        place.write_text(source.replace(self.found, self.instead))


def fault(id: str) -> str:
    """The test that a fault of the matrix heals."""
    return _MATRIX.format(id)


def crash(point: str) -> str:
    """The test that a crash at this point is healed."""
    return _CRASHES.format(point)
