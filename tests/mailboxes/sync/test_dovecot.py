"""Passes over a real server (Dovecot): what it has is stored, once, whatever happens meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from mailboxes.accounts import Account, Folder, choose_history_again
from mailboxes.arrivals import Arrival, Raw
from mailboxes.connections import store_password
from mailboxes.intake import deliver
from mailboxes.messages import Location, Message, MessageRead
from mailboxes.raws import keep_raws, pack
from mailboxes.sync import leases
from mailboxes.sync.comparing import compare_with_servers
from mailboxes.sync.foreground import sync_now
from mailboxes.sync.passes import sync_account
from mailboxes.system_mailboxes import Mailbox
from tenants.database import INSTALLATION, db, inside_installation, now
from tenants.errors import ConflictError
from tests.dovecot import PASSWORD, Dovecot
from tests.factories import World
from tests.mailboxes.arriving import letter
from tests.mailboxes.served import Served
from tests.world import permitted_ports

pytestmark = pytest.mark.dovecot


@pytest.fixture
def served(app: Any, dovecot: Dovecot, ours: World, inside: Any) -> Served:
    return Served(app, dovecot, ours, inside)


def old(days: int) -> str:
    """An INTERNALDATE in the past, as APPEND takes it."""
    return (datetime.now(UTC) - timedelta(days=days)).strftime('"%d-%b-%Y %H:%M:%S +0000"')


def test_new_mail_becomes_messages_with_their_bytes(served: Served) -> None:
    served.sync()
    raws = [letter(f"Number {number}") for number in range(3)]
    for raw in raws:
        served.append(raw)
    report = served.sync()
    assert (report.new_count, report.history_count) == (3, 0)
    assert [message.subject for message in served.messages()] == ["Number 0", "Number 1", "Number 2"]
    assert all(message.may_convert for message in served.messages())
    with served.inside(served.world):
        assert served.account().state == "ok"


def test_mail_that_came_while_the_account_was_set_up_is_no_history(served: Served) -> None:
    served.append(letter("Old"), when=old(3))
    served.append(letter("Fresh"))
    served.sync()
    (message,) = served.messages()
    assert (message.subject, message.may_convert) == ("Fresh", True)


def test_a_pass_that_finds_nothing_stores_nothing(served: Served) -> None:
    served.append(letter())
    served.sync()
    report = served.sync()
    assert (report.new_count, report.history_count) == (0, 0)
    assert served.count(Arrival) == 1


def test_history_is_taken_over_as_chosen_and_makes_no_work(
    app: Any, dovecot: Dovecot, ours: World, inside: Any
) -> None:
    served = Served(app, dovecot, ours, inside, history="days", history_days=10)
    for days in (30, 20, 5, 4):
        served.append(letter(f"{days} days"), when=old(days))
    report = served.sync()
    assert report.history_count == 2
    assert {message.subject for message in served.messages()} == {"5 days", "4 days"}
    assert {message.work for message in served.messages()} == {"none"}
    with inside(ours):
        folder = db.session.scalars(select(Folder).where(Folder.name == "INBOX")).one()
        assert (folder.history_floor, folder.history_uid, folder.first_uid) == (3, 3, 4)
        assert [finding.broken for finding in compare_with_servers()] == [(), ()]


def test_all_history_newest_first(app: Any, dovecot: Dovecot, ours: World, inside: Any) -> None:
    served = Served(app, dovecot, ours, inside, history="all")
    for number in range(6):
        served.append(letter(f"{number}"), when=old(10 - number))
    served.sync()
    assert [message.subject for message in served.messages()] == ["5", "4", "3", "2", "1", "0"]


def test_history_can_be_chosen_again(served: Served) -> None:
    for days in (30, 20, 5):
        served.append(letter(f"{days} days"), when=old(days))
    served.sync()
    assert served.messages() == []
    for history, days, subjects in (("days", 10, ["5 days"]), ("all", None, ["30 days", "20 days"])):
        with served.inside(served.world):
            account = served.account()
            account.history, account.history_days = history, days
            choose_history_again(account)
            db.session.commit()
        served.sync()
        assert set(subjects) <= {message.subject for message in served.messages()}
    assert len(served.messages()) == 3


def test_flags_are_followed(served: Served) -> None:
    uid = served.append(letter())
    served.sync()
    with served.server.session(served.user) as other:
        other.select("INBOX")
        other.uid("STORE", str(uid), "+FLAGS", r"(\Seen \Answered)")
    assert served.sync().changed_count == 1
    (message,) = served.messages()
    assert message.is_answered_on_server
    assert not message.is_read_by_all
    with served.inside(served.world):
        assert set(db.session.scalars(select(Location.flags)).one()) >= {"\\Seen", "\\Answered"}


def test_a_removed_message_is_kept_and_marked(served: Served) -> None:
    first, _ = served.append(letter("Gone")), served.append(letter("Stays"))
    served.sync()
    with served.server.session(served.user) as other:
        other.select("INBOX")
        other.uid("STORE", str(first), "+FLAGS", r"(\Deleted)")
        other.expunge()
    assert served.sync().vanished_count == 1
    gone, stays = served.messages()
    assert gone.removed_on_server_at is not None
    assert stays.removed_on_server_at is None
    assert served.count(Arrival, Arrival.vanished_at.is_not(None)) == 1


def test_a_moved_message_is_one_with_a_new_place(served: Served) -> None:
    uid = served.append(letter("Wanders", message_id="w@x"))
    with served.server.session(served.user) as other:
        other.create("Projects")
    served.sync()
    served.choose("Projects")
    served.sync()
    with served.server.session(served.user) as other:
        other.select("INBOX")
        other.uid("MOVE", str(uid), "Projects")
    served.sync()
    (message,) = served.messages()
    assert (message.box, message.removed_on_server_at) == ("other", None)
    assert served.count(Location) == 2
    assert served.count(Location, Location.vanished_at.is_(None)) == 1


def test_a_renumbered_folder_is_recognised_and_nothing_is_answered_again(served: Served) -> None:
    for number in range(3):
        served.append(letter(f"Number {number}"))
    served.sync()
    served.renumber(4711)
    served.append(letter("New one"))
    served.sync()
    served.sync()
    messages = served.messages()
    assert [message.subject for message in messages] == ["Number 0", "Number 1", "Number 2", "New one"]
    assert messages[-1].may_convert
    assert served.count(Message, Message.removed_on_server_at.is_not(None)) == 0
    assert served.count(Location, Location.vanished_at.is_(None)) == 4
    assert served.count(Location) == 7
    with served.inside(served.world):
        assert [finding.broken for finding in compare_with_servers()] == [(), ()]


def test_a_folder_that_is_renumbered_again_and_again_is_known_by_content(served: Served) -> None:
    served.append(letter("Number 0"))
    served.sync()
    for validity in range(100, 107):
        served.renumber(validity)
        served.sync()
    with served.inside(served.world):
        assert (
            "renumbers" in db.session.scalars(select(Folder.last_error).where(Folder.name == "INBOX")).one()
        )
    served.append(letter("Number 1"))
    served.sync()
    assert [message.subject for message in served.messages()] == ["Number 0", "Number 1"]
    with served.inside(served.world):
        assert [finding.broken for finding in compare_with_servers()] == [(), ()]
    served.append(letter("Number 2"))
    with served.inside(served.world):
        assert [len(finding.broken) for finding in compare_with_servers()] == [1, 0]


def test_a_message_that_appears_below_the_cursor_is_found_within_a_day(served: Served) -> None:
    served.append(letter("One"))
    served.append(letter("Two"))
    served.sync()
    with served.inside(served.world):  # as if a backup had brought it back
        db.session.execute(Location.__table__.delete())
        first = db.session.scalars(select(Arrival).order_by(Arrival.uid)).first()
        db.session.delete(first)
        db.session.execute(update(Folder).values(compared_at=now() - timedelta(days=2)))
        db.session.commit()
    assert served.sync().new_count == 1
    assert served.count(Arrival) == 2


def test_a_folder_that_is_gone_keeps_its_messages(served: Served) -> None:
    served.append(letter("Filed"), folder="Projects")
    served.sync()
    served.choose("Projects")
    served.append(letter("Filed later"), folder="Projects")
    served.sync()
    served.append(letter("Filed last"), folder="Projects")
    served.sync()
    with served.server.session(served.user) as other:
        other.delete("Projects")
    served.sync()
    assert "Filed last" in {message.subject for message in served.messages()}
    with served.inside(served.world):
        folder = db.session.scalars(select(Folder).where(Folder.name == "Projects")).one()
        assert folder.gone_at is not None
        assert "no longer" in folder.last_error


def test_a_message_over_the_limit_is_a_stub(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailboxes.connections.MEGABYTE", 40)  # 50 of them: 2000 bytes
    served.sync()
    served.append(letter("Large", body="x" * 3000))
    served.append(letter("Small"))
    served.sync()
    large, small = served.messages()
    assert (large.subject, large.is_stub, small.is_stub) == ("Large", True, False)
    assert large.size > 3000
    assert served.count(Arrival, Arrival.state == "too_large") == 1


def test_nothing_changes_on_the_server(served: Served) -> None:
    served.append(letter())
    served.sync()
    with served.server.session(served.user) as other:
        other.select("INBOX", readonly=True)
        _, answer = other.uid("FETCH", "1:*", "(FLAGS)")
    assert b"Seen" not in answer[0]  # type: ignore[operator]


def test_reads_are_mirrored_where_the_account_says_so(
    app: Any, dovecot: Dovecot, ours: World, inside: Any
) -> None:
    served = Served(app, dovecot, ours, inside, mirrors_read_state=True)
    read, seen = served.append(letter("Read here")), served.append(letter("Seen there"))
    served.sync()
    with inside(ours):
        message = db.session.scalars(select(Message).where(Message.subject == "Read here")).one()
        db.session.add(MessageRead(message_id=message.id, membership_id=ours.member.id))
        db.session.commit()
    with dovecot.session(served.user) as other:
        other.select("INBOX")
        other.uid("STORE", str(seen), "+FLAGS", r"(\Seen)")
    served.sync()
    with dovecot.session(served.user) as other:
        other.select("INBOX", readonly=True)
        _, answer = other.uid("FETCH", str(read), "(FLAGS)")
        assert b"Seen" in answer[0]  # type: ignore[operator]
    with inside(ours):
        assert {m.subject: m.is_read_by_all for m in db.session.scalars(select(Message))}["Seen there"]


def test_a_rejected_login_waits_an_hour_and_recovers(served: Served) -> None:
    with served.inside(served.world):
        store_password(served.account(), "imap", "wrong")
        db.session.commit()
    report = sync_now(served.mailbox.account_id)
    assert report.error is not None
    with served.inside(served.world):
        account = served.account()
        assert (account.state, account.failure_count) == ("refused", 1)
        assert "user name or password" in account.last_error
        assert account.next_attempt_at > now() + timedelta(minutes=50)
        store_password(account, "imap", PASSWORD)
        db.session.commit()
    served.sync()
    with served.inside(served.world):
        account = served.account()
        assert (account.state, account.last_error, account.failure_count) == ("ok", "", 0)
        assert account.failing_since is None


def test_two_passes_at_once_are_refused(served: Served) -> None:
    with served.inside(served.world):
        assert leases.take(served.mailbox.account_id, "another") is not None
    with pytest.raises(ConflictError):
        sync_now(served.mailbox.account_id)


def test_a_worker_that_was_stopped_beyond_its_lease_commits_nothing(served: Served) -> None:
    served.sync()
    served.append(letter())
    with served.inside(served.world):
        fence = leases.take(served.mailbox.account_id, "stopped")
        assert fence is not None
        db.session.execute(update(Account).values(lease_expires_at=now() - timedelta(seconds=1)))
        db.session.commit()
        newer = leases.take(served.mailbox.account_id, "newer")
        assert newer == fence + 1
        assert sync_account(served.mailbox.account_id, fence).is_lease_lost
    assert served.count(Arrival) == 0
    with served.inside(served.world):
        assert sync_account(served.mailbox.account_id, newer).new_count == 1


def test_what_has_arrived_is_on_the_disk_before_the_cursor_moves(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the server's own settings are: here, they trade safety for speed."""
    seen: list[str] = []

    def look(point: str) -> None:
        if point == "before commit of arrivals":
            seen.append(db.session.scalar(text("SHOW synchronous_commit")) or "")

    monkeypatch.setattr("mailboxes.sync.arriving.crash_point", look)
    served.sync()
    served.append(letter())
    served.sync()
    assert seen == ["on"]
    assert db.session.scalar(text("SHOW synchronous_commit")) == "off"


