"""The matrix: all faults, and how one of them is played in one phase and judged."""

from types import MappingProxyType

from tests.faults import (
    rows_bodies,
    rows_connection,
    rows_folders,
    rows_numbering,
    rows_signing_in,
    rows_surroundings,
)
from tests.faults.faults import FAULTS, demands_of
from tests.faults.scenario import Happened, PhaseName, Scenario
from tests.faults.stage import INBOX, PROJECTS, Stage

__all__ = ["ELSEWHERE", "FAULTS", "play"]

ROWS = (rows_numbering, rows_bodies, rows_connection, rows_signing_in, rows_folders, rows_surroundings)
ELSEWHERE = MappingProxyType(
    {
        "F32": "tests/mailboxes/oauth/test_oauth_story.py::test_the_whole_story",
        "F47": "tests/faults/test_million.py::test_a_large_folder_is_taken_over_whatever_breaks",
        "F49": "tests/workers/test_watch.py::test_a_dead_connection_is_made_anew",
        "F50": "tests/faults/test_crashes.py"
        "::test_a_message_that_kills_its_reader_is_set_aside_and_the_others_are_delivered",
        "F51": "tests/faults/test_surroundings.py::test_a_database_that_takes_nothing",
        "F52": "tests/faults/test_outbox_kills.py::test_a_kill_at_any_point_of_sending_never_doubles",
    }
)


def play(stage: Stage, id: str, phase: PhaseName) -> None:
    """Let a fault happen in a phase; demand what its row says, then the truth once all is healed."""
    fault = FAULTS[id]
    happened = Scenario({INBOX: 5, PROJECTS: 2}, [(phase, id)]).run(stage, phase)
    _check_says_so(stage, happened, fault.fails_check)
    if fault.spoils_one and happened.report is not None:
        _the_others_have_arrived(stage, happened)
    for demand in demands_of(fault, phase):
        demand(stage, happened)
    stage.settle()
    for demand in demands_of(fault, phase, when_healed=True):
        demand(stage, happened)
    assert stage.check().is_ok
    assert stage.what_was_written() == set()


def _check_says_so(stage: Stage, happened: Happened, must_fail: bool | None) -> None:
    report = happened.check
    if report is None:
        return
    if must_fail is not None:
        assert report.is_ok is not must_fail, report
    failed = report.failed("imap")
    assert (failed is None) is report.is_ok
    assert failed is None or failed.advice


def _the_others_have_arrived(stage: Stage, happened: Happened) -> None:
    """One spoilt message costs no other one its turn, and is never silently left out."""
    assert happened.report is not None
    assert happened.report.error is None, happened.report.error
    inbox, there = stage.arrivals(), stage.server.folder(INBOX).uids()
    assert set(there) <= inbox.keys()
    assert all(inbox[uid] == "delivered" for uid in there[:-1])
    assert stage.count_in(PROJECTS) == len(stage.server.folder(PROJECTS).messages)
