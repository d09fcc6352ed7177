"""The docs mention what there is."""

import re
from pathlib import Path

import pytest

from commands.program import COMMANDS
from tenants.configuration.catalog import CATALOG
from workers.queues import QUEUES

ROOT = Path(__file__).parents[2]
CODE = ("tenants", "mailboxes", "workers", "webapp", "embedded", "commands")


def text_of(*names):
    return "\n".join((ROOT / name).read_text() for name in names)


def variables():
    found = set()
    for package in CODE:
        for path in (ROOT / package).rglob("*.py"):
            found |= set(re.findall(r"[\"'](POSTROOM_[A-Z0-9_]+[A-Z0-9])[\"']", path.read_text()))
    return sorted(found)


@pytest.mark.parametrize("key", CATALOG)
def test_the_docs_mention_every_configuration_key(key):
    assert f"`{key}`" in text_of("docs/configuration.md"), f"describe {key} in docs/configuration.md"


@pytest.mark.parametrize("queue", QUEUES)
def test_the_docs_mention_every_queue(queue):
    assert f"`{queue}`" in text_of("docs/operations.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_docs_mention_every_command(command):
    assert f"postroom {command}" in text_of("docs/operations.md")


@pytest.mark.parametrize("variable", variables())
def test_the_docs_mention_every_environment_variable(variable):
    assert f"`{variable}`" in text_of("docs/operations.md"), f"describe {variable} in docs/operations.md"


DOCUMENTS = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))]


def anchors_of(path):
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text()):
        there = path.parent / target if target else path
        assert there.exists(), f"{path.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors_of(there), f"{path.name} links to #{anchor} of {there.name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_documents_name_are_there(path):
    named = re.findall(
        r"`((?:tenants|mailboxes|workers|webapp|migrations|tests|docs)/[\w./-]*)`", path.read_text()
    )
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]
    assert not missing, f"{path.name} names what is not there: {missing}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_documents_name_can_be_typed(path):
    text = path.read_text()
    measured = {one.stem for one in (ROOT / "benchmarks").glob("*.py")}
    typed = set(re.findall(r"^ *([a-z]+)[ |a-z-]*\)$", (ROOT / "dev").read_text(), re.MULTILINE))
    assert set(re.findall(r"\./dev ([a-z]+)", text)) <= typed
    assert set(re.findall(r"\./dev bench ([a-z]+)", text)) <= measured
    assert set(re.findall(r"(?:`|bin/)postroom ([a-z-]+)", text)) <= set(COMMANDS)


def test_each_decision_has_a_number_of_its_own_in_its_name_and_title():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:5] for path in decisions] == [f"{n:04}-" for n in range(1, len(decisions) + 1)]
    for path in decisions:
        assert path.read_text().startswith(f"# {path.name[:4]} "), path.name


def test_the_script_lists_every_one_of_its_commands():
    script = (ROOT / "dev").read_text()
    for name in ("demo", "test", "run", "lint", "bench", "migrate", "shell", "help"):
        assert re.search(rf"^\s*{name}\b.*\)|^{name}\(\)", script, re.MULTILINE), f"./dev {name} is missing"


@pytest.mark.parametrize("key", CATALOG)
def test_every_setting_is_read_by_the_code_behind_it(key):
    others = [
        path for package in CODE for path in (ROOT / package).rglob("*.py") if path.name != "catalog.py"
    ]
    assert any(f'"{key}"' in path.read_text() for path in others), f"{key} is a dummy: nothing reads it"


@pytest.mark.parametrize(
    "word",
    [
        "Organization",
        "User",
        "Membership",
        "Role",
        "Account",
        "Mailbox",
        "Folder",
        "Raw",
        "Arrival",
        "Location",
        "Message",
        "Thread",
        "Conversion",
        "Lead",
        "Case",
        "Contact",
        "LeadSource",
        "Channel",
        "AutoResponseRule",
        "Template",
        "AutomaticResponse",
        "Outgoing",
        "Event",
        "Draft",
        "Invitation",
        "ApiToken",
        "Notice",
    ],
)
def test_the_glossary_explains_every_class_people_speak_of(word):
    assert f"`{word}`" in text_of("docs/glossary.md")


def test_the_tests_that_security_names_are_there():
    text = (ROOT / "docs" / "security.md").read_text()
    rows = [line.rsplit("|", 2)[1] for line in text.splitlines() if line.startswith("| ")][1:]
    for row in rows:
        folder = ""
        for name in re.findall(r"`([^`]+)`", row):
            path = name if "/" in name else f"{folder}/{name}"
            folder = path.rpartition("/")[0]
            assert list(ROOT.glob(path.rstrip("/"))), f"docs/security.md names {path}, which is not there"
