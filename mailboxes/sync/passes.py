"""One pass over an account: new mail of every folder, what changed, then a slice of history, again and again.

Nothing on the server is touched (EXAMINE and PEEK), unless the read state is mirrored. Every batch is
committed with its cursor, so that a pass may end at any moment, in whatever way.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from uuid import UUID

from mailboxes.accounts import Account, account_now
from mailboxes.connections import egress_policy, imap_settings, most_in_a_day
from mailboxes.errors import (
    CommandRefusedError,
    MailServerError,
    ServerTimeoutError,
    TurnedAwayError,
    UidValidityChangedError,
)
from mailboxes.health.pass_log import Done, log_pass
from mailboxes.imap import ImapConnection
from mailboxes.sync import leases
from mailboxes.sync.budget import Budget
from mailboxes.sync.failures import (
    NoFolderLeftError,
    OwnFailureError,
    as_mail_error,
    note_failure,
    note_fetched,
    note_stall,
    note_success,
)
from mailboxes.sync.folders import is_any_chosen, refresh_folders, synced_folders
from mailboxes.sync.history import history_round
from mailboxes.sync.leaving import demand_readable, leave_alone
from mailboxes.sync.mirroring import mirror_reads
from mailboxes.sync.renaming import look_for_new_names
from mailboxes.sync.running import Heard, Pass, PassReport, Progress
from mailboxes.sync.visiting import visit_each
from tenants.database import db, now
from tenants.secrets import UnreadableSecretError

UNLISTED = "The folders could not be listed; those that are known were read."
PASS_SECONDS = 480.0  # the longest, so that a lost connection or a new password is noticed
TURN_SECONDS = 10.0  # where another account waits

__all__ = ["PassReport", "Progress", "sync_account"]


def sync_account(
    account_id: UUID,
    fence: int,
    progress: Progress | None = None,
    stored: Heard | None = None,
    *,
    do_others_wait: Callable[[], bool] = lambda: False,
    is_news: bool = False,
) -> PassReport:
    """Run one pass under a lease. Never raises for what a server does; the account's row tells it, and
    also what else went wrong, which is raised.

    The session is bound to the account's owner. ``stored`` is told of each commit of arrivals.
    ``do_others_wait``: asked once the turn is over, and from then on; the pass ends early where it says so.
    ``is_news``: it goes before others for its new mail, and its turn is over when that is in.
    """
    report = PassReport()
    began = time.monotonic()
    account = account_now(account_id)
    try:
        imap = ImapConnection(imap_settings(account), egress_policy())
        budget = _budget(account)
        db.session.commit()
        budget.demand(0)
        with _counted(imap, report):
            ends = began + PASS_SECONDS, began + TURN_SECONDS
            _run(Pass(account, fence, imap, report, progress, stored, *ends, do_others_wait, budget), is_news)
    except leases.LeaseLostError:
        report.is_lease_lost = True
        return report
    except (MailServerError, UnreadableSecretError) as error:
        db.session.rollback()
        report.error = as_mail_error(error)
    except Exception:
        db.session.rollback()
        report.error = OwnFailureError()  # a bug of ours, or a disk that is full: it backs off all the same
        report.seconds = time.monotonic() - began
        _settled(account_id, fence, report)
        raise
    report.seconds = time.monotonic() - began
    return _settled(account_id, fence, report)


@contextmanager
def _counted(imap: ImapConnection, report: PassReport) -> Iterator[None]:
    """An open connection; what it has brought is told, however it ends."""
    try:
        with imap:
            yield
    finally:
        report.fetched_bytes, report.is_throttled = imap.received_count, imap.is_throttled


def _budget(account: Account) -> Budget:
    at = now()
    spent = account.fetched_bytes if account.fetched_on == at.astimezone(UTC).date() else 0
    return Budget(most_in_a_day(), spent, at)


def _settled(account_id: UUID, fence: int, report: PassReport) -> PassReport:
    """Write down how the pass went, if the account is still ours."""
    try:
        leases.demand(account_id, fence)
    except leases.LeaseLostError:
        report.is_lease_lost = True
        return report
    account = account_now(account_id)
    before = account.state, account.last_error
    note_fetched(account, report.fetched_bytes)
    if report.error is None:
        note_success(account, has_more=report.has_more, is_throttled=report.is_throttled)
    elif isinstance(report.error, UidValidityChangedError):
        note_stall(account, report.error)
    else:
        note_failure(account, report.error)
    account = account_now(account_id)
    log_pass(account, _done(report))
    report.is_news = before != (account.state, account.last_error)
    db.session.commit()
    return report


def _done(report: PassReport) -> Done:
    error = report.error
    return Done(
        seconds=report.seconds,
        new_count=report.new_count,
        history_count=report.history_count,
        changed_count=report.changed_count,
        vanished_count=report.vanished_count,
        fetched_bytes=report.fetched_bytes,
        error=error.told if error is not None else report.trouble,
    )


def _list_folders(run: Pass) -> None:
    """What folders there are; where that is refused or not answered, those that are known are read."""
    try:
        listed = run.imap.folders()
    except (CommandRefusedError, ServerTimeoutError, TurnedAwayError) as error:
        known = synced_folders(run.account)
        db.session.commit()
        if not known:
            raise
        run.report.trouble = f"{UNLISTED} {error.message}"
        run.is_doubtful = not run.imap.is_open
        run.connect_again()
    else:
        refresh_folders(run.account, run.fence, listed)


def _run(run: Pass, is_news: bool) -> None:
    _list_folders(run)
    if not synced_folders(run.account) and is_any_chosen(run.account):
        look_for_new_names(run)
        raise NoFolderLeftError
    is_first_round = True
    while True:
        run.begin_round()
        folders = synced_folders(run.account)
        db.session.commit()
        run.report.folder_count = len(folders)
        if is_first_round:
            leave_alone(run, folders)
        looks_at = time.monotonic()
        visit_each(run, folders, is_first_round=is_first_round)
        looked_seconds = time.monotonic() - looks_at
        if is_first_round and run.account.mirrors_reads:
            run.report.changed_count += mirror_reads(run)
        has_more = history_round(run, folders, looked_seconds)
        if not has_more or run.is_over or (is_news and run.do_others_wait()):
            run.report.has_more = has_more or run.is_cut
            break
        is_first_round = False
    look_for_new_names(run)
    demand_readable(run, folders)
