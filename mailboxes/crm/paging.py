"""Lists by key: a page begins where another one ended, so that page 1000 costs what page 1 does."""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Integer, Select, SQLColumnExpression, tuple_
from sqlalchemy.orm import Session

from tenants.database import db

Row = TypeVar("Row")
AFTER, BEFORE = "after", "before"
SIZE = 50
MOST_SEARCHED = 20_000  # rows that a search looks at before it asks whether to go on
AT_A_TIME = 500  # rows of a file that are in memory together


@dataclass(frozen=True)
class Order:
    """A list's order: the key of a column in its module's ``SORTS``, and the direction."""

    name: str
    is_descending: bool = True

    @classmethod
    def of(cls, text: str, allowed: dict[str, Any], otherwise: str) -> "Order":
        """From an address bar: ``name`` ascending, ``-name`` descending; ``otherwise`` if unknown."""
        name = text.removeprefix("-")
        return cls(name, text.startswith("-")) if name in allowed else cls.of(otherwise, allowed, otherwise)

    def __str__(self) -> str:
        return f"-{self.name}" if self.is_descending else self.name


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of a list, and the cursors of its neighbours ("" at an end).

    ``searched_to``: a search has looked no further than there, and goes on with its neighbour.
    """

    rows: list[Row]
    previous: str = ""
    next: str = ""
    searched_to: Any = None


def page(
    query: Select[Row],
    key: SQLColumnExpression[Any],
    id: SQLColumnExpression[UUID],
    *,
    is_descending: bool,
    cursor: str = "",
    size: int = SIZE,
    session: Session | None = None,
) -> Page[Row]:
    """One page of ``query``, ordered by ``key`` (never null) and, where that is equal, by ``id``.

    ``cursor`` comes from an earlier page; one that makes no sense gives the first page.
    """
    direction, edge = _decoded(cursor, key)
    backwards = direction == BEFORE
    ordered = _beyond(query, key, id, edge, descends=is_descending != backwards)
    found = (session or db.session).execute(ordered.add_columns(key, id).limit(size + 1)).all()
    has_more = len(found) > size
    found = found[:size][:: -1 if backwards else 1]
    rows = [row[0] for row in found]
    if not rows:
        return Page([])
    return Page(
        rows,
        previous=_encoded(BEFORE, found[0]) if (has_more if backwards else edge is not None) else "",
        next=_encoded(AFTER, found[-1]) if (True if backwards else has_more) else "",
    )


def is_cursor(cursor: str, key: SQLColumnExpression[Any]) -> bool:
    """Whether a page of this order told it; `page` takes any other for the beginning."""
    return _decoded(cursor, key)[1] is not None


def searched_page(
    query: Select[Row],
    found: Sequence[ColumnElement[bool]],
    key: SQLColumnExpression[Any],
    id: SQLColumnExpression[UUID],
    *,
    is_descending: bool,
    cursor: str = "",
) -> Page[Row]:
    """A page of the rows of ``query`` for which ``found`` holds, after a look at `MOST_SEARCHED` of them.

    So a search for what is nowhere ends soon, however long the list is, and can be gone on with.
    """
    direction, edge = _decoded(cursor, key)
    backwards = direction == BEFORE
    descends = is_descending != backwards
    last = _end_of_look(_beyond(query, key, id, edge, descends=descends), key, id) if found else None
    within = _as_far_as(query, key, id, last, descends=descends).where(*found)
    shown = page(within, key, id, is_descending=is_descending, cursor=cursor)
    if last is None or (shown.previous if backwards else shown.next):
        return shown
    further = _encoded(BEFORE if backwards else AFTER, last)
    if backwards:
        return replace(shown, searched_to=last[0], previous=further)
    return replace(shown, searched_to=last[0], next=further)


def searched_through(
    query: Select[Row],
    found: Sequence[ColumnElement[bool]],
    key: SQLColumnExpression[Any],
    id: SQLColumnExpression[UUID],
    *,
    is_descending: bool,
    looks: int,
) -> Iterator[Page[Row]]:
    """All that a search finds, for a file: after ``looks`` at `MOST_SEARCHED` rows each, and no more.

    Where it had to stop before the end, the last page says so by ``searched_to``.
    """
    edge: tuple[Any, UUID] | None = None
    for _ in range(looks):
        rest = _beyond(query, key, id, edge, descends=is_descending)
        edge = _end_of_look(rest, key, id) if found else None
        within = _as_far_as(rest, key, id, edge, descends=is_descending).where(*found)
        read = db.session.scalars(within.execution_options(yield_per=AT_A_TIME))
        yield from (Page(list(rows)) for rows in read.partitions())
        if edge is None:
            return
    if edge is not None:
        yield Page([], searched_to=edge[0])


def _beyond(
    query: Select[Row],
    key: SQLColumnExpression[Any],
    id: SQLColumnExpression[UUID],
    edge: tuple[Any, UUID] | None,
    *,
    descends: bool,
) -> Select[Row]:
    """In order, what follows after an edge."""
    if edge is not None:
        place = tuple_(key, id)
        query = query.where(place < edge if descends else place > edge)
    return query.order_by(*(column.desc() if descends else column.asc() for column in (key, id)))


def _end_of_look(
    query: Select[Row], key: SQLColumnExpression[Any], id: SQLColumnExpression[UUID]
) -> tuple[Any, UUID] | None:
    """The last of the rows that are looked at together; None if there are not so many."""
    last = db.session.execute(query.with_only_columns(key, id).offset(MOST_SEARCHED - 1).limit(1)).first()
    return None if last is None else (last[0], last[1])


def _as_far_as(
    query: Select[Row],
    key: SQLColumnExpression[Any],
    id: SQLColumnExpression[UUID],
    last: tuple[Any, UUID] | None,
    *,
    descends: bool,
) -> Select[Row]:
    if last is None:
        return query
    place = tuple_(key, id)
    return query.where(place >= last if descends else place <= last)


def _encoded(direction: str, row: Any) -> str:
    value = row[-2].isoformat() if isinstance(row[-2], datetime) else row[-2]
    text = json.dumps([direction, value, str(row[-1])], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str, key: SQLColumnExpression[Any]) -> tuple[str, tuple[Any, UUID] | None]:
    if not cursor:
        return "", None
    try:
        direction, value, id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return str(direction), (_value(value, key), UUID(id))
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return "", None


def _value(value: Any, key: Any) -> Any:
    if isinstance(key.type, DateTime):
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("a cursor's time is aware")
        return at
    if isinstance(key.type, Integer):
        if abs(int(value)) >= 2**31:
            raise ValueError("a cursor's number is small")
        return int(value)
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError("a cursor's text is text")
    value.encode()  # half a surrogate pair, which JSON can name, is no text either
    return value
