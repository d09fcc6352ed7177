"""A description of an installation as nested dictionaries: merged, compared, told apart.

Lists of things are dictionaries by what identifies each thing (a slug, an address, a name), in which
`Ranked` says that the order matters. None is the same as not being there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Description = dict[str, Any]
LONGEST_SHOWN = 60


class Ranked(dict[str, Any]):
    """Things in an order that matters: two are equal only in the same order."""

    __hash__ = None  # as of every dictionary

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, dict) and list(self) == list(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


class Absent:
    """Stands where a file says ``state: absent``."""


ABSENT = Absent()


@dataclass(frozen=True)
class Secret:
    """A secret in clear, equal to another one of the same value; written as ``${name}`` only.

    ``is_given``: it comes from a file, not from the store. Without a ``value`` it cannot be read.
    """

    name: str = field(compare=False)
    value: str | None = field(repr=False)
    is_given: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return "(hidden)"


@dataclass(frozen=True)
class Change:
    """``+`` added, ``~`` changed, ``-`` removed, at a place told by words."""

    sign: str
    place: tuple[str, ...]
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        where = f"{self.sign} {' / '.join(self.place)}"
        if isinstance(self.before, Secret) or isinstance(self.after, Secret):
            return f"{where}: (hidden)"
        if self.sign == "~":
            return f"{where}: {_shown(self.before)} → {_shown(self.after)}"
        value = self.after if self.sign == "+" else self.before
        return where if isinstance(value, dict) else f"{where}: {_shown(value)}"


def merged(current: Any, given: Any) -> Any:
    """What is wanted: ``given`` where it says something, ``current`` where it does not."""
    if not isinstance(given, dict):
        return given
    present = current if isinstance(current, dict) else {}
    keys = _ordered(list(present), list(given), is_ranked=isinstance(given, Ranked))
    kind = Ranked if isinstance(given, Ranked) or isinstance(present, Ranked) else dict
    wanted = {key: merged(present.get(key), given[key]) if key in given else present[key] for key in keys}
    return kind({key: value for key, value in wanted.items() if value is not ABSENT and value is not None})


def free_name(name: str, taken: Mapping[str, Any]) -> str:
    """A second one of the same name is called ``name (2)``, in files that are read and written alike."""
    names = [name, *(f"{name} ({number})" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in names if candidate not in taken)


def _ordered(present: list[str], given: list[str], *, is_ranked: bool) -> list[str]:
    """All keys: those of a ranked ``given`` in its order, each new one behind the one it follows there."""
    if not is_ranked:
        return [*present, *(key for key in given if key not in present)]
    known = iter([key for key in given if key in present])
    order = [next(known) if key in given else key for key in present]
    for index, key in enumerate(given):
        if key in present:
            continue
        if index:
            place = order.index(given[index - 1]) + 1
        else:
            place = min((order.index(one) for one in given if one in order), default=len(order))
        order.insert(place, key)
    return order


def compared(before: Any, after: Any, place: tuple[str, ...] = ()) -> Iterator[Change]:
    """Every difference, the smallest that tells it."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        if before != after:
            yield _difference(before, after, place)
        return
    for key in [*before, *(key for key in after if key not in before)]:
        yield from compared(before.get(key), after.get(key), (*place, str(key)))
    if isinstance(before, Ranked) and _common(before, after) != _common(after, before):
        yield Change("~", (*place, "order"), list(before), list(after))


def _difference(before: Any, after: Any, place: tuple[str, ...]) -> Change:
    if before is None:
        return Change("+", place, None, after)
    return Change("-" if after is None else "~", place, before, after)


def _common(keys: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    return [key for key in keys if key in others]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(one)}" for key, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_shown(one) for one in value) or "(none)"
    text = " ".join(str(value).split())
    return f"{text[:LONGEST_SHOWN]}…" if len(text) > LONGEST_SHOWN else text or "(empty)"
