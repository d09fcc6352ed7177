"""An organization says something of a global mailbox otherwise than the system, and takes it back.

The mailbox's ``overrides`` say what is otherwise; no entry means that the system's value applies. Of what
is taken back nothing is kept, but for the organization's own rules. What the system locked is not said
otherwise but by a file; what was before waits, as does that. The caller commits.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import update

from mailboxes.global_mailboxes.checking import checked
from mailboxes.global_mailboxes.fields import FIELDS, FieldState, locks_of, said, states_of
from mailboxes.global_mailboxes.settling import settle
from mailboxes.outgoing import resume_sending
from mailboxes.rules import AutoResponseRule
from mailboxes.setup.demands import demand_grants
from mailboxes.setup.values import Grant, grants_of
from mailboxes.setup.writing import keep_grants
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor, record
from tenants.database import db, now
from tenants.database.locks import hold_row
from tenants.errors import ConflictError, ForbiddenError, NotFoundError

FOLLOWS = "as the system says"  # for the record


def states(mailbox: Mailbox) -> list[FieldState]:
    """How every field of a mailbox that follows the system stands here."""
    return states_of(mailbox.system_values, mailbox.overrides)


def override_only(
    mailbox: Mailbox,
    wanted: Mapping[str, Any],
    *,
    by: Actor,
    untouched: Collection[str] = (),
    may_wait: bool = False,
) -> list[str]:
    """What a page says becomes true: these fields have these values, all others follow the system.

    But those left ``untouched``. ``may_wait``: what is locked is kept until the lock goes, and not refused.
    The fields that changed. `InvalidError` at the first that is wrong.
    """
    said = {field: wanted.get(field, _FOLLOW) for field in FIELDS if field not in untouched}
    return _change(mailbox, said, by, may_wait=may_wait)


def override(mailbox: Mailbox, field: str, value: Any, *, by: Actor) -> list[str]:
    """Say one field otherwise than the system. Access is a list of `Grant`."""
    return _change(mailbox, {field: value}, by)


def inherit(mailbox: Mailbox, field: str, *, by: Actor) -> list[str]:
    """Let the system's value apply again."""
    return _change(mailbox, {field: _FOLLOW}, by)


def switch(mailbox: Mailbox, *, is_enabled: bool, by: Actor) -> list[str]:
    """Pause it here, or let it go on."""
    return _switch(mailbox, "enabled", is_enabled, by)


def go_live(mailbox: Mailbox, *, by: Actor) -> list[str]:
    """End shadow mode here: automation begins with what arrives from now on."""
    return _switch(mailbox, "shadow", False, by)


def own_grants(mailbox: Mailbox) -> list[Grant]:
    """Whom an organization that says access otherwise lets in, also while that waits."""
    waiting = mailbox.overrides["access"]["value"]
    if waiting is None:
        return grants_of(mailbox)
    return [Grant(one["level"], _id(one["role"]), _id(one["member"])) for one in waiting]


_FOLLOW = object()


def _switch(mailbox: Mailbox, field: str, value: bool, by: Actor) -> list[str]:
    """As the system says, where that is the same."""
    _demand_unlocked(mailbox, field)
    if bool(mailbox.system_values[field]["value"]) == value:
        return inherit(mailbox, field, by=by)
    return override(mailbox, field, value, by=by)


def _change(mailbox: Mailbox, wanted: Mapping[str, Any], by: Actor, *, may_wait: bool = False) -> list[str]:
    hold_row(mailbox, key_share=False)
    _demand_served(mailbox)
    before = _values(mailbox)
    overrides, changed = dict(mailbox.overrides), []
    for field, value in wanted.items():
        if _is_so(mailbox, field, value, before):
            continue
        changed.append(field)
        if value is _FOLLOW:
            del overrides[field]
        else:
            if not may_wait:
                _demand_unlocked(mailbox, field)
            overrides[field] = said(_stored(mailbox, field, value), by.name, now())
    if changed:
        _make_true(mailbox, overrides, wanted)
        _record(mailbox, changed, before, by)
    return changed


def _is_so(mailbox: Mailbox, field: str, value: Any, before: Mapping[str, Any]) -> bool:
    if value is _FOLLOW or field not in mailbox.overrides:
        return (value is _FOLLOW) == (field not in mailbox.overrides)
    return bool(_comparable(value) == before[field])


def _stored(mailbox: Mailbox, field: str, value: Any) -> Any:
    if field == "access":
        demand_grants(value)
        return None
    return checked(mailbox, field, value)


def _make_true(mailbox: Mailbox, overrides: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    rules_from = mailbox.rules_from
    mailbox.overrides = overrides
    db.session.flush()
    if "access" in overrides and wanted.get("access", _FOLLOW) is not _FOLLOW:
        keep_grants(mailbox, wanted["access"])
    assert mailbox.global_mailbox_id is not None  # noqa: S101  # it follows one
    settle(db.session(), mailbox.global_mailbox_id, [mailbox.organization_id])
    db.session.refresh(mailbox)
    if mailbox.rules_from != rules_from:
        _answer_from_now_on(mailbox)
    resume_sending(mailbox)


def _answer_from_now_on(mailbox: Mailbox) -> None:
    """Rules that apply again answer what arrives from now on, as one that is switched on does."""
    db.session.execute(
        update(AutoResponseRule)
        .where(AutoResponseRule.mailbox_id == mailbox.id, AutoResponseRule.is_active)
        .values(active_since=now())
    )


def _record(mailbox: Mailbox, changed: list[str], before: Mapping[str, Any], by: Actor) -> None:
    after = _values(mailbox)
    record(
        by,
        "mailbox.changed",
        mailbox.label,
        {field: before.get(field, FOLLOWS) for field in changed},
        {field: after.get(field, FOLLOWS) for field in changed},
    )


def _values(mailbox: Mailbox) -> dict[str, Any]:
    """What is overridden, as plain values."""
    values = {field: one["value"] for field, one in mailbox.overrides.items()}
    if "access" in values:
        values["access"] = _comparable(own_grants(mailbox))
    return values


def _comparable(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(one, Grant) for one in value) and value:
        return sorted(f"{one.role_id or one.membership_id} {one.level}" for one in value)
    return value


def _id(given: str | None) -> UUID | None:
    return UUID(given) if given else None


def _demand_unlocked(mailbox: Mailbox, field: str) -> None:
    lock = locks_of(mailbox.system_values).get(field)
    if lock is not None:
        raise ForbiddenError(f"{FIELDS[field]} is locked by the system. {lock}".strip())


def _demand_served(mailbox: Mailbox) -> None:
    if mailbox.global_mailbox_id is None:
        raise NotFoundError
    if not mailbox.is_served:
        raise ConflictError("The system no longer serves this mailbox here. What it holds stays readable.")
