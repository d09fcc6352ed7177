"""What each door to a mailbox of an organization does: its administrators', and that of who has opened it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes import setup
from mailboxes.connection_check import CheckReport
from mailboxes.conversion import offers
from mailboxes.health.awaiting import why_not_soon
from mailboxes.intake.held import held_arrivals, held_count
from mailboxes.setup import Connection, MailboxValues, Overview
from mailboxes.setup.checking import unsealed
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.errors import InvalidError, NotFoundError
from webapp.changes import history_of_mailbox
from webapp.global_mailboxes.overriding import overriding_page
from webapp.mailboxes import connecting, consenting, granting, proving, synchronization
from webapp.mailboxes.door import AnyMailbox, Door
from webapp.mailboxes.forms import (
    MailboxForm,
    mailbox_form,
    put_error,
    values_from,
)
from webapp.mailboxes.grid import grid_of, list_url
from webapp.mailboxes.sections import OF_SAVED, TITLES, Section, sections_of
from webapp.mailboxes.typed import typed_folders, typed_form
from webapp.responses.rule_pages import rules_section
from webapp.versions import on_record
from workers.queues import ring_outgoing


def grid_page(door: Door) -> ResponseReturnValue:
    """The mailboxes with their health."""
    return render_template(
        "mailboxes/index.html", door=door, grid=grid_of(door, request.args), going=door.going()
    )


def states_page(door: Door) -> ResponseReturnValue:
    """What changes by itself in a page of the grid that stays open."""
    return render_template("mailboxes/_states.html", door=door, grid=grid_of(door, request.args))


def new_page(door: Door) -> ResponseReturnValue:
    """A mailbox that is not there yet."""
    is_back = consenting.restore()
    form = mailbox_form(MailboxValues() if request.method == "GET" and not is_back else None, is_new=True)
    connection = Connection(None, unsealed(form.folder_list.data or ""))
    if consenting.is_begun():
        return _begun(door, form, None, connection)
    if not form.is_submitted() or connecting.is_asked() or granting.is_asked():
        return _page(door, form, None, connection, typed_folders())
    if "check" in request.form:
        return _checked(door, form, None, connection)
    if form.validate():
        try:
            mailbox = door.create(consenting.values_with_connection(form), connection.folders)
        except InvalidError as error:
            db.session.rollback()
            put_error(form, error)
        else:
            flash(f"{mailbox.label} has been saved.", "success")
            return redirect(door.url("edit", mailbox_id=mailbox.id))
    return _page(door, form, None, connection, typed_folders(), None, 422)


def edit_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """A mailbox with its sections; one that follows the system has a page of its own."""
    if mailbox.global_mailbox_id is not None:
        return overriding_page(door, mailbox)
    connection = setup.connection_of(mailbox)
    stored = setup.values_of(mailbox, connection.account, connection.synced)
    is_back = consenting.restore()
    form = mailbox_form(stored if not typed_form() else None, is_new=False)
    if not form.is_submitted() and not is_back:
        return _page(door, form, mailbox, connection, connection.synced)
    listed = unsealed(form.folder_list.data or "")
    connection = replace(connection, folders=listed or connection.folders)
    if consenting.is_begun():
        return _begun(door, form, mailbox, connection)
    if is_back or connecting.is_asked() or granting.is_asked():
        return _page(door, form, mailbox, connection, typed_folders())
    if "check" in request.form:
        return _checked(door, form, mailbox, connection)
    return _changed(door, form, mailbox, connection)


def access_page(door: Door, mailbox: Mailbox | None = None) -> ResponseReturnValue:
    """The access of a mailbox as it would be with what is typed; nothing is saved."""
    editor = granting.editor_of(mailbox, _access_url(door, mailbox), is_typed=True)
    return render_template("mailboxes/_access.html", door=door, mailbox=mailbox, editor=editor)


def check_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """The connection as it is stored, tried; the report stands on the mailbox's page."""
    setup.own_account(mailbox)  # of the system's nothing is shown
    connection = setup.connection_of(mailbox)
    stored = setup.values_of(mailbox, connection.account, connection.synced)
    form = mailbox_form(stored, is_new=False)
    return _reported(door, form, mailbox, connection, stored)


def delete_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """Names what goes, asks for the label, deletes."""
    setup.demand_own_to_delete(mailbox)
    error = ""
    if request.method == "POST":
        label = mailbox.label
        try:
            door.delete(mailbox, request.form.get("confirmation", ""))
        except InvalidError as refused:
            db.session.rollback()
            error = refused.message
        else:
            flash(f"{label} is closed and is being deleted.", "success")
            return redirect(door.url("index"))
    page = render_template(
        "mailboxes/delete.html",
        door=door,
        mailbox=mailbox,
        effects=setup.deletion_effects(mailbox),
        stays=setup.records_that_stay(mailbox),
        error=error,
    )
    return page, 422 if error else 200


