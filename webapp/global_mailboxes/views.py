"""Global mailboxes, as system administrators set them up: every page below one blueprint."""

from webapp.global_mailboxes import pages, pausing, rules, served, shadow  # noqa: F401  # they add the routes
from webapp.global_mailboxes.blueprint import blueprint

__all__ = ["blueprint"]
