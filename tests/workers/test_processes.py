"""Worker processes are kept alive, and a job that kills one costs nothing but a moment."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mailboxes.accounts import Account
from mailboxes.messages import Message
from mailboxes.sync import deaths, foreground
from mailboxes.sync.foreground import worker_name
from mailboxes.sync.plan import pause_after
from tenants.database import db, now
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import arrive, letter
from tests.processes import living_processes, wait_for
from workers import queues
from workers.processes import PROCESSES

ROOT = Path(__file__).parents[2]


def children_of(pid: int) -> list[int]:
    """The processes that one has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


@pytest.fixture
def supervisor(
    environment: dict[str, str], app: Any, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[bytes]]:
    names = [getattr(request, "param", queues.INTAKE)]
    program = f"""from mailboxes.sync import foreground; foreground.STARTED_AS = {foreground.STARTED_AS!r}
from workers.processes import run_workers; run_workers({names})"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env={**os.environ, **environment}, cwd=ROOT) as process:
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


@pytest.mark.parametrize("supervisor", [queues.SYNC], indirect=True)
def test_the_accounts_of_a_worker_that_is_killed_are_due_at_once(
    supervisor: subprocess.Popen[bytes], ours: World, theirs: World, inside: Any
) -> None:
    """Their mail does not wait until a lease runs out; what others hold stays theirs."""
    wait_for(lambda: len(children_of(supervisor.pid)) == PROCESSES[queues.SYNC], 60)
    killed, living, *_ = children_of(supervisor.pid)
    later = now() + timedelta(hours=1)
    for world, owner in ((ours, worker_name(killed)), (theirs, worker_name(living))):
        held = {"lease_owner": owner, "lease_expires_at": later, "next_attempt_at": later}
        make_mailbox(world, account=held)
    os.kill(killed, signal.SIGKILL)

    def is_due(world: World) -> bool:
        with inside(world):
            due = select(Account.id).where(Account.lease_expires_at < now(), Account.next_attempt_at < now())
            return db.session.scalar(due) is not None

    wait_for(lambda: is_due(ours), 60)
    assert not is_due(theirs)


@pytest.mark.parametrize("supervisor", [queues.SYNC], indirect=True)
def test_a_worker_that_is_asked_to_end_has_not_died_though_it_is_killed_then(
    supervisor: subprocess.Popen[bytes], ours: World, theirs: World, inside: Any
) -> None:
    """A redeploy in the middle of a pass is no trouble of the account; what others hold stays theirs."""
    wait_for(lambda: len(children_of(supervisor.pid)) == PROCESSES[queues.SYNC], 60)
    holders = {ours.id: worker_name(children_of(supervisor.pid)[0]), theirs.id: "another machine"}
    for world in (ours, theirs):
        held = {"lease_owner": holders[world.id], "lease_expires_at": now() + timedelta(hours=1)}
        make_mailbox(world, account=held)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(30) == 0
    for world, owner in ((ours, ""), (theirs, "another machine")):
        with inside(world):
            account = db.session.scalars(select(Account)).one()
            assert (account.lease_owner, account.lease_expires_at > now()) == (owner, True)


JUST_FORKED = """
import sys, time
from multiprocessing.process import BaseProcess
from pathlib import Path
from workers import processes

forked, go, works = (Path(sys.argv[1], name) for name in ("forked", "go", "works"))
work, terminate = processes._work, BaseProcess.terminate

def linger(*given):
    forked.touch()
    while not go.exists():
        time.sleep(0.01)
    work(*given)

def end(process):
    terminate(process)
    go.touch()

processes._work, BaseProcess.terminate = linger, end
processes.run_worker = lambda *_, **__: works.touch()
processes.run_workers([processes.queues.NOTICES])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_was_only_just_forked_ends_with_its_supervisor(tmp_path: Path, number: int) -> None:
    """And does not work on: a stop would wait for it in vain, and a kill leave it behind."""
    with subprocess.Popen([sys.executable, "-c", JUST_FORKED, tmp_path], cwd=ROOT) as supervisor:
        wait_for((tmp_path / "forked").exists, 60)
        supervisor.send_signal(number)
    (tmp_path / "go").touch()
    wait_for(lambda: living_processes(str(tmp_path)) == [], 60)
    assert not (tmp_path / "works").exists()


@pytest.mark.parametrize("state", ["refused", "disconnected"])
def test_an_account_that_waits_for_people_says_what_it_waits_for_though_a_worker_dies(
    app: Any, ours: World, inside: Any, state: str
) -> None:
    held = {"lease_owner": "dying", "lease_expires_at": now() + timedelta(hours=1)}
    told = {"state": state, "last_error": "Type the password again.", "failure_count": 3, "death_count": 3}
    id = make_mailbox(ours, account={**held, **told}).account_id
    deaths.free("dying")
    with inside(ours):
        account = db.session.get_one(Account, id)
        assert (account.state, account.last_error) == (state, "Type the password again.")


def test_equal_numbers_of_processes_free_only_their_own(
    app: Any, ours: World, theirs: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers may have the same host name, and the same numbers of processes in it."""
    ids = {}
    for world, container in ((ours, "one"), (theirs, "two")):
        monkeypatch.setattr(foreground, "STARTED_AS", container)
        account = {"lease_owner": worker_name(7), "lease_expires_at": now() + timedelta(hours=1)}
        ids[world.id] = make_mailbox(world, account=account).account_id
    deaths.free(worker_name(7))
    for world, is_held in ((ours, True), (theirs, False)):
        with inside(world):
            assert (db.session.get_one(Account, ids[world.id]).lease_expires_at > now()) is is_held


def test_a_pass_that_kills_its_process_again_and_again_backs_off(app: Any, ours: World, inside: Any) -> None:
    """The first death may be anybody's fault; from the second on it counts as any other failure."""
    id = make_mailbox(ours).account_id
    pauses = []
    for failures in (1, 2, 3, 99):
        with inside(ours):
            account = db.session.get_one(Account, id)
            account.lease_owner, account.lease_expires_at = "dying", now() + timedelta(hours=1)
            account.failure_count = account.death_count = failures - 1
            db.session.commit()
        deaths.free("dying")
        with inside(ours):
            account = db.session.get_one(Account, id)
            assert account.failure_count == failures
            assert (account.state, "worker died" in account.last_error) == (
                ("new", False) if failures == 1 else ("failing", True)
            )
            pauses.append(account.next_attempt_at - account.lease_expires_at)
    assert pauses[0] < timedelta(seconds=1)
    for pause, failures in zip(pauses[1:], (2, 3, 99), strict=True):
        least, most = (
            pause_after(failures, is_refused=False, retry_after=None, jitter=jitter) for jitter in (0, 1)
        )
        assert least - timedelta(seconds=1) < pause < most + timedelta(seconds=1)
