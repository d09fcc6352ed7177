"""Who follows what the system offers, and what it would mean to withdraw it: counted over all organizations.

The caller's session is bound to no organization.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from mailboxes.crm import carrying as sources
from mailboxes.global_mailboxes.uses import (
    OwnUses,
    Use,
    own_uses_of_lead_source,
    own_uses_of_template,
    uses_of_lead_source,
    uses_of_template,
)
from mailboxes.templates import carrying as templates
from tenants.database import across_organizations


@dataclass(frozen=True)
class Following:
    """How many organizations have something as the system offers it, and how many changed theirs."""

    follow: int = 0
    override: int = 0


@dataclass(frozen=True)
class Withdrawal:
    """From how many organizations something would go, in how many it is kept, and who uses it."""

    removed: int
    kept: int
    uses: Sequence[Use]
    own: OwnUses


def lead_source_following() -> dict[str, Following]:
    """For each lead source of the system, who follows it."""
    return _following(sources.COUNTED)


def template_following() -> dict[str, Following]:
    """For each template of the system, who follows it."""
    return _following(templates.COUNTED)


def withdrawal_of_lead_source(key: str) -> Withdrawal:
    """What it would mean to offer a lead source no more."""
    kept = _count_of_users(sources.USED, key)
    removed = _count_of_copies(lead_source_following(), key) - kept
    return Withdrawal(removed, kept, uses_of_lead_source(key), own_uses_of_lead_source(key))


def withdrawal_of_template(key: str) -> Withdrawal:
    """What it would mean to offer a template no more."""
    kept = _count_of_users(templates.USED, key)
    removed = _count_of_copies(template_following(), key) - kept
    return Withdrawal(removed, kept, uses_of_template(key), own_uses_of_template(key))


def _following(counted: str) -> dict[str, Following]:
    with across_organizations("a system page counts who overrides what the system offers") as session:
        rows = session.execute(text(counted)).all()
    return {row.system_key: Following(row.copies - row.own, row.own) for row in rows}


def _count_of_users(used: str, key: str) -> int:
    """How many organizations would keep it: they use or changed theirs."""
    with across_organizations("a system page counts who uses what the system offers") as session:
        return int(session.scalar(text(used), {"key": key}) or 0)


def _count_of_copies(following: dict[str, Following], key: str) -> int:
    copies = following.get(key, Following())
    return copies.follow + copies.override
