"""What processes weigh (Linux): resident memory, and their share of what they have in common."""

import re
from pathlib import Path

from tests.faults.installation import children_of

MEGABYTE = 1024  # kilobytes


def family_of(pid: int) -> list[int]:
    """A process and everything it has started."""
    return [pid, *(one for child in children_of(pid) for one in family_of(child))]


def resident_megabytes(pid: int) -> float:
    """RSS: what is in memory for this process, shared pages included; 0 if it is gone."""
    return _kilobytes(pid, "status", "VmRSS") / MEGABYTE


def proportional_megabytes(pid: int) -> float:
    """PSS: the same with shared pages divided among those who share them."""
    return _kilobytes(pid, "smaps_rollup", "Pss") / MEGABYTE


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
