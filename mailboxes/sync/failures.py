"""A pass failed or succeeded: what the account's row says then, and when it is tried again."""

import random
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import case, func, update

from mailboxes.accounts import Account
from mailboxes.errors import (
    AuthenticationFailedError,
    ConsentEndedError,
    MailServerError,
)
from mailboxes.imap.refusals import THROTTLED_SECONDS
from mailboxes.sync.budget import BudgetSpentError
from mailboxes.sync.plan import pause_after
from tenants.database import db, now
from tenants.secrets import UnreadableSecretError

SECOND_LOGIN_SECONDS = 300.0

log = structlog.get_logger()


class UnreadablePasswordError(MailServerError):
    """The stored password belongs to another key: it has to be typed again."""

    message = "The stored password cannot be decrypted."
    advice = "Type the password again, or restore the encryption key it was stored with."
    is_permanent = True
    needs_reconnect = False


class OwnFailureError(MailServerError):
    """A pass failed by what no server did: our storage, or a bug."""

    message = "Postroom could not store what came."
    advice = "It is tried again by itself. If it stays, the log of the worker says why."
    needs_reconnect = False


class NoFolderLeftError(MailServerError):
    """Nothing that was chosen to be read can be: a pass that has nothing to do is no success (F38)."""

    message = "None of the folders that are to be read is on the server any more."
    advice = "Retrieve the folders on the page of the mailbox, and choose those that are to be read."
    is_permanent = True
    needs_reconnect = False


class WorkerDiedError(OwnFailureError):
    """A pass ended with its process, and so did those before: what it reads may be the cause."""

    message = "The worker died while it read this account, again."
    advice = (
        "It is tried again by itself, less and less often. If it stays, the log of the worker says what it "
        "died of, such as a lack of memory."
    )


def as_mail_error(error: MailServerError | UnreadableSecretError) -> MailServerError:
    """One kind of error for whatever keeps us from an account."""
    return error if isinstance(error, MailServerError) else UnreadablePasswordError()


def note_success(account: Account, *, has_more: bool, is_throttled: bool = False) -> None:
    """The account is well again, by itself; with history left it is due at once. The caller commits.

    ``is_throttled``: the server has said that it is asked too much, though it has answered (F34).
    """
    well: dict[str, Any] = {"state": "ok", "last_error": "", "failing_since": None, "synced_at": now()}
    well |= {"failure_count": 0, "death_count": 0, "is_spent": False}
    was_told = Account.told_since.is_not(None) & (Account.told_since == Account.failing_since)
    well |= {"recovered_at": case((was_told, now()), else_=Account.recovered_at)}
    still_quiet = case((Account.quiet_until > now(), Account.quiet_until), else_=None)
    quiet_until = now() + timedelta(seconds=THROTTLED_SECONDS) if is_throttled else still_quiet
    well |= {"quiet_until": quiet_until}
    _write(account, **well, **({"next_attempt_at": now()} if has_more else {}))


def note_failure(account: Account, error: MailServerError) -> None:
    """Back off; longer where trying again does not help, a rejected login much longer. The caller commits."""
    is_slip = _may_be_a_slip(account, error)
    is_refused = not is_slip and isinstance(error, AuthenticationFailedError | UnreadablePasswordError)
    failures = account.failure_count + 1
    pause = pause_after(
        failures,
        is_refused=is_refused,
        is_permanent=error.is_permanent and not is_slip,
        retry_after=SECOND_LOGIN_SECONDS if is_slip else error.retry_after,
        jitter=random.random(),  # noqa: S311  # spreads load, guards nothing
    )
    log.warning(
        "pass failed",
        account=str(account.id),
        error=type(error).__name__,
        failures=failures,
        pause=str(pause),
    )
    _write(
        account,
        state="failing" if is_slip else _state_after(error, is_refused=is_refused),
        last_error=error.told,
        failing_since=func.coalesce(Account.failing_since, now()),
        failure_count=failures,
        death_count=0,
        next_attempt_at=now() + pause,
        quiet_until=now() + pause if error.retry_after else None,
        is_spent=isinstance(error, BudgetSpentError),
    )


def note_fetched(account: Account, count: int) -> None:
    """Count bytes of the day (UTC). The caller commits."""
    today = now().date()
    earlier = case((Account.fetched_on == today, Account.fetched_bytes), else_=0)
    _write(account, fetched_bytes=earlier + count, fetched_on=today)


def _may_be_a_slip(account: Account, error: MailServerError) -> bool:
    """A server that cannot look up passwords at the moment often says that one is wrong: where it was right
    until now, it is tried once more before people are asked."""
    return account.state == "ok" and type(error) is AuthenticationFailedError


def _state_after(error: MailServerError, *, is_refused: bool) -> str:
    if isinstance(error, ConsentEndedError):
        return "disconnected"
    if is_refused:
        return "refused"
    return "misconfigured" if error.is_permanent else "failing"


def note_stall(account: Account, error: MailServerError) -> None:
    """A failure that another pass, right away, will see through (the folder was renumbered meanwhile)."""
    log.info("pass to be repeated", account=str(account.id), error=type(error).__name__)
    at_once = case((Account.next_attempt_at < now(), Account.next_attempt_at), else_=now())
    _write(account, next_attempt_at=at_once, death_count=0)


def _write(account: Account, **values: Any) -> None:
    db.session.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
