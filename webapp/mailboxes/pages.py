"""What both doors to a mailbox do: an organization's administrators and the system's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes import setup
from mailboxes.access import people_with_access
from mailboxes.accounts import Account
from mailboxes.connection_check import CheckReport
from mailboxes.conversion import offers
from mailboxes.raws import forget_objects
from mailboxes.setup import FolderChoice, MailboxValues
from mailboxes.setup.checking import choices_of as folder_choices
from mailboxes.setup.checking import sealed, unsealed
from mailboxes.setup.saving import account_of
from mailboxes.system_mailboxes import Mailbox
from tenants import audit
from tenants.database import db
from tenants.errors import InvalidError, NotFoundError
from tenants.organizations import active_members
from tenants.permissions import roles
from webapp.configuration.pages import actor
from webapp.mailboxes.forms import (
    LEVELS,
    MailboxForm,
    folder_tree,
    mailbox_form,
    put_error,
    values_from,
)

SECTIONS = (
    ("General", "general"),
    ("Synchronization", "synchronization"),
    ("Email processing", "processing"),
    ("Access management", "access"),
    ("Auto-response rules", "rules"),
    ("Health", "health"),
    ("History", "history"),
)


@dataclass(frozen=True)
class Door:
    """From where a mailbox is set up: its links, its sidebar and what hangs on a saved mailbox."""

    url: Callable[..., str]  # (endpoint without blueprint, **values)
    sidebar: list[dict[str, Any]]
    breadcrumbs: list[tuple[str, str | None]]
    title: str
    rules_page: Callable[[Mailbox], dict[str, Any]] = field(default=lambda _: {})
    create: Callable[[MailboxValues, list[FolderChoice]], Mailbox] | None = None


def grid_page(door: Door, rows: list[Any]) -> ResponseReturnValue:
    """All mailboxes with their health."""
    return render_template("mailboxes/index.html", door=door, overviews=rows)


def new_page(door: Door) -> ResponseReturnValue:
    """A mailbox that is not there yet."""
    form = mailbox_form(MailboxValues() if request.method == "GET" else None, is_new=True)
    if not form.is_submitted():
        return _page(door, form, None, [], [], None)
    folders = unsealed(form.folder_list.data or "")
    if "check" in request.form:
        return _checked(door, form, None, folders)
    if form.validate():
        try:
            make = door.create or (lambda values, found: setup.create(values, found, by=actor()))
            mailbox = make(values_from(form), folders)
        except InvalidError as error:
            db.session.rollback()
            put_error(form, error)
        else:
            db.session.commit()
            flash(f"{mailbox.label} has been saved.", "success")
            return redirect(door.url("edit", mailbox_id=mailbox.id))
    return _page(door, form, None, folders, _typed_folders(), None, 422)


def edit_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """A mailbox with its sections."""
    account = account_of(mailbox)
    stored = setup.values_of(mailbox, account)
    form = mailbox_form(stored if not request.form else None, is_new=False)
    folders = _known(account)
    if not form.is_submitted():
        return _page(door, form, mailbox, folders, stored.folders, None)
    folders = unsealed(form.folder_list.data or "") or folders
    if "check" in request.form:
        return _checked(door, form, mailbox, folders)
    if form.validate():
        try:
            setup.change(mailbox, values_from(form), folders, by=actor())
        except InvalidError as error:
            db.session.rollback()
            put_error(form, error)
        else:
            db.session.commit()
            flash(f"{mailbox.label} has been saved.", "success")
            return redirect(door.url("edit", mailbox_id=mailbox.id))
    db.session.rollback()
    return _page(door, form, mailbox, folders, _typed_folders(), None, 422)


def delete_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """Names what goes, asks for the label, deletes."""
    error = ""
    if request.method == "POST":
        try:
            objects = setup.delete(mailbox, request.form.get("confirmation", ""), by=actor())
        except InvalidError as refused:
            db.session.rollback()
            error = refused.message
        else:
            db.session.commit()
            forget_objects(objects)
            flash(f"{mailbox.label} has been deleted.", "success")
            return redirect(door.url("index"))
    page = render_template(
        "mailboxes/delete.html",
        door=door,
        mailbox=mailbox,
        effects=setup.deletion_effects(mailbox),
        error=error,
    )
    return page, 422 if error else 200


def pause_or_resume(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """The other of the two states."""
    (setup.pause if mailbox.is_enabled else setup.resume)(mailbox, by=actor())
    db.session.commit()
    flash(f"{mailbox.label} is {'enabled' if mailbox.is_enabled else 'paused'}.", "success")
    return redirect(request.form.get("next") or door.url("index"))


def mailbox_of_organization(id: UUID) -> Mailbox:
    """A mailbox of the organization this session is bound to; `NotFoundError` otherwise."""
    mailbox = db.session.scalar(select(Mailbox).where(Mailbox.id == id))
    if mailbox is None:
        raise NotFoundError
    return mailbox


def _checked(
    door: Door, form: MailboxForm, mailbox: Mailbox | None, folders: list[FolderChoice]
) -> ResponseReturnValue:
    account = account_of(mailbox) if mailbox is not None else None
    chosen = _typed_folders()
    try:
        report = setup.check(values_from(form), account)
    except InvalidError as error:
        put_error(form, error)
        return _page(door, form, mailbox, folders, chosen, None, 422)
    if report.folders:
        folders = folder_choices(report.folders)
        if not chosen:
            chosen = [folder.name_raw for folder in folders if folder.special_use in {"inbox", "sent"}]
    return _page(door, form, mailbox, folders, chosen, report)


def _page(
    door: Door,
    form: MailboxForm,
    mailbox: Mailbox | None,
    folders: list[FolderChoice],
    chosen: list[bytes],
    report: CheckReport | None,
    status: int = 200,
) -> ResponseReturnValue:
    form.folder_list.data = sealed(folders) if folders else ""
    has_sent = any(folder.special_use == "sent" for folder in folders)
    page = render_template(
        "mailboxes/edit.html",
        door=door,
        form=form,
        mailbox=mailbox,
        overview=setup.overview_of(mailbox) if mailbox is not None else None,
        sections=[
            section
            for section in SECTIONS
            if mailbox is not None or section[1] not in {"rules", "health", "history"}
        ],
        folders=folder_tree(folders, chosen),
        misses_sent=bool(folders) and not has_sent,
        report=report,
        offers=offers(),
        roles=list(db.session.scalars(roles())),
        members=list(db.session.scalars(active_members())),
        levels=LEVELS,
        access=_access_levels(mailbox),
        people=people_with_access(mailbox) if mailbox is not None else [],
        history=_history(mailbox),
        **(door.rules_page(mailbox) if mailbox is not None else {}),
    )
    return page, status


def _typed_folders() -> list[bytes]:
    return [folder.encode("latin-1", "ignore") for folder in request.form.getlist("folders")]


def _known(account: Account | None) -> list[FolderChoice]:
    return setup.known_folders(account) if account is not None else []


def _access_levels(mailbox: Mailbox | None) -> dict[str, str]:
    if request.method == "POST":
        return {name: level for name, level in request.form.items() if name.startswith("access-")}
    if mailbox is None:
        return {f"access-member-{g.member.id}": "reply"} if g.get("member") is not None else {}
    grants = setup.values_of(mailbox, None).grants
    return {
        f"access-role-{grant.role_id}"
        if grant.role_id
        else f"access-member-{grant.membership_id}": grant.level
        for grant in grants
    }


def _history(mailbox: Mailbox | None) -> list[audit.AuditEntry]:
    if mailbox is None:
        return []
    query = audit.entries().where(
        audit.AuditEntry.act.like("mailbox.%"), audit.AuditEntry.subject == mailbox.label
    )
    return list(db.session.scalars(query.limit(20)))
