"""Cases: something a customer needs solved."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Select, case, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import history, texts
from mailboxes.crm.contacts import Contact
from mailboxes.crm.paging import SIZE, Order, Page, page
from mailboxes.crm.remarks import Remark, demand_author, remark_text, rewrite
from mailboxes.webhooks.telling import tell
from tenants.database import Base, OrganizationScoped, db, now, scoped_key, uuid7
from tenants.database.bulk import among
from tenants.database.portions import add_new, write_later, write_waiting
from tenants.database.searching import search_words
from tenants.errors import ConflictError, InvalidError, NotFoundError
from tenants.organizations import Membership

STATUSES = ("open", "in_progress", "resolved", "closed")
STATUS_NAMES = {"open": "Open", "in_progress": "In progress", "resolved": "Resolved", "closed": "Closed"}
STATUS_COMMANDS = {
    "open": (("in_progress", "Start"), ("resolved", "Resolve"), ("closed", "Close")),
    "in_progress": (("resolved", "Resolve"), ("open", "Back to open"), ("closed", "Close")),
    "resolved": (("closed", "Close"), ("open", "Reopen")),
    "closed": (("open", "Reopen"),),
}
PRIORITIES = ("low", "normal", "high")
PRIORITY_NAMES = {"low": "Low", "normal": "Normal", "high": "High"}
SOURCES = {"email": "Email", "phone": "Phone", "web": "Web", "other": "Other"}
UNSOLVED = "unsolved"  # a filter: open or in progress
FIELDS = (
    "subject",
    "description",
    "resolution",
    "source",
    "priority",
    "tags",
    "owner_id",
    "assignee_id",
    "contact_id",
)
EXPORT_HEADER = (
    "Subject",
    "Status",
    "Priority",
    "Assigned to",
    "Owner",
    "Contact",
    "Source",
    "Tags",
    "Reported",
    "Closed",
    "Changed",
    "Description",
    "Resolution",
)


class Case(OrganizationScoped, Base):
    """A case; one that automation made names its opening message."""

    __tablename__ = "cases"
    __table_args__ = (
        scoped_key("owner_id", "memberships", ondelete="SET NULL (owner_id)"),
        scoped_key("assignee_id", "memberships", ondelete="SET NULL (assignee_id)"),
        scoped_key("contact_id", "contacts", ondelete="SET NULL (contact_id)"),
        scoped_key("opening_message_id", "messages", ondelete="SET NULL (opening_message_id)"),
        CheckConstraint("status IN ('open', 'in_progress', 'resolved', 'closed')", name="status"),
        CheckConstraint("priority IN ('low', 'normal', 'high')", name="priority"),
        Index("ix_cases_list", "organization_id", "reported_at", "id"),
        Index("ix_cases_contact", "organization_id", "contact_id", "reported_at"),
    )

    subject: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    resolution: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="email")
    status: Mapped[str] = mapped_column(default="open")
    priority: Mapped[str] = mapped_column(default="normal")
    tags: Mapped[list[str]] = mapped_column(default=list)
    owner_id: Mapped[UUID | None] = mapped_column(default=None)
    assignee_id: Mapped[UUID | None] = mapped_column(default=None)
    contact_id: Mapped[UUID | None] = mapped_column(default=None)
    opening_message_id: Mapped[UUID | None] = mapped_column(default=None)
    is_automatic: Mapped[bool] = mapped_column(default=False)
    reported_at: Mapped[datetime] = mapped_column(default=now)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class CaseComment(Remark, OrganizationScoped, Base):
    """A remark on a case; private ones stay among members."""

    __tablename__ = "case_comments"
    __table_args__ = (
        scoped_key("case_id", "cases", ondelete="CASCADE"),
        Index("ix_case_comments_case_id", "organization_id", "case_id", "written_at"),
    )

    case_id: Mapped[UUID]
    is_public: Mapped[bool] = mapped_column(default=False)


class CaseChange(OrganizationScoped, Base):
    """The history of a case: ``changes`` maps a field to [before, after]; empty when it was made."""

    __tablename__ = "case_changes"
    __table_args__ = (
        scoped_key("case_id", "cases", ondelete="CASCADE"),
        Index("ix_case_changes_case_id", "organization_id", "case_id", "at"),
    )

    case_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(default=now)
    actor_name: Mapped[str]
    changes: Mapped[dict[str, Any]] = mapped_column(default=dict)


SORTS = {
    "subject": func.lower(Case.subject),
    "status": case({name: place for place, name in enumerate(STATUSES)}, value=Case.status),
    "priority": case({name: place for place, name in enumerate(PRIORITIES)}, value=Case.priority),
    "reported": Case.reported_at,
    "updated": Case.updated_at,
}
NEWEST_FIRST = "-reported"


@dataclass(frozen=True)
class CaseFilter:
    """What a list of cases is narrowed to; empty values do not narrow."""

    status: str = ""
    priority: str = ""
    words: str = ""
    tag: str = ""
    owner_id: UUID | None = None
    assignee_id: UUID | None = None
    is_unassigned: bool = False
    contact_id: UUID | None = None


def cases(filter: CaseFilter = CaseFilter()) -> Select[Case]:
    """Cases of the current organization that a filter lets through, in no order."""
    query = select(Case)
    for column, value in (
        (Case.priority, filter.priority),
        (Case.owner_id, filter.owner_id),
        (Case.assignee_id, filter.assignee_id),
        (Case.contact_id, filter.contact_id),
    ):
        if value:
            query = query.where(column == value)
    if filter.status:
        wanted = ("open", "in_progress") if filter.status == UNSOLVED else (filter.status,)
        query = query.where(Case.status.in_(wanted))
    if filter.is_unassigned:
        query = query.where(Case.assignee_id.is_(None))
    if filter.tag:
        query = query.where(Case.tags.contains([filter.tag]))
    for word in search_words(filter.words):
        query = query.where(_holds(word))
    return query


def case_page(filter: CaseFilter, order: Order, cursor: str = "", size: int = SIZE) -> Page[Case]:
    """A page of the list."""
    key = SORTS[order.name]
    return page(cases(filter), key, Case.id, is_descending=order.is_descending, cursor=cursor, size=size)


def case_counts(filter: CaseFilter) -> dict[str, int]:
    """How many cases of each status the rest of the filter lets through."""
    query = cases(CaseFilter(**{**filter.__dict__, "status": ""}))
    rows = db.session.execute(query.with_only_columns(Case.status, func.count()).group_by(Case.status))
    return {status: number for status, number in rows}  # noqa: C416  # rows are no pairs, to mypy


def case_of(id: UUID) -> Case:
    """A case of the current organization; `NotFoundError` if there is none."""
    found = db.session.scalar(select(Case).where(Case.id == id))
    if found is None:
        raise NotFoundError("This case does not exist.")
    return found


def changes_of(case: Case) -> Select[CaseChange]:
    """The history of a case, newest first."""
    return (
        select(CaseChange)
        .where(CaseChange.case_id == case.id)
        .order_by(CaseChange.at.desc(), CaseChange.id.desc())
    )


def comments_of(case: Case) -> Select[CaseComment]:
    """What was written on a case, newest first."""
    return (
        select(CaseComment)
        .where(CaseComment.case_id == case.id)
        .order_by(CaseComment.written_at.desc(), CaseComment.id.desc())
    )


def public_comments(case_ids: Collection[UUID]) -> dict[UUID, str]:
    """What the customers may be told of these cases, the newest of each: templates name it."""
    newest = CaseComment.case_id, CaseComment.written_at.desc(), CaseComment.id.desc()
    query = select(CaseComment.case_id, CaseComment.text).order_by(*newest)
    query = query.ext(distinct_on(CaseComment.case_id))
    rows = db.session.execute(query.where(among(CaseComment.case_id, case_ids), CaseComment.is_public))
    return {row.case_id: row.text for row in rows}


def open_case(values: Mapping[str, Any], actor_name: str, **facts: Any) -> Case:
    """A new case from `FIELDS`; ``facts`` are attributes that no form sets, such as ``status``."""
    closed_at = now() if facts.get("status") == "closed" else None
    row = {"id": uuid7(), **_checked(values), **facts, "closed_at": closed_at}
    new = add_new(Case, row)
    write_later(CaseChange, {"case_id": new.id, "actor_name": actor_name})
    tell("case.made", opening_message_id=row.get("opening_message_id"), case=new.id)
    return new


def change_case(case: Case, values: Mapping[str, Any], actor_name: str) -> None:
    """Change some of `FIELDS`, and keep what they were."""
    _remember(case, history.assign(case, _checked(values)), actor_name)


def change_status(case: Case, status: str, actor_name: str) -> None:
    """Go on to another status; `ConflictError` where that is no way from the present one.

    ``closed_at`` is the time of the present closing; earlier ones are in the history.
    """
    if status not in dict(STATUS_COMMANDS[case.status]):
        raise ConflictError(f"This case is {STATUS_NAMES[case.status].lower()} now.")
    values = {"status": status, "closed_at": now() if status == "closed" else None}
    _remember(case, history.assign(case, values), actor_name)


def change_statuses(ids: Iterable[UUID], status: str, actor_name: str) -> int:
    """The same for several cases; those it does not apply to stay. How many changed."""
    if status not in STATUSES:
        raise InvalidError("Choose a status.", field="status")
    query = select(Case).where(Case.id.in_(list(ids)), Case.status != status).with_for_update()
    chosen = [one for one in db.session.scalars(query) if status in dict(STATUS_COMMANDS[one.status])]
    for one in chosen:
        change_status(one, status, actor_name)
    return len(chosen)


def reopen_resolved(id: UUID) -> Case | None:
    """A customer answered: a resolved case is open again. None if it is not resolved."""
    write_waiting()  # one that was made or reopened just now
    query = select(Case).where(Case.id == id, Case.status == "resolved").with_for_update()
    resolved = db.session.scalar(query.execution_options(populate_existing=True))
    if resolved is not None:
        change_status(resolved, "open", history.AUTOMATION)
    return resolved


def comment(case: Case, text: str, author_id: UUID, author_name: str, *, is_public: bool) -> CaseComment:
    """Write on a case; `InvalidError` without a text."""
    written = CaseComment(
        case_id=case.id,
        author_id=author_id,
        author_name=author_name,
        text=remark_text(text),
        is_public=is_public,
    )
    db.session.add(written)
    case.updated_at = now()
    db.session.flush()
    tell(
        "case.commented",
        opening_message_id=case.opening_message_id,
        case=case.id,
        comment=written.id,
        is_public=is_public,
    )
    return written


def comment_of(case: Case, id: UUID) -> CaseComment:
    """One that was written on this case; `NotFoundError` if there is none."""
    found = db.session.scalar(select(CaseComment).where(CaseComment.id == id, CaseComment.case_id == case.id))
    if found is None:
        raise NotFoundError("This comment is not here any more.")
    return found


def change_comment(
    case: Case, comment: CaseComment, text: str, member: Membership, *, is_public: bool
) -> None:
    """Let its author write it anew; the history says that, without what it said."""
    was_public = comment.is_public
    comment.is_public = is_public
    if rewrite(comment, text, member) or was_public != is_public:
        _remember(case, {"comment": ["written", "changed"]}, member.name)


def remove_comment(case: Case, comment: CaseComment, member: Membership) -> None:
    """Let its author take it away; the history says that."""
    demand_author(comment, member)
    db.session.delete(comment)
    _remember(case, {"comment": ["written", "removed"]}, member.name)


def exported_cases(filter: CaseFilter, order: Order) -> Iterator[tuple[Any, ...]]:
    """The whole list for a file, under `EXPORT_HEADER`, read bit by bit."""
    key = SORTS[order.name]
    query = (
        cases(filter)
        .outerjoin(Contact, _IS_ITS_CONTACT)
        .add_columns(Contact.name)
        .order_by(key.desc() if order.is_descending else key.asc(), Case.id)
    )
    people = select(Case.owner_id).union(select(Case.assignee_id))
    names = history.member_names(db.session.execute(people).scalars().all())
    for one, contact_name in db.session.execute(query.execution_options(yield_per=500)):
        yield (
            one.subject,
            STATUS_NAMES[one.status],
            PRIORITY_NAMES[one.priority],
            names.get(one.assignee_id, ""),
            names.get(one.owner_id, ""),
            contact_name,
            SOURCES.get(one.source, one.source),
            one.tags,
            one.reported_at,
            one.closed_at,
            one.updated_at,
            one.description,
            one.resolution,
        )


_IS_ITS_CONTACT = (Contact.organization_id == Case.organization_id) & (Contact.id == Case.contact_id)


def _holds(word: str) -> Any:
    contacts = select(Contact.id).where(
        or_(Contact.name.icontains(word, autoescape=True), Contact.company.icontains(word, autoescape=True))
    )
    return or_(
        Case.subject.icontains(word, autoescape=True),
        func.array_to_string(Case.tags, " ").icontains(word, autoescape=True),
        Case.contact_id.in_(contacts),
        Case.id.in_(select(CaseComment.case_id).where(CaseComment.text.icontains(word, autoescape=True))),
    )


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ValueError(f"no field of a case: {unknown}")
    clean = {name: _clean(name, value) for name, value in values.items()}
    if not clean.get("subject", "-"):
        raise InvalidError("Type a subject.", field="subject")
    if clean.get("priority", "normal") not in PRIORITIES:
        raise InvalidError("Choose a priority.", field="priority")
    if clean.get("source", "other") not in SOURCES:
        raise InvalidError("Choose where the case came from.", field="source")
    return clean


def _clean(name: str, value: Any) -> Any:
    if name == "tags":
        return texts.unique_tags(value)
    if not isinstance(value, str):
        return value
    return texts.notes(value) if name in ("description", "resolution") else texts.one_line(value)


def _remember(case: Case, changes: dict[str, list[Any]], actor_name: str) -> None:
    if not changes:
        return
    case.updated_at = now()
    people = history.member_names((*changes.get("owner_id", ()), *changes.get("assignee_id", ())))
    asked = [id for id in changes.get("contact_id", ()) if id]
    contacts = {one.id: one.title for one in db.session.scalars(select(Contact).where(Contact.id.in_(asked)))}
    names = {"owner_id": people, "assignee_id": people, "contact_id": contacts}
    words = history.named(changes, names)
    db.session.add(CaseChange(case_id=case.id, actor_name=actor_name, changes=words))
    db.session.flush()
    tell(
        "case.changed",
        opening_message_id=case.opening_message_id,
        case=case.id,
        status=case.status,
        assignee=case.assignee_id,
        changed=sorted(words),
    )
