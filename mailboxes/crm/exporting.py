"""Lists as CSV that a spreadsheet may open: nothing a customer wrote is run as a formula (T28)."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

# Also the full-width forms, which some spreadsheets take for the same.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Where spreadsheets split cells at semicolons or tabs, a formula may begin in the middle of ours.
_INNER_FORMULA = re.compile(r"([;\t\r\n][ \u00a0]*+)(?=[=+@＝＋－＠-])")
BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as something else


def csv_lines(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180), one at a time, so that a long list needs no memory."""
    yield BYTE_ORDER_MARK + _line(header)
    for row in rows:
        yield _line(tuple(cell(value) for value in row))


def cell(value: Any) -> str:
    """A value as text; ``'`` before what a spreadsheet would take for a formula."""
    text = _INNER_FORMULA.sub(r"\1'", _text(value))
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return ", ".join(value) if isinstance(value, list) else str(value)


def _line(values: tuple[str, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue()
