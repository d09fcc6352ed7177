"""The language of e-mail templates: text with ``{{ variables }}`` and ``{% if %}``, and nothing else.

A template is parsed by Jinja2 and then has to pass an allow-list over its syntax tree (reliability T12,
dependencies row 7): no calls, no loops, no look-ups but ``group.variable`` of the catalogue below. What
passes runs in an immutable sandbox on plain strings of bounded length, so that its time is bounded by
the size of the template: there is nothing in the language that repeats or grows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from jinja2 import Template as CompiledTemplate
from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailboxes.parsing.cleaning import body_text, one_line
from mailboxes.parsing.html_text import text_of_html
from tenants.errors import InvalidError

Kind = Literal["html", "plain"]
Part = Literal["subject", "content"]
Values = Mapping[str, Mapping[str, str]]

LONGEST_SOURCE = 50_000  # characters
LONGEST_SUBJECT_SOURCE = 1_000
LONGEST_SUBJECT = 200
LONGEST_VALUE = 2_000
LONGEST_OUTPUT = 200_000
MOST_NODES = 2_000
MOST_FINDINGS = 20  # that are told at once
DEEPEST = 40  # levels of the syntax tree

VARIABLES: dict[str, dict[str, str]] = {
    "message": {
        "subject": "Subject of the message",
        "date": "Date of the message",
        "time": "Time of the message",
    },
    "sender": {
        "name": "Name of the sender, else the address",
        "first_name": "First word of the sender's name",
        "address": "Address of the sender",
    },
    "contact": {
        "name": "Name of the contact",
        "first_name": "First name of the contact",
        "last_name": "Last name of the contact",
        "company": "Company of the contact",
        "phone": "Phone of the contact",
    },
    "lead": {
        "name": "Name of the lead",
        "status": "Status of the lead",
        "owner": "Owner of the lead",
        "source": "Source of the lead",
    },
    "case": {
        "subject": "Subject of the case",
        "status": "Status of the case",
        "priority": "Priority of the case",
        "assignee": "Assignee of the case",
    },
    "mailbox": {
        "label": "Label of the mailbox",
        "address": "Address of the mailbox",
        "signature": "Signature of the mailbox",
    },
    "organization": {
        "name": "Name of the organization",
    },
    "user": {
        "name": "Name of the person who writes (empty in automatic responses)",
        "address": "Address of the person who writes (empty in automatic responses)",
    },
}
FILTERS: dict[str, str] = {
    "upper": "in capital letters",
    "lower": "in small letters",
    "capitalize": "with a capital first letter",
    "title": "with capital first letters",
    "trim": "without space around it",
    "default": "another text where it is empty: default('there')",
    "truncate": "cut to so many characters: truncate(40)",
}
_COMPARISONS = frozenset({"eq", "ne", "in", "notin"})
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Filter,
    nodes.If,
    nodes.Const,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
)
_REFUSALS: dict[type[nodes.Node], str] = {
    nodes.For: "{% for %} is not available",
    nodes.Call: "calls are not available",
    nodes.Getitem: "write the variable with a dot, as in sender.name",
    nodes.Include: "{% include %} is not available",
    nodes.Extends: "{% extends %} is not available",
    nodes.Import: "{% import %} is not available",
    nodes.FromImport: "{% import %} is not available",
    nodes.Macro: "{% macro %} is not available",
    nodes.Block: "{% block %} is not available",
    nodes.Assign: "{% set %} is not available",
    nodes.AssignBlock: "{% set %} is not available",
    nodes.FilterBlock: "{% filter %} is not available",
    nodes.With: "{% with %} is not available",
    nodes.Concat: "joining with ~ is not available: write one variable after the other",
    nodes.Test: "tests with 'is' are not available: write {% if sender.name %}",
}


class TemplateError(InvalidError):
    """A template that does not pass the check, or becomes too long."""


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """What is wrong, in which part and line (from 1), in a sentence that starts with what was written."""

    part: Part
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.sentence}"


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


def insert_list() -> list[tuple[str, str]]:
    """Every variable as ``("{{ sender.name }}", "Name of the sender…")``, in order, to insert."""
    return [
        (f"{{{{ {group}.{name} }}}}", label)
        for group, members in VARIABLES.items()
        for name, label in members.items()
    ]


def groups_in(source: str) -> frozenset[str]:
    """Of which groups a template names variables."""
    tree = _parsed(source)
    if isinstance(tree, _Finding):
        return frozenset()
    return frozenset(node.name for node in tree.find_all(nodes.Name)) & VARIABLES.keys()


def check_source(kind: Kind, subject: str, content: str) -> list[TemplateProblem]:
    """What keeps a template from being saved, in the order of its lines."""
    problems = _problems("subject", subject, LONGEST_SUBJECT_SOURCE)
    if "\n" in subject.strip() or "\r" in subject.strip():
        problems.append(TemplateProblem("subject", 1, "The subject is a single line."))
    problems += _problems("content", content, LONGEST_SOURCE)
    if not content.strip():
        problems.append(TemplateProblem("content", 1, "The content is empty."))
    return problems


def render_source(kind: Kind, subject: str, content: str, values: Values) -> Rendered:
    """Fill a template in; `TemplateError` if it would not pass the check, or grows too long."""
    context = _context(values)
    line = one_line(_run(subject, context, "plain"))[:LONGEST_SUBJECT]
    output = body_text(_run(content, context, kind))
    if kind == "plain":
        return Rendered(line, output.strip() + "\n")
    return Rendered(line, text_of_html(output, LONGEST_OUTPUT) + "\n", output)


def _problems(part: Part, source: str, longest: int) -> list[TemplateProblem]:
    if len(source) > longest:
        return [TemplateProblem(part, 1, f"Use at most {longest} characters.")]
    tree = _parsed(source)
    if isinstance(tree, _Finding):
        return [TemplateProblem(part, tree.line, tree.sentence)]
    lines = source.split("\n")
    return [TemplateProblem(part, found.line, _quoted(lines, found)) for found in _findings(tree)]


@dataclass(frozen=True, slots=True)
class _Finding:
    """A problem, and what in its line it is about (may be empty)."""

    line: int
    sentence: str
    subject: str = ""


def _parsed(source: str) -> nodes.Template | _Finding:
    try:
        return _environment("plain").parse(source)
    except TemplateSyntaxError as error:
        return _Finding(error.lineno, f"This cannot be read: {error.message}")
    except (ValueError, OverflowError, RecursionError):
        return _Finding(1, "This cannot be read: it is nested too deeply, or a number is too long.")


def _findings(tree: nodes.Template) -> list[_Finding]:
    """One walk over the syntax tree: what is in it that may not be."""
    found: dict[_Finding, None] = {}
    pending: list[tuple[nodes.Node, int]] = [(tree, 0)]
    count = 0
    while pending and len(found) < MOST_FINDINGS:
        node, depth = pending.pop()
        count += 1
        if count > MOST_NODES or depth > DEEPEST:
            found[_Finding(node.lineno or 1, "This is too long or nested too deeply.")] = None
            break
        finding = _finding(node)
        if finding is not None:
            found[finding] = None
        elif not isinstance(node, nodes.Getattr):
            pending += [(child, depth + 1) for child in reversed(_below(node))]
    return list(found)


def _below(node: nodes.Node) -> list[nodes.Node]:
    """The children to look at; the arguments of a filter were looked at with it."""
    if isinstance(node, nodes.Filter):
        return [node.node] if node.node is not None else []
    return list(node.iter_child_nodes())


def _finding(node: nodes.Node) -> _Finding | None:
    if type(node) not in _ALLOWED:  # not isinstance: Call is an Expr, as CondExpr is
        sentence = _REFUSALS.get(type(node), "only variables, filters and {% if %} are available")
        return _Finding(node.lineno or 1, sentence)
    check = _CHECKS.get(type(node))
    found = check(node) if check else None
    return _Finding(node.lineno or 1, found[0], found[1]) if found else None


def _name(node: nodes.Name) -> tuple[str, str] | None:
    if node.name not in VARIABLES:
        return _unknown(node.name)
    first = next(iter(VARIABLES[node.name]))
    return f"{node.name} is no variable by itself: write {node.name}.{first}", node.name


def _getattr(node: nodes.Getattr) -> tuple[str, str] | None:
    path = _path(node)
    if path is None:
        return "only variables have parts, as in sender.name", f".{node.attr}"
    group, _, name = path.partition(".")
    return None if name in VARIABLES.get(group, {}) else _unknown(path)


def _filter(node: nodes.Filter) -> tuple[str, str] | None:
    if node.name not in FILTERS:
        near = difflib.get_close_matches(node.name, FILTERS, 1)
        hint = f"; did you mean {near[0]}?" if near else f": there are {', '.join(FILTERS)}"
        return f"there is no filter {node.name}{hint}", node.name
    if node.node is None:
        return "a filter needs a variable before it", node.name
    return _wrong_arguments(node)


def _constant(node: nodes.Const) -> tuple[str, str] | None:
    if isinstance(node.value, str):
        return None
    return "compare with text in quotation marks, such as 'new'", ""


def _compare(node: nodes.Compare) -> tuple[str, str] | None:
    if not all(operand.op in _COMPARISONS for operand in node.ops):
        return "only ==, !=, in and not in compare", ""
    sides = [node.expr, *(operand.expr for operand in node.ops)]
    if all(type(side) in (nodes.Getattr, nodes.Const, nodes.Filter, nodes.Name) for side in sides):
        return None
    return "only variables and text can be compared", ""


def _choice(node: nodes.CondExpr) -> tuple[str, str] | None:
    return None if node.expr2 is not None else ("write what else to show: 'a' if … else 'b'", "")


_CHECKS: dict[type[nodes.Node], Callable[..., tuple[str, str] | None]] = {
    nodes.Name: _name,
    nodes.Getattr: _getattr,
    nodes.Filter: _filter,
    nodes.Const: _constant,
    nodes.Compare: _compare,
    nodes.CondExpr: _choice,
}


def _path(node: nodes.Getattr) -> str | None:
    """``group.name`` as it is written, if the chain starts at a name."""
    names = [node.attr]
    below: nodes.Node = node.node
    while isinstance(below, nodes.Getattr):
        names.append(below.attr)
        below = below.node
    if not isinstance(below, nodes.Name):
        return None
    return ".".join([below.name, *reversed(names)])


def _unknown(path: str) -> tuple[str, str]:
    known = [f"{group}.{name}" for group, members in VARIABLES.items() for name in members]
    near = difflib.get_close_matches(path[:100], known, 1, 0.7)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no variable {path[:100]}{hint}", path


def _wrong_arguments(node: nodes.Filter) -> tuple[str, str] | None:
    values = [argument.value for argument in node.args if isinstance(argument, nodes.Const)]
    is_plain = len(values) == len(node.args) and not node.kwargs
    if not is_plain or node.dyn_args is not None or node.dyn_kwargs is not None:
        return f"{node.name} takes plain values only", node.name
    sentence = _ARGUMENTS.get(node.name, _no_argument)(values)
    return (sentence.format(name=node.name), node.name) if sentence else None


def _no_argument(values: list[object]) -> str:
    return "{name} takes no value" if values else ""


def _one_text(values: list[object]) -> str:
    is_right = len(values) == 1 and isinstance(values[0], str)
    return "" if is_right else "write {name} with a text: {name}('there')"


def _one_number(values: list[object]) -> str:
    is_right = len(values) == 1 and type(values[0]) is int and 1 <= values[0] <= LONGEST_VALUE
    return "" if is_right else f"write {{name}} with a number from 1 to {LONGEST_VALUE}: {{name}}(40)"


_ARGUMENTS = {"default": _one_text, "truncate": _one_number}


def _quoted(lines: list[str], found: _Finding) -> str:
    """The sentence after the tag it is about, as it was written."""
    text = lines[found.line - 1] if 0 < found.line <= len(lines) else ""
    tag = next((tag for tag in _tags(text) if found.subject in tag), "")
    return f"{tag}: {found.sentence}" if tag else found.sentence[:1].upper() + found.sentence[1:]


def _tags(text: str) -> Iterator[str]:
    for opening, closing in (("{{", "}}"), ("{%", "%}")):
        for piece in text.split(opening)[1:]:
            inside, end, _ = piece.partition(closing)
            if end:
                yield f"{opening}{inside}{closing}"[:120]


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
    problems = _problems("content", source, LONGEST_SOURCE)
    if problems:
        raise TemplateError(str(problems[0]))
    environment = _environment(kind)
    code = environment.compile(environment.parse(source))
    return CompiledTemplate.from_code(environment, code, {})


@lru_cache(maxsize=2)
def _environment(kind: Kind) -> ImmutableSandboxedEnvironment:
    """Autoescape for HTML only; no globals, no tests, and our few filters."""
    environment = ImmutableSandboxedEnvironment(autoescape=kind == "html", keep_trailing_newline=True)
    kept = {name: environment.filters[name] for name in FILTERS if name in environment.filters}
    environment.filters.clear()
    environment.filters.update(kept)
    environment.filters["default"] = _default
    environment.filters["truncate"] = _truncate
    environment.globals.clear()
    environment.tests.clear()
    return environment


def _default(value: object, other: str) -> str:
    text = str(value)
    return text if text.strip() else other


def _truncate(value: object, length: int) -> str:
    text = str(value)
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
