"""A global mailbox in the organizations that it serves: each field inherited, overridden and reset."""

import re

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.crm.channels import Channel
from mailboxes.crm.lead_sources import LeadSource, offer_lead_sources
from mailboxes.global_mailboxes import following, overriding, saving
from mailboxes.global_mailboxes.fields import FIELDS
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import offer_system_templates
from tenants.audit import AuditEntry
from tenants.database import db, inside_installation
from tenants.database import inside as inside_of
from tenants.permissions import Role
from tests.factories import csrf_token, make_mailbox, make_member, make_message, make_user, sign_in
from tests.mailboxes.deleting import finish_deleting
from tests.mailboxes.global_mailboxes.saying import (
    ADA,
    RULE_KEYS,
    applying,
    make_global,
    rule,
    system_locks,
    system_says,
)
from tests.webapp.reading import form_values, read, send, words_of

# field → what the system says later, and how an organization's page is filled in to say otherwise.
TABLE = {
    "label": ("Information", {"label": "Our own"}),
    "enabled": (False, {"enabled": "false"}),
    "shadow": (True, {"shadow": "true"}),
    "processing": (
        {"action": "case", "settings": {"status": "open", "priority": "high", "tags": ["vip"]}},
        {"action": "case", "case_status": "open", "case_priority": "low", "case_tags": "a, b"},
    ),
    "owner": ("", {"owner": "the administrator"}),
    "source": ("phone", {"source": "referral"}),
    "automation_from": ("2026-02-02T08:00:00+00:00", {"automation_from": "2026-03-03T09:30"}),
    "converts_automatic": (True, {"converts_automatic": "true"}),
    "trusted_forms": (["web@forms.test"], {"trusted_forms": "ours@forms.test"}),
    "answers_unaddressed": (True, {"answers_unaddressed": "true"}),
    "signature": ("From the system", {"signature": "From us"}),
    "access": ({"administrator": "reply"}, {"access": "the member"}),
    "rules": ([rule(RULE_KEYS[1], "Day", is_active=True)], {"rules_from": "off"}),
}
AT_FIRST = {
    "processing": {"action": "case", "settings": {"status": "open", "priority": "normal", "tags": []}},
    "access": {"member": "read"},
    "rules": [rule(RULE_KEYS[0], "Night", is_active=True)],
}


@pytest.fixture
def source(ours, theirs, inside):
    """A global mailbox that serves both organizations; the system says that it makes cases."""
    for world in (ours, theirs):
        with inside(world):
            offer_system_templates()
            offer_lead_sources()
            db.session.commit()
    id = make_global(ours, theirs)
    for field, value in AT_FIRST.items():
        system_says(id, field, value)
    following.follow(id)
    return id


@pytest.fixture
def ada(app, ours):
    """Who administers ours."""
    return sign_in(app, ours.admin)


def url_of(world, inside):
    with inside(world):
        mailbox = db.session.scalar(select(Mailbox).where(Mailbox.global_mailbox_id.is_not(None)))
        return f"/configuration/mailboxes/{mailbox.id}"


def what_applies(world, inside):
    with inside(world):
        mailbox = db.session.scalar(select(Mailbox).where(Mailbox.global_mailbox_id.is_not(None)))
        states = overriding.states(mailbox)
        found = applying(mailbox) | {"settings": mailbox.action_settings}
        if mailbox.live_since is not None:  # it begins then at the earliest; what is said is compared
            said = next(state.value for state in states if state.field == "automation_from")
            assert found["automation_from"] == max(said, mailbox.live_since.isoformat())
            found["automation_from"] = said
        return found | {"overridden": {state.field for state in states if state.is_overridden}}


def filled_in(world, typed):
    """What is typed, with this organization's people."""
    values = dict(typed)
    if "owner" in values:
        values["owner"] = str(world.admin.id)
    if values.pop("access", ""):
        values |= {f"access-member-{world.member.id}": "read", **no_roles(world)}
    return values


def no_roles(world):
    with inside_of(world.id):
        return {f"access-role-{id}": "" for id in db.session.scalars(select(Role.id))}


def say(client, url, field, typed, expect=200):
    """Untick the box of a field, fill it in and save; the page that follows."""
    return send(client, url, expect=expect, **{f"inherits-{field}": None}, **typed)


