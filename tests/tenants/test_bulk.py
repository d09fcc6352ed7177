"""Rows travel as arrays that we write ourselves: whatever is in them comes out again."""

import pytest
from sqlalchemy import text

from tenants.bulk import array_literal
from tenants.database import db

ODD = ['say "yes"', "back\\slash", "{a,b}", "", " ", "NULL", "null", "line\nend", "Zürich", ","]


@pytest.mark.parametrize("texts", [ODD, [*ODD, None], [], [""], [None], ["a"]])
def test_an_array_comes_out_as_it_went_in(app, texts):
    with app.app_context():
        assert db.session.scalar(text("SELECT CAST(:it AS text[])"), {"it": array_literal(texts)}) == texts


def test_a_text_that_no_database_stores_does_not_become_two():
    assert array_literal(["a\0b", "c"]) == '{"a\0b","c"}'
