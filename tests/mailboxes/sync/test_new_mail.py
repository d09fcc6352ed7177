"""What is new and what was there before, where folders are chosen again, numbered anew, or dated wrongly."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from mailboxes.accounts import Folder, choose_history_again, read_from_now_on
from mailboxes.arrivals import Arrival
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, now
from tests.factories import World
from tests.faults.behaviours import reply
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.arriving import letter
from tests.mailboxes.scripted import Scripted
from tests.mailboxes.sync.happening import ago


def scripted_with(app: Any, server: ScriptedImap, ours: World, inside: Any, history: str) -> Scripted:
    scripted = Scripted(app, server, ours, inside, history=history)
    scripted.server.folder("Projects")
    return scripted


def news(scripted: Scripted) -> dict[str, bool]:
    """Of each message, whether it is new: records and answers are made of it."""
    with scripted.inside(scripted.world):
        rows = db.session.execute(select(Message.subject, Message.may_convert))
        return {row.subject: row.may_convert for row in rows}


def write(scripted: Scripted, table: Any, **values: Any) -> None:
    with scripted.inside(scripted.world):
        db.session.execute(update(table).values(**values))
        db.session.commit()


def write_folder(scripted: Scripted, name: str, **values: Any) -> None:
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).where(Folder.name == name).values(**values))
        db.session.commit()


def one_portion(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that fetches five messages of the history, and has more to fetch."""
    with monkeypatch.context() as patch:
        patch.setattr("mailboxes.sync.history.FIRST_PORTION", 5)
        patch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
        patch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
        assert scripted.sync().has_more


def living_and_removed(scripted: Scripted) -> tuple[int | None, int | None]:
    with scripted.inside(scripted.world):
        living = select(func.count()).select_from(Arrival).where(Arrival.vanished_at.is_(None))
        removed = select(func.count()).select_from(Message).where(Message.removed_on_server_at.is_not(None))
        return db.session.scalar(living), db.session.scalar(removed)


def begin_now(scripted: Scripted, *, one: str | None = None) -> None:
    """A folder is chosen again, or reading is switched on again for all of them."""
    with scripted.inside(scripted.world):
        if one is None:
            read_from_now_on(scripted.account())
        for folder in db.session.scalars(select(Folder).where(Folder.name == one)):
            folder.begin_now()
            folder.is_synced = True
        db.session.commit()


@pytest.mark.parametrize("one", ["Projects", None], ids=["folder", "account"])
def test_what_came_while_a_folder_was_not_read_is_history(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, one: str | None
) -> None:
    scripted = scripted_with(app, imap_server, ours, inside, "now")
    scripted.sync()
    write(scripted, Mailbox, automation_from=now() - timedelta(days=9))
    scripted.choose_all()
    scripted.sync()
    scripted.add("Before", folder="Projects", date=ago(hours=3))
    scripted.sync()
    write_folder(scripted, "Projects", is_synced=one is None)
    scripted.add("Meanwhile", folder="Projects", date=ago(hours=2))
    begin_now(scripted, one=one)
    scripted.add("Since then", folder="Projects", date=ago(hours=0))
    fetched = scripted.server.verbs().count("FETCH")
    scripted.sync()
    assert scripted.server.verbs().count("FETCH") - fetched <= 4  # nothing is fetched a second time
    scripted.add("Later", folder="Projects", date=ago(days=3))  # moved there by somebody
    scripted.sync()
    assert news(scripted) == {"Before": True, "Meanwhile": False, "Since then": True, "Later": True}
    scripted.settle()


@pytest.mark.parametrize("history", ["now", "all"])
def test_a_folder_renumbered_twice_in_a_row_loses_nothing(
    app: Any,
    imap_server: ScriptedImap,
    ours: World,
    inside: Any,
    monkeypatch: pytest.MonkeyPatch,
    history: str,
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history=history)
    scripted.sync()
    for number in range(20):
        scripted.add(f"M {number:02}", date=ago(days=40 - number))
    scripted.sync()
    for validity in (4711, 4712):
        scripted.server.folder().uid_validity = validity
        one_portion(scripted, monkeypatch)
    scripted.settle()
    assert living_and_removed(scripted) == (20, 0)


