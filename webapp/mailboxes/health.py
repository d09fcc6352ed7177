"""The health of a mailbox: how it is, what its folders lack, what came and how late, its latest passes."""

from uuid import UUID

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.accounts import Account, seen_account
from mailboxes.health.awaiting import why_not_soon
from mailboxes.health.explaining import health_of, past_of
from mailboxes.sync import renaming
from mailboxes.sync.auditing import ask_for_audit
from tenants.database import db
from tenants.errors import NotFoundError
from webapp.configuration.pages import actor
from webapp.filters import zone
from webapp.mailboxes.door import AnyMailbox, Door
from webapp.mailboxes.noting import note
from webapp.records import neighbours


def health_page(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """Everything that is known of it."""
    account = _account(mailbox)
    past = past_of(account.id, zone(), request.args.get("log", ""))
    return render_template(
        "mailboxes/health.html",
        door=door,
        mailbox=mailbox,
        health=health_of(mailbox),
        past=past,
        pager=neighbours(
            past.passes, lambda cursor: door.url("health", mailbox_id=mailbox.id, log=cursor, _anchor="log")
        ),
    )


def live_page(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """The part of it that changes by itself, for a page that stays open."""
    _account(mailbox)  # of the system's nothing is shown
    return render_template(
        "mailboxes/_health_now.html", door=door, mailbox=mailbox, health=health_of(mailbox)
    )


def audit_folders(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """Set the folders against the server; or fetch first what was found missing."""
    account = _account(mailbox)
    fetches = request.form.get("do") == "fetch"
    back = redirect(door.url("health", mailbox_id=mailbox.id, _anchor="folders"))
    why_not = why_not_soon([account.id]).get(account.id)
    if why_not:
        flash(f"The folders cannot be compared now. {why_not}", "error")
        return back
    ask_for_audit(account.id, fetches=fetches)
    if fetches:
        note(mailbox, "message.missing_fetched", {"messages": health_of(mailbox).missing_count})
    db.session.commit()
    done = "What is missing is being fetched, and the" if fetches else "The"
    flash(
        f"{done} folders are being compared with the server. The page shows it when that is done.", "success"
    )
    return back


def read_instead(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """Read a folder that is gone under its new name."""
    account = _account(mailbox)
    name = renaming.read_instead(account, _folder_id(), by=actor(), label=mailbox.label)
    db.session.commit()
    why_not = why_not_soon([account.id]).get(account.id, "")
    flash(f"{name} is read from where its former name stopped. {why_not}".rstrip(), "success")
    return redirect(door.url("health", mailbox_id=mailbox.id, _anchor="folders"))


def _folder_id() -> UUID:
    try:
        return UUID(request.form.get("folder", ""))
    except ValueError as error:
        raise NotFoundError("This folder does not exist.") from error


def _account(mailbox: AnyMailbox) -> Account:
    """Its account, if this session may see that: a global one is the system administrators'."""
    account = seen_account(mailbox.account_id)
    if account is None:
        raise NotFoundError("The system fetches this mailbox; its administrators see how that goes.")
    return account
