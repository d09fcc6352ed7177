"""The Date header."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.parsing.dates import sent_at

EXPECTED = datetime(2024, 3, 5, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 5 Mar 2024 13:30:15 +0100",
        "Tue, 05 Mar 2024 13:30:15 +0100 (CET)",
        "5 Mar 2024 12:30:15 GMT",
        "Tue, 5 Mar 2024 12:30:15",
        "Tue, 5 Mar 24 12:30:15 UT",
        "Tue,5 Mar 2024 07:30:15 EST",
        "Tue, 5 March 2024 12:30:15 +0000",
        "Tue, 5 Mar 2024 12:30:15 GMT+0000",
        "Tue, 5 Mar 2024 12:30:15 +00:00",
        "Tue, 5-Mar-2024 12:30:15 Z",
        "Tue 5 Mar 2024 (spring) 12:30:15 -0000 (UTC)",
        "Tue,\r\n 5 Mar 2024\r\n 12:30:15 +0000",
        "2024-03-05T12:30:15Z",
        "2024-03-05 13:30:15 +0100",
        "2024-03-05T13:30:15.123+01:00",
        "Tue Mar  5 12:30:15 2024",
        "Die, 5 Mrz 2024 13:30:15 +0100",
        "Di., 5. März 2024 13:30:15 +0100",
        "Tue, 5 Mar 2024 12.30.15 +0000",
        "Tue, 5 Mar 2024 12:30:15 PM +0000",
        "Tue, 5 Mar 2024 12:30:15 XYZ",
        "Tue, 5 Mar 2024 13 :  30 :  15 +0100",
        "Tue, 5 Mar 2024 13:30:15 GMT+1",
        "Tue, 5 Mar 2024 13:30:15 +100",
        "ter, 5 de mar de 2024 13:30:15 +0100",
    ],
)
def test_a_date_is_read_in_utc(value):
    assert sent_at(value) == EXPECTED


@pytest.mark.parametrize(
    "value",
    [
        *("", "now", "00-Jan-0000", "Tue, 32 Mar 2024 25:61:00", "Tue, 5 Mar 99999 1:1:1", "()" * 400),
        "Tue Mar 5 12:30:15 2024 +" + "9" * 400,  # no float holds it
    ],
)
def test_what_is_no_date_is_none(value):
    assert sent_at(value) is None


def test_a_leap_second_and_the_last_year_are_survived():
    assert sent_at("Sat, 31 Dec 2016 23:59:60 +0000") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert sent_at("Fri, 31 Dec 9998 23:59:59 -2359") is not None


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_gives_a_time_or_none(value):
    moment = sent_at(value)
    assert moment is None or moment.tzinfo is UTC
