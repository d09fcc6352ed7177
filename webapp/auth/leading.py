"""On the way to the identity provider: what the browser keeps meanwhile, and a page that leads there."""

import secrets as random
from uuid import UUID

from flask import current_app, flash, redirect, render_template, session
from flask.typing import ResponseReturnValue

from mailboxes import oidc
from mailboxes.oidc import ProviderError, Question
from tenants.application import settings_of
from tenants.database import db
from tenants.errors import AppError

BROWSER, TARGET = "provider_browser", "provider_target"  # of the session that every page has
NOT_NOW = "{label} could not be asked. Try again in a few minutes, then tell an administrator."
ANSWER_PATH = "/sign-in/provider/answer"


def redirect_uri() -> str:
    """The one address that the provider sends people back to, whatever a request calls this host."""
    return f"{settings_of(current_app).base_url}{ANSWER_PATH}"


def lead_on(
    target: str, back: str, *, for_user_id: UUID | None = None, invited_address: str = ""
) -> ResponseReturnValue:
    """A page of ours in between: forms may be sent to ourselves only, a link may lead anywhere.

    ``target``: where the person goes on afterwards; ``back``: where, if the provider cannot be asked.
    """
    provider = oidc.identity_provider()
    browser = session.setdefault(BROWSER, random.token_urlsafe(24))
    session[TARGET] = target
    try:
        url = oidc.begin(Question(browser, redirect_uri(), for_user_id, invited_address))
    except AppError as error:
        db.session.rollback()
        flash(told(error), "error")
        return redirect(back)
    db.session.commit()
    label = provider.label if provider is not None else ""
    return render_template("auth/lead_on.html", url=url, label=label, back=back)


def told(error: AppError) -> str:
    """What a person is told; what is wrong with the provider is for who has set it up."""
    if not isinstance(error, ProviderError):
        return error.message
    provider = oidc.identity_provider()
    return NOT_NOW.format(label=provider.label if provider is not None else "The provider")
