"""Cases: the list, a case, new and changed ones, comments, the file."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from mailboxes.conversion import conversations_of_case
from mailboxes.crm import cases as domain
from mailboxes.crm import history, texts
from mailboxes.crm.cases import Case, CaseComment, CaseFilter
from mailboxes.crm.contacts import addresses_of, contact_titles, contact_with_address
from mailboxes.crm.paging import Order
from mailboxes.crm.remarks import demand_author
from tenants import audit
from tenants.database import db
from tenants.errors import InvalidError
from webapp import records
from webapp.cases.forms import CaseForm, CommentForm
from webapp.choosing import is_searching, member_choices
from webapp.configuration.pages import actor
from webapp.guards import permission_required
from webapp.versions import held, in_history, version_of

blueprint = Blueprint("cases", __name__, url_prefix="/cases")

HEADINGS = (
    ("Subject", "subject"),
    ("Status", "status"),
    ("Priority", "priority"),
    ("Contact", ""),
    ("Assigned to", ""),
    ("Tags", ""),
    ("Reported", "reported"),
)
LABELS = {
    "subject": "Subject",
    "status": "Status",
    "description": "Description",
    "resolution": "Resolution",
    "source": "Came by",
    "priority": "Priority",
    "tags": "Tags",
    "owner": "Owner",
    "assignee": "Assigned to",
    "contact": "Contact",
    "comment": "Comment",
}
TAB_NAMES = {"": "All", domain.UNSOLVED: "Unsolved", **domain.STATUS_NAMES}
IN_FORM = ("subject", "description", "resolution", "source", "priority")


@blueprint.get("/")
@permission_required("case.view")
def index() -> ResponseReturnValue:
    """The list."""
    filter, order = _filter(), _order()
    page = domain.case_page(filter, order, request.args.get("page", ""))
    people = [id for case in page.rows for id in (case.owner_id, case.assignee_id)]
    return render_template(
        "cases/index.html",
        cases=page.rows,
        pager=records.pages("cases.index", page),
        columns=records.columns("cases.index", order, HEADINGS),
        tabs=_tabs(filter),
        names=history.member_names(people),
        contacts=contact_titles(case.contact_id for case in page.rows),
        assignee_choices=member_choices("assignee"),
        owner_choices=member_choices("owner"),
        statuses=domain.STATUS_NAMES,
        priorities=domain.PRIORITY_NAMES,
        export_url=records.link("cases.export"),
        bulk_url=records.link("cases.change_statuses"),
        tag_url=lambda tag: records.link("cases.index", tag=tag),
        is_filtered=filter != CaseFilter(),
        filter=filter,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("case.edit")
def new() -> ResponseReturnValue:
    """A case that somebody opens by hand."""
    form = _form(None, owner_id=str(g.member.id), source="phone", priority="normal")
    made: list[Case] = []
    if (
        not is_searching()
        and form.validate_on_submit()
        and records.accepts(form, lambda: made.append(domain.open_case(_values(form), g.member.name)))
    ):
        db.session.commit()
        flash(f"The case “{made[0].subject}” was opened.", "success")
        return redirect(url_for("cases.case", case_id=made[0].id))
    return _form_page(form, None)


@blueprint.get("/<uuid:case_id>")
@permission_required("case.view")
def case(case_id: UUID) -> ResponseReturnValue:
    """One case, with its comments, and its conversations as far as this member may read them."""
    return _case_page(domain.case_of(case_id), CommentForm())


@blueprint.route("/<uuid:case_id>/edit", methods=["GET", "POST"])
@permission_required("case.edit")
def edit(case_id: UUID) -> ResponseReturnValue:
    """Change what is known about a case."""
    case = domain.case_of(case_id)
    form = _form(case)
    if (
        not is_searching()
        and form.validate_on_submit()
        and not form.is_stale(case.updated_at.isoformat())
        and records.accepts(form, lambda: domain.change_case(case, _values(form), g.member.name))
    ):
        db.session.commit()
        flash("The case has been saved.", "success")
        return redirect(url_for("cases.case", case_id=case.id))
    return _form_page(form, case)


@blueprint.post("/<uuid:case_id>/status")
@permission_required("case.edit")
def change_status(case_id: UUID) -> ResponseReturnValue:
    """Start, resolve, close, reopen."""
    case = domain.case_of(case_id)
    domain.change_status(case, request.form.get("status", ""), g.member.name)
    db.session.commit()
    flash(f"The case is {domain.STATUS_NAMES[case.status].lower()} now.", "success")
    return redirect(url_for("cases.case", case_id=case.id))


@blueprint.post("/status")
@permission_required("case.edit")
def change_statuses() -> ResponseReturnValue:
    """The same for the ticked ones of the list."""
    status = request.form.get("status", "")
    number = domain.change_statuses(records.selected_ids(), status, g.member.name)
    db.session.commit()
    flash("1 case changed." if number == 1 else f"{number} cases changed.", "success")
    return redirect(records.link("cases.index"))


@blueprint.post("/<uuid:case_id>/comments")
@permission_required("case.edit")
def comment(case_id: UUID) -> ResponseReturnValue:
    """Write on a case."""
    case = domain.case_of(case_id)
    form = CommentForm()
    if not form.validate_on_submit():
        return _case_page(case, form), 422
    domain.comment(
        case, form.text.data or "", g.member.id, g.member.name, is_public=bool(form.is_public.data)
    )
    db.session.commit()
    return redirect(url_for("cases.case", case_id=case.id, _anchor="comments"))


@blueprint.route("/<uuid:case_id>/comments/<uuid:comment_id>", methods=["GET", "POST"])
@permission_required("case.edit")
def edit_comment(case_id: UUID, comment_id: UUID) -> ResponseReturnValue:
    """Write one's own comment anew, or remove it."""
    case, comment = _own_comment(case_id, comment_id)
    form = CommentForm(obj=comment)
    if form.validate_on_submit():
        is_public = bool(form.is_public.data)
        domain.change_comment(case, comment, form.text.data or "", g.member, is_public=is_public)
        db.session.commit()
        return redirect(url_for("cases.case", case_id=case.id, _anchor="comments"))
    page = render_template(
        "records/remark.html",
        noun="comment",
        form=form,
        way=_way(case),
        remove_url=url_for("cases.remove_comment", case_id=case.id, comment_id=comment.id),
    )
    return page, 422 if form.errors else 200


