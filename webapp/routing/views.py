"""How each global account routes: its rules in order, and what was decided lately."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.crm.paging import Page, page
from mailboxes.routing import rules as domain
from mailboxes.routing.conditions import suggestions
from mailboxes.routing.records import FACTS_DAYS, Routing, facts_from, hits_of_rules, latest
from mailboxes.routing.rules import RoutingRule, RuleValues
from mailboxes.routing.served import plan_of
from mailboxes.routing.unrouted import accounts_with_unrouted, route_again
from tenants.audit import Actor, SystemAuditEntry
from tenants.database import db
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.records import accepts, clean_text, id_argument, neighbours, uuid_or_none
from webapp.routing.door import Place, installation, listed_places, organization_names, place_of
from webapp.routing.forms import RuleForm
from webapp.versions import on_record
from workers.queues import ring_intake

blueprint = Blueprint("routing", __name__, url_prefix="/system/routing")

RULES_A_PAGE = 100


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """Every global account, and what waits of it."""
    with installation() as session:
        query = select(Account).where(Account.organization_id.is_(None))
        cursor = request.args.get("page", "")
        found = page(query, Account.address, Account.id, is_descending=False, cursor=cursor)
        places = listed_places(session, found.rows)
        counts = {account.id: count for account, count in accounts_with_unrouted()}
    return render_template(
        "routing/index.html",
        tree=system_tree(),
        routed_mailboxes=places,
        counts=counts,
        pager=_pager("routing.index", found),
    )


@blueprint.get("/<uuid:account_id>")
@system_admin_required
def rules(account_id: UUID) -> ResponseReturnValue:
    """The rules of an account, a page at a time."""
    with installation() as session:
        place = place_of(session, account_id)
        found = page(
            domain.rules_of(account_id).order_by(None),
            RoutingRule.position,
            RoutingRule.id,
            is_descending=False,
            cursor=request.args.get("page", ""),
            size=RULES_A_PAGE,
        )
        hits = hits_of_rules(account_id)
        names = place.names | organization_names(session, {rule.organization_id for rule in found.rows})
        waiting = {account.id: count for account, count in accounts_with_unrouted()}.get(account_id, 0)
    return render_template(
        "routing/rules.html",
        tree=system_tree(),
        place=place,
        rules=found.rows,
        hits=hits,
        names=names,
        waiting=waiting,
        days=FACTS_DAYS,
        pager=_pager("routing.rules", found, account_id=account_id),
    )


@blueprint.route("/<uuid:account_id>/rules/new", methods=["GET", "POST"])
@system_admin_required
def new_rule(account_id: UUID) -> ResponseReturnValue:
    """A new rule, filled in from a message where one is named."""
    form, by = RuleForm(), actor()
    with installation() as session:
        place = place_of(session, account_id)
        offered = _suggested(form, place, id_argument("arrival"))
        if form.validate_on_submit() and _saved(place, None, form, by):
            return redirect(url_for("routing.rules", account_id=account_id))
        place = place_of(session, account_id)  # as it is after a refusal
    return _rule_page(place, None, form, offered)


@blueprint.route("/<uuid:account_id>/rules/<uuid:rule_id>", methods=["GET", "POST"])
@system_admin_required
def edit_rule(account_id: UUID, rule_id: UUID) -> ResponseReturnValue:
    """One rule."""
    by = actor()
    with installation() as session:
        if request.method == "POST":
            domain.hold_rules(account_id)
        place, rule = place_of(session, account_id), domain.rule_of(account_id, rule_id)
        form = _form_of(place, rule)
        if form.validate_on_submit() and _saved(place, rule, form, by):
            return redirect(url_for("routing.rules", account_id=account_id))
        place, rule = place_of(session, account_id), domain.rule_of(account_id, rule_id)  # after a refusal
    return _rule_page(place, rule, form, [])


@blueprint.post("/<uuid:account_id>/rules/<uuid:rule_id>/move")
@system_admin_required
def move_rule(account_id: UUID, rule_id: UUID) -> ResponseReturnValue:
    """One place up or down, as the button says."""
    by = actor()
    with installation() as session:
        place, rule = place_of(session, account_id), domain.rule_of(account_id, rule_id)
        step = -1 if request.form.get("direction") == "up" else 1
        domain.move_rule(place.account, rule, rule.position + step, by=by)
        db.session.commit()
    return redirect(url_for("routing.rules", account_id=account_id))


@blueprint.post("/<uuid:account_id>/order")
@system_admin_required
def order_rules(account_id: UUID) -> ResponseReturnValue:
    """The order of the rules of one page, as they were dragged."""
    by = actor()
    ids = [id for id in map(uuid_or_none, request.form.getlist("order")[:RULES_A_PAGE]) if id is not None]
    with installation() as session:
        domain.order_rules(place_of(session, account_id).account, ids, by=by)
        db.session.commit()
    return redirect(url_for("routing.rules", account_id=account_id))


@blueprint.route("/<uuid:account_id>/rules/<uuid:rule_id>/delete", methods=["GET", "POST"])
@system_admin_required
def delete_rule(account_id: UUID, rule_id: UUID) -> ResponseReturnValue:
    """Asks; then the rule is gone."""
    by = actor()
    with installation() as session:
        place, rule = place_of(session, account_id), domain.rule_of(account_id, rule_id)
        words, hits = rule.words, hits_of_rules(account_id).get(rule_id, 0)
        if request.method == "POST":
            domain.delete_rule(place.account, rule, by=by)
            db.session.commit()
    if request.method == "GET":
        return render_template(
            "routing/delete_rule.html",
            tree=system_tree(),
            place=place,
            rule=rule,
            hits=hits,
            days=FACTS_DAYS,
        )
    flash(f"The rule “{words}” has been deleted.", "success")
    return redirect(url_for("routing.rules", account_id=account_id))


@blueprint.get("/<uuid:account_id>/messages")
@system_admin_required
def messages(account_id: UUID) -> ResponseReturnValue:
    """Where messages of the last days went, and why; nothing of them but who wrote to whom."""
    words = clean_text(request.args.get("q"))[:400]
    with installation() as session:
        place = place_of(session, account_id)
        found = page(
            latest(account_id, words),
            Routing.decided_at,
            Routing.id,
            is_descending=True,
            cursor=request.args.get("page", ""),
        )
        names = place.names | organization_names(session, {way.organization_id for way in found.rows})
    return render_template(
        "routing/messages.html",
        tree=system_tree(),
        place=place,
        ways=found.rows,
        names=names,
        words=words,
        days=FACTS_DAYS,
        pager=_pager("routing.messages", found, account_id=account_id, q=words),
    )


def _form_of(place: Place, rule: RoutingRule) -> RuleForm:
    form = RuleForm(
        data={
            "field": rule.field,
            "value": rule.value,
            "organization": place.names.get(rule.organization_id, ""),
            "position": rule.position,
        }
    )
    form.who_changed = on_record(SystemAuditEntry, "routing_rule", domain.name_on_record(place.account, rule))
    return form


def _saved(place: Place, rule: RoutingRule | None, form: RuleForm, by: Actor) -> bool:
    values = RuleValues(
        form.field.data, form.value.data or "", place.organization_of(form.organization.data or "")
    )
    account = place.account
    if not accepts(form, lambda: _keep(account, rule, values, form.position.data, by)):
        return False
    count = route_again(account.id, by=by) if form.again.data else 0
    db.session.commit()
    flash("The rule has been saved.", "success")
    if count:
        ring_intake(account.id)
        flash(f"Unrouted messages that are routed again: {count}.", "info")
    return True


def _keep(
    account: Account, rule: RoutingRule | None, values: RuleValues, position: int | None, by: Actor
) -> None:
    if rule is None:
        rule = domain.add_rule(account, values, by=by)
    else:
        domain.change_rule(account, rule, values, by=by)
    if position is not None:
        domain.move_rule(account, rule, position, by=by)


def _suggested(form: RuleForm, place: Place, arrival_id: UUID | None) -> list[tuple[str, str]]:
    """Conditions for a rule of this message; the form takes the first one, if nobody typed yet."""
    if arrival_id is None:
        return []
    way = db.session.scalar(
        select(Routing).where(Routing.account_id == place.account.id, Routing.arrival_id == arrival_id)
    )
    if way is None or "sender" not in way.facts:
        return []
    own = plan_of(place.account, place.served, []).own_addresses
    offered = suggestions(facts_from(way.facts), own)
    if offered and not form.is_submitted():
        form.field.data, form.value.data = offered[0]
        form.again.data = way.organization_id is None
    return offered


def _rule_page(
    place: Place, rule: RoutingRule | None, form: RuleForm, offered: list[tuple[str, str]]
) -> ResponseReturnValue:
    page = render_template(
        "routing/rule.html", tree=system_tree(), place=place, rule=rule, form=form, offered=offered
    )
    return page, 422 if form.errors else 200


def _pager(endpoint: str, found: Page[Any], **values: Any) -> dict[str, str]:
    return neighbours(found, lambda cursor: url_for(endpoint, page=cursor, **values))
