"""The language of email templates: text with ``{{ variables }}`` and ``{% if %}``, and nothing else.

A template is parsed by Jinja2 and then has to pass an allow-list over its syntax tree (reliability T12,
dependencies row 7): no calls, no loops, no look-ups but ``group.variable`` of the catalogue in
`language`. What passes runs in an immutable sandbox on plain strings of bounded length, so that its time
is bounded by the size of the template: there is nothing in the language that repeats or grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Template as CompiledTemplate

from mailboxes.parsing.cleaning import body_text, one_line
from mailboxes.parsing.html_text import text_of_html
from mailboxes.templating.checking import TemplateProblem, check_source, groups_in, problems_of
from mailboxes.templating.language import FILTERS, LONGEST_VALUE, VARIABLES, Kind, environment
from tenants.errors import InvalidError

__all__ = [
    "FILTERS",
    "VARIABLES",
    "Kind",
    "Rendered",
    "TemplateError",
    "TemplateProblem",
    "Values",
    "check_source",
    "groups_in",
    "render_source",
]

Values = Mapping[str, Mapping[str, str]]

LONGEST_SUBJECT = 200
LONGEST_OUTPUT = 200_000


class TemplateError(InvalidError):
    """A template that does not pass the check, or becomes too long."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template with its variables filled in. ``text`` is always there, ``html`` for that kind only."""

    subject: str
    text: str
    html: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing readable is left."""
        return not self.text.strip()


def render_source(kind: Kind, subject: str, content: str, values: Values) -> Rendered:
    """Fill a template in; `TemplateError` if it would not pass the check, or grows too long."""
    context = _context(values)
    line = one_line(_run(subject, context, "plain"))[:LONGEST_SUBJECT]
    output = body_text(_run(content, context, kind))
    if kind == "plain":
        return Rendered(line, output.strip() + "\n")
    return Rendered(line, text_of_html(output, LONGEST_OUTPUT) + "\n", output)


def _context(values: Values) -> dict[str, dict[str, str]]:
    """Every variable of the catalogue and nothing else, as strings of bounded length."""
    return {
        group: {name: str(values.get(group, {}).get(name, "") or "")[:LONGEST_VALUE] for name in members}
        for group, members in VARIABLES.items()
    }


def _run(source: str, context: dict[str, dict[str, str]], kind: Kind) -> str:
    pieces: list[str] = []
    length = 0
    for piece in _compiled(source, kind).generate(context):
        length += len(piece)
        if length > LONGEST_OUTPUT:
            raise TemplateError("The template becomes too long.")
        pieces.append(piece)
    return "".join(pieces)


@lru_cache(maxsize=256)
def _compiled(source: str, kind: Kind) -> CompiledTemplate:
    problems = problems_of("content", source)
    if problems:
        raise TemplateError(str(problems[0]))
    language = environment(kind)
    code = language.compile(language.parse(source))
    return CompiledTemplate.from_code(language, code, {})
