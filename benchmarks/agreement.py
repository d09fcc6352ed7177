"""Differential truth: mailboxes that sync against clients that change them at random, on a real Dovecot.

Several organizations read the same account, each by itself, while as many clients append, flag, move and
remove what is in it. At each checkpoint the clients rest; then everybody's rows must become what the server
is: folder, UID, SHA-256 and flags of each message (reliability G6).
"""

import imaplib
import random
import re
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from benchmarks.tables import print_table, spread
from embedded.folders import temporary_folder
from tests.faults.installation import Installation, content_hash, start_installation
from tests.faults.letters import Post
from tests.faults.mail_account import INBOX, ImapAccount
from tests.faults.seeding import ADDRESS, SENT
from tests.faults.seeds import SEED

CLIENTS = 4
FEWEST, MOST = 20, 150  # messages in a folder
PAUSE = 0.03
PATIENCE = 120.0
ASKED_EVERY = 10.0
FLAGS = (r"\Seen", r"\Flagged", r"\Answered", "$Forwarded")
PROCESSES = ("worker", "schedule", "watch")

Truth = dict[tuple[str, int], tuple[bytes, frozenset[str]]]


@dataclass(eq=False)
class Client(threading.Thread):
    """Somebody with a mail program who never rests, unless ``turn`` is taken from them."""

    account: ImapAccount
    number: int
    turn: threading.Lock = field(default_factory=threading.Lock)
    is_over: threading.Event = field(default_factory=threading.Event)
    changes: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._chance = random.Random(f"{SEED} {self.number}")
        self._letters = Post(ADDRESS, SEED + self.number).letters(1_000_000)

    def run(self) -> None:
        """Change one thing after another."""
        with self.account.session() as session:
            while not self.is_over.is_set():
                with self.turn, suppress(imaplib.IMAP4.error):  # another client was quicker
                    self._change(session)
                    self.changes += 1
                time.sleep(self._chance.uniform(0, 2 * PAUSE))

    def _change(self, session: imaplib.IMAP4) -> None:
        name = self._chance.choice((INBOX, INBOX, SENT))
        session.select(name)
        found = session.uid("SEARCH", "ALL")[1][0]
        uids = found.split() if found else []
        if len(uids) < FEWEST or (len(uids) < MOST and self._chance.random() < 0.3):
            session.append(name, "", "", next(self._letters).raw)
            return
        act = self._chance.choice((self._flag, self._flag, self._move, self._remove))
        act(session, name, self._chance.choice(uids).decode())

    def _flag(self, session: imaplib.IMAP4, name: str, uid: str) -> None:
        session.uid(
            "STORE", uid, self._chance.choice(("+FLAGS", "-FLAGS")), f"({self._chance.choice(FLAGS)})"
        )

    def _move(self, session: imaplib.IMAP4, name: str, uid: str) -> None:
        session.uid("COPY", uid, SENT if name == INBOX else INBOX)
        if self._chance.random() < 0.7:
            self._remove(session, name, uid)

    def _remove(self, session: imaplib.IMAP4, name: str, uid: str) -> None:
        session.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
        session.expunge()


def run(seconds: float) -> dict[str, Any]:
    """Let them work for so long; print the table and return the figures."""
    took: list[float] = []
    with temporary_folder() as folder, ExitStack() as stack:
        installation = stack.enter_context(
            start_installation(folder, action="nothing", history="all", starting=())
        )
        accounts = [installation.ours.account_id]
        accounts += [installation.seed_another(f"Reader{n}").account_id for n in range(1, CLIENTS)]
        installation.start(*PROCESSES)
        clients = [Client(installation.account, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
            stack.callback(client.is_over.set)
        chance, ends = random.Random(SEED), time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(chance.uniform(1, 4))
            took.append(_checkpoint(installation, accounts, clients))
        with _resting(clients):
            assert installation.check() == ""
        changes = sum(client.changes for client in clients)
    figures: dict[str, Any] = {"checkpoints equal": len(took), "accounts": len(accounts), "changes": changes}
    figures |= {f"seconds until equal, {name}": value for name, value in spread(took).items()}
    print_table(
        f"{CLIENTS} clients against {CLIENTS} accounts, SEED={SEED}", ("what", "figure"), [*figures.items()]
    )
    return figures


def _checkpoint(installation: Installation, accounts: list[UUID], clients: list[Client]) -> float:
    """Until every account is what the server is; how long that took. `AssertionError` if it never is."""
    with _resting(clients):
        began = time.monotonic()
        there, asked_at = _truth(installation.account), 0.0
        while different := [one for one in accounts if _stored(installation, one) != there]:
            assert time.monotonic() < began + PATIENCE, _difference(installation, different[0])
            if time.monotonic() > asked_at + ASKED_EVERY:
                _ask(installation)
                there, asked_at = _truth(installation.account), time.monotonic()  # answers are filed
            time.sleep(0.2)
        return time.monotonic() - began


def _resting(clients: list[Client]) -> ExitStack:
    with ExitStack() as stack:
        for client in clients:
            assert client.is_alive()
            stack.enter_context(client.turn)
        return stack.pop_all()


def _ask(installation: Installation) -> None:
    """As *Compare* does, for everybody; a pass that is under way goes on."""
    installation.rows("UPDATE folders SET compared_at = NULL RETURNING id")
    installation.rows("UPDATE accounts SET next_attempt_at = now() RETURNING id")


def _truth(account: ImapAccount) -> Truth:
    found: Truth = {}
    with account.session() as session:
        for name in (INBOX, SENT):
            session.select(name, readonly=True)
            for one in session.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")[1]:
                if isinstance(one, tuple):
                    told = re.search(rb"UID (\d+) FLAGS \(([^)]*)\)", one[0])
                    assert told is not None, one[0]
                    found[name, int(told[1])] = content_hash(one[1]), _known(told[2].decode().split())
    return found


def _stored(installation: Installation, account_id: UUID) -> Truth:
    rows = installation.rows(_STORED, account_id)
    return {(name, uid): (bytes(sha256), _known(flags)) for name, uid, sha256, flags in rows}


def _known(flags: list[str]) -> frozenset[str]:
    return frozenset(flag for flag in flags if flag != r"\Recent")


def _difference(installation: Installation, account_id: UUID) -> str:
    stored, there = _stored(installation, account_id), _truth(installation.account)
    places = sorted(place for place in stored.keys() | there.keys() if stored.get(place) != there.get(place))
    told = [f"{place}: stored {stored.get(place)}, there {there.get(place)}" for place in places[:10]]
    return "\n".join([f"SEED={SEED}: {len(places)} places differ", *told, installation.report()])


_STORED = """
SELECT f.name, a.uid, a.sha256, a.flags FROM arrivals a
JOIN folders f ON f.owner_id = a.owner_id AND f.id = a.folder_id
WHERE a.account_id = %s AND a.vanished_at IS NULL AND a.state <> 'stored'
"""
