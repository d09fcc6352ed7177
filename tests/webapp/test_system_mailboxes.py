"""Global mailboxes: set up by system administrators, followed in the organizations that they serve."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.connections import password_of
from mailboxes.global_mailboxes import deleting, following, overriding, saving
from mailboxes.global_mailboxes.acts import going_live
from mailboxes.global_mailboxes.consequences import consequences_of
from mailboxes.global_mailboxes.fields import FIELDS
from mailboxes.global_mailboxes.listing import global_overview_of, organization_page, said_otherwise_counts
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.global_mailboxes.uses import uses_of_lead_source
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.raws import keep_raw
from mailboxes.rules import rules_of
from mailboxes.setup.checking import FolderChoice, sealed
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import offer_system_templates
from tenants.audit import SystemAuditEntry
from tenants.database import INSTALLATION, db, inside_installation, now
from tests.factories import csrf_token, make_mailbox, make_message, make_user, sign_in
from tests.mailboxes.global_mail import arrive_globally
from tests.mailboxes.global_mailboxes.saying import BY, make_global, system_locks, system_says
from tests.mailboxes.global_mailboxes.saying import the_mailbox as the_following
from tests.webapp.critic import criticise
from tests.webapp.reading import errors_of, read, send, words_of

LIST = "/system/mailboxes/"
NEW = "/system/mailboxes/new"
FOLDERS = [
    FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3),
    FolderChoice(b"Sent", "Sent", "/", "sent", True, 1),
]


@pytest.fixture
def client(app, ours, theirs):
    return sign_in(app, make_user(name="Sys Admin", is_system_admin=True))


@pytest.fixture
def administrator(app, ours):
    """Of an organization that is served."""
    return sign_in(app, ours.admin)


def typed(app, client, url, **fields):
    page = client.get(url).text
    with app.app_context():
        folder_list = sealed(FOLDERS)
    return {
        "csrf_token": csrf_token(page),
        "label": "Info",
        "address": "info@everybody.test",
        "is_enabled": "y",
        "delivery_mode": "routed",
        "serves": "chosen",
        "imap_enabled": "y",
        "imap_host": "imap.everybody.test",
        "imap_port": "993",
        "imap_encryption": "tls",
        "imap_user": "info",
        "imap_password": "hunter2hunter2",
        "smtp_port": "587",
        "smtp_encryption": "starttls",
        "folders": ["INBOX"],
        "folder_list": folder_list,
        "history": "inherit",
        "action": "nothing",
        "automation_from": "2026-01-01T00:00",
        **fields,
    }


def choose(client, url, *worlds, do="serve"):
    """Tick organizations on the picker and press a button."""
    page = f"{url}/organizations"
    data = {
        "csrf_token": csrf_token(client.get(page).text),
        "selected": [str(world.id) for world in worlds],
        "do": do,
    }
    return client.post(page, data=data, follow_redirects=True)


@pytest.fixture
def url(app, client, ours):
    """The page of a global mailbox that serves us, and whose home is ours."""
    answer = client.post(NEW, data=typed(app, client, NEW, **{"access-member": "reply"}))
    assert answer.status_code == 302, errors_of(answer.text)
    url = answer.location.removesuffix("/organizations")
    assert "1 more organization is served" in choose(client, url, ours).text
    send(client, f"{url}/home", at=f"{url}/organizations", organization=str(ours.id))
    return url


def the_account():
    with inside_installation("a test"):
        return db.session.scalar(select(Account).order_by(Account.created_at.desc()))


def the_records(act):
    with inside_installation("a test"):
        return list(db.session.scalars(select(SystemAuditEntry).where(SystemAuditEntry.act == act)))


def the_mailbox(inside, world):
    with inside(world):
        return db.session.scalar(select(Mailbox))


def test_it_is_an_account_of_the_installation_and_a_mailbox_where_it_is_served(inside, ours, theirs, url):
    account, mailbox = the_account(), the_mailbox(inside, ours)
    assert (account.organization_id, account.home_organization_id) == (None, ours.id)
    assert account.is_enabled
    assert password_of(account, "imap") == "hunter2hunter2"
    assert (mailbox.account_id, mailbox.account_owner_id) == (account.id, INSTALLATION)
    assert (mailbox.label, mailbox.address, mailbox.is_enabled) == ("Info", "info@everybody.test", True)
    with inside(ours):
        assert db.session.scalar(select(Account)) is None
    assert the_mailbox(inside, theirs) is None


def test_the_grid_says_whom_each_serves_and_who_overrides(inside, client, administrator, ours, url):
    own = f"/configuration/mailboxes/{the_mailbox(inside, ours).id}"
    send(administrator, f"{own}/pause", at=own)
    shown = words_of(read(client, LIST))
    assert "Chosen organizations" in shown
    assert "Home: Acme" in shown
    assert "1 organizations override something of Info" in shown
    for page in ("/system/configuration/email", f"{LIST}?q=everybody"):
        assert "info@everybody.test" in words_of(read(client, page))
    assert "No global mailbox matches" in words_of(read(client, f"{LIST}?q=nothing+like+it"))


def test_its_health_tells_the_newest_arrival_not_the_latest_and_whether_anybody_reads_it(
    inside, client, ours, url
):
    account, newest = the_account(), now() - timedelta(days=1)
    with inside_installation("a test"):
        db.session.execute(update(Folder).where(Folder.name == "INBOX").values(uid_validity=1))
        db.session.commit()
    arrive_globally(account.id, b"Subject: New\r\n\r\n", received_at=newest, uid=9)
    arrive_globally(account.id, b"Subject: Old\r\n\r\n", received_at=now() - timedelta(days=300), uid=8)
    page = read(client, f"{url}/health")
    shown = page.partition("Newest message")[2].partition("</dd>")[0]
    assert f'datetime="{newest:%Y-%m-%dT%H:%M}' in shown
    assert "Waiting for its first pass" in words_of(page)
    with inside(ours):
        db.session.execute(update(Mailbox).values(is_enabled=False))
        db.session.commit()
    for other in (f"{url}/health", url, LIST):
        assert "Paused: no organization that it serves has it enabled" in words_of(read(client, other))


def test_every_page_is_well_made(client, url):
    for more in ("", "/delete", "/rules/new", "/organizations", "/organizations?shown=overriding&q=x"):
        read(client, url + more)
    read(client, NEW)


def test_changing_keeps_the_password_and_reaches_who_follows(app, inside, client, ours, url):
    data = typed(app, client, url, imap_password="", label="Information", folders=["INBOX", "Sent"])
    answer = client.post(url, data=data)
    assert answer.status_code == 302, errors_of(answer.text)
    account = the_account()
    assert account.is_enabled
    assert password_of(account, "imap") == "hunter2hunter2"
    assert the_mailbox(inside, ours).label == "Information"
    with inside_installation("a test"):
        synced = db.session.scalars(select(Folder.name).where(Folder.is_synced).order_by(Folder.name)).all()
    assert synced == ["INBOX", "Sent"]


def test_at_another_server_it_is_the_same_account_with_another_password(app, inside, client, ours, url):
    before = the_account().id
    new_place = {"imap_host": "new.everybody.test", "imap_password": "another password"}
    answer = client.post(url, data=typed(app, client, url, **new_place))
    assert answer.status_code == 302, errors_of(answer.text)
    with inside_installation("a test"):
        account = db.session.scalars(select(Account)).one()
        assert password_of(account, "imap") == "another password"
    assert (account.id, account.is_enabled, account.home_organization_id) == (before, True, ours.id)
    assert the_mailbox(inside, ours).account_id == before


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("label", "taken", "Another global mailbox is called Taken"),
        ("address", "taken@everybody.test", "The global mailbox Taken has this address already"),
        ("imap_password", "", "Type the password"),
        ("imap_host", "", "Type the name of the server"),
        ("folders", [], "Choose at least one folder"),
        ("delivery_mode", "odd", "Choose how messages are delivered"),
        ("action", "odd", "Choose what happens"),
        ("access-member", "odd", "Choose roles from the list"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left_behind(app, client, ours, field, value, sentence):
    taken = typed(app, client, NEW, label="Taken", address="taken@everybody.test")
    assert client.post(NEW, data=taken).status_code == 302
    answer = client.post(NEW, data=typed(app, client, NEW, **{field: value}))
    assert answer.status_code == 422
    criticise(answer.text, NEW)
    assert sentence in errors_of(answer.text) + answer.text
    with inside_installation("a test"):
        assert [source.label for source in db.session.scalars(select(GlobalMailbox))] == ["Taken"]
        assert len(list(db.session.scalars(select(Account)))) == 1


def test_all_organizations_are_served_without_choosing(app, inside, client, ours, theirs):
    assert client.post(NEW, data=typed(app, client, NEW, serves="all")).status_code == 302
    for world in (ours, theirs):
        assert the_mailbox(inside, world).label == "Info"


def test_whom_it_serves_is_found_chosen_and_left_out(inside, client, ours, theirs, url):
    shown = words_of(read(client, f"{url}/organizations?q={theirs.name}"))
    assert theirs.name in shown
    assert "Select Acme" not in shown
    assert "1 more organization is served" in choose(client, url, theirs).text
    message = make_message(theirs, the_mailbox(inside, theirs))
    asked = words_of(choose(client, url, theirs, do="stop").text)
    assert "Serve it no more?" in asked
    assert "Lets 1 mailbox rest" in asked
    assert "1 message there: readable" in asked
    data = {"csrf_token": csrf_token(client.get(url).text), "selected": [str(theirs.id)]}
    answer = client.post(f"{url}/organizations/stop", data=data, follow_redirects=True)
    assert "1 organization is no longer served" in answer.text
    assert "Rests, keeps what it has" in words_of(read(client, f"{url}/organizations"))
    with inside(theirs):
        assert not db.session.scalar(select(Mailbox.is_enabled))
        assert db.session.scalar(select(Message.id)) == message.id


def asked_first(app, client, url, **fields):
    """What a save asks for before it is done, and the answer of the second, confirmed one."""
    first = client.post(url, data=typed(app, client, url, imap_password="", **fields))
    assert first.status_code == 200, errors_of(first.text)
    criticise(first.text, url)
    button = BeautifulSoup(first.text, "html.parser").select_one("button[name=confirmed]")
    assert button, "nothing was asked"

    def confirm():
        again = typed(app, client, url, imap_password="", confirmed=button["value"], **fields)
        return client.post(url, data=again)

    return words_of(first.text), confirm


def test_another_delivery_is_named_in_numbers_and_confirmed_first(app, inside, client, ours, theirs, url):
    choose(client, url, theirs)
    make_message(ours, the_mailbox(inside, ours))
    asked, confirm = asked_first(app, client, url, delivery_mode="copied")
    assert "Copies every message that comes to 2 organizations, instead of giving it to one" in asked
    assert "Lets 0 routing rules rest" in asked
    assert "Lets Acme alone answer automatically" in asked
    assert "1 message that came before: where they are" in asked
    assert the_account().delivery_mode == "routed"
    assert confirm().status_code == 302
    assert the_account().delivery_mode == "copied"
    asked, confirm = asked_first(app, client, url, delivery_mode="routed")
    assert (
        "goes by the conversation, then by 0 routing rules; where nothing fits, it gives it to acme"
        in asked.lower()
    )
    assert confirm().status_code == 302
    assert the_account().delivery_mode == "routed"


def test_serving_all_and_no_more_is_named_in_numbers_and_confirmed_first(
    app, inside, client, ours, theirs, url
):
    asked, confirm = asked_first(app, client, url, serves="all")
    assert "Serves 1 organization more, and every one that is made later" in asked
    assert the_mailbox(inside, theirs) is None
    assert confirm().status_code == 302
    for do in ("serve", "stop"):  # on a page from before
        assert "It serves all organizations. To leave some out" in words_of(
            choose(client, url, ours, do=do).text
        )
    make_message(theirs, the_mailbox(inside, theirs))
    asked, confirm = asked_first(app, client, url, serves="chosen")
    assert "Lets 1 mailbox rest" in asked
    assert "Serves 1 organization from now on, and none that is made later" in asked
    assert "1 message there: readable for those who have access" in asked
    assert the_mailbox(inside, theirs).is_enabled
    assert confirm().status_code == 302
    assert not the_mailbox(inside, theirs).is_served
    assert the_mailbox(inside, ours).is_served


def test_a_confirmation_is_for_what_was_asked_only(app, inside, client, ours, url):
    data = typed(app, client, url, imap_password="", delivery_mode="copied", confirmed="chosen live")
    assert client.post(url, data=data).status_code == 200
    assert the_account().delivery_mode == "routed"
    data = typed(app, client, url, imap_password="", delivery_mode="copied", label="", confirmed="copied")
    assert client.post(url, data=data).status_code == 422
    assert the_account().delivery_mode == "routed"


def test_a_lock_says_whom_it_overrules_and_wants_a_reason(app, inside, client, administrator, ours, url):
    own = f"/configuration/mailboxes/{the_mailbox(inside, ours).id}"
    send(administrator, f"{own}/pause", at=own)
    lock = {"locks-enabled": "y", "reason-enabled": " "}
    answer = client.post(url, data=typed(app, client, url, imap_password="", **lock))
    assert answer.status_code == 422
    assert "Say why this is locked" in errors_of(answer.text)
    lock["reason-enabled"] = "Everybody has to be reachable"
    asked, confirm = asked_first(app, client, url, **lock)
    assert "Replaces by the system's value what 1 organization set as “Enabled”" in asked
    assert confirm().status_code == 302
    assert the_mailbox(inside, ours).is_enabled
    token = csrf_token(administrator.get(own).text)
    refused = administrator.post(f"{own}/pause", data={"csrf_token": token})
    assert refused.status_code == 403
    assert "Everybody has to be reachable" in words_of(refused.text)
    changed = typed(app, client, url, imap_password="", label="Information", **lock)
    assert client.post(url, data=changed).status_code == 302  # it is not asked again
    asked, confirm = asked_first(app, client, url, label="Information")
    assert "Lets what 1 organization set as “Enabled” apply again" in asked
    assert the_mailbox(inside, ours).is_enabled
    assert confirm().status_code == 302
    assert not the_mailbox(inside, ours).is_enabled


def test_every_field_is_said_locked_and_unlocked_on_the_systems_page(
    app, inside, client, administrator, ours, theirs, url
):
    """What it says reaches whom it serves; what it locks is read there with its reason, and goes again."""
    choose(client, url, theirs)
    said = {
        "label": "Information",
        "action": "case",
        "case_status": "open",
        "case_priority": "high",
        "source": "phone",
        "automation_from": "2026-02-02T08:00",
        "converts_automatic": "y",
        "trusted_forms": "web@forms.test",
        "answers_unaddressed": "y",
        "signature": "From the system",
        "access-member": "read",
    }
    locks = {f"locks-{field}": "y" for field in FIELDS}
    locks |= {f"reason-{field}": f"Because of {field}" for field in FIELDS}
    for more in (locks, {f"reason-{field}": "" for field in FIELDS}):
        answer = client.post(url, data=typed(app, client, url, imap_password="", **said, **more))
        assert answer.status_code == 302, errors_of(answer.text)
        for world in (ours, theirs):
            mailbox = the_mailbox(inside, world)
            assert (mailbox.label, mailbox.signature) == ("Information", "From the system")
            assert (
                mailbox.action_settings | {"priority": "high", "source": "phone"} == mailbox.action_settings
            )
            assert mailbox.converts_automatic
            assert mailbox.answers_unaddressed
            assert mailbox.trusted_forms == ["web@forms.test"]
        page = read(administrator, f"/configuration/mailboxes/{the_mailbox(inside, ours).id}")
        found = {field for field in FIELDS if f"Because of {field}" in page}
        assert found == (set(FIELDS) if more is locks else set())


def test_what_waits_for_a_lock_is_counted_as_nobodys_word(app, ours, theirs, inside):
    id = make_global(ours, theirs, is_shadow=True)
    with inside(ours):
        for field, value in (("shadow", False), ("source", ""), ("access", [])):
            overriding.override(the_following(), field, value, by=BY)
        db.session.commit()
    locks = dict.fromkeys(("shadow", "source", "access"), "Decided")
    system_says(id, "source", "phone")
    system_locks(id, locks)
    following.follow(id)
    assert [use.organizations for use in uses_of_lead_source("phone")] == [2]
    with inside_installation("a test"):
        source = saving.global_mailbox_of(id)
        assert said_otherwise_counts(source) == dict.fromkeys(locks, 1)
        followers = global_overview_of(source).followers
        assert (followers.served, followers.overriding, followers.waiting) == (2, 0, 1)
        assert organization_page(source, shown="overriding").rows == []
        [row] = organization_page(source, shown="waiting").rows
        assert (row.overridden, row.waiting) == ([], ["Shadow mode", "Lead source", "Access"])
        assert "in 2 organizations" in going_live(source).effects[0]
        assert not any("otherwise" in words for words in going_live(source).keeps)
        values = saving.values_of(source, saving.connection_of(source))
        found = {one.key: one.effects for one in consequences_of(source, replace(values, locks={}))}
    assert set(found) == {f"unlock-{field}" for field in locks}
    assert "Begins to convert and answer in 1 organization of them" in found["unlock-shadow"]
    assert len(found["unlock-access"]) == 2
    system = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    assert "Overridden" not in read(system, f"{LIST}{id}/shadow")
    assert "No global mailbox matches" in read(system, f"{LIST}?scope=overridden")
    assert "1 waits" in words_of(read(system, f"{LIST}?scope=waiting"))
    shown = words_of(read(system, f"{LIST}{id}"))
    assert "2 organizations follow this value; what 1 said otherwise waits for the lock to go" in shown
    own = "/configuration/mailboxes/"
    admin = sign_in(app, ours.admin)
    assert "No mailbox matches" in read(admin, f"{own}?scope=overridden")
    assert "Overridden" not in words_of(read(admin, f"{own}?scope=waiting")).partition("Actions")[2]
    assert "System, 3 wait for a lock" in words_of(read(admin, f"{own}applying"))


def test_the_grid_is_sorted_filtered_and_live(app, inside, client, ours, theirs, url):
    def second(**fields):
        return typed(app, client, NEW, label="Alpha", address="zz@everybody.test", **fields)

    assert (
        client.post(NEW, data=second(serves="all", is_shadow="y", delivery_mode="copied")).status_code == 302
    )

    def labels(query):
        page = BeautifulSoup(read(client, f"{LIST}?{query}"), "html.parser")
        return [cell.text for cell in page.select("main tbody th a")]

    assert labels("") == ["Alpha", "Info"]
    for query in ("sort=-label", "sort=address", "sort=follow"):
        assert labels(query) == ["Info", "Alpha"], query
    assert labels("sort=-follow") == ["Alpha", "Info"]
    for query in ("scope=all", "scope=copied", "state=shadow", "q=zz%40"):
        assert labels(query) == ["Alpha"], query
    for query in ("scope=chosen", "scope=routed"):
        assert labels(query) == ["Info"], query
    assert labels("scope=overridden") == []
    assert labels("state=new&processing=nothing") == ["Alpha", "Info"]
    assert labels("sort=state&state=ok") == []
    send(client, f"{url}/pause")
    assert labels("state=paused") == ["Info"]
    states = BeautifulSoup(client.get(f"{LIST}states?state=paused").text, "html.parser")
    assert [one["id"].partition("-")[0] for one in states.select("[hx-swap-oob]")] == [
        "state",
        "newest",
        "waiting",
    ]
    assert "Paused" in states.text
    token = csrf_token(client.get(LIST).text)
    back = client.post(f"{url}/sync", data={"csrf_token": token, "list": "state=paused"})
    assert back.location == f"{LIST}?state=paused"


def test_the_home_organization_is_not_left_out(inside, client, ours, url):
    data = {"csrf_token": csrf_token(client.get(url).text), "selected": [str(ours.id)]}
    answer = client.post(f"{url}/organizations/stop", data=data, follow_redirects=True)
    assert "Acme is the home organization" in answer.text
    assert the_mailbox(inside, ours).is_enabled


def test_before_a_save_it_says_who_follows_each_value(inside, client, administrator, ours, url):
    own = f"/configuration/mailboxes/{the_mailbox(inside, ours).id}"
    send(administrator, f"{own}/pause", at=own)
    shown = words_of(read(client, url))
    assert "0 organizations follow this value, 1 overrides it" in shown
    assert "1 organization follows this value, 0 override it" in shown


def test_pausing_and_syncing(inside, client, ours, url):
    send(client, f"{url}/pause")
    assert not the_mailbox(inside, ours).is_enabled
    assert not the_account().is_enabled
    before = the_account().next_attempt_at
    send(client, f"{url}/resume", at=url)
    assert the_mailbox(inside, ours).is_enabled
    resumed = the_account().next_attempt_at
    assert resumed > before
    send(client, f"{url}/sync", at=url)
    assert the_account().next_attempt_at > resumed


def to_be_sent(inside, world):
    mailbox = the_mailbox(inside, world)
    message = make_message(world, mailbox, direction="out", box="sent")
    with inside(world):
        db.session.add(
            Outgoing(
                mailbox_id=mailbox.id,
                message_id=message.id,
                kind="reply",
                header_id=message.message_id,
                state="ready",
                give_up_at=now() + timedelta(hours=1),
            )
        )
        db.session.commit()


def test_pausing_is_named_in_numbers_first(app, inside, client, administrator, ours, theirs, url):
    choose(client, url, theirs)
    for world in (ours, theirs):
        to_be_sent(inside, world)
    own = f"/configuration/mailboxes/{the_mailbox(inside, ours).id}"
    for page in (LIST, url):
        assert f"{url}/pause" in read(client, page)
    asked = words_of(read(client, f"{url}/pause"))
    assert "Fetches nothing any more, for 2 organizations" in asked
    assert "Closes it in 2 organizations, with 2 messages" in asked
    assert "Lets 2 messages wait that were to be sent" in asked
    assert "otherwise" not in asked
    send(administrator, own, **{"inherits-enabled": None, "enabled": "true"})
    asked, confirm = asked_first(app, client, url, is_enabled="")
    assert "Closes it in 1 organization, with 1 message" in asked
    assert "Lets 1 message wait that was to be sent" in asked
    assert "What 1 organization said of “Enabled” otherwise: as it is" in asked
    assert the_account().is_enabled
    assert confirm().status_code == 302
    assert not the_account().is_enabled
    assert the_mailbox(inside, ours).is_enabled
    assert not the_mailbox(inside, theirs).is_enabled


def test_another_home_is_named_in_numbers_first(app, inside, client, ours, theirs, url):
    make_message(ours, the_mailbox(inside, ours))
    ask = f"{url}/home?organization={theirs.id}"
    assert ask.replace("&", "&amp;") in read(client, f"{url}/organizations?shown=others")
    asked = words_of(read(client, ask))
    assert (
        f"Gives {theirs.name} what neither a conversation nor a rule routes; Acme gets it no longer" in asked
    )
    assert "In the last 30 days: 0 messages" in asked
    assert f"Serves {theirs.name} from now on, too" in asked
    assert "1 message that came before: where they are" in asked
    assert the_account().home_organization_id == ours.id
    send(client, f"{url}/home", at=ask)
    assert the_account().home_organization_id == theirs.id
    asked = words_of(read(client, f"{url}/home"))
    assert (
        f"Holds what neither a conversation nor a rule routes in the Unrouted queue; {theirs.name} gets it"
        in asked
    )
    read(client, f"{url}/home?organization={UUID(int=7)}", expect=404)


def test_deleting_takes_it_from_every_organization(inside, client, ours, theirs, url, monkeypatch):
    choose(client, url, theirs)
    for world in (ours, theirs):
        make_message(world, the_mailbox(inside, world))
    page = send(client, f"{url}/delete", expect=422, confirmation="Wrong")
    assert "Type the label Info" in page
    shown = words_of(read(client, f"{url}/delete"))
    assert "in 2 organizations" in shown
    assert "Deletes 2 messages" in shown
    monkeypatch.setattr(deleting, "AT_ONCE", 1)
    assert "Info is closed and is being deleted" in send(client, f"{url}/delete", confirmation="Info")
    read(client, url, expect=404)
    following.catch_up()  # brings it back to nobody
    (source_id,) = deleting.global_mailboxes_to_delete()
    assert not deleting.go_on_deleting(source_id)
    while not deleting.go_on_deleting(source_id):
        pass
    assert the_account() is None
    for world in (ours, theirs):
        assert the_mailbox(inside, world) is None
        with inside(world):
            assert db.session.scalar(select(Message.id)) is None


def test_its_rules_are_copied_with_each_organizations_template(inside, client, ours, theirs, url):
    for world in (ours, theirs):
        with inside(world):
            offer_system_templates()
            db.session.commit()
    choose(client, url, theirs)
    page = send(client, f"{url}/rules/new", name="Everybody", template_id="acknowledgement")
    assert "Everybody has been saved" in page
    key = None
    for world in (ours, theirs):
        with inside(world):
            (rule,) = db.session.scalars(rules_of(db.session.scalar(select(Mailbox))))
            assert (rule.name, rule.is_active) == ("Everybody", True)
            key = rule.system_key
    send(client, f"{url}/rules/new", name="Night", template_id="acknowledgement")
    send(client, f"{url}/rules/{key}/move", at=url, direction="down")
    send(client, f"{url}/rules/{key}/switch", at=url, active="0")
    send(client, f"{url}/rules/{key}", name="Day")
    with inside(theirs):
        found = db.session.scalars(rules_of(db.session.scalar(select(Mailbox)))).all()
        assert [(rule.name, rule.is_active) for rule in found] == [("Night", True), ("Day", False)]
    send(client, f"{url}/rules/{key}/delete")
    with inside(ours):
        found = db.session.scalars(rules_of(db.session.scalar(select(Mailbox)))).all()
        assert [rule.name for rule in found] == ["Night"]
    page = send(client, f"{url}/rules/new", expect=422, name="", template_id="acknowledgement")
    assert "Give the rule a name" in page


def test_both_records_tell_of_it_and_no_secret(inside, client, ours, url):
    with inside(ours):
        entry = db.session.scalar(select(SystemAuditEntry).where(SystemAuditEntry.act == "mailbox.created"))
        served = db.session.scalar(select(SystemAuditEntry).where(SystemAuditEntry.act == "mailbox.served"))
    assert entry.actor_name == "Sys Admin"
    assert entry.after["imap_host"] == "imap.everybody.test"
    assert served.after == {"organizations": ["Acme"]}
    assert "hunter2" not in str(entry.after)


def test_nobody_else_passes(app, administrator, url, ours, theirs):
    for who in (administrator, sign_in(app, theirs.admin)):
        for path in (LIST, NEW, url, f"{url}/rules/new", f"{url}/organizations"):
            read(who, path, expect=403)


def test_an_organizations_own_mailbox_is_not_behind_this_door(client, ours):
    mailbox = make_mailbox(ours)
    read(client, f"/system/mailboxes/{mailbox.id}", expect=404)


def test_what_is_held_back_is_shown_and_taken_in_again(app, inside, client, administrator, ours, url):
    account = the_account()
    with inside_installation("a test"):
        raw = keep_raw(b"Subject: Poison\r\n\r\nx", None)
        folder = db.session.scalar(select(Folder).limit(1))
        arrival = Arrival(
            account_id=account.id,
            folder_id=folder.id,
            uid_validity=1,
            uid=7,
            raw_id=raw.id,
            sha256=raw.sha256,
            size=raw.size,
            state="quarantined",
            failure="Reading it failed.",
        )
        db.session.add(arrival)
        db.session.commit()
    shown = words_of(read(client, url))
    assert "Quarantined" in shown
    assert "Reading it failed." in shown
    page = read(client, f"{url}/arrivals/{arrival.id}")
    assert "Subject: Poison" in page
    file = client.get(f"{url}/arrivals/{arrival.id}/raw")
    assert file.data == b"Subject: Poison\r\n\r\nx"
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["Content-Disposition"].startswith("attachment")
    saved = the_records("message.saved")
    assert [(one.actor_name, one.subject) for one in saved] == [("Sys Admin", "Info")]
    assert saved[0].after == {"folder": "INBOX", "uid": 7, "arrival": str(arrival.id), "bytes": raw.size}
    mailbox = the_mailbox(inside, ours)
    own = f"/configuration/mailboxes/{mailbox.id}/arrivals/{arrival.id}"
    read(administrator, own, expect=404)
    read(administrator, f"{own}/raw", expect=404)
    assert len(the_records("message.saved")) == 1
    send(client, f"{url}/arrivals/{arrival.id}/again", at=f"{url}/arrivals/{arrival.id}")
    assert [one.subject for one in the_records("message.processed_again")] == ["Info"]
    with inside_installation("a test"):
        assert db.session.scalar(select(Arrival.state)) == "stored"


def test_what_is_too_large_is_fetched_anyway(client, administrator, inside, ours, url):
    account = the_account()
    with inside_installation("a test"):
        folder = db.session.scalar(select(Folder).limit(1))
        arrival = Arrival(
            account_id=account.id,
            folder_id=folder.id,
            uid_validity=1,
            uid=8,
            state="too_large",
            failure="No.",
        )
        db.session.add(arrival)
        db.session.commit()
    assert "Fetch anyway" in read(client, url)
    mailbox = the_mailbox(inside, ours)
    own = f"/configuration/mailboxes/{mailbox.id}/arrivals/{arrival.id}"
    send(administrator, f"{own}/fetch", at="/configuration/mailboxes/", expect=404)
    send(client, f"{url}/arrivals/{arrival.id}/fetch", at=f"{url}/arrivals/{arrival.id}")
    assert [one.subject for one in the_records("message.fetched_anyway")] == ["Info"]
    with inside_installation("a test"):
        assert db.session.scalar(select(Arrival.is_wanted))
