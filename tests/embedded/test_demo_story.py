"""The demo as a visitor meets it: one command, one URL, mail that arrives, and nothing left behind."""

import http.cookiejar
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.folders import temporary_folder
from embedded.processes import PROJECT, free_port, python_environment
from embedded.sample import ACCOUNTS, PASSWORD
from embedded.sample.letters import letters
from tests.factories import csrf_token
from tests.processes import wait_for

STARTING, ARRIVING = 240, 180  # seconds, on a machine that does much else
LOOK = 0.5  # seconds from one look at a page to the next: whoever makes it delivers the mail, too


class Demo:
    """``postroom demo`` in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.said = folder.parent / "said"
        command = [sys.executable, "-P", "-m", "commands", "demo", "--data", str(folder), "--no-browser"]
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [*command, "--port", str(free_port()), *options],
                stdout=said,
                stderr=said,
                cwd=PROJECT,
                env=python_environment() | {"POSTROOM_CHEAP_PASSWORDS": "1"},
            )
        wait_for(lambda: self.url or self.process.poll() is not None, STARTING)
        assert self.url, self.said.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"is ready:\s+(http://\S+?)/\s", self.said.read_text())
        return found[1] if found else ""

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def processes(self) -> list[int]:
        """Every process that knows the folder: by its words or by its environment."""
        word = str(self.folder).encode()
        pids = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}
        return [pid for pid in pids - {os.getpid()} if word in _about(pid)]


def _about(pid: int) -> bytes:
    process = Path(f"/proc/{pid}")
    try:
        return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    except OSError:
        return b""


class Browser:
    """Somebody who is signed in."""

    def __init__(self, url: str, address: str) -> None:
        self.url = url
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self.post("/sign-in", address=address, password=PASSWORD)

    def get(self, path: str) -> str:
        with self._opener.open(self.url + path, timeout=60) as answer:
            return answer.read().decode()

    def post(self, path: str, **values: str) -> str:
        """The page that the answer leads to; its address is kept in ``at``."""
        values["csrf_token"] = csrf_token(self.get(path))
        data = urllib.parse.urlencode(values).encode()
        with self._opener.open(self.url + path, data, timeout=60) as answer:
            self.at = urllib.parse.urlsplit(answer.url).path
            return answer.read().decode()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder / "demo"


@pytest.fixture(scope="module")
def demo(place: Path) -> Iterator[Demo]:
    """The demo on an empty folder, as after a fresh clone."""
    demo = Demo(place)
    yield demo
    if demo.process.poll() is None:
        demo.stop()


@pytest.fixture(scope="module")
def amelia(demo: Demo) -> Browser:
    return Browser(demo.url, "amelia.wright@lumenbooks.example")


def run_beside(demo: Demo, *words: str) -> "subprocess.CompletedProcess[str]":
    """Another command of the product, set up by the file that the demo writes for that."""
    lines = (demo.folder / "environment").read_text().splitlines()
    pairs = [shlex.split(line.removeprefix("export "))[0].partition("=") for line in lines]
    environment = python_environment() | {name: value for name, _, value in pairs}
    command = [sys.executable, "-P", "-m", "commands", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT)


def test_it_prints_one_address_and_the_accounts(demo):
    said = demo.said.read_text()
    assert said.count("http://") == 1
    assert PASSWORD in said
    for account in ACCOUNTS:
        assert account.address in said
    assert "without encryption" in said


def test_everybody_named_can_sign_in(demo):
    for account in ACCOUNTS:
        assert account.name in Browser(demo.url, account.address).get("/")


def test_messages_of_customers_become_conversations_leads_and_cases(demo, amelia):
    wait_for(lambda: "Margaret Doyle" in amelia.get("/mail/"), ARRIVING, every=LOOK)
    wait_for(lambda: "Where is my parcel?" in amelia.get("/cases/"), ARRIVING, every=LOOK)
    wait_for(lambda: "Library order" in amelia.get("/leads/"), ARRIVING, every=LOOK)
    jonas = Browser(demo.url, "jonas.petersen@nordwind.example")
    wait_for(lambda: "The soles of my boots" in jonas.get("/cases/"), ARRIVING, every=LOOK)
    assert "Margaret Doyle" not in jonas.get("/mail/")


def test_what_lay_in_the_mailboxes_before_is_there_and_made_no_records(amelia):
    wait_for(lambda: "小野" in amelia.get("/mail/") or "Haruka" in amelia.get("/mail/"), ARRIVING, every=LOOK)
    assert "詩集の在庫について" not in amelia.get("/cases/")


def test_a_visitor_writes_as_a_customer_and_sees_lead_and_answer(demo, amelia):
    amelia.post(
        "/demo/write/",
        sender="Nora Field <nora@field.example>",
        mailbox="sales@lumenbooks.example",
        kind="person",
        subject="Books for our village library",
        text="We have 300 pounds and 14 children who read. What do you suggest?",
    )
    letter = amelia.at
    wait_for(lambda: "libraries get 35 %" in amelia.get(letter), ARRIVING, every=LOOK)
    seen = amelia.get(letter)
    assert re.search(r'href="/leads/[0-9a-f-]{36}"', seen)
    assert "every 1s" not in seen
    assert "Books for our village library" in amelia.get("/leads/")


def test_the_invariants_hold(demo):
    checked = run_beside(demo, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_its_export_is_what_was_applied_and_holds_no_secret(demo):
    exported = run_beside(demo, "export")
    assert exported.returncode == 0
    assert "slug: nordwind" in exported.stdout
    assert PASSWORD not in exported.stdout


def test_a_second_demo_on_the_same_folder_is_refused(demo):
    again = subprocess.run(
        [sys.executable, "-P", "-m", "commands", "demo", "--data", str(demo.folder), "--no-browser"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=python_environment(),
    )
    assert again.returncode == 1
    assert "already runs" in again.stderr


def test_it_ends_whole_and_begins_again_with_everything_kept(demo, amelia):
    wait_for(lambda: sent(demo) == len(letters("arriving.yaml")), ARRIVING)
    assert demo.processes()
    assert demo.stop() == 0
    assert demo.processes() == []
    again = Demo(demo.folder)
    try:
        browser = Browser(again.url, "amelia.wright@lumenbooks.example")
        assert "Books for our village library" in browser.get("/leads/")
        assert "Preparing" not in again.said.read_text()
        assert run_beside(again, "check").returncode == 0
    finally:
        assert again.stop() == 0
    assert again.processes() == []


def sent(demo: Demo) -> int:
    return int(json.loads((demo.folder / "demo.json").read_text())["sent_count"])
