"""Passes that ended with their process: whose lease is free then, and when that is told as a trouble of the
account (docs/decisions/0029).

What a pass dies of may be what it reads, and then it would die for ever. It may also be a machine that is
switched off, and no fault of the account.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, case, func, literal, select, update
from sqlalchemy.orm import Session

from mailboxes.accounts import Account
from mailboxes.sync.failures import WorkerDiedError
from mailboxes.sync.plan import FIRST_PAUSE, LONGEST_PAUSE
from tenants.database import across_organizations, db

TOLD_FROM = 2  # deaths in a row of a worker that others outlived
TOLD_FROM_OF_ALL = 3  # where nobody was left to say so: each of those that ran may have been the cause


def free(owner: str) -> None:
    """Somebody has died: the accounts they held are due before their leases end; commits."""
    with across_organizations("a process that died held accounts of all organizations") as session:
        is_held = Account.lease_expires_at >= func.clock_timestamp()
        _note_deaths(session, TOLD_FROM, Account.lease_owner == owner, is_held)
        session.commit()


def note_deaths(session: Session, account_id: UUID | None = None) -> None:
    """Of this account, or of all: a lease that ran out under whoever held it has nobody who frees it; the
    supervisor has died, too. The caller commits."""
    is_held = (Account.lease_owner != "") & (Account.lease_expires_at < func.clock_timestamp())
    of = [] if account_id is None else [Account.id == account_id]
    _note_deaths(session, TOLD_FROM_OF_ALL, is_held, *of)


def let_go(owners: Collection[str]) -> None:
    """They end because somebody asked them to: a lease that runs out then is no death; commits.

    Until then it is theirs, so that a pass may end as passes do.
    """
    with across_organizations("processes that are to end hold accounts of all organizations") as session:
        session.execute(
            update(Account)
            .where(Account.lease_owner.in_(owners))
            .values(lease_owner="")
            .execution_options(synchronize_session=False)
        )
        session.commit()


def begin_anew(account: Account) -> None:
    """A portion of the history has been taken in since: the next death is the first in a row; commits.

    New mail does not count. It would come again before whatever they die of, each time.
    """
    db.session.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(death_count=0)
        .execution_options(synchronize_session="evaluate")
    )
    db.session.commit()


def is_left_alone(account_id: UUID) -> bool:
    """Whether workers die of it, so that news of it have to wait until it is due."""
    rests = (Account.death_count >= TOLD_FROM) & (Account.next_attempt_at > func.clock_timestamp())
    return db.session.scalar(select(literal(1)).where(Account.id == account_id, rests)) is not None


def _note_deaths(session: Session, told_from: int, *which: ColumnElement[bool]) -> None:
    """Due at once, or like any other failure if there have been so many deaths in a row."""
    is_again = Account.death_count >= told_from - 1
    is_told = is_again & Account.state.in_(("new", "ok", "failing"))
    values: dict[str, Any] = {
        "lease_owner": "",
        "lease_expires_at": func.least(Account.lease_expires_at, func.clock_timestamp()),
        "next_attempt_at": case((is_again, _after_a_pause()), else_=func.clock_timestamp()),
        "death_count": Account.death_count + 1,
        "failure_count": Account.failure_count + 1,
        "state": case((is_told, "failing"), else_=Account.state),
        "last_error": case((is_told, WorkerDiedError().explained), else_=Account.last_error),
        "failing_since": case(
            (is_told, func.coalesce(Account.failing_since, func.clock_timestamp())),
            else_=Account.failing_since,
        ),
    }
    session.execute(
        update(Account).where(*which).values(**values).execution_options(synchronize_session=False)
    )


def _after_a_pause() -> ColumnElement[datetime]:
    """As long from now as after any other failure (`mailboxes.sync.plan.pause_after`)."""
    first, longest = FIRST_PAUSE.total_seconds(), LONGEST_PAUSE.total_seconds()
    seconds = func.least(longest, first * func.power(2.0, func.least(Account.failure_count, 10)))
    pause = func.make_interval(0, 0, 0, 0, 0, 0, seconds * (0.75 + func.random(type_=Float) / 2))
    return func.clock_timestamp() + pause
