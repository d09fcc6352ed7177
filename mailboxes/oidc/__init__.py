"""Signing in with an account that people have already, by OpenID Connect (docs/decisions/0041).

- `provider`: what system administrators have set up; `discovery`: what the provider says of itself, kept for
  an hour; `checking`: both, step by step, for who sets it up.
- `begin`, `finish`: a person goes there and comes back (authorization code, PKCE, state, nonce).
- `tokens`: what they bring is worth something only after everything in it was verified.
- `admit`: whose account that is here, if anybody's.
"""

from mailboxes.oidc.admitting import Admitted, admit, link_with_password
from mailboxes.oidc.errors import ProviderError, RefusedSignInError
from mailboxes.oidc.flow import Question, begin, finish, forget_old_requests, waiting
from mailboxes.oidc.provider import (
    IdentityProvider,
    demand_password_permitted,
    identity_provider,
    opened_provider,
)
from mailboxes.oidc.requests import ProviderRequest

__all__ = [
    "Admitted",
    "IdentityProvider",
    "ProviderError",
    "ProviderRequest",
    "Question",
    "RefusedSignInError",
    "admit",
    "begin",
    "demand_password_permitted",
    "finish",
    "forget_old_requests",
    "identity_provider",
    "link_with_password",
    "opened_provider",
    "waiting",
]