def pause(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """Stop it; pressed twice, or by two people, it stays stopped."""
    door.switch(mailbox, is_enabled=False)
    flash(f"{mailbox.label} is paused.", "success")
    return back(door, mailbox)


def resume(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """Let it go on."""
    door.switch(mailbox, is_enabled=True)
    ring_outgoing(mailbox.organization_id)
    flash(f"{mailbox.label} is enabled.", "success")
    return back(door, mailbox)


def sync_now(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """Fetch at the next tick of the schedule, whatever the back-off says."""
    door.sync_soon(mailbox)
    tell_of_sync(mailbox)
    return back(door, mailbox)


def tell_of_sync(mailbox: AnyMailbox) -> None:
    """What becomes of *Sync now*; of one at either level."""
    why_not = why_not_soon([mailbox.account_id], is_forced=True).get(mailbox.account_id)
    if why_not:
        flash(f"{mailbox.label} is not fetched now. {why_not}", "error")
    else:
        flash(f"{mailbox.label} will be fetched within seconds.", "success")


def mailbox_of_organization(id: UUID) -> Mailbox:
    """A mailbox of the organization this session is bound to; `NotFoundError` otherwise."""
    mailbox = db.session.scalar(select(Mailbox).where(Mailbox.id == id))
    if mailbox is None:
        raise NotFoundError
    return mailbox


def back(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """To the list as it was, or to the mailbox's page, whence the button was pressed."""
    if "list" in request.form:
        return redirect(list_url(door, request.form["list"]))
    return redirect(door.url("edit", mailbox_id=mailbox.id))


def _changed(door: Door, form: MailboxForm, mailbox: Mailbox, connection: Connection) -> ResponseReturnValue:
    setup.lock(mailbox)
    stored = setup.values_of(mailbox, connection.account, connection.synced)
    form.who_changed = on_record(AuditEntry, "mailbox", mailbox.label)
    if form.validate() and not form.is_stale(stored):
        try:
            door.change(mailbox, consenting.values_with_connection(form), connection.folders)
        except InvalidError as error:
            db.session.rollback()
            put_error(form, error)
        else:
            ring_outgoing(mailbox.organization_id)
            flash(f"{mailbox.label} has been saved.", "success")
            return redirect(door.url("edit", mailbox_id=mailbox.id))
    db.session.rollback()
    return _page(door, form, mailbox, connection, typed_folders(), None, 422)


def _begun(
    door: Door, form: MailboxForm, mailbox: Mailbox | None, connection: Connection
) -> ResponseReturnValue:
    """Off to the provider, unless that cannot be."""
    try:
        return consenting.begin_page(door, mailbox)
    except InvalidError as error:
        db.session.rollback()
        put_error(form, error)
        return _page(door, form, mailbox, connection, typed_folders(), None, 422)


def _checked(
    door: Door, form: MailboxForm, mailbox: Mailbox | None, connection: Connection
) -> ResponseReturnValue:
    return _reported(door, form, mailbox, connection, consenting.values_with_connection(form))


def _reported(
    door: Door, form: MailboxForm, mailbox: Mailbox | None, connection: Connection, values: MailboxValues
) -> ResponseReturnValue:
    try:
        report, connection, chosen = synchronization.tried(values, connection)
    except InvalidError as error:
        put_error(form, error)
        return _page(door, form, mailbox, connection, values.folders, None, 422)
    return _page(door, form, mailbox, connection, chosen, report)


def _page(
    door: Door,
    form: MailboxForm,
    mailbox: Mailbox | None,
    connection: Connection,
    chosen: list[bytes],
    report: CheckReport | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    saved = _of_saved(door, mailbox) if mailbox is not None else {}
    is_typed = "label" in typed_form()
    editor = granting.editor_of(mailbox, _access_url(door, mailbox), is_typed=is_typed)
    page = render_template(
        "mailboxes/edit.html",
        door=door,
        form=form,
        mailbox=mailbox,
        sections=_sections(form, mailbox, chosen, editor, saved.get("overview")),
        offers=offers(),
        editor=editor,
        is_unsaved="label" in typed_form(),
        **synchronization.section(door, form, connection, chosen, report),
        **proving.section(mailbox, connection.account),
        **saved,
    )
    return page, status


def _of_saved(door: Door, mailbox: Mailbox) -> dict[str, Any]:
    """What the page shows of a mailbox that is there."""
    return {
        "overview": setup.overview_of(mailbox),
        "held": held_arrivals(mailbox.account_id) if door.shows_messages else [],
        "held_count": held_count(mailbox.account_id),
        "history": history_of_mailbox(mailbox),
        **rules_section(mailbox),
    }


def _sections(
    form: MailboxForm,
    mailbox: Mailbox | None,
    chosen: list[bytes],
    editor: granting.Editor,
    overview: Overview | None,
) -> list[Section]:
    left_out = OF_SAVED if mailbox is None else frozenset()
    shown = [id for id in TITLES if id not in left_out]
    values = values_from(form)
    values.folders = chosen
    return sections_of(shown, values, form.errors, overview, is_granted=bool(editor.granted))


def _access_url(door: Door, mailbox: Mailbox | None) -> str:
    if mailbox is not None:
        return door.url("access", mailbox_id=mailbox.id)
    return door.url("new_access")
