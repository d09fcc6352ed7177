"""Passes over servers that are not Dovecot: what they do differently costs no message, no flag, no hour."""

from typing import Any

import pytest

from tests.factories import World
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.scripted import Scripted


@pytest.fixture
def scripted(app: Any, imap_server: ScriptedImap, ours: World, inside: Any) -> Scripted:
    return Scripted(app, imap_server, ours, inside)


def test_a_next_uid_that_is_counted_from_what_is_left_costs_a_look_at_a_few(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.reusing.FIRST_SUSPECTS", 2)
    folder = scripted.server.folder()
    for number in range(6):
        scripted.add(f"Number {number}")
    scripted.sync()
    folder.remove(6)
    folder.uid_next = 6
    scripted.server.commands.clear()
    assert scripted.sync().vanished_count == 1
    asked = [one.arguments for one in scripted.server.commands if b"INTERNALDATE" in one.arguments]
    assert [arguments.split()[0] for arguments in asked] == [b"4:5"]
    scripted.settle()
