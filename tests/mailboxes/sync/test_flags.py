"""Flags and removals are followed: a few at a time, whatever comes in meanwhile."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.sync import following, visiting
from tenants.database import db, now
from tests.faults.behaviours import drop, refuse
from tests.faults.imap_server import Behaviour, Command, Session
from tests.mailboxes.scripted import Scripted
from tests.mailboxes.sync.happening import call_once, compare_again


def old_mail(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, count: int, *, with_changes: bool = False
) -> list[int]:
    """The UIDs of so many messages, which are here; flags are asked for two at a time.

    ``with_changes``: the server counts what changes (CONDSTORE).
    """
    monkeypatch.setattr("mailboxes.sync.flags.FLAGS_WITHOUT_MODSEQ", 2)
    scripted.server.capabilities += " CONDSTORE" if with_changes else ""
    uids = [scripted.add(f"Old {number}") for number in range(count)]
    scripted.sync()
    return uids


def all_seen(scripted: Scripted, monkeypatch: pytest.MonkeyPatch, count: int) -> list[int]:
    """The UIDs of so many messages, all just read by somebody; the server tells few changes at a time."""
    monkeypatch.setattr("mailboxes.imap.changes.MOST_TOLD", 2)
    uids = old_mail(scripted, monkeypatch, count, with_changes=True)
    for uid in uids:
        scripted.server.folder().flag(uid, "\\Seen")
    return uids


def flagged_uids(scripted: Scripted, flag: str = "\\Seen") -> list[int]:
    with scripted.inside(scripted.world):
        flagged = select(Arrival.uid).where(Arrival.flags.contains([flag])).order_by(Arrival.uid)
        return list(db.session.scalars(flagged))


def test_flags_of_old_messages_are_followed_once_a_day(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:  # F42
    """A server that does not tell what has changed is asked about a few of the newest in each pass."""
    old_mail(scripted, monkeypatch, 5)
    for uid in scripted.server.folder().uids():
        scripted.server.folder().flag(uid, "\\Seen")
    scripted.sync()
    assert flagged_uids(scripted) == [4, 5]
    scripted.settle()  # a day later
    assert flagged_uids(scripted) == [1, 2, 3, 4, 5]


def test_who_calls_while_all_flags_are_asked_for_is_heard_before_the_rest(
    app: Flask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_mail(scripted, monkeypatch, 8)
    call_once(app, scripted, b"(UID FLAGS)")
    scripted.server.commands.clear()
    compare_again(scripted)
    assert scripted.sync().error is None
    asked = [one.arguments for one in scripted.server.commands if one.verb == "FETCH"]
    kinds = [b"BODY.PEEK[]" in one for one in asked if b"(UID FLAGS)" in one or b"BODY.PEEK[]" in one]
    assert kinds == [False, False, True, False, False]
    scripted.settle()


def test_flags_of_all_go_on_where_the_pass_before_had_no_more_time(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_mail(scripted, monkeypatch, 8)
    compare_again(scripted)
    for uid in scripted.server.folder().uids():
        scripted.server.folder().flag(uid, "\\Seen")
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    seen = []
    for _ in range(4):
        assert scripted.sync().error is None
        seen.append(flagged_uids(scripted)[0])
    assert seen == [5, 3, 1, 1]
    with scripted.inside(scripted.world):
        found = db.session.execute(select(Folder.flags_uid, Folder.compared_at).where(Folder.is_synced)).one()
    assert found.flags_uid is None
    assert found.compared_at is not None


def test_of_many_changes_each_is_followed_a_few_at_a_time(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = all_seen(scripted, monkeypatch, 9)
    asked: list[int] = []
    usual = visiting.follow_flags

    def follow(*given: Any) -> int:
        asked.append(len(given[-1]))
        return usual(*given)

    monkeypatch.setattr(visiting, "follow_flags", follow)
    assert scripted.sync().error is None
    assert flagged_uids(scripted) == uids
    assert max(asked) == 2
    scripted.server.commands.clear()
    scripted.sync()
    assert "FETCH" not in scripted.server.verbs()
    scripted.settle()


def test_many_changes_are_all_followed_though_passes_are_short_and_others_come_meanwhile(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = all_seen(scripted, monkeypatch, 9)
    with monkeypatch.context() as patch:
        patch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
        for passes, uid in enumerate((9, 1, 5, 8, 2)):
            assert scripted.sync().error is None
            assert (flagged_uids(scripted) == uids) == (passes >= 3)
            scripted.server.folder().flag(uid, "\\Seen", "\\Flagged")
    scripted.sync()
    assert flagged_uids(scripted, "\\Flagged") == [1, 2, 5, 8, 9]
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Folder.flags_uid).where(Folder.is_synced)).one() is None
    scripted.settle()


def test_where_the_connection_ends_as_changes_are_told_all_flags_are_asked_for(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = all_seen(scripted, monkeypatch, 5)
    scripted.server.on("FETCH", lambda s, c: b"CHANGEDSINCE" in c.arguments and drop(s, c))
    assert scripted.sync().error is None
    assert flagged_uids(scripted) == uids
    scripted.settle()


@pytest.mark.parametrize("behaviour", [drop, refuse("NO CHANGEDSINCE is not known")], ids=["drop", "no"])
def test_a_server_that_does_not_tell_what_has_changed_is_asked_once_a_day_and_for_all_flags(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour
) -> None:
    oldest, *_, newest = old_mail(scripted, monkeypatch, 5, with_changes=True)
    scripted.server.on("FETCH", lambda s, c: b"CHANGEDSINCE" in c.arguments and behaviour(s, c))
    scripted.server.commands.clear()

    def seen_after(uid: int) -> list[int]:
        scripted.server.folder().flag(uid, "\\Seen")
        assert scripted.sync().error is None
        return flagged_uids(scripted)

    assert seen_after(newest) == [newest]
    scripted.server.folder().flag(newest)
    assert seen_after(oldest) == []  # not among the few that are looked at
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(changes_untold_at=now() - timedelta(days=1)))
        db.session.commit()
    assert scripted.sync().error is None
    assert flagged_uids(scripted) == [oldest]
    assert sum(b"CHANGEDSINCE" in one.arguments for one in scripted.server.commands) == 2


def test_a_server_that_restarts_while_it_tells_has_refused_nothing(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest, *_ = old_mail(scripted, monkeypatch, 5, with_changes=True)
    scripted.server.folder().flag(oldest, "\\Seen")

    def restart(session: Session, command: Command) -> bool:
        if b"CHANGEDSINCE" not in command.arguments:
            return False
        session.server.on("LOGIN", drop)
        return drop(session, command)

    scripted.server.on("FETCH", restart)
    assert scripted.sync().error is not None
    scripted.server.heal()
    assert scripted.sync().error is None
    assert flagged_uids(scripted) == [oldest]


def test_old_flags_are_looked_at_daily_where_a_server_that_did_not_tell_counts_no_changes(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = old_mail(scripted, monkeypatch, 5, with_changes=True)
    for uid in uids:
        scripted.server.folder().messages[uid].flags = ["\\Seen"]  # and nothing counts it
    two_days_ago = now() - timedelta(days=2)
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(changes_untold_at=two_days_ago, compared_at=two_days_ago))
        db.session.commit()
    assert scripted.sync().error is None
    assert flagged_uids(scripted) == uids


def test_what_was_asked_for_and_is_gone_is_asked_for_no_more(scripted: Scripted) -> None:
    kept, gone = scripted.add("Kept"), scripted.add("Gone")
    scripted.sync()
    with scripted.inside(scripted.world):
        missing = {"state": "too_large", "failure": "No.", "sha256": b"", "is_wanted": True}
        db.session.execute(update(Arrival).where(Arrival.uid == gone).values(**missing))
        db.session.commit()
    scripted.server.folder().remove(gone)
    assert scripted.sync().error is None
    with scripted.inside(scripted.world):
        rows = db.session.execute(select(Arrival.uid, Arrival.vanished_at.is_not(None), Arrival.is_wanted))
        assert {tuple(row) for row in rows} == {(kept, False, False), (gone, True, False)}


def test_what_is_gone_is_marked_a_few_at_a_time(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PLACES_AT_ONCE", 2)
    marked: list[int] = []
    usual = following._in_each_place

    def in_each_place(account: Any, ids: Any, act: Any) -> None:
        marked.append(len(ids))
        usual(account, ids, act)

    monkeypatch.setattr(following, "_in_each_place", in_each_place)
    for number in range(5):
        scripted.add(f"Old {number}")
    scripted.sync()
    scripted.server.folder().uid_validity += 1
    for _ in range(2):
        assert scripted.sync().error is None
    assert marked == [2, 2, 1]
    for uid in list(scripted.server.folder().uids()):
        scripted.server.folder().remove(uid)
    assert scripted.sync().error is None
    assert marked == [2, 2, 1, 2, 2, 1]
    scripted.settle()


def test_mail_that_comes_and_goes_while_flags_are_asked_for_is_no_new_numbering(
    app: Flask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_mail(scripted, monkeypatch, 8)
    compare_again(scripted)
    call_once(app, scripted, b"(UID FLAGS)")

    def remove_again(session: Session, command: Command) -> bool:
        if command.arguments.startswith(b"1:2 ") or command.arguments.startswith(b"1,2 "):
            scripted.server.folder().messages.pop(9)
        return False

    scripted.server.also("FETCH", remove_again)
    assert scripted.sync().error is None
    assert 9 not in scripted.server.folder().messages
    with scripted.inside(scripted.world):
        folder = db.session.execute(
            select(Folder.last_uid, Folder.server_count).where(Folder.is_synced)
        ).one()
        assert set(db.session.scalars(select(Arrival.uid_validity))) == {1}
    assert tuple(folder) == (9, 8)
