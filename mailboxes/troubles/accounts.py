"""Of which accounts there is something to tell: those that wait for people, or do not recover by themselves.

What waits for people is told of at once, also if it was told of before as something that passes. What fails
otherwise is given time to recover, because servers are restarted and networks break for minutes. An account
that nothing is fetched from for now, because its server or its budget does not permit more, is told of if
that lasts.

The account's row says what has been told of; the schedule looks for the rest, so that nothing is lost with
a process that died. When the account is well again, that is told too. Of many at once there is one letter,
and what comes soon after is gathered: a server of thousands of mailboxes that is away makes a few letters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update

from mailboxes.accounts import WAITING_FOR_PEOPLE, Account, shown_state
from mailboxes.sync.claiming import is_wanted
from mailboxes.system_mailboxes import Mailbox
from mailboxes.troubles import telling
from mailboxes.troubles.letters import SUBJECTS, Trouble, letter_about_many, letter_about_one
from mailboxes.webhooks.telling import tell
from tenants.database import INSTALLATION, across_organizations, db, now
from tenants.database.bulk import among
from tenants.organizations import Organization

FAILURES = 3  # in a row, over `telling.PATIENCE`, before somebody is told
LONG_QUIET = timedelta(hours=1)
FEW = 3  # accounts that are told of each in a letter of its own


@dataclass(frozen=True, slots=True)
class _Found:
    """An account that is to be told of, and its mailbox if an organization owns it."""

    id: UUID
    kind: str
    mailbox_id: UUID | None
    trouble: Trouble


def tell_of_accounts() -> list[UUID]:
    """Queue what is to be told; commits for each owner. Whose notices there are, to be rung for."""
    return telling.tell_each(_owners_to_tell(), _tell)


def _owners_to_tell() -> Sequence[UUID]:
    """Those with something to tell of, whose wait began first; not those that were told of many just now."""
    lately = (
        select(Account.owner_id)
        .where(Account.told_at > now() - telling.GATHERED)
        .group_by(Account.owner_id)
        .having(func.count() > FEW)
    )
    query = (
        select(Account.owner_id)
        .where(_is_to_be_told(), Account.owner_id.not_in(lately))
        .group_by(Account.owner_id)
        .order_by(func.min(Account.failing_since).nulls_first())
        .limit(telling.OWNERS_AT_ONCE)
    )
    with across_organizations("the sweep finds accounts that wait for people") as session:
        return session.scalars(query).all()


def _is_to_be_told() -> ColumnElement[bool]:
    """Whether there is news: of trouble, of trouble that waits for people by now, or that all is well."""
    waits = Account.state.in_(WAITING_FOR_PEOPLE)
    is_new = Account.told_since.is_distinct_from(Account.failing_since)
    is_worse = waits & (Account.told_state != Account.state)
    is_news = or_(
        Account.failing_since.is_not(None) & (waits | _lasts()) & (is_new | is_worse),
        (Account.state == "ok") & Account.told_since.is_not(None),
    )
    return and_(Account.is_enabled, text(is_wanted("accounts")), is_news)


def _lasts() -> ColumnElement[bool]:
    """Whether an account has failed for too long to be left to itself, or is left alone for long."""
    fails = (Account.failing_since < now() - telling.PATIENCE) & (Account.failure_count >= FAILURES)
    is_quiet = (Account.quiet_until > now()) & (Account.quiet_until - Account.failing_since > LONG_QUIET)
    return (Account.state == "failing") & (fails | is_quiet)


def _tell(owner: UUID) -> bool:
    """Tell of the accounts of one owner and remember it; whether there are notices. Commits."""
    found = _found()
    letters: list[telling.Letter] = []
    for kind, alike in groupby(found, key=lambda one: one.kind):
        group = list(alike)
        letters += _one_about_many(owner, kind, group) if len(group) > FEW else _one_each(owner, group)
    made = telling.queue_letters(owner, letters)
    for one in found:
        _tell_webhooks(one)
    _remember(found)
    db.session.commit()
    return made


def _found() -> list[_Found]:
    """What is to be told of at this owner, by kind; locked, so that a pass that ends now waits."""
    kind = shown_state().label("shown")
    query = (
        select(Account, Mailbox.id.label("mailbox_id"), Mailbox.label, kind)
        .outerjoin(Mailbox, Mailbox.account_id == Account.id)
        .where(_is_to_be_told())
        .order_by(kind, Account.failing_since, Account.id)
        .limit(telling.MOST_AT_ONCE)
        .with_for_update(of=Account, skip_locked=True)
    )
    return [_of_row(row) for row in db.session.execute(query) if row.shown in SUBJECTS]


def _of_row(row: Any) -> _Found:
    account: Account = row.Account
    trouble = Trouble(
        label=row.label or account.address,
        address=account.address,
        host=account.imap_host,
        error=account.last_error,
        since=account.failing_since or account.told_since or now(),
        until=account.quiet_until,
    )
    return _Found(account.id, row.shown, row.mailbox_id, trouble)


def _tell_webhooks(one: _Found) -> None:
    """Of the mailboxes of organizations; a global account is the system's to look after."""
    if one.mailbox_id is None:
        return
    if one.kind == "ok":
        tell("mailbox.recovered", mailbox_id=one.mailbox_id)
    else:
        tell("mailbox.failing", mailbox_id=one.mailbox_id, because=one.kind)


def _remember(found: Iterable[_Found]) -> None:
    db.session.execute(
        update(Account)
        .where(among(Account.id, [one.id for one in found]))
        .values(told_since=Account.failing_since, told_state=Account.state, told_at=now())
        .execution_options(synchronize_session=False)
    )


# --- letters ---------------------------------------------------------------------------------


def _one_each(owner: UUID, found: Sequence[_Found]) -> list[telling.Letter]:
    letters = []
    for one in found:
        link = f"{telling.grid_url(owner)}{one.mailbox_id or ''}"
        subject, body = letter_about_one(one.kind, one.trouble, _name(owner, one), link)
        once = f"account.{one.kind} {one.id} {telling.key_of(one.trouble.since)}"
        letters.append(telling.Letter(f"account.{one.kind}", subject, body, one.id, once))
    return letters


def _one_about_many(owner: UUID, kind: str, found: Sequence[_Found]) -> list[telling.Letter]:
    whose = "the system" if owner == INSTALLATION else db.session.get_one(Organization, owner).name
    link = f"{telling.grid_url(owner)}{'' if kind == 'ok' else '?state=attention'}"
    subject, body = letter_about_many(kind, [one.trouble for one in found], whose, link)
    return [
        telling.Letter(f"accounts.{kind}", subject, body, None, f"accounts.{kind} {telling.key_of(now())}")
    ]


def _name(owner: UUID, one: _Found) -> str:
    """What a mailbox is called in a sentence."""
    if owner == INSTALLATION:
        return f"The global mailbox {one.trouble.address}"
    organization = db.session.get_one(Organization, owner)
    return f"The mailbox {one.trouble.label} ({one.trouble.address}) of {organization.name}"
