"""Whether what somebody asks of a mailbox is done soon, and if not, why: one answer for every button."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.global_mailboxes.listing import global_states_of
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.setup.states import states_of, why_no_pass
from mailboxes.system_mailboxes import Mailbox
from tenants.database import INSTALLATION, db
from tenants.database.bulk import among


def state_of_any(mailbox: Mailbox | GlobalMailbox) -> str:
    """How a mailbox of either level is; a key of `STATES`."""
    return _states([mailbox.account_id])[mailbox.account_id]


def why_not_soon(account_ids: Collection[UUID], *, is_forced: bool = False) -> dict[UUID, str]:
    """Why no pass over these accounts comes soon, in a sentence; those that get one are left out.

    ``is_forced``: somebody wants it whatever the back-off says. The session is bound to their owner.
    """
    query = select(Account.id, Account.quiet_until).where(among(Account.id, account_ids))
    quiet = {row.id: row.quiet_until for row in db.session.execute(query)}
    whys = {
        id: why_no_pass(state, quiet.get(id), is_forced=is_forced)
        for id, state in _states(account_ids).items()
    }
    return {id: why for id, why in whys.items() if why}


def _states(account_ids: Collection[UUID]) -> dict[UUID, str]:
    is_the_systems = db.session.info.get("organization_id") == INSTALLATION
    return (global_states_of if is_the_systems else states_of)(list(account_ids))
