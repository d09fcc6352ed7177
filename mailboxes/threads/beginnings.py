"""What lists show of a conversation that begins, counted from its messages before they are stored. Pure.

The same as `mailboxes.threads.summaries` counts in the database, which would read what was just written.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

MOST_SENDERS = 20
MOST_PARTICIPANTS = 300

Row = Mapping[str, Any]
_TAG = re.compile(r"[+][^@]*@")


def summary_of(messages: Sequence[Row], own_addresses: Collection[str]) -> dict[str, Any]:
    """The columns of a thread that holds these messages (rows of the table) and no others.

    ``own_addresses``: those of its mailbox, which take part in none.
    """
    in_order = sorted(messages, key=lambda row: (row["shown_at"], row["id"]))
    kept = [row for row in in_order if row["box"] != "drafts"] or in_order
    written = [row for row in kept if not _is_our_robots(row)] or kept
    names = (row["sender_name"] or row["sender_address"] for row in in_order)
    return {
        "subject": in_order[0]["subject"],
        "teaser": written[-1]["teaser"],
        "last_at": kept[-1]["shown_at"],
        "message_count": len(in_order),
        "incoming_count": sum(_is_incoming(row) for row in in_order),
        "outgoing_count": sum(row["direction"] == "out" for row in in_order),
        "has_attachments": any(row["attachment_count"] for row in in_order),
        "senders": list(dict.fromkeys(filter(None, names)))[:MOST_SENDERS],
        "participants": sorted(_participants(in_order, own_addresses))[:MOST_PARTICIPANTS],
    }


def _is_our_robots(row: Row) -> bool:
    """Who reads the list wants to know what the customer wrote, not what our automatic response said."""
    return bool(row["direction"] == "out" and row["is_automatic"])


def _is_incoming(row: Row) -> bool:
    return row["direction"] == "in" and row["box"] in ("inbox", "other")


def _participants(messages: Iterable[Row], own_addresses: Collection[str]) -> set[str]:
    people = (person for row in messages for field in row["addresses"].values() for person in field)
    addresses = {person["address"].lower() for person in people if person["address"]}
    return {one for one in addresses if not {one, _TAG.sub("@", one, count=1)} & set(own_addresses)}
