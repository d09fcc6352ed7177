"""The servers of the demo, of development and of whole-system tests, and how to reach them."""

import base64
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from embedded.mail.people import MailUser
from embedded.mail.server import MailServer
from embedded.postgres import DatabaseUrls, Postgres, database_urls, prepare_database
from embedded.processes import ChildProcess, free_port
from embedded.redis import Redis
from embedded.supervisor import Supervisor

DATABASE = "postroom"
DEFAULT_WEB_PORT = 8025
RECEIVER_PORT = 8026  # where the program may listen of somebody who tries webhooks


class Services:
    """PostgreSQL, Redis and (unless told otherwise) mail on one data folder.

    Either a context manager that runs them itself, or `start_under` a supervisor. What is made up
    once, the secrets and the ports of the mail server, is kept in ``state.json`` (readable by us
    only), so that a second run finds what the first one stored.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        with_mail: bool = True,
        mail_users: Iterable[MailUser] | None = None,
        web_port: int | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        self._state = _kept_state(self.folder / "state.json")
        self.web_port = web_port or free_port(DEFAULT_WEB_PORT)
        logs = self.folder / "logs"
        self.postgres = Postgres(self.folder / "postgresql", durable=durable, log=logs / "postgresql.log")
        self.redis = Redis(self.folder / "redis", log=logs / "redis.log")
        self.mail = self._mail_server(mail_users, logs) if with_mail else None

    def __enter__(self) -> Self:
        try:
            for child in self._children():
                child.launch()
            for child in self._children():
                child.wait_until_ready()
            prepare_database(self.postgres, DATABASE)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def urls(self) -> DatabaseUrls:
        """How each role reaches the database."""
        return database_urls(self.postgres, DATABASE)

    @property
    def base_url(self) -> str:
        """Where a browser on this machine finds the pages."""
        return f"http://127.0.0.1:{self.web_port}"

    def start_under(self, supervisor: Supervisor) -> None:
        """Start the servers as children of a supervisor, which revives and stops them."""
        supervisor.start(*self._children())
        prepare_database(self.postgres, DATABASE)

    def stop(self) -> None:
        """Stop all of them, the last started first."""
        for child in reversed(self._children()):
            child.stop()

    def environment(self) -> dict[str, str]:
        """The ``POSTROOM_*`` variables for every process of the product."""
        variables = {
            "POSTROOM_DATABASE_URL": self.urls.app,
            "POSTROOM_SYSTEM_DATABASE_URL": self.urls.system,
            "POSTROOM_OWNER_DATABASE_URL": self.urls.owner,
            "POSTROOM_REDIS_URL": self.redis.url,
            "POSTROOM_SECRET_KEY": self._state.secret_key,
            "POSTROOM_ENCRYPTION_KEYS": self._state.encryption_keys,
            "POSTROOM_OBJECT_STORE": self._object_store().as_uri(),
            "POSTROOM_BASE_URL": self.base_url,
            "POSTROOM_PERMITTED_NETWORKS": "127.0.0.0/8",
            "POSTROOM_RESERVED_DOMAINS": "1",
        }
        return variables | self._mail_environment()

    def _children(self) -> Sequence[ChildProcess]:
        """In the order of starting; the slowest to wake up first."""
        return [child for child in (self.mail, self.redis, self.postgres) if child is not None]

    def _mail_server(self, users: Iterable[MailUser] | None, logs: Path) -> MailServer:
        """On the ports of the last run, unless another program took them meanwhile."""
        self._state.imap_port = free_port(self._state.imap_port)
        self._state.smtp_port = free_port(self._state.smtp_port)
        _keep(self.folder / "state.json", self._state)
        return MailServer(
            self.folder / "mail",
            users=users,
            imap_port=self._state.imap_port,
            smtp_port=self._state.smtp_port,
            log=logs / "mail.log",
        )

    def _mail_environment(self) -> dict[str, str]:
        if self.mail is None:
            return {}
        return {
            "POSTROOM_PERMITTED_PORTS": f"{self.mail.imap_port},{self.mail.smtp_port},{RECEIVER_PORT}",
            "POSTROOM_CUSTOMER_SMTP_URL": self.mail.smtp_url,
            "POSTROOM_CUSTOMER_MAIL_DIRECTORY": str(self.mail.customers.folder),
        }

    def _object_store(self) -> Path:
        folder = self.folder / "objects"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


@dataclass
class _State:
    """What a data folder remembers from one run to the next."""

    secret_key: str
    encryption_keys: str
    imap_port: int | None = None
    smtp_port: int | None = None


def _kept_state(path: Path) -> _State:
    if path.exists():
        return _State(**json.loads(path.read_text()))
    fresh = _State(
        secret_key=secrets.token_urlsafe(48),
        encryption_keys="1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    )
    _keep(path, fresh)
    return fresh


def _keep(path: Path, state: _State) -> None:
    draft = path.with_suffix(".fresh")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(state), indent=1))
    draft.replace(path)
