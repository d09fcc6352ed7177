"""What a person types into the search field, understood. Pure: text in, values out.

Words, ``"phrases"`` and terms ``name:value`` or ``name:"value with spaces"``: ``from: to: subject:``
(contained in), ``in:`` (a mailbox or a kind of folder), ``is:``, ``has:attachment``, ``before:`` (up
to the day before), ``after:`` (from that day on), ``tag:`` (bears it). Whatever is no term is words.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

NAMES = ("from", "to", "subject", "in", "is", "has", "before", "after", "tag")
STATES = (
    "unread",
    "read",
    "open",
    "waiting",
    "done",
    "snoozed",
    "assigned",
    "unassigned",
    "mine",
    "auto-replied",
    "automatic",
)
POSSESSIONS = ("attachment", "draft", "note", "lead", "case")
BOXES = ("inbox", "sent", "drafts", "spam", "trash", "other")
_WITHOUT_CASE = ("is", "has", "in", "before", "after")
LONGEST = 500  # characters that are read
MOST_TERMS = 20

_TERM = re.compile(r'(?:(?P<name>[A-Za-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^\s"]+))')
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


@dataclass(frozen=True)
class Term:
    """One part of a search; ``name`` is empty for words."""

    name: str
    value: str

    def __str__(self) -> str:
        """As a person would type it."""
        needs_quotes = not self.value or re.search(r"\s", self.value) or _looks_like_a_term(self)
        value = f'"{self.value}"' if needs_quotes else self.value
        return f"{self.name}:{value}" if self.name else value


@dataclass(frozen=True)
class Query:
    """A search. ``problems`` says, in sentences, what could not be understood and was left out."""

    terms: tuple[Term, ...] = ()
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a person would type it; `parse_query` of it is this search again."""
        return " ".join(str(term) for term in self.terms)

    def __bool__(self) -> bool:
        """Whether anything is searched for."""
        return bool(self.terms)

    def values(self, name: str) -> tuple[str, ...]:
        """What was said for a name: every one of them must hold."""
        return tuple(term.value for term in self.terms if term.name == name)

    @property
    def words(self) -> tuple[str, ...]:
        """Words and phrases, in order."""
        return self.values("")

    @property
    def before(self) -> date | None:
        """The earliest day named by ``before:``."""
        return min((day for day in map(day_of, self.values("before")) if day), default=None)

    @property
    def after(self) -> date | None:
        """The latest day named by ``after:``."""
        return max((day for day in map(day_of, self.values("after")) if day), default=None)

    def without(self, term: Term) -> "Query":
        """The same search without one of its terms."""
        rest = list(self.terms)
        rest.remove(term)
        return Query(tuple(rest))


def parse_query(text: str) -> Query:
    """Understand what was typed. Never fails: what makes no sense is named in ``problems``."""
    terms: list[Term] = []
    problems: list[str] = []
    composed = unicodedata.normalize("NFC", text[:LONGEST].replace("\0", ""))
    for found in _TERM.finditer(composed):
        term = _term(found)
        if term is None:
            continue
        problem = _problem(term)
        if problem:
            problems.append(problem)
        elif term not in terms and len(terms) < MOST_TERMS:
            terms.append(term)
    return Query(tuple(terms), tuple(problems))


def day_of(text: str) -> date | None:
    """The day (or the first one of a year or month) named by ``2026``, ``2026-05`` or ``2026-05-03``."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None


def _term(found: re.Match[str]) -> Term | None:
    quoted = found["quoted"]
    value = " ".join((quoted if quoted is not None else found["plain"]).split())
    name = (found["name"] or "").lower()
    if name and name not in NAMES:
        return Term("", f"{found['name']}:{value}")
    if not value:
        return None
    if name == "tag":
        value = value.lstrip("# ")
    return Term(name, value.lower() if name in _WITHOUT_CASE else value) if value else None


def _problem(term: Term) -> str:
    if term.name == "is" and term.value not in STATES:
        return f"“is:{term.value}” is not known. Try {', '.join(STATES)}."
    if term.name == "has" and term.value not in POSSESSIONS:
        return f"“has:{term.value}” is not known. Try {', '.join(POSSESSIONS)}."
    if term.name in ("before", "after") and day_of(term.value) is None:
        return f"“{term.value}” is not a day. Write it like 2026-05-03."
    return ""


def _looks_like_a_term(term: Term) -> bool:
    return not term.name and term.value.partition(":")[0].lower() in NAMES and ":" in term.value