@blueprint.get("/<uuid:case_id>/comments/<uuid:comment_id>/remove")
@permission_required("case.edit")
def ask_to_remove_comment(case_id: UUID, comment_id: UUID) -> ResponseReturnValue:
    """What removing one's own comment does."""
    case, comment = _own_comment(case_id, comment_id)
    return render_template(
        "records/remove_remark.html",
        noun="comment",
        remark=comment,
        keeps="The history of the case says that there was one",
        way=_way(case),
        back_url=url_for("cases.edit_comment", case_id=case.id, comment_id=comment.id),
    )


@blueprint.post("/<uuid:case_id>/comments/<uuid:comment_id>/remove")
@permission_required("case.edit")
def remove_comment(case_id: UUID, comment_id: UUID) -> ResponseReturnValue:
    """Take one's own comment away."""
    case, comment = _own_comment(case_id, comment_id)
    domain.remove_comment(case, comment, g.member)
    db.session.commit()
    flash("Your comment is removed.", "success")
    return redirect(url_for("cases.case", case_id=case.id, _anchor="comments"))


@blueprint.post("/export")
@permission_required("data.export", "case.view")
def export() -> Response:
    """The filtered list as CSV; who took it is on record."""
    filter, order = _filter(), _order()
    narrowed = {name: str(value) for name, value in filter.__dict__.items() if value}
    return records.csv_file(
        "cases",
        domain.EXPORT_HEADER,
        domain.exported_cases(filter, order),
        noted=lambda: audit.record(actor(), "cases.exported", "Cases as CSV", after=narrowed),
    )


def _way(case: Case) -> list[tuple[str, str]]:
    return [("Cases", url_for("cases.index")), (case.subject, url_for("cases.case", case_id=case.id))]


