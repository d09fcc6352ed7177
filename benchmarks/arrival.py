"""How long a message takes: from the IMAP server to the page of a member, to its lead, to its answer.

One message at a time, at moments that have nothing to do with any rhythm of ours. The page is what a
member has open: it listens to events and asks for the list as the script of the page does.
"""

import random
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.messages import Author
from benchmarks.tables import print_table, spread
from benchmarks.visitor import Seen, Visitor
from embedded.folders import temporary_folder
from mailboxes.parsing import parse
from tests.dovecot import has_dovecot
from tests.faults.installation import Installation, start_installation
from tests.faults.seeding import ADDRESS
from tests.smtp_sink import SunkMessage

PATIENCE = 30.0  # seconds for one message
GOALS = {"on the page": 1.0, "lead on the page": 2.0, "answer at the SMTP server": 2.0}
STAGES = ("stored", "converted", "queued", "sent")


@dataclass(frozen=True)
class Course:
    """What one message took, in seconds since it was appended; None: not within `PATIENCE`."""

    page: float | None
    lead: float | None
    answer: float | None


def run(count: int, *, with_dovecot: bool = True) -> dict[str, Any]:
    """Measure so many messages, print the tables and return the figures."""
    is_real = with_dovecot and has_dovecot()
    with (
        temporary_folder() as folder,
        start_installation(folder, with_dovecot=is_real) as installation,
    ):
        installation.settle(PATIENCE * 4)
        with Visitor(installation.base_url, installation.ours.member_address) as visitor:
            courses = _measured(installation, visitor, count)
        stages = _stages(installation)
    figures = {
        "on the page": spread([one.page for one in courses if one.page is not None]),
        "lead on the page": spread([one.lead for one in courses if one.lead is not None]),
        "answer at the SMTP server": spread([one.answer for one in courses if one.answer is not None]),
    }
    _print(figures, stages, count, "Dovecot" if is_real else "the embedded mail server")
    late = sum(None in (one.page, one.lead, one.answer) for one in courses)
    return {"messages": count, "late": late, "figures": figures, "stages": stages}


def _measured(installation: Installation, visitor: Visitor, count: int) -> list[Course]:
    author, chance = Author(ADDRESS, seed=random.randrange(10**6)), random.Random(1)
    answered: dict[str, float] = {}

    def note(message: SunkMessage) -> None:
        answered.setdefault(parse(message.content).in_reply_to or "", time.monotonic())

    installation.sink.on_data = note
    courses = []
    for _ in range(count):
        time.sleep(chance.uniform(0.1, 1.0))
        subject, raw = author.question()
        asked = parse(raw).message_id or ""
        installation.append(raw)
        began = time.monotonic()  # from here on a client of the server may see it
        visitor.wait_for(subject, _is_complete, PATIENCE)
        while asked not in answered and time.monotonic() < began + PATIENCE:
            time.sleep(0.005)
        seen = visitor.seen.get(subject, Seen())
        moments = (seen.shown_at, seen.lead_at, answered.get(asked))
        courses.append(Course(*(None if one is None else one - began for one in moments)))
    return courses


def _is_complete(seen: Seen) -> bool:
    return None not in (seen.shown_at, seen.lead_at)


def _stages(installation: Installation) -> dict[str, dict[str, float]]:
    """Seconds from the server's receiving (by whole seconds) … to each step, as the timelines tell."""
    rows = installation.rows(
        "SELECT e.stage, extract(epoch FROM e.at - a.arrived_at)::float FROM events e"
        " JOIN messages m ON m.organization_id = e.organization_id AND m.id = e.message_id"
        " JOIN locations l ON l.organization_id = m.organization_id AND l.message_id = m.id"
        " JOIN arrivals a ON a.id = l.arrival_id WHERE m.direction = 'in'"
    )
    return {stage: spread([seconds for name, seconds in rows if name == stage]) for stage in STAGES}


def _print(
    figures: dict[str, dict[str, float]], stages: dict[str, dict[str, float]], count: int, server: str
) -> None:
    columns = ("seconds", "min", "median", "p95", "max", "goal (p95)")
    rows = [[name, *spreads.values(), f"≤ {GOALS[name]:g}"] for name, spreads in figures.items() if spreads]
    print_table(f"From append to … ({count} messages, one at a time, on {server})", columns, rows)
    shown = [[name, *spreads.values()] for name, spreads in stages.items() if spreads]
    print_table("From fetched to … (as the timelines tell)", columns[:-1], shown)
