"""A plain Flask application that shows the gallery: every component, and pages as they will look.

Nothing of the product is needed but its templates and filters, so that the look can be judged and tested
alone: `./dev exec flask --app tests.webapp.gallery:gallery_app run` serves it on a port of this machine.
"""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, Response, render_template
from flask_wtf import CSRFProtect
from jinja2 import ChoiceLoader, FileSystemLoader
from markupsafe import Markup

from tests.webapp.gallery.contents import (
    ACCESS,
    CHECK,
    EVENTS,
    FOLDERS,
    GRID,
    HTML_BODY,
    MAIL,
    MAILBOXES,
    MESSAGES,
    NOW,
    PLAIN_BODY,
    TREE,
    rows,
)
from tests.webapp.gallery.forms import ConditionForm, ConfigurationForm, MailboxForm, RuleForm, SignInForm
from webapp.filters import add_filters
from webapp.static_files import serve_static_files

WEBAPP = Path(__file__).parents[3] / "webapp"
TEMPLATES = Path(__file__).parent / "templates"
NONCE = "nonce-of-the-gallery"
POLICY = (
    f"default-src 'none'; script-src 'nonce-{NONCE}'; style-src 'self' 'nonce-{NONCE}';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-src 'self';"
    " base-uri 'none'"
)


def gallery_app() -> Flask:
    """The application: `/`, `/emails`, `/conversation`, `/configuration`, `/mailboxes`, …"""
    app = Flask(__name__, static_folder=WEBAPP / "static")
    app.config.update(SECRET_KEY="for the gallery only", WTF_CSRF_ENABLED=True)
    app.jinja_loader = ChoiceLoader([FileSystemLoader(TEMPLATES), FileSystemLoader(WEBAPP / "templates")])
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    CSRFProtect(app)
    add_filters(app)
    serve_static_files(app)
    app.context_processor(_frame)
    for path, view in PAGES.items():
        app.add_url_rule(path, path.strip("/") or "index", view)
    app.add_url_rule("/frame/<name>", "frame", _frame_of_message)

    @app.after_request
    def add_policy(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return app


def _frame() -> dict[str, Any]:
    places = [
        ("My Emails", "/emails", "inbox", "i"),
        ("Leads", "/", "target", "l"),
        ("Cases", "/cases", "briefcase", "c"),
        ("Contacts", "/contacts", "users", "p"),
        ("Configuration", "/configuration", "settings", "o"),
        ("System", "/system", "server", "y"),
    ]
    return {
        "csp_nonce": lambda: NONCE,
        "current_user": SimpleNamespace(
            is_authenticated=True, name="Mara Lindqvist", address="mara@northwind.example"
        ),
        "current_organization": SimpleNamespace(id="1", name="Northwind Outdoor"),
        "organizations": [
            SimpleNamespace(id="1", name="Northwind Outdoor"),
            SimpleNamespace(id="2", name="Südhang Kaffeerösterei"),
        ],
        "places": [
            {"label": label, "url": url, "icon": icon, "key": key, "is_current": url == "/emails"}
            for label, url, icon, key in places
        ],
        "switch_organization_url": "/organization",
        "sign_out_url": "/sign-out",
        "search_url": "/emails",
        "unread_count": 12,
        "unread_items": [
            {"url": "#1", "sender": "Ada Byron", "subject": "Torn seam, order 20488", "at": NOW}
        ],
        "user_links": [
            {"label": "My Emails", "url": "/emails", "icon": "inbox"},
            {"label": "My configuration", "url": "/me", "icon": "sliders-horizontal"},
        ],
        "version": "0.1.0",
        "now": NOW,
        "earlier": NOW - timedelta(days=40),
        "tree_groups": TREE,
        "mailboxes": MAILBOXES,
        "events": EVENTS,
        "check": CHECK,
        "folders": FOLDERS,
    }


def _index() -> str:
    form = RuleForm(
        formdata=None,
        data={
            "name": "",
            "limit": 100,
            "is_active": True,
            "processing": "case",
            "conditions": [
                {"field": "subject", "operator": "contains", "value": "invoice"},
                {"field": "header", "header": "X-Shop", "operator": "is equal to", "value": ""},
            ],
        },
    )
    form.name.errors = ["Give the rule a name"]
    form.conditions[1].form.value.errors = ["Say what to compare with"]
    form.conditions.errors = [{}, {"value": ["Say what to compare with"]}]
    daily = [
        (f"{day} Oct", 40 + day * 37 % 60, 10 + day * 17 % 30) if day % 7 > 1 else (f"{day} Oct", 6, 4)
        for day in range(1, 31)
    ]
    delays = [(f"{hour:02}:00", 0.4 + (hour * 13 % 7) / 10) for hour in range(24)]
    leads: list[dict[str, Any]] = [
        {"name": "Group order for the club", "company": "Alpine Club Bern", "source": "Email"},
        {"name": "Reseller terms", "company": "Outpost Ltd", "source": "Web form"},
        {"name": "200 cups with our logo", "company": "", "source": "Fair"},
        {"name": "Partnership", "company": "Nordic Trails", "source": "Email"},
    ]
    for place, lead in enumerate(leads):
        lead |= {"owner": "Jonas Weber", "message_count": place * 7 + 2}
        lead |= {"per_day": [1, place, 3, 2, place * 2, 5, 4]}
    prototype = ConditionForm(prefix="conditions-__index__-")
    return render_template(
        "gallery/index.html", form=form, prototype=prototype, daily=daily, delays=delays, leads=leads
    )


def _emails() -> str:
    return render_template("gallery/emails.html", **MAIL, rows=rows(None), messages=[])


def _conversation() -> str:
    return render_template("gallery/emails.html", **MAIL, rows=rows(0), messages=MESSAGES)


def _live() -> str:
    return render_template("gallery/emails.html", **MAIL, rows=rows(None), messages=[], events_url="/events")


def _configuration() -> str:
    form = ConfigurationForm(
        formdata=None,
        data={
            "is_enabled": True,
            "is_enabled_inherits": True,
            "interval": 30,
            "history": 0,
            "history_inherits": True,
            "size": 50,
            "language": "English",
            "signature_inherits": True,
        },
    )
    return render_template("gallery/configuration.html", form=form)


def _mailboxes() -> str:
    return render_template("gallery/mailboxes.html", grid=GRID)


def _mailbox() -> str:
    form = MailboxForm(
        formdata=None,
        data={
            "label": "Support",
            "address": "support@northwind.example",
            "account_type": "other",
            "host": "imap.northwind.example",
            "port": 993,
            "user": "support@northwind.example",
            "processing": "case",
        },
    )
    return render_template("gallery/mailbox.html", form=form, access=ACCESS)


def _sign_in() -> str:
    return render_template("gallery/sign_in.html", form=SignInForm(formdata=None))


def _error() -> str:
    return render_template(
        "errors/error.html",
        status=500,
        title="Our mistake",
        message="Something broke on our side. Try again in a moment.",
        request_id="019a7c1e-5b1f",
    )


def _frame_of_message(name: str) -> Response:
    body = Markup(HTML_BODY if name == "html" else PLAIN_BODY)
    page = render_template("message_frame.html", body=body, is_plain=name != "html")
    policy = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    return Response(page, headers={"Content-Security-Policy": policy})


PAGES = {
    "/": _index,
    "/emails": _emails,
    "/conversation": _conversation,
    "/live": _live,
    "/configuration": _configuration,
    "/mailboxes": _mailboxes,
    "/mailbox": _mailbox,
    "/sign-in": _sign_in,
    "/error": _error,
}
