"""Templates import what they use, and nothing else."""

import re
from functools import cache
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

FOLDER = Path(__file__).parents[2] / "webapp" / "templates"
TEMPLATES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))


@cache
def tree_of(name):
    return Environment(extensions=["jinja2.ext.do"]).parse((FOLDER / name).read_text())


def imported_by(name):
    found = set()
    for one in tree_of(name).find_all(nodes.FromImport):
        found |= {alias[1] if isinstance(alias, tuple) else alias for alias in one.names}
    return found


@cache
def used_by(name):
    """Names that a template reads, or leaves to what it includes; a part sees what its page imports."""
    used = {one.name for one in tree_of(name).find_all(nodes.Name) if one.ctx == "load"}
    for include in tree_of(name).find_all(nodes.Include):
        for part in include.find_all(nodes.Const):
            used |= used_by(part.value) - imported_by(part.value)
    return used


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_uses_all_that_it_imports(name):
    unused = imported_by(name) - used_by(name)
    assert not unused, f"{name} imports {sorted(unused)}, and does not use it"


def test_pages_write_email_as_their_names_do():
    """My Emails, Email Configuration, email templates: one word, without a hyphen."""
    files = [file for file in FOLDER.parent.rglob("*") if file.suffix in {".html", ".py"}]
    assert len(files) > len(TEMPLATES)
    assert [file.name for file in files if re.search(r"\be-mail", file.read_text(), re.IGNORECASE)] == []
