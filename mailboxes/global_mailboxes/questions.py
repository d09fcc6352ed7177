"""What single acts on a global mailbox mean, counted before: a pause, another home, serving some no more."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import false, func, select

from mailboxes.arrivals import Arrival
from mailboxes.global_mailboxes.fields import locks_of
from mailboxes.global_mailboxes.reach import (
    Condition,
    Consequence,
    counted,
    everywhere,
    here,
    home_of,
    is_said,
    mailbox_count,
    message_count,
    messages,
    name_of,
    organizations,
)
from mailboxes.global_mailboxes.saving import account_of
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization
from mailboxes.outgoing import Outgoing
from mailboxes.routing.deciding import HOME
from mailboxes.routing.records import Routing
from mailboxes.system_mailboxes import Mailbox
from tenants.database import now

LATELY_DAYS = 30


def pausing(source: GlobalMailbox, locks: Mapping[str, str] | None = None) -> Consequence:
    """To pause it for everybody, ``locks`` being those that apply then."""
    locks = locks_of(source.values) if locks is None else locks
    said = false() if "enabled" in locks else is_said("enabled")
    closing = (Mailbox.is_served, Mailbox.is_enabled, ~said)
    own, waiting = mailbox_count(source, Mailbox.is_served, said), _waiting_to_be_sent(source, *closing)
    return Consequence(
        "paused",
        (
            f"Fetches nothing any more, for {organizations(mailbox_count(source, Mailbox.is_served))}",
            f"Closes it in {organizations(mailbox_count(source, *closing))}, with"
            f" {messages(message_count(source, *closing))}:"
            " nothing is shown, converted, answered or sent there",
            *([f"Lets {messages(waiting)} wait that {_were(waiting)} to be sent"] if waiting else []),
        ),
        (
            "What is there and on the server: all of it, and as before once it goes on",
            *([f"What {organizations(own)} said of “Enabled” otherwise: as it is"] if own else []),
        ),
    )


def moving_home(source: GlobalMailbox, organization_id: UUID | None) -> Consequence:
    """To make another organization its home, or none."""
    before, after = home_of(source), name_of(organization_id)
    says = _answering if account_of(source).delivery_mode == "copied" else _receiving
    begins = organization_id is not None and not _is_served(source, organization_id)
    return Consequence(
        "home",
        (*says(source, before, after), *([f"Serves {after} from now on, too"] if begins else [])),
        (
            f"{messages(message_count(source))} that came before: where they are",
            f"{messages(_unrouted(source))} in the Unrouted queue: there until assigned",
        ),
    )


def stopping(source: GlobalMailbox, chosen: Sequence[UUID]) -> Consequence | None:
    """To serve these organizations no more; None where none of them is served."""
    stopped = (Mailbox.organization_id.in_(chosen), Mailbox.is_served)
    number = mailbox_count(source, *stopped)
    if not number:
        return None
    otherwise = mailbox_count(source, *stopped, Mailbox.overrides != {})
    goes = f"Gives messages of “{source.label}” to others, or lets them wait in the Unrouted queue"
    return Consequence(
        "stopped",
        (
            f"Lets {counted(number, 'mailbox', 'mailboxes')} rest: nothing new is delivered, converted, "
            "answered or sent there",
            *([goes] if account_of(source).delivery_mode == "routed" else []),
        ),
        (
            f"{messages(message_count(source, *stopped))} there: readable for those who have access",
            *(
                [f"What {organizations(otherwise)} said otherwise: kept, should they be served again"]
                if otherwise
                else []
            ),
        ),
    )


def _receiving(source: GlobalMailbox, before: str, after: str) -> tuple[str, ...]:
    """Of a routed one: who gets what nothing else routes."""
    lately = here(
        select(func.count()).where(
            Routing.account_id == source.account_id,
            Routing.result == HOME,
            Routing.decided_at > now() - timedelta(days=LATELY_DAYS),
        )
    )
    what = "what neither a conversation nor a rule routes"
    then = f"Gives {after} {what}" if after else f"Holds {what} in the Unrouted queue"
    so_far = f"{before} gets it no longer" if before else "so far it waits in the Unrouted queue"
    return (
        f"{then}; {so_far}",
        *([f"In the last {LATELY_DAYS} days: {messages(lately)}"] if before else []),
    )


def _answering(source: GlobalMailbox, before: str, after: str) -> tuple[str, ...]:
    """Of a copied one: who answers automatically."""
    active = sum(rule["is_active"] for rule in source.said("rules"))
    rules = counted(active, "active rule", "active rules")
    return (
        (f"Lets {after} alone answer automatically" if after else "Lets nobody answer automatically")
        + (f", and {before} no longer" if before and after else "")
        + f" (the system says {rules})",
    )


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _is_served(source: GlobalMailbox, organization_id: UUID) -> bool:
    chosen = select(func.count()).where(
        ServedOrganization.global_mailbox_id == source.id,
        ServedOrganization.organization_id == organization_id,
    )
    return source.serves_all or here(chosen) > 0


def _unrouted(source: GlobalMailbox) -> int:
    return here(
        select(func.count()).where(Arrival.account_id == source.account_id, Arrival.state == "unrouted")
    )


def _waiting_to_be_sent(source: GlobalMailbox, *which: Condition) -> int:
    """What is about to be sent from those mailboxes."""
    same = (Mailbox.organization_id == Outgoing.organization_id) & (Mailbox.id == Outgoing.mailbox_id)
    query = select(func.count()).select_from(Outgoing).join(Mailbox, same)
    waits = Outgoing.state.in_(("ready", "claimed"))
    return everywhere(query.where(Mailbox.global_mailbox_id == source.id, waits, *which))
