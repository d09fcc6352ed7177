"""Cases and what is written on them."""

from typing import Any
from uuid import UUID

from flask import g

from mailboxes.crm import cases as domain
from mailboxes.crm.cases import Case, CaseComment, CaseFilter
from mailboxes.crm.paging import Page
from mailboxes.crm.texts import NAME_LENGTH, NOTES_LENGTH
from mailboxes.interchange.bodies import at_most, identifier, texts
from mailboxes.interchange.nodes import Fields, choice, or_nothing, switch
from mailboxes.interchange.records import record
from tenants.database import db
from tenants.database.locks import hold_row
from webapp.api.known import demand_contact, demand_member
from webapp.api.listing import order_of, page_of, sorted_page, sorting
from webapp.api.operations import WORDS, Parameter, choice_of, demand_match, id_of, once, operation
from webapp.api.shapes import FLAG, ID, MOMENT, TEXT, Shape, maybe, one_of, several
from webapp.configuration.pages import actor

CASE = Shape(
    "Case",
    id=ID,
    status=one_of(*domain.STATUSES),
    priority=one_of(*domain.PRIORITIES),
    source=TEXT,
    **dict.fromkeys(("subject", "description", "resolution"), TEXT),
    tags=several(TEXT),
    **dict.fromkeys(("owner_id", "assignee_id", "contact_id"), maybe(ID)),
    is_automatic=FLAG,
    reported_at=MOMENT,
    closed_at=maybe(MOMENT),
    updated_at=MOMENT,
)
COMMENT = Shape(
    "Comment",
    id=ID,
    text=TEXT,
    is_public=FLAG,
    author_id=maybe(ID),
    author_name=TEXT,
    written_at=MOMENT,
    edited_at=maybe(MOMENT),
)
_FIELDS: Fields = {
    "subject": at_most(NAME_LENGTH, is_demanded=True),
    "description": at_most(NOTES_LENGTH),
    "resolution": at_most(NOTES_LENGTH),
    "source": choice(*domain.SOURCES),
    "priority": choice(*domain.PRIORITIES),
    "tags": texts,
    "owner_id": or_nothing(identifier),
    "assignee_id": or_nothing(identifier),
    "contact_id": or_nothing(identifier),
}
NEW_CASE = record(_FIELDS, ("subject",))
CASE_CHANGES = record({**_FIELDS, "status": choice(*domain.STATUSES)})
NEW_COMMENT = record({"text": at_most(NOTES_LENGTH, is_demanded=True), "is_public": switch}, ("text",))
_NARROWING = ("status", "priority", "tag", "owner_id", "assignee_id", "contact_id")


@operation(
    "GET",
    "/cases",
    scope="cases:read",
    permissions=("case.view",),
    answer=CASE,
    is_list=True,
    query={
        "q": WORDS,
        "status": choice_of("Of this status alone.", *domain.STATUSES, domain.UNSOLVED),
        "priority": choice_of("Of this priority alone.", *domain.PRIORITIES),
        "tag": Parameter("With this tag.", WORDS.read),
        "owner_id": id_of("Of this owner alone."),
        "assignee_id": id_of("Of this assignee alone."),
        "contact_id": id_of("Of this contact alone."),
        "sort": sorting(domain.SORTS, domain.NEWEST_FIRST),
    },
)
def list_cases(query: dict[str, Any]) -> Page[Case]:
    """Cases, narrowed and sorted as in their list."""
    narrowed = {name: query[name] for name in _NARROWING if name in query}
    filter = CaseFilter(words=query.get("q", ""), **narrowed)
    order = order_of(query, domain.SORTS, domain.NEWEST_FIRST)
    return sorted_page(
        query, domain.SORTS, order, lambda cursor, size: domain.case_page(filter, order, cursor, size)
    )


@operation("GET", "/cases/<uuid:case_id>", scope="cases:read", permissions=("case.view",), answer=CASE)
def read_case(case_id: UUID) -> Case:
    """One case."""
    return domain.case_of(case_id)


@operation(
    "POST",
    "/cases",
    scope="cases:write",
    permissions=("case.view", "case.edit"),
    body=NEW_CASE,
    answer=CASE,
    status=201,
    is_once=True,
)
def make_case(body: dict[str, Any]) -> Case:
    """Open a case by hand."""
    _demand_known(body)
    id = once(lambda: domain.open_case({"source": "other", **body}, actor().name).id)
    db.session.commit()
    return domain.case_of(id)


@operation(
    "PATCH",
    "/cases/<uuid:case_id>",
    scope="cases:write",
    permissions=("case.view", "case.edit"),
    body=CASE_CHANGES,
    answer=CASE,
    is_matched=True,
)
def change_case(case_id: UUID, body: dict[str, Any]) -> Case:
    """Change what is said, and leave the rest; a status goes on as its buttons do."""
    case = domain.case_of(case_id)
    hold_row(case)
    demand_match(CASE.shown(case))
    _demand_known({name: value for name, value in body.items() if value != getattr(case, name)})
    status = body.pop("status", case.status)
    domain.change_case(case, body, actor().name)
    if status != case.status:
        domain.change_status(case, status, actor().name)
    db.session.commit()
    return case


@operation(
    "GET",
    "/cases/<uuid:case_id>/comments",
    scope="cases:read",
    permissions=("case.view",),
    answer=COMMENT,
    is_list=True,
)
def list_comments(case_id: UUID, query: dict[str, Any]) -> Page[CaseComment]:
    """What was written on a case, the latest first."""
    comments = domain.comments_of(domain.case_of(case_id))
    return page_of(query, comments, CaseComment.written_at, CaseComment.id, is_descending=True)


@operation(
    "POST",
    "/cases/<uuid:case_id>/comments",
    scope="cases:write",
    permissions=("case.view", "case.edit"),
    body=NEW_COMMENT,
    answer=COMMENT,
    status=201,
    is_once=True,
)
def write_comment(case_id: UUID, body: dict[str, Any]) -> CaseComment:
    """Write on a case; what is public the customer may be told."""
    case, is_public = domain.case_of(case_id), body.get("is_public", False)
    id = once(lambda: domain.comment(case, body["text"], g.member.id, actor().name, is_public=is_public).id)
    db.session.commit()
    return domain.comment_of(case, id)


def _demand_known(body: dict[str, Any]) -> None:
    demand_member(body.get("owner_id"), "owner_id")
    demand_member(body.get("assignee_id"), "assignee_id")
    demand_contact(body.get("contact_id"), "contact_id")
