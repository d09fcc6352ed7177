"""Worker processes are kept alive, and a job that kills one costs nothing but a moment."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mailboxes.messages import Message
from tenants.database import db
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import arrive, letter
from tests.processes import wait_for
from workers import queues
from workers.processes import PROCESSES


def children_of(pid: int) -> list[int]:
    """The processes that one has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


@pytest.fixture
def supervisor(environment: dict[str, str], app: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "from workers.processes import run_workers; run_workers(['intake'])"]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(command, env={**os.environ, **environment}, cwd=root) as process:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_worker_that_is_killed_is_replaced_and_works_on(
    supervisor: subprocess.Popen[bytes], ours: World, inside: Any
) -> None:
    number = PROCESSES[queues.INTAKE]
    wait_for(lambda: len(children_of(supervisor.pid)) == number, 60)
    first = children_of(supervisor.pid)
    for process_id in first:
        os.kill(process_id, signal.SIGKILL)
    mailbox = make_mailbox(ours)
    with inside(ours):
        arrive(mailbox, letter())
    queues.ring_intake(mailbox.account_id)

    def is_delivered() -> bool:
        with inside(ours):
            return bool(db.session.scalar(select(func.count()).select_from(Message)))

    wait_for(is_delivered, 60)
    assert not set(first) & set(children_of(supervisor.pid))
