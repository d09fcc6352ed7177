"""An account goes to another server: nothing that was fetched before is lost, mixed up or kept for good."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from mailboxes import setup
from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival, Raw
from mailboxes.connections import password_of, store_password
from mailboxes.global_mailboxes import deleting, following, saving
from mailboxes.global_mailboxes.saving import GlobalValues
from mailboxes.intake.held import held_arrivals, process_again
from mailboxes.messages import Message
from mailboxes.routing.moving import begin_move, finish_moves
from mailboxes.routing.unrouted import accounts_with_unrouted, assign, route_again, unrouted_page
from mailboxes.setup.checking import FolderChoice
from mailboxes.setup.saving import account_of
from mailboxes.setup.values import MailboxValues, values_of
from mailboxes.sync import leases
from mailboxes.sync.refetching import fetch_anyway
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor
from tenants.database import db, inside_installation
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import arrive, deliver_again, letter, receive
from tests.mailboxes.deleting import finish_deleting
from tests.mailboxes.global_mail import (
    SOMEBODY,
    arrive_globally,
    deliver_globally,
    demand_sound,
    message_in,
    receive_globally,
    state_of,
    subjects_in,
)

BY = Actor("Ada")
FOLDERS = [FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3)]
ARCHIVE = FolderChoice(b"Archive", "Archive", "/", "archive", True, 0)
ELSEWHERE: dict[str, Any] = {"imap_host": "new.test", "imap_password": "new password"}


# --- of an organization ----------------------------------------------------------------------


@pytest.fixture
def mailbox(ours: World, theirs: World, inside: Any) -> Mailbox:
    mailbox = make_mailbox(ours)
    with inside(ours):
        account = account_of(mailbox)
        account.imap_enabled, account.imap_host, account.imap_user = True, "old.test", "support"
        store_password(account, "imap", "old password")
        db.session.commit()
    return mailbox


def change(
    inside: Any, world: World, mailbox: Mailbox, *, listed: list[FolderChoice] = FOLDERS, **typed: Any
) -> None:
    with inside(world):
        mailbox = db.session.get_one(Mailbox, (world.id, mailbox.id))
        values = values_of(mailbox, account_of(mailbox))
        values.folders = [b"INBOX"]
        for name, value in typed.items():
            setattr(values, name, value)
        setup.change(mailbox, values, listed, by=BY)
        db.session.commit()


def subjects(world: World) -> list[str]:
    return sorted(subjects_in(world))


def test_what_was_fetched_and_not_delivered_is_delivered_after_the_change(mailbox, ours, theirs, inside):
    with inside(ours):
        arrive(mailbox, letter("Fetched before"))
    change(inside, ours, mailbox, **ELSEWHERE)
    deliver_again(ours, mailbox)
    assert (subjects(ours), subjects(theirs)) == (["Fetched before"], [])


def test_the_same_uid_of_the_new_server_is_another_message(mailbox, ours, inside):
    receive(ours, mailbox, letter("On the old one"), uid=7)
    change(inside, ours, mailbox, **ELSEWHERE)
    with inside(ours):
        old, new = db.session.scalars(select(Folder).order_by(Folder.id)).all()
        assert (old.is_synced, old.left_at is not None) == (False, True)
        assert (new.name_raw, new.is_synced, new.left_at, new.last_uid) == (b"INBOX", True, None, 0)
        raw_id = db.session.scalar(select(Raw.id))
        db.session.add(
            Arrival(
                organization_id=ours.id,
                account_id=mailbox.account_id,
                folder_id=new.id,
                uid_validity=1,
                uid=7,
                raw_id=raw_id,
                sha256=b"x" * 32,
            )
        )
        db.session.commit()
        assert password_of(account_of(mailbox), "imap") == "new password"


def test_quarantine_stays_in_sight_and_can_be_processed_again(mailbox, ours, inside):
    with inside(ours):
        (id,) = arrive(mailbox, letter("Poison"), state="quarantined", failure="Reading it failed.")
    change(inside, ours, mailbox, **ELSEWHERE)
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        assert [held.id for held in held_arrivals(mailbox.account_id)] == [id]
        assert process_again([mailbox.account_id]) == {mailbox.account_id: 1}
        db.session.commit()
    deliver_again(ours, mailbox)
    assert subjects(ours) == ["Poison"]


def test_what_was_left_on_the_former_server_is_fetched_from_no_other(mailbox, ours, inside):
    with inside(ours):
        (id,) = arrive(
            mailbox, letter(), state="too_large", failure="No.", sha256=b"", is_wanted=True, size=9_000_000
        )
    change(inside, ours, mailbox, **ELSEWHERE)
    with inside(ours):
        (held,) = held_arrivals(mailbox.account_id)
        assert (held.id, held.is_fetchable, held.is_asked_for) == (id, False, False)
        assert fetch_anyway([mailbox.account_id]) == {}
        assert not db.session.scalar(select(Arrival.is_wanted))


def test_of_a_folder_that_is_read_no_more_nothing_is_missing(mailbox, ours, inside):
    change(inside, ours, mailbox, listed=[*FOLDERS, ARCHIVE], folders=[b"INBOX", b"Archive"])
    with inside(ours):
        db.session.execute(update(Folder).values(audit={"groups": {"missing": 2}}, audited_at=func.now()))
        db.session.commit()
    change(inside, ours, mailbox, listed=[*FOLDERS, ARCHIVE])
    with inside(ours):
        rows = db.session.execute(select(Folder.name, Folder.audit, Folder.audited_at.is_(None)))
        assert {row.name: row[1:] for row in rows} == {
            "INBOX": ({"groups": {"missing": 2}}, False),
            "Archive": (None, True),
        }


def test_what_was_asked_for_in_a_folder_that_is_read_no_more_is_asked_for_in_no_other(mailbox, ours, inside):
    change(inside, ours, mailbox, listed=[*FOLDERS, ARCHIVE], folders=[b"INBOX", b"Archive"])
    stub: dict[str, Any] = {"state": "too_large", "failure": "No.", "sha256": b"", "is_wanted": True}
    with inside(ours):
        (kept,) = arrive(mailbox, letter("Kept"), folder="inbox", **stub)
        (left,) = arrive(mailbox, letter("Left"), folder="archive", **stub)
    change(inside, ours, mailbox, listed=[*FOLDERS, ARCHIVE])
    with inside(ours):
        wanted = {row.id: row.is_wanted for row in db.session.execute(select(Arrival.id, Arrival.is_wanted))}
        assert wanted == {kept: True, left: False}


def test_who_reads_the_former_server_just_now_stores_nothing_any_more(mailbox, ours, inside):
    with inside(ours):
        fence = leases.take(mailbox.account_id, "a pass")
    change(inside, ours, mailbox, **ELSEWHERE)
    with inside(ours), pytest.raises(leases.LeaseLostError):
        leases.demand(mailbox.account_id, fence)
    with inside(ours):
        assert leases.take(mailbox.account_id, "the next one") is not None


def test_a_login_that_was_accepted_elsewhere_proves_nothing_here(mailbox, ours, inside):
    with inside(ours):
        account = account_of(mailbox)
        account.synced_at, account.state, account.smtp_refuses_null_sender = func.now(), "ok", True
        db.session.commit()
    change(inside, ours, mailbox, **ELSEWHERE)
    with inside(ours):
        account = account_of(mailbox)
        assert (account.synced_at, account.state, account.smtp_refuses_null_sender) == (None, "new", False)


def test_saved_as_it_is_everything_stays(mailbox, ours, inside):
    with inside(ours):
        arrive(mailbox, letter())
    before = folders(ours, inside)
    change(inside, ours, mailbox, label="Help")
    assert [(id, left) for id, left in folders(ours, inside) if id in dict(before)] == before
    assert all(left is None for _, left in before)


def new_since(world: World, inside: Any) -> dict[bytes, Any]:
    with inside(world):
        found = db.session.execute(select(Folder.name_raw, Folder.new_since).where(Folder.left_at.is_(None)))
        return {row.name_raw: row.new_since for row in found}


def test_mail_of_a_folder_is_new_since_it_was_chosen(mailbox, ours, inside):
    before = new_since(ours, inside)
    change(inside, ours, mailbox, listed=[*FOLDERS, ARCHIVE], label="Help")
    listed = new_since(ours, inside)
    assert listed[b"INBOX"] == before[b"INBOX"]
    change(inside, ours, mailbox, listed=[*FOLDERS, ARCHIVE], folders=[b"INBOX", b"Archive"])
    chosen = new_since(ours, inside)
    assert chosen[b"INBOX"] == before[b"INBOX"]
    assert chosen[b"Archive"] > listed[b"Archive"]


def test_mail_is_new_since_reading_was_switched_on(mailbox, ours, inside):
    before = new_since(ours, inside)
    typed = {"smtp_enabled": True, "smtp_host": "smtp.test", "imap_password": "the password"}
    change(inside, ours, mailbox, **typed, imap_enabled=False)
    assert new_since(ours, inside) == before
    change(inside, ours, mailbox, **typed, imap_enabled=True)
    assert new_since(ours, inside)[b"INBOX"] > before[b"INBOX"]


def folders(world: World, inside: Any) -> list[Any]:
    with inside(world):
        return [(one.id, one.left_at) for one in db.session.scalars(select(Folder).order_by(Folder.id))]


def test_deleting_leaves_no_bytes_of_any_server_that_was_read(mailbox, ours, theirs, inside):
    neighbour = make_mailbox(theirs)
    receive(theirs, neighbour, letter("Theirs"))
    receive(ours, mailbox, letter("One"))
    change(inside, ours, mailbox, **ELSEWHERE)
    change(inside, ours, mailbox, imap_host="newest.test", imap_password="newest password")
    with inside(ours):
        arrive(db.session.scalar(select(Mailbox)), letter("Two"), letter("Three"))
        mailbox = db.session.scalar(select(Mailbox))
        setup.begin_deleting(mailbox, mailbox.label, by=BY)
        db.session.commit()
    finish_deleting()
    assert counted(inside, ours) == {Account: 0, Folder: 0, Arrival: 0, Raw: 0, Message: 0}
    assert counted(inside, theirs) == {Account: 1, Folder: 1, Arrival: 1, Raw: 1, Message: 1}


def counted(inside: Any, world: World) -> dict[Any, int]:
    with inside(world):
        tables = (Account, Folder, Arrival, Raw, Message)
        return {table: db.session.scalar(select(func.count()).select_from(table)) for table in tables}


# --- of the installation ---------------------------------------------------------------------


@pytest.fixture
def source_id(ours: World, theirs: World) -> Any:
    values = GlobalValues(
        MailboxValues(
            label="Info",
            address="info@everybody.test",
            imap_host="old.test",
            imap_user="info",
            imap_password="old password",
            folders=[b"INBOX"],
        )
    )
    with inside_installation("a test"):
        source = saving.create(values, FOLDERS, by=BY)
        saving.serve(source, [ours.id, theirs.id], by=BY)
        db.session.commit()
        id = source.id
    following.follow(id)
    return id


def account_id_of(source_id: Any) -> Any:
    with inside_installation("a test"):
        return saving.global_mailbox_of(source_id).account_id


def change_global(source_id: Any, **typed: Any) -> None:
    with inside_installation("a test"):
        source = saving.global_mailbox_of(source_id)
        values = saving.values_of(source, saving.connection_of(source))
        for name, value in typed.items():
            setattr(values.mailbox, name, value)
        saving.change(source, values, FOLDERS, by=BY)
        db.session.commit()
    following.follow(source_id)


def test_what_waits_to_be_assigned_is_assigned_after_the_change(source_id, theirs, ours):
    before = account_id_of(source_id)
    receive_globally(before, letter("Unrouted"), letter("Unrouted too"))
    change_global(source_id, **ELSEWHERE)
    now_read = account_id_of(source_id)
    with inside_installation("a test") as session:
        assert [(account.id, count) for account, count in accounts_with_unrouted()] == [(now_read, 2)]
        row = next(row for row in unrouted_page(now_read).rows if row.subject == "Unrouted")
        assert assign(now_read, theirs.id, [row.arrival_id], by=SOMEBODY) == 1
        session.commit()
    deliver_globally(now_read)
    assert (subjects(theirs), subjects(ours)) == (["Unrouted"], [])
    with inside_installation("a test") as session:
        session.execute(update(Account).values(home_organization_id=ours.id))
        assert route_again(now_read, by=SOMEBODY) == 1
        session.commit()
    deliver_globally(now_read)
    assert (subjects(theirs), subjects(ours)) == (["Unrouted"], ["Unrouted too"])
    demand_sound()


def test_a_conversation_with_messages_of_both_servers_moves_whole(source_id, ours, theirs):
    with inside_installation("a test") as session:
        saving.make_home(saving.global_mailbox_of(source_id), ours.id, by=BY)
        session.commit()
    account_id = account_id_of(source_id)
    (first,) = receive_globally(account_id, letter("Where is it?", message_id="1@customer.test"))
    change_global(source_id, **ELSEWHERE)
    account_id = account_id_of(source_id)
    answer = letter("Re: Where is it?", message_id="2@customer.test", answers=["1@customer.test"])
    (second,) = receive_globally(account_id, answer)
    assert message_in(ours, first).thread_id == message_in(ours, second).thread_id
    with inside_installation("a test") as session:
        ring = begin_move(first, theirs.id, whole=True, by=SOMEBODY)
        session.commit()
        finish_moves(ring)
    deliver_globally(ring)
    assert subjects(ours) == []
    assert subjects(theirs) == ["Re: Where is it?", "Where is it?"]
    assert {state_of(first).state, state_of(second).state} == {"delivered"}
    demand_sound()


def test_deleting_a_global_mailbox_leaves_no_bytes_of_any_server(source_id, ours):
    receive_globally(account_id_of(source_id), letter("Unrouted"))
    change_global(source_id, **ELSEWHERE)
    arrive_globally(account_id_of(source_id), letter("Not delivered"))
    with inside_installation("a test"):
        deleting.begin_deleting(saving.global_mailbox_of(source_id), "Info", by=BY)
        db.session.commit()
    assert deleting.go_on_deleting(source_id)
    with inside_installation("a test") as session:
        for table in (Account, Folder, Arrival, Raw):
            assert session.scalar(select(func.count()).select_from(table)) == 0, table
