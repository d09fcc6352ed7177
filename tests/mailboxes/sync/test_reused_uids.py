"""Messages that come back, and UIDs that are given out again: compared a portion at a time, and only once.

A folder may be seen empty for a moment, go back to a former numbering, or be restored. It may hold 100,000
messages: to compare them takes several passes, and meanwhile new mail is not made to wait (F1, F6).
"""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.messages import Message
from tenants.database import db, now
from tests.factories import World
from tests.faults.behaviours import for_messages
from tests.faults.imap_server import ScriptedImap
from tests.faults.truth import StoredMessage
from tests.mailboxes.arriving import letter
from tests.mailboxes.scripted import Scripted


@pytest.fixture
def scripted(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Seven messages are stored; from then on a pass has time for one portion, of two messages."""
    for number in range(1, 8):
        scripted.add(f"Number {number}")
    scripted.sync()
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.reusing.UIDS_AT_ONCE", 2)
    scripted.server.commands.clear()
    return scripted


def asked_for(scripted: Scripted) -> list[int]:
    """The UIDs of the messages that a pass has asked for, in that order."""
    folder = scripted.server.folder()
    fetches = [one.arguments for one in scripted.server.commands if b"BODY.PEEK[]" in one.arguments]
    asked = [arguments.split()[0].decode() for arguments in fetches]
    scripted.server.commands.clear()
    return [uid for wanted in asked for uid in reversed(folder.asked(wanted))]


def living(scripted: Scripted) -> list[int]:
    """UIDs of messages that are here, and that the server is known to have."""
    with scripted.inside(scripted.world):
        query = select(Arrival.uid).where(Arrival.vanished_at.is_(None)).order_by(Arrival.uid)
        return list(db.session.scalars(query))


def message_count(scripted: Scripted) -> int:
    with scripted.inside(scripted.world):
        return db.session.scalar(select(func.count()).select_from(Message)) or 0


def new_subjects(scripted: Scripted) -> list[str]:
    """Of which messages records and answers may be made."""
    with scripted.inside(scripted.world):
        return list(db.session.scalars(select(Message.subject).where(Message.may_convert)))


def ago(hours: int) -> str:
    """An INTERNALDATE."""
    return f"{now() - timedelta(hours=hours):%d-%b-%Y %H:%M:%S +0000}"


def is_settled(scripted: Scripted) -> bool:
    with scripted.inside(scripted.world):
        return db.session.scalars(select(Folder.reused_uid).where(Folder.is_synced)).one() is None


def seen_empty(scripted: Scripted) -> None:
    """The folder is empty for the time of a pass; then another message lies in the place of the third."""
    folder = scripted.server.folder()
    kept = dict(folder.messages)
    folder.messages.clear()
    scripted.sync()
    assert living(scripted) == []
    folder.messages.update(kept)
    folder.messages[3] = StoredMessage(letter("Another third"))
    scripted.server.commands.clear()


def test_messages_that_come_back_are_compared_a_portion_in_each_pass_and_none_twice(
    scripted: Scripted,
) -> None:
    seen_empty(scripted)
    asked, here = [], []
    for number in range(4):
        report = scripted.sync()
        assert (report.error, report.has_more) == (None, True), number
        asked.append(asked_for(scripted))
        here.append(living(scripted))
    assert asked == [[7, 6], [5, 4], [3, 2], [1]]
    assert here == [[6, 7], [4, 5, 6, 7], [2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]]
    assert not scripted.sync().has_more
    assert is_settled(scripted)
    assert message_count(scripted) == 8
    scripted.settle()
    assert message_count(scripted) == 8


def test_new_mail_comes_before_messages_that_come_back(scripted: Scripted) -> None:
    seen_empty(scripted)
    scripted.sync()
    new = scripted.add("New", date=ago(0))
    asked_for(scripted)
    scripted.sync()
    assert asked_for(scripted) == [new, 5, 4]
    scripted.settle()
    assert new_subjects(scripted) == ["New"]


def test_messages_that_come_back_leave_bytes_to_new_mail(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_empty(scripted)
    with monkeypatch.context() as patch:
        patch.setattr("mailboxes.sync.budget.SHARE_OF_HISTORY", 0.0)
        new = scripted.add("New")
        for _ in range(2):
            report = scripted.sync()
            assert (report.error, report.has_more) == (None, False)
        assert asked_for(scripted) == [new]
        assert living(scripted) == [new]
    scripted.sync()
    assert living(scripted) == [6, 7, new]
    scripted.settle()


def test_uids_that_are_given_out_again_are_compared_a_portion_in_each_pass(scripted: Scripted) -> None:
    """The folder is restored from a backup: some messages are the same, others have their UIDs.

    What came in since the folder was read last is new, in whichever pass it is compared.
    """
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(new_since=now() - timedelta(hours=3)))
        db.session.commit()
    folder = scripted.server.folder()
    for uid, received_at in (
        (5, "21-Nov-2026 10:00:00 +0000"),
        (3, "21-Nov-2026 10:00:00 +0000"),
        (2, ago(2)),
    ):
        folder.messages[uid] = StoredMessage(letter(f"Another {uid}"), date=received_at)
    del folder.messages[7], folder.messages[6]
    folder.uid_next = 6
    assert scripted.sync().has_more
    new = scripted.add("New")
    assert new == 6
    while scripted.sync().has_more:
        pass
    assert is_settled(scripted)
    assert asked_for(scripted) == [5, new, 3, 2]
    assert message_count(scripted) == 7 + 3 + 1
    scripted.settle()
    assert message_count(scripted) == 7 + 3 + 1
    assert new_subjects(scripted) == ["Another 2"]


def test_of_what_has_to_be_fetched_to_be_compared_each_batch_counts(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no dates, and the sizes that are told are no lengths."""
    with scripted.inside(scripted.world):
        db.session.execute(update(Arrival).values(received_at=None))
        db.session.commit()
    folder = scripted.server.folder()
    for message in folder.messages.values():
        message.date, message.claimed_size = "", 5
    del folder.messages[7]
    folder.uid_next = 7
    monkeypatch.setattr("mailboxes.sync.reusing.UIDS_AT_ONCE", 7)
    monkeypatch.setattr("mailboxes.sync.arriving.BYTES_PER_COMMIT", 1)
    first = []
    for _ in range(7):
        scripted.sync()
        first.append(asked_for(scripted)[:1])
    assert first == [[6], [5], [4], [3], [2], [1], []]
    assert is_settled(scripted)
    assert message_count(scripted) == 7


def test_a_folder_that_goes_back_to_its_former_numbering_is_fetched_once(scripted: Scripted) -> None:
    folder = scripted.server.folder()
    folder.uid_validity = 2
    while scripted.sync().has_more:
        pass
    folder.uid_validity = 1
    asked_for(scripted)
    while scripted.sync().has_more:
        pass
    assert asked_for(scripted) == [7, 6, 5, 4, 3, 2, 1]
    assert message_count(scripted) == 7
    assert living(scripted) == [1, 2, 3, 4, 5, 6, 7]
    scripted.settle()


def test_a_message_is_not_completed_by_another_that_has_its_uid_now(
    app: Any, imap_server: ScriptedImap, ours: World, inside: Any
) -> None:
    scripted = Scripted(app, imap_server, ours, inside)
    for number in range(1, 7):
        scripted.add(f"Number {number}")
    scripted.server.on("FETCH", for_messages(lambda _, uid, good: None if uid == 5 else good))
    scripted.sync()
    scripted.server.heal()
    folder = scripted.server.folder()
    del folder.messages[6]
    folder.messages[5] = StoredMessage(letter("Another"), date=ago(0))
    folder.uid_next = 6
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(compared_at=now() - timedelta(days=2)))
        db.session.commit()
    scripted.sync()
    assert new_subjects(scripted) == ["Another"]
    assert is_settled(scripted)
    scripted.settle()


def test_what_is_not_whole_is_asked_for_when_the_comparison_is_over(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = scripted.add("Later")
    scripted.server.on("FETCH", for_messages(lambda _, uid, good: None if uid == bad else good))
    scripted.sync()
    scripted.server.heal()
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(reused_uid=4, compared_at=now() - timedelta(days=2)))
        db.session.commit()
    asked_for(scripted)
    scripted.sync()
    assert asked_for(scripted) == []
    while scripted.sync().has_more:
        pass
    assert asked_for(scripted) == [bad]
