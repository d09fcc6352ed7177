"""A private Dovecot on 127.0.0.1: any user with the password ``secret``, mail in a folder of its own.

Works as root and as an ordinary user. Needs Debian's dovecot-imapd; without it the tests that use
the `dovecot` fixture are skipped with the line that installs it, and fail where ``CI=true``.
"""

import grp
import imaplib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedded.folders import temporary_folder
from embedded.processes import free_port
from tests.certificates import Certificates, ServerCertificate
from tests.services import missing

PASSWORD = "secret"

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
instance_name = tests-{port}
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
first_valid_uid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_location = {format}:{folder}/mail/%u
mail_fsync = never
mailbox_list_index = yes
mail_max_userip_connections = 500
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = allow_all_users=yes uid={uid} gid={gid} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
  vsz_limit = 0
}}
service imap {{
  process_limit = 512
  vsz_limit = 0
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
default_vsz_limit = 0
{more}
"""


OAUTH2 = """
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""


class Dovecot:
    """One running server. ``port`` speaks IMAP with STARTTLS, ``tls_port`` IMAPS, for ``localhost``.

    ``settings``: lines of configuration by key, such as ``{"separator": "."}``; keys that the template
    does not name (``disable_plaintext_auth``) are added at its end and win. ``oauth2``: the content of a
    file for its oauth2 passdb: then it takes tokens, too.
    """

    host = "localhost"
    password = PASSWORD

    def __init__(
        self,
        folder: Path,
        certificate: ServerCertificate,
        settings: Mapping[str, str] | None = None,
        oauth2: str = "",
    ) -> None:
        self.folder = folder
        self._oauth2 = oauth2
        self.port, self.tls_port = free_port(), free_port()
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._settings = {"separator": "/", "prefix": "", "format": "maildir", **(settings or {})}
        self._prepare(certificate)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Dovecot":
        self._process = subprocess.Popen(
            [_program("dovecot"), "-F", "-c", str(self._configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._await_start()
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def new_user(self) -> str:
        """A user nobody has used: an empty account."""
        return f"u{uuid.uuid4().hex[:12]}"

    def append(self, user: str, folder: str, raw: bytes, flags: str = "", when: str | None = None) -> int:
        """File a message (bytes with CRLF) in a folder, making the folder if need be; return its UID."""
        with self.session(user) as session:
            _folder = f'"{folder}"'
            session.create(_folder)
            outcome, answer = session.append(_folder, flags, when, raw)
            assert outcome == "OK", answer
            return int(answer[0].split(b"]")[0].split()[-1])

    def session(self, user: str) -> imaplib.IMAP4:
        """A second client that is signed in, for changes from outside. Use it as a context manager."""
        session = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        session.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session.login(user, PASSWORD)
        return session

    def doveadm(self, *arguments: str) -> str:
        """Run doveadm on this server and return what it prints, e.g. ``mailbox update -u USER …``."""
        command = [_program("doveadm"), "-c", str(self._configuration), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
        return done.stdout

    def log(self) -> str:
        """What the server has logged so far."""
        path = self.folder / "dovecot.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    @property
    def _configuration(self) -> Path:
        return self.folder / "dovecot.conf"

    def _prepare(self, certificate: ServerCertificate) -> None:
        self.folder.chmod(0o755)
        for name in ("run", "state", "mail", "home"):
            (self.folder / name).mkdir()
            if name in {"mail", "home"}:
                os.chown(self.folder / name, self._account.pw_uid, self._account.pw_gid)
        for name, path in (("chain", certificate.chain), ("key", certificate.key)):
            shutil.copy(path, self.folder / f"{name}.pem")
        known = {key: value for key, value in self._settings.items() if f"{{{key}}}" in CONFIGURATION}
        more = [f"{key} = {value}" for key, value in self._settings.items() if key not in known]
        if self._oauth2:
            (self.folder / "oauth2.conf").write_text(self._oauth2)
            more.append(OAUTH2.format(folder=self.folder))
        self._configuration.write_text(
            CONFIGURATION.format(
                **known,
                folder=self.folder,
                port=self.port,
                tls_port=self.tls_port,
                chain=self.folder / "chain.pem",
                key=self.folder / "key.pem",
                user=self._account.pw_name,
                group=_group_name(self._account.pw_gid),
                uid=self._account.pw_uid,
                gid=self._account.pw_gid,
                password=PASSWORD,
                more="\n".join(more),
            )
        )

    def _await_start(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.02)
        pytest.fail(f"Dovecot did not start:\n{self.log()}")


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """One Dovecot for the session; take a `Dovecot.new_user` in each test."""
    with start_dovecot(certificates.good) as server:
        yield server


@contextmanager
def start_dovecot(
    certificate: ServerCertificate, settings: Mapping[str, str] | None = None, oauth2: str = ""
) -> Iterator[Dovecot]:
    """A Dovecot with settings of its own: ``with start_dovecot(certificates.good, {…}) as server``."""
    if not has_dovecot():
        missing("Dovecot", "apt-get install -y dovecot-imapd")
    with temporary_folder() as folder, Dovecot(folder, certificate, settings, oauth2) as server:
        yield server


_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def has_dovecot() -> bool:
    """Whether a real IMAP server is installed here."""
    return shutil.which("dovecot", path=_PATH) is not None


def _program(name: str) -> str:
    return shutil.which(name, path=_PATH) or name


def _group_name(gid: int) -> str:
    return grp.getgrgid(gid).gr_name
