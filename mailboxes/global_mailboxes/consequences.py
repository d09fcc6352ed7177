"""What a save of a global mailbox does to whom, counted before: acts that are not taken back easily.

Which of them a save means is said by their keys; a page asks before it saves.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Select, false, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from mailboxes.arrivals import Arrival
from mailboxes.global_mailboxes.fields import FIELDS, locks_of
from mailboxes.global_mailboxes.questions import pausing
from mailboxes.global_mailboxes.reach import (
    Consequence,
    counted,
    here,
    home_of,
    is_said,
    mailbox_count,
    message_count,
    messages,
    organizations,
)
from mailboxes.global_mailboxes.saving import GlobalValues, account_of
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization
from mailboxes.messages import Message
from mailboxes.routing.rules import RoutingRule
from mailboxes.system_mailboxes import Mailbox
from tenants.organizations import Organization

_NONE = literal({}, JSONB)


def consequences_of(source: GlobalMailbox, values: GlobalValues) -> list[Consequence]:
    """What saving these values would mean; the session is bound to the installation."""
    found = []
    if account_of(source).delivery_mode != values.delivery_mode:
        found.append(_copying(source) if values.delivery_mode == "copied" else _routing(source))
    if source.serves_all != values.serves_all:
        found.append(_serving_all(source) if values.serves_all else _serving_chosen(source))
    if source.is_enabled and not values.mailbox.is_enabled:
        found.append(pausing(source, values.locks))
    if source.is_shadow and not values.mailbox.is_shadow:
        found.append(_live(source, values.locks))
    return [*found, *_locking(source, values)]


def going_live(source: GlobalMailbox) -> Consequence:
    """What ending shadow mode means; what an organization says itself stays as it is."""
    return _live(source, locks_of(source.values))


def _live(source: GlobalMailbox, locks: Mapping[str, str]) -> Consequence:
    """Where shadow mode is locked, nobody's own word counts."""
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


def _copying(source: GlobalMailbox) -> Consequence:
    account = account_of(source)
    served, home = mailbox_count(source, Mailbox.is_served), home_of(source)
    waiting = here(select(func.count()).where(Arrival.account_id == account.id, Arrival.state == "unrouted"))
    return Consequence(
        "copied",
        (
            f"Copies every message that comes to {organizations(served)}, instead of giving it to one",
            f"Lets {_rules(source)} rest: they no longer say who gets a message",
            f"Lets {home} alone answer automatically" if home else "Lets nobody answer: there is no home",
        ),
        (
            _came_before(source),
            f"{messages(waiting)} in the Unrouted queue: there until assigned",
        ),
    )


def _routing(source: GlobalMailbox) -> Consequence:
    served, home = mailbox_count(source, Mailbox.is_served), home_of(source)
    otherwise = f"gives it to {home}" if home else "holds it in the Unrouted queue"
    return Consequence(
        "routed",
        (
            f"Gives every message that comes to one of {organizations(served)}, no longer to each of them",
            f"Goes by the conversation, then by {_rules(source)}; where nothing fits, it {otherwise}",
        ),
        (_came_before(source),),
    )


def _serving_all(source: GlobalMailbox) -> Consequence:
    more = select(func.count()).select_from(Organization).where(Organization.id.not_in(_chosen(source)))
    return Consequence("all", (f"Serves {organizations(here(more))} more, and every one that is made later",))


def _serving_chosen(source: GlobalMailbox) -> Consequence:
    home = account_of(source).home_organization_id  # it goes on being served
    stays = or_(Mailbox.organization_id.in_(_chosen(source)), Mailbox.organization_id == home)
    gone = mailbox_count(source, Mailbox.is_served, ~stays)
    overriding = mailbox_count(source, Mailbox.is_served, ~stays, Mailbox.overrides != _NONE)
    left = mailbox_count(source, Mailbox.is_served, stays)
    there = message_count(source, Mailbox.is_served, ~stays)
    return Consequence(
        "chosen",
        (
            f"Lets {counted(gone, 'mailbox', 'mailboxes')} rest: nothing new is delivered, converted, "
            "answered or sent there",
            f"Serves {organizations(left)} from now on, and none that is made later",
        ),
        (
            f"{messages(there)} there: readable for those who have access",
            *(
                [f"What {organizations(overriding)} said otherwise: there again if served"]
                if overriding
                else []
            ),
        ),
    )


def _locking(source: GlobalMailbox, values: GlobalValues) -> list[Consequence]:
    before = locks_of(source.values)
    turned = [field for field in FIELDS if (field in values.locks) != (field in before)]
    counts = {field: mailbox_count(source, Mailbox.is_served, is_said(field)) for field in turned}
    return [
        _unlocked(source, field, number) if field in before else _locked(field, number)
        for field, number in counts.items()
        if number
    ]


def _locked(field: str, number: int) -> Consequence:
    return Consequence(
        f"lock-{field}",
        (f"Replaces by the system's value what {organizations(number)} set as “{FIELDS[field]}”",),
        ("What they set is kept, and applies again once this is unlocked",),
    )


def _unlocked(source: GlobalMailbox, field: str, number: int) -> Consequence:
    """What waited for the lock to go counts at once."""
    effects = [f"Lets what {organizations(number)} set as “{FIELDS[field]}” apply again"]
    if field == "access":
        effects.append("Lets in again whom they had given access, and nobody else there")
    if field == "shadow":
        says_live = Mailbox.overrides["shadow"]["value"].astext == "false"
        live = mailbox_count(source, Mailbox.is_served, Mailbox.is_shadow, says_live)
        effects += [f"Begins to convert and answer in {organizations(live)} of them"] if live else []
    return Consequence(f"unlock-{field}", tuple(effects))


def _came_before(source: GlobalMailbox) -> str:
    return f"{messages(message_count(source))} that came before: where they are"


def _rules(source: GlobalMailbox) -> str:
    found = select(func.count()).where(RoutingRule.account_id == source.account_id)
    return counted(here(found), "routing rule", "routing rules")


def _chosen(source: GlobalMailbox) -> Select[UUID]:
    chosen = select(ServedOrganization.organization_id)
    return chosen.where(ServedOrganization.global_mailbox_id == source.id)
