"""Trouble: an account, or a folder of it, that cannot be read; who can do something about it is told.

It starts where a pass fails (`mailboxes.sync.failures`, of a folder `mailboxes.sync.folders`) or dies
(`mailboxes.sync.deaths`), which write on the account's or folder's row since when it is so. Pages say it at
once, by `mailboxes.setup.states`. This room tells of it by notice (`mailboxes.notices`), so never through the
mailbox itself: `accounts` and `folders` find what is to be told, once, `letters` has the words, and `telling`
brings them to the administrators of each owner. It ends with the first pass that succeeds, and that is told
of too, to whoever was told of the trouble.
"""

from uuid import UUID

from mailboxes.troubles.accounts import tell_of_accounts
from mailboxes.troubles.folders import tell_of_folders

__all__ = ["tell_of_troubles"]


def tell_of_troubles() -> list[UUID]:
    """Queue what is to be told; commits for each owner. Whose notices there are, to be rung for."""
    return [*tell_of_accounts(), *tell_of_folders()]