def test_a_choice_of_less_history_while_it_is_seen_again_loses_nothing(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="all")
    for number in range(20):
        scripted.add(f"M {number:02}", date=ago(days=40 - number))
    scripted.sync()
    scripted.server.folder().uid_validity = 4711
    one_portion(scripted, monkeypatch)
    choose_history(scripted, "now")
    scripted.settle()
    assert living_and_removed(scripted) == (20, 0)


def test_a_choice_of_more_history_is_kept_though_the_folder_is_renumbered(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="now")
    scripted.add("Old", date=ago(days=400))
    scripted.sync()
    scripted.add("New", date=ago(hours=0))
    scripted.sync()
    assert scripted.subjects() == ["New"]
    choose_history(scripted, "all")
    scripted.server.folder().uid_validity = 4711
    scripted.settle()
    assert news(scripted) == {"Old": False, "New": True}


def test_a_choice_of_more_history_that_is_made_during_a_pass_is_listed_anew(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="days", history_days=20)
    for number in range(3):
        scripted.add(f"Older {number}", date=ago(days=400))
    for number in range(5):
        scripted.add(f"Recent {number}", date=ago(days=5))
    monkeypatch.setattr("mailboxes.sync.history.FIRST_PORTION", 2)
    monkeypatch.setattr("mailboxes.sync.history.portion_after", lambda *_: 2)
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    bodies = itertools.count(1)

    def search_since(session: Session, command: Command) -> bool:
        return b"SINCE" in command.arguments and reply(b"* SEARCH 4 5 6 7 8\r\n{tag} OK\r\n")(
            session, command
        )

    def somebody_chooses(session: Session, command: Command) -> bool:
        if b"BODY" in command.arguments and next(bodies) == 2:
            with app.app_context():
                choose_history(scripted, "all")
        return False

    scripted.server.on("SEARCH", search_since)
    scripted.server.on("FETCH", somebody_chooses)
    assert scripted.sync().error is None
    assert len(scripted.subjects()) == 8


def test_the_history_of_many_small_folders_does_not_make_new_mail_wait(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="all")
    for name in ("Alpha", "Beta", "Gamma", "Omega"):
        scripted.add(f"In {name}", folder=name)
    scripted.sync()
    scripted.choose_all()
    monkeypatch.setattr("mailboxes.sync.history.ROUND_SECONDS", 0.0)
    bodies = itertools.count(1)

    def mail_comes_in(session: Session, command: Command) -> bool:
        if b"BODY" in command.arguments and next(bodies) == 2:
            scripted.add("New")
        return False

    scripted.server.on("FETCH", mail_comes_in)
    assert scripted.sync().error is None
    with inside(ours):
        stored = select(Folder.name).join(Arrival, Arrival.folder_id == Folder.id).order_by(Arrival.id)
        assert list(db.session.scalars(stored)) == ["Alpha", "Beta", "INBOX", "Gamma", "Omega"]


def choose_history(scripted: Scripted, history: str) -> None:
    with scripted.inside(scripted.world):
        account = scripted.account()
        account.history = history
        choose_history_again(account)
        db.session.commit()


def test_what_was_removed_here_is_not_new_when_it_is_seen_again(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="all")
    for number in range(20):
        scripted.add(f"Old {number:02}", date=ago(days=400))
    one_portion(scripted, monkeypatch)
    write(scripted, Folder, new_since=now() - timedelta(days=100))
    write(scripted, Mailbox, automation_from=now() - timedelta(days=100))
    scripted.add("Answered long ago", date=ago(days=90))
    one_portion(scripted, monkeypatch)
    with scripted.inside(scripted.world):
        db.session.execute(delete(Message).where(Message.subject == "Answered long ago"))
        db.session.commit()
    scripted.add("Never seen", date=ago(days=80))
    scripted.server.folder().uid_validity = 4711
    scripted.settle()
    found = news(scripted)
    assert (found["Answered long ago"], found["Never seen"]) == (False, True)


@pytest.mark.parametrize("history", ["now", "all"])
def test_old_mail_that_is_dated_in_the_future_is_not_new(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any, history: str
) -> None:
    scripted = scripted_with(app, imap_server, ours, inside, history)
    scripted.add("Of the future", folder="Projects", date=ago(days=-400))
    scripted.sync()
    scripted.choose_all()
    write(scripted, Folder, new_since=now())
    scripted.sync()
    scripted.sync()
    assert news(scripted) == ({"Of the future": False} if history == "all" else {})


