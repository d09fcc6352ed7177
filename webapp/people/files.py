"""What people from a file have in common: the rows that were shown, sealed, and a template to begin with."""

import json
from typing import Any

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer

from mailboxes.crm.exporting import csv_lines
from tenants.errors import ConflictError

SHOWN_FOR_SECONDS = 3600


def uploaded() -> bytes:
    """The file that came with the form."""
    upload = request.files.get("file")
    return upload.read() if upload is not None else b""


def sealed(rows: list[list[Any]], whose: str) -> str:
    """Rows as text that only ``whose`` (an id) can send back: what one was shown, nobody else can send."""
    return _serializer(whose).dumps(json.dumps(rows)) if rows else ""


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


def _serializer(whose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt=f"import {whose}")
