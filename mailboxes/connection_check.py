"""*Check connection*: every step apart, each failure with the next thing to do (product §3.2).

A step after a failed one is skipped, so that a person looks at the right place. What the egress guard
refuses is one step with one text: nothing about a target that may not be reached, no banner (T8).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from mailboxes import egress
from mailboxes.egress import EgressPolicy
from mailboxes.errors import CommandRefusedError, FolderUnavailableError, MailServerError
from mailboxes.imap import FolderListing, FolderStatus, ImapConnection, ImapSettings
from mailboxes.smtp import SmtpConnection, SmtpSettings
from mailboxes.wire import Certificate, Timeouts

Protocol = Literal["imap", "smtp"]
State = Literal["ok", "failed", "skipped", "warning"]
StepName = Literal["name", "tcp", "tls", "login", "folders"]

EXPIRY_WARNING_DAYS = 14
COUNTING_SECONDS = 5.0
LONGEST_SAID = 200  # characters of what a server that has let us in says
INBOX_REFUSED = (
    "Permit other programs to read the account, in its settings at the provider, or ask the provider what it "
    "demands of them."
)
IMPATIENCE = Timeouts(connect=8, greeting=10, command=15, body=15)
STEP_LABELS: dict[StepName, str] = {
    "name": "Host name",
    "tcp": "Connection",
    "tls": "Encryption",
    "login": "Sign-in",
    "folders": "Folders",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. ``detail``: what was found. ``advice``: what to do next, or empty."""

    name: StepName
    protocol: Protocol
    state: State
    detail: str = ""
    advice: str = ""
    milliseconds: int = 0

    @property
    def label(self) -> str:
        """The step for people."""
        return STEP_LABELS[self.name]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found; ``folders`` are there if the folders step was reached."""

    steps: tuple[Step, ...]
    folders: tuple[FolderListing, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether everything that was asked for works (warnings are no failures)."""
        return all(step.state in {"ok", "warning"} for step in self.steps)

    def failed(self, protocol: Protocol) -> Step | None:
        """The step at which a protocol failed."""
        found = (step for step in self.steps if step.state == "failed")
        return next((step for step in found if step.protocol == protocol), None)


def check_connection(
    imap: ImapSettings | None,
    smtp: SmtpSettings | None,
    policy: EgressPolicy,
) -> CheckReport:
    """Try each step of each protocol; never raises for what a server does.

    Somebody waits for the answer, so every time-out is the shorter of the settings' and `IMPATIENCE`; but for
    the list of folders, which takes some servers half a minute.
    """
    steps: list[Step] = []
    folders: tuple[FolderListing, ...] = ()
    if imap is not None:
        found, folders = _check_imap(imap, policy)
        steps += found
    if smtp is not None:
        steps += _check_smtp(smtp, policy)
    return CheckReport(tuple(steps), folders)


@dataclass(slots=True)
class _Walk:
    """Steps taken so far; after a failure the rest is skipped."""

    protocol: Protocol
    steps: list[Step] = field(default_factory=list)
    has_failed: bool = False

    @contextmanager
    def step(self, name: StepName) -> Iterator["_Finding"]:
        """Time one step and note how it ended."""
        finding = _Finding()
        started = time.monotonic()
        try:
            yield finding
        except MailServerError as error:
            self.has_failed = True
            finding = _Finding("failed", error.message, error.advice)
        elapsed = round((time.monotonic() - started) * 1000)
        self.steps.append(Step(name, self.protocol, finding.state, finding.detail, finding.advice, elapsed))

    def take(self, name: StepName, action: Callable[["_Finding"], None]) -> None:
        """Take one step, unless an earlier one has failed."""
        if self.has_failed:
            self.steps.append(Step(name, self.protocol, "skipped"))
            return
        with self.step(name) as finding:
            action(finding)


@dataclass(slots=True)
class _Finding:
    state: State = "ok"
    detail: str = ""
    advice: str = ""


def _check_imap(settings: ImapSettings, policy: EgressPolicy) -> tuple[list[Step], tuple[FolderListing, ...]]:
    connection = ImapConnection(replace(settings, timeouts=_shortened(settings.timeouts)), policy)
    walk = _Walk("imap")
    found: list[FolderListing] = []

    def list_folders(finding: _Finding) -> None:
        listed = connection.folders(seconds=settings.timeouts.command)
        _open_the_inbox(connection, listed)
        found.extend(_with_counts(connection, listed, settings.timeouts.command))
        _judge_folders(finding, found)

    try:
        _reach(walk, connection, policy)
        walk.take("folders", list_folders)
    finally:
        connection.close()
    return walk.steps, tuple(found)


