"""Every page with its visitor, from the URL map, for tests and measurements that go through them all.

A new page is among them by itself: then the number of its queries is known not to grow, and
``./dev bench administration`` measures it among 2,000 organizations. It may need a row to be about
(`tests.everything`), or a reason why it is no page (`NO_PAGES`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from flask import Flask
from werkzeug.routing import Rule

from tests.everything import Ids
from tests.factories import World

SYSTEM_ADMIN, ADMIN, MEMBER = "system administrator", "administrator", "member"

# What a GET answers that is no page: by the reason, the endpoints.
NO_PAGES: dict[str, tuple[str, ...]] = {
    "a file, or what a frame holds": (
        *("people.import_template", "users.import_template"),
        *("static", "mailboxes.held_file", "system_mailboxes.held_file"),
        *("mail.attachment", "mail.attached_picture", "mail.attachments_as_zip"),
        *("mail.inline_image", "mail.original_file"),
        *("mail.body", "templates.preview_body", "system_templates.preview_body"),
        *("api.read_attachment", "api.read_source"),
    ),
    "a link from a letter or from a provider, used once": (
        *("mailboxes.confirm_address", "system_mailboxes.confirm_address"),
        *("mailboxes.connected", "opened_mailboxes.connected", "system_mailboxes.connected"),
        *("oauth.callback", "provider.answer", "provider.confirm"),
        *("invitations.accept", "passwords.choose"),
    ),
    "leads to another page": (
        *("home.index", "organization.index", "personal.index", "system.index", "mail.draft"),
    ),
    "for whoever is not signed in": (
        "auth.sign_in",
        "auth.code",
        "auth.recovery_code",
        "passwords.forgotten",
    ),
    "for machines": ("home.alive", "home.ready", "metrics.index", "api.openapi"),
    "of the demo": ("customer.write", "customer.letter", "customer.notices"),
    "asks for what only its own story has": ("security.set_up",),
}
# What pages are asked besides themselves.
QUERIES: dict[str, tuple[str, ...]] = {
    "system.group": ("in=all", "q=mail"),
    "system.organizations": ("side=override",),
    "system.organization_group": ("in=all",),
    "organization.group": ("in=all", "q=mail"),
    "mailboxes.index": ("q=box+77", "state=attention&sort=-newest", "sort=-waiting"),
    "system_mailboxes.index": ("q=info",),
    "mailboxes.people": ("person=person+a",),
    "mailboxes.people_choices": ("field=owner&find_owner=person+a",),
    "choosing.choices": ("field=owner&find_owner=person+a",),
    "mail.index": ("view=all", "q=question"),
    "personal.notifications": ("q=box+77",),
    "mail.assignees": ("person=person+a",),
    "mail.mailboxes": ("label=box+77",),
    "mail.senders": ("mailbox=&find_mailbox=box+77",),
    "audit.index": ("about=nothing+like+it",),
    "system_audit.index": ("about=nothing+like+it",),
    "people.index": ("q=person+a",),
    "users.index": ("q=person+a",),
    "organizations.index": ("q=77",),
    "leads.index": ("q=lead", "sort=name"),
    "cases.index": ("q=case", "sort=-priority"),
    "contacts.index": ("q=contact+7",),
    "api.list_mailboxes": ("q=box+77",),
    "api.list_conversations": ("q=question",),
    "api.list_messages": ("q=question",),
    "api.list_leads": ("q=lead",),
    "api.list_cases": ("q=case",),
    "api.list_contacts": ("q=contact",),
    "api.list_members": ("q=person+a",),
}
_PLAIN = {"key": "email", "setting": "sync.interval_seconds", "personal.setting": "mail.signature"}
_OF_MEMBERS = ("lead.", "case.", "contact.")


@dataclass(frozen=True)
class Page:
    """Who looks, and at what."""

    who: str
    rule: Rule = field(compare=False)
    endpoint: str
    query: str = ""

    def __str__(self) -> str:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", self.rule.rule)
        return f"{path}?{self.query}" if self.query else path


@dataclass(frozen=True)
class Place:
    """What addresses of pages need to know."""

    world: World
    ids: Ids

    def address(self, app: Flask, page: Page) -> str:
        """The address of a page that is about what is in this place."""
        values = {name: self._value(page.endpoint, name) for name in page.rule.arguments}
        path = app.url_map.bind("localhost").build(page.endpoint, values | dict(parse_qsl(page.query)))
        return str(path)

    def _value(self, endpoint: str, name: str) -> object:
        blueprint = endpoint.partition(".")[0]
        for known in (f"{blueprint}.{name}", name):
            if known in self.ids or known in _PLAIN:
                return self.ids.get(known) or _PLAIN[known]
        raise LookupError(f"{endpoint} is about a {name}: make one in tests/everything.py")


def pages(app: Flask) -> list[Page]:
    """All of them, without and with what they are asked besides."""
    return [
        Page(_visitor(app, rule), rule, rule.endpoint, query)
        for rule in _rules(app)
        for query in ("", *QUERIES.get(rule.endpoint, ()))
    ]


def _rules(app: Flask) -> Iterator[Rule]:
    left_out = {endpoint for endpoints in NO_PAGES.values() for endpoint in endpoints}
    for rule in sorted(app.url_map.iter_rules(), key=str):
        if "GET" in (rule.methods or ()) and rule.endpoint not in left_out:
            yield rule


def _visitor(app: Flask, rule: Rule) -> str:
    guard = vars(app.view_functions[rule.endpoint])["guard"]
    if guard == SYSTEM_ADMIN:
        return SYSTEM_ADMIN
    return MEMBER if guard in {"member", "signed in"} or guard.startswith(_OF_MEMBERS) else ADMIN
