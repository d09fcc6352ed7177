"""The pages of lead sources, the same at both levels: the list, one source, and what its buttons do."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from webapp import records
from webapp.configuration.pages import actor
from webapp.lead_sources.forms import NameForm
from webapp.levels import Level
from webapp.versions import OverwritingForm


def list_page(
    level: Level, add: Callable[[str], Any], added: str, known: Callable[[], dict[str, Any]]
) -> ResponseReturnValue:
    """The list, and a form for one more. ``added``: what is said then; ``known``: what the list shows."""
    form = NameForm()
    name = form.name.data or ""
    if form.validate_on_submit() and records.accepts(form, lambda: add(name)):
        return done(level, "lead_source.added", name, added)
    page = render_template("lead_sources/index.html", level=level, form=form, **known())
    return page, 422 if form.errors else 200


def edit_page(
    level: Level,
    source: Any,
    form: OverwritingForm,
    change: Callable[[], object],
    known: Callable[[], dict[str, Any]],
) -> ResponseReturnValue:
    """One source: its name, and whatever else ``form`` asks."""
    before = source.name
    form.who_changed = level.who_changed("lead_source", before)
    if form.validate_on_submit() and records.accepts(form, change):
        name, is_hidden = source.name, source.is_hidden
        words = "was saved" if name == before else f"is called “{name}” now"
        return done(level, "lead_source.renamed", before, words, name=name, hidden=is_hidden)
    page = render_template("lead_sources/edit.html", level=level, form=form, source=source, **known())
    return page, 422 if form.errors else 200


def put_in_order(
    level: Level, command: Callable[[list[Any]], object], names: Sequence[Any]
) -> ResponseReturnValue:
    """The whole order, as it was dragged; answers a script with nothing."""
    command(list(names))
    level.record(actor(), "lead_source.moved", "All")
    level.commit()
    return ("", 204) if request.form.get("quietly") else redirect(level.url("index"))


def move(level: Level, source: Any, command: Callable[..., object]) -> ResponseReturnValue:
    """One place up or down, as the button says."""
    is_up = request.form.get("direction") == "up"
    return done_if(level, lambda: command(source, up=is_up), "lead_source.moved", source, "was moved")


def hide(level: Level, source: Any, command: Callable[..., object], hidden: str) -> ResponseReturnValue:
    """Hidden, or offered again, as the button says. ``hidden``: what is said of a hidden one."""
    is_hidden = request.form.get("hidden") == "1"
    act = "lead_source.hidden" if is_hidden else "lead_source.shown"
    words = hidden if is_hidden else "is offered again"
    return done_if(level, lambda: command(source, is_hidden=is_hidden), act, source, words)


def done_if(
    level: Level, command: Callable[[], object], act: str, source: Any, words: str
) -> ResponseReturnValue:
    """Do something to a source, or say above the list why not."""
    name = source.name
    if records.attempted(command):
        return done(level, act, name, words)
    return redirect(level.url("index"))


def done(level: Level, act: str, source: str, words: str, **after: Any) -> ResponseReturnValue:
    """What was done to a source is on record and in force; the list says so."""
    return recorded(level, act, source, f"“{source}” {words}.", **after)


def recorded(level: Level, act: str, subject: str, sentence: str, **after: Any) -> ResponseReturnValue:
    """The same, in a sentence of its own."""
    level.record(actor(), act, subject, after=after)
    return level.done(sentence)
