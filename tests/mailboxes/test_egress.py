"""The egress guard: nothing inside can be reached, by whatever name (reliability T8)."""

import socket
import threading
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes import egress
from mailboxes.egress import EgressPolicy, canonical_host, connect, is_public, resolve
from mailboxes.errors import (
    EgressRefusedError,
    NameLookupError,
    NameNotFoundError,
    PortClosedError,
    ServerTimeoutError,
)

INSIDE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff00::1",
    "ff02::1",
    "ff0e::1",
    "ffff::1",
    "[::1]",
    "[fd00::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
]

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "198.17.0.1",
    "223.255.255.255",
]
PUBLIC += ["2606:4700:4700::1111", "2a00:1450:4001::8a", "2003::1", "2400:cb00::1", "[2606:4700::1111]"]

ODD_FORMS = [
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "127.0.0.01",
    "0",
    "0x0",
    "1",
    "10.1",
    "0x7f.1",
    "0300.0250.0.1",
    "192.168.1",
    "3232235521",
    "0xc0a80001",
    "00000177.0.0.1",
    "127.0.0.1.1.1",
    "127.0.0.0x1",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "⑴27.0.0.1",
    "₁₂₇.0.0.1",
    "¹27.0.0.1",
    "𝟏𝟐𝟕.0.0.1",
    "ⓛocalhost",
    "ｌocalhost",
    "[127.0.0.1]",
    "[[::1]]",
    "::1%lo",
    "fe80::1%eth0",
    "[fe80::1%25eth0]",
    "::1%1",
    "1.2.3.4.5",
    "256.1.1.1",
    "1.2.3.256",
    "999",
    "0xffffffffff",
    "4294967296",
    "-1",
    "+1",
    "127.0.0.1:",
    "127.0.0.1:993",
    "host:993",
    "user@host",
    "host/path",
    "host?x",
    "host#x",
    "http://host",
    "host\\x",
    "a..b",
    ".a",
    "a.",
    ".",
    "..",
    "-a",
    "a-",
    "a_b..c",
    "a,b",
    "a;b",
    "a|b",
    "a&b",
    "$(a)",
    "`a`",
    "a*b",
    "*.*",
    "%",
    "%00",
    "a%00b",
    "a%2eb",
]
ODD_FORMS += [
    "",
    " ",
    "a b",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "a\0b",
    "\u200bexample.com",
    "exa\u00admple.com",
    "x" * 64,
]
ODD_FORMS += [
    "x" * 254,
    "a." * 130 + "b",
    "\u2100.com",
    "例\u2024com",
    "K.example\u212a",
    "０x7f.1",
    "127.0.0.1\u3002",
]


def answering(*addresses: str) -> egress.Resolver:
    def resolver(name: str, port: int) -> Iterable[str]:
        return addresses

    return resolver


def target_of(host: str, *addresses: str, policy: EgressPolicy = EgressPolicy()) -> egress.Target:  # noqa: B008
    return resolve(host, 993, policy, 5, answering(*addresses), pause=lambda _: None)


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused_as_a_host_and_as_an_answer(address: str) -> None:
    with pytest.raises(EgressRefusedError):
        target_of(address)
    with pytest.raises(EgressRefusedError):
        target_of("mail.example.com", address.strip("[]"))


@pytest.mark.parametrize("address", INSIDE)
def test_one_bad_address_spoils_the_name(address: str) -> None:
    with pytest.raises(EgressRefusedError):
        target_of("mail.example.com", "8.8.8.8", address.strip("[]"), "1.1.1.1")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_permitted(address: str) -> None:
    plain = address.strip("[]")
    assert [str(found) for found in target_of(address).addresses] == [plain]
    assert [str(found) for found in target_of("mail.example.com", plain).addresses] == [plain]


@pytest.mark.parametrize("host", [form for form in ODD_FORMS if form != "a."])
def test_a_host_in_an_odd_form_is_never_looked_up(host: str) -> None:
    asked: list[str] = []

    def resolver(name: str, port: int) -> Iterable[str]:
        asked.append(name)
        return ["8.8.8.8"]

    with pytest.raises(EgressRefusedError):
        resolve(host, 993, EgressPolicy(), 5, resolver, pause=lambda _: None)
    assert asked == []


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("IMAP.Example.COM", "imap.example.com"),
        (" imap.example.com. ", "imap.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("почта.example", "xn--80a1acny.example"),
        ("mail_1.example.com", "mail_1.example.com"),
        ("localhost", "localhost"),
        ("1und1.de", "1und1.de"),
        ("[2606:4700::1111]", "2606:4700::1111"),
    ],
)
def test_a_name_is_read_as_the_rest_of_the_world_reads_it(host: str, name: str) -> None:
    assert canonical_host(host) == name


@given(st.ip_addresses())
@settings(max_examples=300, deadline=None)
def test_what_python_calls_private_is_never_public(address: egress.Address) -> None:
    if not address.is_global or address.is_multicast:
        assert not is_public(address)


