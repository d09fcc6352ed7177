"""What the pages of the gallery are about: an outdoor shop, its mail and its mailboxes."""

from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC)
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


def rows(current: int | None) -> list[dict[str, Any]]:
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
            "tags": [{"name": "warranty", "colour": "blue"}],
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
        {
            "message_count": 4,
            "mailbox": "Support",
            "tags": [{"name": "billing", "colour": "grey"}],
            "is_waiting": True,
        },
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
