"""HTTPS through the guard: bounded, verified, and redirected to nowhere it may not go."""

import pytest

from mailboxes import https
from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AnswerTooLongError,
    CertificateNameError,
    EgressRefusedError,
    MailServerError,
    ProtocolError,
    ServerTimeoutError,
    UnsafeArgumentError,
)
from tests.web_server import Reply, web_server


@pytest.fixture
def serve(certificates, loopback):
    """``ask, requests = serve(reply or function)``: a server, and a function that asks it."""
    stack = []

    def start(answer, certificate=certificates.good):
        requests = []

        def answering(request):
            requests.append(request)
            return answer(request) if callable(answer) else answer

        running = web_server(answering, certificate)
        port = running.__enter__()
        stack.append(running)

        def ask(path="/", way=https.fetch, **given):
            given = {"ca_file": str(certificates.ca_file), "policy": loopback, **given}
            return way(f"https://localhost:{port}{path}", **given)

        return ask, requests

    yield start
    for running in stack:
        running.__exit__(None, None, None)


def test_a_page_is_fetched(serve):
    ask, requests = serve(Reply(b"hello", headers={"X-Kind": "word"}))
    answer = ask("/a?b=c")
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (200, b"hello", "word")
    assert (requests[0].method, requests[0].path) == ("GET", "/a?b=c")
    assert "Cookie" not in requests[0].headers


def test_a_form_is_posted(serve):
    ask, requests = serve(Reply(b"{}", status=400))
    answer = ask(way=lambda url, **given: https.request("POST", url, body=b"a=1", **given))
    assert (answer.is_ok, requests[0].method, requests[0].body) == (False, "POST", b"a=1")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "https://user:secret@localhost/",
        "https:///nothing",
        "https://127.0.0.1.:99999/",
        "https://localhost/a b",
        "https://0x7f000001/",
        "//localhost/",
    ],
)
def test_only_plain_https_is_asked(url, loopback):
    with pytest.raises(EgressRefusedError):
        https.fetch(url, loopback)


def test_what_is_inside_is_not_reached(serve):
    ask, requests = serve(Reply(b"inside"))
    with pytest.raises(EgressRefusedError):
        ask(policy=EgressPolicy(ports=frozenset(range(1, 65536))))
    assert requests == []


@pytest.mark.parametrize(
    "target",
    ["http://localhost/", "https://10.0.0.1/", "https://169.254.169.254/latest", "file:///etc/passwd"],
)
def test_a_redirect_leads_nowhere_that_could_not_be_asked_directly(serve, target):
    ask, requests = serve(Reply(status=302, headers={"Location": target}))
    with pytest.raises(EgressRefusedError):
        ask()
    assert len(requests) == 1


def test_a_redirect_to_what_is_no_address_is_a_fault_of_the_server(serve):
    ask, _ = serve(Reply(status=302, headers={"Location": "https://["}))
    with pytest.raises(ProtocolError):
        ask()


def test_a_redirect_is_followed_a_few_times(serve):
    def hop(request):
        left = int(request.path.strip("/"))
        return Reply(status=301, headers={"Location": f"/{left - 1}"}) if left else Reply(b"there")

    ask, requests = serve(hop)
    assert ask("/2").body == b"there"
    with pytest.raises(ProtocolError):
        ask("/3")
    assert len(requests) == 6


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(b"x" * 2_000), AnswerTooLongError),
        (
            Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2_000),
            MailServerError,
        ),
        (Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n"), ProtocolError),
        (Reply(raw=b"* OK IMAP here\r\n"), ProtocolError),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), ProtocolError),
        (Reply(raw=b""), ProtocolError),
    ],
)
def test_what_is_too_much_or_no_http_is_an_error(serve, reply, error):
    ask, _ = serve(reply)
    with pytest.raises(error):
        ask(largest=1_000)


def test_a_body_without_a_length_ends_with_the_connection(serve):
    ask, _ = serve(Reply(raw=b"HTTP/1.0 200 OK\r\n\r\nall of it"))
    assert ask().body == b"all of it"


def test_a_server_that_trickles_is_left(serve):
    import threading

    is_over = threading.Event()

    def hang(_request):
        is_over.wait(20)
        return Reply(b"late")

    ask, _ = serve(hang)
    with pytest.raises(ServerTimeoutError):
        ask(seconds=0.4)
    is_over.set()


def test_the_certificate_must_be_for_the_name(serve, certificates):
    ask, requests = serve(Reply(b"secret"), certificates.of_another_name())
    with pytest.raises(CertificateNameError):
        ask()
    assert requests == []


def test_a_header_smuggles_no_line(loopback, serve):
    ask, requests = serve(Reply(b""))
    with pytest.raises(UnsafeArgumentError):
        ask(way=lambda url, **given: https.request("POST", url, headers={"X": "a\r\nY: b"}, **given))
    assert requests == []
