"""Names of attachments that are safe to save under."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.filenames import LONGEST, distinct_filenames, safe_filename


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..\\..\\boot.ini", "_.._boot.ini"),
        ("C:\\Users\\x.txt", "C__Users_x.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.log", "console.log"),
        ("a\r\nContent-Type: text/html\r\n\r\n<b>", "a Content-Type_ text_html _b_"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("nul\0byte.txt", "nulbyte.txt"),
        (" .hidden. ", "hidden"),
        ("", "attachment"),
        ("...", "attachment"),
        ("Übersicht 日本.ods", "Übersicht 日本.ods"),
        ('quote".txt', "quote_.txt"),
    ],
)
def test_a_name_means_one_file_in_one_folder(name, safe):
    assert safe_filename(name) == safe


def test_the_ending_survives_a_cut():
    name = safe_filename("a" * 5000 + ".pdf")
    assert len(name) == LONGEST
    assert name.endswith("a.pdf")


def test_no_two_names_are_the_same():
    assert distinct_filenames(["a.txt", "A.TXT", "a.txt", "b", "b"]) == [
        "a.txt",
        "A (2).TXT",
        "a (3).txt",
        "b",
        "b (2)",
    ]


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_whatever_the_name_it_stays_inside_the_folder(name):
    safe = safe_filename(name)
    assert 0 < len(safe) <= LONGEST + 1
    assert not set('/\\:*?"<>|') & set(safe)
    assert safe not in (".", "..")
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in safe)
    assert safe == safe.strip(" ")
    assert safe_filename(safe) == safe
