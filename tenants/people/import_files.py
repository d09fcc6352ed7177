"""Files with one row for a person, as spreadsheets write them; what the rows mean is said elsewhere.

CSV in UTF-8, UTF-16 with a byte order mark, or Windows-1252; split by commas, semicolons or tabs. The first
row names the columns.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tenants.errors import InvalidError

LARGEST_FILE = 512 * 1024
MOST_ROWS = 1000
LONGEST_CELL = 320
DELIMITERS = ",;\t"
TAKEN, KNOWN, ERROR = "taken", "known", "error"
ADDRESSES = {"address", "email", "e-mail", "e-mail address", "email address", "mail"}


@dataclass(frozen=True)
class Line:
    """A row below the first: its number in the file, and its cells by column."""

    number: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """What a cell says; nothing where the file has no such column."""
        return self.cells.get(column, "")


class PersonRow(Protocol):
    """What rows of every such file have."""

    @property
    def line(self) -> int: ...
    @property
    def address(self) -> str: ...


Row = TypeVar("Row", bound=PersonRow)
Standing = tuple[str, str]  # a kind of verdict with its words


@dataclass(frozen=True)
class Verdict(Generic[Row]):
    """What will become of a row: taken, known (nothing to do) or error; ``words`` say it."""

    row: Row
    kind: str
    words: str


def judged(
    rows: Sequence[Row],
    checked: Callable[[Row], Row],
    standing: Callable[[Row, str], Standing | None],
    words: Callable[[Row], str],
) -> list[Verdict[Row]]:
    """Each row: wrong, the same as one before, known already (under its address or as written), or taken.

    ``checked`` gives a row as it is stored, or raises `InvalidError`.
    """
    first: dict[str, int] = {}

    def verdict(row: Row) -> Verdict[Row]:
        try:
            taken = checked(row)
        except InvalidError as error:
            return Verdict(row, ERROR, error.message)
        line = first.setdefault(taken.address, row.line)
        if line != row.line:
            return Verdict(row, ERROR, f"Line {line} has the same address. Keep one of them.")
        known = standing(taken, row.address.lower())
        return Verdict(row, *known) if known is not None else Verdict(taken, TAKEN, words(taken))

    return [verdict(row) for row in rows]


def read_lines(content: bytes, columns: Mapping[str, set[str]]) -> list[Line]:
    """The rows of a file by column, each known by several headings; ``address`` must be there.

    `InvalidError` where the file cannot be read, with what to do.
    """
    if len(content) > LARGEST_FILE:
        raise InvalidError(
            f"The file is larger than {LARGEST_FILE // 1024} KB. Split it into several files.", field="file"
        )
    rows = _rows_of(_decoded(content))
    places = _places(rows[0] if rows else [], columns)
    if "address" not in places:
        others = ", ".join(name for name in columns if name != "address")
        words = f"The first row must name the columns: address, and if you like {others}."
        raise InvalidError(words, field="file")
    lines = [
        Line(number, {name: _cell(cells, place) for name, place in places.items()})
        for number, cells in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in cells)
    ]
    if not lines:
        raise InvalidError("There is nobody in the file: it has no row below the first.", field="file")
    if len(lines) > MOST_ROWS:
        raise InvalidError(
            f"The file has more than {MOST_ROWS} rows. Split it into several files.", field="file"
        )
    return lines


def unread_headings(content: bytes, columns: Mapping[str, set[str]]) -> list[str]:
    """What the first row of a file that `read_lines` took names and nobody reads, as it is written."""
    known = set().union(*columns.values())
    names = [name.strip() for name in _rows_of(_decoded(content))[0]]
    return [name[:LONGEST_CELL] for name in names if name and name.casefold() not in known]


def _rows_of(text: str) -> list[list[str]]:
    header, _, _ = text.partition("\n")
    delimiter = max(DELIMITERS, key=header.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        words = "The file cannot be read as CSV. Look for a quotation mark that is not closed."
        raise InvalidError(words, field="file") from None


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ["utf-16"] if is_utf16 else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InvalidError("This is no text file. Save the list as CSV (UTF-8).", field="file")


def _places(header: list[str], columns: Mapping[str, set[str]]) -> dict[str, int]:
    names = [name.strip().casefold() for name in header]
    found = {column: [names.index(one) for one in known if one in names] for column, known in columns.items()}
    return {column: min(places) for column, places in found.items() if places}


def _cell(cells: list[str], place: int) -> str:
    """A cell without the mark by which our own files keep a spreadsheet from running it."""
    text = cells[place].strip() if place < len(cells) else ""
    return text.removeprefix("'")[:LONGEST_CELL]
