"""What the demo refuses before it begins, and that its sample can be read."""

import socket
import sys

import pytest

from embedded.demo import Wishes, has_display, run_demo
from embedded.errors import EmbeddedServerError
from embedded.folders import temporary_folder
from embedded.processes import free_port
from embedded.sample.letters import letters, written
from embedded.supervisor import Supervisor
from mailboxes.parsing import parse


def test_a_busy_port_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedServerError, match=rf"Another program uses port {port}"):
            run_demo(Wishes(tmp_path / "demo", port=port), lambda said: None)
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("resets", [False, True])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, resets):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(EmbeddedServerError, match="holds something else"):
        run_demo(Wishes(tmp_path, resets=resets), lambda said: None)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_resetting_waits_for_the_folder_to_be_free():
    with temporary_folder() as folder, Supervisor(folder):
        (folder / "state.json").write_text("{}")
        with pytest.raises(EmbeddedServerError, match="already runs"):
            run_demo(Wishes(folder, port=free_port(), resets=True), lambda said: None)
        assert (folder / "state.json").exists()


@pytest.mark.parametrize(
    ("environment", "is_shown"), [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)]
)
@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac always has one")
def test_a_browser_is_opened_only_where_it_can_be_seen(environment, is_shown):
    assert has_display(environment) is is_shown


@pytest.mark.parametrize("name", ["history.yaml", "arriving.yaml"])
def test_every_sample_message_can_be_read_as_it_was_meant(name):
    everything = letters(name)
    for letter in everything:
        parsed = parse(written(letter, everything))
        assert parsed.sender is not None
        assert parsed.sender.address == letter.sender_address
        assert parsed.message_id == letter.message_id.strip("<>")
        assert letter.kind == "broken" or parsed.text.split()[:3] == letter.text.split()[:3]
        assert all(address.endswith(".example") for address in (letter.sender_address, letter.recipient))