class Page:
    """The form of an organization's page, sent as a browser would, without looking at the pages each time."""

    def __init__(self, app, world, inside):
        self.world, self.url = world, url_of(world, inside)
        self.client = sign_in(app, world.admin)
        self.token = csrf_token(self.client.get(self.url).text)

    def save(self, **overridden):
        """Tick the boxes of all fields but these, and fill these in."""
        boxes = {f"inherits-{field}": "y" for field in FIELDS if field not in overridden}
        typed = {name: value for typed in overridden.values() for name, value in typed.items()}
        data = {"csrf_token": self.token, **boxes, **filled_in(self.world, typed)}
        answer = self.client.post(self.url, data=data)
        assert answer.status_code == 302, answer.text


def test_every_field_is_inherited_overridden_changed_meanwhile_and_reset(app, inside, source, ours, theirs):
    """In two organizations at once, through the door, and any number of times."""
    page, next_door = Page(app, ours, inside), Page(app, theirs, inside)
    for field in FIELDS:
        later, typed = TABLE[field]
        at_first = what_applies(theirs, inside)
        assert what_applies(ours, inside) == at_first, field

        page.save(**{field: typed})
        overridden = what_applies(ours, inside)
        assert overridden["overridden"] == {field}
        assert {**overridden, "overridden": set()} != at_first, field
        assert what_applies(theirs, inside) == at_first, field

        system_says(source, field, later)
        following.follow(source)
        assert what_applies(ours, inside) == overridden, field
        followed = what_applies(theirs, inside)
        assert (followed != at_first) == (field != "owner"), field  # the system names nobody

        next_door.save(**{field: typed})
        assert what_applies(theirs, inside)["overridden"] == {field}
        for _ in range(2):
            page.save()
            assert what_applies(ours, inside) == followed, field
            page.save(**{field: typed})
            assert what_applies(ours, inside) == overridden, field
        page.save()
        next_door.save()
        assert what_applies(theirs, inside) == what_applies(ours, inside) == followed, field


def test_every_field_is_locked_and_what_was_said_waits(app, inside, source, ours, theirs):
    """What one organization said otherwise gives way and comes back; the other cannot begin. Over HTTP."""
    page, next_door = Page(app, ours, inside), Page(app, theirs, inside)
    page.save(**{field: typed for field, (_, typed) in TABLE.items()})
    overridden, followed = what_applies(ours, inside), what_applies(theirs, inside)
    for field, (_, typed) in TABLE.items():
        system_locks(source, {field: f"Because of {field}"})
        following.follow(source)
        waiting = what_applies(ours, inside)
        assert waiting["overridden"] == set(FIELDS) - {field}
        row = setting_of(page, field)
        assert f"Because of {field}" in row.select_one(".setting-lock").text
        assert row.select_one("[data-setting-inherits]") is None
        assert row.select_one("fieldset[disabled]") is not None
        assert "Kept until it is unlocked" in row.text
        next_door.save(**{field: typed})  # as a form would be that is older than the lock
        assert what_applies(theirs, inside) == followed, field
        page.save(**{name: said for name, (_, said) in TABLE.items() if name != field})
        system_locks(source, {})
        following.follow(source)
        assert what_applies(ours, inside) == overridden, field
        assert what_applies(theirs, inside) == followed, field
    page.save()
    assert what_applies(ours, inside) == followed


@pytest.mark.parametrize("open_fields", [{"access"}, {"label", "trusted_forms"}])
def test_shown_again_what_is_locked_says_what_applies_and_what_was_typed_stays(
    source, inside, ada, ours, open_fields
):
    """Sent as by a browser: without the controls that are locked."""
    system_locks(source, dict.fromkeys(set(FIELDS) - open_fields, "Because"))
    following.follow(source)
    url = url_of(ours, inside)
    shown = BeautifulSoup(read(ada, url), "html.parser")
    data = {"csrf_token": shown.select_one("[name=csrf_token]")["value"]}
    granted = f"member-{ours.admin.id}"
    data |= {"add": granted} if "access" in open_fields else {"label": "Ours", "trusted_forms": "nobody"}
    answer = ada.post(url, data=data)
    again = BeautifulSoup(answer.text, "html.parser")
    for field in set(FIELDS) - open_fields:
        before, after = (one.select_one(f"#setting-{field} fieldset[disabled]") for one in (shown, again))
        assert (field, str(after)) == (field, str(before))
    if "access" in open_fields:
        assert again.select_one(f"[name=access-{granted}]") is not None
    else:
        assert answer.status_code == 422
        assert "nobody" in again.select_one("[name=trusted_forms]").text


