"""How many messages a second get from the IMAP server to the lead and the answer, while people browse.

Messages come in at an even rate, whatever has become of those before. Members have My Emails open, which
follows them live, and open one page after the other meanwhile.
"""

import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.messages import Author
from benchmarks.tables import print_table, spread
from benchmarks.visitor import LIST, Visitor
from embedded.folders import temporary_folder
from mailboxes.parsing import parse
from tests.dovecot import has_dovecot
from tests.faults.installation import Installation, start_installation
from tests.faults.seeding import ADDRESS
from tests.smtp_sink import SunkMessage

PATIENCE = 300.0  # seconds for what is left when no more comes in
VISITORS = 3
READING_SECONDS = 1.0  # between two pages of one of them
PAGES = (LIST, "/mail/?view=unread", "/leads/")


def run(rate: float, seconds: float, *, with_dovecot: bool = True) -> dict[str, Any]:
    """Let so many messages a second come in for so long, print the tables and return the figures."""
    is_real = with_dovecot and has_dovecot()
    with (
        temporary_folder() as folder,
        start_installation(folder, with_dovecot=is_real) as installation,
    ):
        installation.settle(PATIENCE)
        pages: list[float] = []
        with _browsing(installation, pages):
            appended, answered = _measured(installation, rate, seconds)
    delays = [answered[id] - at for id, at in appended.items() if id in answered]
    first, last = min(appended.values()), max(appended.values())
    figures: dict[str, Any] = {
        "messages": len(appended),
        "unanswered": len(appended) - len(delays),
        "asked for a second": rate,
        "came in a second": len(appended) / (last - first),
        "answered a second": len(delays) / (max(answered.values(), default=last) - first),
        "append to answer": spread(delays),
        "pages": spread(pages),
    }
    _print(figures, "Dovecot" if is_real else "the embedded mail server")
    return figures


def _measured(
    installation: Installation, rate: float, seconds: float
) -> tuple[dict[str, float], dict[str, float]]:
    """By Message-ID, when a message was appended, and when its answer was at the SMTP server."""
    appended: dict[str, float] = {}
    answered: dict[str, float] = {}

    def note(message: SunkMessage) -> None:
        answered.setdefault(parse(message.content).in_reply_to or "", time.monotonic())

    installation.sink.on_data = note
    author, began = Author(ADDRESS, seed=int(time.time())), time.monotonic()
    for number in range(round(rate * seconds)):
        raw = author.question()[1]
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        installation.append(raw)
        appended[parse(raw).message_id or ""] = time.monotonic()
    until = time.monotonic() + PATIENCE
    while not appended.keys() <= answered.keys() and time.monotonic() < until:
        time.sleep(0.05)
    return appended, answered


@contextmanager
def _browsing(installation: Installation, seconds: list[float]) -> Iterator[None]:
    """Members open one page after the other meanwhile; how long each took."""
    is_over = threading.Event()
    with ExitStack() as stack:
        for _ in range(VISITORS):
            visitor = stack.enter_context(Visitor(installation.base_url, installation.ours.member_address))
            browsing = threading.Thread(target=_browse, args=(visitor, seconds, is_over), daemon=True)
            browsing.start()
            stack.callback(browsing.join)
        stack.callback(is_over.set)
        yield


def _browse(visitor: Visitor, seconds: list[float], is_over: threading.Event) -> None:
    conversation = ""
    for path in itertools.cycle(PAGES):
        for url in filter(None, (path, conversation)):
            began = time.monotonic()
            html = visitor.page(url)
            seconds.append(time.monotonic() - began)
            found = re.search(r'href="(/mail/conversations/[0-9a-f-]{36})', html)
            conversation = found[1] if found else conversation
            if is_over.wait(READING_SECONDS):
                return


def _print(figures: dict[str, Any], server: str) -> None:
    names = ("messages", "unanswered", "asked for a second", "came in a second", "answered a second")
    title = f"Sustained, on {server}, while {VISITORS} people browse"
    print_table(title, names, [[figures[name] for name in names]])
    rows = [[name, *figures[name].values()] for name in ("append to answer", "pages") if figures[name]]
    print_table("Seconds", ("", "min", "median", "p95", "max"), rows)
