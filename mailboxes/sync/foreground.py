"""A pass that a person waits for: the same as a worker's, delivery included."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.intake import deliver
from mailboxes.sync import leases
from mailboxes.sync.passes import PassReport, Progress, sync_account
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db, enter_installation, enter_organization, now
from tenants.errors import ConflictError, NotFoundError

STARTED_AS = secrets.token_hex(8)  # two containers may have a name and the numbers of processes in common


def sync_now(account_id: UUID, progress: Progress | None = None) -> PassReport:
    """Run passes over an account until nothing is left, and deliver what they brought.

    `ConflictError` while another pass runs, or while the server asks to be left alone.
    """
    with bound_to_owner(account_id):
        fence = leases.take(account_id, worker_name())
        if fence is None:
            raise ConflictError(_why_not_now(account_id))
        with leases.held(account_id, fence):
            report = sync_account(account_id, fence, progress)
        deliver(account_id)
    return report


def _why_not_now(account_id: UUID) -> str:
    quiet_until = db.session.scalar(select(Account.quiet_until).where(Account.id == account_id))
    if quiet_until is not None and quiet_until > now():
        return f"The server asks to be left alone until {quiet_until:%Y-%m-%d %H:%M} UTC."
    return "A pass over this mailbox is running. Try again in a moment."


@contextmanager
def bound_to_owner(account_id: UUID) -> Iterator[UUID | None]:
    """A fresh scope, bound to the organization that owns an account, or to the installation."""
    owner = owner_of(account_id)
    with current_app.app_context():
        bind_to_owner(owner)
        yield owner


def bind_to_owner(owner: UUID | None) -> None:
    """Bind this session to the owner of an account."""
    if owner is None:
        enter_installation("works for a global account")
    else:
        enter_organization(owner)


def owner_of(account_id: UUID) -> UUID | None:
    """The organization that owns an account; None for the installation. `NotFoundError` if none is there."""
    with across_organizations("a job names an account and has to find its organization") as session:
        row = session.execute(select(Account.organization_id).where(Account.id == account_id)).one_or_none()
    if row is None:
        raise NotFoundError("This account does not exist.")
    return row[0]


def readers_of(account_id: UUID) -> list[tuple[UUID, UUID]]:
    """The mailboxes that read an account, each as its organization and its id."""
    with across_organizations(
        "a pass tells the pages of every organization that reads the account"
    ) as session:
        rows = session.execute(
            select(Mailbox.organization_id, Mailbox.id).where(Mailbox.account_id == account_id)
        )
        return [(row.organization_id, row.id) for row in rows]


def worker_name(process: int | None = None) -> str:
    """Who holds a lease: a process (this one) of a machine, as the one that forked it knows it."""
    return f"{socket.gethostname()}:{process or os.getpid()}:{STARTED_AS}"
