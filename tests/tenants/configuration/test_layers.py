"""Who wins among the layers, and that inheriting again always works."""

import pytest

from tenants.configuration.catalog import CATALOG, EVERYWHERE, ORGANIZATION, SYSTEM, USER, settings_at
from tenants.configuration.layers import effective, inherit, lock, override, secret_of, unlock, value_of
from tenants.database import db
from tenants.errors import ForbiddenError, InvalidError
from tests.queries import counted_queries

KEY = "sync.interval_seconds"


def set_for_system(app, key, text):
    with app.app_context():
        override(key, text, SYSTEM, by="Sys")
        db.session.commit()


def test_without_any_row_the_default_applies(inside, ours):
    with inside(ours):
        state = effective(KEY)
        assert (state.value, state.level, state.is_overridden) == (60, "default", False)


def test_the_organization_wins_over_the_system_and_the_neighbour_does_not_notice(app, inside, ours, theirs):
    set_for_system(app, KEY, "120")
    with inside(ours):
        override(KEY, "30", ORGANIZATION, by="Ada")
        db.session.commit()
        state = effective(KEY)
        assert (state.value, state.level, state.set_by, state.inherited) == (30, ORGANIZATION, "Ada", 120)
    with inside(theirs):
        assert (effective(KEY).value, effective(KEY).level) == (120, SYSTEM)


def test_overriding_and_inheriting_again_works_any_number_of_times(inside, ours):
    for number in range(10, 15):
        with inside(ours):
            override(KEY, str(number), ORGANIZATION, by="Ada")
            db.session.commit()
            assert value_of(KEY) == number
        with inside(ours):
            inherit(KEY, ORGANIZATION, by="Ada")
            db.session.commit()
            assert value_of(KEY) == 60


def test_a_locked_setting_is_the_systems_until_it_is_unlocked(app, inside, ours):
    with inside(ours):
        override(KEY, "30", ORGANIZATION, by="Ada")
        db.session.commit()
    with app.app_context():
        lock(KEY, "The servers ask for it", by="Sys")
        db.session.commit()
    with inside(ours):
        state = effective(KEY)
        assert (state.value, state.is_locked, state.lock_reason) == (60, True, "The servers ask for it")
        with pytest.raises(ForbiddenError, match="The servers ask for it"):
            override(KEY, "31", ORGANIZATION, by="Ada")
    with app.app_context():
        unlock(KEY, by="Sys")
        db.session.commit()
    with inside(ours):
        assert value_of(KEY) == 30


def test_a_person_wins_only_where_people_may_choose(inside, ours):
    user = ours.member.user
    with inside(ours):
        override("mail.page_size", "20", USER, by="Mia", user=user)
        db.session.commit()
        assert value_of("mail.page_size", user=user) == 20
        assert value_of("mail.page_size", user=ours.admin.user) == 50
        with pytest.raises(ForbiddenError):
            override(KEY, "30", USER, by="Mia", user=user)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (KEY, "9"),
        (KEY, "soon"),
        (KEY, "١٢"),
        ("sync.history_days", "yesterday"),
        ("general.time_zone", "Mars/Olympus"),
        ("general.languages", "en, xx"),
        ("notice.sender_address", "nobody"),
        ("smtp.host", "a host\r\nEHLO"),
        ("mail.reply_button", "shout"),
        ("mail.signature", "x" * 20_001),
    ],
)
def test_a_value_that_does_not_fit_is_refused_at_its_field(inside, ours, key, text):
    with inside(ours), pytest.raises(InvalidError) as refused:
        override(key, text, ORGANIZATION, by="Ada")
    assert refused.value.field == key
    assert refused.value.message.endswith(".")


def test_a_secret_is_stored_encrypted_and_only_said_to_be_set(inside, ours):
    with inside(ours):
        override("smtp.password", "hunter2hunter2", ORGANIZATION, by="Ada")
        db.session.commit()
        state = effective("smtp.password")
        assert (state.value, state.own) == (True, True)
        assert secret_of("smtp.password") == "hunter2hunter2"
        row = db.session.connection().exec_driver_sql(
            "SELECT value::text FROM organization_overrides WHERE key = 'smtp.password'"
        )
        assert "hunter2" not in row.scalar()


@pytest.mark.parametrize("key", ["smtp.host", "smtp.user", "smtp.port"])
def test_the_systems_password_is_not_sent_to_a_server_an_organization_chose(app, inside, ours, theirs, key):
    set_for_system(app, "smtp.host", "smtp.system.example")
    set_for_system(app, "smtp.password", "the systems secret")
    with inside(ours):
        assert secret_of("smtp.password") == "the systems secret"
        override(key, "2525" if key == "smtp.port" else "evil.example", ORGANIZATION, by="Eve")
        db.session.commit()
        assert secret_of("smtp.password") == ""
    with inside(theirs):
        assert secret_of("smtp.password") == "the systems secret"


@pytest.mark.parametrize("setting", CATALOG.values(), ids=lambda setting: setting.key)
def test_every_setting_has_words_and_a_default_its_own_reader_takes(setting):
    assert setting.label
    assert setting.levels in {(SYSTEM,), (ORGANIZATION,), (SYSTEM, ORGANIZATION), EVERYWHERE}
    assert setting in settings_at(setting.levels[0])
    if setting.kind in {"number", "choice", "text", "history"} and setting.default != "":
        assert setting.read(str(setting.default)) == setting.default


def test_a_transaction_reads_each_level_once_and_again_after_a_change(app, inside, ours):
    with inside(ours), counted_queries(app) as statements:
        for key in CATALOG:
            value_of(key, user=ours.member.user)
        assert sum("_overrides" in statement for statement in statements) == 3
        override(KEY, "30", ORGANIZATION, by="Ada")
        assert value_of(KEY) == 30


def test_what_somebody_else_sets_applies_from_the_next_transaction(app, inside, ours):
    with inside(ours):
        assert value_of(KEY) == 60
        set_for_system(app, KEY, "120")
        db.session.commit()
        assert value_of(KEY) == 120
