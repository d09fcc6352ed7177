"""The quarantine of an organization's mailboxes, for its administrators."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes.given_up import given_up_count
from mailboxes.system_mailboxes import SEES_DELETED, Mailbox
from tenants.audit import record
from tenants.database import db
from tenants.database.bulk import among
from webapp.configuration.pages import actor
from webapp.guards import permission_required
from webapp.mailboxes.door import organization_door
from webapp.quarantine import given_up as given_up_pages
from webapp.quarantine import pages
from webapp.quarantine.pages import Level, Named

blueprint = Blueprint("quarantine", __name__, url_prefix="/configuration/quarantine")


@blueprint.get("/")
@permission_required("mailbox.manage")
def index() -> ResponseReturnValue:
    """The list."""
    return pages.list_page(_level())


@blueprint.post("/")
@permission_required("mailbox.manage")
def act() -> ResponseReturnValue:
    """One button for one or many."""
    return pages.act(_level())


@blueprint.get("/not-converted")
@permission_required("mailbox.manage")
def given_up() -> ResponseReturnValue:
    """What was taken in, and could not be converted and answered."""
    return given_up_pages.list_page(_level())


@blueprint.post("/not-converted")
@permission_required("mailbox.manage")
def act_on_given_up() -> ResponseReturnValue:
    """Let it be tried again, or dismiss it; one or many."""
    return given_up_pages.act(_level())


def _level() -> Level:
    return Level("quarantine", organization_door(), _mailboxes, _note, given_up_count)


def _mailboxes(account_ids: set[UUID]) -> dict[UUID, Named]:
    query = select(Mailbox).where(among(Mailbox.account_id, account_ids))
    found = db.session.scalars(query, execution_options={SEES_DELETED: True})
    return {one.account_id: Named(one.id, one.label, one.deleted_at is not None) for one in found}


def _note(act: str, count: int) -> None:
    record(actor(), act, "Quarantine", {}, {"messages": count})