def setting_of(page, field):
    return BeautifulSoup(page.client.get(page.url).text, "html.parser").select_one(f"#setting-{field}")


def test_all_fields_are_overridden_and_reset_at_once(app, inside, source, ours, theirs):
    neighbour = what_applies(theirs, inside)
    page = Page(app, ours, inside)
    page.save(**{field: typed for field, (_, typed) in TABLE.items()})
    assert what_applies(ours, inside)["overridden"] == set(FIELDS)
    for field, (later, _) in TABLE.items():
        system_says(source, field, later)
    following.follow(source)
    assert what_applies(ours, inside)["label"] == "Our own"
    page.save()
    assert what_applies(ours, inside) == what_applies(theirs, inside)
    assert what_applies(theirs, inside) != neighbour


def test_the_page_says_what_applies_from_where_who_and_when(source, inside, ada, ours):
    url = url_of(ours, inside)
    say(ada, url, "label", {"label": "Our own"})
    shown = words_of(read(ada, url))
    assert "Effective: Our own · from Acme · set by" in shown
    assert "The system says: Info" in shown
    assert "1 field is overridden here" in shown
    assert "Effective: Convert to case (Status: Open, Priority: Normal) · from System" in shown
    assert "Effective: Every Member reads · from System · set by Sys Admin" in shown


def test_connection_and_neighbours_are_never_shown(source, inside, ada, ours, theirs):
    for page in (url_of(ours, inside), "/configuration/mailboxes/", "/configuration/mailboxes/applying"):
        text = read(ada, page)
        assert "info@everybody.test" in text
        for hidden in ("imap.everybody.test", "imap_host", "hunter2", "INBOX", theirs.name, theirs.canary):
            assert hidden not in text


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("label", {"label": "taken"}, "Another mailbox is called Taken"),
        ("processing", {"action": "lead"}, "needs an active sales channel"),
        ("processing", {"action": "case", "case_status": "odd"}, "Choose one from the list"),
        ("trusted_forms", {"trusted_forms": "nobody"}, "is no email address"),
        ("automation_from", {"automation_from": ""}, "Choose a date and time"),
        ("automation_from", {"automation_from": "9999-12-31T23:59"}, "Choose a date and time"),
        ("owner", {"owner": "the neighbour"}, "Choose one from the list"),
        ("access", {"access-of-neighbour": "reply"}, "Choose roles and people of this organization"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    source, inside, ada, ours, theirs, field, typed, sentence
):
    make_mailbox(ours, label="Taken")
    if "owner" in typed:
        typed = {"owner": str(theirs.admin.id)}
    if "access-of-neighbour" in typed:
        typed = {f"access-member-{theirs.member.id}": "reply"}
    url = url_of(ours, inside)
    page = say(ada, url, field, {**typed, "signature": "Kept", "inherits-signature": None}, expect=422)
    assert sentence in page
    assert form_values(page, url)["signature"] == "Kept"
    assert what_applies(ours, inside)["overridden"] == set()


def test_a_lead_source_is_found_by_its_key_among_the_organizations_own(source, inside, ada, ours):
    with inside(ours):
        renamed = db.session.scalar(select(LeadSource).where(LeadSource.key == "phone"))
        renamed.name = "Telefon"
        db.session.add(Channel(name="Direct"))
        db.session.commit()
    system_says(source, "source", "phone")
    following.follow(source)
    assert "Effective: Telefon · from System" in words_of(read(ada, url_of(ours, inside)))


def test_pausing_here_overrides_and_going_on_follows(source, inside, ada, ours, theirs):
    url = url_of(ours, inside)
    send(ada, f"{url}/pause", at=url)
    assert (what_applies(ours, inside)["enabled"], what_applies(theirs, inside)["enabled"]) == (False, True)
    send(ada, f"{url}/pause", at=url)  # pressed twice
    assert what_applies(ours, inside)["enabled"] is False
    send(ada, f"{url}/resume", at=url)
    assert what_applies(ours, inside)["overridden"] == set()


def test_own_rules_replace_the_systems_and_are_kept(source, inside, ada, ours):
    url = url_of(ours, inside)
    assert "Night The system's" in words_of(read(ada, url))
    say(ada, url, "rules", {"rules_from": "own"})
    send(ada, f"{url}/rules/new", name="Ours", content_en="Thanks.")
    assert what_applies(ours, inside)["rules"] == [("None", "Ours", True)]
    send(ada, url, **{"inherits-rules": "y"})
    assert what_applies(ours, inside)["rules"] == [(RULE_KEYS[0], "Night", True)]
    say(ada, url, "rules", {"rules_from": "own"})
    assert what_applies(ours, inside)["rules"] == [("None", "Ours", True)]
    with inside(ours):
        copy = db.session.scalar(select(Mailbox))
    read(ada, f"{url}/rules/{RULE_KEYS[0]}", expect=404)
    assert copy.rules_from == "own"


