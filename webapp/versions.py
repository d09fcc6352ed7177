"""Forms that notice when somebody else saved while they were open: who it was, when, and how to go on."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import request
from flask_wtf import FlaskForm
from sqlalchemy import Select
from wtforms import HiddenField

from tenants.audit import Entry, latest_about
from tenants.database import db, now
from tenants.database.locks import hold_row
from webapp.filters import date_and_time

GO_ON = (
    "What you typed is still here. Compare it with what is stored now; then save again to put what you "
    "typed in its place."
)
Row = TypeVar("Row")

Who = Callable[[datetime], "tuple[str, datetime] | None"]  # the last to change it since a moment, and when


class VersionedForm(FlaskForm):
    """A form that holds what it was opened with; its view asks `is_stale` before it saves.

    ``who_changed`` says who it was, where a history knows that. Where nothing is typed, the page that comes
    back shows what is stored, and other words say how to go on.
    """

    version = HiddenField()
    who_changed: Who | None = None
    is_overtaken = False
    is_typed = True
    meanwhile = "while you were typing"
    go_on = GO_ON

    def is_stale(self, *stored: Any) -> bool:
        """Whether what is stored is no more what the form was opened with; it takes the new and says so.

        A program that fills in no version takes what it finds.
        """
        opened, _, second = (self.version.data or "").partition(".")
        self.version.data = version_of(*stored)
        if not opened or self.version.data.startswith(f"{opened}."):
            return False
        self.is_overtaken = self.is_typed
        self.form_errors.append(f"{self._who(second)} {self.go_on}")
        return True

    def _who(self, second: str) -> str:
        is_number = second.isdecimal() and len(second) < 12
        since = datetime.fromtimestamp(int(second), UTC) if is_number else now()
        who = self.who_changed(since) if self.who_changed is not None else None
        if who is None:
            return f"Somebody changed this {self.meanwhile}."
        return f"{who[0]} changed this on {date_and_time(who[1])}, {self.meanwhile}."


class OverwritingForm(VersionedForm):
    """The same, where the form is filled from what is stored also when it is sent: it asks by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.version.raw_data:
            self.version.data = version_of(self._filled())

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether what was typed is right, and is typed over what its writer has seen."""
        return super().validate(extra_validators) and not self.is_stale(self._filled())

    def _filled(self) -> dict[str, Any]:
        return {field.name: field.object_data for field in self if field.object_data}


def version_of(*stored: Any) -> str:
    """What tells this from anything else that might be stored, and when; ``repr`` says all that counts."""
    return f"{hashlib.sha256(repr(stored).encode()).hexdigest()[:16]}.{int(now().timestamp())}"


def on_record(table: type[Entry], kind: str, name: str) -> Who:
    """As the record of a thing's acts says; ``kind``: how these begin; ``name``: what the thing is called."""

    def who(since: datetime) -> tuple[str, datetime] | None:
        last = latest_about(table, kind, name, since)
        return (last.actor_name, last.at) if last is not None else None

    return who


def in_history(changes: Select[Any]) -> Who:
    """As the history of a record says, newest first."""

    def who(since: datetime) -> tuple[str, datetime] | None:
        last = db.session.scalars(changes.limit(1)).first()
        return (last.actor_name, last.at) if last is not None and last.at >= since else None

    return who


def held(row: Row) -> Row:
    """What a form is about; once it is sent, whoever else changes that waits for us.

    `NotFoundError` if one of them has deleted it.
    """
    if request.method == "POST":
        hold_row(row)
    return row
