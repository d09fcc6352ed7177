"""What other operations name: who one is, people, templates, lead sources, mailboxes to read."""

from typing import Any

from flask import g
from sqlalchemy import func

from mailboxes.access import readable_mailboxes
from mailboxes.crm.lead_sources import LeadSource, visible_lead_sources
from mailboxes.crm.paging import Page
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Template, templates
from tenants.organizations import MemberFilter, Membership, members
from tenants.permissions import PERMISSIONS
from webapp.api.listing import page_of
from webapp.api.operations import WORDS, operation
from webapp.api.shapes import FLAG, ID, MOMENT, TEXT, Shape, maybe, one_of, several

TOKEN = Shape("Token", id=ID, name=TEXT, scopes=several(TEXT), expires_at=maybe(MOMENT))
ORGANIZATION = Shape("Organization", id=ID, name=TEXT, slug=TEXT)
MEMBER = Shape("Member", id=ID, name=TEXT, address=(TEXT, lambda member: member.user.address), is_active=FLAG)
ME = Shape(
    "Me",
    token=(TOKEN.kind, lambda g: g.token),
    organization=(ORGANIZATION.kind, lambda g: g.organization),
    member=(MEMBER.kind, lambda g: g.member),
    permissions=(several(one_of(*PERMISSIONS)), lambda g: sorted(g.permissions)),
)
TEMPLATE = Shape("Template", id=ID, name=TEXT, type=(TEXT, lambda one: one.kind), used_for=several(TEXT))
LEAD_SOURCE = Shape("LeadSource", id=ID, key=TEXT, name=TEXT, is_default=FLAG)
READABLE_MAILBOX = Shape("ReadableMailbox", id=ID, label=TEXT, address=TEXT)


@operation("GET", "/me", answer=ME)
def me() -> Any:
    """Who a token acts as, where, and what it is for."""
    return g


@operation("GET", "/members", answer=MEMBER, query={"q": WORDS}, is_list=True)
def list_members(query: dict[str, Any]) -> Page[Membership]:
    """The people of the organization: owners and assignees are named by these ids."""
    return page_of(query, members(MemberFilter(query.get("q", ""))), Membership.joined_at, Membership.id)


@operation(
    "GET",
    "/templates",
    scope="mailboxes:read",
    permissions=("mailbox.manage",),
    answer=TEMPLATE,
    is_list=True,
)
def list_templates(query: dict[str, Any]) -> Page[Template]:
    """Email templates; rules name them by their names."""
    return page_of(query, templates(), func.lower(Template.name), Template.id)


@operation(
    "GET", "/lead-sources", scope="leads:read", permissions=("lead.view",), answer=LEAD_SOURCE, is_list=True
)
def list_lead_sources(query: dict[str, Any]) -> Page[LeadSource]:
    """The sources that can be chosen for a lead."""
    return page_of(query, visible_lead_sources(), func.lower(LeadSource.name), LeadSource.id)


@operation("GET", "/readable-mailboxes", scope="messages:read", answer=READABLE_MAILBOX, is_list=True)
def list_readable_mailboxes(query: dict[str, Any]) -> Page[Mailbox]:
    """The mailboxes whose conversations may be read."""
    return page_of(query, readable_mailboxes(g.member), func.lower(Mailbox.label), Mailbox.id)
