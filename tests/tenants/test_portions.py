"""What a portion asks and writes together; outside of one, everything happens at once."""

import pytest
from sqlalchemy import select

from mailboxes.crm.channels import Channel
from tenants.database import db, inside
from tenants.database.portions import asked_once, do_later, portion, write_later, write_waiting


def names(world):
    with inside(world.id):
        return set(db.session.scalars(select(Channel.name)))


def test_a_portion_asks_once_and_keeps_nothing_beyond_it(ours):
    asked = []

    @asked_once
    def answer(word):
        asked.append(word)
        return word.upper()

    with inside(ours.id):
        with portion([]):
            assert [answer("a"), answer("a"), answer("b")] == ["A", "A", "B"]
            answer.know("told", "a")
            assert answer("a") == "told"
        assert answer("a") == "A"
    assert asked == ["a", "b", "a"]


def test_rows_of_a_portion_wait_and_are_of_its_organization_alone(ours, theirs):
    done = []
    with inside(ours.id), portion([]):
        write_later(Channel, {"name": "Web"})
        do_later(done.append, "first")
        assert db.session.scalar(select(Channel.name)) is None
        write_waiting()
        assert db.session.scalar(select(Channel.name)) == "Web"
        db.session.commit()
    assert done == [["first"]]
    assert (names(ours), names(theirs)) == ({"Web"}, set())


def test_a_portion_that_fails_writes_nothing(ours):
    with inside(ours.id):
        with pytest.raises(ZeroDivisionError):
            _fail_after_a_row()
        write_waiting()
        db.session.commit()
    assert names(ours) == set()


def _fail_after_a_row():
    with portion([]):
        write_later(Channel, {"name": "Web"})
        raise ZeroDivisionError


def test_a_row_is_written_at_once_outside_of_a_portion(ours):
    with inside(ours.id):
        write_later(Channel, {"name": "Web"})
        db.session.commit()
    assert names(ours) == {"Web"}
