"""Roles as forms offer them: each with what it permits, or why this person cannot give it."""

from collections.abc import Iterable

from flask import g

from tenants.database import db
from tenants.permissions import PERMISSIONS, Role, roles


def role_pairs() -> list[tuple[str, str]]:
    """Every role, for a form."""
    return [(str(role.id), role.name) for role in db.session.scalars(roles())]


def notes() -> dict[str, str]:
    """What each role permits, in words."""
    return {str(role.id): in_words(role.permissions) for role in db.session.scalars(roles())}


def refused() -> dict[str, str]:
    """Why this person cannot give a role; the roles they can give are missing."""
    lacking = {role: set(role.permissions) - g.permissions for role in db.session.scalars(roles())}
    return {
        str(role.id): f"It permits what you may not do yourself: {in_words(missing)}."
        for role, missing in lacking.items()
        if missing
    }


def in_words(permissions: Iterable[str]) -> str:
    """Permissions as people read them, in the order of the matrix."""
    chosen = set(permissions)
    words = [text for key, text in PERMISSIONS.items() if key in chosen]
    if len(words) == len(PERMISSIONS):
        return "Everything"
    return ", ".join([words[0], *(text[0].lower() + text[1:] for text in words[1:])]) if words else "Nothing"


def names(held: Iterable[Role]) -> str:
    """The names of roles in a line."""
    return ", ".join(role.name for role in held) or "No role"
