"""The record as pages show it, the same for an organization and for the system."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from mailboxes.crm.paging import page
from tenants import audit
from tenants.audit import AuditEntry, Entry, EntryFilter, SystemAuditEntry
from tenants.database import db
from webapp import records
from webapp.configuration.pages import actor

LONGEST = 200  # of a value in the list; the file has it whole


def log_page(table: type[Entry], endpoint: str, tree: list[Any]) -> ResponseReturnValue:
    """Who changed what, from where and when, with what it was and became; newest first."""
    filter = _filter()
    found = page(
        audit.audit_log(table, filter),
        table.at,
        table.id,
        is_descending=True,
        cursor=request.args.get("page", ""),
    )
    return render_template(
        "people/audit.html",
        tree=tree,
        rows=[_row(entry) for entry in found.rows],
        pager=records.pages(f"{endpoint}.index", found),
        index_url=url_for(f"{endpoint}.index"),
        export_url=records.link(f"{endpoint}.export"),
        is_filtered=filter != EntryFilter(),
    )


def log_file(table: type[Entry], keep: Callable[..., None], *, of: str = "") -> Response:
    """The filtered record as a file; that it was taken is on record, too (``keep`` adds the entry)."""
    filter = _filter()
    narrowed = {name: str(value) for name, value in filter.__dict__.items() if value}
    keep(actor(), "audit.exported", "Audit log as CSV", after=narrowed)
    db.session.commit()
    return records.csv_file("audit-log", audit.EXPORT_HEADER, audit.exported(table, filter), of=of)


def _filter() -> EntryFilter:
    words = {name: records.clean_text(request.args.get(name)) for name in ("who", "what", "about")}
    until = _day("until")
    return EntryFilter(
        **words, since=_day("since"), until=until + timedelta(days=1) if until is not None else None
    )


def _day(name: str) -> datetime | None:
    """The beginning of a day in the zone of whoever looks; None if it is no date."""
    try:
        day = date.fromisoformat(request.args.get(name, ""))
        return datetime.combine(day, time(), ZoneInfo(g.get("zone", "UTC")))
    except (ValueError, OverflowError):
        return None


def _row(entry: AuditEntry | SystemAuditEntry) -> dict[str, Any]:
    names = dict.fromkeys([*entry.before, *entry.after])
    return {
        "entry": entry,
        "act": audit.act_in_words(entry.act),
        "changes": [
            (name.replace("_", " "), _shown(entry.before, name), _shown(entry.after, name)) for name in names
        ],
    }


def _shown(values: dict[str, Any], name: str) -> str:
    """A value in words; nothing where there was none."""
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
