"""What every page's frame shows: places, organizations, the person."""

from typing import Any

from flask import Flask, current_app, g, request, url_for

from mailboxes.system_mailboxes import Mailbox  # noqa: F401  # tables are complete before the first query
from tenants.application import settings_of
from tenants.configuration.layers import value_of
from tenants.organizations import MOST_OFFERED, organizations_of
from webapp.configuration.sidebar import ORGANIZATION_PAGES, SYSTEM_PAGES, place_of
from webapp.headers import nonce

VERSION = "0.1.0"

# label, endpoint, icon, permission or None, the key after g
PLACES: tuple[tuple[str, str, str, str | None, str], ...] = (
    ("My Emails", "mail.index", "inbox", None, "i"),
    ("Leads", "leads.index", "target", "lead.view", "l"),
    ("Cases", "cases.index", "briefcase", "case.view", "c"),
    ("Contacts", "contacts.index", "users", "contact.view", "k"),
    ("Configuration", "organization.index", "settings", None, "o"),
    ("Write as a customer", "customer.write", "send", None, "y"),
)
OF_OPENED = "applying.of_organization"  # beside pages of the organization's own
DEMO_PLACES = frozenset({"customer.write"})
MANAGES = frozenset({"organization.configure"} | {page[3] for page in ORGANIZATION_PAGES})


def add_frame(app: Flask) -> None:
    """Give the frame's values to every template."""
    app.jinja_env.globals["version"] = VERSION
    app.jinja_env.globals["most_offered"] = MOST_OFFERED

    @app.context_processor
    def frame() -> dict[str, Any]:
        values: dict[str, Any] = {
            "csp_nonce": nonce,
            "current_organization": g.get("organization"),
            "permissions": g.get("permissions", frozenset()),
            "organizations": _organizations(),
            "places": _places(app),
            "is_demo": app.config["POSTROOM"].is_demo,
            "sign_in_url": url_for("auth.sign_in"),
            "home_url": url_for("home.index"),
        }
        if g.get("user") is not None:
            values |= _personal(app)
        if g.get("member") is not None and "mail.index" in app.view_functions:
            values |= _mail(app)
        return values


def _personal(app: Flask) -> dict[str, Any]:
    links = [
        ("My Emails", "mail.index", "inbox"),
        ("My configuration", "personal.index", "settings"),
        ("Notifications", "personal.notifications", "bell"),
        ("Security", "security.index", "shield-check"),
    ]
    if settings_of(app).is_demo:
        links.append(("Notices by mail", "customer.notices", "mail-open"))
    return {
        "switch_organization_url": url_for("auth.choose_organization"),
        "sign_out_url": url_for("auth.sign_out"),
        "user_links": [
            {"label": label, "url": url_for(endpoint), "icon": icon}
            for label, endpoint, icon in links
            if endpoint in app.view_functions
        ],
        "shortcuts_enabled": value_of("mail.keyboard_shortcuts", user=g.user),
        "language": "en",
    }


def _mail(app: Flask) -> dict[str, Any]:
    words = request.args.get("q", "") if request.blueprint == "mail" else ""  # other lists have a q too
    values = {"search_url": url_for("mail.index"), "search_query": words.replace("\x00", "")}
    values["density"] = str(value_of("mail.density", user=g.user))
    if value_of("mail.recent_menu"):
        values["unread_count_url"] = url_for("mail.unread_count")
        values["unread_menu_url"] = url_for("mail.unread_menu")
    if "events.subscription" in app.view_functions:
        values["events_url"] = "/events"
    return values


def _organizations() -> list[Any]:
    if g.get("user") is None:
        return []
    if "organizations" not in g:
        g.organizations = organizations_of(g.user)
    return list(g.organizations)


def _places(app: Flask) -> list[dict[str, Any]]:
    if g.get("user") is None:
        return []
    places = [
        _place(app, label, endpoint, icon, key)
        for label, endpoint, icon, permission, key in PLACES
        if _may_open(endpoint, permission)
    ]
    if g.get("member") is None and _organizations():
        places.insert(0, _place(app, "My Emails", "mail.index", "inbox", "i"))
    if g.user.is_system_admin:
        places.append(_place(app, "System", "system.index", "server", "s"))
    return [place for place in places if place]


def _may_open(endpoint: str, permission: str | None) -> bool:
    if g.get("member") is None:
        return False
    if endpoint in DEMO_PLACES:
        return settings_of(current_app).is_demo
    if endpoint == "organization.index":  # it leads to the first page that this member may open
        return bool(MANAGES & g.permissions)
    return permission is None or permission in g.permissions


def _place(app: Flask, label: str, endpoint: str, icon: str, key: str) -> dict[str, Any]:
    if endpoint not in app.view_functions:
        return {}
    here = _area(request.endpoint) == _area(endpoint)
    return {"label": label, "url": url_for(endpoint), "icon": icon, "is_current": here, "key": key}


def _area(endpoint: str | None) -> str:
    """Which place a page belongs to: its blueprint, or the place under which it is configured."""
    if endpoint == OF_OPENED:
        return "system"
    blueprint = place_of(endpoint)
    if blueprint in {page[2].partition(".")[0] for page in ORGANIZATION_PAGES}:
        return "organization"
    if blueprint in {"opened_mailboxes", *(page[2].partition(".")[0] for page in SYSTEM_PAGES)}:
        return "system"
    return blueprint
