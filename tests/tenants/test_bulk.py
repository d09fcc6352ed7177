"""Rows travel as arrays that we write ourselves: whatever is in them comes out again."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from psycopg.pq import Format
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Double,
    LargeBinary,
    Text,
    Uuid,
    cast,
    event,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from tenants.database import db
from tenants.database.arrays import PackedList, array_literal, carrier_of
from tenants.database.bulk import in_binary

ODD = ['say "yes"', "back\\slash", "{a,b}", "", " ", "NULL", "null", "line\nend", "Zürich", ","]
EAST = timezone(timedelta(hours=9, minutes=30))
COLUMNS = {
    Uuid(): [UUID(int=0), UUID(int=2**128 - 1), UUID("018f3f6e-0000-7000-8000-0123456789ab")],
    Boolean(): [True, False],
    BigInteger(): [0, -1, 2**63 - 1, -(2**63)],
    DateTime(timezone=True): [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 11, 27, 14, 5, 6, 789_012, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=EAST),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
    LargeBinary(): [b"", b"\0\xff\\", b"x" * 70_000],
    Text(): [*ODD, "𝄞", "x" * 70_000],
    JSONB(): [{}, [], {"a": [1, None, "ü\\"]}, "text", 1.5, True],
}


@contextmanager
def heard(engine, name, listener):
    event.listen(engine, name, listener)
    try:
        yield
    finally:
        event.remove(engine, name, listener)


@pytest.mark.parametrize("texts", [ODD, [*ODD, None], [], [""], [None], ["a"]])
def test_an_array_comes_out_as_it_went_in(app, texts):
    with app.app_context():
        assert db.session.scalar(text("SELECT CAST(:it AS text[])"), {"it": array_literal(texts)}) == texts


def test_a_text_that_no_database_stores_does_not_become_two():
    assert array_literal(["a\0b", "c"]) == '{"a\0b","c"}'


@pytest.mark.parametrize("kind", COLUMNS, ids=repr)
@pytest.mark.parametrize(
    "given",
    [lambda all: all, lambda all: [None, *all, None], lambda all: []],
    ids=["all", "with nulls", "none"],
)
def test_values_of_every_type_come_out_as_they_went_in(app, kind, given):
    values = given(COLUMNS[kind])
    with app.app_context():
        query = select(cast(literal(values, PackedList(kind)), ARRAY(kind)))
        assert db.session.scalar(query) == values


def test_words_are_found_again_in_whatever_order_they_travel(app):
    messages = [{"zürich", "a", "b2", "x" * 200}, set(), {"a"}]
    with app.app_context():
        query = text("SELECT unnest(CAST(:it AS tsvector[]))::text")
        found = db.session.scalars(query, {"it": carrier_of(TSVECTOR()).packed(messages)}).all()
        matches = text("SELECT t @@ 'a & zürich' FROM unnest(CAST(:it AS tsvector[])) t")
        assert db.session.scalars(matches, {"it": carrier_of(TSVECTOR()).packed(messages)}).all() == [
            True,
            False,
            False,
        ]
    assert [set(words.replace("'", "").split()) for words in found] == messages


@pytest.mark.parametrize("kind", COLUMNS, ids=repr)
def test_a_value_alone_comes_out_as_it_went_in(app, kind):
    with app.app_context(), db.engine.connect() as connection:
        carrier = carrier_of(kind)
        for value in (*COLUMNS[kind], None):
            query = f"SELECT %s::{carrier.name}"
            found = connection.exec_driver_sql(query, (carrier.alone(value),)).scalar()
            assert found == value


def test_bytes_are_handed_out_as_the_server_has_them(app):
    content = b"\0\xff\\" * 1_000
    formats = []
    with app.app_context():
        query = select(literal(content, LargeBinary()))
        with heard(db.engine, "after_cursor_execute", lambda *asked: formats.append(asked[1].format)):
            assert db.session.scalar(in_binary(query)) == db.session.scalar(query) == content
    assert formats == [Format.BINARY, Format.TEXT]


def test_a_type_that_cannot_travel_is_refused():
    with pytest.raises(TypeError, match="cannot travel"):
        carrier_of(Double())
