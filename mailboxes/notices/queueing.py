"""A notice is put into the outbox, or called off before it leaves, all in the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from mailboxes.composing import checked_address
from mailboxes.notices.table import Notice
from tenants.database import INSTALLATION, db, is_one_of, now, uuid7
from tenants.secrets import encrypt

LIFETIME = timedelta(days=2)
MOST_OF_A_NAME = 100


@dataclass(frozen=True)
class Unsent:
    """A notice that is not stored yet; ``about_id`` names the row that it is about.

    ``settings_url``: where its reader chooses to get no more of its kind.
    """

    recipient: str
    subject: str
    body: str
    about_id: UUID | None = None
    settings_url: str = ""


def queue_notice(
    kind: str,
    recipient: str,
    subject: str,
    body: str,
    *,
    about_id: UUID | None = None,
    once: str | None = None,
    lifetime: timedelta = LIFETIME,
    settings_url: str = "",
) -> UUID | None:
    """Store a notice of the organization, or of the installation, that the session is bound to.

    None if it was made before (``once``). `InvalidError` if ``recipient`` is no address. The caller
    commits, and rings `workers.queues.ring_notices`.
    """
    letter = Unsent(recipient, subject, body, about_id, settings_url)
    row = _row(kind, letter, lifetime) | {"once": once}
    added = db.session.execute(
        insert(Notice).values(row).on_conflict_do_nothing().returning(Notice.id)
    ).scalar()
    return None if added is None else row["id"]


def queue_notices(kind: str, letters: Sequence[Unsent], *, lifetime: timedelta = LIFETIME) -> None:
    """Store many notices of a kind in one statement; what waited about the same rows is called off."""
    if not letters:
        return
    call_off(*(one.about_id for one in letters if one.about_id is not None))
    db.session.execute(insert(Notice), [_row(kind, letter, lifetime) for letter in letters])


def call_off(*about_ids: UUID) -> None:
    """What waits about these rows is not sent any more. The caller commits."""
    db.session.execute(
        update(Notice)
        .where(is_one_of(Notice.about_id, about_ids), Notice.state == "ready")
        .values(state="cancelled", content=None, ended_at=now())
        .execution_options(synchronize_session=False)
    )


def latest_notices(about_ids: list[UUID]) -> dict[UUID, Notice]:
    """The last notice about each of these rows, where there is one."""
    found = db.session.scalars(select(Notice).where(Notice.about_id.in_(about_ids)).order_by(Notice.id))
    return {notice.about_id: notice for notice in found if notice.about_id is not None}


def cut_line(words: str) -> str:
    """What somebody chose to be called, as a letter may carry it: our mail takes no messages to strangers."""
    return " ".join(words.split())[:MOST_OF_A_NAME]


def _row(kind: str, letter: Unsent, lifetime: timedelta) -> dict[str, Any]:
    id, owner = uuid7(), db.session.info.get("organization_id")
    said = {"subject": letter.subject, "body": letter.body, "settings_url": letter.settings_url}
    content = json.dumps(said)
    return {
        "id": id,
        "organization_id": None if owner == INSTALLATION else owner,
        "kind": kind,
        "recipient": checked_address(letter.recipient),
        "about_id": letter.about_id,
        "content": encrypt(content, table="notices", row=id, column="content"),
        "give_up_at": now() + lifetime,
    }
