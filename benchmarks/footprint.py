"""What an idle installation weighs, and how soon the demo shows its first page."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import family_of, proportional_megabytes, resident_megabytes
from benchmarks.tables import print_table
from embedded.folders import temporary_folder
from embedded.processes import answers_on, free_port, python_environment
from tests.dovecot import has_dovecot
from tests.faults.installation import PROCESSES, Installation, start_installation

IDLE_SECONDS = 5.0  # until what a start needs for a moment is given back
DEMO_PATIENCE = 180.0


def run() -> dict[str, Any]:
    """Weigh the processes, time the demo, print the tables and return the figures."""
    with (
        temporary_folder() as folder,
        start_installation(folder, with_dovecot=has_dovecot()) as installation,
    ):
        installation.settle()
        time.sleep(IDLE_SECONDS)
        weights = _weights(installation)
    rows = [[name, *one.values()] for name, one in weights.items()]
    print_table("Memory of an idle installation, in MB", ("process", "heaviest (RSS)", "all (PSS)"), rows)
    demo = _demo()
    print_table("The demo, seconds to the first page", ("start", "seconds"), list(demo.items()))
    return {"memory": weights, "demo": demo}


def _weights(installation: Installation) -> dict[str, dict[str, float]]:
    found = {}
    for name in PROCESSES:
        family = family_of(installation.processes[name].pid or 0)
        found[name] = {
            "rss": max(map(resident_megabytes, family)),
            "pss": sum(map(proportional_megabytes, family)),
        }
    return found


def _demo() -> dict[str, float]:
    """The first start on an empty folder, and the one after it."""
    with temporary_folder() as folder:
        return {name: _seconds_to_first_page(folder) for name in ("cold", "warm")}


def _seconds_to_first_page(folder: Path) -> float:
    port = free_port()
    command = [sys.executable, "-m", "commands", "demo", "--no-browser"]
    began = time.monotonic()
    with subprocess.Popen(
        [*command, "--data", str(folder / "demo"), "--port", str(port)],
        env=python_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as demo:
        while not answers_on(port) and demo.poll() is None and time.monotonic() < began + DEMO_PATIENCE:
            time.sleep(0.02)
        seconds = time.monotonic() - began
        demo.terminate()
        demo.wait(60)
    return seconds
