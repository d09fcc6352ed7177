"""What a save of a global mailbox does to whom, counted before: acts that are not taken back easily.

Which of them a save means is said by their keys; a page asks before it saves.
"""

from uuid import UUID

from sqlalchemy import Select, func, or_, select

from mailboxes.global_mailboxes.acts import going_live, leaving_out, pausing
from mailboxes.global_mailboxes.fields import FIELDS, locks_of
from mailboxes.global_mailboxes.reach import (
    Consequence,
    came_before,
    counted,
    here,
    home_of,
    is_said,
    mailbox_count,
    organizations,
    waiting_unrouted,
)
from mailboxes.global_mailboxes.saving import GlobalValues, account_of
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization
from mailboxes.routing.rules import RoutingRule
from mailboxes.system_mailboxes import Mailbox
from tenants.organizations import Organization


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
        found.append(going_live(source, values.locks))
    return [*found, *_locking(source, values)]


def _copying(source: GlobalMailbox) -> Consequence:
    served, home = mailbox_count(source, Mailbox.is_served), home_of(source)
    return Consequence(
        "copied",
        (
            f"Copies every message that comes to {organizations(served)}, instead of giving it to one",
            f"Lets {_rules(source)} rest: they no longer say who gets a message",
            f"Lets {home} alone answer automatically" if home else "Lets nobody answer: there is no home",
        ),
        (came_before(source), waiting_unrouted(source)),
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
        (came_before(source),),
    )


def _serving_all(source: GlobalMailbox) -> Consequence:
    more = select(func.count()).select_from(Organization).where(Organization.id.not_in(_chosen(source)))
    return Consequence("all", (f"Serves {organizations(here(more))} more, and every one that is made later",))


def _serving_chosen(source: GlobalMailbox) -> Consequence:
    home = account_of(source).home_organization_id  # it goes on being served
    stays = or_(Mailbox.organization_id.in_(_chosen(source)), Mailbox.organization_id == home)
    left = organizations(mailbox_count(source, Mailbox.is_served, stays))
    return leaving_out(
        source, ~stays, key="chosen", also=f"Serves {left} from now on, and none that is made later"
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


def _rules(source: GlobalMailbox) -> str:
    found = select(func.count()).where(RoutingRule.account_id == source.account_id)
    return counted(here(found), "routing rule", "routing rules")


def _chosen(source: GlobalMailbox) -> Select[UUID]:
    chosen = select(ServedOrganization.organization_id)
    return chosen.where(ServedOrganization.global_mailbox_id == source.id)
