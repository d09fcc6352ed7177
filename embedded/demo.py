"""The demo: everything on one machine, from an empty folder to a page with mail in it.

`run_demo` is the story; every process belongs to one `Supervisor` and ends with it.
"""

import json
import os
import shlex
import shutil
import socket
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedded.environment import DEFAULT_WEB_PORT, Services
from embedded.errors import EmbeddedServerError
from embedded.mail.post import deliver
from embedded.processes import PROJECT, Program, refuse_foreign
from embedded.sample import ACCOUNTS, MAIL_USERS, PASSWORD, PEOPLE
from embedded.sample.letters import Letter, letters, written
from embedded.supervisor import Supervisor

if TYPE_CHECKING:
    from flask import Flask

PORTS_TRIED = 100
SECONDS_TO_STOP = 5
_STATE = "demo.json"
_ENVIRONMENT = "environment"
_OURS = "state.json"  # what `Services` leaves in a folder of its own
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What the person who starts the demo asked for. ``port`` None: the usual one, else the next."""

    folder: Path
    port: int | None = None
    opens_browser: bool = True
    resets: bool = False
    develops: bool = False


@dataclass
class _Progress:
    """How far the sample data has come; the ports (IMAP, SMTP) that the mailboxes were told, the tables."""

    has_history: bool = False
    has_organizations: bool = False
    sent_count: int = 0
    has_worked: bool = False
    ports: list[int] = field(default_factory=list)
    revision: str = ""


def run_demo(wishes: Wishes, say: Say) -> None:
    """Start everything, print the way in, and keep it running until Ctrl-C."""
    _refuse_strange(wishes)
    port = _web_port(wishes.port, say)
    try:
        with Supervisor(wishes.folder, report=say) as supervisor:
            if wishes.resets:
                _empty(wishes.folder)
            demo = _Demo(supervisor, wishes, port, say)
            demo.start()
            with demo.brought_to_life():
                supervisor.run()
    except Exception as error:
        if not _was_interrupted(error):
            raise
    except KeyboardInterrupt:
        pass  # asked to stop while it was starting
    say("Everything has ended.")


class _Demo:
    """One run."""

    def __init__(self, supervisor: Supervisor, wishes: Wishes, port: int, say: Say) -> None:
        self._supervisor = supervisor
        self._wishes = wishes
        self._say = say
        self._services = Services(wishes.folder, mail_users=(*MAIL_USERS, *PEOPLE), web_port=port)
        self._environment = self._services.environment() | {"POSTROOM_DEMO": "1"}
        self._progress = _kept_progress(wishes.folder)
        self._app: Flask | None = None

    def start(self) -> None:
        """From nothing to a page that can be opened."""
        if not self._progress.has_organizations:
            self._say("Preparing the demo: this takes half a minute, once …")
        if self._services.redis.warning:
            self._say(self._services.redis.warning)
        _keep_environment(self._wishes.folder, self._environment)
        web = self._web()
        if self._progress.revision == _newest_revision():  # its pages can be loaded meanwhile
            self._supervisor.launch(web)
        self._services.start_under(self._supervisor)
        self._prepare_data(web)
        self._supervisor.start(web)
        self._say(_banner(self._services, self._wishes))
        if self._wishes.opens_browser and has_display(os.environ):
            webbrowser.open(self._services.base_url)
        for name in ("worker", "schedule", "watch"):
            self._supervisor.add(name, _postroom(name), environment=self._environment)

    @contextmanager
    def brought_to_life(self) -> Iterator[None]:
        """Meanwhile the customers write and the staff begins to work, in a thread of their own.

        Signals reach the main thread only, so that Ctrl-C never interrupts a statement half-way.
        """
        is_over = threading.Event()
        people = threading.Thread(target=self._live, args=(is_over,), name="people", daemon=True)
        people.start()
        try:
            yield
        finally:
            is_over.set()
            people.join(SECONDS_TO_STOP)

    def _live(self, is_over: threading.Event) -> None:
        for _ in self._deeds():
            if is_over.wait(0.1):
                return

    def _deeds(self) -> Iterator[None]:
        """One thing that a person does for each ``next``."""
        everything = letters("arriving.yaml")
        while self._progress.sent_count < len(everything):
            with suppress(OSError):  # the mail server is being revived: the next turn tries again
                self._send(everything[self._progress.sent_count], everything)
            yield
        if not self._progress.has_worked:
            from embedded.sample import staff  # the domain: a second to load

            yield from staff.work(self._application())
            self._progress.has_worked = True
            self._keep_progress()

    def _send(self, letter: Letter, everything: list[Letter]) -> None:
        sender = letter.sender_address if letter.envelope_sender is None else letter.envelope_sender
        url = self._environment["POSTROOM_CUSTOMER_SMTP_URL"]
        deliver(url, written(letter, everything), sender=sender, recipients=[letter.recipient])
        self._progress.sent_count += 1
        self._keep_progress()

    def _prepare_data(self, web: Program) -> None:
        """Nothing of this is needed, nor loaded, when an earlier run did it on the same ports."""
        progress, ports = self._progress, self._mail_ports()
        if progress.revision == _newest_revision() and progress.ports == list(ports):
            return
        from embedded.sample import planting  # migrations and the domain: a second to load

        planting.migrate(self._services.urls.owner)
        self._supervisor.launch(web)
        if not progress.has_history:
            planting.append_history(ports[0])
            progress.has_history = True
            self._keep_progress()
        if not progress.has_organizations:
            planting.apply_organizations(self._application(), *ports)
        elif progress.ports != list(ports):
            planting.move_accounts(self._application(), *ports)
        progress.has_organizations = True
        progress.ports, progress.revision = list(ports), _newest_revision()
        self._keep_progress()

    def _web(self) -> Program:
        port = self._services.web_port
        words = _postroom("web", "--port", str(port))
        if self._wishes.develops:
            words = [sys.executable, "-m", "uvicorn", "webapp.events:asgi_app", "--factory"]
            words += ["--port", str(port), "--reload", "--no-access-log"]
            for package in ("tenants", "mailboxes", "workers", "webapp"):
                words += ["--reload-dir", str(PROJECT / package)]
        ready_url = f"{self._services.base_url}/readyz"
        log = self._supervisor.logs / "web.log"
        return Program(
            "web", words, log=log, environment=self._environment, ready=lambda: _answers(ready_url)
        )

    def _application(self) -> "Flask":
        if self._app is None:
            from tenants.application import create_base_app
            from tenants.settings import Settings

            self._app = create_base_app(Settings.from_environment(self._environment), "embedded")
        return self._app

    def _mail_ports(self) -> tuple[int, int]:
        mail = self._services.mail
        assert mail is not None  # noqa: S101  # the demo is nothing without it
        return mail.imap_port, mail.smtp_port

    def _keep_progress(self) -> None:
        path = self._wishes.folder / _STATE
        draft = path.with_suffix(".fresh")
        draft.write_text(json.dumps(asdict(self._progress)))
        draft.replace(path)


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: it may hit in the middle of anything while we start."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def has_display(environment: Mapping[str, str]) -> bool:
    """Whether a browser window could be seen here."""
    return sys.platform == "darwin" or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _refuse_strange(wishes: Wishes) -> None:
    """`EmbeddedServerError` for a folder of somebody else's, or one whose loss would hurt."""
    folder = wishes.folder
    if not folder.exists():
        return
    if not folder.is_dir():
        raise EmbeddedServerError(f"{folder} is no folder. Choose another one with --data.")
    refuse_foreign(folder, {os.geteuid()})
    if any(folder.iterdir()) and not (folder / _OURS).exists() and not (folder / "lock").exists():
        raise EmbeddedServerError(
            f"{folder} holds something else. Choose an empty or a new folder with --data."
        )


