"""The scripts that a developer and the build machine run."""

import re
import shutil
import subprocess

import pytest

from embedded.processes import PROJECT
from tests.services import missing

SCRIPT = PROJECT / "dev"
COMMANDS = re.findall(r"^  ([a-z]+)\)$", SCRIPT.read_text(), re.MULTILINE)


def said_by(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, cwd="/")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_command(command):
    assert re.search(rf"^\./dev {command}\b", said_by("help").stdout, re.MULTILINE)


def test_the_promised_commands_are_there():
    promised = {"demo", "test", "run", "lint", "bench", "migrate", "shell"}
    assert promised <= set(COMMANDS)


def test_an_unknown_command_is_refused_with_the_list():
    told = said_by("dance")
    assert told.returncode == 2
    assert "./dev dance: there is no such command." in told.stderr
    assert "./dev demo" in told.stderr


@pytest.mark.parametrize("script", ["dev", ".ci/run"])
def test_shellcheck_finds_nothing_in(script):
    if shutil.which("shellcheck") is None:
        missing("shellcheck", "apt-get install -y shellcheck")
    told = subprocess.run(["shellcheck", PROJECT / script], capture_output=True, text=True)
    assert told.stdout == ""


def test_the_build_machine_runs_the_test_command_of_the_readme():
    lines = (PROJECT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec ./dev test"
    assert "export CI=true" in lines
