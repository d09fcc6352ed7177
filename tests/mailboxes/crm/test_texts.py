"""Texts as records keep them: lines, addresses, tags, names."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.crm import texts


@given(st.text(max_size=600))
@settings(max_examples=200)
def test_a_line_is_one_line_and_hides_nothing(text):
    line = texts.one_line(text, 100)
    assert len(line) <= 100
    assert line == " ".join(line.split())
    assert not any(unicodedata.category(sign) in ("Cc", "Cf") for sign in line)


@given(st.text(max_size=80), st.emails())
@settings(max_examples=200)
def test_a_name_never_poses_as_an_address_that_is_not_the_senders(name, address):
    shown = texts.display_name(name, address)
    assert "@" not in unicodedata.normalize("NFKC", shown)


@pytest.mark.parametrize(
    ("name", "address", "expected"),
    [
        ("Ada Lovelace", "x@y.test", ("Ada", "Lovelace")),
        ("Lovelace, Ada", "x@y.test", ("Ada", "Lovelace")),
        ('"Lovelace, Ada King"', "x@y.test", ("Ada King", "Lovelace")),
        ("Juan Carlos de la Vega", "x@y.test", ("Juan", "Carlos de la Vega")),
        ("Madonna", "x@y.test", ("Madonna", "")),
        ("Dr. Ada Lovelace", "x@y.test", ("Ada", "Lovelace")),
        ("Frau Lovelace", "x@y.test", ("", "Lovelace")),
        ("Dr", "x@y.test", ("Dr", "")),
        ("Prof. Dr. Anna Schmidt", "x@y.test", ("Anna", "Schmidt")),
        ("Frau Dr. Müller", "x@y.test", ("", "Müller")),
        ("Lovelace, Dr. Ada", "x@y.test", ("Ada", "Lovelace")),
        ("M. Smith", "x@y.test", ("M.", "Smith")),
        ("M Night Shyamalan", "x@y.test", ("M", "Night Shyamalan")),
        ('" "', "ada.lovelace@y.test", ("Ada", "Lovelace")),
        ("", "ada.lovelace@y.test", ("Ada", "Lovelace")),
        ("", "ada_lovelace-king+shop@y.test", ("Ada", "Lovelace King Shop")),
        ("", "info@y.test", ("Info", "")),
        ("", "12345@y.test", ("12345", "")),
        ("", "", ("", "")),
        ("alice@bank.test", "evil@x.test", ("Evil", "")),
        ("Acme, Inc., Sales", "sales@acme.test", ("Acme,", "Inc., Sales")),
    ],
)
def test_names_are_split(name, address, expected):
    assert texts.split_name(name, address) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b", "a@b@c", "a b@c.test", "a@b.test, c@d.test", "<a@b.test>", "a@b.test\n", "x" * 400],
)
def test_what_is_no_address(text):
    assert not texts.is_address(text)


@pytest.mark.parametrize("text", ["a@b.test", "ä.ö@müller.test", "a+b@localhost", "o'neil@b.test"])
def test_what_is_an_address(text):
    assert texts.is_address(text)


def test_tags_are_kept_once_as_first_written():
    assert texts.tags(" Billing, #billing ,, #late parcel,x ") == ["Billing", "late parcel", "x"]
    assert len(texts.tags(",".join(map(str, range(100))))) == texts.TAG_COUNT


def test_notes_keep_their_lines_and_are_cut():
    assert texts.notes(" a\r\nb\x00 ") == "a\nb"
    assert texts.notes("x" * 20, 10) == "x" * 9 + "…"