def test_what_was_not_there_yet_when_automation_was_switched_on_is_new_though_its_server_is_behind(
    app: Any, imap_server: ScriptedImap, ours: World, theirs: World, inside: Any
) -> None:
    scripted = Scripted(app, imap_server, ours, inside, history="all")
    scripted.add("There", date=ago(hours=2))
    scripted.sync()
    write(scripted, Mailbox, automation_from=now() - timedelta(minutes=1))
    scripted.add("A zone too low", date=ago(hours=14))
    written_now = letter("Years too low").replace(
        b"Mon, 4 May 2026 10:00:00 +0000", f"{now():%a, %d %b %Y %H:%M:%S} +0000".encode()
    )
    scripted.server.folder().add(written_now, date=ago(days=900))
    scripted.add("Moved", date=ago(days=3))
    scripted.sync()
    found = {"There": False, "A zone too low": True, "Years too low": True, "Moved": False}
    assert news(scripted) == found
    with scripted.inside(scripted.world):
        query = select(Message.conversion_reason).where(Message.subject == "Moved")
        assert "somebody moved it there" in (db.session.scalar(query) or "")


@pytest.fixture
def looked_at(
    app: Any,
    imap_server: ScriptedImap,
    ours: World,
    theirs: World,
    inside: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Scripted:
    """A folder that was looked at; of old messages that come into it, more than two are history."""
    monkeypatch.setattr("mailboxes.sync.arriving.MOST_MOVED", 2)
    scripted = Scripted(app, imap_server, ours, inside, history="all")
    scripted.sync()
    return scripted


def test_many_old_messages_that_somebody_moves_into_a_folder_are_history(looked_at: Scripted) -> None:
    write(looked_at, Mailbox, automation_from=now() - timedelta(days=400))
    for names in (["Out of the spam", "This one, too"], ["Old", "Older", "Oldest"]):
        for name in names:
            looked_at.add(name, date=ago(days=30))
        looked_at.add(f"Beside {names[0]}", date=ago(hours=0))
        looked_at.sync()
    assert {name for name, is_new in news(looked_at).items() if not is_new} == {"Old", "Older", "Oldest"}
    assert len(news(looked_at)) == 7


def test_many_old_messages_are_history_though_they_come_one_by_one(
    looked_at: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.arriving.MESSAGES_PER_COMMIT", 1)
    write(looked_at, Mailbox, automation_from=now() - timedelta(days=400))
    for number in range(6):
        looked_at.add(f"Old {number}", date=ago(days=30))
        if number > 3:
            looked_at.sync()
    looked_at.add("New", date=ago(hours=0))
    looked_at.sync()
    assert [name for name, is_new in news(looked_at).items() if is_new] == ["Old 0", "Old 1", "New"]


def test_many_old_messages_that_are_restored_among_others_are_history(looked_at: Scripted) -> None:
    write(looked_at, Mailbox, automation_from=now() - timedelta(days=400))
    folder = looked_at.server.folder()
    restored = [looked_at.add(f"Restored {number}", date=ago(days=30)) for number in range(4)]
    held_back = {uid: folder.messages.pop(uid) for uid in restored}
    looked_at.add("New", date=ago(hours=0))
    looked_at.sync()
    folder.messages = held_back | folder.messages
    looked_at.sync()
    found = news(looked_at)
    assert [name for name, is_new in found.items() if is_new] == ["New"]
    assert len(found) == 5


def test_many_new_messages_of_a_server_whose_clock_is_years_behind_are_new(looked_at: Scripted) -> None:
    write(looked_at, Mailbox, automation_from=now() - timedelta(days=2000))
    written = f"{now():%a, %d %b %Y %H:%M:%S} +0000".encode()
    for number in range(4):
        dated = letter(f"New {number}").replace(b"Mon, 4 May 2026 10:00:00 +0000", written)
        looked_at.server.folder().add(dated, date=ago(days=900))
    looked_at.sync()
    assert list(news(looked_at).values()) == [True] * 4


def test_many_new_messages_are_new_though_our_own_clock_was_set_far_ahead_and_back(
    looked_at: Scripted,
) -> None:
    write(looked_at, Folder, new_since=now() + timedelta(days=300))
    for number in range(4):
        looked_at.add(f"New {number}", date=ago(hours=0))
    looked_at.sync()
    assert list(news(looked_at).values()) == [True] * 4
    with looked_at.inside(looked_at.world):
        assert db.session.scalars(select(Folder.new_since)).one() < now()
