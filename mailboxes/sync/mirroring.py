r"""The read state of an account that mirrors it: read or marked unread here, the server is told.

By ``+FLAGS`` and ``-FLAGS`` of ``\Seen`` alone; nothing else is ever written to a folder that is read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.errors import UidValidityChangedError
from mailboxes.messages import Location, Message, MessageRead
from mailboxes.routing.records import Routing
from mailboxes.sync.following import SEEN, follow_flags
from mailboxes.sync.leaving import OF_A_FOLDER, SILENCE, leave_unwritten
from mailboxes.sync.running import Pass
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from tenants.database import across_organizations, db

MOST_MIRRORED = 1_000  # of a folder, in one pass
MOST_SILENCES = 2  # in one pass: each costs a minute

Place = tuple[UUID, int, list[tuple[int, list[str]]]]
Store = Callable[[bytes, Sequence[int], int | None], None]
Change = Callable[[list[str]], list[str]]


def mirror_reads(run: Pass) -> int:
    r"""Set and take back \Seen on the server as people have read and unread here; how many changed.

    Only for accounts that mirror the read state. Leaves folders open for writing: `examine` afterwards. A
    folder that cannot be written to holds up no other; where the server hangs, the rest waits.
    """
    account = run.account
    is_read = Message.is_read_by_all | exists().where(
        MessageRead.organization_id == Message.organization_id, MessageRead.message_id == Message.id
    )
    read = _places(run, ~Location.flags.contains([SEEN]), is_read)
    unread = _places(run, Location.flags.contains([SEEN]), ~is_read, Message.unread_at.is_not(None))
    count = silences = 0
    for tell, changed, place in [
        *((run.imap.add_seen, _with_seen, place) for place in read),
        *((run.imap.remove_seen, _without_seen, place) for place in unread),
    ]:
        folder = db.session.scalars(select(Folder).where(Folder.id == place[0])).one()
        try:
            count += _store(run, folder, place, tell, changed)
        except (*OF_A_FOLDER, UidValidityChangedError) as error:
            leave_unwritten(run, folder, error)
            silences += isinstance(error, SILENCE)
        if silences == MOST_SILENCES or run.is_over:
            break
    _forget_what_is_told(account, is_read)
    return count


@contextmanager
def _where_reads_are(account: Account) -> Iterator[Session]:
    """A session that sees who has read what: each message of a routed account is in one organization."""
    if account.organization_id is not None:
        yield db.session()
        return
    with across_organizations("reads of a routed account are in the organizations it serves") as session:
        yield session


def _store(run: Pass, folder: Folder, place: Place, tell: Store, changed: Change) -> int:
    _, uid_validity, found = place
    name = folder.name_raw
    db.session.commit()
    tell(name, [uid for uid, _ in found], uid_validity)
    flags = {uid: changed(known) for uid, known in found}
    return follow_flags(run.account, folder, run.fence, uid_validity, flags)


def _with_seen(known: list[str]) -> list[str]:
    return [*known, SEEN]


def _without_seen(known: list[str]) -> list[str]:
    return [flag for flag in known if flag != SEEN]


def _places(run: Pass, *conditions: ColumnElement[bool]) -> list[Place]:
    """Where messages lie that meet the conditions, by folder and epoch; each folder has its turn."""
    turn = func.row_number().over(partition_by=Location.folder_id, order_by=Location.uid.desc())
    there = (
        select(Location.folder_id, Location.uid_validity, Location.uid, Location.flags, turn.label("turn"))
        .join(
            Message,
            (Message.organization_id == Location.organization_id) & (Message.id == Location.message_id),
        )
        .join(Arrival, (Arrival.owner_id == Location.account_owner_id) & (Arrival.id == Location.arrival_id))
        .join(Folder, (Folder.owner_id == Arrival.owner_id) & (Folder.id == Arrival.folder_id))
        .where(
            Arrival.account_id == run.account.id,
            Folder.is_synced,
            Folder.id.not_in(run.troubled),
            Folder.uid_validity == Location.uid_validity,
            Location.vanished_at.is_(None),
            *([] if run.account.organization_id is not None else [_is_served(), _is_held_by_one()]),
            *conditions,
        )
        .subquery()
    )
    places: dict[tuple[UUID, int], list[tuple[int, list[str]]]] = {}
    with _where_reads_are(run.account) as session:
        for row in session.execute(select(there).where(there.c.turn <= MOST_MIRRORED)):
            places.setdefault((row.folder_id, row.uid_validity), []).append((row.uid, row.flags))
    return [(folder_id, uid_validity, found) for (folder_id, uid_validity), found in places.items()]


def _is_served() -> ColumnElement[bool]:
    """Whether the system still serves the mailbox that a message is in."""
    return exists().where(
        Mailbox.organization_id == Message.organization_id,
        Mailbox.id == Message.mailbox_id,
        Mailbox.is_served,
    )


def _is_held_by_one() -> ColumnElement[bool]:
    """Whether nobody else has a copy, from before the account was routed: each would read for the others."""
    holders = select(func.count()).where(
        Routing.arrival_id == Location.arrival_id,
        Routing.organization_id.is_not(None),
        Routing.left_at.is_(None),
    )
    return holders.correlate(Location).scalar_subquery() == 1


def _forget_what_is_told(account: Account, is_read: ColumnElement[bool]) -> None:
    """A mark that no place on the server contradicts any more, or that somebody has undone, is over."""
    is_seen_there = exists().where(
        Location.organization_id == Message.organization_id,
        Location.message_id == Message.id,
        Location.vanished_at.is_(None),
        Location.flags.contains([SEEN]),
    )
    of_account = select(Mailbox.id).where(Mailbox.account_id == account.id)
    with _where_reads_are(account) as session:
        hold_mailboxes(Mailbox.account_id == account.id, session)
        session.execute(
            update(Message)
            .where(
                Message.mailbox_id.in_(of_account), Message.unread_at.is_not(None), ~is_seen_there | is_read
            )
            .values(unread_at=None)
            .execution_options(synchronize_session=False)
        )
        session.commit()