def _own_comment(case_id: UUID, comment_id: UUID) -> tuple[Case, CaseComment]:
    case = domain.case_of(case_id)
    comment = held(domain.comment_of(case, comment_id))
    demand_author(comment, g.member)
    return case, comment


def _filter() -> CaseFilter:
    status, priority = request.args.get("status", ""), request.args.get("priority", "")
    return CaseFilter(
        status=status if status in TAB_NAMES else "",
        priority=priority if priority in domain.PRIORITIES else "",
        words=records.clean_text(request.args.get("q")),
        tag=records.clean_text(request.args.get("tag")),
        owner_id=records.id_argument("owner"),
        assignee_id=records.id_argument("assignee"),
        is_unassigned=request.args.get("assignee") == records.NOBODY,
    )


def _order() -> Order:
    return Order.of(request.args.get("sort", ""), domain.SORTS, domain.NEWEST_FIRST)


def _tabs(filter: CaseFilter) -> list[dict[str, Any]]:
    counts = domain.case_counts(filter)
    counts[domain.UNSOLVED] = counts.get("open", 0) + counts.get("in_progress", 0)
    counts[""] = sum(counts.get(status, 0) for status in domain.STATUSES)
    return records.status_tabs("cases.index", TAB_NAMES, counts, filter.status)


def _case_page(case: Case, comment_form: CommentForm) -> str:
    names = history.member_names([case.owner_id, case.assignee_id])
    return render_template(
        "cases/case.html",
        case=case,
        form=comment_form,
        statuses=domain.STATUS_NAMES,
        priorities=domain.PRIORITY_NAMES,
        sources=domain.SOURCES,
        commands=domain.STATUS_COMMANDS[case.status],
        owner=names.get(case.owner_id, "") if case.owner_id else "",
        assignee=names.get(case.assignee_id, "") if case.assignee_id else "",
        contact=contact_titles([case.contact_id]).get(case.contact_id) if case.contact_id else "",
        me=g.member.id,
        comments=db.session.scalars(domain.comments_of(case)).all(),
        conversations=records.conversation_rows(conversations_of_case(g.member, case)),
        events=records.history_events(db.session.scalars(domain.changes_of(case)), LABELS, "Case"),
    )


def _form(case: Case | None, **defaults: str) -> CaseForm:
    form = CaseForm(data=defaults or _stored(case))
    if case is not None:
        form.who_changed = in_history(domain.changes_of(case))
    owners = member_choices("owner_id", keep=case.owner_id if case else None)
    assignees = member_choices("assignee_id", keep=case.assignee_id if case else None)
    form.owner_id.choices, form.assignee_id.choices = [("", "Nobody"), *owners], [("", "Nobody"), *assignees]
    return form


def _stored(case: Case | None) -> dict[str, Any]:
    if case is None:
        return {}
    addresses = addresses_of([case.contact_id]).get(case.contact_id, []) if case.contact_id else []
    return {
        **{name: getattr(case, name) for name in IN_FORM},
        "version": version_of(case.updated_at.isoformat()),
        "owner_id": str(case.owner_id or ""),
        "assignee_id": str(case.assignee_id or ""),
        "tags": ", ".join(case.tags),
        "contact_address": addresses[0] if addresses else "",
    }


def _values(form: CaseForm) -> dict[str, Any]:
    return {
        **{name: form[name].data or "" for name in IN_FORM},
        "tags": texts.tags(form.tags.data or ""),
        "owner_id": records.uuid_or_none(form.owner_id.data),
        "assignee_id": records.uuid_or_none(form.assignee_id.data),
        "contact_id": _contact_id(form),
    }


def _contact_id(form: CaseForm) -> UUID | None:
    address = form.contact_address.data or ""
    if not address:
        return None
    contact = contact_with_address(address)
    if contact is None:
        raise InvalidError("No contact has this address. Add them under Contacts.", field="contact_address")
    return contact.id


def _form_page(form: CaseForm, case: Case | None) -> ResponseReturnValue:
    page = render_template("cases/form.html", form=form, case=case)
    return page, 422 if request.method == "POST" and not is_searching() else 200
