"""A folder in which the server says nothing more costs its own mail a delay, and no other."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.imap.asking import ENDINGS_OF_ALL
from mailboxes.imap.session import MOST_GOODBYES
from mailboxes.inbox.read_state import mark_read
from mailboxes.messages import Message
from mailboxes.sync import leases, passes
from mailboxes.sync.auditing import ask_for_audit
from mailboxes.sync.leaving import LEFT_ALONE, MOST_RECONNECTS
from tenants.database import db, now
from tenants.organizations import Membership
from tests.faults.behaviours import (
    drop,
    for_messages,
    hang,
    in_folder,
    refuse,
    reply,
    reply_then_drop,
    trickle,
)
from tests.faults.imap_server import Behaviour, Command, Session
from tests.faults.passing_time import time_of
from tests.mailboxes.scripted import Scripted


@pytest.fixture
def scripted(scripted: Scripted) -> Iterator[Scripted]:
    """INBOX, Archive and Projects with a message each; nobody waits for what hangs."""
    for name in ("INBOX", "Archive", "Projects"):
        scripted.server.folder(name)
    scripted.sync()
    scripted.choose_all()
    for name in ("INBOX", "Archive", "Projects"):
        scripted.add(f"In {name}", folder=name)
    with time_of(scripted.server):
        yield scripted


def folder(scripted: Scripted, name: str) -> Folder:
    with scripted.inside(scripted.world):
        query = select(Folder).where(Folder.name == name)
        return db.session.scalars(query.execution_options(populate_existing=True)).one()


def opened(scripted: Scripted) -> list[str]:
    """The folders that a pass opened, in order."""
    commands = [one.arguments for one in scripted.server.commands if one.verb == "EXAMINE"]
    scripted.server.commands.clear()
    names = [name.decode() for name in scripted.server.folders]
    return list(dict.fromkeys(name for text in commands for name in names if name.encode() in text))


GOODBYE = reply_then_drop(b"* BYE Internal error occurred. Refer to server log.\r\n")
NOT_NOW = refuse("NO [SERVERBUG] Internal error occurred")


@pytest.mark.parametrize("verb", ["EXAMINE", "SEARCH", "FETCH"])
@pytest.mark.parametrize("behaviour", [hang, drop, GOODBYE], ids=["hang", "drop", "bye"])
def test_a_folder_that_hangs_holds_up_no_other(scripted: Scripted, verb: str, behaviour: Behaviour) -> None:
    scripted.server.on(verb, in_folder("Archive", behaviour))
    assert scripted.sync().error is None
    assert {"In INBOX", "In Projects"} <= set(scripted.subjects())
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"
    if verb != "FETCH":  # then its only message is set aside, not the folder
        assert "read after all others" in folder(scripted, "Archive").last_error
    scripted.settle()
    assert scripted.subjects() == ["In Archive", "In INBOX", "In Projects"]


def test_it_comes_last_next_time_and_then_it_is_left_alone_for_a_while(scripted: Scripted) -> None:
    scripted.server.on("EXAMINE", in_folder("Projects", hang))
    tried = []
    for _ in range(3):
        opened(scripted)
        assert scripted.sync().error is None
        tried.append(opened(scripted))
    assert tried == [
        ["INBOX", "Projects", "Archive"],
        ["INBOX", "Archive", "Projects"],
        ["INBOX", "Archive"],
    ]
    left = folder(scripted, "Projects").left_alone_until
    assert left is not None
    assert left - now() > LEFT_ALONE / 2
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(left_alone_until=now() - timedelta(seconds=1)))
        db.session.commit()
    scripted.server.heal()
    scripted.sync()
    assert scripted.subjects() == ["In Archive", "In INBOX", "In Projects"]
    healed = folder(scripted, "Projects")
    assert (healed.left_alone_until, healed.last_error) == (None, "")


def test_who_asks_for_an_audit_need_not_wait_until_it_is_tried_again(scripted: Scripted) -> None:
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(left_alone_until=now() + LEFT_ALONE))
        ask_for_audit(scripted.mailbox.account_id)
        db.session.commit()
    scripted.sync()
    assert folder(scripted, "Archive").audit is not None


def test_an_inbox_that_hangs_is_the_accounts_trouble_and_is_tried_with_each_pass(scripted: Scripted) -> None:
    scripted.server.on("EXAMINE", in_folder("INBOX", hang))
    tried = []
    for _ in range(3):
        opened(scripted)
        assert scripted.sync().error is not None
        tried.append(opened(scripted).index("INBOX"))
    assert tried == [0, 2, 2]
    assert scripted.subjects() == ["In Archive", "In Projects"]
    with scripted.inside(scripted.world):
        assert (scripted.account().state, scripted.account().failure_count) == ("failing", 3)
    scripted.settle()


@pytest.mark.parametrize("behaviour", [drop, NOT_NOW], ids=["drop", "no"])
def test_a_server_that_hangs_in_one_folder_after_another_is_given_up_for_now(
    scripted: Scripted, behaviour: Behaviour
) -> None:
    for number in range(MOST_RECONNECTS):
        scripted.add("More", folder=f"More {number}")
    scripted.server.on("EXAMINE", behaviour, nth=2)
    scripted.sync()
    scripted.choose_all()
    scripted.server.commands.clear()
    assert scripted.sync().error is not None
    assert scripted.server.verbs().count("LOGIN") == 1 + MOST_RECONNECTS
    scripted.settle()


@pytest.mark.parametrize("behaviour", [GOODBYE, NOT_NOW], ids=["bye", "no"])
def test_a_server_that_says_goodbye_to_every_command_costs_two_sign_ins_a_pass_and_is_told(
    scripted: Scripted, behaviour: Behaviour
) -> None:
    scripted.sync()
    for verb in ("LIST", "EXAMINE", "STATUS", "SEARCH", "FETCH"):
        scripted.server.on(verb, behaviour)
    for failures in (1, 2):
        scripted.server.commands.clear()
        assert scripted.sync().error is not None
        assert scripted.server.verbs().count("LOGIN") == 2
        with scripted.inside(scripted.world):
            account = scripted.account()
            assert (account.state, account.failure_count) == ("failing", failures)
            assert account.last_error != ""
            assert account.next_attempt_at > now() + failures * timedelta(seconds=20)
    scripted.settle()


def test_where_only_the_list_ends_the_connection_a_folder_that_does_too_holds_up_no_other(
    scripted: Scripted,
) -> None:
    scripted.server.on("LIST", GOODBYE)
    scripted.server.on("EXAMINE", in_folder("Archive", drop))
    for _ in range(3):
        assert scripted.sync().error is None
    assert scripted.subjects() == ["In INBOX", "In Projects"]
    scripted.settle()


def test_new_mail_of_a_folder_whose_history_hangs_is_not_made_to_wait(scripted: Scripted) -> None:
    searches = itertools.count(1)  # the first is the visit's, the others list the history

    def history_hangs(session: Session, command: Command) -> bool:
        return b"UID 1:*" in command.arguments and next(searches) > 1 and hang(session, command)

    scripted.server.on("SEARCH", in_folder("Archive", history_hangs))
    for _ in range(3):
        assert scripted.sync().error is None
    assert next(searches) > 3
    assert "read after all others" in folder(scripted, "Archive").last_error
    scripted.add("Later in Archive", folder="Archive")
    scripted.sync()
    assert "Later in Archive" in scripted.subjects()
    scripted.settle()


def test_a_folder_that_hangs_fails_no_account_where_others_wait(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.sync()
    scripted.server.on("EXAMINE", in_folder("Archive", hang))
    monkeypatch.setattr(passes, "TURN_SECONDS", 0.0)
    with scripted.inside(scripted.world):
        fence = leases.take(scripted.mailbox.account_id, "a worker")
        assert fence is not None
        for _ in range(4):
            report = passes.sync_account(scripted.mailbox.account_id, fence, do_others_wait=lambda: True)
            assert report.error is None
        leases.release(scripted.mailbox.account_id, fence)
    assert "read after all others" in folder(scripted, "Archive").last_error
    scripted.settle()


def test_what_hangs_when_the_time_is_over_is_known_as_such(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.server.on("EXAMINE", in_folder("INBOX", hang))
    monkeypatch.setattr(passes, "PASS_SECONDS", 0.0)
    assert scripted.sync().error is not None
    assert folder(scripted, "INBOX").left_alone_until is not None


def test_a_server_that_hangs_when_reads_are_mirrored_is_read_on(scripted: Scripted) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        scripted.add(f"In {name}", folder=name)
    scripted.sync()
    scripted.choose_all()
    scripted.sync()
    with scripted.inside(scripted.world):
        db.session.execute(update(Account).values(mirrors_read_state=True))
        member = select(Membership).where(Membership.id == scripted.world.member.id)
        mark_read(db.session.scalars(member).one(), select(Message))
        db.session.commit()
    scripted.server.on("STORE", hang)
    for number in range(3):
        scripted.add(f"Later {number}", folder="Archive")
        assert scripted.sync().error is None
    assert {f"Later {number}" for number in range(3)} <= set(scripted.subjects())
    with scripted.inside(scripted.world):
        assert set(db.session.scalars(select(Folder.left_alone_until))) == {None}
        assert db.session.scalar(select(Folder.id).where(Folder.last_error.contains("marked as read")))
    scripted.settle()


def test_messages_that_hang_again_the_day_after_cost_their_folder_that_day_alone(scripted: Scripted) -> None:
    scripted.add("Also in INBOX")

    def body_hangs(session: Session, command: Command) -> bool:
        return b"BODY" in command.arguments and hang(session, command)

    scripted.server.on("FETCH", in_folder("INBOX", body_hangs))
    for _ in range(3):
        scripted.sync()
    with scripted.inside(scripted.world):
        assert list(db.session.scalars(select(Arrival.state).where(Arrival.state == "unfetchable"))) != []
        db.session.execute(update(Folder).values(compared_at=now() - timedelta(days=2)))
        db.session.commit()
    scripted.sync()  # asks for them again, in vain
    assert scripted.sync().error is None
    scripted.server.heal()
    scripted.settle()


def test_a_message_that_trickles_is_set_aside_like_one_that_hangs(scripted: Scripted) -> None:  # F20
    def body_trickles(session: Session, command: Command) -> bool:
        return b"BODY" in command.arguments and trickle(session, command)

    scripted.server.on("FETCH", in_folder("Archive", body_trickles))
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In INBOX", "In Projects"]
    with scripted.inside(scripted.world):
        assert sorted(db.session.scalars(select(Arrival.state))) == ["delivered", "delivered", "unfetchable"]
    scripted.settle()


@pytest.mark.parametrize("limit", ["running.UIDS_AT_ONCE", "arriving.MESSAGES_PER_COMMIT"])
def test_a_pass_ends_when_its_time_is_over_and_the_next_one_goes_on(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    scripted.sync()
    for number in range(5):
        scripted.add(f"New {number}")
    scripted.add("New in Projects", folder="Projects")
    with monkeypatch.context() as patch:
        patch.setattr(passes, "PASS_SECONDS", 0.0)
        patch.setattr(f"mailboxes.sync.{limit}", 2)
        for count in (2, 3, 5, 5):  # of the inbox, of Projects, of the inbox again, of Archive
            report = scripted.sync()
            assert (report.error, report.has_more) == (None, True)
            assert len([subject for subject in scripted.subjects() if "New" in subject]) == count
    assert not scripted.sync().has_more
    assert "New 0" in scripted.subjects()
    assert "New in Projects" in scripted.subjects()
    scripted.settle()


def test_a_connection_that_is_lost_as_the_time_is_over_is_no_other_folders_trouble(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.sync()
    for number in range(2):
        scripted.add(f"New {number}")
    last = scripted.add("Not any more")

    def goes_away(session: Session, command: Command) -> bool:
        """At the last message, which it has left out before, and for longer than a moment."""
        if len(session.folder.asked(command.arguments.split()[0].decode())) > 1:
            return for_messages(lambda _, uid, good: good if uid != last else None)(session, command)
        session.server.on("connect", drop, times=1)
        return drop(session, command)

    scripted.server.on("FETCH", asks_for(last, (b"BODY",), goes_away))
    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).where(Folder.name == "Archive").values(history_uid=2))
        db.session.commit()
    with monkeypatch.context() as patch:
        patch.setattr(passes, "PASS_SECONDS", 0.0)
        report = scripted.sync()
    assert folder(scripted, "Archive").last_error == ""
    assert (report.error, report.has_more) == (None, True)
    assert {"New 0", "New 1"} <= set(scripted.subjects())
    scripted.settle()


def test_a_connection_that_is_lost_as_a_turn_of_history_is_over_is_no_other_folders_trouble(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        scripted.add(f"Old {number}", folder="Later")
    for _ in range(2):
        scripted.sync()
    scripted.choose_all()
    is_over: list[bool] = []

    def goes_away(session: Session, command: Command) -> bool:
        """At the oldest message, which it has left out before, and for longer than a moment."""
        if len(session.folder.asked(command.arguments.split()[0].decode())) > 1:
            return for_messages(lambda _, uid, good: good if uid != 1 else None)(session, command)
        session.server.heal()
        session.server.on("connect", drop, times=1)
        return drop(session, command)

    scripted.server.on("FETCH", asks_for(1, (b"BODY",), goes_away, name="Later"))
    monkeypatch.setattr(passes, "TURN_SECONDS", 0.0)
    with scripted.inside(scripted.world):
        fence = leases.take(scripted.mailbox.account_id, "a worker")
        assert fence is not None
        report = passes.sync_account(
            scripted.mailbox.account_id,
            fence,
            stored=is_over.append,
            do_others_wait=lambda: bool(is_over and is_over.pop()),  # but for a moment
        )
        leases.release(scripted.mailbox.account_id, fence)
    assert report.error is None
    assert folder(scripted, "INBOX").last_error == ""
    scripted.settle()


def test_history_ends_with_its_pass_in_the_middle_of_a_portion(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        scripted.add(f"Old {number}", folder="Later")
    scripted.sync()
    scripted.choose_all()
    with monkeypatch.context() as patch:
        patch.setattr(passes, "PASS_SECONDS", 0.0)
        patch.setattr("mailboxes.sync.arriving.MESSAGES_PER_COMMIT", 2)
        counts = []
        for _ in range(12):
            assert scripted.sync().error is None
            counts.append(len([subject for subject in scripted.subjects() if "Old" in subject]))
    assert sorted(set(counts)) == [0, 2, 4]
    scripted.settle()


def test_folders_that_a_pass_had_no_time_for_come_first_in_the_next_one(scripted: Scripted) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        scripted.server.folder(name)
    scripted.sync()
    scripted.choose_all()
    for _ in range(2):
        scripted.sync()
    with scripted.inside(scripted.world):
        long_ago = now() - timedelta(hours=3)
        db.session.execute(update(Folder).where(Folder.name == "Gamma").values(visited_at=long_ago))
        db.session.commit()
    opened(scripted)
    scripted.sync()
    assert opened(scripted)[:2] == ["INBOX", "Gamma"]


def test_passes_that_have_time_for_one_folder_visit_each_in_its_turn(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "PASS_SECONDS", 0.0)
    tried = []
    opened(scripted)
    for _ in range(4):
        scripted.sync()
        tried += opened(scripted)[:1]
    assert tried == ["INBOX", "Projects", "INBOX", "Archive"]
    assert scripted.subjects() == ["In Archive", "In INBOX", "In Projects"]


def test_a_folder_that_kills_its_reader_has_had_its_turn(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.sync()

    def dies(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("mailboxes.sync.visiting._visit", dies)
        with pytest.raises(MemoryError):
            scripted.sync()
    opened(scripted)
    scripted.sync()
    assert opened(scripted) == ["Projects", "Archive", "INBOX"]


def test_many_folders_whose_answers_make_no_sense_hold_up_nobody(scripted: Scripted) -> None:
    bad = [f"Bad {number}" for number in range(2 * MOST_RECONNECTS)]
    for name in bad:
        scripted.add(f"In {name}", folder=name)
        scripted.server.also("EXAMINE", in_folder(name, reply(b"what?\r\n")))
    scripted.sync()
    scripted.choose_all()
    for _ in range(2):
        scripted.sync()  # one after another is broken: it may be the server
    for number in range(4):
        scripted.add(f"Later {number}", folder="Projects")
        assert scripted.sync().error is None
        assert f"Later {number}" in scripted.subjects()
    assert {folder(scripted, name).last_error == "" for name in bad} == {False}
    scripted.settle()


# --- servers that say goodbye (F24) --------------------------------------------------------------


def asks_for(uid: int, items: tuple[bytes, ...], behaviour: Behaviour, name: str = "INBOX") -> Behaviour:
    """Only where one of these items is asked for of this message of a folder."""

    def behave(session: Session, command: Command) -> bool:
        asked = session.folder.asked(command.arguments.split()[0].decode())
        is_wanted = any(item in command.arguments for item in items)
        return is_wanted and uid in asked and behaviour(session, command)

    return in_folder(name, behave)


@pytest.mark.parametrize(
    ("items", "behaviour"),
    [((b"BODY",), GOODBYE), ((b"BODY", b"SIZE"), GOODBYE), ((b"BODY",), NOT_NOW)],
    ids=["bye", "bye at its size", "no"],
)
def test_a_message_that_a_server_says_goodbye_over_is_set_aside(
    scripted: Scripted, items: tuple[bytes, ...], behaviour: Behaviour
) -> None:
    bad = scripted.add("Bad")
    for number in range(3):
        scripted.add(f"Behind {number}")
    scripted.server.on("FETCH", asks_for(bad, items, behaviour))
    assert scripted.sync().error is None
    assert {"Behind 0", "Behind 1", "Behind 2", "In Archive", "In Projects"} <= set(scripted.subjects())
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"
        query = select(Arrival.uid, Arrival.failure).where(Arrival.state != "delivered")
        failures = db.session.execute(query).all()
    assert [row.uid for row in failures] == [bad]
    assert "The server" in failures[0].failure
    scripted.settle()
    assert "Bad" in scripted.subjects()


def buffers(uid: int, behaviour: Behaviour) -> Behaviour:
    """A server that tells nothing of the others before it fails by one."""
    return asks_for(uid, (b"(UID FLAGS)",), behaviour)


def tells_before(uid: int, behaviour: Behaviour) -> Behaviour:
    """A server that tells one after another until it fails by one."""

    def behave(session: Session, command: Command) -> bool:
        for other in session.folder.asked(command.arguments.split()[0].decode()):
            if other < uid:
                session.send(session.fetch_answer(other, b"(UID FLAGS)"))
        return behaviour(session, command)

    return buffers(uid, behave)


@pytest.mark.parametrize("fails", [buffers, tells_before])
@pytest.mark.parametrize("behaviour", [GOODBYE, drop, NOT_NOW], ids=["bye", "drop", "no"])
def test_a_message_whose_flags_end_the_connection_holds_up_nothing_of_its_folder(
    scripted: Scripted, fails: Callable[[int, Behaviour], Behaviour], behaviour: Behaviour
) -> None:
    before = [scripted.add(f"Before {number}") for number in range(12)]
    bad = scripted.add("Bad")
    behind = [scripted.add(f"Behind {number}") for number in range(12)]
    scripted.sync()
    for uid in (*before, bad, *behind):
        scripted.server.folder().flag(uid, "\\Seen")
    scripted.server.folder().remove(1)
    scripted.server.on("FETCH", fails(bad, behaviour))
    assert scripted.sync().error is None
    assert folder(scripted, "INBOX").last_error == ""
    with scripted.inside(scripted.world):
        seen = set(db.session.scalars(select(Arrival.uid).where(Arrival.flags.contains(["\\Seen"]))))
        gone = list(db.session.scalars(select(Arrival.uid).where(Arrival.vanished_at.is_not(None))))
    assert (seen, gone) == ({*before, *behind}, [1])
    scripted.settle()


def test_a_message_whose_flags_end_the_connection_is_asked_about_once_a_day(scripted: Scripted) -> None:
    bad, good = scripted.add("Bad"), scripted.add("Good")
    scripted.sync()
    scripted.server.on("FETCH", tells_before(bad, drop))
    assert scripted.sync().error is None
    for uid in (bad, good):
        scripted.server.folder().flag(uid, "\\Seen")
    scripted.server.commands.clear()
    assert scripted.sync().error is None
    assert scripted.server.verbs().count("LOGIN") == 1
    scripted.server.heal()
    scripted.sync()
    assert seen_uids(scripted) == [good]
    with scripted.inside(scripted.world):
        db.session.execute(update(Arrival).values(flags_untold_at=now() - timedelta(days=1)))
        db.session.commit()
    scripted.sync()
    assert seen_uids(scripted) == [bad, good]


def test_a_connection_that_ends_once_over_a_message_alone_says_nothing_about_it(scripted: Scripted) -> None:
    scripted.sync()
    (only,) = scripted.server.folder().uids()
    scripted.server.folder().flag(only, "\\Seen")
    ended: list[bytes] = []

    def end_once(session: Session, command: Command) -> bool:
        ended.append(command.arguments)
        return len(ended) == 1 and drop(session, command)

    scripted.server.on("FETCH", in_folder("INBOX", end_once))
    assert scripted.sync().error is None
    assert seen_uids(scripted) == [only]
    assert ended[0] == ended[1]


def seen_uids(scripted: Scripted) -> list[int]:
    with scripted.inside(scripted.world):
        seen = select(Arrival.uid).where(Arrival.flags.contains(["\\Seen"])).order_by(Arrival.uid)
        return list(db.session.scalars(seen))


def test_a_server_that_ends_the_connection_again_and_again_is_not_signed_in_to_without_end(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.flags.FLAGS_WITHOUT_MODSEQ", 2)
    monkeypatch.setattr("mailboxes.imap.asking.ENDINGS_OF_A_PASS", 5)
    for number in range(19):
        scripted.add(f"One of {number}")
    scripted.sync()

    def ends(session: Session, command: Command) -> bool:
        asked = session.folder.asked(command.arguments.split()[0].decode())
        is_ended = b"(UID FLAGS)" in command.arguments and any(uid % 2 for uid in asked)
        return is_ended and drop(session, command)

    with scripted.inside(scripted.world):
        db.session.execute(update(Folder).values(compared_at=now() - timedelta(days=2)))
        db.session.commit()
    scripted.server.on("FETCH", in_folder("INBOX", ends))
    scripted.server.commands.clear()
    assert scripted.sync().error is not None
    assert scripted.server.verbs().count("LOGIN") == 1 + 5 + 1
    scripted.settle()


def test_where_all_flags_end_the_connection_that_is_found_out_soon(scripted: Scripted) -> None:
    for number in range(12):
        scripted.add(f"One of {number}")
    scripted.sync()
    scripted.server.on("FETCH", lambda s, c: b"(UID FLAGS)" in c.arguments and drop(s, c))
    scripted.server.commands.clear()
    assert scripted.sync().error is not None
    assert scripted.server.verbs().count("LOGIN") <= 1 + (MOST_RECONNECTS + 1) * ENDINGS_OF_ALL
    scripted.settle()


@pytest.mark.parametrize("behaviour", [GOODBYE, NOT_NOW], ids=["bye", "no"])
def test_no_message_is_set_aside_by_a_server_that_says_goodbye_over_all_of_them(
    scripted: Scripted, behaviour: Behaviour
) -> None:
    for name in ("INBOX", "Archive", "Projects"):
        scripted.add(f"Also in {name}", folder=name)
    scripted.server.on("FETCH", behaviour)
    scripted.server.commands.clear()
    assert scripted.sync().error is not None
    assert scripted.server.verbs().count("LOGIN") <= MOST_GOODBYES + 2
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Arrival.id)).all() == []
        assert scripted.account().state == "failing"
        assert scripted.account().next_attempt_at > now() + timedelta(seconds=15)
    scripted.settle()


def test_no_message_is_set_aside_in_a_folder_that_is_silent_about_all_of_them(scripted: Scripted) -> None:
    scripted.add("Also in Archive", folder="Archive")
    scripted.server.on("FETCH", in_folder("Archive", hang))
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In INBOX", "In Projects"]
    with scripted.inside(scripted.world):
        assert set(db.session.scalars(select(Arrival.state))) == {"delivered"}
    assert "read after all others" in folder(scripted, "Archive").last_error
    scripted.settle()
