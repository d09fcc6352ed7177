"""Address lists as people and mailers write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.parsing import address_list, parse

ONE_ADDRESS = [
    ("a@b.c", "", "a@b.c"),
    ("<a@b.c>", "", "a@b.c"),
    ("Ada <a@b.c>", "Ada", "a@b.c"),
    ('"Ada, Countess" <a@b.c>', "Ada, Countess", "a@b.c"),
    ("John Q. Public <j@x.y>", "John Q. Public", "j@x.y"),
    ("Doe, John <j@x.y>", "Doe, John", "j@x.y"),
    ("Doe; Sales <j@x.y>", "Doe; Sales", "j@x.y"),
    ("a@b.c (Ada Lovelace)", "Ada Lovelace", "a@b.c"),
    ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete", "pete@silly.test"),
    ("Mary <@machine.tld,@b.c:mary@example.net>", "Mary", "mary@example.net"),
    ("jdoe@test   . example", "", "jdoe@test.example"),
    ("john @ example.com", "", "john@example.com"),
    ('"quoted local"@x.y', "", '"quoted local"@x.y'),
    ("user@[IPv6:::1]", "", "user@[IPv6:::1]"),
    ("=?utf-8?q?J=C3=B6rg?= <j@x.y>", "Jörg", "j@x.y"),
    ("=?utf-8?q?a=2C_b=3B?= <c@d.e>", "a, b;", "c@d.e"),
    ('"=?utf-8?q?J=C3=B6rg?=" <j@x.y>', "Jörg", "j@x.y"),
    ("<mailto:a@b.c>", "", "a@b.c"),
    ("Ada <=?utf-8?Q?a@b.c?=>", "Ada", "a@b.c"),
    ("Ada <=?utf-8?B?YUBiLmM=?=>", "Ada", "a@b.c"),
    ("Ada <=?utf-8?Q?a@b.c,d@e.f?=>", "Ada", "=?utf-8?Q?a@b.c,d@e.f?="),
    ("'a@b.c'", "", "a@b.c"),
    ("Günter <g@ü.de>", "Günter", "g@ü.de"),
    ("Ada [a@b.c]", "Ada", "a@b.c"),
    ("<a@b.c>>", "", "a@b.c"),
    ("a@b.c.", "", "a@b.c"),
    ("root", "", "root"),
]


@pytest.mark.parametrize(("text", "name", "address"), ONE_ADDRESS)
def test_one_address_is_read_with_its_name(text, name, address):
    (found,) = address_list(text).addresses
    assert (found.name, found.address) == (name, address)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a@b.c, d@e.f", ["a@b.c", "d@e.f"]),
        ("a@b.c; d@e.f;", ["a@b.c", "d@e.f"]),
        (", , a@b.c,,", ["a@b.c"]),
        ("A Group:Chris <c@a.test>,joe@x.y;, d@e.f", ["c@a.test", "joe@x.y", "d@e.f"]),
        ("undisclosed-recipients:;", []),
        ("Undisclosed recipients  :(nobody(that I know))  ;", []),
        ("<>", []),
        ("", []),
        ("Doe, John <j@x.y>, Roe, Ann <a@x.y>", ["j@x.y", "a@x.y"]),
        ('"x; y" <g@h.i>, k@l.m', ["g@h.i", "k@l.m"]),
    ],
)
def test_a_list_is_told_apart(text, addresses):
    assert [found.address for found in address_list(text).addresses] == addresses


# Whoever writes the display name must not choose the address (reliability T21).
DECOYS = [
    "alice@bank.com",
    '"alice@bank.com"',
    '"Alice <alice@bank.com>"',
    "=?utf-8?q?alice=40bank.com?=",
    "=?utf-8?q?Alice_=3Calice=40bank.com=3E?=",
    "=?utf-8?b?QWxpY2UgPGFsaWNlQGJhbmsuY29tPg==?=",
    "(alice@bank.com)",
    "Alice (alice@bank.com)",
    "'alice@bank.com'",
    "alice@bank.com (Alice)",
    "alice @ bank.com",
    '"alice@bank.com" (real)',
    "alice@bank.com\u200b",
    "alice@bank.com ,",
    "alice&#64;bank.com",
    '\\"alice@bank.com\\"',
    '"alice\\"@bank.com"',
    "mailto:alice@bank.com",
    "alice@bank.com\t",
    "[alice@bank.com]",
]
FORMS = [
    "{} <evil@x.com>",
    "{}<evil@x.com>",
    "{}\r\n <evil@x.com>",
    "{} <evil@x.com> (alice@bank.com)",
    "{} < evil@x.com >",
]


@pytest.mark.parametrize("decoy", DECOYS)
@pytest.mark.parametrize("form", FORMS)
def test_a_display_name_is_never_the_sender(decoy, form):
    raw = f"From: {form.format(decoy)}\r\nSubject: x\r\n\r\ny".encode()
    parsed = parse(raw)
    assert parsed.senders[-1].address == "evil@x.com"
    alone = [sender.address for sender in parsed.senders] == ["evil@x.com"]
    assert alone or "," in decoy, "an address of the display name became a sender"


@pytest.mark.parametrize(
    "text",
    [
        "alice@bank.com <evil@x.com>",
        "<a@b.c> <d@e.f>",
        "a@b.c d@e.f",
        '"a@b.c"',
        '"Ada <a@b.c>',
        "Ada <a@b.c",
        "Ada <=?utf-8?Q?a@b.c?=>",
    ],
)
def test_what_two_parsers_may_read_differently_is_marked(text):
    assert address_list(text).is_ambiguous


@pytest.mark.parametrize("text", ["Ada <a@b.c>", '"a@x.y" <a@b.c>', "a@b.c <a@b.c>", "A@b.c <a@b.c>"])
def test_what_every_parser_reads_alike_is_not_marked(text):
    assert not address_list(text).is_ambiguous


def test_only_so_many_addresses_are_read():
    listed = address_list(", ".join(f"u{number}@x.y" for number in range(30)), limit=20)
    assert len(listed.addresses) == 20
    assert listed.is_cut


@given(st.text(alphabet=st.sampled_from(list("ab@.,;:<>()[]\"\\' \r\n\x00=?ü")), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_clean_addresses(text):
    for found in address_list(text).addresses:
        assert found.address
        assert not set("\r\n\x00") & set(found.address + found.name)


@pytest.mark.parametrize("text", ["<Undisclosed-Recipient:;>", "<undisclosed-recipients: ;>"])
def test_an_empty_group_in_brackets_is_nobodys_address(text):
    assert address_list(text).addresses == ()
