"""A whole installation in processes of its own: what a customer runs, here, to be watched and killed.

    with start_installation(folder) as installation:
        installation.append(raw)
        installation.kill("worker")
        installation.settle()
        assert installation.check() == ""

PostgreSQL, Redis, Dovecot (or the embedded mail server), an SMTP sink that counts, and ``postroom web``,
``worker``, ``schedule`` and ``watch``. There is one organization with a mailbox that makes records and has
an active rule, and a neighbour with a mailbox that gets nothing. Used by tests and benchmarks.
"""

import hashlib
import imaplib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import redis
from alembic import command

from embedded.environment import DATABASE, Services
from embedded.mail.people import MailUser
from embedded.processes import Program, answers_on, end_session, free_port, python_environment
from tenants.application import create_base_app
from tenants.database import db
from tenants.database.schema import migration_config
from tenants.settings import Settings
from tests.certificates import Certificates
from tests.dovecot import start_dovecot
from tests.faults.mail_account import INBOX, ImapAccount, count_in
from tests.faults.seeding import ADDRESS, NEIGHBOURS_ADDRESS, SENT, Seeded, seed, values_of
from tests.processes import children_of
from tests.services import copy_cluster
from tests.smtp_sink import RunningSink, Sink

PROCESSES = ("web", "worker", "schedule", "watch")
POLL_SECONDS = 0.05
HURRY_SECONDS = 2.0
SHOWN_LINES, LONGEST_LINE = 8, 300  # of each log, in reports


class NotSettledError(AssertionError):
    """The installation did not come to rest in time; the text says what was left."""