def _empty(folder: Path) -> None:
    """Delete what earlier runs left; the lock is held, so nobody uses it."""
    for entry in folder.iterdir():
        if entry.name in {"lock", "logs"}:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _web_port(wanted: int | None, say: Say) -> int:
    if wanted is not None:
        if not _is_free(wanted):
            raise EmbeddedServerError(
                f"Another program uses port {wanted}. Stop it, or choose another port with --port."
            )
        return wanted
    for port in range(DEFAULT_WEB_PORT, DEFAULT_WEB_PORT + PORTS_TRIED):
        if _is_free(port):
            if port != DEFAULT_WEB_PORT:
                say(f"Port {DEFAULT_WEB_PORT} is used by another program, so the demo takes {port}.")
            return port
    raise EmbeddedServerError("No usual port is free. Choose one with --port.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _postroom(*words: str) -> list[str]:
    return [sys.executable, "-m", "commands", *words]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own, http
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _newest_revision() -> str:
    """The last migration, by its name: `tenants.database.schema` knows it too, and takes a second to load."""
    return max(path.stem for path in (PROJECT / "migrations" / "versions").glob("[0-9]*.py"))


def _kept_progress(folder: Path) -> _Progress:
    path = folder / _STATE
    return _Progress(**json.loads(path.read_text())) if path.exists() else _Progress()


def _keep_environment(folder: Path, environment: Mapping[str, str]) -> None:
    """For whoever wants to run a command of the product beside the demo, readable by us only."""
    path = folder / _ENVIRONMENT
    path.touch(mode=0o600)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items())]
    path.write_text("".join(lines))


def _banner(services: Services, wishes: Wishes) -> str:
    width = max(len(account.address) for account in ACCOUNTS)
    people = "\n".join(f"  {account.address:<{width}}  {account.what}" for account in ACCOUNTS)
    what = "The development server" if wishes.develops else "The demo"
    return f"""
{what} is ready:  {services.base_url}/

Sign in as one of these, all with the password  {PASSWORD}
{people}

Messages of customers arrive in the next seconds. Write one yourself: “Write as a customer” in the header.

For looking around only: the database and the queue ask for no password from whoever may enter
{wishes.folder} (you, and the administrator of this machine); everything else listens on
127.0.0.1 without encryption. Nothing leaves this machine, not even mail.

What you do is kept there; --reset begins anew. Logs: {wishes.folder / "logs"}
Other commands: . {wishes.folder / _ENVIRONMENT} && postroom check
Ctrl-C ends everything.
"""
