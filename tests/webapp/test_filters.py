"""What templates say about times, sizes and names."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g

from webapp.filters import (
    absolute_time,
    avatar_hue,
    clock_time,
    count,
    date_and_time,
    day_heading,
    duration,
    file_size,
    initials,
    machine_time,
    mail_link,
    relative_time,
    short_time,
)

NOW = datetime(2026, 11, 3, 13, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=12, seconds=40), "12 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=6), "6 d ago"),
        (timedelta(days=7), "27 Oct"),
        (timedelta(days=400), "29 Sep 2025"),
        (timedelta(hours=-3), "in 3 h"),
        (timedelta(days=-30), "3 Dec"),
    ],
)
def test_a_moment_is_told_in_few_words(ago, words):
    assert relative_time(NOW - ago, NOW) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [(timedelta(hours=1), "12:02"), (timedelta(days=1), "2 Nov"), (timedelta(days=365), "3 Nov 2025")],
)
def test_a_list_shows_the_hour_today_and_the_day_before(ago, words):
    assert short_time(NOW - ago, NOW) == words


@pytest.mark.parametrize(
    ("ago", "heading"),
    [
        (timedelta(hours=13), "Today, 3 Nov"),
        (timedelta(hours=14), "Yesterday, 2 Nov"),
        (timedelta(days=2), "Sunday, 1 Nov"),
        (timedelta(days=365), "Monday, 3 Nov 2025"),
    ],
)
def test_a_log_shows_the_time_below_the_day(ago, heading):
    assert day_heading(NOW - ago, NOW) == heading
    assert clock_time(NOW) == "13:02:11"


@pytest.mark.parametrize("zone", ["Europe/Berlin", ZoneInfo("Europe/Berlin")], ids=str)
def test_times_are_in_the_zone_of_the_person(zone):
    with Flask(__name__).app_context():
        g.zone = zone
        assert absolute_time(NOW) == "Tuesday 3 November 2026, 14:02:11 CET"
        assert date_and_time(NOW) == "3 Nov 2026, 14:02"
        assert short_time(NOW, NOW) == "14:02"
    assert absolute_time(NOW) == "Tuesday 3 November 2026, 13:02:11 UTC"


def test_a_machine_reads_rfc_3339_in_utc():
    assert machine_time(NOW.astimezone(ZoneInfo("Asia/Tokyo"))) == "2026-11-03T13:02:11Z"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0002, "< 1 ms"),
        (0.042, "42 ms"),
        (3, "3 s"),
        (3.14, "3.1 s"),
        (300, "5 min"),
        (timedelta(hours=2), "2 h"),
    ],
)
def test_a_duration_is_told_in_its_own_unit(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (812, "812 B"),
        (2048, "2.0 KB"),
        (14_300, "14 KB"),
        (2_500_000, "2.4 MB"),
        (5 * 1024**4, "5.0 TB"),
    ],
)
def test_a_size_is_told_as_people_read_it(size, words):
    assert file_size(size) == words


def test_thousands_stand_apart():
    assert count(1_234_567) == "1\u202f234\u202f567"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ada Byron", "AB"),
        ("ada.byron@x.example", "AB"),
        ("Prince", "P"),
        ("", "?"),
        ("Jean-Luc de la Tour (CEO)", "JT"),
        ("李小龍", "李"),
    ],
)
def test_an_avatar_has_initials(name, letters):
    assert initials(name) == letters


def test_a_name_keeps_its_colour():
    assert avatar_hue("Ada Byron") == avatar_hue("Ada Byron")
    assert {avatar_hue(f"person {number}") for number in range(40)} == set(range(8))


def test_a_link_to_write_to_an_address_writes_to_nobody_else():
    assert mail_link("anna+x@customer.test") == "mailto:anna+x@customer.test"
    assert mail_link("a?bcc=b%40x.test&body=y@z.test") == "mailto:a%3Fbcc%3Db%2540x.test%26body%3Dy@z.test"
