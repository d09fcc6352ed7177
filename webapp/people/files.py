"""Pages about people from a file, be they an organization's members or the installation's users.

The rows that were shown travel sealed in the page, so that exactly those are taken.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from itsdangerous import BadData, URLSafeTimedSerializer

from mailboxes.crm.exporting import csv_lines
from tenants.application import settings_of
from tenants.errors import ConflictError, InvalidError
from tenants.people.import_files import LARGEST_FILE, TAKEN, Verdict, unread_headings
from tenants.people.outcomes import Outcome
from webapp.levels import Level

SHOWN_FOR_SECONDS = 3600


@dataclass(frozen=True)
class Kind:
    """Whose pages they are, and their words. ``column``: what a row says beside its address, and its name.

    ``columns``: those that are read, each with the headings that it is known by.
    """

    level: Level
    place: str
    title: str
    help: str
    column: tuple[str, str]
    columns: Mapping[str, set[str]]
    act: str
    done: str
    people: tuple[str, str]
    next: tuple[str, str]


def rows_page(
    kind: Kind,
    judge: Callable[[bytes], list[Verdict[Any]]],
    kept: Callable[[Any], list[Any]],
    whose: str,
    note: str = "",
) -> ResponseReturnValue:
    """What would become of each row of a file; nothing is saved. ``kept`` of a row comes back to `opened`."""
    verdicts: list[Verdict[Any]] = []
    unread: list[str] = []
    error = ""
    if request.method == "POST":
        content = _uploaded()
        try:
            verdicts = judge(content)
            unread = unread_headings(content, kind.columns)
        except InvalidError as refusal:
            error = refusal.message
    rows = [kept(verdict.row) for verdict in verdicts if verdict.kind == TAKEN]
    page = render_template(
        "people/import.html",
        kind=kind,
        verdicts=verdicts,
        unread=unread,
        count=len(rows),
        shown=_sealed(rows, whose),
        error=error,
        note=note,
    )
    return page, 422 if error else 200


def done_page(kind: Kind, outcomes: list[Outcome], links: Mapping[str, str]) -> str:
    """What became of each of them; links to hand over where the system sends no mail."""
    return render_template("people/imported.html", kind=kind, outcomes=outcomes, links=links)


def opened(whose: str) -> list[list[Any]]:
    """The rows that were shown; `ConflictError` where that is too long ago, or was somebody else."""
    try:
        text = _serializer(whose).loads(request.form.get("shown", ""), max_age=SHOWN_FOR_SECONDS)
    except BadData:
        raise ConflictError("What was shown is too old. Choose the file again.") from None
    rows: list[list[Any]] = json.loads(text)
    return rows


def template_file(name: str, rows: tuple[tuple[str, ...], ...]) -> Response:
    """A file with the headings and an example, to fill in."""
    response = Response("".join(csv_lines(rows[0], rows[1:])), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _uploaded() -> bytes:
    upload = request.files.get("file")
    return upload.read(LARGEST_FILE + 1) if upload is not None else b""


def _sealed(rows: list[list[Any]], whose: str) -> str:
    """Rows as text that only ``whose`` (an id) can send back: what one was shown, nobody else can send."""
    return _serializer(whose).dumps(json.dumps(rows)) if rows else ""


def _serializer(whose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings_of(current_app).secret_key, salt=f"import {whose}")