def test_the_list_counts_the_rules_that_apply(source, inside, ada, ours):
    url = url_of(ours, inside)

    def counted():
        (cell,) = re.findall(r'#rules">(\d+ of \d+)', read(ada, "/configuration/mailboxes/"))
        return cell

    assert counted() == "1 of 1"
    say(ada, url, "rules", {"rules_from": "own"})
    send(ada, f"{url}/rules/new", name="Ours", content_en="Thanks.")
    assert counted() == "1 of 1"
    say(ada, url, "rules", {"rules_from": "off"})
    assert counted() == "0 of 0"


def test_what_the_system_serves_is_not_offered_to_be_deleted(source, inside, ada, ours, theirs):
    url = url_of(ours, inside)
    assert f"{url}/delete" not in read(ada, url)
    assert f"{url}/delete" not in read(ada, "/configuration/mailboxes/")
    assert "its administrators delete it" in read(ada, f"{url}/delete", expect=403)


def test_who_is_served_no_more_reads_on_and_sends_nothing(app, source, inside, ada, ours):
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
    message = make_message(ours, mailbox)
    with inside_installation("a test"):
        saving.stop_serving(saving.global_mailbox_of(source), [ours.id], by=ADA)
        db.session.commit()
    following.follow(source)
    url = url_of(ours, inside)
    assert "No longer served" in words_of(read(ada, url))
    member = sign_in(app, ours.member)
    shown = read(member, f"/mail/conversations/{message.thread_id}")
    assert message.subject in shown
    token = csrf_token(ada.get(url).text)
    assert ada.post(url, data={"csrf_token": token, "label": "Mine"}).status_code == 409
    assert ada.post(f"{url}/pause", data={"csrf_token": token}).status_code == 409
    send(ada, f"{url}/delete", confirmation="Info")
    finish_deleting()
    with inside(ours):
        assert db.session.scalar(select(Mailbox)) is None
        assert db.session.scalar(select(Message)) is None


def test_one_page_says_which_mailboxes_apply_from_where(app, source, inside, ada, ours, theirs):
    make_mailbox(ours, label="Orders")
    make_mailbox(theirs, label="Secret of theirs")
    say(ada, url_of(ours, inside), "signature", {"signature": "From us"})
    system = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    for client, page in (
        (ada, "/configuration/mailboxes/applying"),
        (system, f"/system/organizations/{ours.id}/mailboxes/applying"),
    ):
        shown = words_of(read(client, page))
        assert "Info" in shown
        assert "System, 1 overridden" in shown
        assert "Orders" in shown
        assert "From us The system says: the one of the configuration Acme" in shown
        assert "Secret of theirs" not in shown
        assert "Orders" not in words_of(read(client, f"{page}?q=everybody"))
        for table in BeautifulSoup(read(client, page), "html.parser").select("main table"):
            assert [cell.get_text(strip=True) for cell in table.select("th[scope=row]")] == list(
                FIELDS.values()
            )
            assert all(
                cell.get_text(strip=True) for cell in table.select("[data-label=Value], [data-label=From]")
            )
    system_locks(source, {"signature": "The legal department wrote it"})
    following.follow(source)
    shown = words_of(read(ada, "/configuration/mailboxes/applying"))
    assert "the one of the configuration Kept until it is unlocked: From us Locked System" in shown
    read(ada, f"/system/organizations/{ours.id}/mailboxes/applying", expect=403)
    outsider = make_member(ours.id, "Outsider", role=None)
    read(sign_in(app, outsider), "/configuration/mailboxes/applying", expect=403)


def test_an_override_stands_on_the_record_of_the_organization(source, inside, ada, ours, theirs):
    say(ada, url_of(ours, inside), "signature", {"signature": "From us"})
    with inside(ours):
        entry = db.session.scalar(select(AuditEntry).where(AuditEntry.act == "mailbox.changed"))
        assert (entry.before, entry.after) == ({"signature": "as the system says"}, {"signature": "From us"})
    with inside(theirs):
        assert db.session.scalar(select(AuditEntry)) is None
