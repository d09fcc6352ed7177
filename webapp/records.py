"""What the pages of leads, cases and contacts have in common: filters in the address, forms, files."""

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import (
    Response,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy import Select
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from mailboxes.crm.exporting import csv_lines
from mailboxes.crm.paging import Order, Page
from mailboxes.crm.texts import NOTES_LENGTH
from mailboxes.system_mailboxes import labels_of
from mailboxes.threads import Thread
from tenants.database import db, now
from tenants.errors import AppError, ConflictError, InvalidError
from tenants.people.outcomes import Outcome
from webapp.streaming import streamed

FILTERS = (
    *("status", "q", "owner", "assignee", "source", "priority", "tag", "sort"),
    *("role", "state", "who", "what", "about", "since", "until"),
)
MOST_CONVERSATIONS = 20  # that the page of a record shows
NOBODY = "nobody"  # a filter: without an owner, without an assignee


def storable(text: str | None) -> str | None:
    """What a text field holds, without the characters that a database refuses."""
    return text.replace("\x00", "") if text else text


def clean_text(text: str | None) -> str:
    """The same, without blanks around it."""
    return (storable(text) or "").strip()


def remark_field(label: str, **given: Any) -> TextAreaField:
    """Where people write for one another."""
    return TextAreaField(
        label,
        validators=[
            DataRequired("Write something first."),
            Length(max=NOTES_LENGTH, message="At most 50 000 characters."),
        ],
        filters=[clean_text],
        render_kw={"rows": 3},
        **given,
    )


def accepts(form: FlaskForm, command: Callable[[], Any]) -> bool:
    """Run a command of the domain; a refusal goes to the form field it names, or above the form."""
    try:
        command()
    except AppError as error:
        db.session.rollback()
        name = getattr(error, "field", None)
        if name is not None and name in form:
            form[name].errors = [*form[name].errors, error.message]
        else:
            form.form_errors.append(error.message)
        return False
    return True


def attempted(command: Callable[[], Any]) -> bool:
    """The same of a mere button: a refusal is told on the page that is shown next."""
    try:
        command()
    except (ConflictError, InvalidError) as error:
        db.session.rollback()
        flash(error.message, "error")
        return False
    return True


def id_argument(name: str) -> UUID | None:
    """An id of the address bar; None if there is none or it makes no sense."""
    return uuid_or_none(request.args.get(name, ""))


def uuid_or_none(text: str | None) -> UUID | None:
    """An id from a form."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


def selected_ids() -> list[UUID]:
    """The ticked rows of a bulk form, at most 500."""
    found = (uuid_or_none(text) for text in request.form.getlist("selected")[:500])
    return [id for id in found if id is not None]


def link(endpoint: str, **changes: str) -> str:
    """This list with some of its filters changed, from its first page. No other argument is carried on."""
    kept = {name: request.args.get(name, "") for name in FILTERS} | changes
    query = urlencode({name: value for name, value in kept.items() if value})
    return f"{url_for(endpoint)}?{query}" if query else url_for(endpoint)


def columns(
    endpoint: str, order: Order, headings: Iterable[tuple[str, str]], *, numbers: Container[str] = ()
) -> list[Any]:
    """Headings of a table: (label, name of the order or ""), each with the link that sorts by it.

    The labels in ``numbers`` stand at the right, above their figures.
    """
    return [
        {"label": label, "class": "number"} if label in numbers else _column(endpoint, order, label, name)
        for label, name in headings
    ]


def status_tabs(
    endpoint: str, names: dict[str, str], counts: dict[str, int], current: str
) -> list[dict[str, Any]]:
    """A tab for each status of a list, with how many there are; ``counts`` has one of all under ""."""
    return [
        {
            "label": label,
            "url": link(endpoint, status=status),
            "is_current": status == current,
            "count": counts.get(status, 0),
        }
        for status, label in names.items()
    ]


def pages(endpoint: str, page: Page[Any]) -> dict[str, str]:
    """Links to a page's neighbours, as `pager` takes them."""
    return neighbours(page, lambda cursor: link(endpoint, page=cursor))


def neighbours(page: Page[Any], url: Callable[[str], str]) -> dict[str, str]:
    """The same, where the address of a cursor is made otherwise."""
    links = {"newer_url": page.previous, "older_url": page.next}
    return {name: url(cursor) for name, cursor in links.items() if cursor}


def conversation_rows(query: Select[Thread]) -> list[dict[str, Any]]:
    """Conversations as a record's page shows them; ``query`` holds only what this member may read."""
    threads = db.session.scalars(query.limit(MOST_CONVERSATIONS)).all()
    labels = labels_of({thread.mailbox_id for thread in threads})
    return [
        {
            "subject": thread.subject or "(no subject)",
            "senders": ", ".join(thread.senders),
            "count": thread.message_count,
            "at": thread.last_at,
            "mailbox": labels.get(thread.mailbox_id, ""),
            "url": conversation_url(thread.id),
        }
        for thread in threads
    ]


def conversation_url(thread_id: UUID) -> str:
    """Where a conversation is read."""
    if "mail.conversation" not in current_app.view_functions:
        return ""
    return url_for("mail.conversation", thread_id=thread_id)


def csv_file(
    name: str,
    header: tuple[str, ...],
    rows: Iterator[tuple[Any, ...]],
    *,
    noted: Callable[[], None],
    of: str = "",
) -> Response:
    """A list as a file that is sent while it is read; ``of``: whose, if not the organization's.

    ``noted`` puts on record who takes it, see `streamed`.
    """
    filename = f"{name}-{of or g.organization.slug}-{now():%Y-%m-%d}.csv"
    return streamed(csv_lines(header, rows), filename, "text/csv", noted=noted)


def told(outcomes: list[Outcome], way: list[tuple[str, str]], tree: list[Any]) -> ResponseReturnValue:
    """What became of many people: in a sentence, or as a list where something was refused.

    ``way``: the page above the list and the list, each with its address.
    """
    done = sum(not outcome.error for outcome in outcomes)
    sentence = "1 person changed." if done == 1 else f"{done} people changed."
    if done == len(outcomes):
        flash(sentence if outcomes else "Tick the people first.", "success" if outcomes else "info")
        return redirect(way[-1][1])
    page = render_template("people/outcomes.html", outcomes=outcomes, sentence=sentence, way=way, tree=tree)
    return page, 200 if done else 409


def history_events(changes: Iterable[Any], labels: dict[str, str], noun: str) -> list[dict[str, Any]]:
    """The history of a record as `timeline` shows it."""
    return [
        {
            "name": _headline(change.changes, labels, noun),
            "reason": _sentences(change.changes, labels),
            "who": change.actor_name,
            "at": change.at,
            "icon": "pencil" if change.changes else "plus",
        }
        for change in changes
    ]


def _column(endpoint: str, order: Order, label: str, name: str) -> Any:
    if not name:
        return label
    is_current = order.name == name
    flipped = Order(name, not order.is_descending) if is_current else Order(name, name in _LATEST_FIRST)
    sorted_ = ("desc" if order.is_descending else "asc") if is_current else None
    return {"label": label, "sort_url": link(endpoint, sort=str(flipped)), "sorted": sorted_}


_LATEST_FIRST = {"created", "updated", "reported", "first", "last", "priority"}
_LONG = ("notes", "description", "resolution")


def _headline(changes: dict[str, Any], labels: dict[str, str], noun: str) -> str:
    if not changes:
        return f"{noun} made"
    names = [labels.get(name, name) for name in changes if name != "closed_at"]
    return f"{', '.join(names)} changed" if names else "Changed"


def _sentences(changes: dict[str, Any], labels: dict[str, str]) -> str:
    shown = {name: pair for name, pair in changes.items() if name not in (*_LONG, "closed_at")}
    words = {name: f"{_short(before)} → {_short(after)}" for name, (before, after) in shown.items()}
    if len(words) == 1:
        return next(iter(words.values()))  # the headline names the field
    return "; ".join(f"{labels.get(name, name)}: {text}" for name, text in words.items())


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
    text = text.replace("_", " ") if text == "in_progress" else text
    return (text if len(text) <= 80 else f"{text[:79]}…") or "–"
