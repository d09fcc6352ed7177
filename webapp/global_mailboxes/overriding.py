"""An organization's page of a global mailbox: what applies here, from where, and what is said otherwise."""

from typing import Any

from flask import flash, redirect, render_template
from flask.typing import ResponseReturnValue

from mailboxes import setup
from mailboxes.conversion import offers
from mailboxes.global_mailboxes import overriding
from mailboxes.global_mailboxes.fields import APART
from mailboxes.setup.values import grants_of
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.errors import InvalidError
from tenants.organizations import Organization
from webapp.changes import history_of_mailbox
from webapp.configuration.forms import INHERITS
from webapp.configuration.pages import actor
from webapp.global_mailboxes.override_forms import OverrideForm, override_form, overrides_from
from webapp.global_mailboxes.words import Names, origins_of
from webapp.mailboxes import granting
from webapp.mailboxes.door import Door
from webapp.responses.rule_pages import rules_section
from webapp.versions import on_record, version_of
from workers.queues import ring_outgoing

SECTIONS = (
    ("General", "general"),
    ("Email processing", "processing"),
    ("Access management", "access"),
    ("Auto-response rules", "rules"),
    ("Health", "health"),
    ("History", "changes"),
)


def overriding_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """GET shows how every field stands; POST makes true what the boxes and controls say."""
    form = override_form(overriding.states(mailbox))
    if not form.is_submitted():
        form.version.data = version_of(*_stored(mailbox))
    if not form.is_submitted() or granting.is_asked():
        return _page(door, mailbox, form)
    setup.lock(mailbox)
    form.who_changed = on_record(AuditEntry, "mailbox", mailbox.label)
    if form.validate() and not form.is_stale(*_stored(mailbox)):
        try:
            changed = _changed(mailbox, form)
        except InvalidError as error:
            db.session.rollback()
            _put_error(form, error)
        else:
            db.session.commit()
            ring_outgoing(mailbox.organization_id)
            flash(_said(mailbox, len(changed)), "success")
            return redirect(door.url("edit", mailbox_id=mailbox.id))
    return _page(door, mailbox, form)


def _stored(mailbox: Mailbox) -> tuple[Any, ...]:
    """What the page is filled from."""
    return mailbox.overrides, mailbox.system_values, grants_of(mailbox)


def _changed(mailbox: Mailbox, form: OverrideForm) -> list[str]:
    """What the boxes and controls say is so now, but for what is locked; the fields that changed."""
    locked = {state.field for state in overriding.states(mailbox) if state.lock is not None}
    wanted = {field: said for field, said in overrides_from(form).items() if field not in locked}
    return overriding.override_only(mailbox, wanted, by=actor(), untouched=locked)


def _page(door: Door, mailbox: Mailbox, form: OverrideForm) -> ResponseReturnValue:
    organization = db.session.get_one(Organization, mailbox.organization_id)
    origins = {one.state.field: one for one in origins_of(mailbox, organization, Names([mailbox]))}
    is_typed = form.is_submitted() and origins["access"].state.lock is None  # what is locked is not sent
    page = render_template(
        "global_mailboxes/override.html",
        door=door,
        mailbox=mailbox,
        form=form,
        origins=origins,
        inherits=INHERITS,
        sections=SECTIONS,
        offers=offers(),
        settings={
            one.action.name: [field for field in one.action.fields if field.name not in APART]
            for one in offers()
        },
        overview=setup.overview_of(mailbox),
        history=history_of_mailbox(mailbox),
        editor=granting.editor_of(mailbox, door.url("access", mailbox_id=mailbox.id), is_typed=is_typed),
        **rules_section(mailbox),
    )
    return page, 422 if form.errors else 200


def _put_error(form: OverrideForm, error: InvalidError) -> None:
    name = {"rules": "rules_from"}.get(error.field or "", error.field)
    if name is None or name not in form:
        form.form_errors.append(error.message)
    else:
        form[name].errors = [*form[name].errors, error.message]


def _said(mailbox: Mailbox, count: int) -> str:
    if not count:
        return "Nothing was changed."
    return f"{mailbox.label} has been saved. {count} {'field has' if count == 1 else 'fields have'} changed."