def _check_smtp(settings: SmtpSettings, policy: EgressPolicy) -> list[Step]:
    connection = SmtpConnection(replace(settings, timeouts=_shortened(settings.timeouts)), policy)
    walk = _Walk("smtp")
    try:
        _reach(walk, connection, policy)
    finally:
        connection.close()
    return walk.steps


def _reach(
    walk: _Walk,
    connection: ImapConnection | SmtpConnection,
    policy: EgressPolicy,
) -> None:
    """Name, TCP, TLS and login: alike for both protocols."""
    settings = connection.settings
    targets: list[egress.Target] = []

    def look_up(finding: _Finding) -> None:
        seconds = settings.timeouts.connect
        target = egress.resolve(settings.host, settings.port, policy, seconds)
        targets.append(target)
        finding.detail = f"{target.name} was found."

    def connect(finding: _Finding) -> None:
        connection.connect(targets[0])
        finding.detail = f"The server answers on port {settings.port}."

    def secure(finding: _Finding) -> None:
        connection.secure()
        _judge_encryption(finding, connection.certificate)

    def log_in(finding: _Finding) -> None:
        connection.log_in()
        finding.detail = f"Signed in as {settings.user}." if settings.user else "No sign-in is needed."

    walk.take("name", look_up)
    walk.take("tcp", connect)
    walk.take("tls", secure)
    walk.take("login", log_in)


def _judge_encryption(finding: _Finding, certificate: Certificate | None) -> None:
    if certificate is None:
        finding.state = "warning"
        finding.detail = "The connection is not encrypted."
        finding.advice = "Anyone on the way can read password and messages. Choose SSL/TLS or STARTTLS."
        return
    expires = certificate.expires_at
    finding.detail = (
        f"{certificate.tls_version}, certificate of {certificate.subject} by {certificate.issuer}, "
        f"valid until {expires:%Y-%m-%d}."
    )
    if (expires - datetime.now(UTC)).days < EXPIRY_WARNING_DAYS:
        finding.state = "warning"
        finding.advice = "The certificate expires soon; the operator of the server should renew it."


def _open_the_inbox(connection: ImapConnection, folders: list[FolderListing]) -> None:
    """Some servers let us in and list what there is, and open nothing for programs they do not like."""
    for folder in folders:
        if folder.special_use == "inbox" and folder.is_selectable:
            try:
                connection.examine(folder.name_raw)
            except CommandRefusedError as error:
                said = "".join(filter(str.isprintable, error.text))[:LONGEST_SAID]
                raise FolderUnavailableError(
                    f"The inbox cannot be opened. The server says: “{said}”", advice=INBOX_REFUSED
                ) from error


def _judge_folders(finding: _Finding, folders: list[FolderListing]) -> None:
    selectable = [folder for folder in folders if folder.is_selectable]
    finding.detail = f"{len(selectable)} folders." if len(selectable) != 1 else "1 folder."
    if not selectable:
        finding.state = "warning"
        finding.advice = "The account shows no folder that can be read. Check it with another program."
    elif not any(folder.special_use == "sent" for folder in selectable):
        finding.state = "warning"
        finding.detail += " None of them is known as the folder of sent messages."
        finding.advice = "Choose the folder for copies of sent messages yourself, or leave it empty."


def _with_counts(
    connection: ImapConnection, folders: list[FolderListing], seconds: float
) -> Iterator[FolderListing]:
    """Numbers of messages, asked folder by folder for a while where they are not told at once."""
    told = connection.statuses(seconds=seconds)
    deadline = time.monotonic() + COUNTING_SECONDS
    for folder in folders:
        status = told.get(folder.name_raw)
        if status is None and folder.is_selectable and time.monotonic() < deadline:
            status = _status(connection, folder)
        yield folder if status is None else _counted(folder, status)


def _status(connection: ImapConnection, folder: FolderListing) -> FolderStatus | None:
    try:
        return connection.status(folder.name_raw)
    except MailServerError as error:
        if error.needs_reconnect:
            raise
        return None


def _counted(folder: FolderListing, status: FolderStatus) -> FolderListing:
    return replace(
        folder,
        message_count=status.messages,
        uid_validity=status.uid_validity,
        uid_next=status.uid_next,
    )


def _shortened(timeouts: Timeouts) -> Timeouts:
    return Timeouts(
        connect=min(timeouts.connect, IMPATIENCE.connect),
        greeting=min(timeouts.greeting, IMPATIENCE.greeting),
        command=min(timeouts.command, IMPATIENCE.command),
        body=min(timeouts.body, IMPATIENCE.body),
    )
