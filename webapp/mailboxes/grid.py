"""The grid of mailboxes as pages show it: what the address bar asks for, and the links that ask otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from mailboxes.conversion import actions
from mailboxes.crm.paging import Order
from mailboxes.setup.grid import OTHERWISE, SHADOW, STATE_FILTERS, GridFilter
from webapp.mailboxes.door import Door
from webapp.records import neighbours

ARGUMENTS = ("q", "scope", "state", "processing", "sort", "page")
LONGEST_SEARCH = 200
Orders = tuple[tuple[str, str], ...]
_BY_NAME = (("label", "Label, A to Z"), ("-label", "Label, Z to A"), ("address", "Address"))
ORDERS: Orders = (
    *_BY_NAME,
    ("state", "Problems first"),
    ("-newest", "Newest message first"),
    ("newest", "Longest silent first"),
    ("-waiting", "Most waiting first"),
    ("processing", "Processing"),
)
SYSTEM_ORDERS: Orders = (
    *_BY_NAME,
    ("state", "Problems first"),
    ("newest", "Longest not fetched first"),
    ("-waiting", "Most waiting first"),
    ("-follow", "Most organizations first"),
    ("-override", "Most overridden first"),
    ("processing", "Processing"),
)
# The headings of the columns, each with what it sorts by.
HEADINGS = (
    ("Mailbox", "label"),
    ("Scope", ""),
    ("State", "state"),
    ("IMAP", ""),
    ("SMTP", ""),
    ("Processing", "processing"),
    ("Rules", ""),
    ("People", ""),
    ("Newest", "newest"),
    ("Waiting", "waiting"),
)
SYSTEM_HEADINGS = (
    ("Mailbox", "label"),
    ("Serves", ""),
    ("Delivery", ""),
    ("State", "state"),
    ("Processing", "processing"),
    ("Rules", ""),
    ("Follow", "follow"),
    ("Override", "override"),
    ("Last pass", "newest"),
    ("Waiting", "waiting"),
)
_NUMBERS = {"Rules", "People", "Follow", "Override", "Waiting"}
_LARGEST_FIRST = {"newest", "waiting", "follow", "override"}


@dataclass(frozen=True)
class Grid:
    """A page of mailboxes with everything around it. ``query`` asks for this page again."""

    rows: list[Any]
    count: int
    columns: list[Any]
    filter: GridFilter
    order: str
    pager: dict[str, str]
    query: str
    scopes: list[tuple[str, str]]
    states: list[tuple[str, str]]
    actions: list[tuple[str, str]]
    orders: Orders


def grid_of(door: Door, arguments: Mapping[str, str]) -> Grid:
    """The page that these arguments ask for; the first one of all mailboxes without any."""
    asked = {name: arguments[name] for name in ARGUMENTS if arguments.get(name)}
    filter, order = _filter(asked), Order.of(asked.get("sort", ""), door.level.sorts, OTHERWISE)
    listed = door.mailbox_page(filter, order, asked.get("page", ""))
    return Grid(
        rows=listed.page.rows,
        count=listed.count,
        columns=_columns(door, asked, order),
        filter=filter,
        order=str(order),
        pager=neighbours(listed.page, lambda cursor: _link(door, asked, page=cursor)),
        query=urlencode(asked),
        scopes=[("", "Any"), *((key, words) for key, (words, _) in door.level.scopes.items())],
        states=[
            ("", "Any"),
            *((key, words) for key, (words, _) in STATE_FILTERS.items()),
            (SHADOW, "In shadow mode"),
        ],
        actions=[("", "Any"), *((action.name, action.label) for action in actions().values())],
        orders=SYSTEM_ORDERS if door.is_system else ORDERS,
    )


def list_url(door: Door, query: str = "") -> str:
    """The grid with what was chosen in it, and with nothing else that a query may say."""
    asked = [(name, value) for name, value in parse_qsl(query[:2000]) if name in ARGUMENTS]
    return f"{door.url('index')}?{urlencode(asked)}" if asked else door.url("index")


def _filter(asked: Mapping[str, str]) -> GridFilter:
    return GridFilter(
        words=asked.get("q", "").replace("\x00", "").strip()[:LONGEST_SEARCH],
        scope=asked.get("scope", ""),
        state=asked.get("state", ""),
        action=asked.get("processing", "").replace("\x00", ""),
    )


def _columns(door: Door, asked: Mapping[str, str], order: Order) -> list[Any]:
    headings = SYSTEM_HEADINGS if door.is_system else HEADINGS
    columns = [_column(door, asked, order, label, name) for label, name in headings]
    return [*columns, {"label": "Actions", "hidden": True}]


def _column(door: Door, asked: Mapping[str, str], order: Order, label: str, name: str) -> dict[str, Any]:
    column = {"label": label, "class": "number" if label in _NUMBERS else None}
    if not name:
        return column
    is_current = order.name == name
    flipped = Order(name, not order.is_descending if is_current else name in _LARGEST_FIRST)
    sorted_ = ("desc" if order.is_descending else "asc") if is_current else None
    return {**column, "sort_url": _link(door, asked, sort=str(flipped)), "sorted": sorted_}


def _link(door: Door, asked: Mapping[str, str], **changes: str) -> str:
    """The list with something else in it, from its first page unless a page is named."""
    kept = {name: value for name, value in asked.items() if name != "page"} | changes
    return f"{door.url('index')}?{urlencode(kept)}"
