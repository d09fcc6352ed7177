"""Every setting: its key, type, default and the levels at which it may be set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenants.configuration import values
from tenants.configuration.values import Number

SYSTEM, ORGANIZATION, USER = "system", "organization", "user"
EVERYWHERE = (SYSTEM, ORGANIZATION, USER)
NOT_PEOPLE = (SYSTEM, ORGANIZATION)
LANGUAGES = {
    "cs": "Czech", "da": "Danish", "de": "German", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "it": "Italian", "nb": "Norwegian", "nl": "Dutch", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian",
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One thing that can be set.

    ``kind``: switch, number, text, long_text, choice, list, secret, member, history, time_zone or hosts.
    ``read`` turns what a form sends (text) into the stored value, or raises `InvalidValueError`.
    """

    key: str
    section: str
    label: str
    help: str
    kind: str
    default: Any
    read: Callable[[str], Any]
    levels: tuple[str, ...] = NOT_PEOPLE
    choices: tuple[tuple[str, str], ...] = ()
    unit: str = ""

    @property
    def group(self) -> str:
        """The page it stands on."""
        return SECTIONS[self.section].group

    @property
    def is_secret(self) -> bool:
        """Whether the value is encrypted and never shown again."""
        return self.kind == "secret"

    @property
    def range(self) -> str:
        """The numbers it takes, in words; empty if it takes none."""
        return self.read.range if isinstance(self.read, Number) else ""


