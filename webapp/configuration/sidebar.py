"""The tree on the left of every configuration page, for an organization and for the system."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import current_app, g, request, url_for

from mailboxes.given_up import given_up_count
from mailboxes.global_mailboxes.grid import global_attention_count
from mailboxes.health.worst import troubled_count
from mailboxes.intake.held import quarantined_count
from mailboxes.routing.unrouted import unrouted_count
from mailboxes.setup.grid import attention_count
from tenants.configuration.catalog import GROUPS, ORGANIZATION, SYSTEM, settings_at
from webapp.routing.door import installation

UNROUTED = "Unrouted"
QUARANTINE = "Quarantine"
# Pages beside the settings: heading, label, endpoint, permission.
ORGANIZATION_PAGES: tuple[tuple[str, str, str, str], ...] = (
    ("Mail", "System mailboxes", "mailboxes.index", "mailbox.manage"),
    ("Mail", QUARANTINE, "quarantine.index", "mailbox.manage"),
    ("Mail", "Email templates", "templates.index", "template.manage"),
    ("Mail", "Tags", "tags.index", "mail.organize"),
    ("Records", "Lead sources", "lead_sources.index", "lead_source.manage"),
    ("Records", "Sales channels", "channels.index", "channel.manage"),
    ("Connections", "Webhooks", "webhooks.index", "organization.configure"),
    ("User Management", "People", "people.index", "user.manage"),
    ("User Management", "Roles", "roles.index", "user.manage"),
    ("User Management", "API tokens", "api_tokens.index", "api_token.manage"),
    ("User Management", "Audit log", "audit.index", "audit.view"),
    ("User Management", "Archive", "archive.index", "data.export"),
)
SYSTEM_PAGES: tuple[tuple[str, str, str], ...] = (
    ("Mail", "Health", "health.index"),
    ("Mail", "Global mailboxes", "system_mailboxes.index"),
    ("Mail", "Routing", "routing.index"),
    ("Mail", UNROUTED, "unrouted.index"),
    ("Mail", QUARANTINE, "system_quarantine.index"),
    ("Mail", "Email templates", "system_templates.index"),
    ("Records", "Lead sources", "system_lead_sources.index"),
    ("User Management", "Organizations", "organizations.index"),
    ("User Management", "Users", "users.index"),
    ("User Management", "Audit log", "system_audit.index"),
)
# Blueprints beside the one that such a page begins in.
BELOW = {"routing_moves": "routing", "routing_trials": "routing", "applying": "mailboxes"}
COUNTED_FOR_THE_SYSTEM: dict[str, tuple[Callable[[], int], str]] = {
    "unrouted.index": (unrouted_count, "waiting"),
    "system_quarantine.index": (quarantined_count, "in quarantine"),
    "system_mailboxes.index": (global_attention_count, "need attention"),
    "health.index": (troubled_count, "in trouble"),
}


def _held_back_count() -> int:
    """What was not taken in, and what was and could not be converted and answered."""
    return quarantined_count() + given_up_count()


COUNTED_FOR_AN_ORGANIZATION: dict[str, tuple[Callable[[], int], str]] = {
    "quarantine.index": (_held_back_count, "in quarantine"),
    "mailboxes.index": (attention_count, "need attention"),
}


def organization_tree() -> list[dict[str, Any]]:
    """Settings and pages of the current organization that this member may open."""
    tree = []
    if "organization.configure" in g.permissions:
        tree = _settings(ORGANIZATION, lambda key: url_for("organization.group", key=key))
    return [*tree, *organization_pages()]


def organization_pages() -> list[dict[str, Any]]:
    """The pages beside the settings, grouped by their headings."""
    return _pages(
        [
            (heading, label, endpoint)
            for heading, label, endpoint, may in ORGANIZATION_PAGES
            if may in g.permissions
        ]
    )


def opened_tree(organization_id: UUID) -> list[dict[str, Any]]:
    """Settings and pages of an organization that a system administrator has opened."""

    def url(key: str) -> str:
        return url_for("system.organization_group", organization_id=organization_id, key=key)

    return [*_settings(ORGANIZATION, url), *opened_pages(organization_id)]


def opened_pages(organization_id: UUID) -> list[dict[str, Any]]:
    """What a system administrator may open there beside the settings, then the installation's pages."""
    return [
        _heading(
            "Mail", [("System mailboxes", "opened_mailboxes.index", {"organization_id": organization_id})]
        ),
        _heading("System", [(label, endpoint, {}) for _, label, endpoint in SYSTEM_PAGES]),
    ]


def system_tree() -> list[dict[str, Any]]:
    """Settings and pages of the installation."""
    return [*_settings(SYSTEM, lambda key: url_for("system.group", key=key)), *system_pages()]


def system_pages() -> list[dict[str, Any]]:
    """The installation's pages beside the settings."""
    return _pages(list(SYSTEM_PAGES))


def _settings(level: str, url: Any) -> list[dict[str, Any]]:
    used = {setting.group for setting in settings_at(level)}
    tree: list[dict[str, Any]] = []
    for group in GROUPS:
        if group.key not in used:
            continue
        if not tree or tree[-1]["label"] != group.path[-1]:
            tree.append({"label": group.path[-1], "entries": [], "is_open": True})
        tree[-1]["entries"].append({"label": group.label, "url": url(group.key), "is_current": False})
    tree[0]["search_url"] = tree[0]["entries"][0]["url"]
    return tree


def place_of(endpoint: str | None) -> str:
    """The blueprint of the page in the tree that an endpoint belongs to."""
    blueprint = (endpoint or "").partition(".")[0]
    return BELOW.get(blueprint, blueprint)


def _pages(pages: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Pages by their headings, as far as they are plugged in: (heading, label, endpoint)."""
    headings = dict.fromkeys(heading for heading, _, _ in pages)
    tree = [
        _heading(heading, [(label, endpoint, {}) for of, label, endpoint in pages if of == heading])
        for heading in headings
    ]
    return [heading for heading in tree if heading["entries"]]


def _heading(label: str, pages: list[tuple[str, str, dict[str, Any]]]) -> dict[str, Any]:
    here = place_of(request.endpoint)
    entries = [
        {
            "label": label,
            "url": url_for(endpoint, **values),
            "is_current": here == endpoint.partition(".")[0],
        }
        for label, endpoint, values in pages
        if endpoint in current_app.view_functions
    ]
    return {"label": label, "entries": [_counted(entry, pages) for entry in entries], "is_open": True}


def _counted(entry: dict[str, Any], pages: list[tuple[str, str, dict[str, Any]]]) -> dict[str, Any]:
    """What waits for an administrator is counted where it is listed."""
    endpoint = next(endpoint for label, endpoint, _ in pages if label == entry["label"])
    if endpoint in COUNTED_FOR_AN_ORGANIZATION:
        count, note = COUNTED_FOR_AN_ORGANIZATION[endpoint]
        return {**entry, "count": count(), "note": note}
    if endpoint not in COUNTED_FOR_THE_SYSTEM:
        return entry
    count, note = COUNTED_FOR_THE_SYSTEM[endpoint]
    with installation():
        return {**entry, "count": count(), "note": note}
