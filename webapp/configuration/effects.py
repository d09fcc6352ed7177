"""What saving a form would change, and for which organizations."""

from dataclasses import dataclass

from tenants.configuration import following
from tenants.configuration.catalog import ORGANIZATION
from tenants.configuration.following import Stance
from tenants.configuration.layers import Effective
from webapp.configuration.people import People
from webapp.configuration.saving import Changes
from webapp.configuration.scopes import Scope
from webapp.configuration.wording import state_in_words

NAMED = 10  # organizations that are named at once; the rest is counted and a link away


@dataclass(frozen=True)
class Effect:
    """One changed setting: in words what stood and what would stand, and whom it concerns."""

    label: str
    before: str
    after: str
    follow: int = 0
    override: int = 0
    followers: tuple[Stance, ...] = ()
    overriders: tuple[Stance, ...] = ()
    url: str = ""
    is_locked: bool = False  # then: those who override it wait for the lock to go


def effects_of(scope: Scope, states: list[Effective], changes: Changes, people: People) -> list[Effect]:
    """The changed settings, in the order of the page."""
    changed = [state for state in states if state.setting.key in changes]
    counts = following.override_counts(list(changes)) if scope.is_system and changed else {}
    total = following.organization_count() if scope.is_system and changed else 0
    return [_effect(scope, state, changes, people, counts, total) for state in changed]


def _effect(
    scope: Scope, state: Effective, changes: Changes, people: People, counts: dict[str, int], total: int
) -> Effect:
    setting = state.setting
    before, after = (state_in_words(setting, one, people.names) for one in changes[setting.key])
    if not scope.is_system or ORGANIZATION not in setting.levels:
        return Effect(setting.label, before, after)
    override = counts.get(setting.key, 0)
    return Effect(
        setting.label,
        before,
        after,
        follow=total - override,
        override=override,
        followers=tuple(following.stances(setting, overriding=False, limit=NAMED)),
        overriders=tuple(following.stances(setting, overriding=True, limit=NAMED)),
        url=scope.url("organizations", setting=setting.key),
        is_locked="lock" in changes[setting.key][1],
    )
