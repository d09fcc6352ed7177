"""The embedded mail server as a process of ours."""

import sys
from collections.abc import Iterable
from pathlib import Path

from embedded.mail.people import MailUser, write_users
from embedded.mail.post import CustomersPost
from embedded.processes import ChildProcess, answers_on, free_port, python_environment


class MailServer(ChildProcess):
    """IMAP and SMTP on two ports of 127.0.0.1 that stay the same over restarts of this object."""

    def __init__(
        self,
        folder: Path,
        *,
        users: Iterable[MailUser] | None = None,
        imap_port: int | None = None,
        smtp_port: int | None = None,
        log: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        super().__init__("The mail server", log or self.folder / "log")
        self.users_file = self.folder / "users.json"
        self.imap_port = imap_port or free_port()
        self.smtp_port = smtp_port or free_port()
        self.customers = CustomersPost(self.folder / "customers")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if users is not None or not self.users_file.exists():
            self.set_users(users or ())

    @property
    def smtp_url(self) -> str:
        """Where the world delivers."""
        return f"smtp://127.0.0.1:{self.smtp_port}"

    def set_users(self, users: Iterable[MailUser]) -> None:
        """Say who has a mailbox; a running server notices by itself."""
        write_users(self.users_file, users)

    def launch(self) -> None:
        """Start both servers, in one process."""
        if self.pid is not None:
            return
        ports = ["--imap-port", str(self.imap_port), "--smtp-port", str(self.smtp_port)]
        places = ["--folder", str(self.folder), "--users", str(self.users_file)]
        command = [sys.executable, "-m", "embedded.mail", *places, *ports]
        self._spawn(command, environment=python_environment())

    def is_ready(self) -> bool:
        """Whether both doors are open."""
        return answers_on(self.imap_port) and answers_on(self.smtp_port)
