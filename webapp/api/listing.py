"""Pages of lists, as programs ask for them."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Select, SQLColumnExpression

from mailboxes.crm.paging import Order, Page, is_cursor, page
from webapp.api.operations import USUAL, Parameter, choice_of
from webapp.api.problems import QueryError

NO_CURSOR = "This is no next_cursor of this list, in this order. Leave it out to begin anew."


def sorting(sorts: Mapping[str, Any], usual: str) -> Parameter:
    """By what a list is sorted; with ``-`` before it the other way round."""
    words = f"The order; {usual} where it is left out."
    return choice_of(words, *sorts, *(f"-{name}" for name in sorts))


def order_of(query: Mapping[str, Any], sorts: dict[str, Any], usual: str) -> Order:
    """The order that is asked for."""
    return Order.of(query.get("sort", usual), sorts, usual)


def sorted_page(
    query: Mapping[str, Any],
    sorts: Mapping[str, SQLColumnExpression[Any]],
    order: Order,
    made: Callable[[str, int], Page[Any]],
) -> Page[Any]:
    """A page that the domain makes of a cursor and a size."""
    return made(cursor_of(query, sorts[order.name]), query.get("limit", USUAL))


def page_of(
    query: Mapping[str, Any],
    rows: Select[Any],
    key: SQLColumnExpression[Any],
    id: SQLColumnExpression[Any],
    *,
    is_descending: bool = False,
) -> Page[Any]:
    """A page of any rows, ordered by a key that is never null."""
    cursor, size = cursor_of(query, key), query.get("limit", USUAL)
    return page(rows.order_by(None), key, id, is_descending=is_descending, cursor=cursor, size=size)


def cursor_of(query: Mapping[str, Any], key: SQLColumnExpression[Any]) -> str:
    """Where to begin."""
    cursor: str = query.get("cursor", "")
    if cursor and not is_cursor(cursor, key):
        raise QueryError(NO_CURSOR, "cursor")
    return cursor
