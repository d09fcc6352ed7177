"""Searches that are kept under a name: by a member for themselves, or for everybody in the organization.

A saved view is a way to look and opens nothing: what it shows, and counts, is what whoever opens it may read.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Index, Select, and_, case, func, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.access import readable_ids
from mailboxes.crm import texts
from mailboxes.inbox.read_state import MOST_COUNTED
from mailboxes.inbox.searching import conditions_of_thread, says_of_messages, state
from mailboxes.inbox.selection import DRAFTS, EVERYTHING, UNREAD, VIEWS, Selection
from mailboxes.search_terms import LONGEST, Query, Term, parse_query
from mailboxes.threads import Thread
from mailboxes.threads.tags import ThreadTag, clean_name, ids_of_tag, threads_with
from tenants.database import Base, OrganizationScoped, current_organization_id, db, scoped_key
from tenants.errors import ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership

NAME_LENGTH = 60
MOST_VIEWS = 20  # of a member, and for everybody
MAY_SHARE = "mail.organize"


class SavedView(OrganizationScoped, Base):
    """A mailbox (or all), a view and a search, under a name; everybody's where ``membership_id`` is null."""

    __tablename__ = "saved_views"
    __table_args__ = (
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        Index(
            "uq_saved_views_own",
            "organization_id",
            "membership_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("membership_id IS NOT NULL"),
        ),
        Index(
            "uq_saved_views_shared",
            "organization_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("membership_id IS NULL"),
        ),
    )

    name: Mapped[str]
    membership_id: Mapped[UUID | None] = mapped_column(default=None)
    mailbox_id: Mapped[UUID | None] = mapped_column(default=None)
    view: Mapped[str] = mapped_column(default=EVERYTHING)
    query: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)

    @property
    def is_shared(self) -> bool:
        """Whether it is everybody's."""
        return self.membership_id is None

    def selection(self, member: Membership) -> Selection:
        """What a member sees there."""
        view = VIEWS.get(self.view, VIEWS[EVERYTHING])
        return Selection(member, self.mailbox_id, view, parse_query(self.query))


def saved_views(member: Membership) -> Select[SavedView]:
    """Those for everybody, then a member's own, in their order, of mailboxes that the member may read."""
    is_theirs = or_(SavedView.membership_id.is_(None), SavedView.membership_id == member.id)
    is_readable = or_(SavedView.mailbox_id.is_(None), SavedView.mailbox_id.in_(readable_ids(member)))
    in_order = (SavedView.membership_id.is_not(None), SavedView.position, SavedView.id)
    return select(SavedView).where(is_theirs, is_readable).order_by(*in_order)


def changeable_view(member: Membership, id: UUID, *, may_share: bool) -> SavedView:
    """A view that this member may change; `NotFoundError` where there is none that they see."""
    view = db.session.scalar(saved_views(member).where(SavedView.id == id))
    if view is None:
        raise NotFoundError("This view is not here any more.")
    if view.is_shared and not may_share:
        raise ForbiddenError("This view is everybody’s. Your role does not change those.")
    return view


def save_view(selection: Selection, name: str, *, is_shared: bool, may_share: bool) -> SavedView:
    """Keep what a member looks at under a name; `InvalidError` at the field that cannot be accepted."""
    owner_id = _owner(selection.member, is_shared=is_shared, may_share=may_share)
    view = SavedView(
        name=_checked_name(name, owner_id),
        membership_id=owner_id,
        mailbox_id=selection.mailbox_id,
        view=selection.view.name,
        query=str(selection.query)[:LONGEST],
        position=_last_position(owner_id) + 1,
    )
    db.session.add(view)
    db.session.flush()
    return view


def change_view(member: Membership, view: SavedView, name: str, *, is_shared: bool, may_share: bool) -> None:
    """Call it something else; give it to everybody, or keep it for oneself."""
    owner_id = _owner(member, is_shared=is_shared, may_share=may_share)
    clean = _checked_name(name, owner_id, view)
    if owner_id != view.membership_id:
        view.membership_id, view.position = owner_id, _last_position(owner_id) + 1
    view.name = clean
    db.session.flush()


def move_view(member: Membership, view: SavedView, *, up: bool) -> None:
    """Change places with the next one above or below that the member sees; at an end nothing happens."""
    beside = select(SavedView).where(_beside(view.membership_id))
    in_order = beside.order_by(SavedView.position, SavedView.id).with_for_update()
    views = list(db.session.scalars(in_order))
    seen = set(db.session.scalars(saved_views(member)))
    place = views.index(view)
    beyond = range(place - 1, -1, -1) if up else range(place + 1, len(views))
    other = next((number for number in beyond if views[number] in seen), place)
    views[place], views[other] = views[other], views[place]
    for position, one in enumerate(views, 1):
        one.position = position
    db.session.flush()


