"""A folder of a million messages: taken over newest first, through kills, while new mail comes in (F47, G7).

    ./dev bench million --messages 1000000 --seconds 3600     all of it
    ./dev bench million --kills 10 --seconds 240              as far as it comes in four minutes

The messages are made from a seed when the server is asked for them. Processes that run jobs are killed at
random, and whoever ends is started again; what is stored only ever grows.
"""

import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.processes import family_of, proportional_megabytes, resident_megabytes
from benchmarks.tables import print_table, spread
from embedded.folders import temporary_folder
from tests.certificates import Certificates
from tests.faults.imap_server import ScriptedImap
from tests.faults.installation import Installation, start_installation
from tests.faults.mail_account import ImapAccount
from tests.faults.seeds import SEED
from tests.faults.truth import Folder
from tests.mailboxes.arriving import letter

NEW_MAIL_EVERY = 6.0
NEW_MAIL_PATIENCE = 60.0
LOOK_EVERY = 2.0  # weighing processes takes from what is measured …
COUNT_EVERY = 20.0  # … and counting a million rows takes a third of a core if it is done each time
KILLS_LAST = 0.8  # of the time; then it goes on undisturbed
PROCESSES = ("worker", "schedule", "watch")


@dataclass
class Watched:
    """What is seen while the folder is taken over."""

    installation: Installation
    server: ScriptedImap
    is_over: threading.Event = field(default_factory=threading.Event)
    delays: list[float] = field(default_factory=list)
    heaviest: float = 0.0
    heaviest_own: float = 0.0
    kills: int = 0

    def weigh(self) -> None:
        """Note the largest process so far."""
        pid = self.installation.processes["worker"].pid
        for one in family_of(pid) if pid is not None else ():
            self.heaviest = max(self.heaviest, resident_megabytes(one))
            self.heaviest_own = max(self.heaviest_own, proportional_megabytes(one))

    def kill(self, chance: random.Random) -> None:
        """End one of the processes that run jobs; whatever it held is for the others to find out."""
        living = self.installation.queue_workers()
        if living:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(living), signal.SIGKILL)
            self.kills += 1
        self.installation.revive()

    def send_new_mail(self) -> None:
        """One new message after another; how long until each is a message that people see."""
        number = 0
        while not self.is_over.is_set():
            number += 1
            subject = f"New {number} of {SEED}"
            sender = f"p{number}@new.test"
            raw = letter(subject, message_id=f"new{number}.{SEED}@x", sender=f"P <{sender}>")
            date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime())
            began = time.monotonic()
            self.server.folder().add(raw, date=date)
            self.server.push(b"* %d EXISTS\r\n" % len(self.server.folder().messages))
            while not self.installation.value(_IS_SEEN, self.installation.ours.organization_id, sender):
                if time.monotonic() > began + NEW_MAIL_PATIENCE or self.is_over.is_set():
                    break
                time.sleep(0.05)
            else:
                self.delays.append(time.monotonic() - began)
            self.is_over.wait(NEW_MAIL_EVERY)


def run(count: int, seconds: float, kills: int) -> dict[str, Any]:
    """Take over so many messages, or as many as there is time for; print the table and return the figures."""
    with temporary_folder() as folder:
        (folder / "server").mkdir()
        with ScriptedImap(Certificates(folder / "server").good) as server:
            server.keeps_transcript = False
            server.folders = {b"INBOX": Folder.synthetic(count, SEED), b"Sent": Folder()}
            account = ImapAccount("127.0.0.1", server.port, "none", server.user, server.password)
            with start_installation(folder, account=account, history="all", starting=()) as installation:
                figures = _measured(Watched(installation, server), count, seconds, kills)
    print_table(f"A folder of {count:,} messages, SEED={SEED}", ("what", "figure"), [*figures.items()])
    return figures


def _measured(watched: Watched, count: int, seconds: float, kills: int) -> dict[str, Any]:
    installation, chance = watched.installation, random.Random(SEED)
    installation.start(*PROCESSES)
    began = time.monotonic()
    sender = threading.Thread(target=watched.send_new_mail, daemon=True)
    sender.start()
    pause = seconds * KILLS_LAST / max(kills, 1)
    next_kill, next_count, stored, readable = began + pause, began, 0, 0
    while readable < count and time.monotonic() < began + seconds:
        if time.monotonic() > next_count:
            seen, (stored, readable) = stored, _history(installation)
            assert stored >= seen, f"{seen - stored} messages are lost"
            next_count = time.monotonic() + COUNT_EVERY
        watched.weigh()
        if watched.kills < kills and time.monotonic() > next_kill:
            watched.kill(chance)
            next_kill += pause
        time.sleep(LOOK_EVERY)
    took = time.monotonic() - began
    stored, readable = _history(installation)
    watched.is_over.set()
    sender.join(NEW_MAIL_PATIENCE)
    _demand_the_newest(installation, count)
    delays = {f"new mail visible (s), {name}": value for name, value in spread(watched.delays).items()}
    return {
        "stored": stored,
        "of them readable": readable,
        "readable (messages/s)": readable / took,
        "seconds": took,
        "kills": watched.kills,
        "heaviest process, RSS (MB)": watched.heaviest,
        "heaviest process, PSS (MB)": watched.heaviest_own,
        "new messages": len(watched.delays),
    } | delays


def _history(installation: Installation) -> tuple[int, int]:
    """How many of the folder are stored, and how many of them delivered."""
    stored, readable = installation.rows(_COUNT, installation.ours.account_id)[0]
    return stored, readable


def _demand_the_newest(installation: Installation, count: int) -> None:
    """Newest first and without gaps: what is stored is everything from some UID on, each once."""
    query = "SELECT a.uid FROM arrivals a JOIN folders f ON f.id = a.folder_id"
    query += " WHERE a.account_id = %s AND f.name = 'INBOX' AND a.uid <= %s ORDER BY a.uid"
    uids = [row[0] for row in installation.rows(query, installation.ours.account_id, count)]
    assert uids == list(range(uids[0] if uids else count + 1, count + 1))
    assert installation.value("SELECT count(*) FROM outgoing") == installation.value(
        "SELECT count(*) FROM outgoing o JOIN messages m ON m.id = o.trigger_id WHERE m.subject LIKE 'New %%'"
    )


_IS_SEEN = "SELECT count(*) FROM messages WHERE organization_id = %s AND sender_address = %s"  # by an index
_COUNT = "SELECT count(*), count(*) FILTER (WHERE state <> 'stored') FROM arrivals"
_COUNT += " WHERE account_id = %s AND is_history"
