"""Every setting: its key, type, default and the levels at which it may be set."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email

SYSTEM, ORGANIZATION, USER = "system", "organization", "user"
EVERYWHERE = (SYSTEM, ORGANIZATION, USER)
NOT_PEOPLE = (SYSTEM, ORGANIZATION)
LANGUAGES = {
    "cs": "Czech", "da": "Danish", "de": "German", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "it": "Italian", "nb": "Norwegian", "nl": "Dutch", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian",
}  # fmt: skip
LONGEST_TEXT = 20_000


class InvalidValueError(ValueError):
    """A value that the setting does not take; the text is for the person who typed it."""


@dataclass(frozen=True)
class Setting:
    """One thing that can be set.

    ``kind``: switch, number, text, long_text, choice, list, secret, member, history or hosts. ``read``
    turns what a form sends (text) into the stored value, or raises `InvalidValueError`.
    """

    key: str
    group: str
    label: str
    help: str
    kind: str
    default: Any
    read: Callable[[str], Any]
    levels: tuple[str, ...] = NOT_PEOPLE
    choices: tuple[tuple[str, str], ...] = ()
    unit: str = ""

    @property
    def is_secret(self) -> bool:
        """Whether the value is encrypted and never shown again."""
        return self.kind == "secret"


@dataclass(frozen=True)
class Group:
    """A page of the configuration tree; ``path`` is what stands above it."""

    key: str
    label: str
    path: tuple[str, ...] = ("System Configuration", "General Setup")
    help: str = ""


GROUPS = (
    Group("email", "Email Configuration", help="Fetching, showing, answering and sending."),
    Group("localization", "Localization", help="Languages and time zone."),
    Group("people", "Sign-in and Sessions", help="How people sign in, and for how long."),
    Group("network", "Network", help="Which mail servers may be reached."),
    Group("data", "Data", help="How long messages are kept."),
    Group("display", "Display", ("System Configuration", "User Interface"), "Lists, keys and menus."),
)


def _switch(text: str) -> bool:
    if text in {"true", "1", "on", "yes", "y"}:
        return True
    if text in {"false", "0", "off", "no", "n", ""}:
        return False
    raise InvalidValueError("Choose on or off.")


def _number(least: int, most: int, what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,9}", text.strip()):
            raise InvalidValueError(f"Type a whole number of {what}, from {least} to {most}.")
        value = int(text)
        if not least <= value <= most:
            raise InvalidValueError(f"Type a number of {what} from {least} to {most}.")
        return value

    return read


def _choice(*choices: tuple[str, str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in dict(choices):
            raise InvalidValueError("Choose one of: " + ", ".join(label for _, label in choices) + ".")
        return text

    return read


def _text(most: int = 255) -> Callable[[str], str]:
    def read(text: str) -> str:
        cleaned = text.strip().replace("\r\n", "\n")
        if len(cleaned) > most:
            raise InvalidValueError(f"Use at most {most} characters.")
        if "\x00" in cleaned or (most <= 255 and re.search(r"[\r\n]", cleaned)):
            raise InvalidValueError("Use a single line of plain text.")
        return cleaned

    return read


def _host(text: str) -> str:
    host = text.strip().rstrip(".").lower()
    if host and not re.fullmatch(r"[a-z0-9.:\[\]_-]{1,253}", host):
        raise InvalidValueError("Type the name of a server, such as smtp.example.com.")
    return host


def _address(text: str) -> str:
    if not text.strip():
        return ""
    try:
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidValueError("Type an e-mail address, such as notices@example.com.") from None
    return checked.normalized


def _history(text: str) -> int | str:
    if text.strip().lower() == "all":
        return "all"
    return _number(0, 36500, "days (or the word all)")(text)


def _languages(text: str) -> list[str]:
    codes = [code for code in re.split(r"[\s,]+", text.strip().lower()) if code]
    unknown = [code for code in codes if code not in LANGUAGES]
    if unknown or not codes:
        raise InvalidValueError(
            "List codes of languages such as en, de, fr. Known: " + ", ".join(LANGUAGES) + "."
        )
    return list(dict.fromkeys(codes))


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise InvalidValueError("Choose one of the languages in the list.")
    return text


def _time_zone(text: str) -> str:
    if text.strip() not in available_timezones():
        raise InvalidValueError("Type a time zone such as Europe/Berlin or UTC.")
    return text.strip()


def _member(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise InvalidValueError("Choose a person from the list.") from None


def _hosts(text: str) -> list[str]:
    hosts = [line.strip().lower() for line in re.split(r"[\s,]+", text) if line.strip()]
    for host in hosts:
        if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?|\*", host):
            raise InvalidValueError(
                f"{host} is no host. Write names such as imap.example.com, *.example.com or mail.example.com:993."
            )
    return hosts


ENCRYPTIONS = (("tls", "SSL/TLS"), ("starttls", "STARTTLS"), ("none", "None"))
REPLY_BUTTONS = (("reply", "Reply"), ("reply_all", "Reply all"))
REMOTE_IMAGES = (("ask", "Block until asked"), ("always", "Show always"))
SIGNATURES = (("auto", "Automatically"), ("manual", "By hand"))

_SETTINGS = (
    Setting("sync.enabled", "email", "Fetch messages", "Off pauses every mailbox here; nothing is lost, the next pass catches up.", "switch", True, _switch),
    Setting("sync.interval_seconds", "email", "Longest time between two passes", "Push brings new messages at once where the server offers it; this is the floor.", "number", 60, _number(10, 86400, "seconds"), unit="s"),
    Setting("sync.history_days", "email", "History taken over at the first sync", "0 starts from now; a number takes the last days; the word all takes everything. Older messages make no records and get no answers.", "history", 0, _history, unit="days"),
    Setting("sync.max_message_mb", "email", "Largest message fetched whole", "A larger one is shown with its header and stays on the server.", "number", 50, _number(1, 200, "megabytes"), unit="MB"),
    Setting("sync.attachments", "email", "Keep attachments", "Off lists no attachments of new messages; the original stays complete.", "switch", True, _switch),
    Setting("mail.max_upload_mb", "email", "Largest upload to a reply", "For all files of one reply together.", "number", 10, _number(1, 50, "megabytes"), unit="MB"),
    Setting("mail.remote_images", "email", "Remote images in messages", "Loading them tells the sender that the message was read.", "choice", "ask", _choice(*REMOTE_IMAGES), choices=REMOTE_IMAGES),
    Setting("mail.threaded", "email", "Show messages as conversations", "Off lists every message by itself.", "switch", True, _switch),
    Setting("mail.reply_button", "email", "Default reply button", "", "choice", "reply", _choice(*REPLY_BUTTONS), EVERYWHERE, REPLY_BUTTONS),
    Setting("mail.signature", "email", "Signature", "Plain text under what people write.", "long_text", "", _text(LONGEST_TEXT), EVERYWHERE),
    Setting("mail.append_signature", "email", "Append the signature", "", "choice", "auto", _choice(*SIGNATURES), EVERYWHERE, SIGNATURES),
    Setting("mail.autocomplete_characters", "email", "Characters before addresses are offered", "", "number", 2, _number(1, 10, "characters")),
    Setting("response.enabled", "email", "Send automatic responses", "Off keeps every rule and sends nothing; the timeline says so.", "switch", True, _switch),
    Setting("response.window_hours", "email", "One automatic response per sender and mailbox in", "", "number", 24, _number(1, 8760, "hours"), unit="h"),
    Setting("response.hourly_limit", "email", "Automatic responses per mailbox and hour", "", "number", 100, _number(0, 100_000, "responses")),
    Setting("response.daily_limit", "email", "Automatic responses per mailbox and day", "", "number", 500, _number(0, 1_000_000, "responses")),
    Setting("record.default_owner", "email", "Default owner of records", "Owns leads and cases whose mailbox names nobody who is still here.", "member", None, _member, (ORGANIZATION,)),
    Setting("smtp.host", "email", "SMTP host", "Used by mailboxes without an SMTP of their own.", "text", "", _host),
    Setting("smtp.port", "email", "SMTP port", "", "number", 587, _number(1, 65535, "the port")),
    Setting("smtp.encryption", "email", "SMTP encryption", "", "choice", "starttls", _choice(*ENCRYPTIONS), choices=ENCRYPTIONS),
    Setting("smtp.user", "email", "SMTP user", "", "text", "", _text()),
    Setting("smtp.password", "email", "SMTP password", "Stored encrypted and never shown again.", "secret", None, _text(1000)),
    Setting("notice.sender_name", "email", "Sender name of notices", "", "text", "Postroom", _text()),
    Setting("notice.sender_address", "email", "Sender address of notices", "Also the From of mailboxes that send through the configured SMTP without a proven address; through the system's server it is always the system's.", "text", "", _address),
    Setting("network.permitted_hosts", "network", "Permitted mail servers", "One host a line, * for a part, :port if only one is meant. Empty permits every public server.", "hosts", [], _hosts, (SYSTEM,)),
    Setting("general.languages", "localization", "Languages", "Templates can be written in these.", "list", ["en"], _languages),
    Setting("general.language", "localization", "Default language", "", "choice", "en", _language, EVERYWHERE, tuple(LANGUAGES.items())),
    Setting("general.time_zone", "localization", "Time zone", "", "text", "UTC", _time_zone, EVERYWHERE),
    Setting("retention.days", "data", "Keep messages for", "0 keeps them for ever. Older conversations are removed here with their attachments; the mail server is left alone, and leads and cases stay.", "number", 0, _number(0, 36500, "days"), unit="days"),
    Setting("session.lifetime_hours", "people", "A session lasts", "People sign in again after this time.", "number", 336, _number(1, 8760, "hours"), unit="h"),
    Setting("session.two_factor_required", "people", "Demand a second factor", "People set up an authenticator app at their next sign-in.", "switch", False, _switch),
    Setting("mail.page_size", "display", "Conversations per page", "", "number", 50, _number(10, 200, "rows"), EVERYWHERE),
    Setting("mail.keyboard_shortcuts", "display", "Keyboard shortcuts", "Press ? to see them.", "switch", True, _switch, EVERYWHERE),
    Setting("mail.recent_menu", "display", "Recent mail in the header", "", "switch", True, _switch),
)  # fmt: skip
CATALOG: dict[str, Setting] = {setting.key: setting for setting in _SETTINGS}


def settings_at(level: str) -> tuple[Setting, ...]:
    """The settings that may be set at a level, in order."""
    return tuple(setting for setting in _SETTINGS if level in setting.levels)


def matching(words: str, level: str) -> tuple[Setting, ...]:
    """Settings whose key, label or help holds all the words (quick search)."""
    wanted = words.casefold().split()
    return tuple(
        setting
        for setting in settings_at(level)
        if all(word in f"{setting.key} {setting.label} {setting.help}".casefold() for word in wanted)
    )
