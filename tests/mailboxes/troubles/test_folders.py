"""A folder that is not read any more is trouble: in state, figures and letters."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Folder
from mailboxes.health.explaining import health_of
from mailboxes.metrics import metrics
from mailboxes.setup.overview import overview_of
from mailboxes.sync.failures import NoFolderLeftError
from mailboxes.sync.renaming import read_instead
from mailboxes.troubles.telling import PATIENCE
from tenants.audit import Actor
from tenants.database import db, now
from tenants.errors import ConflictError
from tests.factories import make_mailbox
from tests.faults.behaviours import drop, refuse, reply, reply_then_drop
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.arriving import folder_of
from tests.mailboxes.scripted import Scripted
from tests.mailboxes.system_smtp import letters, tell


@pytest.fixture
def scripted(app, ours, theirs, inside, certificates):
    make_mailbox(theirs, account={"imap_enabled": True, "state": "ok"})
    with ScriptedImap(certificates.good) as server:
        one = Scripted(app, server, ours, inside)
        one.add("First")
        one.add("Filed", folder="Projects")
        one.sync()
        one.choose_all()
        assert one.sync().error is None
        yield one


def later(world, inside):
    """So long that what is in trouble now is told of."""
    with inside(world):
        past = now() - PATIENCE - timedelta(minutes=1)
        db.session.execute(
            update(Folder).where(Folder.troubled_since.is_not(None)).values(troubled_since=past)
        )
        db.session.execute(update(Folder).where(Folder.told_since.is_not(None)).values(told_since=past))
        db.session.commit()


def shown(scripted):
    with scripted.inside(scripted.world):
        row = overview_of(scripted.mailbox)
        return row.state, row.words, health_of(scripted.mailbox).words


def troubled_count():
    return {one.name: one.values for one in metrics()}["postroom_folders_troubled"][""]


def vanish(server):
    del server.folders[b"Projects"]


def lose_messages(server):
    server.list_lines = [b'* LIST () "/" INBOX', b'* LIST (\\Noselect) "/" Projects']


@pytest.mark.parametrize("happens", [vanish, lose_messages])
def test_a_folder_that_is_not_read_any_more_shows_in_state_and_figures(scripted, happens):
    happens(scripted.server)
    assert scripted.sync().error is None
    words = "Fetching, but not from every folder"
    assert shown(scripted) == ("warn", words, words)
    assert troubled_count() == 1


def test_when_no_folder_is_left_the_account_says_so(scripted):
    for name in (b"INBOX", b"Projects"):
        del scripted.server.folders[name]
    scripted.server.folder("Other")
    assert isinstance(scripted.sync().error, NoFolderLeftError)
    with scripted.inside(scripted.world):
        assert scripted.account().state == "misconfigured"
        assert "Retrieve the folders" in scripted.account().last_error
    scripted.server.folder("INBOX")
    assert scripted.sync().error is None
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"


def test_administrators_hear_once_of_a_folder_and_once_that_it_is_read_again(
    inside, ours, scripted, system_sink
):
    kept = scripted.server.folders[b"Projects"]
    vanish(scripted.server)
    scripted.sync()
    tell()
    assert letters(system_sink) == []
    later(ours, inside)
    tell()
    tell()
    [(recipient, subject, text)] = letters(system_sink)
    assert recipient == ours.admin.user.address
    assert subject.startswith("The folder Projects of ")
    assert "no longer on the server" in " ".join(text.split())
    assert f"/configuration/mailboxes/{scripted.mailbox.id}" in text
    scripted.server.folders[b"Projects"] = kept
    scripted.sync()
    with inside(ours):
        back = db.session.scalars(select(Folder).where(Folder.name == "Projects")).one()
        assert (back.gone_at, back.troubled_since, back.last_error) == (None, None, "")


def test_a_letter_about_folders_gathers_those_that_follow(
    inside, ours, theirs, mailboxes_in_trouble, system_sink
):
    tell()
    assert [subject for _, subject, _ in letters(system_sink)] == ["2 folders are not read any more"] * 2
    with inside(ours):
        db.session.execute(update(Folder).values(troubled_since=None))
        db.session.commit()
    tell()
    assert len(letters(system_sink)) == 2


@pytest.fixture
def mailboxes_in_trouble(inside, ours, theirs):
    for world in (ours, theirs):
        for label in ("Support", "Sales"):
            mailbox = make_mailbox(world, label=label, account={"imap_enabled": True, "state": "ok"})
            with inside(world):
                folder = folder_of(mailbox)
                folder.is_synced = True
                folder.last_error, folder.troubled_since = "It hangs.", now() - timedelta(hours=2)
                db.session.commit()


# --- renamed ---------------------------------------------------------------------------------


def rename(server):
    server.folders[b"Undertakings"] = server.folders.pop(b"Projects")


def suggested(scripted):
    with scripted.inside(scripted.world):
        return [(one.name, one.new_name) for one in health_of(scripted.mailbox).folders if one.new_name]


def test_a_renamed_folder_is_suggested_under_its_new_name_and_read_on_from_where_it_stopped(scripted, ours):
    rename(scripted.server)
    scripted.server.folder("Another").uid_validity = 999
    scripted.sync()
    assert suggested(scripted) == [("Projects", "Undertakings")]
    scripted.add("Filed later", folder="Undertakings")
    with scripted.inside(ours):
        gone = db.session.scalars(select(Folder).where(Folder.name == "Projects")).one()
        who = Actor(ours.admin.user.name)
        assert read_instead(scripted.account(), gone.id, by=who, label="Support") == "Undertakings"
        db.session.commit()
    assert scripted.sync().new_count == 1
    assert suggested(scripted) == []
    assert shown(scripted)[1] == "Fetching"
    scripted.settle()


@pytest.mark.parametrize(
    ("behaviour", "count"),
    [
        (refuse("NO not yours"), 1),
        (drop, 2),
        (refuse("NO [INUSE] busy"), 2),
        (reply_then_drop(b"* BYE gone\r\n"), 2),
        (reply(b"what?\r\n"), 2),
    ],
    ids=["no", "drop", "not now", "bye", "nonsense"],
)
def test_a_new_folder_that_fails_when_it_is_asked_holds_up_no_mail_and_is_asked_once_more_at_most(
    scripted, behaviour, count
):
    rename(scripted.server)
    scripted.server.folder("Another").uid_validity = 999
    scripted.server.on("STATUS", lambda s, c: b"Another" in c.arguments and behaviour(s, c))
    for number in range(4):
        scripted.add(f"New {number}")
        report = scripted.sync()
        assert (report.error, report.new_count) == (None, 1)
    assert scripted.server.verbs().count("STATUS") == 1 + count
    assert suggested(scripted) == [("Projects", "Undertakings")]


def test_a_new_name_is_found_though_the_connection_ended_when_it_was_asked_for(scripted):
    rename(scripted.server)
    scripted.server.on("STATUS", drop, times=1)
    assert scripted.sync().error is None
    assert suggested(scripted) == []
    assert scripted.sync().error is None
    assert suggested(scripted) == [("Projects", "Undertakings")]


def test_new_names_are_asked_for_where_no_folder_is_left(scripted):
    rename(scripted.server)
    del scripted.server.folders[b"INBOX"]
    assert isinstance(scripted.sync().error, NoFolderLeftError)
    assert ("Projects", "Undertakings") in suggested(scripted)


def test_a_folder_that_is_like_none_or_was_read_already_is_not_suggested(scripted):
    vanish(scripted.server)
    scripted.server.folder("Another").uid_validity = 999
    scripted.sync()
    assert suggested(scripted) == []


def test_a_suggestion_that_holds_no_longer_is_refused(scripted, ours):
    rename(scripted.server)
    scripted.sync()
    with scripted.inside(ours):
        folders = {one.name: one for one in db.session.scalars(select(Folder))}
        folders["Undertakings"].is_synced = True
        with pytest.raises(ConflictError):
            read_instead(scripted.account(), folders["Projects"].id, by=Actor("Ada"), label="Support")
