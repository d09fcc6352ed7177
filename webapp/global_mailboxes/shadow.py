"""A global mailbox in shadow: where it is, what it would have done in numbers, and the way to go live."""

from uuid import UUID

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.global_mailboxes import listing, saving
from mailboxes.global_mailboxes.acts import going_live
from mailboxes.global_mailboxes.shadowing import shadowed_by_organization, stances
from webapp.configuration.pages import actor
from webapp.global_mailboxes.blueprint import blueprint
from webapp.global_mailboxes.door import commit_and_follow, entered
from webapp.guards import system_admin_required
from webapp.records import clean_text


@blueprint.get("/<uuid:mailbox_id>/shadow")
@system_admin_required
def shadow(mailbox_id: UUID) -> ResponseReturnValue:
    """By organization, a page at a time."""
    door, source = entered(mailbox_id)
    words = clean_text(request.args.get("q"))
    page = listing.organization_page(source, words, "served", request.args.get("page", ""))
    return render_template(
        "global_mailboxes/shadow.html",
        door=door,
        mailbox=source,
        page=page,
        words=words,
        stances=stances(source),
        counts=shadowed_by_organization(source, [row.organization.id for row in page.rows]),
        live=going_live(source),
    )


@blueprint.post("/<uuid:mailbox_id>/shadow")
@system_admin_required
def go_live(mailbox_id: UUID) -> ResponseReturnValue:
    """Convert and answer what arrives from now on, wherever nobody says otherwise."""
    door, source = entered(mailbox_id)
    saving.go_live(source, by=actor())
    commit_and_follow(source)
    flash(f"{source.label} is live: it converts and answers what arrives from now on.", "success")
    return redirect(door.url("shadow", mailbox_id=source.id))
