"""*Notifications*: which mailboxes a person follows, and of which they get a digest by mail."""

from uuid import UUID

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func

from mailboxes.access import has_words, readable_mailboxes
from mailboxes.crm.paging import page
from mailboxes.inbox.subscriptions import DIGESTS, Wish, rhythm_of, subscribe, wishes_of
from mailboxes.notices import can_send
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration import layers
from tenants.configuration.catalog import USER, settings_at
from tenants.database import db
from webapp import records
from webapp.configuration.pages import group_of, tree_of
from webapp.configuration.scopes import Scope, anchor_of

MOST_SAVED = 200  # of one form, which shows fifty
HOUR = "mail.digest_hour"


def notifications_page(scope: Scope) -> ResponseReturnValue:
    """The mailboxes that this member may read, fifty at a time: GET shows what they want to hear of each."""
    if request.method == "POST":
        return _save()
    words = records.clean_text(request.args.get("q"))
    found = page(
        readable_mailboxes(g.member).order_by(None).where(*has_words(words)),
        func.lower(Mailbox.label),
        Mailbox.id,
        is_descending=False,
        cursor=request.args.get("page", ""),
    )
    everything = layers.effective_all(settings_at(USER), USER, user=g.user)
    hour = next(state.setting for state in everything if state.setting.key == HOUR)
    return render_template(
        "personal/notifications.html",
        scope=scope,
        group=group_of(scope, hour.group),
        groups=tree_of(scope, everything),
        mailboxes=found.rows,
        wishes=wishes_of(g.member, [mailbox.id for mailbox in found.rows]),
        digests=DIGESTS.items(),
        pager=records.pages("personal.notifications", found),
        is_filtered=bool(words),
        rhythm=rhythm_of(g.user),
        hour_url=scope.group_url(hour.group, _anchor=anchor_of(HOUR)),
        can_send=can_send(),
    )


def _save() -> ResponseReturnValue:
    followed = set(request.form.getlist("follow"))
    ids = [records.uuid_or_none(text) for text in request.form.getlist("mailbox")[:MOST_SAVED]]
    shown = [id for id in ids if id is not None]
    before = wishes_of(g.member, shown)
    count = subscribe(g.member, {id: _wish(id, str(id) in followed, before[id]) for id in shown})
    db.session.commit()
    changed = "1 mailbox" if count == 1 else f"{count} mailboxes"
    flash(f"Saved. {changed} changed." if count else "Nothing had changed.", "success")
    return redirect(request.full_path.rstrip("?"), 303)


def _wish(id: UUID, is_followed: bool, before: Wish) -> Wish:
    """What the form says of a mailbox; a digest that there is not, stays what it was."""
    digest = request.form.get(f"digest-{id}", "")
    return Wish(is_followed, digest if digest in DIGESTS else before.digest)


def notifications_link() -> dict[str, object]:
    """The page in the tree of what a person sets for themselves."""
    url = url_for("personal.notifications")
    entry = {"label": "Notifications", "url": url, "is_current": request.endpoint == "personal.notifications"}
    return {"label": "Mailboxes", "entries": [entry], "is_open": True}
