"""What conditions see in a message, and that they can never break it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.conditions import (
    NEGATIONS,
    OPERATORS,
    Condition,
    MessageFields,
    check_conditions,
    conditions_from,
    described,
    holds,
    matches,
)
from mailboxes.parsing import Address

MESSAGE = MessageFields(
    body="Dear team,\n\nwhere is my   Invoice?",
    subject="Rückfrage zur STRASSE",
    addresses={
        "from": [Address("Anna Müller", "Anna@MÜNCHEN.example")],
        "to": [Address("", "help@acme.test"), Address("Sales Team", "sales@acme.test")],
        "cc": [],
    },
    headers={"x-priority": ["1 (Highest)"]},
)


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("body", "contains", "my invoice", True),
        ("body", "contains", "MY\nINVOICE", True),
        ("body", "starts_with", "dear", True),
        ("body", "ends_with", "invoice?", True),
        ("body", "ends_with", "invoice", False),
        ("subject", "contains", "straße", True),
        ("subject", "is_equal_to", "rückfrage zur strasse", True),
        ("subject", "is_any_of", "hello, Rückfrage zur Straße", True),
        ("subject", "is_not_any_of", "hello, bye", True),
        ("subject", "is_empty", "", False),
        ("from", "is_equal_to", "anna@xn--mnchen-3ya.example", True),
        ("from", "is_equal_to", "Anna Müller <anna@münchen.example>", True),
        ("from", "is_equal_to", "anna müller", True),
        ("from", "is_equal_to", "anna", False),
        ("from", "ends_with", "@münchen.example", True),
        ("from", "starts_with", "anna@", True),
        ("from", "contains", "müll", True),
        ("to", "is_any_of", "sales@acme.test; nobody@acme.test", True),
        ("to", "does_not_contain", "sales", False),
        ("to", "does_not_contain", "press", True),
        ("to", "contains", "sales team", True),
        ("cc", "is_empty", "", True),
        ("cc", "does_not_contain", "anyone", True),
        ("cc", "contains", "anyone", False),
        ("bcc", "is_not_empty", "", False),
        ("header:X-Priority", "starts_with", "1", True),
        ("header:X-Other", "is_empty", "", True),
        ("header:X-Other", "does_not_contain", "1", True),
    ],
)
def test_operators_compare_what_people_mean(field: str, operator: str, value: str, expected: bool) -> None:
    assert holds(Condition(field, operator, value), MESSAGE) is expected


def test_a_name_that_pretends_to_be_an_address_is_a_name() -> None:
    message = MessageFields(addresses={"from": [Address("boss@bank.example", "evil@example.org")]})
    assert not holds(Condition("from", "is_equal_to", "boss@bank.example"), message)
    assert holds(Condition("from", "is_equal_to", "evil@example.org"), message)


def test_no_condition_means_every_message() -> None:
    assert matches((), MESSAGE)


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"field": "", "operator": "contains", "value": "x"}, "field"),
        ({"field": "header:", "operator": "contains", "value": "x"}, "field"),
        ({"field": "header:X Y", "operator": "contains", "value": "x"}, "field"),
        ({"field": "subject", "operator": "matches", "value": "x"}, "operator"),
        ({"field": "subject", "operator": "contains", "value": " \n"}, "value"),
        ({"field": "subject", "operator": "is_empty", "value": "x"}, "value"),
        ({"field": "subject", "operator": "is_any_of", "value": " , ;"}, "value"),
        ({"field": "subject", "operator": "contains", "value": "x" * 2001}, "value"),
        ({"field": "subject", "operator": "is_any_of", "value": "x," * 201}, "value"),
    ],
)
def test_a_wrong_row_is_named_with_its_part(row: dict[str, str], part: str) -> None:
    good = {"field": "subject", "operator": "contains", "value": "x"}
    errors = check_conditions(conditions_from([good, row]))
    assert [(error.row, error.part) for error in errors] == [(1, part)]
    assert errors[0].sentence.endswith(".")


def test_good_rows_have_no_errors_and_can_be_read_aloud() -> None:
    condition = Condition("header:X-Priority", "is_equal_to", "1")
    assert check_conditions([condition]) == []
    assert described(condition) == "X-Priority is equal to “1”"
    assert conditions_from([condition.stored()]) == (condition,)


TEXT = st.text(max_size=60) | st.sampled_from(["a@b.test", "Ä <ä@ö.test>", "<", "@", "", " ", "ß", "İ"])
FIELD = st.sampled_from(["body", "subject", "from", "to", "cc", "bcc", "header:X", "nonsense"])
CONDITION = st.builds(Condition, FIELD, st.sampled_from([*OPERATORS, "nonsense"]), TEXT)
ADDRESSES = st.lists(st.builds(Address, TEXT, TEXT), max_size=3)
MESSAGES = st.builds(
    MessageFields,
    body=TEXT,
    subject=TEXT,
    addresses=st.fixed_dictionaries({"from": ADDRESSES, "to": ADDRESSES, "cc": ADDRESSES}),
    headers=st.dictionaries(st.just("x"), st.lists(TEXT, max_size=2)),
)


@settings(max_examples=150)
@given(CONDITION, MESSAGES)
def test_no_text_breaks_a_condition(condition: Condition, message: MessageFields) -> None:
    assert holds(condition, message) in (True, False)
    assert isinstance(check_conditions([condition]), list)


@settings(max_examples=150)
@given(st.sampled_from(sorted(NEGATIONS)), FIELD, TEXT, MESSAGES)
def test_an_operator_and_its_negation_are_complements(
    negative: str, field: str, value: str, message: MessageFields
) -> None:
    positive = Condition(field, NEGATIONS[negative], value)
    assert holds(Condition(field, negative, value), message) is not holds(positive, message)


@settings(max_examples=100)
@given(st.lists(CONDITION, max_size=3), CONDITION, MESSAGES)
def test_one_more_condition_never_matches_more(
    conditions: list[Condition], another: Condition, message: MessageFields
) -> None:
    assert matches(conditions, message) or not matches([*conditions, another], message)