def delete_view(view: SavedView) -> None:
    """Keep it no more; conversations stay as they are."""
    db.session.delete(view)
    db.session.flush()


def follow_tag(former: str, new: str) -> None:
    """Let views that search for a tag search for what it is called now, whoever they are of."""
    for view in db.session.scalars(select(SavedView).where(SavedView.query.contains("tag:"))):
        terms = parse_query(view.query).terms
        followed = tuple(_followed(term, former, new) for term in terms)
        query = str(Query(tuple(dict.fromkeys(followed))))
        if followed != terms and len(query) <= LONGEST:
            view.query = query
    db.session.flush()


def _followed(term: Term, former: str, new: str) -> Term:
    is_it = term.name == "tag" and clean_name(term.value).lower() == former.lower()
    return replace(term, value=new) if is_it else term


def counts_of(views: Sequence[SavedView], member: Membership) -> dict[UUID, int]:
    """How many conversations some views hold, in one statement; those that would take long are missing.

    Counted is what an index finds (a tag, waiting, snoozed, mine), of which `MOST_COUNTED` conversations are
    looked at. Where there are more of them, a view that holds all of these is said to hold so many; what one
    that holds fewer has among the others, nobody knows.
    """
    boxes = readable_ids(member).cte("boxes")
    statements = {view.id: _counting(view.selection(member), boxes) for view in views}
    known = {id: statement for id, statement in statements.items() if statement is not None}
    if not known:
        return {}
    row = db.session.execute(select(*known.values())).one()
    return {id: number for id, number in zip(known, row, strict=True) if number is not None}


def _counting(selection: Selection, boxes: CTE) -> ColumnElement[int | None] | None:
    few = _few(selection)
    if few is None or selection.view.name in (DRAFTS, UNREAD) or says_of_messages(selection.query):
        return None
    first = few.limit(MOST_COUNTED).subquery()
    here = [Thread.organization_id == current_organization_id(), Thread.mailbox_id.in_(select(boxes.c.id))]
    if selection.mailbox_id is not None:
        here.append(Thread.mailbox_id == selection.mailbox_id)
    others = [_bears(name) for name in selection.query.values("tag")[1:]]
    held = and_(Thread.id == first.c[0], *here, *conditions_of_thread(selection), *others)
    looked_at, found = func.count(), func.count(Thread.id)
    is_known = or_(looked_at < MOST_COUNTED, found == looked_at)
    counted = select(case((is_known, found))).select_from(first.outerjoin(Thread, held))
    return counted.scalar_subquery()


def _bears(name: str) -> ColumnElement[bool]:
    """Asked of one `Thread` after the other: as a join it would be asked of all that bear the tag."""
    borne = select(ThreadTag.id).where(
        ThreadTag.organization_id == current_organization_id(),
        ThreadTag.thread_id == Thread.id,
        ThreadTag.tag_id == ids_of_tag(name).scalar_subquery(),
    )
    return borne.limit(1).correlate(Thread).scalar_subquery().is_not(None)


def _few(selection: Selection) -> Select[UUID] | None:
    """Ids of the few conversations among which all are that the selection holds."""
    if words := selection.query.values("tag"):
        return threads_with(ids_of_tag(words[0]).scalar_subquery())
    states = [value for value in selection.query.values("is") if value in ("waiting", "snoozed", "mine")]
    if not selection.view.is_of_few and not states:
        return None
    member = selection.member
    few = selection.view.condition(member) if selection.view.is_of_few else state(states[0], member)
    return select(Thread.id).where(Thread.organization_id == current_organization_id(), few)


def _owner(member: Membership, *, is_shared: bool, may_share: bool) -> UUID | None:
    if is_shared and not may_share:
        raise InvalidError("Your role does not make views for everybody.", field="is_shared")
    return None if is_shared else member.id


def _beside(owner_id: UUID | None) -> ColumnElement[bool]:
    return SavedView.membership_id.is_not_distinct_from(owner_id)


def _last_position(owner_id: UUID | None) -> int:
    return db.session.scalar(select(func.max(SavedView.position)).where(_beside(owner_id))) or 0


def _checked_name(name: str, owner_id: UUID | None, view: SavedView | None = None) -> str:
    clean = texts.one_line(name, NAME_LENGTH)
    if not clean:
        raise InvalidError("Type a name.", field="name")
    others = [
        one for one in db.session.scalars(select(SavedView).where(_beside(owner_id))) if one is not view
    ]
    if any(one.name.lower() == clean.lower() for one in others):
        raise InvalidError(f"There is a view “{clean}” already.", field="name")
    if len(others) >= MOST_VIEWS:
        raise InvalidError(f"There are {MOST_VIEWS} views already. Delete one first.", field="name")
    return clean
