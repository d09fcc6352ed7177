"""Where what the system offers is used: by global mailboxes, and by what organizations say themselves.

The first must be changed before the system withdraws it; the second keep it as their own. The caller's
session is bound to no organization.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text

from mailboxes.global_mailboxes.table import GlobalMailbox, global_mailboxes
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations

_OWN_RULES = text(
    """
    SELECT count(DISTINCT r.organization_id), count(*) FROM auto_response_rules r
    JOIN templates t ON t.organization_id = r.organization_id AND t.id = r.template_id
    WHERE t.system_key = :key AND r.system_key IS NULL
    """
)
# Their own mailboxes, and the global ones of which they say this source otherwise than the system.
_OWN_MAILBOXES = text(
    """
    SELECT count(DISTINCT m.organization_id), count(*) FROM mailboxes m
    JOIN lead_sources l ON l.organization_id = m.organization_id AND l.system_key = :key
    WHERE m.deleted_at IS NULL AND (m.overrides #>> '{source,value}' = l.key
      OR m.global_mailbox_id IS NULL AND m.action_settings ->> 'source' = l.key)
    """
)


@dataclass(frozen=True, slots=True)
class Use:
    """A global mailbox that uses something, in ``rules`` (none: as its lead source), and who follows that."""

    id: UUID
    label: str
    rules: int
    organizations: int

    @property
    def words(self) -> str:
        """How often, in a few words."""
        rules = [_counted(self.rules, "rule", "rules")] if self.rules else []
        followed = f"followed in {_counted(self.organizations, 'organization', 'organizations')}"
        return ", ".join([*rules, followed])


@dataclass(frozen=True, slots=True)
class OwnUses:
    """How many organizations use something themselves, and in how many rules or mailboxes."""

    organizations: int = 0
    places: int = 0


def uses_of_template(key: str) -> list[Use]:
    """Global mailboxes whose rules answer with a template of the system."""
    return _uses(lambda one: sum(rule["template"] == key for rule in one.said("rules") or []), "rules")


def uses_of_lead_source(key: str) -> list[Use]:
    """Global mailboxes that give new leads a source of the system."""
    return [
        Use(one.id, one.label, 0, one.organizations)
        for one in _uses(lambda one: int(one.said("source") == key), "source")
    ]


def own_uses_of_template(key: str) -> OwnUses:
    """Rules that organizations made themselves."""
    with across_organizations("a system page counts who answers with a template") as session:
        return OwnUses(*session.execute(_OWN_RULES, {"key": key}).one())


def own_uses_of_lead_source(key: str) -> OwnUses:
    """Mailboxes of which an organization itself says that new leads get this source."""
    with across_organizations("a system page counts whose mailboxes give a lead source") as session:
        return OwnUses(*session.execute(_OWN_MAILBOXES, {"key": key}).one())


def _uses(often: Callable[[GlobalMailbox], int], field: str) -> list[Use]:
    """Those that use it, with how many organizations follow the ``field`` that does."""
    follow = (
        select(Mailbox.global_mailbox_id, func.count())
        .where(
            Mailbox.is_served,
            ~Mailbox.overrides.has_key(field) | Mailbox.system_values[field].has_key("lock"),
        )
        .group_by(Mailbox.global_mailbox_id)
    )
    with across_organizations("what the system withdraws must not be used by a global mailbox") as session:
        present = session.scalars(global_mailboxes().where(GlobalMailbox.deleted_at.is_(None)))
        using = [(one, often(one)) for one in present]
        counts = {row[0]: row[1] for row in session.execute(follow)}
    return [Use(one.id, one.label, number, counts.get(one.id, 0)) for one, number in using if number]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
