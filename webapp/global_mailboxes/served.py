"""Whom a global mailbox serves: found by name, chosen by the page, counted before anybody is left out."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.global_mailboxes import listing, saving
from mailboxes.global_mailboxes.acts import moving_home, stopping
from mailboxes.global_mailboxes.listing import SHOWN
from mailboxes.global_mailboxes.reach import name_of
from mailboxes.global_mailboxes.table import GlobalMailbox
from tenants.database import db
from tenants.errors import AppError, NotFoundError
from webapp.configuration.pages import actor
from webapp.global_mailboxes.blueprint import blueprint
from webapp.global_mailboxes.door import asked, commit_and_follow, entered
from webapp.guards import system_admin_required
from webapp.mailboxes.door import Door
from webapp.records import clean_text, id_argument, selected_ids, uuid_or_none


@blueprint.get("/<uuid:mailbox_id>/organizations")
@system_admin_required
def organizations(mailbox_id: UUID) -> ResponseReturnValue:
    """The organizations by name, each with how it stands to the mailbox."""
    door, source = entered(mailbox_id)
    words = clean_text(request.args.get("q"))
    shown = request.args.get("shown", "all")
    shown = shown if shown in SHOWN else "all"
    page = listing.organization_page(source, words, shown, request.args.get("page", ""))
    return render_template(
        "global_mailboxes/organizations.html",
        door=door,
        mailbox=source,
        overview=listing.global_overview_of(source),
        page=page,
        words=words,
        shown=shown,
        choices=list(SHOWN.items()),
    )


@blueprint.post("/<uuid:mailbox_id>/organizations")
@system_admin_required
def choose_organizations(mailbox_id: UUID) -> ResponseReturnValue:
    """Serve the ticked ones; or ask first, where that means to serve them no more."""
    door, source = entered(mailbox_id)
    ids = selected_ids()
    if source.serves_all:  # another page has said so meanwhile
        flash(
            "It serves all organizations. To leave some out, let it serve chosen organizations first.", "info"
        )
        return redirect(_back(mailbox_id))
    if request.form.get("do") == "stop":
        return _asked_to_stop(door, source, ids)
    count = saving.serve(source, ids, by=actor())
    commit_and_follow(source)
    if count:
        flash(f"{_organizations(count, 'more ')} {'is' if count == 1 else 'are'} served.", "success")
    else:
        flash("Tick organizations that are not served yet.", "info")
    return redirect(_back(mailbox_id))


@blueprint.post("/<uuid:mailbox_id>/organizations/stop")
@system_admin_required
def stop_serving(mailbox_id: UUID) -> ResponseReturnValue:
    """Serve the named ones no more."""
    _, source = entered(mailbox_id)
    try:
        count = saving.stop_serving(source, selected_ids(), by=actor())
    except AppError as error:
        db.session.rollback()
        flash(error.message, "error")
        return redirect(_back(mailbox_id))
    commit_and_follow(source)
    words = (
        "is no longer served. Its mailbox rests and keeps"
        if count == 1
        else "are no longer served. They keep"
    )
    flash(f"{_organizations(count)} {words} what is there.", "success")
    return redirect(_back(mailbox_id))


@blueprint.get("/<uuid:mailbox_id>/home")
@system_admin_required
def ask_for_home(mailbox_id: UUID) -> ResponseReturnValue:
    """What it means that another organization is its home, or none."""
    door, source = entered(mailbox_id)
    id = id_argument("organization")
    name = name_of(id)
    if id is not None and not name:
        raise NotFoundError("This organization does not exist.")
    return asked(
        door,
        source,
        f"Make {name} the home organization?" if name else "Let it have no home organization?",
        moving_home(source, id),
        "make_home",
        button="Make it the home" if name else "No home organization",
        tone="primary",
        fields=[("organization", str(id or ""))],
        back="organizations",
    )


@blueprint.post("/<uuid:mailbox_id>/home")
@system_admin_required
def make_home(mailbox_id: UUID) -> ResponseReturnValue:
    """Deliver what no rule routes to this organization, or keep it outside all."""
    _, source = entered(mailbox_id)
    saving.make_home(source, uuid_or_none(request.form.get("organization")), by=actor())
    commit_and_follow(source)
    flash("The home organization has been changed.", "success")
    return redirect(_back(mailbox_id))


def _asked_to_stop(door: Door, source: GlobalMailbox, ids: list[UUID]) -> ResponseReturnValue:
    consequence = stopping(source, ids)
    if consequence is None:
        flash("None of the ticked organizations is served.", "info")
        return redirect(_back(source.id))
    return asked(
        door,
        source,
        "Serve them no more?" if len(ids) > 1 else "Serve it no more?",
        consequence,
        "stop_serving",
        button="Serve no more",
        fields=[("selected", str(id)) for id in ids],
        back="organizations",
    )


def _organizations(count: int, more: str = "") -> str:
    return f"1 {more}organization" if count == 1 else f"{count} {more}organizations"


def _back(mailbox_id: UUID) -> str:
    return url_for("system_mailboxes.organizations", mailbox_id=mailbox_id)