def test_bytes_are_stored_as_the_server_sent_them(served: Served) -> None:
    raw = letter("Ünïcode", body="grüße\r\n.\r\n\r\nend")
    served.append(raw)
    served.sync()
    with served.inside(served.world):
        assert db.session.scalars(select(Raw.size)).one() == len(raw)


def test_a_global_account_delivers_to_its_home(
    app: Any, dovecot: Dovecot, ours: World, theirs: World, inside: Any
) -> None:
    permitted_ports(app, dovecot.port)
    user = dovecot.new_user()
    with inside_installation("a test") as session:
        account = Account(
            address="global@postroom.test",
            home_organization_id=ours.id,
            imap_enabled=True,
            imap_host="127.0.0.1",
            imap_port=dovecot.port,
            imap_encryption="none",
            imap_user=user,
        )
        session.add(account)
        session.flush()
        store_password(account, "imap", PASSWORD)
        session.add(
            Folder(
                account_id=account.id, name_raw=b"INBOX", name="INBOX", special_use="inbox", is_synced=True
            )
        )
        session.commit()
        account_id = account.id
    with inside(ours):
        db.session.add(
            Mailbox(
                account_id=account_id,
                account_owner_id=INSTALLATION,
                label="Global",
                address="global@postroom.test",
                automation_from=now() - timedelta(days=1),
                action="lead",
            )
        )
        db.session.commit()
    dovecot.append(user, "INBOX", letter("To all"))
    report = sync_now(account_id)
    assert report.error is None
    with inside(ours):
        message = db.session.scalars(select(Message)).one()
        assert (message.subject, message.may_convert) == ("To all", True)
        assert db.session.scalar(select(func.count()).select_from(Raw)) == 1
    with inside_installation("a test") as session:
        arrival = session.scalars(select(Arrival)).one()
        assert (arrival.state, arrival.raw_id) == ("delivered", None)
        assert arrival.sha256
        assert session.scalar(select(func.count()).select_from(Raw)) == 0
    with inside(theirs):
        assert db.session.scalar(select(func.count()).select_from(Message)) == 0


def test_a_global_account_without_a_home_holds_its_mail_outside(
    app: Any, dovecot: Dovecot, ours: World
) -> None:
    permitted_ports(app, dovecot.port)
    with inside_installation("a test") as session:
        account = Account(address="g@postroom.test")
        session.add(account)
        session.flush()
        folder = Folder(account_id=account.id, name_raw=b"INBOX", name="INBOX", special_use="inbox")
        session.add(folder)
        session.flush()
        packed = pack(letter())
        session.add(
            Arrival(
                account_id=account.id,
                folder_id=folder.id,
                uid_validity=1,
                uid=1,
                raw_id=keep_raws([packed])[0],
                sha256=packed.sha256,
            )
        )
        session.commit()
        deliver(account.id)
        assert session.scalars(select(Arrival.state)).one() == "unrouted"
