"""What an act on a global mailbox means, counted before: a pause, going live, another home, leaving out."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import false, func, select

from mailboxes.global_mailboxes.fields import locks_of
from mailboxes.global_mailboxes.reach import (
    Condition,
    Consequence,
    came_before,
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
    waiting_unrouted,
)
from mailboxes.global_mailboxes.saving import account_of
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization
from mailboxes.messages import Message
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


def going_live(source: GlobalMailbox, locks: Mapping[str, str] | None = None) -> Consequence:
    """To end shadow mode; where ``locks`` (those that apply then) name it, nobody's own word counts."""
    locks = locks_of(source.values) if locks is None else locks
    said = is_said("shadow") if "shadow" not in locks else false()
    live = mailbox_count(source, Mailbox.is_served, Mailbox.is_shadow, ~said)
    own = mailbox_count(source, Mailbox.is_served, said)
    came = message_count(source, Message.is_shadow)
    return Consequence(
        "live",
        (f"Begins to convert and answer what arrives from now on, in {organizations(live)}",),
        (
            *([f"What {organizations(own)} said of it otherwise: as it is"] if own else []),
            f"{messages(came)} that came in shadow mode: left to people",
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
        (came_before(source), waiting_unrouted(source)),
    )


def stopping(source: GlobalMailbox, chosen: Sequence[UUID]) -> Consequence | None:
    """To serve these organizations no more; None where none of them is served."""
    stopped = Mailbox.organization_id.in_(chosen)
    if not mailbox_count(source, Mailbox.is_served, stopped):
        return None
    goes = f"Gives messages of “{source.label}” to others, or lets them wait in the Unrouted queue"
    return leaving_out(
        source, stopped, key="stopped", also=goes if account_of(source).delivery_mode == "routed" else ""
    )


def leaving_out(source: GlobalMailbox, which: Condition, *, key: str, also: str) -> Consequence:
    """To let the mailboxes of those organizations rest; ``also``: what that does besides."""
    resting = (Mailbox.is_served, which)
    rest = f"Lets {counted(mailbox_count(source, *resting), 'mailbox', 'mailboxes')} rest"
    otherwise = mailbox_count(source, *resting, Mailbox.overrides != {})
    again = f"What {organizations(otherwise)} said otherwise: kept, should they be served again"
    return Consequence(
        key,
        (f"{rest}: nothing new is delivered, converted, answered or sent there", *([also] if also else [])),
        (
            f"{messages(message_count(source, *resting))} there: readable for those who have access",
            *([again] if otherwise else []),
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


def _waiting_to_be_sent(source: GlobalMailbox, *which: Condition) -> int:
    """What is about to be sent from those mailboxes."""
    same = (Mailbox.organization_id == Outgoing.organization_id) & (Mailbox.id == Outgoing.mailbox_id)
    query = select(func.count()).select_from(Outgoing).join(Mailbox, same)
    waits = Outgoing.state.in_(("ready", "claimed"))
    return everywhere(query.where(Mailbox.global_mailbox_id == source.id, waits, *which))
