"""What people do wrong in forms: where, what they type, and the words that tell them what to do instead.

Each refusal is tried in a browser by `tests/browser/test_refusals.py`, which says what holds for all of them.
Words in braces are ids of `tests/showroom.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.showroom import ADMIN, MEMBER, NOBODY, SYSTEM_ADMIN

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Refusal:
    """``typed``: by the labels of fields. ``button``: what is pressed, where it is not the first one."""

    who: str
    path: str
    typed: Mapping[str, str]
    words: str
    button: str = ""
    file: tuple[str, bytes] = field(default=("", b""))


@dataclass(frozen=True)
class Dead:
    """An address that ends in an error's page. With ``sent`` a form is posted there, else it is opened."""

    who: str
    status: int
    path: str
    sent: Mapping[str, str] | None = None
    has_token: bool = True


_MAILBOX = "/configuration/mailboxes"
_UNKNOWN = "Dear {{ contact.nickname }}"

REFUSALS = (
    Refusal(
        NOBODY, "/sign-in", {"Email address": "rosa.keller@postroom.example", "Password": "wrong"}, "not"
    ),
    Refusal(NOBODY, "/forgot-password", {"Email address": "nobody"}, "address"),
    Refusal(
        NOBODY,
        "/invitations/{invitation}",
        {"Your name": "Malte", "Choose a password": "short", "The password again": "short"},
        "10 characters",
    ),
    Refusal(MEMBER, "/cases/new", {"Description": "It broke.", "Contact's email": "nobody"}, "subject"),
    Refusal(MEMBER, "/contacts/new", {"Name": "Nora", "Email addresses": "nobody"}, "address"),
    Refusal(
        MEMBER,
        "/security/",
        {"Current password": "wrong", "New password": "long-enough-2026", "The new password again": "other"},
        "password",
        "Change the password",
    ),
    Refusal(
        MEMBER, "/demo/write/", {"From": "Nora <nora@gmail.com>", "Message": "Hello"}, ".example", "Send"
    ),
    Refusal(
        MEMBER, "/my-configuration/localization", {"Time zone": "Middle-earth/Shire"}, "time zone", "Save"
    ),
    Refusal(MEMBER, "/cases/{case}", {"Comment": ""}, "comment", "Comment"),
    Refusal(ADMIN, "/leads/new", {"Email": "nobody", "Notes": "Wants tents."}, "name"),
    Refusal(ADMIN, "/configuration/api-tokens/", {"Name": "Web shop"}, "already", "Make token"),
    Refusal(ADMIN, "/configuration/channels/", {"Name": "Web shop"}, "already", "Add channel"),
    Refusal(ADMIN, "/configuration/tags/", {"Name": "urgent"}, "already", "Add tag"),
    Refusal(ADMIN, "/configuration/lead-sources/", {"Name": "Trade fair"}, "already", "Add source"),
    Refusal(
        ADMIN,
        "/configuration/webhooks/new",
        {"Name": "Warehouse", "Address": "https://warehouse.nordwind.example/"},
        "already",
        "Add webhook",
    ),
    Refusal(
        ADMIN,
        f"{_MAILBOX}/new",
        {
            "Mailbox label": "Customer service",
            "Email address": "nobody",
            "IMAP host": "no such host",
            "User": "me",
        },
        "label",
        "Save",
    ),
    Refusal(
        ADMIN,
        f"{_MAILBOX}/{{mailbox}}",
        {"Mailbox label": "Sales", "IMAP host": "imap.elsewhere.example"},
        "password",
        "Save",
    ),
    Refusal(
        ADMIN,
        f"{_MAILBOX}/{{mailbox}}/delete",
        {"Type Customer service to go on": "Sales"},
        "label",
        "Delete",
    ),
    Refusal(
        ADMIN,
        f"{_MAILBOX}/{{mailbox}}/rules/new",
        {"Name": "All", "Subject (English)": "Auto: thanks", "Content (English)": _UNKNOWN},
        "nickname",
        "Save",
    ),
    Refusal(
        ADMIN,
        "/configuration/templates/new",
        {"Name": "Thanks", "Subject (English)": "Auto: thanks", "Content (English)": _UNKNOWN},
        "nickname",
        "Save",
    ),
    Refusal(ADMIN, "/configuration/people/invite", {"Email address": "nobody"}, "address", "Send"),
    Refusal(
        ADMIN, "/configuration/people/import", NOTHING, "address", "Show", ("people.csv", b"name\nNora\n")
    ),
    Refusal(ADMIN, "/configuration/roles/new", {"Name": "Service"}, "already", "Save"),
    Refusal(
        ADMIN,
        "/configuration/settings/email",
        {"One automatic response per sender and mailbox in": "never"},
        "number",
        "Save",
    ),
    Refusal(
        SYSTEM_ADMIN, "/system/configuration/email", {"Longest time between two passes": "1"}, "10", "Save"
    ),
    Refusal(SYSTEM_ADMIN, "/system/lead-sources/", {"Name": "Phone"}, "already", "Add source"),
    Refusal(
        SYSTEM_ADMIN,
        "/system/mailboxes/new",
        {"Mailbox label": "Everybody", "Email address": "nobody", "IMAP host": "no such host"},
        "address",
        "Save",
    ),
    Refusal(
        SYSTEM_ADMIN,
        "/system/organizations/new",
        {
            "Name": "Nordwind",
            "Short name": "nordwind",
            "Email address of the administrator": "eva@nordwind.example",
        },
        "already",
        "Add organization",
    ),
    Refusal(
        SYSTEM_ADMIN,
        "/system/organizations/{organization}/delete",
        {"Type Nordwind Outdoor to go on": "Nordwind"},
        "name",
        "Delete",
    ),
    Refusal(SYSTEM_ADMIN, "/system/users/new", {"Name": "Nora", "Email address": "nobody"}, "address"),
    Refusal(
        SYSTEM_ADMIN,
        "/system/routing/{account}/rules/new",
        {"Value": "nobody", "Organization": "Nordwind Indoor"},
        "address",
        "Save",
    ),
    Refusal(
        SYSTEM_ADMIN,
        "/system/routing/{account}/list",
        {"Value of row 3": "nobody", "Organization of row 3": "Nordwind Indoor"},
        "wrong",
        "Try",
    ),
    Refusal(
        SYSTEM_ADMIN, "/system/routing/messages/{routed}", {"Organization": "Nobody"}, "organization", "Move"
    ),
    Refusal(
        SYSTEM_ADMIN, "/system/unrouted/{unrouted}", {"Organization": "Nobody"}, "organization", "Assign"
    ),
    Refusal(
        SYSTEM_ADMIN,
        "/system/templates/new",
        {"Name": "Thanks", "Subject (English)": "Auto: thanks", "Content (English)": _UNKNOWN},
        "nickname",
        "Save",
    ),
)

DEAD_ENDS = (
    Dead(MEMBER, 400, "/sign-out", {}, has_token=False),
    Dead(MEMBER, 403, "/configuration/roles/"),
    Dead(NOBODY, 404, "/no-such-page"),
    Dead(MEMBER, 404, "/cases/00000000-0000-0000-0000-000000000000"),
    Dead(MEMBER, 405, "/sign-out"),
    Dead(ADMIN, 409, f"{_MAILBOX}/{{mailbox}}/shadow", {}),
    Dead(NOBODY, 413, "/sign-in", {"address": "a" * 100_000}),
    Dead(MEMBER, 429, "/contacts/"),  # these two are pages that the test breaks
    Dead(MEMBER, 500, "/leads/"),
)
