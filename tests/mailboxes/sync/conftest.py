"""A mailbox behind the scripted server."""

from typing import Any

import pytest

from tests.factories import World
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.scripted import Scripted


@pytest.fixture
def scripted(app: Any, imap_server: ScriptedImap, ours: World, inside: Any) -> Scripted:
    return Scripted(app, imap_server, ours, inside)
