"""What a setting was before, and having it so again."""

import pytest

from tenants.configuration.catalog import CATALOG, ORGANIZATION, SYSTEM, USER
from tenants.configuration.following import organization_count, override_counts, stances
from tenants.configuration.history import changes_of, undo
from tenants.configuration.layers import effective, inherit, lock, override, own_secret_of, unlock, value_of
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

KEY = "sync.interval_seconds"


def changes(key=KEY, level=ORGANIZATION, **given):
    return db.session.scalars(changes_of(key, level, **given)).all()


def test_every_change_says_who_and_what_stood_before_and_after(inside, ours):
    with inside(ours):
        override(KEY, "90", ORGANIZATION, by="Ada")
        override(KEY, "120", ORGANIZATION, by="Mia")
        override(KEY, "120", ORGANIZATION, by="Mia")
        inherit(KEY, ORGANIZATION, by="Ada")
        said = [(one.by, one.before, one.after) for one in changes()]
    assert said == [
        ("Ada", {"value": 120}, {}),
        ("Mia", {"value": 90}, {"value": 120}),
        ("Ada", {}, {"value": 90}),
    ]


def test_undo_brings_back_what_was_before_and_is_a_change_too(inside, ours):
    with inside(ours):
        override(KEY, "90", ORGANIZATION, by="Ada")
        override(KEY, "120", ORGANIZATION, by="Ada")
        undo(KEY, changes()[0].id, ORGANIZATION, by="Mia")
        assert value_of(KEY) == 90
        undo(KEY, changes()[-1].id, ORGANIZATION, by="Mia")
        assert effective(KEY).is_overridden is False
        assert len(changes()) == 4
        with pytest.raises(ConflictError):
            undo(KEY, changes()[-1].id, ORGANIZATION, by="Mia")


def test_the_neighbours_changes_are_neither_seen_nor_undone(inside, ours, theirs):
    with inside(theirs):
        override(KEY, "90", ORGANIZATION, by="Eve")
        db.session.commit()
        id = changes()[0].id
    with inside(ours):
        assert changes() == []
        with pytest.raises(NotFoundError):
            undo(KEY, id, ORGANIZATION, by="Ada")


def test_a_persons_changes_are_theirs_alone(inside, ours):
    with inside(ours):
        override("mail.page_size", "20", USER, by="Mia", user=ours.member.user)
        assert changes("mail.page_size", USER, user=ours.admin.user) == []
        [change] = changes("mail.page_size", USER, user=ours.member.user)
        with pytest.raises(NotFoundError):
            undo("mail.page_size", change.id, USER, by="Ada", user=ours.admin.user)
        undo("mail.page_size", change.id, USER, by="Mia", user=ours.member.user)
        assert value_of("mail.page_size", user=ours.member.user) == 50


def test_a_lock_is_a_change_that_can_be_undone(app, inside, ours):
    lock(KEY, "The servers ask for it", by="Sys")
    override(KEY, "90", SYSTEM, by="Sys")
    unlock(KEY, by="Sys")
    newest, _, oldest = changes(level=SYSTEM)
    assert (newest.before, newest.after) == (
        {"value": 90, "lock": "The servers ask for it"},
        {"value": 90},
    )
    undo(KEY, newest.id, SYSTEM, by="Sys")
    assert effective(KEY, SYSTEM).is_locked
    undo(KEY, oldest.id, SYSTEM, by="Sys")
    assert (effective(KEY, SYSTEM).is_locked, effective(KEY, SYSTEM).value) == (False, 60)


def test_a_locked_setting_is_not_undone_by_an_organization(app, inside, ours):
    with inside(ours):
        override(KEY, "90", ORGANIZATION, by="Ada")
        db.session.commit()
    lock(KEY, "The servers ask for it", by="Sys")
    db.session.commit()
    with inside(ours), pytest.raises(ForbiddenError):
        undo(KEY, changes()[0].id, ORGANIZATION, by="Ada")


def test_a_former_password_is_not_kept_but_its_setting_is_taken_back(inside, ours):
    with inside(ours):
        override("smtp.password", "hunter2hunter2", ORGANIZATION, by="Ada")
        override("smtp.password", "another1another1", ORGANIZATION, by="Ada")
        newest, oldest = changes("smtp.password")
        assert (newest.before, newest.after) == ({"value": True}, {"value": True})
        with pytest.raises(InvalidError, match="not kept"):
            undo("smtp.password", newest.id, ORGANIZATION, by="Ada")
        undo("smtp.password", oldest.id, ORGANIZATION, by="Ada")
        assert own_secret_of("smtp.password", ORGANIZATION) == ""
        texts = db.session.connection().exec_driver_sql("SELECT c::text FROM organization_override_changes c")
        assert "hunter2" not in str(texts.all())


def test_an_owner_is_a_member_of_this_organization(inside, ours, theirs):
    key = "record.default_owner"
    with inside(ours):
        assert override(key, ours.member.user.address, ORGANIZATION, by="Ada") == str(ours.member.id)
        for stranger in (str(theirs.member.id), theirs.member.user.address, "nobody@example.test"):
            with pytest.raises(InvalidError) as refused:
                override(key, stranger, ORGANIZATION, by="Ada")
            assert refused.value.message == "Choose a person of this organization."


def test_who_follows_and_who_overrides_is_counted_and_named(inside, ours, theirs):
    with inside(ours):
        override(KEY, "90", ORGANIZATION, by="Ada")
        override("smtp.password", "hunter2hunter2", ORGANIZATION, by="Ada")
        db.session.commit()
    assert organization_count() == 2
    assert override_counts([KEY, "sync.enabled"]) == {KEY: 1}
    [own] = stances(CATALOG[KEY], overriding=True)
    assert (own.name, own.value, own.set_by) == (ours.name, 90, "Ada")
    [follower] = stances(CATALOG[KEY], overriding=False)
    assert (follower.id, follower.value) == (theirs.id, None)
    [own] = stances(CATALOG["smtp.password"], overriding=True)
    assert own.value is True


def test_names_are_paged_by_key(ours, theirs):
    first = stances(CATALOG[KEY], overriding=False, limit=1)
    [one] = first
    rest = stances(CATALOG[KEY], overriding=False, after=(one.name, one.id))
    assert [stance.id for stance in first + rest] == [ours.id, theirs.id]
