"""Global mailboxes: set up by system administrators, followed by the organizations that they serve."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes.connection_check import CheckReport
from mailboxes.conversion import offers
from mailboxes.global_mailboxes import deleting, listing, saving, system_rules
from mailboxes.global_mailboxes.consequences import consequences_of
from mailboxes.global_mailboxes.fields import FIELDS, locks_of
from mailboxes.global_mailboxes.reach import Consequence
from mailboxes.global_mailboxes.saving import GlobalValues
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.intake.held import held_arrivals, held_count
from mailboxes.setup import Connection, MailboxValues
from mailboxes.setup.checking import unsealed
from tenants.audit import SystemAuditEntry
from tenants.database import db
from tenants.errors import InvalidError
from tenants.permissions import SYSTEM_ROLES
from webapp.changes import events_of
from webapp.configuration.pages import actor
from webapp.global_mailboxes.blueprint import blueprint
from webapp.global_mailboxes.door import commit_and_follow, enter, entered
from webapp.global_mailboxes.forms import (
    ACCESS,
    GlobalMailboxForm,
    global_form,
    global_values_from,
    systems_settings,
)
from webapp.guards import system_admin_required
from webapp.mailboxes import connecting, consenting, health, held, proving, synchronization
from webapp.mailboxes.door import Door
from webapp.mailboxes.forms import LEVELS, put_error
from webapp.mailboxes.pages import back, grid_page, states_page, tell_of_sync
from webapp.mailboxes.typed import typed_folders, typed_form
from webapp.versions import on_record
from workers.queues import ring_deletion_of_global

SECTIONS = (
    ("General", "general"),
    ("Organizations", "organizations"),
    ("Synchronization", "synchronization"),
    ("Email processing", "processing"),
    ("Access management", "access"),
    ("Auto-response rules", "rules"),
    ("Health", "health"),
    ("History", "changes"),
)
FORM = ["GET", "POST"]


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """The grid."""
    return grid_page(enter())


@blueprint.get("/states")
@system_admin_required
def states() -> ResponseReturnValue:
    """The part of it that changes by itself."""
    return states_page(enter())


@blueprint.route("/new", methods=FORM)
@system_admin_required
def new() -> ResponseReturnValue:
    """A global mailbox that is not there yet."""
    door = enter()
    if consenting.is_begun():
        return _begun(door, None, Connection(None))
    is_back = consenting.restore()
    is_shown = request.method == "GET"
    form = global_form(GlobalValues(MailboxValues()) if is_shown and not is_back else None)
    connection = Connection(None, unsealed(form.folder_list.data or ""))
    if is_shown or connecting.is_asked():
        return _page(door, form, None, connection, typed_folders())
    if "check" in request.form:
        return _reported(door, form, None, connection, global_values_from(form).mailbox)
    if form.validate():
        try:
            source = saving.create(global_values_from(form), connection.folders, by=actor())
        except InvalidError as error:
            db.session.rollback()
            put_error(form, error)
        else:
            commit_and_follow(source)
            flash(f"{source.label} has been saved. Choose the organizations that it serves.", "success")
            return redirect(door.url("edit" if source.serves_all else "organizations", mailbox_id=source.id))
    return _page(door, form, None, connection, typed_folders(), None, 422)


@blueprint.post("/discover")
@system_admin_required
def discover() -> ResponseReturnValue:
    """Connection settings for an address."""
    return connecting.discover_page(enter())


@blueprint.route("/<uuid:mailbox_id>", methods=FORM)
@system_admin_required
def edit(mailbox_id: UUID) -> ResponseReturnValue:
    """A global mailbox with its sections."""
    door, source = entered(mailbox_id)
    connection = saving.connection_of(source)
    if consenting.is_begun():
        return _begun(door, source, connection)
    is_back = consenting.restore()
    form = global_form(None if typed_form() else saving.values_of(source, connection))
    if request.method == "GET" and not is_back:
        return _page(door, form, source, connection, connection.synced)
    connection = replace(connection, folders=unsealed(form.folder_list.data or "") or connection.folders)
    if is_back or connecting.is_asked():
        return _page(door, form, source, connection, typed_folders())
    if "check" in request.form:
        return _reported(door, form, source, connection, global_values_from(form).mailbox)
    return _changed(door, form, source, connection)


@blueprint.post("/<uuid:mailbox_id>/check")
@system_admin_required
def check(mailbox_id: UUID) -> ResponseReturnValue:
    """The connection as it is stored, tried; the report stands on the mailbox's page."""
    door, source = entered(mailbox_id)
    connection = saving.connection_of(source)
    values = saving.values_of(source, connection)
    return _reported(door, global_form(values), source, connection, values.mailbox)


