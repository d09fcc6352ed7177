"""``python -m benchmarks [NAME] …``: measure, print tables, and keep the figures with ``--json``."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    acting,
    administration,
    agreement,
    arrival,
    fair,
    faults,
    footprint,
    kills,
    million,
    poll,
    reading,
    sustained,
    sync,
    watch,
)

Figures = dict[str, Any]
ALL = "all"
USUAL = (
    "arrival",
    "acting",
    "sustained",
    "sync",
    "poll",
    "watch",
    "fair",
    "administration",
    "footprint",
    "reading",
)
USUAL_SECONDS = 240.0
SUSTAINED_SECONDS = 60.0
LONG = ("faults", "kills", "agreement", "million")  # only when they are asked for by name


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[*USUAL, *LONG, ALL], default=ALL)
    parser.add_argument(
        "--messages",
        type=int,
        help="how many messages (arrival: 40, acting: 1000, sync, fair, reading: 2000, million: 100000)",
    )
    parser.add_argument("--mailboxes", type=int, help="how many mailboxes (watch: 2000, fair: 1000)")
    parser.add_argument("--embedded", action="store_true", help="the embedded mail server, not Dovecot")
    parser.add_argument(
        "--seconds",
        type=float,
        help="how long (faults, kills: each part; sustained: 60; else 240 at most)",
    )
    parser.add_argument("--rate", type=float, default=25.0, help="sustained: messages a second")
    parser.add_argument("--kills", type=int, default=50, help="million: how many")
    parser.add_argument("--only", default="", help=_only())
    parser.add_argument("--share", default="1/1", help="faults: 2/8 is the second eighth of all cuts")
    parser.add_argument(
        "--folder", type=Path, help="reading: messages as files, not those of the usual author"
    )
    parser.add_argument(
        "--django", type=Path, help="sync: a Python with django-mailbox, which takes part then"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    names = USUAL if given.name == ALL else [given.name]
    figures = {name: _measured(name, given) for name in names}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


def _only() -> str:
    return f"parts: of faults {','.join(faults.PARTS)}; of kills {','.join(kills.KINDS)}"


def _measured(name: str, given: argparse.Namespace) -> Figures:
    with_dovecot, messages, mailboxes = not given.embedded, given.messages, given.mailboxes
    seconds = given.seconds or USUAL_SECONDS
    only = tuple(filter(None, given.only.split(",")))
    runs: dict[str, Callable[[], Figures]] = {
        "acting": lambda: acting.run(messages or 1000),
        "arrival": lambda: arrival.run(messages or 40, with_dovecot=with_dovecot),
        "sustained": lambda: sustained.run(
            given.rate, given.seconds or SUSTAINED_SECONDS, with_dovecot=with_dovecot
        ),
        "sync": lambda: sync.run(messages or 2000, with_dovecot=with_dovecot, django=given.django),
        "poll": lambda: poll.run(with_dovecot=with_dovecot),
        "watch": lambda: watch.run(mailboxes or 2000),
        "fair": lambda: fair.run(messages or 2000, mailboxes or 1000, with_dovecot=with_dovecot),
        "administration": administration.run,
        "footprint": footprint.run,
        "reading": lambda: reading.run(messages or 2000, given.folder),
        "faults": lambda: faults.run(only, given.seconds, given.share),
        "kills": lambda: kills.run(only, seconds),
        "agreement": lambda: agreement.run(seconds),
        "million": lambda: million.run(messages or 100_000, seconds, given.kills),
    }
    return runs[name]()


if __name__ == "__main__":
    main()
