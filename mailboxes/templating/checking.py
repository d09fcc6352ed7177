"""The allow-list over the syntax tree of a template, and what is wrong with one, in sentences."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from jinja2 import TemplateSyntaxError, nodes

from mailboxes.templating.language import FILTERS, LONGEST_VALUE, VARIABLES, environment

Part = Literal["subject", "content"]

LONGEST_SOURCE = 50_000  # characters
LONGEST_SUBJECT_SOURCE = 1_000
MOST_NODES = 2_000
MOST_FINDINGS = 20  # that are told at once
DEEPEST = 40  # levels of the syntax tree

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


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """What is wrong, in which part and line (from 1), in a sentence that starts with what was written."""

    part: Part
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.sentence}"


def check_source(subject: str, content: str) -> list[TemplateProblem]:
    """What keeps a template from being saved, in the order of its lines."""
    problems = problems_of("subject", subject, LONGEST_SUBJECT_SOURCE)
    if "\n" in subject.strip() or "\r" in subject.strip():
        problems.append(TemplateProblem("subject", 1, "The subject is a single line."))
    problems += problems_of("content", content, LONGEST_SOURCE)
    if not content.strip():
        problems.append(TemplateProblem("content", 1, "The content is empty."))
    return problems


def groups_in(source: str) -> frozenset[str]:
    """Of which groups a template names variables."""
    tree = _parsed(source)
    if isinstance(tree, _Finding):
        return frozenset()
    return frozenset(node.name for node in tree.find_all(nodes.Name)) & VARIABLES.keys()


def problems_of(part: Part, source: str, longest: int = LONGEST_SOURCE) -> list[TemplateProblem]:
    """The same of one part."""
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
        return environment("plain").parse(source)
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
