"""Cuts: a pass over a few messages is broken off at one byte, another one follows, and the truth is demanded.

The session is always the same, so that a cut at any byte of it can be named. One account serves all cuts:
before each, what it has stored is forgotten.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import delete, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.sync import leases
from mailboxes.sync.passes import sync_account
from tenants.database import db, inside, now
from tests.faults.stage import INBOX, Stage

Direction = Literal["down", "up"]
DIRECTIONS: tuple[Direction, ...] = ("down", "up")


@dataclass
class Cuts:
    """A session over so many messages, to be cut; ``total`` and ``boundaries`` are those of a clean run."""

    stage: Stage
    messages: int = 5
    encryption: str = "none"
    total: dict[Direction, int] = field(default_factory=dict)
    boundaries: dict[Direction, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stage.fill(INBOX, self.messages)
        self.stage.read_only_the_inbox()
        self.stage.connect(encryption=self.encryption)
        self.forget()
        assert self.sync()
        self.total = {"down": len(self.stage.server.sent), "up": len(self.stage.server.received)}
        self.boundaries = {
            "down": _ends_of_lines(bytes(self.stage.server.sent)),
            "up": _ends_of_lines(bytes(self.stage.server.received)),
        }

    def cut(self, direction: Direction, byte: int) -> None:
        """Break a pass off at this byte, let another one follow, and demand that all is here, whole."""
        self.forget()
        if direction == "down":
            self.stage.server.cut_after = byte
        else:
            self.stage.server.deaf_after = byte
        self.sync()
        self.stage.server.cut_after = self.stage.server.deaf_after = None
        assert self.sync(), f"cut {direction} at {byte}: the next pass failed"
        stored, there = self.stage.oracle.stored(), self.stage.truth()
        assert stored == there, f"cut {direction} at {byte}: {stored} is not {there}"

    def sync(self) -> bool:
        """A pass without delivery; whether it succeeded."""
        account_id = self.stage.mailbox.account_id
        with inside(self.stage.world.id):
            fence = leases.take(account_id, "cutting")
            assert fence is not None
            report = sync_account(account_id, fence)
            leases.release(account_id, fence)
            return report.error is None

    def forget(self) -> None:
        """As if nothing had ever been fetched."""
        account_id = self.stage.mailbox.account_id
        self.stage.server.received.clear()
        self.stage.server.sent.clear()
        with inside(self.stage.world.id):
            db.session.execute(delete(Arrival).where(Arrival.account_id == account_id))
            db.session.execute(
                update(Folder)
                .where(Folder.account_id == account_id)
                .values(
                    uid_validity=None,
                    last_uid=0,
                    first_uid=None,
                    history_uid=None,
                    history_floor=None,
                    changed_validity_count=0,
                    compared_at=None,
                    server_count=None,
                )
            )
            db.session.execute(
                update(Account)
                .where(Account.id == account_id)
                .values(synced_at=None, failure_count=0, quiet_until=None, next_attempt_at=now())
            )
            db.session.commit()


def _ends_of_lines(said: bytes) -> list[int]:
    """After each line of the protocol, and between its CR and LF; before the first one and after a literal.

    Inside a literal no line means anything: there a cut is one at any byte.
    """
    at, ends = 0, [0, 1]
    while (end := said.find(b"\r\n", at)) >= 0:
        literal = re.search(rb"\{(\d+)\+?\}$", said[at:end])
        ends += [end + 1, end + 2]
        at = end + 2 + int(literal[1]) if literal else end + 2
        ends.append(at)
    return sorted(set(ends))
