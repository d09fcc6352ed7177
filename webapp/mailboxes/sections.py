"""The sections of a mailbox's page, and what is to be said of each in the navigation."""

from collections.abc import Iterable, Mapping

from mailboxes.setup import MailboxValues, Overview

TITLES = {
    "general": "General",
    "synchronization": "Synchronization",
    "processing": "Email processing",
    "access": "Access management",
    "rules": "Auto-response rules",
    "health": "Health",
    "changes": "History",
}
OF_SAVED = frozenset({"rules", "health", "changes"})
OK, INCOMPLETE, ERROR = "ok", "incomplete", "error"
_GENERAL = frozenset({"label", "address", "aliases", "is_enabled"})
_SYNCHRONIZATION = frozenset(
    {"kind", "history", "history_days", "mirrors_read_state", "copies_sent", "folders", "folder_list"}
)

Section = tuple[str, str, str]  # title, id, state


def sections_of(
    shown: Iterable[str],
    values: MailboxValues,
    errors: Mapping[str | None, object],
    overview: Overview | None,
    *,
    is_granted: bool,
) -> list[Section]:
    """These sections, each with its state: what is wrong in it, else whether something is missing."""
    wrong = {_section_of(name) for name in errors if name}
    missing = _incomplete(values) | (set() if is_granted else {"access"})
    if overview is not None and overview.state in {"bad", "warn"}:
        wrong.add("health")
    states = {id: ERROR if id in wrong else INCOMPLETE if id in missing else OK for id in TITLES}
    return [(TITLES[id], id, states[id]) for id in shown]


def _section_of(name: str) -> str:
    """The section in which a field of the form stands."""
    if name in _GENERAL:
        return "general"
    if name in _SYNCHRONIZATION or name.startswith(("imap_", "smtp_")):
        return "synchronization"
    return "access" if name == "grants" else "processing"


def _incomplete(values: MailboxValues) -> set[str]:
    """Sections in which something is still to be said before the mailbox does its work."""
    missing = set()
    if not (values.label and values.address):
        missing.add("general")
    reads = values.imap_enabled and values.imap_host and values.folders
    if not (reads or (values.smtp_enabled and values.smtp_host)) or (values.imap_enabled and not reads):
        missing.add("synchronization")
    return missing
