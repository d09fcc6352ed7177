"""The oracle: heal, run to quiet, and compare what is stored with what the server has, one by one.

After any fault the database has to end where the server is: UID, SHA-256 of the bytes and flags of every
message in every synced folder, and every invariant holds. How the server tells its truth is the caller's
matter (`Truth`), so that it may be a scripted one or a real one.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select, update

from mailboxes.accounts import Account, Folder
from mailboxes.acting import act_on_pending
from mailboxes.arrivals import Arrival
from mailboxes.invariants import check_all
from mailboxes.messages import Message
from mailboxes.sync.foreground import sync_now
from mailboxes.sync.passes import PassReport
from tenants.database import db, inside
from tests.faults.seeds import SEED

MOST_PASSES = 2  # two poll intervals to heal; one more finds nothing
NOT_CHECKED = {"I19"}  # factories keep no audit log


@dataclass(frozen=True)
class Known:
    """One message in one place: how its bytes are known, and its flags."""

    sha256: bytes
    flags: frozenset[str]


Truth = Mapping[tuple[bytes, int], Known]


class NotTrueError(AssertionError):
    """What is stored is not what the server has."""


@dataclass(frozen=True)
class Oracle:
    """Judges one account of one organization against what ``truth`` tells of the server."""

    organization_id: UUID
    mailbox_id: UUID
    account_id: UUID
    truth: Callable[[], Truth]
    transcript: Callable[[], str] = str

    def settle(self) -> None:
        """Two passes may heal, the next one must find nothing to do; then compare, and check invariants."""
        self._make_comparisons_due()
        for _ in range(MOST_PASSES + 1):
            report = sync_now(self.account_id)
            if _is_quiet(report):
                break
        else:
            raise NotTrueError(self._told(f"the last pass was not quiet: {report!r}"))
        self.act()
        self.compare()

    def act(self) -> None:
        """Convert and answer what is pending."""
        with inside(self.organization_id):
            act_on_pending()

    def compare(self) -> None:
        """Demand that database and server agree, and that the invariants hold."""
        stored, there = self.stored(), self.truth()
        wrong = [
            f"{place}: stored {stored.get(place)}, there {there.get(place)}"
            for place in sorted(stored.keys() | there.keys())
            if stored.get(place) != there.get(place)
        ]
        broken = [
            f"{finding.invariant.name} {finding.broken}"
            for finding in check_all()
            if finding.broken and finding.invariant.name not in NOT_CHECKED
        ]
        waiting = self.count(Arrival.state == "stored")
        if wrong or broken or waiting:
            raise NotTrueError(self._told("\n".join([*wrong, *broken, f"{waiting} wait for delivery"])))

    def stored(self) -> Truth:
        """What the database has in the folders that are synced, by folder and UID."""
        query = (
            select(Folder.name_raw, Arrival.uid, Arrival.sha256, Arrival.flags)
            .join(Folder, (Folder.owner_id == Arrival.owner_id) & (Folder.id == Arrival.folder_id))
            .where(
                Arrival.account_id == self.account_id,
                Arrival.vanished_at.is_(None),
                Folder.is_synced,
                Folder.gone_at.is_(None),
            )
        )
        with inside(self.organization_id):
            return {
                (row.name_raw, row.uid): known(row.sha256, row.flags) for row in db.session.execute(query)
            }

    def synced(self) -> set[bytes]:
        """The folders whose truth counts."""
        query = select(Folder.name_raw).where(
            Folder.account_id == self.account_id, Folder.is_synced, Folder.gone_at.is_(None)
        )
        with inside(self.organization_id):
            return set(db.session.scalars(query))

    def count(self, *conditions: object) -> int:
        """How many arrivals of the account meet the conditions."""
        query = select(func.count()).where(Arrival.account_id == self.account_id, *conditions)  # type: ignore[arg-type]
        with inside(self.organization_id):
            return db.session.scalar(query) or 0

    def records(self) -> tuple[int, int, int]:
        """Messages, those of them that may become records, and those that are answered by rules."""
        query = select(
            func.count(),
            func.count().filter(Message.may_convert),
            func.count().filter(Message.may_respond),
        ).where(Message.mailbox_id == self.mailbox_id)
        with inside(self.organization_id):
            messages, convertible, answerable = db.session.execute(query).one()
            return messages, convertible, answerable

    def _make_comparisons_due(self) -> None:
        with inside(self.organization_id):
            db.session.execute(
                update(Folder)
                .where(Folder.account_id == self.account_id)
                .values(compared_at=None, left_alone_until=None)
            )
            db.session.execute(
                update(Account)
                .where(Account.id == self.account_id)
                .values(lease_expires_at=func.now(), quiet_until=None)
            )
            db.session.commit()

    def _told(self, text: str) -> str:
        with tempfile.NamedTemporaryFile("w", prefix="transcript-", suffix=".txt", delete=False) as kept:
            kept.write(self.transcript())
        return f"SEED={SEED}\n{text}\nThe transcript is in {Path(kept.name)}."


def _is_quiet(report: PassReport) -> bool:
    is_done = report.error is None and not report.has_more and not report.is_lease_lost
    found = (report.new_count, report.history_count, report.changed_count, report.vanished_count)
    return is_done and not any(found)


def known(sha256: bytes, flags: Iterable[str]) -> Known:
    """A message as both sides are compared: without ``\\Recent``, which is about a session."""
    return Known(bytes(sha256), frozenset(flag for flag in flags if flag.lower() != "\\recent"))
