"""Every administrative act is on record: what changes something as an administrator reaches `record`."""

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.test_routes import APP, RULES
from tests.recording import NOT_RECORDED, is_administrative

ROOT = Path(__file__).parents[2]
PACKAGES = ("tenants", "mailboxes", "webapp", "workers")
RECORDING = {("tenants.audit", "record"), ("tenants.audit", "record_for_system")}
ADMINISTRATIVE = sorted(
    {
        rule.endpoint
        for rule in RULES
        if rule.methods & {"POST", "PUT", "PATCH", "DELETE"}
        and is_administrative(APP.view_functions[rule.endpoint].guard)
    }
)


@cache
def parsed(module):
    """A module of ours: its definitions, and what its names were imported from; None for another's."""
    if module.partition(".")[0] not in PACKAGES:
        return None
    place = ROOT.joinpath(*module.split("."))
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    if not path.exists():
        return None
    tree = ast.parse(path.read_text())
    defined, imported = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.setdefault(node.name, node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                imported[alias.asname or alias.name] = (node.module, alias.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            defined.setdefault(node.targets[0].id, node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.setdefault(node.target.id, node)
    return defined, imported


def definition(module, name):
    """Where a name of a module is defined, through re-exports; a module itself is (module, None)."""
    known = parsed(module)
    if known is None:
        return None
    defined, imported = known
    if name in defined:
        return module, name
    if name in imported:
        source, original = imported[name]
        if parsed(f"{source}.{original}") is not None:
            return f"{source}.{original}", None
        return definition(source, original)
    return None


@cache
def mentioned(module, name):
    """Definitions that a definition names: ``name`` and ``module.name``."""
    return set(_mentioned(module, parsed(module)[0][name]))


def _mentioned(module, node):
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            found = definition(module, part.id)
            if found is not None and found[1] is not None:
                yield found
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            owner = definition(module, part.value.id)
            if owner is not None and owner[1] is None:
                found = definition(owner[0], part.attr)
                if found is not None and found[1] is not None:
                    yield found


def functions_of(endpoint):
    """The view behind the guard, with the functions that it encloses."""
    view = inspect.unwrap(APP.view_functions[endpoint])
    enclosed = (cell.cell_contents for cell in view.__closure__ or ())
    return [(one.__module__, one.__name__) for one in (view, *enclosed) if inspect.isfunction(one)]


def reaches_the_record(functions):
    """Whether one of these functions names, directly or through others, what adds an entry."""
    waiting, seen = list(functions), set()
    while waiting:
        here = waiting.pop()
        if here in RECORDING:
            return True
        if here in seen:
            continue
        seen.add(here)
        known = parsed(here[0])
        if known is not None and here[1] in known[0]:
            waiting.extend(mentioned(*here))
    return False


@pytest.mark.parametrize("endpoint", [one for one in ADMINISTRATIVE if one not in NOT_RECORDED])
def test_what_an_administrator_changes_is_on_record(endpoint):
    functions = functions_of(endpoint)
    assert reaches_the_record(functions), (
        f"{endpoint} ({functions}) never reaches tenants.audit.record: let the function that changes"
        " something add an entry, or say in tests/recording.py why there is none"
    )


def test_the_list_names_only_routes_that_are_there():
    there = {rule.endpoint for rule in RULES}
    assert {one for one in NOT_RECORDED if one not in there} == set()
