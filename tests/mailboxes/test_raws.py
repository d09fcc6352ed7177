"""Raw bytes are kept once per owner, whatever their size, and come back as they were."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from mailboxes.arrivals import Raw
from mailboxes.raws import (
    INLINE_BYTES,
    MissingRawError,
    forget_objects,
    forget_raws,
    keep_raw,
    keep_raws,
    pack,
    raw_content,
    raw_contents,
)
from tenants.database import db, inside_installation
from tenants.database import inside as inside_of
from tenants.errors import OutsideOrganizationError
from tests.factories import World
from tests.queries import counted_queries


@pytest.mark.parametrize("size", [0, 1, 5_000, INLINE_BYTES, INLINE_BYTES + 1])
def test_bytes_come_back_as_they_were(ours: World, inside: Any, size: int) -> None:
    content = os.urandom(size)
    with inside(ours):
        raw = keep_raw(content, ours.id)
        db.session.commit()
    with inside(ours):
        assert raw_content(raw.id) == content
    assert (raw.object_key is not None) == (size > INLINE_BYTES)


def test_the_same_bytes_are_kept_once(ours: World, inside: Any) -> None:
    with inside(ours):
        assert keep_raw(b"same", ours.id).id == keep_raw(b"same", ours.id).id
        assert db.session.scalar(select(func.count()).select_from(Raw)) == 1


def test_many_messages_are_read_a_portion_at_a_time(
    app: Any, ours: World, inside: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("mailboxes.raws.READ_AT_ONCE", 2)
    with inside(ours):
        ids = keep_raws([pack(b"%d" % number) for number in range(5)])
        with counted_queries(app) as queries:
            assert raw_contents([*ids, ids[0]]) == {id: b"%d" % number for number, id in enumerate(ids)}
    assert len([query for query in queries if "raws" in query]) == 3


def test_two_organizations_share_no_bytes(ours: World, theirs: World, inside: Any) -> None:
    large = os.urandom(INLINE_BYTES + 1)
    with inside(ours):
        mine = keep_raw(large, ours.id)
        db.session.commit()
    with inside(theirs):
        other = keep_raw(large, theirs.id)
        db.session.commit()
    assert mine.id != other.id
    assert mine.object_key != other.object_key


def test_the_installation_keeps_bytes_of_its_own(ours: World, inside: Any) -> None:
    with inside_installation("a test"):
        raw = keep_raw(b"global", None)
        db.session.commit()
        assert raw_content(raw.id) == b"global"
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Raw)) == 0


def test_bytes_are_kept_for_the_owner_of_the_session_only(ours: World, theirs: World, inside: Any) -> None:
    with inside(ours), pytest.raises(OutsideOrganizationError):
        keep_raw(b"x", theirs.id)


def test_an_object_that_is_about_to_be_named_is_not_deleted(app: Any, ours: World, inside: Any) -> None:
    content = os.urandom(INLINE_BYTES + 1)
    with inside(ours):
        raw = keep_raw(content, ours.id)
        db.session.commit()
        key = raw.object_key
        gone = forget_raws([raw.id])
        db.session.commit()
        assert gone == [key]
        kept = keep_raw(content, ours.id)  # another pass; its row is not committed yet
        with ThreadPoolExecutor(1) as other:
            assert other.submit(refused_to_delete, app, ours, key).result()
        db.session.commit()
        forget_objects([key])
        db.session.commit()
        assert raw_content(kept.id) == content


def refused_to_delete(app: Any, world: World, key: str) -> bool:
    with app.app_context(), inside_of(world.id) as session:
        session.execute(text("SET LOCAL lock_timeout = '50ms'"))
        try:
            forget_objects([key])
        except OperationalError:
            return True
    return False


def test_a_lost_object_is_told(ours: World, inside: Any) -> None:
    with inside(ours):
        raw = keep_raw(os.urandom(INLINE_BYTES + 1), ours.id)
        db.session.commit()
        keys = forget_raws([raw.id])
        db.session.rollback()
        assert keys == [raw.object_key]
        forget_objects(keys)  # a row names it still
        assert raw_content(raw.id)
        forget_raws([raw.id])
        db.session.commit()
        forget_objects(keys)
        db.session.add(Raw(sha256=b"s", size=5, object_key=raw.object_key))
        db.session.commit()
        gone = db.session.scalars(select(Raw.id)).one()
        with pytest.raises(MissingRawError):
            raw_content(gone)
