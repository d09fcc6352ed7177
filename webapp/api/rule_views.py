"""The auto-response rules of a mailbox, in the words of an installation's file."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from mailboxes import rules
from mailboxes.crm.paging import Page
from mailboxes.interchange import one_mailbox
from mailboxes.interchange.one_mailbox import NEW_RULE, RULE_CHANGES
from mailboxes.rules import AutoResponseRule
from tenants.database import db
from tenants.database.locks import hold_row
from webapp.api.listing import page_of
from webapp.api.mailbox_views import own_rules_mailbox
from webapp.api.operations import demand_match, once, operation
from webapp.api.shapes import ID, NUMBER, Kind, Shape, described, maybe
from webapp.configuration.pages import actor
from webapp.mailboxes.pages import mailbox_of_organization

_MAY = ("mailbox.manage",)


@dataclass(frozen=True)
class Described:
    """A rule as a file would say it."""

    rule: AutoResponseRule

    @cached_property
    def words(self) -> dict[str, Any]:
        """The keys of the file."""
        return one_mailbox.describe_rule(self.rule)


def _said(name: str) -> tuple[Kind, Any]:
    kind = described(NEW_RULE.schema["properties"][name])
    return kind, lambda one: one.words.get(name)


def _said_or_not(name: str) -> tuple[Kind, Any]:
    kind, source = _said(name)
    return maybe(kind), source


RULE = Shape(
    "Rule",
    id=(ID, lambda one: one.rule.id),
    position=(NUMBER, lambda one: one.rule.position),
    **{name: _said(name) for name in ("name", "active", "conditions")},
    **{name: _said_or_not(name) for name in ("template", "response")},
)


@operation(
    "GET",
    "/mailboxes/<uuid:mailbox_id>/rules",
    scope="mailboxes:read",
    permissions=_MAY,
    answer=RULE,
    is_list=True,
)
def list_rules(mailbox_id: UUID, query: dict[str, Any]) -> Page[Described]:
    """The rules that apply in a mailbox, in order: the first active one that fits answers."""
    applying = rules.rules_of(mailbox_of_organization(mailbox_id))
    page = page_of(query, applying, AutoResponseRule.position, AutoResponseRule.id)
    return Page([Described(rule) for rule in page.rows], next=page.next)


@operation(
    "GET",
    "/mailboxes/<uuid:mailbox_id>/rules/<uuid:rule_id>",
    scope="mailboxes:read",
    permissions=_MAY,
    answer=RULE,
)
def read_rule(mailbox_id: UUID, rule_id: UUID) -> Described:
    """One rule."""
    return Described(rules.rule_of(mailbox_of_organization(mailbox_id), rule_id))


@operation(
    "POST",
    "/mailboxes/<uuid:mailbox_id>/rules",
    scope="mailboxes:write",
    permissions=_MAY,
    body=NEW_RULE,
    answer=RULE,
    status=201,
    is_once=True,
)
def make_rule(mailbox_id: UUID, body: dict[str, Any]) -> Described:
    """Add a rule, at the end or at a `position`. It answers with a `template` or a `response` of its own."""
    mailbox = own_rules_mailbox(mailbox_id)
    id = once(lambda: one_mailbox.keep_rule(mailbox, None, body, by=actor()).id)
    db.session.commit()
    return Described(rules.own_rule_of(mailbox, id))


@operation(
    "PATCH",
    "/mailboxes/<uuid:mailbox_id>/rules/<uuid:rule_id>",
    scope="mailboxes:write",
    permissions=_MAY,
    body=RULE_CHANGES,
    answer=RULE,
    is_matched=True,
)
def change_rule(mailbox_id: UUID, rule_id: UUID, body: dict[str, Any]) -> Described:
    """Change what is said, and leave the rest; another `position` moves it."""
    mailbox, rule = _own(mailbox_id, rule_id)
    demand_match(RULE.shown(Described(rule)))
    one_mailbox.keep_rule(mailbox, rule, body, by=actor())
    db.session.commit()
    return Described(rule)


@operation(
    "DELETE",
    "/mailboxes/<uuid:mailbox_id>/rules/<uuid:rule_id>",
    scope="mailboxes:write",
    permissions=_MAY,
    is_matched=True,
)
def delete_rule(mailbox_id: UUID, rule_id: UUID) -> None:
    """Remove a rule, and the response that was its own."""
    _, rule = _own(mailbox_id, rule_id)
    demand_match(RULE.shown(Described(rule)))
    rules.delete_rule(rule, by=actor())
    db.session.commit()


def _own(mailbox_id: UUID, rule_id: UUID) -> tuple[Any, AutoResponseRule]:
    mailbox = own_rules_mailbox(mailbox_id)
    rule = rules.own_rule_of(mailbox, rule_id)
    hold_row(rule)
    return mailbox, rule
