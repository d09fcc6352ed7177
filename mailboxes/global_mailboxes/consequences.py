"""What a save of a global mailbox does to whom, counted before: acts that are not taken back easily.

Which of them a save means is said by their keys; a page asks before it saves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnExpressionArgument, Select, false, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from mailboxes.arrivals import Arrival
from mailboxes.global_mailboxes.fields import FIELDS, locks_of
from mailboxes.global_mailboxes.saving import GlobalValues, account_of
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization
from mailboxes.messages import Message
from mailboxes.routing.rules import RoutingRule
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db
from tenants.organizations import Organization

_NONE = literal({}, JSONB)
_Condition = ColumnExpressionArgument[bool]


@dataclass(frozen=True, slots=True)
class Consequence:
    """One of them; ``key`` names it. ``effects`` say what it does and ``keeps`` what it leaves."""

    key: str
    effects: tuple[str, ...]
    keeps: tuple[str, ...] = ()


def consequences_of(source: GlobalMailbox, values: GlobalValues) -> list[Consequence]:
    """What saving these values would mean; the session is bound to the installation."""
    found = []
    if account_of(source).delivery_mode != values.delivery_mode:
        found.append(_copying(source) if values.delivery_mode == "copied" else _routing(source))
    if source.serves_all != values.serves_all:
        found.append(_serving_all(source) if values.serves_all else _serving_chosen(source))
    if source.is_shadow and not values.mailbox.is_shadow:
        found.append(_live(source, values.locks))
    return [*found, *_locking(source, values)]


def going_live(source: GlobalMailbox) -> Consequence:
    """What ending shadow mode means; what an organization says itself stays as it is."""
    return _live(source, locks_of(source.values))


def _live(source: GlobalMailbox, locks: Mapping[str, str]) -> Consequence:
    """Where shadow mode is locked, nobody's own word counts."""
    is_said = Mailbox.overrides.has_key("shadow") if "shadow" not in locks else false()
    live = _mailboxes(source, Mailbox.is_served, Mailbox.is_shadow, ~is_said)
    own = _mailboxes(source, Mailbox.is_served, is_said)
    came = _messages(source, Message.is_shadow)
    return Consequence(
        "live",
        (f"Begins to convert and answer what arrives from now on, in {_organizations(live)}",),
        (
            *([f"What {_organizations(own)} said of it otherwise: as it is"] if own else []),
            f"{_counted(came, 'message', 'messages')} that came in shadow mode: left to people",
        ),
    )


def _copying(source: GlobalMailbox) -> Consequence:
    account = account_of(source)
    served, home = _mailboxes(source, Mailbox.is_served), _home(source)
    waiting = _here(select(func.count()).where(Arrival.account_id == account.id, Arrival.state == "unrouted"))
    return Consequence(
        "copied",
        (
            f"Copies every message that comes to {_organizations(served)}, instead of giving it to one",
            f"Lets {_rules(source)} rest: they no longer say who gets a message",
            f"Lets {home} alone answer automatically" if home else "Lets nobody answer: there is no home",
        ),
        (
            _came_before(source),
            f"{_counted(waiting, 'message', 'messages')} in the Unrouted queue: there until assigned",
        ),
    )


def _routing(source: GlobalMailbox) -> Consequence:
    served, home = _mailboxes(source, Mailbox.is_served), _home(source)
    otherwise = f"gives it to {home}" if home else "holds it in the Unrouted queue"
    return Consequence(
        "routed",
        (
            f"Gives every message that comes to one of {_organizations(served)}, no longer to each of them",
            f"Goes by the conversation, then by {_rules(source)}; where nothing fits, it {otherwise}",
        ),
        (_came_before(source),),
    )


def _serving_all(source: GlobalMailbox) -> Consequence:
    more = select(func.count()).select_from(Organization).where(Organization.id.not_in(_chosen(source)))
    return Consequence(
        "all", (f"Serves {_organizations(_here(more))} more, and every one that is made later",)
    )