@blueprint.post("/<uuid:mailbox_id>/sync")
@system_admin_required
def sync(mailbox_id: UUID) -> ResponseReturnValue:
    """Fetch at the next tick of the schedule, whatever the back-off says."""
    door, source = entered(mailbox_id)
    saving.sync_soon(source)
    db.session.commit()
    tell_of_sync(source)
    return back(door, source)


@blueprint.get("/connected")
@system_admin_required
def connected() -> ResponseReturnValue:
    """Back from the provider of an account."""
    return consenting.connected_page(enter())


@blueprint.route("/confirm-address/<token>", methods=FORM)
@system_admin_required
def confirm_address(token: str) -> ResponseReturnValue:
    """The link that proves an address of a global mailbox."""
    return proving.confirm_page(enter(), token)


@blueprint.post("/<uuid:mailbox_id>/prove")
@system_admin_required
def prove(mailbox_id: UUID) -> ResponseReturnValue:
    """Mail the link that proves an address."""
    return proving.prove_page(*entered(mailbox_id))


@blueprint.post("/<uuid:mailbox_id>/reconnect")
@system_admin_required
def reconnect(mailbox_id: UUID) -> ResponseReturnValue:
    """Off to the provider, for an account that is there."""
    return consenting.reconnect_page(*entered(mailbox_id))


@blueprint.post("/<uuid:mailbox_id>/disconnect")
@system_admin_required
def disconnect(mailbox_id: UUID) -> ResponseReturnValue:
    """Forget the tokens of its account."""
    return consenting.disconnect_page(*entered(mailbox_id))


@blueprint.route("/<uuid:mailbox_id>/delete", methods=FORM)
@system_admin_required
def delete(mailbox_id: UUID) -> ResponseReturnValue:
    """Names what goes, asks for the label, deletes."""
    door, source = entered(mailbox_id)
    effects, error = deleting.deletion_effects(source), ""
    if request.method == "POST":
        try:
            deleting.begin_deleting(source, request.form.get("confirmation", ""), by=actor())
        except InvalidError as refused:
            db.session.rollback()
            error = refused.message
        else:
            db.session.commit()
            ring_deletion_of_global(source.id)
            flash(f"{source.label} is closed and is being deleted.", "success")
            return redirect(door.url("index"))
    page = render_template(
        "global_mailboxes/delete.html", door=door, mailbox=source, effects=effects, error=error
    )
    return page, 422 if error else 200


def _opening(page: Callable[..., ResponseReturnValue]) -> Callable[..., Any]:
    def view(mailbox_id: UUID, **ids: UUID) -> ResponseReturnValue:
        return page(*entered(mailbox_id), **ids)

    view.__name__, view.__doc__ = page.__name__, page.__doc__
    return view


for _path, _endpoint, _method, _shown in (
    ("/health", "health", "GET", health.health_page),
    ("/health/live", "health_live", "GET", health.live_page),
    ("/health/audit", "audit_folders", "POST", health.audit_folders),
    ("/health/folder", "read_instead", "POST", health.read_instead),
    ("/arrivals/<uuid:arrival_id>", "held", "GET", held.held_page),
    ("/arrivals/<uuid:arrival_id>/raw", "held_file", "GET", held.held_file),
    ("/arrivals/<uuid:arrival_id>/again", "take_in_again", "POST", held.take_in_again),
    ("/arrivals/<uuid:arrival_id>/fetch", "fetch_anyway", "POST", held.fetch_anyway),
):
    blueprint.add_url_rule(
        f"/<uuid:mailbox_id>{_path}",
        _endpoint,
        system_admin_required(_opening(_shown)),
        methods=[_method],
    )


def _begun(door: Door, source: GlobalMailbox | None, connection: Connection) -> ResponseReturnValue:
    """Off to the provider, unless that cannot be."""
    try:
        return consenting.begin_page(door, source)
    except InvalidError as error:
        db.session.rollback()
        form = global_form(None)
        connection = replace(connection, folders=unsealed(form.folder_list.data or "") or connection.folders)
        put_error(form, error)
        return _page(door, form, source, connection, typed_folders(), None, 422)


