"""A member in front of My Emails, without a browser: listens as the page does, and looks when it is told."""

import re
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from http.cookiejar import CookieJar
from types import TracebackType
from typing import NamedTuple, Self

from tests.factories import PASSWORD, csrf_token

PAGE_WAITS = 0.3  # seconds in which the page gathers events after it has asked for the list (parts.js)
LIST = "/mail/"
_PART = {"HX-Request": "true", "HX-Target": "list"}


@dataclass
class Seen:
    """When a conversation was first seen in the list, with its lead, and as answered (monotonic clock)."""

    shown_at: float | None = None
    lead_at: float | None = None
    answered_at: float | None = None


@dataclass
class Visitor:
    """One signed-in page. ``seen`` maps subjects to what was seen of them, and when."""

    base_url: str
    address: str
    seen: dict[str, Seen] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._told = threading.Event()
        self._is_over = threading.Event()
        self._changed = threading.Condition()
        self._sign_in()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._look)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._told.set()
        self._events.close()
        for thread in self._threads:
            thread.join(5)

    def page(self, path: str, headers: dict[str, str] | None = None) -> str:
        """What a page says."""
        request = urllib.request.Request(self.base_url + path, headers=headers or {})
        with self._browser.open(request, timeout=30) as answer:
            return str(answer.read().decode())

    def wait_for(self, subject: str, is_done: Callable[[Seen], bool], seconds: float) -> bool:
        """Until the list shows what is waited for; False if it does not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: is_done(self.seen.get(subject, Seen())), timeout=seconds)

    def _sign_in(self) -> None:
        token = csrf_token(self.page("/sign-in"))
        form = {"csrf_token": token, "address": self.address, "password": PASSWORD}
        data = urllib.parse.urlencode(form).encode()
        with self._browser.open(self.base_url + "/sign-in", data=data, timeout=30):
            pass
        self._events = self._browser.open(self.base_url + "/events", timeout=60)

    def _listen(self) -> None:
        try:
            for line in self._events:
                if line.startswith(b"data:"):
                    self._told.set()
        except (OSError, ValueError, AttributeError):
            pass  # closed by us
        self._told.set()

    def _look(self) -> None:
        while not self._is_over.is_set():
            self._told.wait()
            self._told.clear()
            if not self._is_over.is_set():
                asked_at = time.monotonic()
                self._note(self.page(LIST, _PART))
                self._is_over.wait(max(0.0, asked_at + PAGE_WAITS - time.monotonic()))

    def _note(self, html: str) -> None:
        moment = time.monotonic()
        with self._changed:
            for row in rows_of(html):
                seen = self.seen.setdefault(row.subject, Seen())
                seen.shown_at = seen.shown_at or moment
                if row.has_lead:
                    seen.lead_at = seen.lead_at or moment
                if row.is_answered:
                    seen.answered_at = seen.answered_at or moment
            self._changed.notify_all()


class Row(NamedTuple):
    """What the list says of a conversation."""

    subject: str
    has_lead: bool
    is_answered: bool


def rows_of(html: str) -> list[Row]:
    """The conversations of a list."""
    found = []
    for row in html.split('<li class="conversation-row')[1:]:
        subject = re.search(r'class="row-subject"[^>]*>([^<]*)<', row)
        assert subject, "a conversation without a subject: the list has changed"
        found.append(Row(unescape(subject[1]), 'title="Lead' in row, "Auto-replied" in row))
    return found