def _serving_chosen(source: GlobalMailbox) -> Consequence:
    home = account_of(source).home_organization_id  # it goes on being served
    stays = or_(Mailbox.organization_id.in_(_chosen(source)), Mailbox.organization_id == home)
    gone = _mailboxes(source, Mailbox.is_served, ~stays)
    overriding = _mailboxes(source, Mailbox.is_served, ~stays, Mailbox.overrides != _NONE)
    left = _mailboxes(source, Mailbox.is_served, stays)
    messages = _messages(source, Mailbox.is_served, ~stays)
    return Consequence(
        "chosen",
        (
            f"Lets {_counted(gone, 'mailbox', 'mailboxes')} rest: nothing new is delivered, converted, "
            "answered or sent there",
            f"Serves {_organizations(left)} from now on, and none that is made later",
        ),
        (
            f"{_counted(messages, 'message', 'messages')} there: readable for those who have access",
            *(
                [f"What {_organizations(overriding)} said otherwise: there again if served"]
                if overriding
                else []
            ),
        ),
    )


def _locking(source: GlobalMailbox, values: GlobalValues) -> list[Consequence]:
    before = locks_of(source.values)
    turned = [field for field in FIELDS if (field in values.locks) != (field in before)]
    counts = {
        field: _mailboxes(source, Mailbox.is_served, Mailbox.overrides.has_key(field)) for field in turned
    }
    return [
        _unlocked(source, field, number) if field in before else _locked(field, number)
        for field, number in counts.items()
        if number
    ]


def _locked(field: str, number: int) -> Consequence:
    return Consequence(
        f"lock-{field}",
        (f"Takes away what {_organizations(number)} said otherwise of “{FIELDS[field]}”",),
        (f"Their “{FIELDS[field]}”: kept, and applies again when the lock goes",),
    )


def _unlocked(source: GlobalMailbox, field: str, number: int) -> Consequence:
    """What waited for the lock to go counts at once."""
    effects = [f"Lets what {_organizations(number)} said otherwise of “{FIELDS[field]}” apply again"]
    if field == "access":
        effects.append("Lets in again whom they had given access, and nobody else there")
    if field == "shadow":
        says_live = Mailbox.overrides["shadow"]["value"].astext == "false"
        live = _mailboxes(source, Mailbox.is_served, Mailbox.is_shadow, says_live)
        effects += [f"Begins to convert and answer in {_organizations(live)} of them"] if live else []
    return Consequence(f"unlock-{field}", tuple(effects))


def _came_before(source: GlobalMailbox) -> str:
    return f"{_counted(_messages(source), 'message', 'messages')} that came before: where they are"


def _rules(source: GlobalMailbox) -> str:
    found = select(func.count()).where(RoutingRule.account_id == source.account_id)
    return _counted(_here(found), "routing rule", "routing rules")


def _home(source: GlobalMailbox) -> str:
    home = select(Organization.name).where(Organization.id == account_of(source).home_organization_id)
    return db.session.scalar(home) or ""


def _chosen(source: GlobalMailbox) -> Select[UUID]:
    chosen = select(ServedOrganization.organization_id)
    return chosen.where(ServedOrganization.global_mailbox_id == source.id)


def _mailboxes(source: GlobalMailbox, *which: _Condition) -> int:
    query = select(func.count()).select_from(Mailbox)
    return _everywhere(query.where(Mailbox.global_mailbox_id == source.id, *which))


def _messages(source: GlobalMailbox, *which: _Condition) -> int:
    same = (Mailbox.organization_id == Message.organization_id) & (Mailbox.id == Message.mailbox_id)
    query = select(func.count()).select_from(Message).join(Mailbox, same)
    return _everywhere(query.where(Mailbox.global_mailbox_id == source.id, *which))


def _here(query: Select[Any]) -> int:
    return db.session.scalar(query) or 0


def _everywhere(query: Select[Any]) -> int:
    with across_organizations("a system page counts whom a save of a global mailbox concerns") as session:
        return session.scalar(query) or 0


def _organizations(number: int) -> str:
    return _counted(number, "organization", "organizations")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
