"""Rows F47, F50 and F51: very many messages, messages that harm their reader, and no way to the server.

What only breaks on our side (database, disk) is in `test_surroundings`; a million messages, in a benchmark.
"""

from typing import TYPE_CHECKING

from mailboxes.errors import NameNotFoundError
from tests.faults.faults import change, demand
from tests.faults.rows_folders import FLOOD
from tests.faults.stage import INBOX, Stage

if TYPE_CHECKING:
    from tests.faults.scenario import Happened

NESTED, PARTS, ADDRESSES = 1_500, 50_000, 16_000
POISONED = b"From: Mallory <mallory@customer.test>\r\nTo: help@acme.test\r\nSubject: Poison\r\n"


@change("F47", "a folder of many messages")
def many_messages(stage: Stage) -> None:
    stage.fill(INBOX, FLOOD)


@change("F50/nested", "a message nested so deep that a parser dies of it")
def nested(stage: Stage) -> None:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
        for number in range(NESTED)
    )
    stage.add_raw(POISONED + opened + b"\r\ndeep\r\n")


@change("F50/parts", "a message of fifty thousand parts")
def parts(stage: Stage) -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    stage.add_raw(POISONED + head + b"--b\r\n\r\nx\r\n" * PARTS + b"--b--\r\n")


@change("F50/addresses", "a message to sixteen thousand people")
def addresses(stage: Stage) -> None:
    people = b",\r\n ".join(b"p%d@customer.test" % number for number in range(ADDRESSES))
    stage.add_raw(b"Cc: " + people + b"\r\n" + POISONED + b"\r\nHello\r\n")


@change("F50/garbage", "bytes that are no message at all")
def garbage(stage: Stage) -> None:
    stage.add_raw(bytes(range(256)) * 40 + POISONED)


@demand("F50", when_healed=True)
def poison_costs_no_other_message_its_turn(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    assert happened.report.error is None
    inbox = stage.arrivals()
    *others, poisoned = stage.server.folder(INBOX).uids()
    assert all(inbox[uid] == "delivered" for uid in others)
    assert inbox[poisoned] in {"delivered", "quarantined"}


@change("F51", "the server's name has no address for a while", fails_check=True)
def no_address(stage: Stage) -> None:
    stage.connect(host="does-not-exist.invalid")


@demand("F51")
def a_name_without_address_is_tried_again(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    assert isinstance(happened.report.error, NameNotFoundError)
    assert not happened.report.error.is_permanent
    assert stage.state() == "failing"
    assert stage.pause_seconds() < 3_600
