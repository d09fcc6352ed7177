"""How administrators are told of trouble: owner by owner, by notice, whoever can do something about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask import current_app

from mailboxes.notices import queue_notice
from mailboxes.sync.foreground import bind_to_owner
from tenants.application import settings_of
from tenants.database import INSTALLATION, db
from tenants.errors import InvalidError, NotFoundError
from tenants.permissions import members_who_may
from tenants.users import system_administrators

PATIENCE = timedelta(minutes=30)  # so long something may fail before somebody is told
GATHERED = timedelta(minutes=10)  # for so long, once an owner was told of many
OWNERS_AT_ONCE = 20  # in one turn of the schedule, which has other things to do
MOST_AT_ONCE = 10_000  # accounts, or folders, of one owner, in one transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Letter:
    """What all who can do something about it are told. ``once`` keeps it from being told again."""

    kind: str
    subject: str
    body: str
    about_id: UUID | None
    once: str


def tell_each(owners: Iterable[UUID], tell: Callable[[UUID], bool]) -> list[UUID]:
    """Call ``tell`` inside each owner, in a scope of its own; those of which it made notices."""
    return [owner for owner in owners if _is_told(owner, tell)]


def queue_letters(owner: UUID, letters: Sequence[Letter]) -> bool:
    """Whether any was made, for any of those who can do something about it. The caller commits."""
    recipients = _recipients(owner) if letters else []
    made = [_is_queued(letter, recipient) for letter in letters for recipient in recipients]
    return any(made)


def grid_url(owner: UUID) -> str:
    """Where an owner's mailboxes are listed; with an id behind it, the page of one."""
    base = settings_of(current_app).base_url
    return f"{base}/system/mailboxes/" if owner == INSTALLATION else f"{base}/configuration/mailboxes/"


def key_of(at: datetime) -> str:
    """A moment in what keeps a letter from being told again."""
    return f"{at:%Y%m%dT%H%M%S%f}"


def _is_told(owner: UUID, tell: Callable[[UUID], bool]) -> bool:
    """Whether notices of an owner were made; what one fails by keeps nothing from the others."""
    try:
        with current_app.app_context():
            bind_to_owner(None if owner == INSTALLATION else owner)
            return tell(owner)
    except NotFoundError:
        return False  # deleted meanwhile
    except Exception:
        log.exception("troubles could not be told of", owner=str(owner))
        return False


def _is_queued(letter: Letter, recipient: str) -> bool:
    try:
        made = queue_notice(
            letter.kind,
            recipient,
            letter.subject,
            letter.body,
            about_id=letter.about_id,
            once=f"{letter.once} {recipient}",
        )
    except InvalidError:
        return False  # no letter reaches this address; the others are told
    return made is not None


def _recipients(owner: UUID) -> list[str]:
    if owner == INSTALLATION:
        return [user.address for user in db.session.scalars(system_administrators())]
    return [member.user.address for member in db.session.scalars(members_who_may("mailbox.manage"))]
