"""Accounts at Google and Microsoft 365: connected by OAuth 2, without a password.

- `begin`, `finish`: a person permits it at the provider (authorization code, PKCE, state).
- `pending`, `adopt`, `disconnect`: what becomes of a connection.
- `source_of_account`, `source_of_pending`: access tokens for whoever opens a connection, refreshed under a
  lock of the row.
- `provider_of`, `offered_kinds`: what this installation is registered for.
"""

from mailboxes.oauth.consent import RefusedConsentError, Request, begin, finish
from mailboxes.oauth.keeping import Pending, adopt, disconnect, forget, forget_unused, left_page, pending
from mailboxes.oauth.providers import KINDS, MailServer, Provider, offered_kinds, provider_of
from mailboxes.oauth.rows import OAuthConnection
from mailboxes.oauth.tokens import source_of_account, source_of_pending

__all__ = [
    "KINDS",
    "MailServer",
    "OAuthConnection",
    "Pending",
    "Provider",
    "RefusedConsentError",
    "Request",
    "adopt",
    "begin",
    "disconnect",
    "finish",
    "forget",
    "forget_unused",
    "left_page",
    "offered_kinds",
    "pending",
    "provider_of",
    "source_of_account",
    "source_of_pending",
]
