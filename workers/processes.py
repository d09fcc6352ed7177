"""How ``postroom worker`` starts: processes for each queue, kept alive by one that does nothing else.

One queue per process, because only then RQ takes a job without a moment in which a crash would lose it. Jobs
run in the process of their queue, which stays warm: a fork for each job takes three times the work of the
job. What such a process cannot survive (a parser that dies, a limit) ends it alone; another one is
forked at once, and the tables still say what is to be done.
"""

import ctypes
import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import chain
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Any

import structlog
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from mailboxes.sync import deaths
from mailboxes.sync.foreground import worker_name
from workers import queues
from workers.runtime import worker_app

JOBS = {
    queues.SYNC: ("workers.sync.sync_account",),
    queues.INTAKE: ("workers.intake.deliver_arrivals",),
    queues.ACTION: (
        "workers.action.act_on_messages",
        "workers.deletion.delete_organization",
        "workers.deletion.delete_mailbox",
        "workers.deletion.delete_global_mailbox",
    ),
    queues.OUTGOING: ("workers.outgoing.send_outbox",),
    queues.NOTICES: ("workers.notices.send_notices",),
    queues.WEBHOOKS: ("workers.webhooks.call_webhooks",),
}
KNOWN = frozenset(chain.from_iterable(JOBS.values()))
MEMORY_BYTES = 4 * 1024**3
# A server that hardly answers holds a process: an organization may have fewer passes under way
# (`mailboxes.sync.claiming`), and fewer jobs that act and send (`workers.turns`), than there are processes
# for them. Of deliveries three run, at most two of them of one account: neither the history of a large
# mailbox nor a message that takes long holds up all. Of webhooks, those of two organizations are called at a
# time, many at once and for seconds.
PROCESSES = {
    queues.SYNC: 4,
    queues.INTAKE: 3,
    queues.ACTION: 2,
    queues.OUTGOING: 4,
    queues.WEBHOOKS: 2,
}
JOB_CPU_SECONDS = 900
TURN_CPU_SECONDS = 120  # of an intake job, which takes turns: a message that cannot be read ends it
OBJECTS_PER_COLLECTION = 50_000  # most of a batch of messages, and nearly none of them in a circle
JOBS_PER_PROCESS = 2_000  # then a fresh one takes over, whatever has piled up
WORKER_SECONDS = 30  # a worker that is silent for so long is gone
MONITORING_SECONDS = 5
MAINTENANCE_SECONDS = 15
RESTART_SECONDS = 0.5
GRACE_SECONDS = 15.0
LONGEST_WAIT_FOR_REDIS = 5.0
PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


class ForeignJobError(RuntimeError):
    """A queue held something that is none of our jobs: somebody else writes to this Redis."""


class KnownJob(Job):
    """A job that runs one of our functions, whatever the queue says, and nothing after it."""

    # The queue could name anything that can be imported; none of our jobs has one.
    success_callback = failure_callback = stopped_callback = None

    @property
    def func(self) -> Callable[..., Any]:
        """The function; `ForeignJobError` for any other than those of `JOBS`, of whatever queue."""
        function_name = self.func_name or ""
        if function_name not in KNOWN:
            raise ForeignJobError(f"{function_name} is no job of Postroom")
        module, _, name = function_name.rpartition(".")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function


