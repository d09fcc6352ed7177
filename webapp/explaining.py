"""Why somebody sees a mailbox and what is in it, and why somebody else does not."""

from flask import request

from mailboxes.access import Access, access_of, members_with_access
from mailboxes.crm.paging import Page, page
from mailboxes.system_mailboxes import Mailbox
from tenants.organizations import Membership, members_found
from tenants.users import SHOWN_NAME

SIZE = 50
LONGEST_SEARCH = 200


def searched_words() -> str:
    """What was typed into the search over people."""
    return request.args.get("person", "").replace("\x00", "").strip()[:LONGEST_SEARCH]


def people_found(mailbox: Mailbox) -> Page[Access]:
    """A page of everybody who sees a mailbox; with words, of everybody of that name, who may not see it."""
    words = searched_words()
    query = members_found(words) if words else members_with_access(mailbox)
    cursor = request.args.get("page", "")
    members = page(
        query.order_by(None), SHOWN_NAME, Membership.id, is_descending=False, cursor=cursor, size=SIZE
    )
    return Page(access_of(mailbox.id, members.rows), members.previous, members.next)
