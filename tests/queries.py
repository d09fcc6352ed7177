"""Which statements the database gets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from tenants.database import db


@contextmanager
def counted_queries(app: Flask) -> Iterator[list[str]]:
    """Collects every statement that any of the application's roles sends meanwhile."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    with listening(app, "before_cursor_execute", note):
        yield seen


@contextmanager
def listening(app: Flask, name: str, note: Callable[..., None]) -> Iterator[None]:
    """Hear this event of the engines of all of the application's roles meanwhile."""
    with app.app_context():
        engines = list(db.engines.values())
    for engine in engines:
        event.listen(engine, name, note)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, name, note)
