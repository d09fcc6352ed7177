"""The section in which people are given access: what is granted, whom that reaches, who else may be chosen.

Nothing is granted until the page is saved. Each button of the section sends the form, and gets the section
back as it would be; by htmx only the section comes, without it the whole page.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import g, request
from sqlalchemy import select

from mailboxes.access import Access, access_of, members_with_access
from mailboxes.setup import Grant
from mailboxes.setup.granting import Change, access_changes, roles_found
from mailboxes.setup.values import grants_of
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.organizations import Membership, members_found
from tenants.permissions import Role
from webapp.choosing import is_searching
from webapp.mailboxes.typed import typed_form

LEVELS = (("read", "Read"), ("reply", "Read and reply"))
GIVEN_FIRST = "reply"  # until somebody chooses otherwise
MOST_FOUND = 10  # of roles, and of people
MOST_SEEN = 20
LONGEST_SEARCH = 200
_FIELD = re.compile(r"access-((role|member)-([0-9a-f-]{36}))")

Levels = Mapping[str, str]  # by "role-ID" or "member-ID"


@dataclass(frozen=True)
class Choice:
    """A role or a person; ``level`` is "" where nothing is granted."""

    key: str
    name: str
    note: str
    level: str = ""

    @property
    def is_role(self) -> bool:
        """Whether it is a role."""
        return self.key.startswith("role-")


@dataclass(frozen=True)
class Editor:
    """The section. ``is_changed``: something is granted otherwise than it is stored."""

    granted: list[Choice]
    found: list[Choice]
    has_more: bool
    words: str
    changes: list[Change]
    is_changed: bool
    said: str
    seen: list[Access]
    url: str
    levels: tuple[tuple[str, str], ...] = LEVELS


def is_asked() -> bool:
    """Whether the form was sent for this section only, not to be saved."""
    searches = request.form.get("save") == "enter" and bool(request.form.get("find"))
    return searches or is_searching() or any(name in request.form for name in ("add", "remove"))


def editor_of(mailbox: Mailbox | None, url: str, *, is_typed: bool) -> Editor:
    """The section as it was typed, or as it is stored. ``url`` answers with the section alone."""
    stored = _stored(mailbox)
    typed = _typed() if is_typed else dict(stored)
    words = request.form.get("find", "").replace("\x00", "").strip()[:LONGEST_SEARCH]
    granted = _named(typed)
    found = _found(words, typed)
    return Editor(
        granted=granted,
        found=found[0],
        has_more=found[1],
        words=words,
        changes=access_changes(mailbox, grants_from(typed)),
        is_changed=typed != stored,
        said=_said(granted),
        seen=_seen(mailbox),
        url=url,
    )


def typed_grants() -> list[Grant]:
    """Access as the page sends it: ``access-role-ID`` and ``access-member-ID`` with a level."""
    return grants_from(_typed())


def grants_from(levels: Levels) -> list[Grant]:
    """The same as grants."""
    grants = []
    for key, level in levels.items():
        kind, _, text = key.partition("-")
        id = UUID(text)
        grants.append(Grant(level, id if kind == "role" else None, id if kind == "member" else None))
    return grants


def _typed() -> dict[str, str]:
    """What the form says, after its button was pressed."""
    levels = {}
    for name, level in typed_form().items():
        found = _FIELD.fullmatch(name)
        if found and level in dict(LEVELS):
            levels[found[1]] = level
    added = typed_form().get("add", "")
    if _FIELD.fullmatch(f"access-{added}"):
        levels.setdefault(added, GIVEN_FIRST)
    levels.pop(typed_form().get("remove", ""), None)
    return levels


def _stored(mailbox: Mailbox | None) -> dict[str, str]:
    if mailbox is not None:
        return {
            f"role-{grant.role_id}" if grant.role_id else f"member-{grant.membership_id}": grant.level
            for grant in grants_of(mailbox)
        }
    return {f"member-{g.member.id}": "reply"} if g.get("member") is not None else {}


def _named(levels: Levels) -> list[Choice]:
    """Roles, then people, by name; who is not of this organization is left out."""
    role_ids = [UUID(key.removeprefix("role-")) for key in levels if key.startswith("role-")]
    member_ids = [UUID(key.removeprefix("member-")) for key in levels if key.startswith("member-")]
    roles = db.session.scalars(select(Role).where(Role.id.in_(role_ids)).order_by(Role.name))
    members = db.session.scalars(select(Membership).where(Membership.id.in_(member_ids)))
    choices = [*_of_roles(roles), *sorted(_of_members(members), key=lambda one: one.name.casefold())]
    return [Choice(one.key, one.name, one.note, levels[one.key]) for one in choices]


def _found(words: str, levels: Levels) -> tuple[list[Choice], bool]:
    """Who else may be chosen, and whether there are more of them than are shown."""
    roles = _of_roles(db.session.scalars(roles_found(words)))
    roles = [one for one in roles if one.key not in levels]
    enough = MOST_FOUND + len(levels) + 1
    people = _of_members(db.session.scalars(members_found(words).limit(enough)))
    people = [one for one in people if one.key not in levels]
    has_more = len(roles) > MOST_FOUND or len(people) > MOST_FOUND
    return [*roles[:MOST_FOUND], *people[:MOST_FOUND]], has_more


def _of_roles(roles: Iterable[Role]) -> list[Choice]:
    return [Choice(f"role-{role.id}", role.name, "Role") for role in roles]


def _of_members(members: Iterable[Membership]) -> list[Choice]:
    return [Choice(f"member-{member.id}", member.name, member.user.address) for member in members]


def _said(granted: list[Choice]) -> str:
    """What the button has done, for whoever does not see it."""
    names = {one.key: one.name for one in granted}
    if typed_form().get("add") in names:
        return f"{names[typed_form()['add']]} added. Nothing is saved yet."
    return "Removed. Nothing is saved yet." if "remove" in typed_form() else ""


def _seen(mailbox: Mailbox | None) -> list[Access]:
    """The first of those who see it now, with the reasons."""
    if mailbox is None:
        return []
    members = db.session.scalars(members_with_access(mailbox).limit(MOST_SEEN)).all()
    return access_of(mailbox.id, members)
