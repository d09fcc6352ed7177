"""The audit log on its pages and as a file: narrowed, paged, formula-safe, without secrets, unchangeable."""

import csv
import io
from datetime import datetime

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, select

from mailboxes.crm import paging
from tenants.audit import HIDDEN, Actor, AuditEntry, SystemAuditEntry, record, record_for_system
from tenants.database import db, inside
from tests.architecture.test_routes import APP, RULES
from tests.factories import csrf_token, make_user, sign_in
from tests.webapp.reading import read, words_of
from tests.webapp.test_leads import may_do
from webapp.people import audit_pages

LOG = "/configuration/audit-log/"
SYSTEM_LOG = "/system/audit-log/"


def put(world, act="mailbox.created", subject="Support", actor="Ada", **values):
    with inside(world.id):
        record(Actor(actor, place="203.0.113.9"), act, subject, **values)
        db.session.commit()


def shown(client, query=""):
    return words_of(read(client, LOG + query)).partition("became")[2]


def test_an_entry_says_who_what_about_from_where_before_and_after(app, ours, theirs):
    put(ours, "member.roles_changed", "Mia", before={"roles": ["Member"]}, after={"roles": ["Sales"]})
    put(theirs, subject=theirs.canary)
    page = shown(sign_in(app, ours.admin))
    for words in ("Ada", "203.0.113.9", "Member roles changed", "Mia", "roles:", "Member", "Sales"):
        assert words in page
    assert theirs.canary not in page


def test_it_is_narrowed_by_person_act_subject_and_day(app, ours, time_machine_clock):
    put(ours, "mailbox.created", "Support", "Ada")
    time_machine_clock.shift(3 * 86400)
    put(ours, "role.saved", "Sales", "Ben")
    with inside(ours.id):
        later = db.session.scalars(select(AuditEntry.at).where(AuditEntry.actor_name == "Ben")).one()
    client = sign_in(app, ours.admin)
    for query, there, gone in (
        ("?who=ben", "Sales", "Support"),
        ("?what=mailbox created", "Support", "Sales"),
        ("?about=supp", "Support", "Sales"),
        (f"?since={later:%Y-%m-%d}", "Sales", "Support"),
    ):
        page = shown(client, query)
        assert there in page, query
        assert gone not in page, query
    assert "No entry matches" in read(client, f"{LOG}?until=2001-01-01")
    for odd in ("?since=no-date&until=9999-99-99", "?since=0001-01-01&until=9999-12-31"):
        assert "Sales" in shown(client, odd)


def test_it_is_paged_newest_first(app, ours):
    for number in range(60):
        put(ours, subject=f"Number {number:02}")
    client = sign_in(app, ours.admin)
    page = read(client, f"{LOG}?about=number")
    assert "Number 59" in page
    assert "Number 03" not in page
    assert "Number 03" in read(client, next_of(page))


def test_a_search_looks_at_so_many_and_goes_on_when_asked(app, ours, theirs, monkeypatch):
    monkeypatch.setattr(paging, "MOST_SEARCHED", 3)
    put(ours, subject="Wanted first")
    for number in range(4):
        put(ours, subject=f"Other {number}")
    put(theirs, subject="Wanted by them")
    client = sign_in(app, ours.admin)
    page = read(client, f"{LOG}?about=wanted")
    assert "No entry matches so far" in page
    found = read(client, next_of(page))
    assert "Wanted first" in found
    assert "Wanted by them" not in found
    assert "Searched as far as" not in found
    page = read(client, f"{LOG}?about=nowhere")
    assert "No entry matches" in read(client, next_of(page))
    back = BeautifulSoup(found, "html.parser").select_one('a[rel="prev"]')["href"]
    assert "No entry matches so far" in read(client, back)


