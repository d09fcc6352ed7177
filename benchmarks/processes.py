"""What processes use (Linux): resident memory, their share of what they have in common, and time."""

import os
import re
from pathlib import Path

from tests.processes import children_of

MEGABYTE = 1024  # kilobytes
TICKS = os.sysconf("SC_CLK_TCK")


def family_of(pid: int) -> list[int]:
    """A process and everything it has started."""
    return [pid, *(one for child in children_of(pid) for one in family_of(child))]


def resident_megabytes(pid: int) -> float:
    """RSS: what is in memory for this process, shared pages included; 0 if it is gone."""
    return _kilobytes(pid, "status", "VmRSS") / MEGABYTE


def peak_megabytes(pid: int) -> float:
    """The most that was ever resident for this process; 0 if it is gone."""
    return _kilobytes(pid, "status", "VmHWM") / MEGABYTE


def proportional_megabytes(pid: int) -> float:
    """PSS: the same with shared pages divided among those who share them."""
    return _kilobytes(pid, "smaps_rollup", "Pss") / MEGABYTE


def processor_seconds(pids: list[int]) -> float:
    """User and system time of these processes and of their children that have ended."""
    return sum(_ticks(pid) for pid in pids) / TICKS


def postgres_pids(folder: Path) -> list[int]:
    """The processes of the one PostgreSQL that lives below a folder."""
    (file,) = folder.rglob("postmaster.pid")
    return family_of(int(file.read_text().split()[0]))


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))
