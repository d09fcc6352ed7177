"""A plain Flask application that shows the gallery: every component, and pages as they will look.

Nothing of the product is needed but its templates and filters, so that the look can be judged and
tested alone: `python -m tests.webapp.gallery` serves it on a port of this machine.
"""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from flask import Flask, Response, render_template
from flask_wtf import CSRFProtect, FlaskForm
from markupsafe import Markup
from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

from webapp.filters import add_filters

NONCE = "nonce-of-the-gallery"
POLICY = (
    f"default-src 'none'; script-src 'nonce-{NONCE}'; style-src 'self' 'nonce-{NONCE}';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-src 'self';"
    " base-uri 'none'"
)
NOW = datetime.now(UTC)
OPERATORS: list[Any] = ["contains", "does not contain", "is equal to", "starts with", "is empty"]
LANGUAGES: list[Any] = ["English", "Deutsch", "Français"]
ENCRYPTIONS: list[Any] = ["SSL/TLS", "STARTTLS", "None"]
OWNERS: list[Any] = ["Mara Lindqvist", "Jonas Weber"]


class ConditionForm(Form):
    """One condition of a rule."""

    field = SelectField(choices=[("subject", "Subject"), ("from", "From"), ("header", "Header")])
    header = StringField()
    operator = SelectField(choices=OPERATORS)
    value = StringField(validators=[InputRequired("Say what to compare with")])


class RuleForm(FlaskForm):
    """One field of every kind."""

    name = StringField("Name", validators=[InputRequired("Give the rule a name")])
    language = SelectField("Language", choices=LANGUAGES)
    limit = IntegerField("Automatic responses")
    body = TextAreaField("Content")
    is_active = BooleanField("Active")
    processing = RadioField(
        "Processing",
        choices=[("none", "Do nothing"), ("lead", "Convert to lead"), ("case", "Convert to case")],
    )
    days = SelectMultipleField(
        "Days",
        choices=[("mon", "Monday"), ("tue", "Tuesday")],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )
    password = PasswordField("Password")
    conditions = FieldList(FormField(ConditionForm))


class MailboxForm(FlaskForm):
    """The fields of a mailbox's page."""

    label = StringField("Mailbox label", validators=[InputRequired()])
    address = StringField("Email address", validators=[InputRequired()])
    account_type = RadioField(
        "Account type", choices=[("other", "Other"), ("google", "Google"), ("m365", "Microsoft 365")]
    )
    host = StringField("IMAP host", validators=[InputRequired()])
    port = IntegerField("Port")
    encryption = SelectField("Encryption", choices=ENCRYPTIONS)
    user = StringField("User")
    password = PasswordField("Password")
    processing = RuleForm.processing
    owner = SelectField("Owner", choices=OWNERS)


class ConfigurationForm(FlaskForm):
    """Settings, each with its box to inherit."""

    is_enabled = BooleanField("Synchronization", description="Switches off every mailbox.")
    is_enabled_inherits = BooleanField()
    interval = IntegerField(
        "Interval", description="How often a mailbox without push is looked at.", render_kw={"min": 10}
    )
    interval_inherits = BooleanField()
    history = IntegerField("History of a first sync", description="0 takes over nothing older.")
    history_inherits = BooleanField()
    size = IntegerField("Largest message", description="Larger ones wait in quarantine.")
    size_inherits = BooleanField()
    language = SelectField("Language of responses", choices=LANGUAGES)
    language_inherits = BooleanField()
    signature = TextAreaField("Signature", description="Appended to replies of people.")
    signature_inherits = BooleanField()


class SignInForm(FlaskForm):
    """Who, and the proof."""

    address = StringField("Email address", render_kw={"autocomplete": "username", "type": "email"})
    password = PasswordField("Password", render_kw={"autocomplete": "current-password"})
    stay = BooleanField("Stay signed in on this device")


def gallery_app() -> Flask:
    """The application: `/`, `/emails`, `/conversation`, `/configuration`, `/mailboxes`, …"""
    app = Flask(__name__, template_folder="../../webapp/templates", static_folder="../../webapp/static")
    app.config.update(SECRET_KEY="for the gallery only", WTF_CSRF_ENABLED=True)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    CSRFProtect(app)
    add_filters(app)
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
    return render_template("gallery/emails.html", **MAIL, rows=_rows(None), messages=[])


def _conversation() -> str:
    return render_template("gallery/emails.html", **MAIL, rows=_rows(0), messages=MESSAGES)


