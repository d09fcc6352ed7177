"""The quarantine of global mailboxes, for system administrators."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes.global_mailboxes.table import GlobalMailbox
from tenants.audit import record_for_system
from tenants.database import db
from tenants.database.bulk import among
from webapp.configuration.pages import actor
from webapp.global_mailboxes.door import enter
from webapp.guards import system_admin_required
from webapp.quarantine import pages
from webapp.quarantine.pages import Level, Named

blueprint = Blueprint("system_quarantine", __name__, url_prefix="/system/quarantine")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """The list."""
    return pages.list_page(_level())


@blueprint.post("/")
@system_admin_required
def act() -> ResponseReturnValue:
    """One button for one or many."""
    return pages.act(_level())


def _level() -> Level:
    return Level("system_quarantine", enter(), _mailboxes, _note)


def _mailboxes(account_ids: set[UUID]) -> dict[UUID, Named]:
    query = select(GlobalMailbox).where(among(GlobalMailbox.account_id, account_ids))
    found = db.session.scalars(query)
    return {one.account_id: Named(one.id, one.label, one.deleted_at is not None) for one in found}


def _note(act: str, count: int) -> None:
    record_for_system(actor(), act, "Quarantine", {}, {"messages": count})