@given(st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_plain_name_or_refused(host: str) -> None:
    try:
        name = canonical_host(host)
    except EgressRefusedError:
        return
    assert name.isascii()
    assert not any(character in name for character in " /\\@%\0\r\n")
    if ":" not in name and not name[-1].isdigit():
        assert not name.rpartition(".")[2].isdigit()


@pytest.mark.parametrize("port", [0, 1, 22, 80, 443, 3306, 6379, 8080, 11211, 65535, -1, 70000])
def test_only_ports_of_mail_are_used(port: int) -> None:
    with pytest.raises(EgressRefusedError):
        resolve("8.8.8.8", port, EgressPolicy(), pause=lambda _: None)


def test_a_name_is_looked_up_once_and_never_again() -> None:
    """Rebinding: public at the check, loopback afterwards. Nobody asks afterwards."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    target = resolve("rebind.example", 993, EgressPolicy(), 5, lambda *_: next(answers))
    assert [str(address) for address in target.addresses] == ["8.8.8.8"]
    assert next(answers) == ["127.0.0.1"]


def test_networks_are_opened_by_the_installation() -> None:
    policy = EgressPolicy(networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    assert target_of("10.1.2.3", policy=policy).addresses == (ip_address("10.1.2.3"),)
    assert target_of("mail.corp.example", "fd00::1", policy=policy).addresses
    for closed in ("10.2.0.1", "::ffff:10.1.2.3", "127.0.0.1"):
        with pytest.raises(EgressRefusedError):
            target_of(closed, policy=policy)


def test_a_list_of_hosts_narrows_what_may_be_used() -> None:
    policy = EgressPolicy(hosts=("imap.example.com", "*.example.org", "mail.example.net:2525"))
    for host, port in (
        ("IMAP.Example.com.", 993),
        ("a.example.org", 465),
        ("a.b.example.org", 993),
        ("mail.example.net", 2525),
    ):
        assert resolve(host, port, policy, 5, answering("8.8.8.8")).addresses
    for host, port, address in (
        ("other.example.com", 993, "8.8.8.8"),
        ("example.org", 993, "8.8.8.8"),
        ("evilexample.org", 993, "8.8.8.8"),
        ("mail.example.net", 993, "8.8.8.8"),
        ("imap.example.com", 2525, "8.8.8.8"),
        ("8.8.8.8", 993, "8.8.8.8"),
        ("imap.example.com", 993, "10.0.0.1"),
        ("imap.example.com", 993, "169.254.169.254"),
    ):
        with pytest.raises(EgressRefusedError):
            resolve(host, port, policy, 5, answering(address), pause=lambda _: None)


def test_a_star_lists_every_public_host() -> None:
    policy = EgressPolicy(hosts=("*",))
    assert target_of("mail.example.com", "8.8.8.8", policy=policy).addresses
    with pytest.raises(EgressRefusedError):
        target_of("mail.example.com", "10.0.0.1", policy=policy)


def test_every_refusal_reads_alike() -> None:
    refusals = []
    for host, addresses in (
        ("127.0.0.1", []),
        ("inside.example", ["10.0.0.1"]),
        ("0x7f.1", []),
        ("gone.example", []),
    ):
        with pytest.raises(EgressRefusedError) as caught:
            target_of(host, *addresses)
        refusals.append((caught.value.message, caught.value.advice))
    assert len(set(refusals)) == 1


def test_every_refusal_takes_about_the_same_time() -> None:
    pauses: list[float] = []
    for host in ("127.0.0.1", "inside.example", "not a name"):
        with pytest.raises(EgressRefusedError):
            resolve(host, 993, EgressPolicy(), 5, answering("10.0.0.1"), pause=pauses.append)
    assert all(0 < pause <= egress.REFUSAL_SECONDS for pause in pauses)


def test_a_name_that_is_not_found_is_transient_but_reads_like_a_refusal() -> None:
    def failing(name: str, port: int) -> Iterable[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    for resolver in (failing, answering()):
        with pytest.raises(NameNotFoundError) as caught:
            resolve("gone.example", 993, EgressPolicy(), 5, resolver, pause=lambda _: None)
        assert not caught.value.is_permanent
        with pytest.raises(NameLookupError):
            resolve("gone.example", 993, EgressPolicy(hosts=("gone.example",)), 5, resolver)


def test_a_name_service_that_never_answers_is_left_alone() -> None:
    release = threading.Event()

    def silent(name: str, port: int) -> Iterable[str]:
        release.wait(30)
        return ["8.8.8.8"]

    with pytest.raises(NameNotFoundError):
        resolve("slow.example", 993, EgressPolicy(), 0.05, silent, pause=lambda _: None)
    release.set()


# --- connecting ----------------------------------------------------------------------------------


def test_the_connection_goes_to_the_checked_address(loopback: EgressPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with connect("mail.example.com", port, loopback, 5, answering("127.0.0.1")) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            server.accept()[0].close()


def test_the_next_address_is_tried_when_one_is_closed(loopback: EgressPolicy) -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        resolver = answering("127.0.0.3", "::1", "127.0.0.2")
        with connect("mail.example.com", port, loopback, 5, resolver) as connection:
            assert connection.getpeername()[0] == "127.0.0.2"
            server.accept()[0].close()


def test_a_closed_port_of_a_permitted_host_is_told(loopback: EgressPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(PortClosedError):
        connect("127.0.0.1", port, loopback, 5)


def test_all_addresses_share_one_deadline(loopback: EgressPolicy) -> None:
    """A listener whose queue is full drops every SYN: a black hole on this machine."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            with pytest.raises(ServerTimeoutError):
                connect("127.0.0.1", port, loopback, 0.2)
        finally:
            for filler in fillers:
                filler.close()


def test_a_guard_in_front_means_no_packet_at_all() -> None:
    """A listener on this machine hears nothing, whatever the host is called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        policy = EgressPolicy(ports=frozenset({port}))
        for host in ("127.0.0.1", "localhost", "2130706433", "::ffff:127.0.0.1", "127.1", "①②⑦.⓪.⓪.①"):
            with pytest.raises(EgressRefusedError):
                connect(host, port, policy, 1)
        with pytest.raises(BlockingIOError):
            server.accept()
