"""What happened on the server to messages that are stored: flags, moves, removals.

Nothing of ours is ever deleted because the server has lost it: it is marked, and comes back if it does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, exists, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on

from mailboxes import timeline
from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival, hold, of_another_epoch
from mailboxes.inbox.read_state import forget_reads
from mailboxes.intake.storing import settle_boxes
from mailboxes.messages import Location, Message
from mailboxes.routing.records import held_by_one, holders_of
from mailboxes.sync import leases
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.uids import Uids
from tenants.database import db, inside
from tenants.database.arrays import array_literal
from tenants.database.bulk import among

SEEN = "\\Seen"
ANSWERED = "\\Answered"
PLACES_AT_ONCE = 10_000  # marked as gone: a folder of a million may be emptied, or renumbered

Flags = Mapping[int, Sequence[str]]
Changed = Sequence[Row[UUID, int, list[str]]]


def follow_flags(account: Account, folder: Folder, fence: int, uid_validity: int, flags: Flags) -> int:
    """Take over flags that differ from the stored ones, and commit; how many did."""
    changed = _changed_flags(folder, uid_validity, flags)
    if not changed:
        return 0
    _hold(account, fence)
    ids, values = [row.id for row in changed], [array_literal(flags[row.uid]) for row in changed]
    hold(among(Arrival.id, ids))
    _write_flags("arrivals", "id", ids, values)
    _in_each_place(account, ids, partial(_follow_here, changed, flags, _mirrored(account, changed)))
    db.session.commit()
    return len(changed)


def follow_removals(
    account: Account, folder: Folder, fence: int, uid_validity: int, vanished: Collection[int], at: object
) -> int:
    """Mark messages that the folder no longer has, and commit; how many there were."""
    count = 0
    for portion in Uids.of(vanished).portions(PLACES_AT_ONCE):
        condition = (Arrival.uid_validity == uid_validity) & among(Arrival.uid, portion)
        count += _mark_gone(account, folder, fence, condition, at)
    return count


def follow_renumbering(account: Account, folder: Folder, fence: int, uid_validity: int, at: object) -> int:
    """Mark the places of former epochs as gone, once the new one is stored, and commit."""
    former = select(Arrival.id).where(
        Arrival.folder_id == folder.id, Arrival.vanished_at.is_(None), of_another_epoch(uid_validity)
    )
    total = 0
    while count := _mark_gone(account, folder, fence, Arrival.id.in_(former.limit(PLACES_AT_ONCE)), at):
        total += count
    return total


def follow_lost_dates(
    account: Account, folder: Folder, fence: int, dates: Sequence[datetime], at: object
) -> int:
    """Mark messages that the server received at these moments as gone, where UIDs mean nothing; commits."""
    count = 0
    for start in range(0, len(dates), PLACES_AT_ONCE):
        condition = among(Arrival.received_at, dates[start : start + PLACES_AT_ONCE])
        count += _mark_gone(account, folder, fence, condition, at)
    return count


def follow_returns(
    account: Account, folder: Folder, fence: int, uid_validity: int, returned: Collection[int]
) -> int:
    """Messages that were taken for gone are there again; commits."""
    condition = (Arrival.uid_validity == uid_validity) & among(Arrival.uid, returned)
    return _mark_back(account, folder, fence, condition)


def follow_returned_content(account: Account, folder: Folder, fence: int, digests: Collection[bytes]) -> int:
    """The same where UIDs mean nothing: of each content that was gone, the newest place is back."""
    newest = (
        select(Arrival.id)
        .ext(distinct_on(Arrival.sha256))
        .where(Arrival.folder_id == folder.id, among(Arrival.sha256, digests))
        .order_by(Arrival.sha256, Arrival.id.desc())
    )
    return _mark_back(account, folder, fence, Arrival.id.in_(newest))


# --- flags -----------------------------------------------------------------------------------


def _follow_here(changed: Changed, flags: Flags, mirrored: Changed) -> None:
    ids, values = [row.id for row in changed], [array_literal(flags[row.uid]) for row in changed]
    _write_flags("locations", "arrival_id", ids, values)
    _follow_answers(ids)
    _follow_reads(mirrored, flags)


def _mirrored(account: Account, changed: Changed) -> Changed:
    """Those that are read here when they are there. What several organizations have a copy of, from before
    their account was routed, is none of them: one would read for the others."""
    if not account.mirrors_reads:
        return []
    if account.organization_id is not None:
        return changed
    alone = held_by_one([row.id for row in changed])
    return [row for row in changed if row.id in alone]


def _changed_flags(folder: Folder, uid_validity: int, flags: Flags) -> list[Row[UUID, int, list[str]]]:
    rows = db.session.execute(
        select(Arrival.id, Arrival.uid, Arrival.flags).where(
            Arrival.folder_id == folder.id, Arrival.uid_validity == uid_validity, among(Arrival.uid, flags)
        )
    ).all()
    return [row for row in rows if _steady(row.flags) != _steady(flags[row.uid])]


def _steady(flags: Sequence[str]) -> frozenset[str]:
    r"""Flags without \Recent, which is about a session and not about the message."""
    return frozenset(flag for flag in flags if flag.lower() != "\\recent")


def _write_flags(table: str, key: str, ids: Sequence[UUID], values: Sequence[str]) -> None:
    db.session.execute(
        text(
            f"UPDATE {table} t SET flags = CAST(v.flags AS text[])"  # noqa: S608  # names of our own tables
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:flags AS text[])) AS v(id, flags)"
            f" WHERE t.{key} = v.id"
        ),
        {"ids": [str(id) for id in ids], "flags": list(values)},
    )


def _follow_answers(arrival_ids: Sequence[UUID]) -> None:
    answered = exists().where(
        Location.organization_id == Message.organization_id,
        Location.message_id == Message.id,
        Location.flags.contains([ANSWERED]),
    )
    places = select(Location.message_id).where(among(Location.arrival_id, arrival_ids))
    db.session.execute(
        update(Message)
        .where(Message.id.in_(places), Message.is_answered_on_server.is_distinct_from(answered))
        .values(is_answered_on_server=answered)
        .execution_options(synchronize_session=False)
    )


def _follow_reads(changed: Changed, flags: Flags) -> None:
    """Seen there is read by everybody here; taken back there, it is unread here.

    Not in a mailbox that the system serves no more: what that holds rests.
    """
    read = [row.id for row in changed if SEEN in flags[row.uid] and SEEN not in row.flags]
    unread = [row.id for row in changed if SEEN not in flags[row.uid] and SEEN in row.flags]
    for arrival_ids, is_read in ((read, True), (unread, False)):
        if not arrival_ids:
            continue
        messages = _served_messages(arrival_ids)
        db.session.execute(
            update(Message)
            .where(Message.id.in_(messages))
            .values(is_read_by_all=is_read)
            .execution_options(synchronize_session=False)
        )
        if not is_read:
            forget_reads(list(db.session.scalars(messages)))


def _served_messages(arrival_ids: Sequence[UUID]) -> Select[UUID]:
    return (
        select(Message.id)
        .join(
            Location,
            (Location.organization_id == Message.organization_id) & (Location.message_id == Message.id),
        )
        .join(
            Mailbox,
            (Mailbox.organization_id == Message.organization_id) & (Mailbox.id == Message.mailbox_id),
        )
        .where(among(Location.arrival_id, arrival_ids), Mailbox.is_served)
    )


# --- removals --------------------------------------------------------------------------------


def _mark_gone(
    account: Account, folder: Folder, fence: int, condition: ColumnElement[bool], at: object
) -> int:
    _hold(account, fence)
    ids = hold(Arrival.folder_id == folder.id, Arrival.vanished_at.is_(None), condition)
    if ids:
        _write(ids, vanished_at=at, is_wanted=False)
        _in_each_place(account, ids, partial(_gone_here, ids, folder.name, at))
    db.session.commit()
    return len(ids)


def _mark_back(account: Account, folder: Folder, fence: int, condition: ColumnElement[bool]) -> int:
    _hold(account, fence)
    ids = hold(Arrival.folder_id == folder.id, Arrival.vanished_at.is_not(None), condition)
    _write(ids, vanished_at=None)
    _in_each_place(account, ids, partial(_back_here, ids, folder.name))
    db.session.commit()
    return len(ids)


def _write(arrival_ids: Sequence[UUID], **values: Any) -> None:
    db.session.execute(
        update(Arrival)
        .where(among(Arrival.id, arrival_ids))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _set_locations(arrival_ids: Sequence[UUID], at: object) -> set[UUID]:
    return set(
        db.session.scalars(
            update(Location)
            .where(among(Location.arrival_id, arrival_ids))
            .values(vanished_at=at)
            .returning(Location.message_id)
            .execution_options(synchronize_session=False)
        )
    )


def _note_removed(message_ids: Collection[UUID], at: object) -> set[UUID]:
    """A message is removed on the server when none of its places is left; those that are now."""
    is_somewhere = exists().where(
        Location.organization_id == Message.organization_id,
        Location.message_id == Message.id,
        Location.vanished_at.is_(None),
    )
    return set(
        db.session.scalars(
            update(Message)
            .where(among(Message.id, message_ids), Message.removed_on_server_at.is_(None), ~is_somewhere)
            .values(removed_on_server_at=at)
            .returning(Message.id)
            .execution_options(synchronize_session=False)
        )
    )


def _gone_here(arrival_ids: Sequence[UUID], folder: str, at: object) -> None:
    message_ids = _set_locations(arrival_ids, at)
    removed = _note_removed(message_ids, at)
    timeline.record_for_all(
        removed, "removed", "kept here", f"The server has it no more; it was in the folder {folder} last."
    )
    settle_boxes(message_ids)


def _back_here(arrival_ids: Sequence[UUID], folder: str) -> None:
    message_ids = _set_locations(arrival_ids, None)
    removed = select(Message.id).where(
        among(Message.id, message_ids), Message.removed_on_server_at.is_not(None)
    )
    back = list(db.session.scalars(removed.with_for_update()))
    timeline.record_for_all(back, "filed", "found again", f"The server has it again, in the folder {folder}.")
    settle_boxes(message_ids)


# --- where the messages are ------------------------------------------------------------------


def _in_each_place(account: Account, arrival_ids: Sequence[UUID], act: Callable[[], None]) -> None:
    """Act where the messages of these arrivals are: here, or in each organization that a global account's
    went to, in a transaction of its own."""
    if account.organization_id is not None:
        act()
        return
    for organization_id in holders_of(arrival_ids):
        with inside(organization_id):
            hold_mailboxes(Mailbox.account_id == account.id)
            act()
            db.session.commit()


def _hold(account: Account, fence: int) -> None:
    """The lease is ours, and nobody delivers here meanwhile: both change many messages, in any order."""
    leases.demand(account.id, fence)
    if account.organization_id is not None:
        hold_mailboxes(Mailbox.account_id == account.id)
