"""A list of routing rules while it is being changed: rows of a form, checked row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import request

from mailboxes.routing.deciding import RECIPIENT, Rule
from mailboxes.routing.rules import RuleValues, checked
from tenants.errors import InvalidError
from webapp.records import clean_text, uuid_or_none
from webapp.routing.door import Place

MOST_DRAFTED = 200


@dataclass
class DraftRow:
    """A row as typed; ``error`` says what is wrong with it."""

    id: UUID | None
    place: str
    field: str
    value: str
    organization: str
    is_left_out: bool = False
    error: str = ""

    @classmethod
    def empty(cls) -> "DraftRow":
        """A row for one rule more."""
        return cls(None, "", RECIPIENT, "", "")


def drafts_of(rules: Sequence[Rule], place: Place) -> list[DraftRow]:
    """The stored list as rows."""
    return [
        DraftRow(rule.id, str(number), rule.field, rule.value, place.names.get(rule.organization_id, ""))
        for number, rule in enumerate(rules, 1)
    ]


def typed_drafts() -> list[DraftRow]:
    """The rows of the form that hold something, by the places that were typed."""
    columns = [request.form.getlist(name)[: MOST_DRAFTED + 2] for name in _COLUMNS]
    left_out = set(request.form.getlist("left_out"))
    rows = [
        DraftRow(
            uuid_or_none(id),
            clean_text(place),
            field,
            clean_text(value),
            clean_text(name),
            number in left_out,
        )
        for number, (id, place, field, value, name) in zip(
            map(str, range(MOST_DRAFTED + 2)), zip(*columns, strict=False), strict=False
        )
    ]
    return sorted((row for row in rows if row.value or row.organization), key=_turn)


def checked_drafts(rows: list[DraftRow], place: Place, stored: Sequence[Rule]) -> list[Rule] | None:
    """The rules that these rows make; None if one is wrong, and the row says so."""
    rules: list[Rule] = []
    known = {rule.id: rule for rule in stored}
    for row in rows:
        if row.is_left_out:
            continue
        try:
            rules.append(_checked(row, place, known, rules))
        except InvalidError as error:
            row.error = error.message
    return rules if not any(row.error for row in rows) else None


_COLUMNS = ("id", "place", "field", "value", "organization")


def _checked(row: DraftRow, place: Place, known: dict[UUID | None, Rule], before: list[Rule]) -> Rule:
    stored = known.get(row.id)
    if stored is not None and _is_same(row, stored, place):
        rule = stored  # also if its organization is not served now: it is skipped, and stays
    else:
        values = RuleValues(row.field, row.value, place.organization_of(row.organization))
        valid = checked(values, place.served)
        rule = Rule(valid.field, valid.value, valid.organization_id, row.id if stored is not None else None)
    if any((one.field, one.value) == (rule.field, rule.value) for one in before):
        raise InvalidError("A rule above looks for this already.", field="value")
    return rule


def _is_same(row: DraftRow, stored: Rule, place: Place) -> bool:
    typed = (row.field, row.value, row.organization)
    return typed == (stored.field, stored.value, place.names.get(stored.organization_id, ""))


def _turn(row: DraftRow) -> tuple[bool, int]:
    is_number = row.place.isascii() and row.place.isdigit() and len(row.place) < 6
    return not is_number, int(row.place) if is_number else 0
