"""Read here, seen there, and back again; without the option nothing is ever written (product §3.3)."""

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Account
from mailboxes.inbox.read_state import is_unread_by, mark_read, mark_unread
from mailboxes.messages import Message
from tenants.database import db, inside
from tenants.organizations import Membership
from tests.factories import make_member
from tests.faults.behaviours import drop, in_folder, refuse, tell_then
from tests.faults.imap_server import Behaviour, Command, Session
from tests.faults.stage import INBOX, PROJECTS, Stage

SEEN = "\\Seen"


@pytest.fixture
def mirrored(stage: Stage) -> Stage:
    """One message is here, and the account mirrors the read state."""
    mirror(stage, True)
    stage.add()
    stage.sync()
    return stage


def mirror(stage: Stage, is_on: bool) -> None:
    with inside(stage.world.id):
        db.session.execute(
            update(Account).where(Account.id == stage.mailbox.account_id).values(mirrors_read_state=is_on)
        )
        db.session.commit()


def flags(stage: Stage) -> list[str]:
    return stage.server.folder(INBOX).messages[1].flags


def mark(stage: Stage, act: object, member: Membership | None = None) -> None:
    with inside(stage.world.id):
        chosen = db.session.scalars(
            select(Membership).where(Membership.id == (member or stage.world.member).id)
        ).one()
        act(chosen, select(Message).where(Message.mailbox_id == stage.mailbox.id))  # type: ignore[operator]
        db.session.commit()


def is_unread(stage: Stage, member: Membership) -> bool:
    with inside(stage.world.id):
        query = select(Message.id).where(Message.mailbox_id == stage.mailbox.id, is_unread_by(member))
        return db.session.scalar(query) is not None


def test_what_is_read_here_stays_read_where_the_server_does_not_keep_it(mirrored: Stage) -> None:
    def forgets(session: Session, command: Command) -> bool:
        session.done(command)
        return True

    mirrored.server.on("SELECT", tell_then(b"* OK [PERMANENTFLAGS ()] nothing is kept\r\n"))
    mirrored.server.on("STORE", forgets)
    mark(mirrored, mark_read)
    for _ in range(2):
        assert mirrored.sync().error is None
    assert not is_unread(mirrored, mirrored.world.member)
    with inside(mirrored.world.id):
        assert "does not keep there what is read" in mirrored.folders()[INBOX].last_error


def test_read_here_is_seen_there(mirrored: Stage) -> None:
    mark(mirrored, mark_read)
    mirrored.sync()
    assert flags(mirrored) == [SEEN]
    mirrored.settle()


def test_marked_unread_here_is_unseen_there_and_unread_for_everybody(mirrored: Stage) -> None:
    mirrored.server.folder(INBOX).flag(1, SEEN, "\\Flagged")
    mirrored.sync()
    assert not is_unread(mirrored, mirrored.world.admin)
    mark(mirrored, mark_unread)
    assert is_unread(mirrored, mirrored.world.admin)
    mirrored.sync()
    assert flags(mirrored) == ["\\Flagged"]
    mirrored.sync()
    assert (flags(mirrored), is_unread(mirrored, mirrored.world.member)) == (["\\Flagged"], True)
    mirrored.settle()


def test_what_was_read_again_stays_seen(mirrored: Stage) -> None:
    mirrored.server.folder(INBOX).flag(1, SEEN)
    mirrored.sync()
    mark(mirrored, mark_unread)
    mark(mirrored, mark_read)
    mirrored.sync()
    assert flags(mirrored) == [SEEN]
    with inside(mirrored.world.id):
        assert (
            db.session.scalar(select(Message.unread_at).where(Message.mailbox_id == mirrored.mailbox.id))
            is None
        )


def test_switching_it_on_takes_nothing_back(stage: Stage) -> None:
    stage.add(flags=[SEEN])
    stage.sync()
    mark(stage, mark_unread)
    mirror(stage, True)
    stage.sync()
    assert flags(stage) == [SEEN]


def test_without_the_option_it_is_each_members_own_and_nothing_is_written(stage: Stage) -> None:
    stage.add()
    stage.sync()
    other = make_member(stage.world.id)
    mark(stage, mark_read)
    mark(stage, mark_read, stage.world.admin)
    mark(stage, mark_unread)
    stage.sync()
    assert not is_unread(stage, stage.world.admin)
    assert is_unread(stage, stage.world.member)
    assert other is not None
    assert stage.what_was_written() == set()


def test_only_seen_is_ever_written(mirrored: Stage) -> None:
    mark(mirrored, mark_read)
    mirrored.sync()
    mark(mirrored, mark_unread)
    mirrored.sync()
    written = {text.partition(" ")[0] for text in mirrored.what_was_written()}
    assert written == {"SELECT", "STORE"}
    stored = [command.arguments for command in mirrored.server.commands if command.verb == "STORE"]
    assert stored == [b"1 +FLAGS.SILENT (\\Seen)", b"1 -FLAGS.SILENT (\\Seen)"]


def opens_otherwise(session: Session, command: Command) -> bool:
    """SELECT tells no UIDVALIDITY, though EXAMINE does."""
    session.selected = session.server.folder(INBOX)
    session.line(b"* 1 EXISTS")
    session.done(command, "[READ-WRITE] open")
    return True


@pytest.mark.parametrize(
    ("verb", "behaviour"),
    [("STORE", refuse("NO [NOPERM] not for you")), ("STORE", drop), ("SELECT", opens_otherwise)],
    ids=["refused", "cut", "other"],
)
def test_a_folder_that_cannot_be_written_to_holds_up_no_other(
    mirrored: Stage, verb: str, behaviour: Behaviour
) -> None:
    mirrored.add(PROJECTS)
    mirrored.sync()
    mark(mirrored, mark_read)
    mirrored.server.on(verb, in_folder(INBOX, behaviour))
    mirrored.add()
    assert mirrored.sync().error is None
    assert (flags(mirrored), mirrored.server.folder(PROJECTS).messages[1].flags) == ([], [SEEN])
    with inside(mirrored.world.id):
        assert "marked as read" in mirrored.folders()[INBOX].last_error
    assert len(mirrored.subjects()) == 3
    mirrored.settle()
    assert flags(mirrored) == [SEEN]


def test_a_folder_that_cannot_be_written_to_takes_no_other_ones_turn(
    mirrored: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored.add()
    mirrored.sync()
    mirrored.add(PROJECTS)
    mirrored.sync()
    mark(mirrored, mark_read)
    monkeypatch.setattr("mailboxes.sync.mirroring.MOST_MIRRORED", 2)
    mirrored.server.on("STORE", in_folder(INBOX, refuse("NO [NOPERM] not for you")))
    mirrored.sync()
    assert mirrored.server.folder(PROJECTS).messages[1].flags == [SEEN]
    mirrored.settle()


def test_a_folder_that_was_renumbered_meanwhile_is_not_written_to(mirrored: Stage) -> None:
    mark(mirrored, mark_read)

    def renumber(session: object, command: object) -> bool:
        mirrored.server.folder(INBOX).uid_validity += 1
        return False

    mirrored.server.on("SELECT", renumber)
    mirrored.sync()
    assert "STORE" not in mirrored.server.verbs()
    mirrored.settle()
    mirrored.sync()
    assert flags(mirrored) == [SEEN]
