"""The configuration pages at the three levels."""

from sqlalchemy import select

from tenants.audit import AuditEntry
from tenants.configuration.layers import lock, value_of
from tenants.database import db
from tests.factories import csrf_token, make_user, sign_in

ORGANIZATION_PAGE = "/configuration/settings/email"
SYSTEM_PAGE = "/system/configuration/email"


def save(client, url, **fields):
    page = client.get(url)
    form = all_fields(page.text) | fields | {"csrf_token": csrf_token(page.text)}
    return client.post(url, data={name: value for name, value in form.items() if value is not None})


def all_fields(html):
    from bs4 import BeautifulSoup

    form = BeautifulSoup(html, "html.parser").select_one("form.settings")
    values = {}
    for control in form.select("input[name], textarea[name]"):
        if control.get("type") == "checkbox":
            values[control["name"]] = "y" if control.has_attr("checked") else None
        else:
            values[control["name"]] = control.get("value") or control.text
    for control in form.select("select[name]"):
        chosen = control.select_one("option[selected]") or control.select_one("option")
        values[control["name"]] = chosen["value"]
    return values


def test_an_administrator_overrides_a_value_and_sees_where_it_comes_from(app, inside, ours, theirs):
    client = sign_in(app, ours.admin)
    answer = save(
        client,
        ORGANIZATION_PAGE,
        **{"sync-interval-seconds": "90", "inherits-sync-interval-seconds": None},
    )
    assert answer.status_code == 302
    page = client.get(ORGANIZATION_PAGE).text
    assert "90 s" in page
    assert ours.admin.user.name in page
    with inside(ours):
        assert value_of("sync.interval_seconds") == 90
        entry = db.session.scalar(select(AuditEntry))
        assert entry.after == {"sync.interval_seconds": 90}
    with inside(theirs):
        assert value_of("sync.interval_seconds") == 60


def test_a_bad_value_is_explained_at_its_field_and_nothing_typed_is_lost(app, inside, ours):
    client = sign_in(app, ours.admin)
    answer = save(
        client,
        ORGANIZATION_PAGE,
        **{
            "sync-interval-seconds": "soon",
            "inherits-sync-interval-seconds": None,
            "mail-signature": "Kind regards",
            "inherits-mail-signature": None,
        },
    )
    assert answer.status_code == 422
    assert "Type a whole number of seconds" in answer.text
    assert 'value="soon"' in answer.text
    assert "Kind regards" in answer.text
    with inside(ours):
        assert value_of("mail.signature") == ""


def test_a_locked_setting_shows_the_reason_and_does_not_change(app, inside, ours):
    with app.app_context():
        lock("response.enabled", "Answers are under review", by="Sys")
        db.session.commit()
    client = sign_in(app, ours.admin)
    assert "Answers are under review" in client.get(ORGANIZATION_PAGE).text
    save(client, ORGANIZATION_PAGE, **{"response-enabled": "false", "inherits-response-enabled": None})
    with inside(ours):
        assert value_of("response.enabled") is True


def test_a_stored_password_is_never_shown_again_and_stays_when_left_empty(app, ours):
    client = sign_in(app, ours.admin)
    fields = {"smtp-password": "hunter2hunter2", "inherits-smtp-password": None}
    assert save(client, ORGANIZATION_PAGE, **fields).status_code == 302
    page = client.get(ORGANIZATION_PAGE).text
    assert "hunter2" not in page
    assert save(client, ORGANIZATION_PAGE).status_code == 302
    assert "hunter2" not in client.get("/configuration/").text


def test_a_system_administrator_sets_a_default_and_sees_who_follows(app, inside, ours, theirs):
    admin = make_user(name="Sys Admin", is_system_admin=True)
    client = sign_in(app, admin)
    fields = {"sync-interval-seconds": "240", "inherits-sync-interval-seconds": None}
    assert save(client, SYSTEM_PAGE, **fields).status_code == 302
    assert "2 organizations follow this value, 0 override it" in client.get(SYSTEM_PAGE).text
    with inside(ours):
        assert value_of("sync.interval_seconds") == 240


def test_a_lock_without_a_reason_is_refused(app, ours):
    client = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    answer = save(client, SYSTEM_PAGE, **{"locks-sync-enabled": "y"})
    assert answer.status_code == 422
    assert "Say why this is locked" in answer.text


def test_a_system_administrator_configures_one_organization(app, inside, ours, theirs):
    client = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    url = f"/system/organizations/{ours.id}/configuration/email"
    fields = {"mail-signature": "Yours", "inherits-mail-signature": None}
    assert save(client, url, **fields).status_code == 302
    with inside(ours):
        assert value_of("mail.signature") == "Yours"
    with inside(theirs):
        assert value_of("mail.signature") == ""


def test_a_member_without_the_permission_sees_no_configuration(app, ours):
    client = sign_in(app, ours.member)
    assert client.get(ORGANIZATION_PAGE).status_code == 403
    assert client.get(SYSTEM_PAGE).status_code == 403


def test_quick_search_finds_settings_by_their_words(app, ours):
    client = sign_in(app, ours.admin)
    page = client.get(ORGANIZATION_PAGE + "?q=signature").text
    assert "Append the signature" in page
    assert "Maximum" not in page
    assert "Nothing here" in client.get(ORGANIZATION_PAGE + "?q=zeppelin").text


def test_a_person_chooses_for_themselves(app, inside, ours):
    client = sign_in(app, ours.member)
    fields = {"mail-reply-button": "reply_all", "inherits-mail-reply-button": None}
    assert save(client, "/my-configuration/email", **fields).status_code == 302
    with inside(ours):
        assert value_of("mail.reply_button", user=ours.member.user) == "reply_all"
        assert value_of("mail.reply_button", user=ours.admin.user) == "reply"