def _live() -> str:
    return render_template("gallery/emails.html", **MAIL, rows=_rows(None), messages=[], events_url="/events")


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

PLAIN_BODY = """Hello,

my tent arrived today (order 20488), but the inner tent has a torn seam of about 12 cm next to the \
zip. I attach two photos. We leave for Iceland on the 14th, so I would be glad about a quick answer.

Kind regards
Ada Byron"""
HTML_BODY = """<p>Dear Ada,</p><p>thank you for the photos. I am sorry about the seam: that is a fault of the
production, and we <b>send you a new inner tent</b>. To which address may we send it?</p>
<p>Best regards<br>Priya Nair<br><span style="color:#777">Northwind Outdoor</span></p>
<details class="quoted"><summary>Show quoted text</summary><blockquote>my tent arrived
today (order 20488), but the inner tent has a torn seam.</blockquote></details>"""


def _rows(current: int | None) -> list[dict[str, Any]]:
    return [
        {"id": place, "url": "/conversation", "is_current": place == current}
        | {"at": NOW - timedelta(minutes=minutes), "senders": senders, "subject": subject}
        | {"teaser": teaser}
        | more
        for place, (minutes, senders, subject, teaser, more) in enumerate(CONVERSATIONS)
    ]


CONVERSATIONS: list[tuple[int, str, str, str, dict[str, Any]]] = [
    (
        4,
        "Ada Byron, Priya, Ada",
        "Tent arrived with a torn seam, order 20488",
        "Thank you, that was quick. Please send it to the address of the order",
        {
            "is_unread": True,
            "message_count": 5,
            "has_attachment": True,
            "mailbox": "Support",
            "assignee": "Priya Nair",
            "record": {"kind": "Case", "number": "2211"},
            "tags": ["warranty"],
        },
    ),
    (
        11,
        "Lars Østby",
        "Where is my parcel?",
        "The tracking page has said “in transit” for nine days now, and the depot does not answer",
        {"is_unread": True, "mailbox": "Support", "is_auto_replied": True},
    ),
    (
        32,
        "Reseller Desk",
        "Terms for 2027",
        "We would like to add your stoves to our range. Could you send a price list for quantities of",
        {"mailbox": "Sales", "record": {"kind": "Lead", "number": "118"}, "answering": "Jonas"},
    ),
    (
        58,
        "me",
        "Re: Group order for the club",
        "Hello Beat, attached is the offer with the discount we",
        {"is_draft": True, "mailbox": "Sales", "message_count": 3, "has_attachment": True},
    ),
    (
        75,
        "Chiara Conti, Mara",
        "Fattura mancante",
        "Grazie mille, ho ricevuto la fattura. Buona giornata",
        {"message_count": 4, "mailbox": "Support", "tags": ["billing"], "is_waiting": True},
    ),
    (130, "Tom Whitfield", "(no subject)", "hi can you call me back about the", {"mailbox": "Support"}),
    (
        190,
        "Web form",
        "Question about waterproof rating of the Fjell 3",
        "Name: H. Sato · Product: Fjell 3 · Is the floor also 5 000 mm",
        {"mailbox": "Support", "is_auto_replied": True, "record": {"kind": "Case", "number": "2209"}},
    ),
    (
        1500,
        "Nadia Haddad",
        "Return of two jackets",
        "Both are too small; how do I get the label for the way back?",
        {"mailbox": "Returns", "assignee": "Jonas Weber"},
    ),
    (
        2100,
        "Accounting, Mara",
        "Dunning letter stopped",
        "Done, the letter of Monday is void",
        {"mailbox": "Billing", "message_count": 2, "is_done": True},
    ),
    (
        2900,
        "Beat Ammann",
        "Alpine Club: 40 sleeping bags",
        "Before Christmas would be perfect, but January is fine",
        {"mailbox": "Sales", "record": {"kind": "Lead", "number": "116"}},
    ),
    (
        9000,
        "Yuki Tanaka",
        "領収書について",
        "お世話になっております。先日の注文の領収書を",
        {"mailbox": "Support", "snoozed_until": NOW + timedelta(days=2)},
    ),
    (
        15000,
        "Olu Adeyemi",
        "Sponsoring of our trail run",
        "Forty runners, one tent each: may we",
        {"mailbox": "Sales"},
    ),
]
ATTACHMENTS = [
    {"name": "seam-left.jpg", "size": 1_840_000, "url": "#a", "kind": "image"},
    {"name": "Order 20488 confirmation.pdf", "size": 96_000, "url": "#b", "kind": "pdf"},
    {"name": "holiday.exe", "size": 1, "url": "#c", "refused": "Not offered: a program"},
]
MESSAGES = [
    {
        "id": "1",
        "kind": "incoming",
        "sender": "Ada Byron",
        "address": "ada@analytical.example",
        "recipients": "support@northwind.example",
        "at": NOW - timedelta(hours=26),
        "frame_url": "/frame/plain",
        "attachments": ATTACHMENTS,
        "attachments_url": "#all",
        "authentication": {"tone": "ok", "words": "Verified", "detail": "DKIM and DMARC passed"},
    },
    {
        "id": "2",
        "kind": "automatic",
        "sender": "Support",
        "address": "support@northwind.example",
        "recipients": "Ada Byron",
        "at": NOW - timedelta(hours=26),
        "text": "We have received your message …",
        "teaser": "We have received your message and answer within one working day.",
        "is_folded": True,
    },
    {
        "id": "3",
        "kind": "note",
        "sender": "Jonas Weber",
        "at": NOW - timedelta(hours=25),
        "text": "Third torn seam of batch F3-0926. Told the producer; replace without asking.",
    },
    {
        "id": "4",
        "kind": "outgoing",
        "sender": "Priya Nair",
        "address": "support@northwind.example",
        "recipients": "Ada Byron",
        "at": NOW - timedelta(hours=24),
        "frame_url": "/frame/html",
        "state": {"tone": "ok", "words": "Sent"},
    },
    {
        "id": "5",
        "kind": "incoming",
        "sender": "Charles Babbage",
        "address": "charles@analytical.example",
        "recipients": "support@northwind.example, Ada Byron",
        "at": NOW - timedelta(minutes=4),
        "text": "Thank you, that was quick. Please send it to the address of the order.",
        "is_new_sender": True,
        "images_blocked_url": "/images",
        "images_blocked_count": 3,
        "authentication": {"tone": "warn", "words": "Not verified", "detail": "No DKIM signature"},
    },
]
EVENTS = [
    {
        "name": "Fetched",
        "icon": "download",
        "tone": "ok",
        "result": "INBOX, 18 KB",
        "at": NOW,
        "seconds": 0.31,
    },
    {
        "name": "Threaded",
        "icon": "merge",
        "tone": "ok",
        "result": "joined",
        "reason": "In-Reply-To names a message of this conversation.",
        "seconds": 0.002,
    },
    {
        "name": "Converted",
        "icon": "briefcase",
        "result": "no record made",
        "reason": "The conversation has case 2211 already.",
    },
    {
        "name": "Automatic response",
        "icon": "bot",
        "tone": "warn",
        "result": "not sent",
        "reason": "This sender had one in the last 24 hours.",
        "who": "Rule “Thank you”",
    },
    {
        "name": "Copy into Sent",
        "icon": "folder",
        "tone": "bad",
        "result": "failed",
        "reason": "The server refused the folder “Sent”: over quota.",
        "at": NOW,
    },
]
CHECK = [
    {"name": "Name", "state": "ok", "text": "imap.northwind.example is 203.0.113.9", "seconds": 0.012},
    {"name": "Connection", "state": "ok", "seconds": 0.031},
    {
        "name": "TLS",
        "state": "warn",
        "text": "The certificate ends in 9 days.",
        "next_step": "Tell whoever runs the server.",
        "seconds": 0.044,
    },
    {
        "name": "Login",
        "state": "bad",
        "text": "The server says: Application-specific password required.",
        "next_step": "Create an app password in the account and enter it here.",
    },
    {"name": "Folders", "state": "skipped"},
]
FOLDERS = [
    {"id": "1", "name": "INBOX", "use": "inbox", "is_chosen": True, "message_count": 3120}
    | {
        "children": [
            {"id": "2", "name": "Orders", "is_chosen": True, "message_count": 412},
            {"id": "3", "name": "Old", "message_count": 15800, "children": [{"id": "4", "name": "2019"}]},
        ]
    },
    {"id": "5", "name": "Sent", "use": "sent", "is_chosen": True, "message_count": 2870},
    {
        "id": "6",
        "name": "All Mail",
        "use": "all",
        "message_count": 22000,
        "warning": "Holds every message of the other folders again.",
    },
    {"id": "7", "name": "[Gmail]", "is_selectable": False},
]
MAILBOXES = [
    {"label": "All my mailboxes", "url": "#all", "is_current": True, "count": 12},
    {"label": "Support", "address": "support@northwind.example", "url": "#1", "count": 9},
    {"label": "Sales", "address": "sales@northwind.example", "url": "#2", "count": 3},
]
MAIL: dict[str, Any] = {
    "is_filtered": True,
    "places_of_mail": [
        {"label": "Inbox", "icon": "inbox", "url": "/emails", "is_current": True, "count": 48},
        {"label": "Unread", "icon": "mail", "url": "#u", "count": 12},
        {"label": "Mine", "icon": "user", "url": "#m", "count": 6, "key": "m"},
        {"label": "Unassigned", "icon": "users", "url": "#n", "count": 31},
        {"label": "Waiting", "icon": "clock", "url": "#w", "count": 9},
        {"label": "Done", "icon": "check-check", "url": "#d"},
        {"label": "Sent", "icon": "send", "url": "#s"},
        {"label": "Drafts", "icon": "file-pen", "url": "#f", "count": 2},
    ],
    "saved_views": [
        {"label": "Warranty, unanswered", "url": "#v1", "count": 4},
        {"label": "VIP customers", "url": "#v2", "count": 1},
    ],
}
TREE = [
    {
        "label": "General setup",
        "icon": "settings",
        "entries": [
            {"label": "Email configuration", "url": "/configuration", "is_current": True, "count": 2},
            {"label": "Localization", "url": "#l"},
            {"label": "Display", "url": "#d"},
        ],
    },
    {
        "label": "Mail",
        "icon": "inbox",
        "is_open": True,
        "entries": [
            {"label": "System mailboxes", "url": "/mailboxes"},
            {"label": "Email templates", "url": "#t"},
            {"label": "Sending", "url": "#s", "count": 1},
        ],
    },
    {
        "label": "Customers",
        "icon": "contact",
        "entries": [{"label": "Channels", "url": "#c"}, {"label": "Lead sources", "url": "#ls"}],
    },
    {
        "label": "People",
        "icon": "users",
        "entries": [{"label": "Members", "url": "#me"}, {"label": "Roles", "url": "#ro"}],
    },
    {"label": "Audit log", "icon": "history", "url": "#audit"},
]
_TEAM = [{"name": "Mara Lindqvist"}, {"name": "Priya Nair"}, {"name": "Jonas Weber"}]
GRID = [
    {
        "label": "Support",
        "address": "support@northwind.example",
        "scope": "Organization",
        "state": "ok",
        "words": "Up to date",
        "newest": NOW - timedelta(minutes=2),
        "backlog": 0,
        "converts": "Case",
        "rules": "4 of 5",
        "people": _TEAM,
        "more": 6,
    },
    {
        "label": "Sales",
        "address": "sales@northwind.example",
        "scope": "Organization",
        "state": "busy",
        "words": "First sync, 31 %",
        "newest": NOW - timedelta(minutes=11),
        "backlog": 6880,
        "converts": "Lead",
        "rules": "1 of 1",
        "people": _TEAM[:2],
    },
    {
        "label": "Billing",
        "address": "billing@northwind.example",
        "scope": "Organization",
        "state": "bad",
        "words": "Login rejected",
        "error": "The server wants an app password since 09:12.",
        "newest": NOW - timedelta(hours=5),
        "backlog": 0,
        "converts": "–",
        "rules": "0 of 2",
        "people": _TEAM[:1],
    },
    {
        "label": "Postmaster",
        "address": "postmaster@mail.example",
        "scope": "System",
        "state": "warn",
        "words": "12 min behind",
        "error": "The server answers slowly.",
        "newest": NOW - timedelta(days=2),
        "backlog": 14,
        "converts": "–",
        "rules": "0",
        "people": _TEAM[:1],
    },
    {
        "label": "Returns",
        "address": "returns@northwind.example",
        "scope": "Overridden",
        "state": "paused",
        "words": "Paused by Mara",
        "newest": NOW - timedelta(days=30),
        "backlog": 0,
        "converts": "Case",
        "rules": "1 of 3",
        "people": _TEAM,
    },
]
ACCESS = [
    {"name": "Priya Nair", "address": "priya@northwind.example", "may": "reply", "reason": "Role Support"},
    {"name": "Jonas Weber", "address": "jonas@northwind.example", "may": "reply", "reason": "Named here"},
    {"name": "Elena Petrova", "address": "elena@mail.example", "may": "read", "reason": "Role Auditor"},
]

if __name__ == "__main__":
    gallery_app().run(port=5099)
