"""An account is connected at its provider: the person goes there, permits it, and comes back to the page.

Nothing is saved by that: the page comes back as it was left, with a connection that waits to be saved.
*Reconnect* of a mailbox that is there takes effect at once.
"""

from typing import Any
from uuid import UUID

from flask import Blueprint, abort, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from mailboxes import oauth
from mailboxes.accounts import Account, seen_account
from mailboxes.oauth import Pending, RefusedConsentError
from mailboxes.outgoing import resume_sending_for
from mailboxes.setup import MailboxValues
from tenants import audit
from tenants.application import settings_of
from tenants.database import db
from tenants.errors import InvalidError, NotFoundError
from tenants.users import session_of
from webapp.auth import cookie
from webapp.configuration.pages import actor
from webapp.guards import signed_in_required
from webapp.mailboxes.door import AnyMailbox, Door
from webapp.mailboxes.forms import MailboxForm, values_from
from webapp.mailboxes.typed import typed_form
from webapp.records import uuid_or_none

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")


DOORS = frozenset({"mailboxes", "system_mailboxes", "opened_mailboxes"})
LARGEST_PAGE = 500_000
LEFT_OUT = frozenset({"csrf_token", "connect", "connection"})


@blueprint.get("/callback")
@signed_in_required
def callback() -> ResponseReturnValue:
    """The one address that providers know: on to the door behind which the question was asked."""
    state = request.args.get("state", "")
    name, _, organization = state.rpartition(".")[0].partition("-")
    if name not in DOORS:
        abort(404)
    given: dict[str, Any] = {"state": state, "code": request.args.get("code", "")}
    if organization:
        given["organization_id"] = uuid_or_none(organization) or abort(404)
    return redirect(url_for(f"{name}.connected", **given))


def is_begun() -> bool:
    """Whether the form was sent to connect the account."""
    return "connect" in request.form


def begin_page(door: Door, mailbox: AnyMailbox | None) -> ResponseReturnValue:
    """Keep the page as it is, and lead on to the provider. `InvalidError` if that cannot be."""
    page = door.url("edit", mailbox_id=mailbox.id) if mailbox is not None else door.url("new")
    fields = [
        [name, value]
        for name, value in request.form.items(multi=True)
        if name not in LEFT_OUT and not name.endswith("password")
    ]
    if sum(len(value) for _, value in fields) > LARGEST_PAGE:
        fields = []
    left = {"page": page, "fields": fields}
    return _led_on(door, request.form["connect"], request.form.get("address", ""), left)


def reconnect_page(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """Lead on to the provider for an account that is there."""
    account = _account(mailbox)
    left = {"page": door.url("edit", mailbox_id=mailbox.id), "mailbox": mailbox.label}
    try:
        return _led_on(door, account.kind, account.imap_user, left, account.id)
    except InvalidError as error:
        db.session.rollback()
        flash(error.message, "error")
        return redirect(door.url("edit", mailbox_id=mailbox.id))


def disconnect_page(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """Forget the tokens, and tell the provider."""
    account = _account(mailbox)
    _record(door, "mailbox.disconnected", mailbox.label, account)
    tell_the_provider = oauth.disconnect(account, actor().name)
    db.session.commit()
    tell_the_provider()
    flash(f"{mailbox.label} is disconnected. Its messages stay; nothing is fetched or sent.", "success")
    return redirect(door.url("edit", mailbox_id=mailbox.id, _anchor="synchronization"))


def connected_page(door: Door) -> ResponseReturnValue:
    """The answer of the provider: exchanged for tokens, and back to the page that was left."""
    state, code = request.args.get("state", ""), request.args.get("code", "")
    try:
        connection = oauth.finish(
            state, code, session=_session(), redirect_uri=_redirect_uri(), by=actor().name
        )
        left, account = dict(connection.typed), _reconnected(connection)
        if account is not None:
            _record(door, "mailbox.connected", str(left.get("mailbox", "")), account)
        db.session.commit()
    except RefusedConsentError as error:
        flash(error.message, "error")
        left = oauth.left_page(error.connection_id, _session()) if error.connection_id else {}
        return redirect(_back_to(door, left, error.connection_id))
    if account is None:
        return redirect(_back_to(door, left, connection.id))
    resume_sending_for(account.id)
    flash(f"{left.get('mailbox')} is connected again, as {account.connected_as}.", "success")
    return redirect(_back_to(door, left, None))


def restore() -> bool:
    """Whether somebody comes back from the provider: then the page shows what they had typed."""
    connection_id = uuid_or_none(request.args.get("connection")) if request.method == "GET" else None
    if connection_id is None:
        return False
    fields = oauth.left_page(connection_id, _session()).get("fields", [])
    made = oauth.pending(connection_id, _session())
    if not fields:
        return False
    g.typed_again = MultiDict([(str(name), str(value)) for name, value in fields])
    if made is not None:
        g.typed_again["kind"], g.typed_again["connection"] = made.kind, str(made.id)
        if not g.typed_again.get("imap_user"):
            g.typed_again["imap_user"] = made.identity
    return True


def values_with_connection(form: MailboxForm) -> MailboxValues:
    """What was typed, with the connection that was made for it."""
    values = values_from(form)
    values.connection = _pending()
    return values


def section() -> dict[str, Any]:
    """What the page shows of connections."""
    return {"pending_connection": _pending(), "provider_kinds": oauth.offered_kinds()}


def _pending() -> Pending | None:
    connection_id = uuid_or_none(typed_form().get("connection"))
    if connection_id is None:
        return None
    return oauth.pending(connection_id, _session())


def _led_on(
    door: Door, kind: str, hint: str, left: dict[str, Any], account_id: UUID | None = None
) -> ResponseReturnValue:
    """A page of ours in between: forms may be sent to ourselves only, a link may lead anywhere."""
    asked = oauth.Request(
        kind=kind,
        session=_session(),
        place=door.place,
        redirect_uri=_redirect_uri(),
        hint=hint.strip(),
        typed=left,
        for_account_id=account_id,
    )
    url = oauth.begin(asked)
    provider = oauth.provider_of(kind)
    db.session.commit()
    label = provider.label if provider is not None else ""
    return render_template("mailboxes/connect.html", door=door, url=url, label=label, back=left["page"])


def _reconnected(connection: oauth.OAuthConnection) -> Account | None:
    """The account that was reconnected, if that was the question."""
    if connection.for_account_id is None:
        return None
    account = seen_account(connection.for_account_id)
    if account is not None:
        oauth.adopt(connection.id, account)
    return account


def _account(mailbox: AnyMailbox) -> Account:
    """The connected account of a mailbox; `NotFoundError` where the owner of this session has none."""
    account = seen_account(mailbox.account_id)
    if account is None or not account.connected_as:
        raise NotFoundError
    return account


def _record(door: Door, act: str, label: str, account: Account) -> None:
    record = audit.record_for_system if door.is_system else audit.record
    record(actor(), act, label, {}, {"account": account.connected_as})


def _back_to(door: Door, left: dict[str, Any], connection_id: UUID | None) -> str:
    page = str(left.get("page") or door.url("index"))
    if connection_id is None or not left.get("fields"):
        return page
    return f"{page}{'&' if '?' in page else '?'}connection={connection_id}#synchronization"


def _session() -> bytes:
    """What only this person's session knows."""
    session = session_of(cookie.token_of(request))
    return session.token_hash if session is not None else abort(401)


def _redirect_uri() -> str:
    return f"{settings_of(current_app).base_url}/oauth/callback"
