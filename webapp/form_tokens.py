"""The token that every page holds: only pages of ours have one, and it names the organization of its page.

People work in one organization at a time, in all their tabs. What an open page sends counts in the
organization that it was made in: nothing that was typed for one lands in another that was chosen meanwhile.
"""

from urllib.parse import urlsplit
from uuid import UUID

from flask import current_app, g, request
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf

from tenants.application import settings_of

FIELD, HEADER = "csrf_token", "X-CSRFToken"
_BEFORE_ORGANIZATION = "~"


class FormTokens(CSRFProtect):
    """Demands a token of whatever changes something, and that browsers have it from a page of ours."""

    def _get_csrf_token(self) -> str | None:
        if not _is_sent_by_us():
            self._error_response("another site's page has sent this")
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


def _is_sent_by_us() -> bool:
    """What the browser says; a program that is no browser may say nothing."""
    origin = request.headers.get("Origin")
    ours = {request.host, urlsplit(settings_of(current_app).base_url).netloc}
    return origin is None or urlsplit(origin).netloc in ours