def _changed(
    door: Door, form: GlobalMailboxForm, source: GlobalMailbox, connection: Connection
) -> ResponseReturnValue:
    """Saved; or asked first, where that has consequences which nobody has confirmed yet."""
    asked: list[Consequence] = []
    saving.lock(source)
    stored = saving.values_of(source, saving.connection_of(source))
    form.who_changed = on_record(SystemAuditEntry, "mailbox", source.label)
    if form.validate() and not form.is_stale(stored):
        try:
            values = global_values_from(form)
            asked = _unconfirmed(consequences_of(source, values))
            saving.change(source, values, connection.folders, by=actor())
        except InvalidError as error:
            asked = []
            put_error(form, error)
        else:
            if not asked:
                commit_and_follow(source)
                flash(f"{source.label} has been saved, here and where it is followed.", "success")
                return redirect(door.url("edit", mailbox_id=source.id))
    db.session.rollback()
    return _page(door, form, source, connection, typed_folders(), None, 200 if asked else 422, asked)


def _unconfirmed(found: list[Consequence]) -> list[Consequence]:
    """All of them, unless every one was confirmed by its key."""
    confirmed = set(request.form.get("confirmed", "").split())
    return found if {one.key for one in found} - confirmed else []


def _reported(
    door: Door,
    form: GlobalMailboxForm,
    source: GlobalMailbox | None,
    connection: Connection,
    values: MailboxValues,
) -> ResponseReturnValue:
    try:
        report, connection, chosen = synchronization.tried(values, connection)
    except InvalidError as error:
        put_error(form, error)
        return _page(door, form, source, connection, values.folders, None, 422)
    return _page(door, form, source, connection, chosen, report)


def _page(
    door: Door,
    form: GlobalMailboxForm,
    source: GlobalMailbox | None,
    connection: Connection,
    chosen: list[bytes],
    report: CheckReport | None = None,
    status: int = 200,
    asked: Sequence[Consequence] = (),
) -> ResponseReturnValue:
    page = render_template(
        "global_mailboxes/edit.html",
        asked=asked,
        typed_password=bool(form.imap_password.data or form.smtp_password.data),
        door=door,
        form=form,
        mailbox=source,
        sections=[
            one for one in SECTIONS if source is not None or one[1] not in {"rules", "health", "changes"}
        ],
        offers=offers(),
        settings={one.action.name: systems_settings(one.action) for one in offers()},
        roles=[(key, name) for key, (name, _) in SYSTEM_ROLES.items()],
        levels=LEVELS,
        labels=FIELDS,
        access=_access(source),
        is_unsaved="label" in typed_form(),
        **synchronization.section(door, form, connection, chosen, report),
        **proving.section(source, connection.account),
        **(_of_saved(source) if source is not None else {"affects": {}}),
    )
    return page, status


def _of_saved(source: GlobalMailbox) -> dict[str, Any]:
    """What the page shows of a mailbox that is there."""
    overview = listing.global_overview_of(source)
    return {
        "overview": overview,
        "affects": _affects(source, overview.followers.served),
        "rules": system_rules.rules_of(source),
        "rule_templates": dict(system_rules.template_choices()),
        "held": held_arrivals(source.account_id),
        "held_count": held_count(source.account_id),
        "history": events_of(_history(source)),
    }


def _affects(source: GlobalMailbox, served: int) -> dict[str, str]:
    """By field: who follows, and who says otherwise or waits to."""
    counts, locks = listing.said_otherwise_counts(source), locks_of(source.values)
    return {field: _affect(served, counts.get(field, 0), is_locked=field in locks) for field in FIELDS}


def _affect(served: int, said: int, *, is_locked: bool) -> str:
    follow = served if is_locked else served - said
    followed = f"{follow} {'organization follows' if follow == 1 else 'organizations follow'} this value"
    if not is_locked:
        return f"{followed}, {said} {'overrides' if said == 1 else 'override'} it"
    return f"{followed}; what {said} said otherwise waits for the lock to go" if said else followed


def _access(source: GlobalMailbox | None) -> dict[str, str]:
    if "label" in typed_form():
        return {name: level for name, level in typed_form().items() if name.startswith(ACCESS)}
    said = source.said("access") if source is not None else {}
    return {f"{ACCESS}{key}": level for key, level in said.items()}


def _history(source: GlobalMailbox) -> list[SystemAuditEntry]:
    query = (
        select(SystemAuditEntry)
        .where(SystemAuditEntry.act.like("mailbox.%"), SystemAuditEntry.subject == source.label)
        .order_by(SystemAuditEntry.at.desc(), SystemAuditEntry.id.desc())
    )
    return list(db.session.scalars(query.limit(20)))
