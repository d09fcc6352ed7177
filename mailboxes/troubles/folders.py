"""Of which folders there is something to tell: those that are not read while the rest of their account is.

What is gone from the server, cannot be opened, hangs, or is renumbered all the time, and that for longer than
servers are restarted. One letter names all of an owner that there are to tell of; others are gathered for the
next. When such a folder is read again, that is told too. An account of which no folder is read is in trouble
itself (`mailboxes.troubles.accounts`).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, text, update

from mailboxes.accounts import Account, Folder, is_in_trouble
from mailboxes.notices import Notice
from mailboxes.sync.claiming import is_wanted
from mailboxes.system_mailboxes import Mailbox
from mailboxes.troubles import telling
from mailboxes.troubles.letters import FolderTrouble, letter_about_folders
from tenants.database import across_organizations, db, now
from tenants.database.bulk import among

OF_ITS_ACCOUNT = (Account.owner_id == Folder.owner_id) & (Account.id == Folder.account_id)
KINDS = {"folders.troubled": False, "folders.ok": True}  # whether they are well


def tell_of_folders() -> list[UUID]:
    """Queue what is to be told; commits for each owner. Whose notices there are, to be rung for."""
    return telling.tell_each(_owners_to_tell(), _tell)


def _owners_to_tell() -> Sequence[UUID]:
    told = select(Notice.owner_id).where(Notice.kind.in_(KINDS), Notice.made_at > now() - telling.GATHERED)
    query = (
        select(Folder.owner_id)
        .join(Account, OF_ITS_ACCOUNT)
        .where(_is_to_be_told(), Folder.owner_id.not_in(told))
        .distinct()
        .limit(telling.OWNERS_AT_ONCE)
    )
    with across_organizations("the sweep finds folders that are not read") as session:
        return session.scalars(query).all()


def _is_to_be_told() -> ColumnElement[bool]:
    lasts = and_(
        is_in_trouble(),
        Folder.troubled_since < now() - telling.PATIENCE,
        Folder.told_since.is_distinct_from(Folder.troubled_since),
    )
    return and_(
        or_(lasts, _is_well_again()), Account.is_enabled, Account.state == "ok", text(is_wanted("accounts"))
    )


def _is_well_again() -> ColumnElement[bool]:
    return and_(Folder.is_synced, Folder.troubled_since.is_(None), Folder.told_since.is_not(None))


def _tell(owner: UUID) -> bool:
    """Tell of the folders of one owner and remember it; whether there are notices. Commits."""
    query = (
        select(Folder, Account.address, Mailbox.label, Mailbox.id.label("mailbox_id"))
        .join(Account, OF_ITS_ACCOUNT)
        .outerjoin(Mailbox, Mailbox.account_id == Account.id)
        .where(_is_to_be_told())
        .order_by(Account.address, Folder.name, Folder.id)
        .limit(telling.MOST_AT_ONCE)
        .with_for_update(of=Folder, skip_locked=True)
    )
    rows = db.session.execute(query).all()
    letters = [
        _letter(owner, kind, alike)
        for kind, is_well in KINDS.items()
        if (alike := [row for row in rows if (row.Folder.troubled_since is None) == is_well])
    ]
    made = telling.queue_letters(owner, letters)
    db.session.execute(
        update(Folder)
        .where(among(Folder.id, [row.Folder.id for row in rows]))
        .values(told_since=Folder.troubled_since)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return made


def _letter(owner: UUID, kind: str, rows: Sequence[Any]) -> telling.Letter:
    troubles = [
        FolderTrouble(row.Folder.name, row.label or row.address, row.Folder.last_error) for row in rows
    ]
    boxes = {row.mailbox_id for row in rows}
    page = boxes.pop() if len(boxes) == 1 else None
    subject, body = letter_about_folders(
        troubles, f"{telling.grid_url(owner)}{page or ''}", is_well=KINDS[kind]
    )
    return telling.Letter(kind, subject, body, None, f"{kind} {telling.key_of(now())}")
