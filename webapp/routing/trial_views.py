"""*Try routing*: one message, step by step, and what another list would have done. Nothing has effects."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.accounts import Account
from mailboxes.routing import deciding
from mailboxes.routing.records import FACTS_DAYS, Routing
from mailboxes.routing.rules import as_rule, hold_rules, replace_rules, rules_of
from mailboxes.routing.trying import Replay, Trial, recent, replay, try_again, try_raw
from tenants.audit import Actor, SystemAuditEntry
from tenants.database import db
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.filters import date_and_time
from webapp.guards import system_admin_required
from webapp.records import uuid_or_none
from webapp.routing.door import installation, organization_names, place_of
from webapp.routing.drafts import MOST_DRAFTED, DraftRow, checked_drafts, drafts_of, typed_drafts
from webapp.routing.forms import TryForm
from webapp.versions import VersionedForm, on_record, version_of

blueprint = Blueprint("routing_trials", __name__, url_prefix="/system/routing")


@blueprint.route("/<uuid:account_id>/try", methods=["GET", "POST"])
@system_admin_required
def index(account_id: UUID) -> ResponseReturnValue:
    """Where a message would go now, and why."""
    form = TryForm()
    with installation() as session:
        place, ways = place_of(session, account_id), recent(account_id)
        form.recent.choices = [("", "Choose one, or paste below"), *map(_choice, ways)]
        trial = _trial(place.account, form) if form.validate_on_submit() else None
        names = place.names
        if trial is not None:
            names = names | organization_names(
                session, {step.organization_id for step in trial.decision.steps}
            )
    page = render_template(
        "routing/try.html", tree=system_tree(), place=place, form=form, trial=trial, names=names
    )
    return page, 422 if form.errors else 200


@blueprint.route("/<uuid:account_id>/list", methods=["GET", "POST"])
@system_admin_required
def changed_list(account_id: UUID) -> ResponseReturnValue:
    """The whole list in one form: tried on what came lately, and kept if it is right."""
    by, days = actor(), _days()
    with installation() as session:
        place = place_of(session, account_id)
        if "save" in request.form:
            hold_rules(account_id)
        stored = [as_rule(rule) for rule in session.scalars(rules_of(account_id).limit(MOST_DRAFTED + 1))]
        if len(stored) > MOST_DRAFTED:
            flash(f"Lists of more than {MOST_DRAFTED} rules are changed rule by rule.", "info")
            return redirect(url_for("routing.rules", account_id=account_id))
        rows = typed_drafts() if request.method == "POST" else drafts_of(stored, place)
        drafts = checked_drafts(rows, place, stored)
        form = _list_form(place.account, stored)
        tried = _tried(place.account, drafts, by, days, is_seen=lambda: not form.is_stale(stored))
        names = place.names | organization_names(session, _organizations_in(tried))
    if tried is not None and "save" in request.form:
        flash("The list has been saved.", "success")
        return redirect(url_for("routing.rules", account_id=account_id))
    page = render_template(
        "routing/list.html",
        tree=system_tree(),
        place=place,
        form=form,
        rows=[*rows, DraftRow.empty(), DraftRow.empty()],
        fields=deciding.FIELDS,
        tried=tried,
        names=names,
        days=days,
        most_days=FACTS_DAYS,
    )
    return page, 422 if drafts is None or form.is_overtaken else 200


def _list_form(account: Account, stored: list[deciding.Rule]) -> VersionedForm:
    """What the page of the list was opened with; its rows are read apart."""
    form = VersionedForm()
    form.who_changed = on_record(SystemAuditEntry, "routing_rules", account.address)
    if not form.is_submitted():
        form.version.data = version_of(stored)
    return form


def _trial(account: Account, form: TryForm) -> Trial | None:
    if raw := (form.raw.data or "").strip():
        return _pasted(account, raw, form)
    chosen = uuid_or_none(form.recent.data)
    if chosen is None:
        form.form_errors.append("Choose a message, or paste one.")
        return None
    trial = try_again(account, chosen)
    if trial is None:
        form.recent.errors = ["What this message was decided by is forgotten. Choose another one."]
    return trial


def _pasted(account: Account, text: str, form: TryForm) -> Trial | None:
    raw = text.replace("\r\n", "\n").replace("\n", "\r\n")
    trial = try_raw(account, raw.encode("utf-8", "replace"))
    if trial.facts != deciding.Facts():
        return trial
    form.raw.errors = ["No sender and no recipient is in it. Paste the header, with its lines From and To."]
    return None


def _tried(
    account: Account, drafts: list[deciding.Rule] | None, by: Actor, days: int, *, is_seen: Callable[[], bool]
) -> Replay | None:
    """What the list would have done, once it is sent and right; to be saved, it replaces what was seen."""
    if request.method != "POST" or drafts is None:
        return None
    if "save" in request.form:
        if not is_seen():
            return None
        replace_rules(account, drafts, by=by)
        db.session.commit()
    return replay(account, drafts, days)


def _organizations_in(tried: Replay | None) -> set[UUID | None]:
    return {id for pair in tried.moves for id in pair} if tried is not None else set()


def _choice(way: Routing) -> tuple[str, str]:
    recipients: list[Any] = way.facts.get("recipients") or ["nobody named"]
    sender = way.facts.get("sender") or "unknown"
    return str(way.arrival_id), f"{date_and_time(way.decided_at)}: {sender} → {recipients[0]}"


def _days() -> int:
    given = request.form.get("days", "")
    return (
        min(max(int(given), 1), FACTS_DAYS)
        if given.isascii() and given.isdigit() and len(given) < 4
        else FACTS_DAYS
    )
