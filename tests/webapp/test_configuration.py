"""The configuration pages at the three levels."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.configuration.history import changes_of
from tenants.configuration.layers import effective, lock, override, value_of
from tenants.database import db, now
from tests.factories import csrf_token, make_user, sign_in
from tests.webapp.critic import criticise
from tests.webapp.filling import save
from tests.webapp.reading import words_of

ORGANIZATION_PAGE = "/configuration/settings/email"
SYSTEM_PAGE = "/system/configuration/email"


def system_admin():
    return make_user(name="Sys Admin", is_system_admin=True)


def text_of(answer):
    return " ".join(BeautifulSoup(answer.text, "html.parser").get_text(" ").split()).replace(" ,", ",")


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
    typed = {"response-enabled": "false", "inherits-response-enabled": None}  # as before it was locked
    save(client, ORGANIZATION_PAGE, **typed)
    with inside(ours):
        assert value_of("response.enabled") is True
    said = text_of(client.get(ORGANIZATION_PAGE))
    assert "was not changed: the system has locked it. Answers are under review" in said
    assert "Nothing had changed" not in said
    save(client, ORGANIZATION_PAGE)
    assert "was not changed" not in text_of(client.get(ORGANIZATION_PAGE))


def test_a_stored_password_is_never_shown_again_and_stays_when_left_empty(app, ours):
    client = sign_in(app, ours.admin)
    fields = {"smtp-password": "hunter2hunter2", "inherits-smtp-password": None}
    assert save(client, ORGANIZATION_PAGE, **fields).status_code == 302
    page = client.get(ORGANIZATION_PAGE).text
    assert "hunter2" not in page
    assert save(client, ORGANIZATION_PAGE).status_code == 302
    assert "hunter2" not in client.get("/configuration/").text


def test_a_system_administrator_sets_a_default_and_sees_who_follows(app, inside, ours, theirs):
    admin = system_admin()
    client = sign_in(app, admin)
    fields = {"sync-interval-seconds": "240", "inherits-sync-interval-seconds": None}
    assert save(client, SYSTEM_PAGE, **fields).status_code == 302
    page = text_of(client.get(SYSTEM_PAGE))
    assert "2 organizations follow this value, 0 override it" in page
    with inside(ours):
        assert value_of("sync.interval_seconds") == 240


def test_a_lock_without_a_reason_is_refused(app, ours):
    client = sign_in(app, system_admin())
    answer = save(client, SYSTEM_PAGE, **{"locks-sync-enabled": "y"})
    assert answer.status_code == 422
    assert "Say why this is locked" in answer.text


def test_a_system_administrator_configures_one_organization(app, inside, ours, theirs):
    client = sign_in(app, system_admin())
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


def test_quick_search_is_on_the_pages_beside_the_settings_too(app, ours):
    client = sign_in(app, ours.admin)
    page = BeautifulSoup(client.get("/configuration/templates/").text, "html.parser")
    search = page.select_one("aside form[role=search]")
    found = client.get(search["action"], query_string={search.input["name"]: "signature"}).text
    assert "Append the signature" in found


def test_a_person_chooses_for_themselves(app, inside, ours):
    client = sign_in(app, ours.member)
    fields = {"mail-reply-button": "reply_all", "inherits-mail-reply-button": None}
    assert save(client, "/my-configuration/email", **fields).status_code == 302
    with inside(ours):
        assert value_of("mail.reply_button", user=ours.member.user) == "reply_all"
        assert value_of("mail.reply_button", user=ours.admin.user) == "reply"


def test_every_page_of_a_configuration_is_sound(app, inside, ours):
    with inside(ours):
        override("sync.interval_seconds", "90", "organization", by="Ada")
        db.session.commit()
    mine, system = sign_in(app, ours.admin), sign_in(app, system_admin())
    opened = f"/system/organizations/{ours.id}/configuration"
    for client, url in (
        (mine, ORGANIZATION_PAGE),
        (mine, ORGANIZATION_PAGE + "?q=90"),
        (mine, "/configuration/settings/localization"),
        (mine, "/configuration/settings/sync.interval_seconds/history"),
        (mine, "/my-configuration/display"),
        (system, SYSTEM_PAGE + "?in=all"),
        (system, "/system/configuration/sync.interval_seconds/history"),
        (system, "/system/configuration/sync.interval_seconds/organizations"),
        (system, "/system/configuration/sync.interval_seconds/organizations?side=override"),
        (system, f"{opened}/email"),
        (system, f"{opened}/sync.interval_seconds/history"),
        (system, f"/system/organizations/{ours.id}/mailboxes/new"),
    ):
        answer = client.get(url)
        assert answer.status_code == 200, url
        criticise(answer.text, url)


def test_the_page_says_who_set_a_value_where_and_on_which_day(noon, app, inside, ours):
    with inside(ours):
        override("sync.interval_seconds", "90", "organization", by="Ada Byron")
        db.session.commit()
    with app.app_context():
        override("sync.max_message_mb", "20", "system", by="Sys Admin")
        db.session.commit()
    today = f"{now().day} {now():%b %Y}"
    page = text_of(sign_in(app, ours.admin).get(ORGANIZATION_PAGE))
    assert f"Effective: 90 s · {ours.name} · set by Ada Byron · {today}" in page
    assert f"Effective: 20 MB · System · set by Sys Admin · {today}" in page


@pytest.mark.parametrize(
    "words", ["Fetch messages", "nothing is lost", "Fêtes", "german", "smtp.example.com", "synchronization"]
)
def test_quick_search_reads_labels_help_places_and_values(app, inside, ours, words):
    with inside(ours):
        override("mail.signature", "Joyeuses Fêtes", "organization", by="Ada")
        override("general.language", "de", "organization", by="Ada")
        override("smtp.host", "smtp.example.com", "organization", by="Ada")
        db.session.commit()
    page = sign_in(app, ours.admin).get(ORGANIZATION_PAGE, query_string={"q": words})
    assert BeautifulSoup(page.text, "html.parser").select(".setting")


def test_quick_search_never_looks_into_a_password(app, inside, ours):
    with inside(ours):
        override("smtp.password", "hunter2hunter2", "organization", by="Ada")
        db.session.commit()
    client = sign_in(app, ours.admin)
    assert "Nothing here" in client.get(ORGANIZATION_PAGE + "?q=hunter2hunter2").text


def test_what_a_search_finds_links_to_its_section(app, ours):
    client = sign_in(app, ours.admin)
    found = BeautifulSoup(client.get(ORGANIZATION_PAGE + "?q=zone").text, "html.parser")
    link = found.select_one(".settings > h2 > a")["href"]
    assert link == "/configuration/settings/localization#language"
    page = BeautifulSoup(client.get(link).text, "html.parser")
    assert page.select_one("#language") is not None
    assert page.select_one("#setting-general-time-zone") is not None


def test_only_what_is_overridden_is_shown_on_demand(app, inside, ours):
    with inside(ours):
        override("mail.page_size", "20", "organization", by="Ada")
        db.session.commit()
    client = sign_in(app, ours.admin)
    page = BeautifulSoup(client.get(ORGANIZATION_PAGE + "?only=overridden&in=all").text, "html.parser")
    assert [row["id"] for row in page.select(".setting")] == ["setting-mail-page-size"]
    assert "1 setting is overridden here" in text_of(client.get(ORGANIZATION_PAGE))


def test_a_value_typed_beside_a_ticked_box_is_asked_about_and_kept(app, inside, ours):
    answer = save(sign_in(app, ours.admin), ORGANIZATION_PAGE, **{"smtp-user": "postmaster"})
    assert answer.status_code == 422
    assert "untick “Use system value”" in answer.text
    assert 'value="postmaster"' in answer.text
    with inside(ours):
        assert value_of("smtp.user") == ""


def test_history_shows_each_change_and_undo_brings_the_former_value_back(app, inside, ours, theirs):
    client = sign_in(app, ours.admin)
    for seconds in ("90", "120"):
        save(
            client,
            ORGANIZATION_PAGE,
            **{"sync-interval-seconds": seconds, "inherits-sync-interval-seconds": None},
        )
    url = "/configuration/settings/sync.interval_seconds/history"
    page = BeautifulSoup(client.get(url).text, "html.parser")
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.select("td")][:3] for row in page.select("tbody tr")
    ]
    who = ours.admin.user.name
    assert rows == [[who, "90 s", "120 s"], [who, "inherits", "90 s"]]
    forms = page.select("tbody form")
    client.post(forms[0]["action"], data={"csrf_token": csrf_token(str(page))})
    with inside(ours):
        assert value_of("sync.interval_seconds") == 90
    client.post(forms[1]["action"], data={"csrf_token": csrf_token(str(page))})
    with inside(ours):
        assert effective("sync.interval_seconds").is_overridden is False
        acts = db.session.scalars(select(AuditEntry.after).order_by(AuditEntry.at)).all()
        assert acts[-1] == {"sync.interval_seconds": None}


def test_nobody_undoes_the_neighbours_change(app, inside, ours, theirs):
    with inside(theirs):
        override("sync.interval_seconds", "90", "organization", by="Eve")
        db.session.commit()
        [change] = db.session.scalars(changes_of("sync.interval_seconds", "organization")).all()
    client = sign_in(app, ours.admin)
    token = csrf_token(client.get(ORGANIZATION_PAGE).text)
    url = f"/configuration/settings/sync.interval_seconds/changes/{change.id}/undo"
    answer = client.post(url, data={"csrf_token": token}, follow_redirects=True)
    assert "We could not find that" in answer.text
    with inside(theirs):
        assert value_of("sync.interval_seconds") == 90


def test_another_server_demands_the_password_anew(app, inside, ours):
    client = sign_in(app, ours.admin)
    both = {"smtp-host": "smtp.ours.example", "inherits-smtp-host": None}
    secret = {"smtp-password": "hunter2hunter2", "inherits-smtp-password": None}
    assert save(client, ORGANIZATION_PAGE, **both, **secret).status_code == 302
    answer = save(client, ORGANIZATION_PAGE, **{"smtp-host": "smtp.evil.example"})
    assert answer.status_code == 422
    assert "SMTP password: type it anew" in answer.text
    token = csrf_token(answer.text)
    answer = client.post(
        "/configuration/settings/smtp.host/reset", data={"csrf_token": token}, follow_redirects=True
    )
    assert "SMTP password: type it anew" in answer.text
    with inside(ours):
        assert value_of("smtp.host") == "smtp.ours.example"


def test_before_a_system_save_the_page_names_who_follows_and_who_overrides(app, inside, ours, theirs):
    with inside(theirs):
        override("sync.interval_seconds", "90", "organization", by="Eve")
        db.session.commit()
    client = sign_in(app, system_admin())
    fields = {"sync-interval-seconds": "240", "inherits-sync-interval-seconds": None, "preview": "1"}
    answer = save(client, SYSTEM_PAGE, **fields)
    assert answer.status_code == 200
    effects = BeautifulSoup(answer.text, "html.parser").select_one("#effects").get_text(" ", strip=True)
    assert "Longest time between two passes : inherits → 240 s" in effects
    assert f"1 organization follows: {ours.name}" in effects
    assert f"1 overrides: {theirs.name}" in effects
    assert 'value="240"' in answer.text
    with app.app_context():
        assert value_of("sync.interval_seconds") == 60
        assert db.session.scalars(changes_of("sync.interval_seconds", "system")).all() == []


def test_a_preview_shows_what_is_wrong_at_its_field(app, ours):
    fields = {"sync-interval-seconds": "soon", "inherits-sync-interval-seconds": None, "preview": "1"}
    answer = save(sign_in(app, system_admin()), SYSTEM_PAGE, **fields)
    assert answer.status_code == 422
    effects = BeautifulSoup(answer.text, "html.parser").select_one("#effects").get_text(" ", strip=True)
    assert "Nothing can be saved like this yet: Type a whole number of seconds" in effects


def test_the_organizations_that_override_are_listed_with_their_values(app, inside, ours, theirs):
    with inside(theirs):
        override("sync.interval_seconds", "90", "organization", by="Eve")
        db.session.commit()
    client = sign_in(app, system_admin())
    url = "/system/configuration/sync.interval_seconds/organizations"
    page = client.get(url).text
    assert ours.name in page
    assert f"/system/organizations/{theirs.id}/" not in page
    page = text_of(client.get(url + "?side=override"))
    assert f"{theirs.name} 90 s Eve" in page
    assert client.get("/system/configuration/network.permitted_hosts/organizations").status_code == 404


def test_what_waits_for_a_lock_is_no_override_and_said_apart(app, inside, ours, theirs):
    with inside(ours):
        override("sync.interval_seconds", "90", "organization", by="Ada")
        db.session.commit()
    lock("sync.interval_seconds", "Decided", by="Sys")
    db.session.commit()
    client = sign_in(app, system_admin())
    row = BeautifulSoup(client.get(SYSTEM_PAGE).text, "html.parser").select_one(
        "#setting-sync-interval-seconds .setting-affects"
    )
    assert (
        " ".join(row.text.split())
        == "Locked: every organization follows this value; what 1 said otherwise waits until it is unlocked"
    )
    page = text_of(client.get("/system/configuration/sync.interval_seconds/organizations?side=override"))
    assert "Wait for the lock to go" in page
    assert "is kept, and applies again once it is unlocked" in page
    assert "Organizations that have said otherwise and wait for the lock to go" in page
    page = client.get("/system/configuration/sync.interval_seconds/organizations").text
    assert "Follow 2" in words_of(page)
    assert {ours.name, theirs.name} <= {
        row.get_text(" ", strip=True) for row in BeautifulSoup(page, "html.parser").select("tbody th")
    }
    changed = {"sync-interval-seconds": "240", "inherits-sync-interval-seconds": None, "preview": "1"}
    for locked, words in (("y", "1 overrides, once it is unlocked: Acme"), (None, "1 overrides: Acme")):
        answer = save(client, SYSTEM_PAGE, **changed, **{"locks-sync-interval-seconds": locked})
        assert words in BeautifulSoup(answer.text, "html.parser").select_one("#effects").get_text(
            " ", strip=True
        )


def test_opening_an_organizations_configuration_is_on_its_record_once(app, inside, ours, theirs):
    admin = system_admin()
    client = sign_in(app, admin)
    for _ in range(2):
        assert client.get(f"/system/organizations/{ours.id}/configuration/email").status_code == 200
        assert client.get(f"/system/organizations/{ours.id}/mailboxes/").status_code == 200
    for organization, expected in ((ours, [admin.name]), (theirs, [])):
        with inside(organization):
            query = select(AuditEntry.actor_name).where(AuditEntry.act == "configuration.opened")
            assert db.session.scalars(query).all() == expected


def test_a_system_administrator_adds_a_mailbox_to_one_organization(app, inside, ours, theirs):
    client = sign_in(app, system_admin())
    page = BeautifulSoup(
        client.get(f"/system/organizations/{ours.id}/configuration/email").text, "html.parser"
    )
    last = page.select("main section")[-1]
    assert last.select_one("h2").text == "System Mailboxes"
    new = last.select_one("a.button")["href"]
    answer = client.get(new)
    form = {
        "csrf_token": csrf_token(answer.text),
        "label": "Orders",
        "address": "orders@ours.test",
        "action": "nothing",
        "automation_from": "2026-01-01T00:00",
        "history": "inherit",
        "is_enabled": "y",
    }
    saved = client.post(new, data=form)
    assert saved.status_code == 302, BeautifulSoup(saved.text, "html.parser").select(".field-errors")
    with inside(ours):
        [mailbox] = db.session.scalars(select(Mailbox)).all()
        assert (mailbox.label, mailbox.is_global) == ("Orders", False)
    with inside(theirs):
        assert db.session.scalars(select(Mailbox)).all() == []
    page = client.get(saved.headers["Location"])
    criticise(page.text, saved.headers["Location"])
    assert f"/system/organizations/{theirs.id}/mailboxes/{mailbox.id}" not in page.text
    assert client.get(f"/system/organizations/{theirs.id}/mailboxes/{mailbox.id}").status_code == 404


def test_a_system_administrator_sees_no_message_that_could_not_be_taken_in(app):
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert "mailboxes.held" in endpoints
    of_messages = ("held", "held_file", "take_in_again", "fetch_anyway")
    assert not {f"opened_mailboxes.{name}" for name in of_messages} & endpoints


def test_an_organization_administrator_opens_no_other_organization(app, ours, theirs):
    client = sign_in(app, ours.admin)
    for path in ("configuration/email", "mailboxes/", "configuration/sync.enabled/history"):
        assert client.get(f"/system/organizations/{theirs.id}/{path}").status_code == 403
