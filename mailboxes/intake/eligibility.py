"""Whether a message may make a record or get an automatic response. Pure, decided once, at delivery.

Anything that was not sent to us just now is out: history, what a server hands out anew, stubs, our own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

LINKED = "linked"
AUTOMATED_BOXES = frozenset({"inbox", "other"})
_BOX_NAMES = {"sent": "Sent", "drafts": "Drafts", "spam": "Spam", "trash": "Trash"}
_GRANULARITY = timedelta(seconds=1)  # of INTERNALDATE
_MOST_BEHIND = timedelta(days=1)  # a clock of a server, by whatever time zone


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What delivery knows about one message.

    ``placement``: opened, linked or joined. ``came_since``: when it was not in its folder yet, where UIDs say
    so; ``sent_at``: the sender's word, which decides nothing alone. ``automatic``: why it is automatic, in
    a sentence, or "".
    ``speaks_for_another``: a program wrote it, by its own words alone, for somebody who is to be answered.
    """

    box: str
    placement: str
    arrived_at: datetime
    received_at: datetime | None
    automation_from: datetime
    came_since: datetime | None = None
    sent_at: datetime | None = None
    automatic: str = ""
    makes_records: bool = True
    converts_automatic: bool = False
    is_trusted_form: bool = False
    speaks_for_another: bool = False
    is_incoming: bool = True
    is_own: bool = False
    is_history: bool = False
    is_stub: bool = False
    is_in_all_mail_only: bool = False
    is_answered_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes or no, and the reason for people."""

    is_allowed: bool
    reason: str


def is_work(at: Circumstances) -> bool:
    """Whether anybody has to act on it: a message that came in just now, wherever it belongs."""
    return not _never(at)


def may_convert(at: Circumstances) -> Verdict:
    """Whether it may make a lead, a case or a plug-in's record, if its conversation has none by then.

    What answers another mailbox shares the records of that conversation, or makes one if there are none.
    """
    is_linked = at.placement == LINKED
    if reason := _never(at) or (_too_early(at) if is_linked else _no_opening(at)):
        return Verdict(False, reason)
    if not at.makes_records:
        return Verdict(False, "This mailbox makes no records.")
    if at.is_trusted_form:
        return Verdict(True, "It comes from a trusted web form and opens a conversation.")
    if at.speaks_for_another:
        return Verdict(True, "It looks like a web form: a program wrote it for the one in Reply-To.")
    if at.automatic and not at.converts_automatic:
        return Verdict(False, f"Automatic messages make no record here. {at.automatic}")
    if is_linked:
        return Verdict(True, "The conversation of another mailbox that it answers has no record.")
    return Verdict(True, "It opens a conversation.")


def may_respond(at: Circumstances) -> Verdict:
    """Whether the rules may be asked for an answer; what the message itself forbids, they say."""
    if reason := _never(at) or _no_opening(at):
        return Verdict(False, reason)
    if at.is_answered_elsewhere:
        return Verdict(False, "This mailbox is shared, and another organization answers for it.")
    if at.is_in_all_mail_only:
        return Verdict(False, "It was found under all mail only, not in the inbox.")
    return Verdict(True, "It opens a conversation.")


def _never(at: Circumstances) -> str:
    """Why this is not a message that has come in now; "" if it is."""
    if not at.is_incoming or at.is_own:
        return "It is our own message."
    if at.is_history:
        return "It was on the server before: history makes no records and gets no answers."
    if at.is_stub:
        return "Only its header could be fetched."
    if at.box not in AUTOMATED_BOXES:
        return f"It arrived in {_BOX_NAMES.get(at.box, at.box)}."
    return ""


def _no_opening(at: Circumstances) -> str:
    """Why it opens no conversation under automation; "" if it does."""
    if at.placement == LINKED:
        return "It answers a conversation of another mailbox."
    if at.placement != "opened":
        return "It is not the first message of its conversation."
    return _too_early(at)


def _too_early(at: Circumstances) -> str:
    """Why it is none of automation's business, although it came in now; "" if it is."""
    if not _is_after(at.arrived_at, at.automation_from):
        return "It arrived before automation was switched on for this mailbox."
    if at.received_at is None or _is_after(at.received_at, at.automation_from):
        return ""
    if at.came_since is None or at.came_since < at.automation_from:
        return "The server received it before automation was switched on for this mailbox."
    if not _is_dated_behind(at.came_since, at.received_at, at.sent_at):
        return "The server received it long before it came into its folder: somebody moved it there."
    return ""


def _is_dated_behind(came_since: datetime, received_at: datetime, sent_at: datetime | None) -> bool:
    """Whether the server's clock is behind, rather than that somebody moved an old message.

    It dates it by less than a day before it was there, or before it was written.
    """
    return max(received_at, sent_at or received_at) >= came_since - _MOST_BEHIND


def _is_after(moment: datetime, start: datetime) -> bool:
    return moment + _GRANULARITY > start
