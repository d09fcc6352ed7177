"""The supervisor: starts in order, revives, stops everything, also when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.errors import EmbeddedServerError
from embedded.processes import PROJECT, Program, python_environment
from embedded.supervisor import Supervisor
from tests.processes import living_processes, wait_for

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
# A child that starts another one in a process group of its own, as an RQ worker does.
PARENT = (
    "import os, sys, time\n"
    "if os.fork() == 0:\n os.setpgrp()\n"
    "open(sys.argv[1] + '.' + str(os.getpid()), 'w').close()\n"
    "time.sleep(600)"
)


def worker(folder: Path) -> list[str]:
    return [sys.executable, "-c", PARENT, str(folder / "worker")]


def workers_of(folder: Path) -> list[int]:
    return living_processes(str(folder / "worker"))


def test_a_child_runs_until_the_end_of_the_block_and_its_output_is_kept(folder):
    command = [sys.executable, "-c", "import time; print('hello'); time.sleep(600)"]
    log = folder / "logs" / "web.log"
    with Supervisor(folder) as supervisor:
        web = supervisor.add("web", command, ready=lambda: "hello" in log.read_text())
        pid = web.pid
        assert pid is not None
    assert web.pid is None
    assert not Path(f"/proc/{pid}/fd").exists()


def test_a_child_that_was_launched_before_is_not_started_again(folder):
    with Supervisor(folder) as supervisor:
        child = Program("web", SLEEPER, log=supervisor.logs / "web.log")
        supervisor.launch(child)
        pid = child.pid
        supervisor.launch(child)
        supervisor.start(child)
        assert child.pid == pid
    assert child.pid is None


def test_children_stop_in_reverse_order(folder):
    note = (
        "import signal, sys, time\n"
        "def end(*_):\n open(sys.argv[1], 'a').write(sys.argv[2] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up'); time.sleep(600)"
    )
    order = folder / "order"
    with Supervisor(folder) as supervisor:
        for name in ("first", "second", "third"):
            log = folder / "logs" / f"{name}.log"
            supervisor.add(
                name,
                [sys.executable, "-c", note, str(order), name],
                ready=lambda log=log: "up" in log.read_text(),
            )
    assert order.read_text() == "third second first "


def test_what_a_child_started_ends_with_it(folder):
    with Supervisor(folder) as supervisor:
        supervisor.add("worker", worker(folder))
        wait_for(lambda: len(list(folder.glob("worker.*"))) == 2)
        assert len(workers_of(folder)) == 2
    assert workers_of(folder) == []


def test_a_child_that_dies_is_started_again_and_said_so(folder):
    said: list[str] = []
    with Supervisor(folder, report=said.append) as supervisor:
        child = supervisor.add("web", SLEEPER)
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        supervisor.run(until=lambda: child.pid not in (None, first))
    assert "web ended by itself" in said[0]


def test_the_pause_grows_when_a_child_dies_again_and_again(folder):
    said: list[str] = []
    with Supervisor(folder, report=said.append) as supervisor:
        lives_a_moment = [sys.executable, "-c", "import time; time.sleep(0.5)"]  # to be seen alive
        supervisor.add("web", lives_a_moment)
        supervisor.run(until=lambda: len(said) == 2)
    assert "in 0.5 s" in said[0]
    assert "in 1 s" in said[1]


def test_a_child_that_is_never_ready_is_an_error_with_its_last_words(folder):
    command = [sys.executable, "-c", "import sys; sys.exit('no such port')"]
    with Supervisor(folder) as supervisor, pytest.raises(EmbeddedServerError, match="no such port"):
        supervisor.add("web", command, ready=lambda: False)


def test_a_second_supervisor_on_the_same_folder_is_refused(folder):
    with Supervisor(folder), pytest.raises(EmbeddedServerError, match="already runs on"):
        Supervisor(folder).__enter__()
    with Supervisor(folder):
        pass


def run_in_a_process(folder: Path) -> "subprocess.Popen[bytes]":
    """A supervisor of its own, with PostgreSQL, Redis, mail and a worker; ready when it says so."""
    script = (
        "import sys; from pathlib import Path\n"
        "from embedded.environment import Services; from embedded.supervisor import Supervisor\n"
        "folder = Path(sys.argv[1])\n"
        "with Supervisor(folder) as supervisor:\n"
        "    Services(folder, durable=False).start_under(supervisor)\n"
        "    supervisor.add('worker', sys.argv[2:])\n"
        "    print('ready', flush=True)\n"
        "    supervisor.run()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, folder, *worker(folder)],
        stdout=subprocess.PIPE,
        env=python_environment(),
        cwd=PROJECT,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
    wait_for(lambda: len(list(folder.glob("worker.*"))) == 2)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_the_supervisor_ends_no_process_is_left(folder, number):
    process = run_in_a_process(folder)
    assert len(living_processes(str(folder))) >= 5
    process.send_signal(number)
    process.wait()
    wait_for(lambda: living_processes(str(folder)) == [])
    if number != signal.SIGKILL:
        assert process.returncode == 0
    with Supervisor(folder):
        pass
