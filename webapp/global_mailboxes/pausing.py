"""A global mailbox is paused for everybody, after it was said whom that concerns, and goes on."""

from uuid import UUID

from flask import flash
from flask.typing import ResponseReturnValue

from mailboxes.global_mailboxes import saving
from mailboxes.global_mailboxes.acts import pausing
from webapp.configuration.pages import actor
from webapp.global_mailboxes.blueprint import blueprint
from webapp.global_mailboxes.door import asked, commit_and_follow, entered
from webapp.guards import system_admin_required
from webapp.mailboxes.pages import back


@blueprint.get("/<uuid:mailbox_id>/pause")
@system_admin_required
def ask_to_pause(mailbox_id: UUID) -> ResponseReturnValue:
    """Whom it concerns, in numbers."""
    door, source = entered(mailbox_id)
    return asked(door, source, f"Pause {source.label}?", pausing(source), "pause", button="Pause")


@blueprint.post("/<uuid:mailbox_id>/pause")
@system_admin_required
def pause(mailbox_id: UUID) -> ResponseReturnValue:
    """Stop it for everybody."""
    return _switched(mailbox_id, is_enabled=False, words="is paused")


@blueprint.post("/<uuid:mailbox_id>/resume")
@system_admin_required
def resume(mailbox_id: UUID) -> ResponseReturnValue:
    """Let it fetch again."""
    return _switched(mailbox_id, is_enabled=True, words="is enabled")


def _switched(mailbox_id: UUID, *, is_enabled: bool, words: str) -> ResponseReturnValue:
    door, source = entered(mailbox_id)
    saving.switch(source, is_enabled=is_enabled, by=actor())
    commit_and_follow(source)
    flash(f"{source.label} {words}.", "success")
    return back(door, source)
