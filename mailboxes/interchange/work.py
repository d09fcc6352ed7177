"""What every section of an application needs: the file, who acts, and where it stands in the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailboxes.interchange.nodes import FileError
from mailboxes.interchange.reading import Document
from mailboxes.interchange.values import Change
from tenants.audit import Actor
from tenants.errors import AppError, InvalidError

# Fields of the forms, where a file has them at another place.
_PLACES = {
    "imap": ("account", "imap"),
    "smtp": ("account", "smtp"),
    "folders": ("account", "folders"),
    "history": ("account", "history"),
    "action": ("processing", "action"),
    "lead": ("processing", "settings"),
    "case": ("processing", "settings"),
    "trusted": ("processing", "trusted_forms"),
    "grants": ("access",),
    "delivery": ("delivery",),
}


@dataclass
class Work:
    """One application of a document; ``place`` is where in the file it is, ``extra`` what only it saw.

    ``keeps``: it is for good; else it is a rehearsal that is undone.
    """

    document: Document
    by: Actor
    place: tuple[str, ...] = ()
    extra: list[Change] = field(default_factory=list)
    keeps: bool = False

    def inside(self, *names: str) -> "Work":
        """The same work on a part of the file."""
        return Work(self.document, self.by, (*self.place, *names), self.extra, self.keeps)

    @contextmanager
    def at(self, *names: str) -> Iterator[None]:
        """What goes wrong in here is told with its line."""
        place = (*self.place, *names)
        try:
            yield
        except InvalidError as error:
            if isinstance(error, FileError):
                raise
            raise self.document.error(place + _parts(error.field), error.message) from error
        except AppError as error:
            raise self.document.error(place, error.message) from error


def _parts(name: str | None) -> tuple[str, ...]:
    first, _, rest = (name or "").partition("_")
    if first in _PLACES:
        return (*_PLACES[first], *([rest] if rest else []))
    return (name,) if name else ()
