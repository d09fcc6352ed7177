"""Passes over servers that are not Dovecot: what they do differently costs no message, no flag, no hour."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.health.pass_log import LoggedPass
from mailboxes.imap.fetching import PLACEHOLDER, is_placeholder
from mailboxes.intake.arrived import UNFETCHABLE
from tenants.database import db, now
from tests.faults.behaviours import for_messages, hang, refuse, reply, reply_then_drop
from tests.faults.imap_server import Behaviour
from tests.faults.passing_time import time_of
from tests.mailboxes.scripted import Scripted


def test_a_next_uid_that_is_counted_from_what_is_left_costs_a_look_at_a_few(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.reusing.FIRST_SUSPECTS", 2)
    folder = scripted.server.folder()
    for number in range(6):
        scripted.add(f"Number {number}")
    scripted.sync()
    folder.remove(6)
    folder.uid_next = 6
    scripted.server.commands.clear()
    assert scripted.sync().vanished_count == 1
    asked = [one.arguments for one in scripted.server.commands if b"INTERNALDATE" in one.arguments]
    assert [arguments.split()[0] for arguments in asked] == [b"4:5"]
    scripted.settle()


# --- Exchange: a note in the place of a message --------------------------------------------------

NOTE = (
    b"MIME-Version: 1.0\r\nFrom: Microsoft Exchange Server\r\nTo: help@acme.test\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following\r\n message: 20004\r\n"
    b"Content-Type: text/plain\r\n\r\nThe server couldn't retrieve the following message:\r\n"
)


@pytest.mark.parametrize(
    "raw",
    [
        b"Received: from mx.example by mail.acme.test; Fri, 20 Nov 2026 10:00:00 +0000\r\n" + NOTE,
        NOTE.replace(b"Microsoft Exchange Server", b"Ann <ann@customer.test>"),
        NOTE.replace(b"Subject: ", b"Subject: Fwd: "),
        NOTE.replace(b"Subject: Retrieval", b"Subject: Hello\r\nX-Retrieval: Retrieval"),
        b"From: Ann <ann@customer.test>\r\nSubject: Your note\r\n\r\n" + NOTE,
        NOTE.partition(b"\r\n\r\n")[0],
    ],
)
def test_what_people_write_about_a_note_of_exchange_is_none(raw: bytes) -> None:
    assert is_placeholder(NOTE)
    assert is_placeholder(NOTE.replace(b"\r\n", b"\n"))
    assert not is_placeholder(raw)


def test_a_note_of_exchange_is_not_the_letter_which_comes_minutes_later(scripted: Scripted) -> None:
    scripted.sync()
    uid = scripted.add("The letter")
    note = for_messages(
        lambda session, uid, good: b"* 1 FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (uid, len(NOTE), NOTE)
    )
    scripted.server.on("FETCH", note)
    assert scripted.sync().error is None
    assert scripted.subjects() == []
    assert states(scripted) == {uid: ("unfetchable", f"{UNFETCHABLE}{PLACEHOLDER}")}
    scripted.server.heal()
    later(scripted, minutes=4)
    scripted.sync()
    assert scripted.subjects() == []
    later(scripted, minutes=2)
    scripted.sync()
    assert scripted.subjects() == ["The letter"]
    scripted.settle()


def test_what_is_sent_empty_is_asked_for_after_five_minutes_thirty_and_two_hours(scripted: Scripted) -> None:
    scripted.sync()
    scripted.add("The letter")
    scripted.server.on("FETCH", lambda s, c: b"BODY" in c.arguments and refuse("OK done")(s, c))
    scripted.sync()
    tries = []
    for step in (4, 2, 3, 22, 3, 80, 8):  # minutes
        later(scripted, minutes=step)
        before = bodies_asked_for(scripted)
        scripted.sync()
        tries.append(bodies_asked_for(scripted) > before)
    assert tries == [False, True, False, True, False, False, True]


def test_a_pass_that_did_not_come_to_a_folder_takes_no_try_from_it(scripted: Scripted) -> None:
    scripted.add("Empty at first")
    scripted.server.on("FETCH", lambda s, c: b"BODY" in c.arguments and refuse("OK done")(s, c))
    scripted.sync()
    scripted.server.heal()
    later(scripted, minutes=10)
    with scripted.inside(scripted.world):
        db.session.execute(update(Account).values(synced_at=now()))  # by a pass that ended before its turn
        db.session.commit()
    scripted.sync()
    assert scripted.subjects() == ["Empty at first"]


def bodies_asked_for(scripted: Scripted) -> int:
    return sum(b"BODY" in command.arguments for command in scripted.server.commands)


def states(scripted: Scripted) -> dict[int, tuple[str, str]]:
    with scripted.inside(scripted.world):
        rows = db.session.execute(select(Arrival.uid, Arrival.state, Arrival.failure))
        return {row.uid: (row.state, row.failure) for row in rows}


def later(scripted: Scripted, *, minutes: int) -> None:
    """Everything happened so much longer ago."""
    ago = timedelta(minutes=minutes)
    with scripted.inside(scripted.world):
        db.session.execute(update(Arrival).values(arrived_at=Arrival.arrived_at - ago))
        db.session.execute(update(Account).values(synced_at=Account.synced_at - ago))
        db.session.execute(update(Folder).values(visited_at=Folder.visited_at - ago))
        db.session.commit()


# --- folders that cannot be listed (Zimbra, DavMail) ---------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [refuse("NO LIST failed"), hang, refuse("NO [UNAVAILABLE] later"), reply_then_drop(b"* BYE later\r\n")],
    ids=["no", "hang", "not now", "bye"],
)
def test_folders_that_are_known_are_read_though_they_cannot_be_listed(
    scripted: Scripted, behaviour: Behaviour
) -> None:
    scripted.sync()
    scripted.add("New")
    scripted.server.on("LIST", behaviour)
    with time_of(scripted.server):
        report = scripted.sync()
    assert report.error is None
    assert scripted.subjects() == ["New"]
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"
        logged = db.session.scalars(select(LoggedPass.error).order_by(LoggedPass.id.desc())).first()
    assert logged is not None
    assert logged.startswith("The folders could not be listed; those that are known were read. The server")
    scripted.settle()


def test_where_no_folder_is_known_a_list_that_is_refused_is_a_failure(scripted: Scripted) -> None:
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(is_synced=False))
        db.session.commit()
    scripted.server.on("LIST", refuse("NO LIST failed"))
    assert scripted.sync().error is not None


# --- flags -----------------------------------------------------------------------------------------


def test_a_server_that_counts_no_changes_of_flags_is_seen_through_once_a_day(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.flags.FLAGS_WITHOUT_MODSEQ", 2)
    scripted.server.capabilities += " CONDSTORE"
    folder = scripted.server.folder()
    for number in range(6):
        scripted.add(f"Number {number}")
    scripted.sync()
    for uid in (1, 5):
        folder.messages[uid].flags = ["\\Seen"]
    scripted.sync()
    assert seen(scripted) == []
    scripted.settle()
    assert seen(scripted) == [1, 5]


def test_a_server_that_counts_them_is_asked_about_a_few_once_a_day(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.flags.FLAGS_WITHOUT_MODSEQ", 2)
    scripted.server.capabilities += " CONDSTORE"
    for number in range(6):
        scripted.add(f"Number {number}")
    scripted.sync()
    scripted.server.commands.clear()
    scripted.settle()
    asked = [one.arguments for one in scripted.server.commands if one.arguments.endswith(b"(UID FLAGS)")]
    assert asked == [b"5:6 (UID FLAGS)"]


def seen(scripted: Scripted) -> list[int]:
    with scripted.inside(scripted.world):
        query = select(Arrival.uid).where(Arrival.flags.contains(["\\Seen"])).order_by(Arrival.uid)
        return list(db.session.scalars(query))


# --- numbers of folders ----------------------------------------------------------------------------


def test_a_folder_without_lasting_numbers_is_said_to_be_one(scripted: Scripted) -> None:
    scripted.server.folder().uid_validity = 0
    for number in range(2):
        scripted.add(f"Number {number}")
        assert scripted.sync().error is None
    with scripted.inside(scripted.world):
        assert "gives this folder no lasting numbers" in db.session.scalars(select(Folder.last_error)).one()
        assert all(validity < 0 for validity in db.session.scalars(select(Arrival.uid_validity)))
    assert scripted.subjects() == ["Number 0", "Number 1"]


def test_a_server_that_lists_uids_that_nothing_has_loses_no_message(scripted: Scripted) -> None:
    for uid in (50, 51, 53):
        scripted.add(f"Number {uid}", uid=uid)
    scripted.sync()
    scripted.server.on("SEARCH", lambda s, c: reply(b"* SEARCH 1 2 3\r\n{tag} OK\r\n")(s, c))
    later(scripted, minutes=1)
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(compared_at=None))
        db.session.commit()
    scripted.sync()
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Arrival.uid).where(Arrival.vanished_at.is_not(None))).all() == []
    scripted.settle()
