"""What a transaction of delivery adds to the figures of its account."""

from collections.abc import Sequence

from mailboxes.accounts import Account
from mailboxes.health.volume import Volume, add_volume, delays_of
from mailboxes.intake.storing import Item, Stored
from tenants.database import now


def count_delivered(account: Account, items: Sequence[Item], stored: Stored) -> None:
    """Add what was delivered just now. In the transaction that marks it so, for the account's owner.

    A message that was filed in a further folder has come before: only what became a new message counts.
    """
    items = [item for item in items if item.arrival.id in stored.made_by]
    arrivals = [item.arrival for item in items]
    new = [arrival for arrival in arrivals if not arrival.is_history]
    readings = [item.reading for item in items]
    volume = Volume(
        new_count=len(new),
        history_count=len(arrivals) - len(new),
        delays=delays_of((arrival.received_at for arrival in new), now()),
        milliseconds={
            "fetch": sum(arrival.fetch_milliseconds or 0 for arrival in arrivals),
            "parse": sum(one.parse_milliseconds + one.classify_milliseconds for one in readings),
            "thread": stored.thread_milliseconds,
            "store": stored.store_milliseconds,
        },
    )
    add_volume(account, volume)