class QueueWorker(SimpleWorker):
    """A worker of one queue. ``is_limited``: no job may run away with memory or processor."""

    is_limited = False
    max_connection_wait_time = LONGEST_WAIT_FOR_REDIS

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job in this process."""
        if self.is_limited:
            used = resource.getrusage(resource.RUSAGE_SELF)
            seconds = TURN_CPU_SECONDS if queue.name == queues.INTAKE else JOB_CPU_SECONDS
            _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds)
        super().execute_job(job, queue)


def run_workers(names: Sequence[str]) -> None:
    """Work off these queues until the process is asked to end; a process that dies is started again."""
    for name in names:
        _warm_up(name)
    # Modules and models stay. The collector would go through them after every few hundred messages, and each
    # process would get a copy of its own of the memory that it marks.
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_PER_COLLECTION, 10, 10)
    _Supervisor(names).run()


def run_worker(name: str, *, is_burst: bool = False, is_limited: bool = False) -> None:
    """Work off one queue in this process; ``is_burst``: until it is empty."""
    _warm_up(name)
    with worker_app().app_context():
        worker = QueueWorker(
            [Queue(name, connection=queues.redis(), serializer=JSONSerializer, job_class=KnownJob)],
            connection=queues.redis(),
            serializer=JSONSerializer,
            job_class=KnownJob,
            worker_ttl=WORKER_SECONDS,
            job_monitoring_interval=MONITORING_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            log_job_description=False,
        )
        worker.is_limited = is_limited
        if is_limited:  # a process of its own: what was loaded stays
            gc.freeze()
        worker.work(burst=is_burst, logging_level="WARNING", max_jobs=None if is_burst else JOBS_PER_PROCESS)


def _warm_up(name: str) -> None:
    """Load what the jobs of a queue need; done before forking, so that every process has it at once."""
    for function in JOBS[name]:
        warm_up = getattr(import_module(function.rpartition(".")[0]), "warm_up", None)
        if warm_up is not None:
            warm_up()


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, hard))


class _Supervisor:
    """Keeps the processes of each queue alive."""

    def __init__(self, names: Sequence[str]) -> None:
        self._context = multiprocessing.get_context("fork")
        self._processes: dict[tuple[str, int], ForkProcess] = {}
        self._places = [(name, place) for name in names for place in range(PROCESSES.get(name, 1))]
        self._is_over = threading.Event()

    def run(self) -> None:
        for number in ENDING:
            signal.signal(number, self._end)
        while not self._is_over.is_set():
            for name, place in self._places:
                self._keep(name, place)
            self._is_over.wait(RESTART_SECONDS)
        self._stop()

    def _keep(self, name: str, place: int) -> None:
        process = self._processes.get((name, place))
        if process is not None and process.is_alive():
            return
        if process is not None and process.exitcode != 0:
            log.warning("worker died", queue=name, code=process.exitcode)
        dead = process.pid if process is not None and process.exitcode else None
        process = self._context.Process(target=_work, args=(name, dead), name=f"worker {name}")
        # Until it does what these ask for, they wait: it would take them for ours, and go on.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        self._processes[name, place] = process

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._is_over.set()

    def _stop(self) -> None:
        """Ask every worker to finish its job; end those that do not."""
        for process in self._processes.values():
            process.terminate()
        ending = [process.pid for (name, _), process in self._processes.items() if name == queues.SYNC]
        if ending:
            _let_go_of_accounts(ending)
        for process in self._processes.values():
            process.join(GRACE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _work(name: str, dead: int | None) -> None:
    """``dead``: the process whose place this one takes, if it did not end by itself."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    _end_with_parent()
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    if name == queues.SYNC and dead is not None:
        _free_accounts_of(dead)
    run_worker(name, is_limited=True)


def _free_accounts_of(dead: int) -> None:
    """Nobody has to wait until its leases run out. Without the database they do, which is as well."""
    with worker_app().app_context():
        try:
            deaths.free(worker_name(dead))
        except SQLAlchemyError as error:
            log.warning("accounts of a dead worker wait", error=type(error).__name__)


def _let_go_of_accounts(ending: Sequence[int | None]) -> None:
    """Whoever has to be killed after the time of grace has not died of what it reads."""
    with worker_app().app_context():
        try:
            deaths.let_go([worker_name(process) for process in ending])
        except SQLAlchemyError as error:
            log.warning("accounts of ending workers wait", error=type(error).__name__)


def _end_with_parent() -> None:
    """A worker whose supervisor was killed ends, too (where the kernel offers that)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    supervisor = multiprocessing.parent_process()
    if supervisor is not None and supervisor.pid != os.getppid():  # it ended before that line
        sys.exit()
