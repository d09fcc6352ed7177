"""The record as pages show it, the same for an organization and for the system."""

import re
from collections.abc import Iterator, Sequence
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from mailboxes.crm.paging import searched_page, searched_through
from tenants import audit
from tenants.audit import Entry, EntryFilter
from tenants.configuration.catalog import CATALOG
from tenants.permissions import PERMISSIONS
from webapp import records
from webapp.changes import field_in_words
from webapp.configuration.pages import actor
from webapp.filters import absolute_time
from webapp.levels import Level
from webapp.people.audit_names import with_names

LONGEST = 200  # of a value in the list; the file has it whole
MOST_LOOKS = 50  # of a search for a file: at a million entries
SHOWN_AT_ONCE = 4  # values of an entry; the others are folded
STOPPED = (
    "The search stopped here",
    "Older entries were not looked at. Choose this day under “To” and export again.",
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[\d:.]*(\+\d\d:\d\d|Z)$")


def log_page(level: Level, table: type[Entry]) -> ResponseReturnValue:
    """Who changed what, from where and when, with what it was and became; newest first."""
    filter = _filter()
    found = searched_page(
        audit.entries_of_time(table, filter),
        audit.has_words(table, filter),
        table.at,
        table.id,
        is_descending=True,
        cursor=request.args.get("page", ""),
    )
    return render_template(
        "people/audit.html",
        level=level,
        rows=_rows(found.rows, of_system=level.is_system),
        shown_at_once=SHOWN_AT_ONCE,
        pager=records.pages(f"{level.blueprint}.index", found),
        searched_to=found.searched_to,
        first_url=records.link(f"{level.blueprint}.index"),
        export_url=records.link(f"{level.blueprint}.export"),
        is_filtered=filter != EntryFilter(),
    )


def log_file(level: Level, table: type[Entry]) -> Response:
    """The filtered record as a file; that it was taken is on record, too."""
    filter = _filter()
    narrowed = {name: str(value) for name, value in filter.__dict__.items() if value}
    return records.csv_file(
        "audit-log",
        audit.EXPORT_HEADER,
        _lines(table, filter),
        noted=lambda: level.record(actor(), "audit.exported", "Audit log as CSV", after=narrowed),
        of="system" if level.is_system else "",
    )


def _lines(table: type[Entry], filter: EntryFilter) -> Iterator[tuple[Any, ...]]:
    """The lines of the file, newest first; the last one says where a search had to stop."""
    for page in searched_through(
        audit.entries_of_time(table, filter),
        audit.has_words(table, filter),
        table.at,
        table.id,
        is_descending=True,
        looks=MOST_LOOKS,
    ):
        yield from map(audit.as_exported, page.rows)
        if page.searched_to is not None:
            yield page.searched_to, "", "", *STOPPED, "", ""


def _filter() -> EntryFilter:
    words = {name: records.clean_text(request.args.get(name)) for name in ("who", "what", "about")}
    until = _day("until")
    return EntryFilter(
        **words, since=_day("since"), until=until + timedelta(days=1) if until is not None else None
    )


def _day(name: str) -> datetime | None:
    """The beginning of a day in the zone of whoever looks; None if it is no date, or of no time of ours."""
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    is_ours = MINYEAR < day.year < MAXYEAR  # the first and last days of all time have no other zones
    return datetime.combine(day, time(), ZoneInfo(g.get("zone", "UTC"))) if is_ours else None


def _rows(entries: Sequence[Entry], *, of_system: bool) -> list[dict[str, Any]]:
    changes = [_changes(entry) for entry in entries]
    texts = [text for some in changes for _, *values in some for text in values]
    named: dict[str, str] = with_names(texts, of_system=of_system)
    return [
        {
            "entry": entry,
            "act": audit.act_in_words(entry.act),
            "subject": _subject(entry),
            "changes": [
                (name, *(_short(named.get(text, text)) for text in values)) for name, *values in some
            ],
        }
        for entry, some in zip(entries, changes, strict=True)
    ]


def _changes(entry: Entry) -> list[tuple[str, str, str]]:
    """What each value was and became. Of what was just made, only what it says."""
    names = dict.fromkeys([*entry.before, *entry.after])
    changes = [
        (field_in_words(name), _in_words(entry.before.get(name)), _in_words(entry.after.get(name)))
        for name in names
    ]
    return changes if entry.before else [change for change in changes if change[2] not in ("", "none", "no")]


def _in_words(value: Any) -> str:
    """A value in words; nothing where there was none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "none"
    if isinstance(value, dict):
        if set(value) == {"value"}:
            return _in_words(value["value"])
        said = [f"{field_in_words(name)}: {_in_words(one)}" for name, one in value.items() if name != "key"]
        return ", ".join(said) or "none"
    return PERMISSIONS.get(value) or _moment(str(value))


def _subject(entry: Entry) -> str:
    """What it was about; settings by their names."""
    return ", ".join(field_in_words(one) if one in CATALOG else one for one in entry.subject.split(", "))


def _moment(text: str) -> str:
    if not _MOMENT.match(text):
        return text
    return absolute_time(datetime.fromisoformat(text))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
