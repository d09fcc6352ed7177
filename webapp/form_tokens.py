"""The token that every page holds: only pages of ours have one, and it names the organization of its page.

People work in one organization at a time, in all their tabs. What an open page sends counts in the
organization that it was made in: nothing that was typed for one lands in another that was chosen meanwhile.
"""

from urllib.parse import urlsplit
from uuid import UUID

from flask import current_app, g, request
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError, generate_csrf

from tenants.application import settings_of

FIELD, HEADER = "csrf_token", "X-CSRFToken"
_BEFORE_ORGANIZATION = "~"
_LONGEST_ORIGIN = 300  # a scheme, the longest name there is, a port


class ForeignOriginError(CSRFError):
    """The page that has sent a form is another site's, or ours at an address that we are not set up with."""

    def __init__(self, origin: str, base_url: str) -> None:
        super().__init__("another site's page has sent this")
        self.origin = origin[:_LONGEST_ORIGIN]
        self.base_url = base_url


class FormTokens(CSRFProtect):
    """Demands a token of whatever changes something, and that browsers have it from a page of ours."""

    def _get_csrf_token(self) -> str | None:
        _demand_an_origin_of_ours()
        token: str | None = super()._get_csrf_token()
        return token.partition(_BEFORE_ORGANIZATION)[0] if token else None


def name_organization(organization_id: UUID) -> None:
    """The page that is being made is of this organization."""
    g.csrf_token = (
        f"{generate_csrf().partition(_BEFORE_ORGANIZATION)[0]}{_BEFORE_ORGANIZATION}{organization_id}"
    )


def organization_of_page() -> str:
    """The id of the organization of the page that has sent this request; "" where it names none."""
    token = request.form.get(FIELD) or request.headers.get(HEADER, "")
    return token.partition(_BEFORE_ORGANIZATION)[2]


def _demand_an_origin_of_ours() -> None:
    """What the browser says; a program that is no browser may say nothing."""
    origin = request.headers.get("Origin")
    base_url = settings_of(current_app).base_url
    ours = {request.host, urlsplit(base_url).netloc} - {""}
    if origin is not None and origin.partition("://")[2] not in ours:
        raise ForeignOriginError(origin, base_url)
