"""The addresses below one mailbox, the same behind both doors."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from mailboxes.system_mailboxes import Mailbox
from webapp.mailboxes import consenting, health, held, pages, proving
from webapp.mailboxes.door import Door
from webapp.mailboxes.people import people_page
from webapp.mailboxes.shadow import shadow_page
from webapp.responses import rule_pages

Page = Callable[..., ResponseReturnValue]
Entered = Callable[[UUID], tuple[Door, Mailbox]]
SHOWN = ("GET",)
SENT = ("POST",)
FORM = ("GET", "POST")

ROUTES: tuple[tuple[str, str, tuple[str, ...], Page], ...] = (
    ("", "edit", FORM, pages.edit_page),
    ("/delete", "delete", FORM, pages.delete_page),
    ("/access", "access", SENT, pages.access_page),
    ("/health", "health", SHOWN, health.health_page),
    ("/health/live", "health_live", SHOWN, health.live_page),
    ("/health/audit", "audit_folders", SENT, health.audit_folders),
    ("/health/folder", "read_instead", SENT, health.read_instead),
    ("/people", "people", SHOWN, people_page),
    ("/shadow", "shadow", FORM, shadow_page),
    ("/check", "check", SENT, pages.check_page),
    ("/pause", "pause", SENT, pages.pause),
    ("/resume", "resume", SENT, pages.resume),
    ("/sync", "sync", SENT, pages.sync_now),
    ("/prove", "prove", SENT, proving.prove_page),
    ("/reconnect", "reconnect", SENT, consenting.reconnect_page),
    ("/disconnect", "disconnect", SENT, consenting.disconnect_page),
    ("/arrivals/<uuid:arrival_id>", "held", SHOWN, held.held_page),
    ("/arrivals/<uuid:arrival_id>/raw", "held_file", SHOWN, held.held_file),
    ("/arrivals/<uuid:arrival_id>/again", "take_in_again", SENT, held.take_in_again),
    ("/arrivals/<uuid:arrival_id>/fetch", "fetch_anyway", SENT, held.fetch_anyway),
    ("/rules/new", "new_rule", FORM, rule_pages.new_rule_page),
    ("/rules/<uuid:rule_id>", "edit_rule", FORM, rule_pages.edit_rule_page),
    ("/rules/<uuid:rule_id>/move", "move_rule", SENT, rule_pages.move_rule),
    ("/rules/<uuid:rule_id>/switch", "switch_rule", SENT, rule_pages.switch_rule),
    ("/rules/<uuid:rule_id>/delete", "delete_rule", FORM, rule_pages.delete_rule),
)
# They show messages that could not be taken in.
OF_MESSAGES = frozenset({"shadow", "held", "held_file", "take_in_again", "fetch_anyway"})


def add_routes(
    blueprint: Blueprint, guard: Callable[[Page], Page], entered: Entered, *, shows_messages: bool = True
) -> None:
    """Give a blueprint every page of a mailbox; ``entered`` opens the mailbox, or raises not found."""
    routes = [route for route in ROUTES if shows_messages or route[1] not in OF_MESSAGES]
    for path, endpoint, methods, page in routes:
        view = guard(_opening(page, entered))
        blueprint.add_url_rule(f"/<uuid:mailbox_id>{path}", endpoint, view, methods=list(methods))


def _opening(page: Page, entered: Entered) -> Page:
    def view(mailbox_id: UUID, **ids: Any) -> ResponseReturnValue:
        door, mailbox = entered(mailbox_id)
        return page(door, mailbox, **ids)

    view.__name__, view.__doc__ = page.__name__, page.__doc__
    return view