@dataclass(frozen=True)
class Group:
    """A page of the configuration tree; ``path`` is what stands above it."""

    key: str
    label: str
    path: tuple[str, ...] = ("System Configuration", "General Setup")
    help: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page; its key is the anchor that leads to it."""

    key: str
    group: str
    label: str
    help: str = ""


GROUPS = (
    Group("email", "Email Configuration", help="Fetching, showing, answering and sending."),
    Group("localization", "Localization", help="Languages and time zone."),
    Group("people", "Sign-in and Sessions", help="How people sign in, and for how long."),
    Group(
        "identity", "Identity Provider", help="Signing in with an account that people have (OpenID Connect)."
    ),
    Group("network", "Network", help="Which mail servers may be reached."),
    Group(
        "accounts", "Google and Microsoft 365", help="How mailboxes are connected there, without a password."
    ),
    Group("data", "Data", help="How long messages are kept."),
    Group("display", "Display", ("System Configuration", "User Interface"), "Lists, keys and menus."),
)
_SECTIONS = (
    Section("synchronization", "email", "Synchronization", "How mailboxes are fetched."),
    Section("reading", "email", "Reading", "How messages are shown."),
    Section("writing", "email", "Writing", "Replies and new messages of people."),
    Section("responses", "email", "Automatic responses", "What keeps rules within bounds."),
    Section("records", "email", "Leads and cases", "Records made of messages."),
    Section("smtp", "email", "Sending", "The server of mailboxes without an SMTP of their own."),
    Section("notices", "email", "Notices", "Who messages of Postroom itself come from."),
    Section("language", "localization", "Language and time"),
    Section("sessions", "people", "Sessions"),
    Section("provider", "identity", "Provider", "A client that you register there."),
    Section("admission", "identity", "Who comes in"),
    Section("servers", "network", "Mail servers"),
    Section("google", "accounts", "Google", "An OAuth client that you register in the Google Cloud console."),
    Section("microsoft", "accounts", "Microsoft 365", "An application that you register in Entra ID."),
    Section("retention", "data", "Retention"),
    Section("lists", "display", "Lists, keys and menus"),
)
SECTIONS = {section.key: section for section in _SECTIONS}

ENCRYPTIONS = (("tls", "SSL/TLS"), ("starttls", "STARTTLS"), ("none", "None"))
REPLY_BUTTONS = (("reply", "Reply"), ("reply_all", "Reply all"))
REMOTE_IMAGES = (("ask", "Block until asked"), ("always", "Show always"))
DENSITIES = (("dense", "Dense"), ("relaxed", "Relaxed"))
AFTER_DONE = (("list", "The list"), ("next", "The next conversation"))
SIGNATURES = (("auto", "Automatically"), ("manual", "By hand"))
HOURS = tuple((str(hour), f"{hour:02}:00") for hour in range(24))

_SETTINGS = (
    Setting("sync.enabled", "synchronization", "Fetch messages", "Off pauses every mailbox here; nothing is lost, the next pass catches up.", "switch", True, values.switch),
    Setting("sync.interval_seconds", "synchronization", "Longest time between two passes", "Where the server tells of new messages at once (push), one comes every 15 minutes, or as rarely as this says.", "number", 60, Number(10, 86400, "seconds", "s"), unit="s"),
    Setting("sync.history_days", "synchronization", "History taken over at the first sync", "0 starts from now; a number takes the last days; the word all takes everything. Older messages make no records and get no answers.", "history", 0, values.history, unit="days"),
    Setting("sync.max_message_mb", "synchronization", "Largest message fetched whole", "A larger one is shown with its header and stays on the server.", "number", 50, Number(1, 200, "megabytes", "MB"), unit="MB"),
    Setting("sync.daily_mb", "synchronization", "Most fetched from one account in a day", "Providers lock accounts out that are read too much. History leaves the last fifth to new mail, and what is left goes on after midnight (UTC).", "number", 2000, Number(100, 1_000_000, "megabytes", "MB"), (SYSTEM,), unit="MB"),
    Setting("sync.attachments", "synchronization", "Keep attachments", "Off lists no attachments of new messages; the original stays complete.", "switch", True, values.switch),
    Setting("mail.remote_images", "reading", "Remote images in messages", "Loading them tells the sender that the message was read.", "choice", "ask", values.choice(*REMOTE_IMAGES), choices=REMOTE_IMAGES),
    Setting("mail.threaded", "reading", "Show messages as conversations", "Off lists every message by itself.", "switch", True, values.switch),
    Setting("mail.reply_button", "writing", "Default reply button", "The one that stands out under a message. The others are there as well.", "choice", "reply", values.choice(*REPLY_BUTTONS), EVERYWHERE, REPLY_BUTTONS),
    Setting("mail.signature", "writing", "Signature", "Plain text under what people write. A mailbox with a signature of its own uses that one.", "long_text", "", values.text(values.LONGEST_TEXT), EVERYWHERE),
    Setting("mail.append_signature", "writing", "Append the signature", "By hand leaves it to a button in the composer.", "choice", "auto", values.choice(*SIGNATURES), EVERYWHERE, SIGNATURES),
    Setting("mail.max_upload_mb", "writing", "Largest upload to a reply", "For all files of one reply together.", "number", 10, Number(1, 50, "megabytes", "MB"), unit="MB"),
    Setting("mail.drafts_mb", "writing", "Room for the drafts of a person", "For the files of all that one person has written and not sent; it is at most 200 drafts.", "number", 100, Number(10, 100_000, "megabytes", "MB"), unit="MB"),
    Setting("mail.autocomplete_characters", "writing", "Characters before addresses are offered", "Fewer offer sooner, and more.", "number", 2, Number(1, 10, "characters")),
    Setting("response.enabled", "responses", "Send automatic responses", "Off keeps every rule and sends nothing; the timeline says so.", "switch", True, values.switch),
    Setting("response.window_hours", "responses", "One automatic response per sender and mailbox in", "Who writes again within this time is not answered again by a rule.", "number", 24, Number(1, 8760, "hours", "h"), unit="h"),
    Setting("response.hourly_limit", "responses", "Automatic responses per mailbox and hour", "What is more is not sent; the timeline says so.", "number", 100, Number(0, 100_000, "responses")),
    Setting("response.daily_limit", "responses", "Automatic responses per mailbox and day", "What is more is not sent; the timeline says so.", "number", 500, Number(0, 1_000_000, "responses")),
    Setting("record.default_owner", "records", "Default owner of records", "Owns leads and cases whose mailbox names nobody who is still here.", "member", None, values.member, (ORGANIZATION,)),
    Setting("smtp.host", "smtp", "SMTP host", "Used by mailboxes without an SMTP of their own. Empty: those do not send.", "text", "", values.host),
    Setting("smtp.port", "smtp", "SMTP port", "Usually 587 with STARTTLS, 465 with SSL/TLS.", "number", 587, Number(1, 65535)),
    Setting("smtp.encryption", "smtp", "SMTP encryption", "Without it, user and password are readable on the way.", "choice", "starttls", values.choice(*ENCRYPTIONS), choices=ENCRYPTIONS),
    Setting("smtp.user", "smtp", "SMTP user", "Empty: no login.", "text", "", values.text()),
    Setting("smtp.password", "smtp", "SMTP password", "Stored encrypted and never shown again. Another host, port, encryption or user demands it anew.", "secret", None, values.password),
    Setting("notice.sender_name", "notices", "Sender name of notices", "Also behind “via” where a mailbox sends from the address below.", "text", "Postroom", values.text()),
    Setting("notice.sender_address", "notices", "Sender address of notices", "Also the From of mailboxes that send through the configured SMTP without a proven address; through the system's server it is always the system's.", "text", "", values.address),
    Setting("general.languages", "language", "Languages", "Templates can be written in these.", "list", ["en"], values.some_of(LANGUAGES, "language"), choices=tuple(LANGUAGES.items())),
    Setting("general.language", "language", "Default language", "Of templates, where the message and its sender say none. A person's own is that of what they compose.", "choice", "en", values.choice(*LANGUAGES.items()), EVERYWHERE, tuple(LANGUAGES.items())),
    Setting("general.time_zone", "language", "Time zone", "Of the times on pages and in templates, such as Europe/Berlin.", "time_zone", "UTC", values.time_zone, EVERYWHERE),
    Setting("session.lifetime_hours", "sessions", "A session lasts", "People sign in again after this time.", "number", 336, Number(1, 8760, "hours", "h"), unit="h"),
    Setting("session.two_factor_required", "sessions", "Demand a second factor", "People set up an authenticator app at their next sign-in.", "switch", False, values.switch),
    Setting("oidc.label", "provider", "Name of the provider", "On the button of the sign-in page: Continue with …", "text", "Single sign-on", values.label, (SYSTEM,)),
    Setting("oidc.provider.issuer", "provider", "Issuer", "As the provider writes it, such as https://login.example.com/realms/staff. Empty: people sign in with passwords alone.", "text", "", values.https_address, (SYSTEM,)),
    Setting("oidc.provider.client_id", "provider", "Client id", "By which the provider knows this installation.", "text", "", values.text(), (SYSTEM,)),
    Setting("oidc.provider.client_secret", "provider", "Client secret", "Stored encrypted and never shown again. Empty for a public client. Another issuer or client id demands it anew.", "secret", None, values.password, (SYSTEM,)),
    Setting("oidc.scopes", "provider", "Scopes", "What the provider is asked for. It takes email to recognize who is here already.", "text", "openid email profile", values.scopes, (SYSTEM,)),
    Setting("oidc.domains", "admission", "Permitted domains", "Of email addresses, one a line. The provider may say whose addresses of these are; of others only whom people have linked themselves.", "hosts", [], values.domains, (SYSTEM,)),
    Setting("oidc.makes_people", "admission", "Make people on their first sign-in", "Off admits only who is here or was invited. Who is made belongs to no organization yet.", "switch", False, values.switch, (SYSTEM,)),
    Setting("oidc.password_sign_in", "admission", "Passwords for people of these domains", "Off lets only system administrators in with a password, so that a provider out of order locks nobody out of the system.", "switch", True, values.switch, (SYSTEM,)),
    Setting("network.permitted_hosts", "servers", "Permitted mail servers", "One host a line, * for a part, :port if only one is meant. Empty permits every public server.", "hosts", [], values.hosts, (SYSTEM,)),
    Setting("discovery.directory", "servers", "Directory of mail settings", "Asked with the domain of an address that is typed for a mailbox, such as https://autoconfig.thunderbird.net/v1.1. Empty asks nobody but the domain itself.", "text", "", values.https_address, (SYSTEM,)),
    Setting("oauth.google.client_id", "google", "Client id of Google", "Empty takes that of the environment; without one no mailbox is connected with Google.", "text", "", values.text(), (SYSTEM,)),
    Setting("oauth.google.client_secret", "google", "Client secret of Google", "Stored encrypted and never shown again.", "secret", None, values.password, (SYSTEM,)),
    Setting("oauth.google.authorization_url", "google", "Where people permit it at Google", "The page of the provider that asks for permission.", "text", "https://accounts.google.com/o/oauth2/v2/auth", values.https_address, (SYSTEM,)),
    Setting("oauth.google.token_url", "google", "Where Google gives tokens", "Asked by this installation with its client secret.", "text", "https://oauth2.googleapis.com/token", values.https_address, (SYSTEM,)),
    Setting("oauth.google.revocation_url", "google", "Where Google takes tokens back", "Told when a mailbox is disconnected; empty tells nobody.", "text", "https://oauth2.googleapis.com/revoke", values.https_address, (SYSTEM,)),
    Setting("oauth.google.imap_server", "google", "IMAP server of Google", "Tokens are shown to no other. Port 143 means STARTTLS, any other SSL/TLS.", "text", "imap.gmail.com:993", values.server, (SYSTEM,)),
    Setting("oauth.google.smtp_server", "google", "SMTP server of Google", "Tokens are shown to no other. Port 587 means STARTTLS, any other SSL/TLS.", "text", "smtp.gmail.com:465", values.server, (SYSTEM,)),
    Setting("oauth.microsoft.client_id", "microsoft", "Client id of Microsoft", "Empty takes that of the environment; without one no mailbox is connected with Microsoft.", "text", "", values.text(), (SYSTEM,)),
    Setting("oauth.microsoft.client_secret", "microsoft", "Client secret of Microsoft", "Stored encrypted and never shown again. Microsoft lets it expire: renew it in time.", "secret", None, values.password, (SYSTEM,)),
    Setting("oauth.microsoft.authorization_url", "microsoft", "Where people permit it at Microsoft", "Name your directory instead of common to admit its accounts alone.", "text", "https://login.microsoftonline.com/common/oauth2/v2.0/authorize", values.https_address, (SYSTEM,)),
    Setting("oauth.microsoft.token_url", "microsoft", "Where Microsoft gives tokens", "Asked by this installation with its client secret. The same directory as above.", "text", "https://login.microsoftonline.com/common/oauth2/v2.0/token", values.https_address, (SYSTEM,)),
    Setting("oauth.microsoft.imap_server", "microsoft", "IMAP server of Microsoft", "Tokens are shown to no other. Port 143 means STARTTLS, any other SSL/TLS.", "text", "outlook.office365.com:993", values.server, (SYSTEM,)),
    Setting("oauth.microsoft.smtp_server", "microsoft", "SMTP server of Microsoft", "Tokens are shown to no other. Port 587 means STARTTLS, any other SSL/TLS.", "text", "smtp.office365.com:587", values.server, (SYSTEM,)),
    Setting("retention.days", "retention", "Keep messages for", "0 keeps them for ever. Older conversations are removed here with their attachments; the mail server is left alone, and leads and cases stay.", "number", 0, Number(0, 36500, "days", "days"), unit="days"),
    Setting("mail.page_size", "lists", "Conversations per page", "Older ones are on the pages behind it.", "number", 50, Number(10, 200, "rows"), EVERYWHERE),
    Setting("mail.density", "lists", "Rows of conversations", "Relaxed rows have a third line for what stands beside the text.", "choice", "dense", values.choice(*DENSITIES), EVERYWHERE, DENSITIES),
    Setting("mail.after_done", "lists", "Shown after a conversation is done", "Also after Send and done, Send and wait, and the status Waiting.", "choice", "list", values.choice(*AFTER_DONE), EVERYWHERE, AFTER_DONE),
    Setting("mail.keyboard_shortcuts", "lists", "Keyboard shortcuts", "Press ? to see them.", "switch", True, values.switch, EVERYWHERE),
    Setting("mail.recent_menu", "lists", "Recent mail in the header", "The envelope with the number of unread messages and the newest of them.", "switch", True, values.switch),
    Setting("mail.digest_hour", "lists", "Hour of the digest", "Of the day in one's own time zone. Who gets a digest of which mailboxes, each says on their page Notifications.", "choice", "7", values.choice(*HOURS), EVERYWHERE, HOURS),
)  # fmt: skip
CATALOG: dict[str, Setting] = {setting.key: setting for setting in _SETTINGS}


def settings_at(level: str) -> tuple[Setting, ...]:
    """The settings that may be set at a level, in order."""
    return tuple(setting for setting in _SETTINGS if level in setting.levels)
