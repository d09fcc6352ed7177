"""The quarantine, the same at both levels: what is held back of all mailboxes, and one button for many."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.health.awaiting import why_not_soon
from mailboxes.intake import held
from mailboxes.sync import refetching
from tenants.database import db
from webapp.mailboxes.door import Door
from webapp.records import id_argument, neighbours, selected_ids, uuid_or_none
from workers.queues import ring_intake

TABS = {"": "All", **held.STATES, held.DISMISSED: "Dismissed"}
GIVEN_UP = "Not converted"
MOST_NAMED = 5  # mailboxes that cannot be fetched from now


@dataclass(frozen=True)
class Named:
    """The mailbox that reads an account, as rows and filters name it; one that ``is_going`` has no page."""

    id: UUID
    label: str
    is_going: bool = False


@dataclass(frozen=True)
class Level:
    """Whose quarantine it is. ``note`` records, in words, what somebody did with how many."""

    blueprint: str
    door: Door
    mailboxes: Callable[[set[UUID]], Mapping[UUID, Named]]  # by account
    note: Callable[[str, int], None]
    given_up_count: Callable[[], int] | None = None  # of an organization; the system converts nothing

    def url(self, **arguments: Any) -> str:
        """The list, with what is chosen in it."""
        return _with(url_for(f"{self.blueprint}.index"), arguments)

    def given_up_url(self, **arguments: Any) -> str:
        """The list of what was taken in, and could not be converted and answered."""
        return _with(url_for(f"{self.blueprint}.given_up"), arguments)


def list_page(level: Level) -> ResponseReturnValue:
    """What is held back, newest first: of one state, of one mailbox, or everything."""
    state = request.args.get("state", "")
    state = state if state in TABS else ""
    account = id_argument("account")
    found = held.held_page(state, account, request.args.get("page", ""))
    accounts = held.accounts_with_held()
    named = level.mailboxes({*accounts, *(row.account_id for row in found.rows)})
    return render_template(
        "quarantine/index.html",
        level=level,
        door=level.door,
        rows=found.rows,
        named=named,
        state=state,
        account=account,
        counts=held.held_counts(account),
        whys=why_not_soon({row.account_id for row in found.rows if row.is_asked_for}),
        tabs=tabs_of(level, state, account),
        choices=_choices(named, accounts),
        pager=neighbours(found, lambda cursor: level.url(state=state, account=account, page=cursor)),
    )


def act(level: Level) -> ResponseReturnValue:
    """Process or fetch again: the ticked ones, or all of a mailbox, or all there are."""
    account = uuid_or_none(request.form.get("account"))
    ids = None if request.form.get("everything") else selected_ids()
    back = redirect(level.url(account=account, state=request.form.get("state")))
    if ids == [] or (ids is None and request.form.get("do") in ONLY_TICKED):
        flash("Tick the messages first.", "info")
        return back
    accounts = None if account is None else [account]
    do = request.form.get("do", "")
    if do in ONLY_TICKED:
        ONLY_TICKED[do](level, ids or [])
    else:
        (_fetch if do == "fetch" else _process)(level, accounts, ids)
    return back


def _process(level: Level, accounts: list[UUID] | None, ids: list[UUID] | None) -> None:
    taken = held.process_again(accounts, ids)
    count = sum(taken.values())
    if count:
        level.note("message.processed_again", count)
        db.session.commit()
    for account_id in taken:
        ring_intake(account_id)
    words = f"Messages that are being read again: {count}. What fails once more comes back here."
    flash(words if count else "None of these is in quarantine any more.", "success" if count else "info")


def _fetch(level: Level, accounts: list[UUID] | None, ids: list[UUID] | None) -> None:
    state = request.form.get("state", "")
    states = [state] if state in held.MISSING else held.MISSING
    asked = refetching.fetch_anyway(accounts, ids, states)
    if not asked:
        flash(
            "None of these can be fetched: they are not to be had any more, or were fetched meanwhile.",
            "info",
        )
        return
    level.note("message.fetched_anyway", sum(asked.values()))
    db.session.commit()
    whys = why_not_soon(asked)
    soon = sum(count for account_id, count in asked.items() if account_id not in whys)
    if soon:
        flash(
            f"Messages that are being fetched: {soon}. They appear whole in their conversations.", "success"
        )
    named = level.mailboxes(set(whys))
    for account_id in list(whys)[:MOST_NAMED]:
        label = named[account_id].label if account_id in named else "A mailbox"
        flash(f"{label}: {asked[account_id]} asked for, and not fetched now. {whys[account_id]}", "info")
    if len(whys) > MOST_NAMED:
        flash(f"{len(whys) - MOST_NAMED} more mailboxes are not fetched now, either.", "info")


def _dismiss(level: Level, ids: list[UUID]) -> None:
    count = _kept(level, "message.dismissed", held.dismiss(ids))
    words = f"Messages that are dismissed: {count}. What was fetched of them is kept, under Dismissed."
    flash(words if count else "None of these is held back any more.", "success" if count else "info")


def _bring_back(level: Level, ids: list[UUID]) -> None:
    count = _kept(level, "message.brought_back", held.bring_back(ids))
    words = f"Messages that are back in the list: {count}."
    flash(words if count else "None of these is dismissed any more.", "success" if count else "info")


def _kept(level: Level, action: str, count: int) -> int:
    """On the record and committed, if anything was done."""
    if count:
        level.note(action, count)
        db.session.commit()
    return count


ONLY_TICKED = {"dismiss": _dismiss, "back": _bring_back}


def tabs_of(
    level: Level, state: str = "", account: UUID | None = None, *, is_given_up: bool = False
) -> list[dict[str, Any]]:
    """The states with their numbers; what is rare, only where there is some."""
    counts, dismissed = held.held_counts(account), held.dismissed_count(account)
    numbers = {**counts, "": sum(counts.values()), held.DISMISSED: dismissed}
    tabs = [
        _tab(
            label,
            level.url(state=key, account=account),
            numbers.get(key, 0),
            is_current=key == state and not is_given_up,
        )
        for key, label in TABS.items()
        if key != held.DISMISSED or dismissed or state == key
    ]
    given_up = level.given_up_count() if level.given_up_count is not None else 0
    if given_up or is_given_up:
        tabs.append(_tab(GIVEN_UP, level.given_up_url(), given_up, is_current=is_given_up))
    return tabs


def _tab(label: str, url: str, count: int, *, is_current: bool) -> dict[str, Any]:
    return {"label": label, "url": url, "is_current": is_current, "count": count}


def _with(base: str, arguments: dict[str, Any]) -> str:
    chosen = {name: value for name, value in arguments.items() if value}
    return f"{base}?{urlencode(chosen)}" if chosen else base


def _choices(named: Mapping[UUID, Named], accounts: Mapping[UUID, int]) -> list[tuple[str, str]]:
    """The mailboxes that have some, for the filter."""
    found = [(str(id), f"{named[id].label} ({count})") for id, count in accounts.items() if id in named]
    return [("", "All mailboxes"), *sorted(found, key=lambda one: one[1].casefold())]
