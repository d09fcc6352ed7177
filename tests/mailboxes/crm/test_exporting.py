"""CSV that no spreadsheet runs."""

import csv
import io
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.crm.exporting import BYTE_ORDER_MARK, cell, csv_lines

# What starts a formula, alone, behind spaces and in the middle.
FORMULAS = st.builds(
    "".join,
    st.tuples(st.sampled_from(["", " ", "  ", "x"]), st.sampled_from("=+-@\t\r\n＝＠"), st.text(max_size=20)),
)


@given(st.one_of(FORMULAS, st.text(max_size=40)))
@settings(max_examples=300)
def test_no_cell_starts_as_a_formula(text):
    assert (
        not cell(text)
        .lstrip(" \u00a0")
        .startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    )
    assert cell(text).replace("'", "") == text.replace("'", "")


@given(st.one_of(FORMULAS, st.text("=+-@;\t\r\n x", max_size=20)))
@settings(max_examples=300)
def test_no_part_of_a_cell_starts_as_a_formula_where_cells_are_split_otherwise(text):
    parts = re.split(r"[;\t\r\n]", cell(text))
    assert not any(
        part.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) for part in parts
    )


@given(
    st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)] * 3))
)
@settings(max_examples=100)
def test_a_file_is_read_back_as_it_was_written(rows):
    text = "".join(csv_lines(("A", "B", "C"), rows))
    assert text.startswith(BYTE_ORDER_MARK)
    found = list(csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")))
    assert found == [["A", "B", "C"], *([cell(value) for value in row] for row in rows)]


def test_nothing_lists_and_numbers_are_texts():
    assert [cell(None), cell(["a", "b"]), cell(-3)] == ["", "a, b", "'-3"]
