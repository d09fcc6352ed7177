"""The wire: lines and counted bytes out of whatever pieces a network makes of them."""

import socket
import ssl
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.errors import AnswerTooLongError, ConnectionLostError, ProtocolError, ServerTimeoutError
from mailboxes.wire import Wire, tls_context


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    near, far = socket.socketpair()
    with Wire(near) as wire, far:
        yield wire, far


@given(
    items=st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 3)), max_size=10),
    cuts=st.lists(st.integers(1, 40), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_lines_and_counted_bytes_come_apart_as_they_went_in(
    items: list[bytes | int], cuts: list[int]
) -> None:
    """Numbers stand for lines of that many words, bytes for literals."""
    lines = [b"word " * item if isinstance(item, int) else item for item in items]
    stream = b"".join(
        b"%b\r\n" % one if isinstance(kind, int) else one for kind, one in zip(items, lines, strict=True)
    )
    near, far = socket.socketpair()
    with Wire(near) as wire, far:
        for cut in [*cuts, len(stream)]:
            far.sendall(stream[:cut])
            stream = stream[cut:]
        with wire.allowance(5, 10_000):
            for kind, expected in zip(items, lines, strict=True):
                found = wire.read_line() if isinstance(kind, int) else wire.read_bytes(len(expected))
                assert found == expected


def test_a_line_may_end_without_carriage_return(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    far.sendall(b"one\ntwo\r\n")
    with wire.allowance(5, 100):
        assert (wire.read_line(), wire.read_line()) == (b"one", b"two")


def test_silence_ends_at_the_deadline_and_closes(ends: tuple[Wire, socket.socket]) -> None:
    wire, _ = ends
    with pytest.raises(ServerTimeoutError), wire.allowance(0.05, 100):
        wire.read_line()
    assert wire.is_closed
    with pytest.raises(ConnectionLostError):
        wire.sendall(b"too late")


def test_a_server_that_does_not_read_ends_at_the_deadline(ends: tuple[Wire, socket.socket]) -> None:
    wire, _ = ends
    with pytest.raises(ServerTimeoutError), wire.allowance(0.05, 100):
        wire.sendall(b"x" * 50_000_000)


def test_what_a_server_claims_is_not_allocated(ends: tuple[Wire, socket.socket]) -> None:
    wire, _ = ends
    with pytest.raises(AnswerTooLongError), wire.allowance(5, 1000):
        wire.read_bytes(8_000_000_000)


def test_the_budget_counts_all_bytes_of_a_command(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    far.sendall(b"line\r\n" * 100)
    with wire.allowance(5, 300), pytest.raises(AnswerTooLongError):
        wire.read_bytes(301)


def test_the_budget_counts_lines_too(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    far.sendall(b"line\r\n" * 100)
    with wire.allowance(5, 300), pytest.raises(AnswerTooLongError):
        [wire.read_line() for _ in range(100)]


def test_the_allowance_around_a_command_is_back_after_it(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    far.sendall(b"a\r\n")
    with wire.allowance(5, 3):
        assert wire.read_line() == b"a"
    far.sendall(b"b\r\n")
    with wire.allowance(5, 3):
        assert wire.read_line() == b"b"


def test_encryption_never_starts_on_words_said_in_plain(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    far.sendall(b"go\r\ninjected\r\n")
    with wire.allowance(5, 100):
        assert wire.read_line() == b"go"
        with pytest.raises(ProtocolError):
            wire.start_tls(tls_context(), "localhost")
    assert wire.is_closed


def test_certificates_are_verified_and_old_tls_refused() -> None:
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_what_has_arrived_is_taken_without_waiting(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    with wire.allowance(5, 100):
        assert not wire.read_available()
        far.sendall(b"news")
        assert wire.read_available()
        assert not wire.has_line
        assert wire.read_bytes(4) == b"news"
        far.close()
        with pytest.raises(ConnectionLostError):
            wire.read_available()
