"""Members and invitations of an organization: every view of the blueprint."""

from webapp.people import importing, inviting, members
from webapp.people.blueprint import blueprint

__all__ = ["blueprint", "importing", "inviting", "members"]
