"""Administrators are told, once, of an account that fails and waits for them, or does not recover by itself.

A refused or disconnected account is told of at once. One that fails otherwise is given time to recover,
because servers are restarted and networks break for minutes.

By notice (`mailboxes.notices`), so never through the mailbox itself. The account's row says what has been
told of; the schedule looks for the rest, so that nothing is lost with a process that died. When the account
is well again, that is told too.
"""

from datetime import timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, or_, select, text

from mailboxes.accounts import Account
from mailboxes.notices import queue_notice
from mailboxes.sync.claiming import is_wanted
from mailboxes.sync.foreground import bound_to_owner
from mailboxes.system_mailboxes import Mailbox
from tenants.application import settings_of
from tenants.database import across_organizations, db, now
from tenants.errors import InvalidError, NotFoundError
from tenants.organizations import Organization
from tenants.permissions import members_who_may
from tenants.users import system_administrators

WAITING_FOR_PEOPLE = ("disconnected", "refused")
PATIENCE = timedelta(minutes=30)  # so long an account may fail before somebody is told
FAILURES = 3  # … and so often
SUBJECTS = {
    "disconnected": "{label} needs to be connected again",
    "refused": "{label} cannot sign in to its mail server",
    "failing": "{label} cannot be read",
    "ok": "{label} works again",
}
BODIES = {
    "disconnected": """\
Hello,

{name} can no longer be read, since {since} (UTC):
{error}

Open its page and press Reconnect. Until then nothing is fetched or sent; messages wait on the
server, replies wait here.

{link}
""",
    "refused": """\
Hello,

{name} cannot be read, since {since} (UTC):
{error}

Postroom tries again by itself, but seldom, so that the account is not locked. Until then nothing
is fetched; messages wait on the server.

{link}
""",
    "failing": """\
Hello,

{name} cannot be read, since {since} (UTC):
{error}

Postroom tries again by itself, at least once an hour, and tells you when it works again. Until then
nothing is fetched; messages wait on the server.

{link}
""",
    "ok": """\
Hello,

{name} can be read again. What had waited is being fetched.

{link}
""",
}


def tell_of_troubles() -> list[UUID]:
    """Queue what is to be told; commits for each account. Whose notices there are, to be rung for."""
    owners = []
    for account_id in _to_tell_of():
        try:
            with bound_to_owner(account_id):
                owners += [owner for owner in [_tell(account_id)] if owner is not None]
        except NotFoundError:
            continue  # deleted meanwhile
    return list(dict.fromkeys(owners))


def _to_tell_of() -> list[UUID]:
    query = select(Account.id).where(
        Account.is_enabled,
        text(is_wanted("accounts")),
        or_(
            _is_to_be_told()
            & Account.failing_since.is_not(None)
            & Account.told_since.is_distinct_from(Account.failing_since),
            (Account.state == "ok") & Account.told_since.is_not(None),
        ),
    )
    with across_organizations("the sweep finds accounts that wait for people") as session:
        return list(session.scalars(query))


def _is_to_be_told() -> ColumnElement[bool]:
    """Whether an account waits for people, or has failed for too long to be left to itself."""
    lasts = (Account.failing_since < now() - PATIENCE) & (Account.failure_count >= FAILURES)
    return or_(Account.state.in_(WAITING_FOR_PEOPLE), (Account.state == "failing") & lasts)


def _tell(account_id: UUID) -> UUID | None:
    """Tell of one account and remember it; the owner of the notices, if there are any."""
    account = db.session.scalar(select(Account).where(Account.id == account_id).with_for_update())
    if account is None or account.state not in SUBJECTS or account.told_since == account.failing_since:
        return None
    told = False
    since = account.failing_since or account.told_since
    label, name, link = _words(account)
    body = BODIES[account.state].format(
        name=name, since=f"{since:%Y-%m-%d %H:%M}", error=account.last_error, link=link
    )
    for recipient in _recipients(account):
        try:
            made = queue_notice(
                f"account.{account.state}",
                recipient,
                SUBJECTS[account.state].format(label=label),
                body,
                about_id=account.id,
                once=f"account.{account.state} {account.id} {since:%Y%m%dT%H%M%S%f} {recipient}",
            )
        except InvalidError:
            continue  # no letter reaches this address; the others are told
        told = told or made is not None
    account.told_since = account.failing_since
    db.session.commit()
    return account.owner_id if told else None


def _recipients(account: Account) -> list[str]:
    """Who can do something about it."""
    if account.organization_id is None:
        return [user.address for user in db.session.scalars(system_administrators())]
    return [member.user.address for member in db.session.scalars(members_who_may("mailbox.manage"))]


def _words(account: Account) -> tuple[str, str, str]:
    """The mailbox's label, what it is called in a sentence, and where its page is."""
    base = settings_of(current_app).base_url
    if account.organization_id is None:
        return account.address, f"The global mailbox {account.address}", f"{base}/system/mailboxes/"
    mailbox = db.session.scalar(select(Mailbox).where(Mailbox.account_id == account.id))
    organization = db.session.get_one(Organization, account.organization_id)
    label = mailbox.label if mailbox is not None else account.address
    page = f"/configuration/mailboxes/{mailbox.id}" if mailbox is not None else "/configuration/mailboxes/"
    return label, f"The mailbox {label} ({account.address}) of {organization.name}", f"{base}{page}"
