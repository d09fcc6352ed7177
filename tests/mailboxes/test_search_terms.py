"""What a person types into the search field."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.search_terms import MOST_TERMS, NAMES, Term, parse_query


def test_words_and_terms_are_told_apart():
    query = parse_query('invoice from:ada@example.test is:unread "two words"')
    assert query.terms == (
        Term("", "invoice"),
        Term("from", "ada@example.test"),
        Term("is", "unread"),
        Term("", "two words"),
    )


def test_a_value_may_be_quoted():
    assert parse_query('subject:"late delivery"').values("subject") == ("late delivery",)


def test_names_and_states_are_read_in_any_case():
    assert parse_query("FROM:Ada IS:Unread").terms == (Term("from", "Ada"), Term("is", "unread"))


def test_an_unknown_name_is_a_word():
    assert parse_query("https://example.test re:view").words == ("https://example.test", "re:view")


@pytest.mark.parametrize("text", ["is:purple", "has:wings", "before:tomorrow", "after:2026-13-01"])
def test_what_makes_no_sense_is_named_and_left_out(text):
    query = parse_query(f"{text} word")
    assert query.words == ("word",)
    assert len(query.terms) == 1
    assert text.partition(":")[2] in query.problems[0]


def test_days_months_and_years_bound_the_time():
    query = parse_query("after:2026-05 after:2025 before:2026-06-03")
    assert (query.after, query.before) == (date(2026, 5, 1), date(2026, 6, 3))


def test_a_term_can_be_taken_away():
    query = parse_query("one from:ada")
    assert str(query.without(Term("from", "ada"))) == "one"


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_anything_can_be_typed(text):
    query = parse_query(text)
    assert len(query.terms) <= MOST_TERMS
    assert all(term.name in ("", *NAMES) for term in query.terms)
    assert "\0" not in str(query)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=12),
            st.builds('{}:"{}"'.format, st.sampled_from([*NAMES, "x", "Re"]), st.text(max_size=8)),
            st.builds("{}:{}".format, st.sampled_from([*NAMES, "x"]), st.text(max_size=8)),
            st.sampled_from(["is:unread", "has:attachment", "before:2026-01", "in:sent", '"a b"']),
        ),
        max_size=6,
    ).map(" ".join)
)
@settings(max_examples=300)
def test_a_search_written_out_is_the_same_search(text):
    query = parse_query(text)
    again = parse_query(str(query))
    assert again.terms == query.terms
    assert again.problems == ()
