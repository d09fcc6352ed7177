"""Set what is stored against what the servers have: the invariants that only they can prove (I1, I9)."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.connections import egress_policy, imap_settings
from mailboxes.errors import MailServerError
from mailboxes.imap import ImapConnection
from mailboxes.invariants import SHOWN, Finding, Invariant
from mailboxes.sync.folders import cursor_of, synced_folders
from mailboxes.sync.foreground import bound_to_owner
from mailboxes.sync.history import day_of
from mailboxes.sync.plan import Epoch, epoch_of
from mailboxes.sync.stored import living
from tenants.database import across_organizations, db

NOTHING_LOST = Invariant("I1", "Every message in a synced folder is stored, or known with its reason.", "")
FLAGS_AGREE = Invariant("I9", "Flags are those of the server.", "")


def compare_with_servers() -> list[Finding]:
    """Look at every synced folder of every enabled account; reads only. One finding per invariant."""
    lost: list[str] = []
    differing: list[str] = []
    with across_organizations("the check goes over all accounts") as session:
        accounts = list(session.scalars(select(Account.id).where(Account.is_enabled, Account.imap_enabled)))
    for account_id in accounts:
        with bound_to_owner(account_id):
            _compare_account(account_id, lost, differing)
    return [_finding(NOTHING_LOST, lost), _finding(FLAGS_AGREE, differing)]


def _compare_account(account_id: UUID, lost: list[str], differing: list[str]) -> None:
    account = db.session.scalars(select(Account).where(Account.id == account_id)).one()
    try:
        with ImapConnection(imap_settings(account), egress_policy()) as imap:
            for folder in synced_folders(account):
                lost += [f"{account.address} {folder.name} {uid}" for uid in _missing(imap, folder)]
                differing += [f"{account.address} {folder.name} {uid}" for uid in _differing(imap, folder)]
    except MailServerError as error:
        lost.append(f"{account.address}: {error.message}")


def _missing(imap: ImapConnection, folder: Folder) -> Iterator[int]:
    """UIDs on the server that nothing here accounts for."""
    state = imap.examine(folder.name_raw)
    cursor = cursor_of(folder)
    if epoch_of(cursor, state.uid_validity) is Epoch.UNSTABLE:
        yield from _unfamiliar(imap, folder, cursor.new_since)
        return
    if state.uid_validity != cursor.uid_validity:
        yield from imap.all_uids(state)
        return
    known = set(_stored(folder, cursor.uid_validity))
    yield from (uid for uid in imap.all_uids(state) if uid not in known and uid >= cursor.history_floor)


def _unfamiliar(imap: ImapConnection, folder: Folder, new_since: datetime) -> Iterator[int]:
    """Where UIDs mean nothing: those of which not as many of the same date and size are here."""
    here = Counter({(one.received_at, one.size): one.count for one in living(folder)})
    oldest = min((date for date, _ in here if date is not None), default=new_since)
    uids = imap.search_uids(since=day_of(oldest)) if imap.message_count else []
    for uid, message in sorted(imap.fetch_details(uids).items() if uids else ()):
        look = message.received_at, max(0, message.size)
        here[look] -= 1
        if here[look] < 0 and (message.received_at is None or message.received_at >= oldest):
            yield uid


def _differing(imap: ImapConnection, folder: Folder) -> Iterator[int]:
    r"""UIDs whose \Seen and \Answered here are not the server's (the folder is open)."""
    cursor = cursor_of(folder)
    if cursor.is_distrusted:
        return
    rows = db.session.execute(
        select(Arrival.uid, Arrival.flags).where(
            Arrival.folder_id == folder.id,
            Arrival.uid_validity == cursor.uid_validity,
            Arrival.vanished_at.is_(None),
        )
    )
    ours = {row.uid: row.flags for row in rows}
    theirs = imap.fetch_flags(sorted(ours)) if ours else {}
    yield from (uid for uid, flags in theirs.items() if _followed(flags) != _followed(ours[uid]))


def _stored(folder: Folder, uid_validity: int | None) -> Iterable[int]:
    return db.session.scalars(
        select(Arrival.uid).where(Arrival.folder_id == folder.id, Arrival.uid_validity == uid_validity)
    )


def _followed(flags: Iterable[str]) -> set[str]:
    return {"\\Seen", "\\Answered"} & set(flags)


def _finding(invariant: Invariant, broken: list[str]) -> Finding:
    return Finding(invariant, tuple(broken[:SHOWN]))
