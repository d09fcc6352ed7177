"""``python -m benchmarks [NAME] …``: measure, print tables, and keep the figures with ``--json``."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import administration, arrival, faults, footprint, kills, sync

Figures = dict[str, Any]
ALL = "all"
USUAL = ("arrival", "sync", "administration", "footprint")
LONG = ("faults", "kills")  # only when they are asked for by name


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[*USUAL, *LONG, ALL], default=ALL)
    parser.add_argument("--messages", type=int, help="how many messages (arrival: 40, sync: 2000)")
    parser.add_argument("--embedded", action="store_true", help="the embedded mail server, not Dovecot")
    parser.add_argument("--seconds", type=float, help="how long (faults, kills: each part; kills: 120)")
    parser.add_argument("--only", default="", help=_only())
    parser.add_argument("--share", default="1/1", help="faults: 2/8 is the second eighth of all cuts")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    only = tuple(filter(None, given.only.split(",")))
    measured: dict[str, Callable[[], Figures]] = {
        "arrival": lambda: arrival.run(given.messages or 40, with_dovecot=not given.embedded),
        "sync": lambda: sync.run(given.messages or 2000, with_dovecot=not given.embedded),
        "administration": administration.run,
        "footprint": footprint.run,
        "faults": lambda: faults.run(only, given.seconds, given.share),
        "kills": lambda: kills.run(only, given.seconds or 120),
    }
    names = list(USUAL) if given.name == ALL else [given.name]
    figures = {name: measured[name]() for name in names}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


def _only() -> str:
    return f"parts: of faults {','.join(faults.PARTS)}; of kills {','.join(kills.KINDS)}"


if __name__ == "__main__":
    main()
