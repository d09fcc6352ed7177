"""The same for many: each by itself, so that one refusal stops no other, and is told with its row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from tenants.database import db
from tenants.errors import AppError

Row = TypeVar("Row")


@dataclass(frozen=True)
class Outcome:
    """What became of one row; ``error`` is the sentence of a refusal, empty where it worked."""

    name: str
    error: str = ""


def for_each(rows: Iterable[Row], act: Callable[[Row], None], name_of: Callable[[Row], str]) -> list[Outcome]:
    """Do something with each row, in its own part of the transaction. The caller commits."""
    return [_outcome(row, act, name_of(row)) for row in rows]


def _outcome(row: Row, act: Callable[[Row], None], name: str) -> Outcome:
    try:
        with db.session.begin_nested():
            act(row)
    except AppError as error:
        return Outcome(name, error.message)
    return Outcome(name)
