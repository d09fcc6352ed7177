"""What administrators are told of accounts and folders: of one in a letter of its own, of many in one letter.

Pure words. Kinds are the states of accounts as people are shown them (`mailboxes.accounts.shown_state`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MOST_NAMED = 5  # in a letter about many

SUBJECTS = {
    "disconnected": "{label} needs to be connected again",
    "refused": "{label} cannot sign in to its mail server",
    "misconfigured": "{label} needs a change of its settings",
    "failing": "{label} cannot be read",
    "quiet": "{label} is left alone until {until}",
    "spent": "{label} is left alone until {until}",
    "ok": "{label} works again",
}
SUBJECTS_OF_MANY = {
    "disconnected": "{count} mailboxes need to be connected again",
    "refused": "{count} mailboxes cannot sign in to their mail servers",
    "misconfigured": "{count} mailboxes need a change of their settings",
    "failing": "{count} mailboxes cannot be read",
    "quiet": "{count} mailboxes are left alone for now",
    "spent": "{count} mailboxes are left alone until tomorrow",
    "ok": "{count} mailboxes work again",
}
OPENINGS = {
    "disconnected": "{name} can no longer be read, since {since} (UTC):",
    "refused": "{name} cannot be read, since {since} (UTC):",
    "misconfigured": "{name} cannot be read, since {since} (UTC):",
    "failing": "{name} cannot be read, since {since} (UTC):",
    "quiet": "Nothing is fetched from {name} until {until} (UTC):",
    "spent": "Nothing is fetched from {name} until {until} (UTC):",
    "ok": "{name} can be read again. What had waited is being fetched.",
}
OPENINGS_OF_MANY = {
    "disconnected": "{count} mailboxes of {whose} can no longer be read{where}:",
    "refused": "{count} mailboxes of {whose} cannot be read, because their logins are rejected{where}:",
    "misconfigured": "{count} mailboxes of {whose} cannot be read as they are set up{where}:",
    "failing": "{count} mailboxes of {whose} cannot be read{where}:",
    "quiet": "Nothing is fetched for now from {count} mailboxes of {whose}{where}:",
    "spent": "Nothing more is fetched today from {count} mailboxes of {whose}{where}:",
    "ok": "{count} mailboxes of {whose} can be read again{where}. What had waited is being fetched.",
}
ADVICE = {
    "disconnected": """\
Open the page of each and press Reconnect. Until then nothing is fetched or sent; messages wait on the
server, replies wait here.""",
    "refused": """\
Postroom tries again by itself, but seldom, so that no account is locked. Until then nothing is
fetched; messages wait on the server.""",
    "misconfigured": """\
Trying again does not help until somebody changes something, here or at the server. Postroom looks
again at least once an hour. Until then nothing is fetched; messages wait on the server.""",
    "failing": """\
Postroom tries again by itself, at least once an hour, and tells you when it works again. Until then
nothing is fetched; messages wait on the server.""",
    "quiet": """\
Postroom goes on by itself then, and tells you. Until then new messages wait on the server.""",
    "spent": """\
Postroom goes on by itself then, and tells you. Until then new messages wait on the server. A system
administrator may permit more in a day: "Most fetched from one account in a day".""",
    "ok": "",
}

FOLDER_ADVICE = """\
The other folders are read as usual, and what was fetched stays. If a folder was renamed or is no longer
needed, retrieve the folders on the page of the mailbox, and choose those that are to be read."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One account: what its mailbox is called, and what is wrong with it since when, until when."""

    label: str
    address: str
    host: str
    error: str
    since: datetime
    until: datetime | None = None


def letter_about_one(kind: str, trouble: Trouble, name: str, link: str) -> tuple[str, str]:
    """Subject and text; ``name``: what the mailbox is called in a sentence."""
    until = _moment(trouble.until) if trouble.until else "later"
    words = {"label": trouble.label, "name": name, "since": _moment(trouble.since), "until": until}
    opening = OPENINGS[kind].format(**words)
    told = f"{opening}\n{trouble.error}" if kind != "ok" else opening
    return SUBJECTS[kind].format(**words), _letter(told, ADVICE[kind], link)


def letter_about_many(kind: str, troubles: Sequence[Trouble], whose: str, link: str) -> tuple[str, str]:
    """Subject and text: how many, the server if it is one, the first few by name. ``link`` lists all."""
    hosts = {trouble.host for trouble in troubles}
    words = {
        "count": f"{len(troubles):,}",
        "whose": whose,
        "where": f", all of them at {hosts.pop()}" if len(hosts) == 1 else "",
    }
    lines = [_line(kind, trouble) for trouble in troubles[:MOST_NAMED]]
    if len(troubles) > MOST_NAMED:
        lines.append(f"- and {len(troubles) - MOST_NAMED:,} more")
    told = "\n".join([OPENINGS_OF_MANY[kind].format(**words), "", *lines])
    return SUBJECTS_OF_MANY[kind].format(**words), _letter(told, ADVICE[kind], link)


@dataclass(frozen=True, slots=True)
class FolderTrouble:
    """One folder of a mailbox, and what is wrong with it."""

    name: str
    label: str
    error: str


def letter_about_folders(troubles: Sequence[FolderTrouble], link: str, *, is_well: bool) -> tuple[str, str]:
    """Subject and text: of one folder or of many, the first few by name."""
    first, count = troubles[0], f"{len(troubles):,}"
    what = f"The folder {first.name} of {first.label}" if len(troubles) == 1 else f"{count} folders"
    verb = "is" if len(troubles) == 1 else "are"
    happened = f"{what} {verb} read again" if is_well else f"{what} {verb} not read any more"
    lines = [
        f"- {one.name} of {one.label}" + ("" if is_well else f": {one.error}")
        for one in troubles[:MOST_NAMED]
    ]
    if len(troubles) > MOST_NAMED:
        lines.append(f"- and {len(troubles) - MOST_NAMED:,} more")
    told = "\n".join([f"{happened}:", "", *lines])
    return happened, _letter(told, "" if is_well else FOLDER_ADVICE, link)


def _line(kind: str, trouble: Trouble) -> str:
    named = f"- {trouble.label}" + (f" ({trouble.address})" if trouble.label != trouble.address else "")
    return named if kind == "ok" else f"{named}, since {_moment(trouble.since)} (UTC): {trouble.error}"


def _letter(*paragraphs: str) -> str:
    return "\n\n".join(["Hello,", *(one for one in paragraphs if one)]) + "\n"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
