"""Text on which a regular expression would run in circles, made from the expression itself.

For each repetition in a pattern: what has to come before it, one character very often (or what is repeated),
and an end that spoils the match. Whatever backtracks more than once over a run shows it on one of these.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import re._constants as codes
import re._parser as parser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

RUNS = (
    " ",
    "\t",
    "-",
    "a",
    "0",
    ".",
    "@",
    "(",
    "<",
    "[",
    "[]",
    '"',
    '\\" ',
    "\\(",
    "=",
    "=? ",
    ",",
    "\r",
    "\n",
)
ENDS = ("", "x", "\rX", "é")
METHODS = frozenset({"match", "search", "fullmatch", "sub", "subn", "findall", "finditer", "split"})
MOST_STARTS = 8


@dataclass(frozen=True, slots=True)
class Expression:
    """A pattern of a module, and how the module asks it."""

    module: str
    name: str
    pattern: "re.Pattern[Any]"
    methods: tuple[str, ...]

    def ask(self, method: str, subject: str) -> None:
        """Run it over a text, as the module does."""
        data: Any = subject.encode("utf-8") if isinstance(self.pattern.pattern, bytes) else subject
        ask = getattr(self.pattern, method)
        if method in ("sub", "subn"):
            ask(data[:0], data)
        elif method == "finditer":
            for _ in ask(data):
                pass
        else:
            ask(data)


def expressions(*packages: str) -> list[Expression]:
    """Each compiled pattern of these modules and all below them, also those written where they are used."""
    return [one for name in packages for module in _modules(name) for one in _of(module)]


@dataclass(frozen=True, slots=True)
class Attack:
    """A text of any length."""

    start: str
    run: str
    end: str

    def text(self, length: int) -> str:
        """About so many characters."""
        return (
            self.start
            + self.run * max((length - len(self.start) - len(self.end)) // len(self.run), 1)
            + self.end
        )


def attacks(pattern: "re.Pattern[Any]") -> Iterator[Attack]:
    """What this pattern may not like."""
    tree = list(_tree(pattern))
    starts: dict[str, None] = {"": None}
    runs: dict[str, None] = dict.fromkeys(RUNS)
    for before, body in _repetitions(tree, ""):
        starts[before] = None
        runs[body or "a"] = None
    whole = _sample(tree)
    runs[whole or "a"] = None
    for start in list(starts)[:MOST_STARTS]:
        runs[start or "a"] = None
        for run in list(runs):
            yield from (Attack(start, run, end) for end in ENDS)


def _modules(name: str) -> Iterator[Any]:
    module = importlib.import_module(name)
    yield module
    for info in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        yield importlib.import_module(info.name)


def _of(module: Any) -> Iterator[Expression]:
    tree = ast.parse(inspect.getsource(module))
    asked: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and isinstance(node.value, ast.Name):
            asked.setdefault(node.value.id, set()).add(node.attr)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            yield from _written_in_place(module.__name__, node)
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern) and re.search(
            rf"^{name}\b.*= re\.compile", inspect.getsource(module), re.MULTILINE
        ):
            methods = asked.get(name) or {"match", "search"}
            yield Expression(module.__name__, name, value, tuple(sorted(methods)))


def _written_in_place(module: str, call: ast.Call) -> Iterator[Expression]:
    method = ast.unparse(call.func).removeprefix("re.")
    if method in METHODS and isinstance(call.args[0], ast.Constant):
        yield Expression(module, ast.unparse(call.args[0]), re.compile(call.args[0].value), (method,))


def loses_its_place(pattern: "re.Pattern[Any]") -> bool:
    """Whether a round of ``(?:…)*+`` may fail where it has looked ahead or tried several ways.

    Before 3.11.5, and so in Debian 12, Python then goes on from where it has looked, and not from where the
    round began; ``(?>…)*+`` says the same and goes back (gh-106052).
    """
    return any(_is_tried(body) for body in _repeated_possessively(list(_tree(pattern))))


def _tree(pattern: "re.Pattern[Any]") -> Any:
    source = pattern.pattern
    return parser.parse(source.decode("latin-1") if isinstance(source, bytes) else source, pattern.flags)


def _repeated_possessively(items: list[Any]) -> Iterator[list[Any]]:
    for code, argument in items:
        if code is codes.POSSESSIVE_REPEAT:
            yield list(argument[2])
        for inner in _inside(code, argument):
            yield from _repeated_possessively(inner)


def _is_tried(body: list[Any]) -> bool:
    """Neither one character nor an atomic group."""
    one = (codes.ATOMIC_GROUP, codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY)
    return len(body) != 1 or body[0][0] not in one


def _repetitions(items: list[Any], before: str) -> Iterator[tuple[str, str]]:
    """What comes before each repetition of the tree, and one round of what it repeats."""
    for code, argument in items:
        for inner in _inside(code, argument):
            yield from _repetitions(inner, before)
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            yield before, _sample(list(argument[2]))
        before += _sample([(code, argument)])


def _inside(code: Any, argument: Any) -> list[list[Any]]:
    if code is codes.BRANCH:
        return [list(one) for one in argument[1]]
    if code is codes.SUBPATTERN:
        return [list(argument[3])]
    if code is codes.ATOMIC_GROUP:
        return [list(argument)]
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return [list(argument[2])]
    return []


def _sample(items: list[Any]) -> str:
    """A text that these items match, more or less."""
    return "".join(_sample_of(code, argument) for code, argument in items)


def _sample_of(code: Any, argument: Any) -> str:
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.NOT_LITERAL:
        return "a" if argument != ord("a") else "b"
    if code is codes.ANY:
        return "a"
    if code is codes.IN:
        return _member(argument)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return _sample(list(argument[2])) * max(argument[0], 1 if argument[1] == 1 else argument[0])
    inside = _inside(code, argument)
    return _sample(inside[0]) if inside else ""


def _member(choices: list[Any]) -> str:
    """A character of a class."""
    pattern = parser.SubPattern(parser.State(), [(codes.IN, choices)])
    compiled = re._compiler.compile(pattern)  # type: ignore[attr-defined]
    return next(
        (chr(number) for number in (*range(97, 123), *range(32, 127), 9, 10) if compiled.match(chr(number))),
        "é",
    )