@dataclass
class Installation:
    """The servers, the processes, and what is in them."""

    services: Services
    sink: Sink
    account: ImapAccount
    environment: dict[str, str]
    ours: Seeded = field(init=False)
    theirs: Seeded = field(init=False)
    processes: dict[str, Program] = field(default_factory=dict)
    _left: list[int] = field(default_factory=list)
    _mail: imaplib.IMAP4 | None = None
    _database: "psycopg.Connection[tuple[Any, ...]] | None" = None

    @property
    def base_url(self) -> str:
        """Where the pages are."""
        return self.services.base_url

    # --- processes -------------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Start these processes (all of them, if none is named) unless they run; PostgreSQL and Redis too."""
        self.services.redis.start()
        self.services.postgres.start()
        for name in names or PROCESSES:
            self.processes.setdefault(name, self._program(name)).launch()
        for name in names or PROCESSES:
            self.processes[name].wait_until_ready()

    def revive(self) -> None:
        """Start again what has ended, as every supervisor does."""
        for process in self.processes.values():
            process.launch()

    def stop(self) -> None:
        """End all processes of Postroom; the servers stay."""
        for process in reversed(self.processes.values()):
            process.stop()
        for session in self._left:
            end_session(session)
        self._left.clear()
        if self._mail is not None:
            with suppress(OSError, imaplib.IMAP4.error):
                self._mail.logout()
            self._mail = None
        self._leave_database()

    def kill(self, name: str) -> None:
        """Kill a process with all its children, or ``postgres``, ``redis`` (SIGKILL, no goodbye)."""
        if name == "postgres":
            self.services.postgres.kill()
        elif name == "redis":
            self.services.redis.kill()
        else:
            self.processes[name].kill()

    def kill_alone(self, name: str) -> None:
        """Kill a process and leave its children to themselves."""
        process = self.processes[name]
        if process.pid is None:
            return
        self._left.append(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        while process.pid is not None:  # until the kernel has ended it
            time.sleep(0.001)

    def restart(self, name: str) -> None:
        """Start what was killed."""
        if name == "postgres":
            self.services.postgres.start()
        elif name == "redis":
            self.services.redis.start()
        else:
            self.start(name)

    def queue_workers(self) -> list[int]:
        """The process of each queue, in which its jobs run."""
        worker = self.processes["worker"].pid
        return children_of(worker) if worker is not None else []

    def flush_redis(self) -> None:
        """Forget every bell, every job and every session of a worker."""
        with redis.Redis.from_url(self.services.redis.url) as client:
            client.flushall()

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``postroom …`` in the foreground."""
        return subprocess.run(
            [*_POSTROOM, *arguments],
            env=python_environment() | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def log_of(self, name: str) -> str:
        """What a process has said so far."""
        path = self.processes[name].log
        return path.read_text(errors="replace") if path.exists() else ""

    # --- mail ------------------------------------------------------------------------------------

    def append(self, raw: bytes, received_at: datetime | None = None) -> None:
        """A message comes in for us; or has, some time ago."""
        self.account.append(self._mail_session(), raw, received_at)

    # --- looking inside --------------------------------------------------------------------------

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query returns, over all organizations.

        Asked many times a second: the connection is kept until somebody kills what it leads to.
        """
        if self._database is not None:
            with suppress(psycopg.OperationalError):
                return self._database.execute(query, parameters).fetchall()
        self._leave_database()
        self._database = self.connection()
        return self._database.execute(query, parameters).fetchall()

    def value(self, query: str, *parameters: object) -> Any:
        """The one value that a query returns."""
        return self.rows(query, *parameters)[0][0]

    def is_quiet(self) -> bool:
        """Whether everything on the server is delivered, acted upon, sent (or given up visibly) and filed."""
        try:
            stored = dict(self.rows(_STORED, self.ours.account_id))
            waiting = self.rows(_WAITING)[0]
        except psycopg.OperationalError:
            return False
        if any(waiting):
            return False
        session = self._mail_session()
        return all(stored.get(folder, 0) == count_in(session, folder) for folder in (INBOX, SENT))

    def settle(self, seconds: float = 60, *, in_a_hurry: bool = True) -> None:
        """Return when all is quiet. ``in_a_hurry``: leases of the dead run out faster than in life."""
        self.start()
        deadline = time.monotonic() + seconds
        hurry_at = time.monotonic() + HURRY_SECONDS
        while not self.is_quiet():
            self.revive()
            if time.monotonic() > deadline:
                raise NotSettledError(self.report())
            if in_a_hurry and time.monotonic() > hurry_at:
                self.let_time_pass()
                hurry_at = time.monotonic() + HURRY_SECONDS
            time.sleep(POLL_SECONDS)

    def let_time_pass(self) -> None:
        """As if an hour had gone by: leases, claims and back-offs are over, the sweep may ring again.

        Safe at any moment, also for those who are alive: that is what fences are for.
        """
        with self.connection() as connection:
            for statement in _LATER:
                connection.execute(statement)
        with redis.Redis.from_url(self.services.redis.url) as client:
            for key in client.scan_iter("rung:*"):
                client.delete(key)

    def check(self) -> str:
        """What ``postroom check --server`` finds broken; "" if nothing is."""
        done = self.run("check", "--server")
        if done.returncode == 0:
            return ""
        broken = [line for line in done.stdout.splitlines() if "BROKEN" in line]
        return "\n".join(broken) or f"{done.stdout}\n{done.stderr}"

    def report(self) -> str:
        """Where everything stands, for the message of a test that failed."""
        lines = [f"{self.account.count()} messages on the server, {len(self.sink.messages)} at the sink"]
        with suppress(psycopg.OperationalError):
            for what, query in _REPORT.items():
                lines.append(f"{what}: {self.rows(query)}")
        for name in self.processes:
            tail = "\n".join(line[:LONGEST_LINE] for line in self.log_of(name).splitlines()[-SHOWN_LINES:])
            lines.append(f"--- {name} (process {self.processes[name].pid})\n{tail}")
        return "\n".join(lines)

    # --- setting up ------------------------------------------------------------------------------

    def seed(self, action: str, history: str) -> None:
        """Two organizations: ours, whose mailbox makes records and answers, and the neighbour."""
        app = create_base_app(Settings.from_environment(self.environment))
        with app.app_context():
            self.ours = self._seeded("Acme", ADDRESS, self.account.user, action, history)
        with app.app_context():
            user = f"neighbour-{self.account.user}"
            self.theirs = self._seeded("Neighbour", NEIGHBOURS_ADDRESS, user, "nothing", history)
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()

    def seed_another(self, name: str) -> Seeded:
        """One more organization, whose mailbox reads the same account on the server and makes nothing."""
        address = f"help@{name.lower()}.test"
        app = create_base_app(Settings.from_environment(self.environment))
        with app.app_context():
            seeded = self._seeded(name, address, self.account.user, "nothing", "all")
            for engine in db.engines.values():
                engine.dispose()
        return seeded

    def _seeded(self, name: str, address: str, user: str, action: str, history: str) -> Seeded:
        values = values_of(address, self.account, self.sink, user=user, action=action, history=history)
        return seed(name, values)

    def _program(self, name: str) -> Program:
        options = ["--port", str(self.services.web_port)] if name == "web" else []
        return Program(
            f"postroom {name}",
            [*_POSTROOM, name, *options],
            log=self.services.folder / "logs" / f"{name}.log",
            environment=self.environment,
            ready=(lambda: answers_on(self.services.web_port)) if name == "web" else None,
        )

    def _mail_session(self) -> imaplib.IMAP4:
        if self._mail is None:
            self._mail = self.account.session()
        return self._mail

    def _leave_database(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        url = self.services.postgres.url(database=DATABASE).replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True, connect_timeout=5)


@contextmanager
def start_installation(
    folder: Path,
    *,
    action: str = "lead",
    with_dovecot: bool = True,
    durable: bool = True,
    history: str = "now",
    starting: Sequence[str] = PROCESSES,
    account: ImapAccount | None = None,
    cluster: Path | None = None,
) -> Iterator[Installation]:
    """An installation in a folder that PostgreSQL's user can reach; everything ends with the block.

    ``action``: lead or case. ``history``: now, or all of what is on the server. ``starting``: processes.
    ``account``: on a server of the caller's own, in place of Dovecot. ``cluster``: PostgreSQL's first data.
    """
    if cluster is not None:
        (folder / "data").mkdir(mode=0o711)
        copy_cluster(cluster, folder / "data" / "postgresql")
    certificates = Certificates(_made(folder / "certificates"))
    with ExitStack() as stack:
        if account is None:
            services, account = _with_mail(
                stack, folder, certificates, with_dovecot=with_dovecot, durable=durable
            )
        else:
            services = _without_mail(stack, folder, durable=durable)
        sink = stack.enter_context(RunningSink(certificates.good))
        installation = Installation(
            services, sink, account, _environment(services, sink, account, certificates)
        )
        command.upgrade(migration_config(services.urls.owner), "head")
        installation.seed(action, history)
        stack.callback(installation.stop)
        if starting:
            installation.start(*starting)
        yield installation


def content_hash(raw: bytes) -> bytes:
    """How an arrival is known by its bytes."""
    return hashlib.sha256(raw).digest()


# --- private ---------------------------------------------------------------------------------

_POSTROOM = (sys.executable, "-m", "commands")
_STORED = """
SELECT f.name, count(*) FROM arrivals a JOIN folders f ON f.id = a.folder_id
WHERE a.account_id = %s AND a.state <> 'stored' GROUP BY f.name
"""
_WAITING = """
SELECT (SELECT count(*) FROM arrivals WHERE state = 'stored'),
       (SELECT count(*) FROM messages WHERE work = 'pending'),
       (SELECT count(*) FROM outgoing WHERE state IN ('ready', 'claimed', 'committing')),
       (SELECT count(*) FROM outgoing
        WHERE state = 'sent' AND copy_state = 'pending' AND (copy_after <= now() OR copy_attempts > 0))
"""
_LATER = tuple(
    f"UPDATE {table} SET {assignment} WHERE id IN"
    f" (SELECT id FROM {table} WHERE {condition} FOR UPDATE SKIP LOCKED)"  # whoever works on it goes on
    for table, assignment, condition in (
        ("accounts", "lease_expires_at = now() - interval '1 second'", "lease_expires_at > now()"),
        ("accounts", "next_attempt_at = now()", "next_attempt_at > now()"),
        ("outgoing", "claim_expires_at = now()", "state IN ('claimed', 'committing')"),
        ("outgoing", "next_attempt_at = now()", "state = 'ready' AND next_attempt_at > now()"),
        ("outgoing", "copy_after = now()", "state = 'sent' AND copy_state = 'pending'"),
        ("messages", "work_after = now()", "work = 'pending' AND work_after > now()"),
    )
)
_REPORT = {
    "accounts": "SELECT address, state, last_error, lease_owner, lease_expires_at::text FROM accounts",
    "arrivals": "SELECT state, count(*), max(attempts) FROM arrivals GROUP BY 1",
    "messages": "SELECT direction, work, count(*), max(work_error) FROM messages GROUP BY 1, 2",
    "outgoing": "SELECT state, count(*), max(last_error) FROM outgoing GROUP BY 1",
}


def _with_mail(
    stack: ExitStack, folder: Path, certificates: Certificates, *, with_dovecot: bool, durable: bool
) -> tuple[Services, ImapAccount]:
    if with_dovecot:
        dovecot = stack.enter_context(start_dovecot(certificates.good))
        return _without_mail(stack, folder, durable=durable), ImapAccount(
            "localhost",
            dovecot.tls_port,
            "tls",
            "acme",
            dovecot.password,
            certificates.ca_file,
            dovecot.port,
            dovecot.folder / "mail" / "acme",
        )
    users = [MailUser("acme", "secret"), MailUser("neighbour-acme", "secret")]
    services = stack.enter_context(
        Services(folder / "data", durable=durable, mail_users=users, web_port=free_port())
    )
    assert services.mail is not None
    return services, ImapAccount("127.0.0.1", services.mail.imap_port, "none", "acme", "secret")


def _without_mail(stack: ExitStack, folder: Path, *, durable: bool) -> Services:
    return stack.enter_context(
        Services(folder / "data", durable=durable, with_mail=False, web_port=free_port())
    )


def _environment(
    services: Services, sink: Sink, account: ImapAccount, certificates: Certificates
) -> dict[str, str]:
    return services.environment() | {
        "POSTROOM_PERMITTED_NETWORKS": "127.0.0.0/8,::1/128",
        "POSTROOM_PERMITTED_PORTS": f"{account.port},{sink.tls_port}",
        "POSTROOM_CA_FILE": str(certificates.ca_file),
        "POSTROOM_CHEAP_PASSWORDS": "1",
    }


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    return folder
