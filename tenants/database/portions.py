"""A portion: several rows worked on in one transaction, which share what is asked and what is written.

What is the same for many of them is asked once (`asked_once`), and rows wait to be written together
(`write_later`, `write_waiting`). Outside of a portion everything is asked and written at once, by the same
functions. Nothing is kept beyond the portion.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar
from uuid import UUID

from tenants.database import Base, db
from tenants.database.bulk import Row, insert_rows

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
New = TypeVar("New", bound=Base)

_OPEN = "portion"


class _Portion:
    def __init__(self, ids: Collection[UUID]) -> None:
        self.ids = frozenset(ids)
        self.answers: dict[tuple[Any, ...], Any] = {}
        self.rows: dict[type[Base], list[Row]] = {}
        self.acts: dict[Callable[[list[Any]], object], list[Any]] = {}


@contextmanager
def portion(ids: Collection[UUID]) -> Iterator[None]:
    """Work on these rows, which the caller holds. What the session has changed waits, too: a query sees it
    after `write_waiting` only. The caller ends the transaction."""
    db.session.info[_OPEN] = _Portion(ids)
    try:
        with db.session.no_autoflush:
            yield
    finally:
        db.session.info.pop(_OPEN)


def is_in_portion(id: UUID) -> bool:
    """Whether a row is one of the portion that is worked on, and therefore held."""
    present = _open()
    return present is not None and id in present.ids


def is_portion() -> bool:
    """Whether a portion is worked on."""
    return _open() is not None


def write_later(model: type[Base], row: Row) -> None:
    """Insert a row (the same columns in each of a model) with its portion, or now if there is none."""
    present = _open()
    if present is None:
        db.session.flush()  # what the row refers to
        insert_rows(model, [row])
    else:
        present.rows.setdefault(model, []).append(row)


def add_new(model: type[New], row: Row) -> New:
    """A new object of these columns, written with its portion, or by the session if there is none."""
    new = model(**row)
    if is_portion():
        write_later(model, row)
    else:
        db.session.add(new)
    return new


def do_later(act: Callable[[list[Any]], object], item: Any) -> None:
    """Call ``act`` with all such items of a portion when its rows are written; or now, with this one."""
    present = _open()
    if present is None:
        db.session.flush()  # what it reads
        act([item])
    else:
        present.acts.setdefault(act, []).append(item)


def write_waiting() -> None:
    """Write what waits: what the session has changed, rows in the order of their keys, then `do_later`."""
    present = _open()
    if present is None:
        db.session.flush()
        return
    db.session.flush()  # what the rows refer to
    waiting, present.rows = present.rows, {}
    order = _order_of_keys(len(Base.metadata.tables))
    for model in sorted(waiting, key=lambda one: order[one.__tablename__]):
        insert_rows(model, waiting[model])
    acts, present.acts = present.acts, {}
    for act, items in acts.items():
        act(items)


class AskedOnce(Generic[Given, Answer]):
    """A function that a portion asks once for the same arguments, unless it was told the answer."""

    def __init__(self, function: Callable[Given, Answer]) -> None:
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *args: Given.args, **given: Given.kwargs) -> Answer:
        present = _open()
        if present is None or given:
            return self._function(*args, **given)
        key = (self._function, *args)
        if key not in present.answers:
            present.answers[key] = self._function(*args, **given)
        answer: Answer = present.answers[key]
        return answer

    def know(self, answer: Any, *args: Any) -> None:
        """Tell a portion the answer for these arguments: it was asked with others, or has changed."""
        present = _open()
        if present is not None:
            present.answers[self._function, *args] = answer


def asked_once(function: Callable[Given, Answer]) -> AskedOnce[Given, Answer]:
    """Let a portion ask a function once for the same arguments."""
    return AskedOnce(function)


@lru_cache(maxsize=1)
def _order_of_keys(count: int) -> dict[str, int]:
    """The place of each table behind those that it refers to; ``count``: tables that are known by now."""
    return {table.name: place for place, table in enumerate(Base.metadata.sorted_tables)}


def _open() -> _Portion | None:
    present: _Portion | None = db.session.info.get(_OPEN)
    return present
