"""A body in JSON is read as a file is: the same keys, told apart by their place."""

import json

import pytest
from jsonschema import Draft202012Validator

from mailboxes.interchange.bodies import MOST_VALUES, BodyError, plain, read_body
from mailboxes.interchange.nodes import Fields, address, listed, moment, number, secret, switch
from mailboxes.interchange.one_mailbox import MAILBOX_CHANGES, NEW_MAILBOX, NEW_RULE, RULE_CHANGES
from mailboxes.interchange.records import record

FIELDS: Fields = {
    "address": address,
    "active": switch,
    "count": number,
    "at": moment,
    "aliases": listed(address),
    "password": secret,
}
READER = record({**FIELDS, "inner": record(FIELDS)}, ("address",))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", ""),
        (b"[]", ""),
        (b'{"address": "a@b.test"', ""),
        (b"[" * 100_000, ""),
        (b'{"address": NaN}', ""),
        (b"\xff", ""),
        (b'{"address": "a@b.test", "active": "yes"}', "/active"),
        (b'{"address": "a@b.test", "count": 1.5}', "/count"),
        (b'{"address": "a@b.test", "count": 1e999}', "/count"),
        (b'{"address": "a@b.test", "at": "tomorrow"}', "/at"),
        (b'{"address": "a@b.test", "at": "9999-12-31T23:59:59-14:00"}', "/at"),
        (b'{"address": "a@b.test", "at": "0001-01-01T00:00:00+14:00"}', "/at"),
        (b'{"address": "a@b.test", "aliases": ["c@d.test", "nobody"]}', "/aliases/1"),
        (b'{"address": "a@b.test", "inner": {"a/b~c": 1}}', "/inner/a~1b~0c"),
        (b'{"address": "a@b.test", "inner": {"password": "\\ud800"}}', "/inner/password"),
        (b'{"address": "a@b.test", "inner": {"\\ud800": 1}}', "/inner"),
        (b'{"address": "a@b.test", "active": true, "active": false}', "/active"),
        (b'{"address": "a@b.test", "inner": {"at": 1, "at": "2026-05-03"}}', "/inner/at"),
        (b'{"address": "a@b.test", "<<": {"active": true}}', "/<<"),
    ],
)
def test_what_cannot_be_understood_is_told_at_its_place(body, pointer):
    with pytest.raises(BodyError) as refused:
        read_body(body, READER)
    assert refused.value.pointer == pointer


def test_a_body_with_more_values_than_anybody_means_is_refused_before_it_is_looked_through():
    aliases = [f"a{number}@b.test" for number in range(MOST_VALUES)]
    with pytest.raises(BodyError, match="more than"):
        read_body(json.dumps({"address": "a@b.test", "aliases": aliases}).encode(), READER)


def test_a_secret_is_taken_as_it_is_and_told_only_to_be_there():
    given = read_body(b'{"address": "a@b.test", "password": "${HOME}"}', READER)
    assert given["password"].value == "${HOME}"
    assert plain(given) == {"address": "a@b.test", "has_password": True}


def test_what_a_reader_says_to_understand_is_a_schema():
    for reader in (NEW_MAILBOX, MAILBOX_CHANGES, NEW_RULE, RULE_CHANGES, READER):
        Draft202012Validator.check_schema(reader.schema)


def test_what_the_schema_refuses_is_refused_by_the_reader():
    valid = Draft202012Validator(READER.schema)
    for wrong in ({}, {"address": 5}, {"address": "a@b.test", "active": 1}, {"address": "a@b.test", "x": 1}):
        assert not valid.is_valid(wrong)
        with pytest.raises(BodyError):
            read_body(json.dumps(wrong).encode(), READER)