def test_a_search_for_a_file_goes_on_by_itself_and_says_where_it_had_to_stop(app, ours, theirs, monkeypatch):
    monkeypatch.setattr(paging, "MOST_SEARCHED", 3)
    monkeypatch.setattr(audit_pages, "MOST_LOOKS", 3)
    for number in range(8):
        put(ours, subject="Wanted" if number in (1, 4, 7) else "Other")
        put(theirs, subject="Wanted by them")
    client = sign_in(app, ours.admin)
    _, *rows = exported(client, "?about=wanted")  # nine looked at: the eight, and that a file was taken
    assert [row[4] for row in rows[:3]] == ["Wanted"] * 3
    assert rows[3][3:5] == list(audit_pages.STOPPED)
    stopped_at = datetime.fromisoformat(rows[3][0])
    with inside(ours.id):
        assert stopped_at == db.session.scalars(select(func.min(AuditEntry.at))).one().replace(microsecond=0)
    monkeypatch.setattr(audit_pages, "MOST_LOOKS", 2)
    assert [row[4] for row in exported(client, "?about=wanted")[1:]] == [
        "Wanted",
        "Wanted",
        audit_pages.STOPPED[1],
    ]
    assert len(exported(client, "")) == 12  # no words, no search: header, entries and three exports


def exported(client, query):
    answer = client.post(f"{LOG}export{query}", data={"csrf_token": csrf_token(client.get(LOG).text)})
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def next_of(page):
    return BeautifulSoup(page, "html.parser").select_one('a[rel="next"]')["href"]


def test_the_file_is_the_filtered_log_and_runs_no_formula(app, ours, theirs):
    put(ours, "lead_source.added", "=HYPERLINK(0)", after={"name": "é"})
    put(ours, "role.saved", "Sales")
    put(theirs, subject=theirs.canary)
    client = sign_in(app, ours.admin)
    header, *rows = exported(client, "?what=lead")
    assert header[:4] == ["Time", "Person", "From where", "What"]
    assert [row[4] for row in rows] == ["'=HYPERLINK(0)"]
    assert rows[0][6] == '{"name": "é"}'
    assert "Audit exported" in shown(client)


def test_secrets_are_hidden_however_deep(ours):
    put(
        ours,
        before={"smtp": {"password": "hunter2", "host": "mx"}},
        after={"tokens": ["abc"], "rows": [{"api_token": "xyz", "is_secret": True}]},
    )
    with inside(ours.id):
        entry = db.session.scalars(select(AuditEntry)).one()
    assert entry.before == {"smtp": {"password": HIDDEN, "host": "mx"}}
    assert entry.after == {"tokens": [HIDDEN], "rows": [{"api_token": HIDDEN, "is_secret": True}]}


def test_it_takes_the_permission_to_read_it_and_no_other(app, ours):
    assert sign_in(app, may_do(ours, "audit.view")).get(LOG).status_code == 200
    assert sign_in(app, may_do(ours, "user.manage", "organization.configure")).get(LOG).status_code == 403


def test_the_systems_log_is_for_its_administrators_and_holds_the_systems_acts(app, ours):
    record_for_system(Actor("Sam"), "organization.created", "Third")
    db.session.commit()
    put(ours, subject="inside of ours")
    client = sign_in(app, make_user(name="Sys", is_system_admin=True))
    page = read(client, SYSTEM_LOG)
    assert "Organization created" in page
    assert "inside of ours" not in page
    token = csrf_token(page)
    assert "Third" in client.post(f"{SYSTEM_LOG}export", data={"csrf_token": token}).text
    assert (
        db.session.scalars(select(SystemAuditEntry.act).order_by(SystemAuditEntry.id)).all()[-1]
        == "audit.exported"
    )
    assert sign_in(app, ours.admin).get(SYSTEM_LOG).status_code == 403


@pytest.mark.parametrize("blueprint", ["audit", "system_audit"])
def test_no_route_changes_the_log(blueprint):
    routes = {rule.endpoint for rule in RULES if rule.endpoint.startswith(f"{blueprint}.")}
    assert routes == {f"{blueprint}.index", f"{blueprint}.export"}
    assert APP.view_functions[f"{blueprint}.index"].guard in ("audit.view", "system administrator")


def test_ids_are_read_as_names_and_nobody_elses(app, ours, theirs):
    put(ours, before={"access": [f"{ours.member.id} read"]}, after={"access": [f"{theirs.member.id} reply"]})
    page = shown(sign_in(app, ours.admin))
    assert f"{ours.member.name} read" in page
    assert "(deleted) reply" in page
    assert str(theirs.member.id) not in page
    assert theirs.canary not in page


def test_of_much_only_the_beginning_is_open(app, ours):
    put(ours, after={f"value{number}": str(number) for number in range(9)} | {"folders": [], "aliases": ""})
    page = read(sign_in(app, ours.admin), LOG)
    assert "5 more" in words_of(page)
    assert "folders" not in page
