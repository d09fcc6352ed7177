"""``python -m benchmarks [NAME] …``: measure, print tables, and keep the figures with ``--json``."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import administration, arrival, footprint, sync

Figures = dict[str, Any]
ALL = "all"


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument(
        "name", nargs="?", choices=["arrival", "sync", "administration", "footprint", ALL], default=ALL
    )
    parser.add_argument("--messages", type=int, help="how many messages (arrival: 40, sync: 2000)")
    parser.add_argument("--embedded", action="store_true", help="the embedded mail server, not Dovecot")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    measured: dict[str, Callable[[], Figures]] = {
        "arrival": lambda: arrival.run(given.messages or 40, with_dovecot=not given.embedded),
        "sync": lambda: sync.run(given.messages or 2000, with_dovecot=not given.embedded),
        "administration": administration.run,
        "footprint": footprint.run,
    }
    names = list(measured) if given.name == ALL else [given.name]
    figures = {name: measured[name]() for name in names}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
