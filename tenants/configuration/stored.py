"""Stored values as a transaction sees them: each level is read once, whole, until something is written.

A page asks for a dozen settings in as many places. The rows are few, so they are read together and kept
with the session until its transaction ends or it flushes a change.
"""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Select, event, select
from sqlalchemy.orm import Session, SessionTransaction

from tenants.configuration.overrides import OrganizationOverride, SystemOverride, UserOverride
from tenants.database import INSTALLATION, FencedSession, db
from tenants.users import User

Row = SystemOverride | OrganizationOverride | UserOverride
_KEPT = "configuration"


def system_rows() -> dict[str, Row]:
    """What the system says, by key."""
    return _kept(INSTALLATION, lambda: select(SystemOverride))


def organization_rows() -> dict[str, Row]:
    """What the organization says that this session is bound to, by key; nothing outside any."""
    inside_of = db.session.info.get("organization_id")
    if inside_of in {None, INSTALLATION}:
        return {}
    return _kept(inside_of, lambda: select(OrganizationOverride))


def personal_rows(user: User) -> dict[str, Row]:
    """What a person says for themselves, by key."""
    return _kept(user.id, lambda: select(UserOverride).where(UserOverride.user_id == user.id))


def _kept(of: UUID, query: Callable[[], Select[Row]]) -> dict[str, Row]:
    kept: dict[UUID, dict[str, Row]] = db.session.info.setdefault(_KEPT, {})
    if of not in kept:
        kept[of] = {row.key: row for row in db.session.scalars(query())}
    return kept[of]


@event.listens_for(FencedSession, "after_flush")
def _forget_what_may_have_changed(session: Session, *_: object) -> None:
    session.info.pop(_KEPT, None)


@event.listens_for(FencedSession, "after_transaction_end")
def _forget_with_the_transaction(session: Session, _: SessionTransaction) -> None:
    session.info.pop(_KEPT, None)
