"""What somebody wrote, apart from what they quoted and how they signed.

Rules over lines, linear and capped, in the languages of the usual mailers; not
``mail-parser-reply``, whose regular expressions are quadratic and which cuts everything below the
first quotation, also an answer that stands there.

`kinds` decides line by line, by `attributions`, `originals` (and their `headers`) and `signatures`; `prose`
tells cheaply which lines none of them has to look at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from mailboxes.quoting.kinds import Kinds
from mailboxes.quoting.lines import Kind

MAXIMUM_LINES = 5_000

__all__ = ["Kind", "Segment", "reply_text", "split"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring lines of one kind."""

    kind: Kind
    text: str


def reply_text(text: str, *, is_answer: bool = True) -> str:
    """What was written anew: without quotations and without the signature.

    A text that is nothing but a quotation, such as a bare forward, is given back whole. Without ``is_answer``
    the message says nowhere that it answers or passes on another: then only what is introduced as a quotation
    is one. A form that lists "From", "Sent" and "To" quotes nobody there.
    """
    kinds = _told_apart(text, is_answer)
    reply = "\n".join([line for kind, line in kinds if kind == "reply"]).strip()
    return reply or text.strip()


def split(text: str, *, is_answer: bool = True) -> tuple[Segment, ...]:
    """All of ``text`` as segments in order, so that a page can fold what is not the reply."""
    groups = groupby(_told_apart(text, is_answer), key=lambda pair: pair[0])
    return tuple([Segment(kind, "\n".join([line for _, line in group])) for kind, group in groups])


def _told_apart(text: str, is_answer: bool) -> Iterator[tuple[Kind, str]]:
    """Each line, and of which kind it is."""
    lines = text.replace("\r\n", "\n").split("\n")
    kinds = Kinds(lines[:MAXIMUM_LINES], is_answer=is_answer).all()
    kinds += kinds[-1:] * (len(lines) - len(kinds))
    return zip(kinds, lines, strict=True)
