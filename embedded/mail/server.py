"""The embedded mail server as a process of ours."""

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from embedded.mail.people import MailUser, write_users
from embedded.mail.post import CustomersPost
from embedded.processes import (
    answers_on,
    dying_with_parent,
    free_port,
    python_environment,
    stop_process,
    wait_until,
)


class MailServer:
    """IMAP and SMTP on two ports of 127.0.0.1 that stay the same over restarts of this object."""

    def __init__(
        self,
        folder: Path,
        *,
        users: Iterable[MailUser] | None = None,
        imap_port: int | None = None,
        smtp_port: int | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.log = self.folder / "log"
        self.users_file = self.folder / "users.json"
        self.imap_port = imap_port or free_port()
        self.smtp_port = smtp_port or free_port()
        self.customers = CustomersPost(self.folder / "customers")
        self._process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if users is not None or not self.users_file.exists():
            self.set_users(users or ())

    def __enter__(self) -> "MailServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def smtp_url(self) -> str:
        """Where the world delivers."""
        return f"smtp://127.0.0.1:{self.smtp_port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and running else None

    def set_users(self, users: Iterable[MailUser]) -> None:
        """Say who has a mailbox; a running server notices by itself."""
        write_users(self.users_file, users)

    def command(self) -> list[str]:
        """What runs the server, for whoever supervises it."""
        ports = ["--imap-port", str(self.imap_port), "--smtp-port", str(self.smtp_port)]
        places = ["--folder", str(self.folder), "--users", str(self.users_file)]
        return [sys.executable, "-m", "embedded.mail", *places, *ports]

    def is_ready(self) -> bool:
        """Whether both doors are open."""
        return answers_on(self.imap_port) and answers_on(self.smtp_port)

    def start(self) -> None:
        """Start and return when it answers."""
        if self.pid is not None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=python_environment(),
                start_new_session=True,
                preexec_fn=dying_with_parent(signal.SIGTERM),
            )
        try:
            wait_until(self.is_ready, self._process, name="The mail server", log=self.log, seconds=30)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; what it stored stays."""
        if self._process is not None:
            stop_process(self._process, (signal.SIGTERM,), seconds_each=5)
            self._process = None

    def kill(self) -> None:
        """End without any goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
