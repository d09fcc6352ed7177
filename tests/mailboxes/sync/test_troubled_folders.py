"""A folder that cannot be read is in trouble by itself; the inbox takes the account along."""

import itertools
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from mailboxes.accounts import Folder
from tenants.database import db, now
from tests.faults.behaviours import in_folder, refuse, reply
from tests.faults.imap_server import Behaviour, Command, Session
from tests.mailboxes.scripted import Scripted
from tests.mailboxes.sync.happening import call_once, compare_again

NO_SEARCH = refuse("BAD no search here")


def test_one_folder_that_cannot_be_opened_stops_no_other(scripted: Scripted) -> None:  # F38
    scripted.add("Filed", "Projects")
    scripted.add("In")
    scripted.sync()
    scripted.choose_all()

    def closed(session: Session, command: Command) -> bool:
        return b"Projects" in command.arguments and refuse("NO [NOPERM] not for you")(session, command)

    scripted.server.on("EXAMINE", closed)
    scripted.add("In again")
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In", "In again"]
    with scripted.inside(scripted.world):
        errors = dict(db.session.execute(select(Folder.name, Folder.last_error)).all())
    assert errors["Projects"]
    scripted.settle()
    assert scripted.subjects() == ["Filed", "In", "In again"]


@pytest.mark.parametrize(
    "answer",
    [
        b"{tag} BAD no search here\r\n",
        b"* SEARCH 1 x\r\n{tag} OK\r\n",
        b"* ESEARCH UID ALL 1:9999999\r\n{tag} OK\r\n",
    ],
)
def test_a_folder_whose_answers_make_no_sense_holds_up_no_other(scripted: Scripted, answer: bytes) -> None:
    for name in ("INBOX", "Archive", "Projects"):
        scripted.add(f"In {name}", folder=name)
    scripted.sync()
    scripted.choose_all()
    scripted.server.on("SEARCH", in_folder("Archive", reply(answer)))
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In INBOX", "In Projects"]
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"
        troubled = db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all()
        assert troubled == ["Archive"]
    scripted.settle()
    assert scripted.subjects() == ["In Archive", "In INBOX", "In Projects"]


def test_a_server_that_makes_no_sense_in_any_folder_is_the_trouble(scripted: Scripted) -> None:
    scripted.add("Number 0")
    scripted.server.on("SEARCH", refuse("BAD no search here"))
    assert scripted.sync().error is not None
    scripted.settle()


def test_an_inbox_whose_new_mail_was_read_is_no_trouble_of_the_account(scripted: Scripted) -> None:
    scripted.add("In INBOX")
    scripted.sync()
    compare_again(scripted)
    scripted.add("Later")
    searches = itertools.count(1)  # the first is for new mail, the second compares

    def fail_later(session: Session, command: Command) -> bool:
        return next(searches) > 1 and NO_SEARCH(session, command)

    scripted.server.on("SEARCH", fail_later)
    assert scripted.sync().error is None
    assert next(searches) > 2
    assert scripted.subjects() == ["In INBOX", "Later"]
    with scripted.inside(scripted.world):
        assert scripted.account().state == "ok"
        assert db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all() == ["INBOX"]
    scripted.settle()


@pytest.mark.parametrize("answer", [("SEARCH", NO_SEARCH), ("EXAMINE", refuse("NO [NOPERM] not for you"))])
def test_an_inbox_that_cannot_be_read_is_a_trouble_of_the_account_and_holds_up_no_other(
    scripted: Scripted, answer: tuple[str, Behaviour]
) -> None:  # F51
    verb, behaviour = answer
    scripted.add("In INBOX")
    scripted.server.folder("Projects")
    scripted.sync()
    scripted.choose_all()
    for name in ("INBOX", "Projects"):
        scripted.add(f"Later in {name}", folder=name)

    def of_the_inbox(session: Session, command: Command) -> bool:
        is_it = b"INBOX" in command.arguments or (
            verb != "EXAMINE" and session.selected is session.server.folder()
        )
        return is_it and behaviour(session, command)

    scripted.server.on(verb, of_the_inbox)
    assert scripted.sync().error is not None
    assert scripted.subjects() == ["In INBOX", "Later in Projects"]
    with scripted.inside(scripted.world):
        account = scripted.account()
        assert account.state == "failing"
        assert account.failing_since is not None
        assert account.next_attempt_at > now() + timedelta(seconds=15)
    scripted.settle()


@pytest.mark.parametrize("answer", [b"{tag} BAD no search here\r\n", b"* SEARCH 1 x\r\n{tag} OK\r\n"])
def test_a_folder_whose_history_cannot_be_fetched_holds_up_no_other(
    scripted: Scripted, answer: bytes
) -> None:
    for name in ("Archive", "Projects"):
        scripted.add(f"In {name}", folder=name)
    scripted.sync()
    scripted.choose_all()
    searches = itertools.count(1)  # the first is the visit's, the second that of its history

    def fail_later(session: Session, command: Command) -> bool:
        return next(searches) > 1 and reply(answer)(session, command)

    scripted.server.on("SEARCH", in_folder("Archive", fail_later))
    assert scripted.sync().error is None
    assert scripted.subjects() == ["In Projects"]
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all() == ["Archive"]
    scripted.settle()
    assert scripted.subjects() == ["In Archive", "In Projects"]


def test_a_folder_that_fails_while_flags_of_another_are_asked_for_is_the_one_in_trouble(
    app: Flask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.sync.flags.FLAGS_WITHOUT_MODSEQ", 2)
    for number in range(8):
        scripted.add(f"Old {number}")
    scripted.add("In Projects", folder="Projects")
    scripted.sync()
    scripted.choose_all()
    scripted.sync()
    compare_again(scripted)
    call_once(app, scripted, b"(UID FLAGS)")
    scripted.add("Later", folder="Projects")
    scripted.server.on("SEARCH", in_folder("Projects", NO_SEARCH))
    assert scripted.sync().error is None
    assert "New" in scripted.subjects()
    with scripted.inside(scripted.world):
        assert db.session.scalars(select(Folder.name).where(Folder.last_error != "")).all() == ["Projects"]
        assert db.session.scalars(select(Folder.flags_uid).where(Folder.name == "INBOX")).one() is None
    scripted.settle()
