"""Files that are sent while they are made: an organization's own, on record, a few at a time."""

import csv
import io
import zipfile

import pytest
from flask import g

from mailboxes.crm.leads import make_lead
from tenants.database import db, enter_organization, inside
from tenants.errors import ConflictError
from tests.factories import form_token, sign_in
from tests.webapp.serving.pretended import Connection, length, run, talk
from webapp import streaming
from webapp.events import Application
from webapp.streaming import TooManyDownloadsError


def keep_lead(world, name):
    with inside(world.id):
        make_lead({"name": name}, "Ada")
        db.session.commit()


@pytest.fixture
def asked_live(app, ours):
    """Post as an administrator through the whole application, as a browser does."""
    client = sign_in(app, ours.admin)

    def post(path):
        body = f"csrf_token={form_token(client)}".encode()
        cookies = (client.get_cookie(name) for name in ("postroom", "postroom_form"))
        cookie = "; ".join(f"{one.key}={one.value}" for one in cookies)
        headers = [
            length(len(body)),
            (b"cookie", cookie.encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ]
        return run(talk(Application(app), Connection([body], headers, path, "POST")))

    return post


def test_files_that_are_sent_while_they_are_made_are_those_of_the_organization(asked_live, ours, theirs):
    keep_lead(theirs, theirs.canary)
    keep_lead(ours, "Ours")
    leads = asked_live("/leads/export")
    assert leads.is_whole
    assert [row[0] for row in csv.reader(io.StringIO(leads.body.decode()))][1:] == ["Ours"]
    archive = asked_live("/configuration/archive/")
    assert archive.is_whole
    with zipfile.ZipFile(io.BytesIO(archive.body)) as files:
        assert b"Ours" in files.read("records/leads.csv")
        assert not any(theirs.canary.encode() in files.read(name) for name in files.namelist())


def test_one_person_an_organization_and_everybody_have_so_many_downloads_at_a_time(
    app, ours, theirs, monkeypatch
):
    monkeypatch.setattr(streaming, "MOST_OF_AN_ORGANIZATION", 3)
    monkeypatch.setattr(streaming, "MOST", 4)
    noted = []

    def begun(member, organization):
        user = member.user
        with app.app_context(), app.test_request_context():
            enter_organization(organization.id)
            g.user = user
            return streaming.streamed(
                iter(["a"]), "list.csv", "text/csv", noted=lambda: noted.append(member.name)
            )

    def is_refused(member, organization, why):
        with pytest.raises(TooManyDownloadsError, match=why):
            begun(member, organization)

    running = [begun(ours.admin, ours), begun(ours.admin, ours)]
    is_refused(ours.admin, ours, "Two of your downloads")
    running.append(begun(ours.member, ours))
    is_refused(ours.member, ours, "Many downloads are under way")
    running.append(begun(theirs.admin, theirs))
    is_refused(theirs.member, theirs, "Many downloads are under way")
    assert len(noted) == 4
    for one in running:
        one.close()
    begun(ours.admin, ours).close()
    assert not streaming._running


def test_what_cannot_be_put_on_record_is_not_sent_and_keeps_no_place(app, ours):
    def noted():
        raise ConflictError

    user = ours.admin.user
    with app.app_context(), app.test_request_context():
        g.user = user
        with pytest.raises(ConflictError):
            streaming.streamed(iter(["a"]), "list.csv", "text/csv", noted=noted)
    assert not streaming._running
