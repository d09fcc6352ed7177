"""Rows F9, F12 to F17, F41, F44 and F46: messages that come cut, empty, huge, oddly framed or oddly dated."""

import re
import resource
from typing import TYPE_CHECKING

from tests.faults.behaviours import hang
from tests.faults.faults import behaviour, change, demand, newest, spoils
from tests.faults.imap_server import Command, Session
from tests.faults.stage import INBOX, Stage
from tests.mailboxes.arriving import letter

if TYPE_CHECKING:
    from tests.faults.scenario import Happened

BODY = re.compile(rb" BODY\[\w*\](?:<\d+>)? \{(\d+)\}\r\n")


def _announced(good: bytes, size: bytes) -> bytes:
    """The answer with another size of its literal."""
    found = BODY.search(good)
    assert found is not None
    return good[: found.start(1)] + size + good[found.end(1) :]


def _without_body(uid: int, good: bytes, instead: bytes) -> bytes:
    """The answer with something else in place of the literal."""
    found = BODY.search(good)
    assert found is not None
    name = found[0].split(b" ")[1]
    return b"* 1 FETCH (UID %d %s %s)\r\n" % (uid, name, instead)


@spoils("F9/nil", "the body is NIL")
def nil_body(session: Session, uid: int, good: bytes) -> bytes:
    return _without_body(uid, good, b"NIL")


@spoils("F9/empty", "the body is an empty string")
def empty_body(session: Session, uid: int, good: bytes) -> bytes:
    return _without_body(uid, good, b'""')


@spoils("F9/literal", "the body is an empty literal")
def empty_literal(session: Session, uid: int, good: bytes) -> bytes:
    return _without_body(uid, good, b"{0}\r\n")


@demand("F9")
def an_empty_body_is_not_stored_as_the_message(stage: Stage, happened: "Happened") -> None:
    assert stage.arrivals()[newest(stage)] == "unfetchable"


@spoils("F12/silence", "fewer bytes than announced, then silence")
def short_then_silent(session: Session, uid: int, good: bytes) -> bytes:
    session.send(_announced(good, b"100000"))
    hang(session, Command("", "FETCH", b""))
    raise EOFError


@spoils("F12/goes-on", "fewer bytes than announced, and the next answers are swallowed")
def short_then_on(session: Session, uid: int, good: bytes) -> bytes:
    found = BODY.search(good)
    assert found is not None
    session.is_done = False
    return _announced(good, b"%d" % (int(found[1]) + 40))


@spoils("F13", "more bytes than announced")
def long_literal(session: Session, uid: int, good: bytes) -> bytes:
    found = BODY.search(good)
    assert found is not None
    return _announced(good, b"%d" % max(int(found[1]) - 40, 0))


@spoils("F14", "a literal of eight billion bytes is announced")
def billions(session: Session, uid: int, good: bytes) -> bytes:
    return _announced(good, b"8000000000")


@demand("F14")
def nothing_is_allocated_because_it_is_claimed(stage: Stage, happened: "Happened") -> None:
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4_000_000  # KB; eight billion bytes are twice


@spoils("F15/negative", "a literal of a negative size")
def negative(session: Session, uid: int, good: bytes) -> bytes:
    return _announced(good, b"-1")


@spoils("F15/words", "a literal whose size is no number")
def words(session: Session, uid: int, good: bytes) -> bytes:
    return _announced(good, b"many")


@change("F16/pieces", "a message that is fetched in pieces")
def in_pieces(stage: Stage) -> None:
    stage.server.folder(INBOX).add(letter("Large", body="0123456789abcde\n" * 400_000))


@change("F16/limit", "a message over the limit")
def over_the_limit(stage: Stage) -> None:
    stage.limit_megabytes(1)
    stage.server.folder(INBOX).add(letter("Too large", body="0123456789abcde\n" * 70_000))


@demand("F16/limit")
def what_is_too_large_is_told_of(stage: Stage, happened: "Happened") -> None:
    assert stage.arrivals()[newest(stage)] == "too_large"
    assert "Too large" in stage.subjects()


@demand("F16/limit", when_healed=True)
def what_was_too_large_comes_when_it_may(stage: Stage, happened: "Happened") -> None:
    assert stage.arrivals()[newest(stage)] == "delivered"
    assert stage.subjects().count("Too large") == 1


@change("F16/mistaken", "a message that is said to be over the limit, and is not")
def mistakenly_over_the_limit(stage: Stage) -> None:
    stage.server.folder(INBOX).messages[newest(stage)].claimed_size = 200 * 1024 * 1024


@demand("F16/mistaken")
def the_size_is_not_believed(stage: Stage, happened: "Happened") -> None:
    assert stage.arrivals()[newest(stage)] == "delivered"


@demand("F16/pieces")
def pieces_make_the_whole(stage: Stage, happened: "Happened") -> None:
    asked = [command.arguments for command in stage.server.commands if command.verb == "FETCH"]
    assert sum(b"BODY.PEEK[]<" in arguments for arguments in asked) >= 6
    assert stage.arrivals()[newest(stage)] == "delivered"


def _claim(stage: Stage, size: int) -> None:
    for message in stage.server.folder(INBOX).messages.values():
        message.claimed_size = size


@change("F17/small", "RFC822.SIZE is too small")
def small_size(stage: Stage) -> None:
    _claim(stage, 3)


@change("F17/large", "RFC822.SIZE is too large")
def large_size(stage: Stage) -> None:
    _claim(stage, 9_000_000)


@change("F17/zero", "RFC822.SIZE is 0")
def zero_size(stage: Stage) -> None:
    _claim(stage, 0)


@behaviour("F17/none", "RFC822.SIZE is left out")
def no_size(session: Session, command: Command) -> bool:
    if b"RFC822.SIZE" not in command.arguments:
        return False
    for uid in session.folder.asked(command.arguments.split(b" ")[0].decode()):
        session.send(session.fetch_answer(uid, b"(UID FLAGS INTERNALDATE)"))
    session.done(command)
    return True


@demand("F17")
def the_literal_is_the_truth(stage: Stage, happened: "Happened") -> None:
    assert stage.arrivals().get(newest(stage)) == "delivered"


@change("F41", "Message-IDs that are missing, empty, repeated, long, many, or broken over lines")
def odd_message_ids(stage: Stage) -> None:
    inbox = stage.server.folder(INBOX)
    for number, lines in enumerate(
        ("", "Message-ID:", "Message-ID: <>", "Message-ID: <same@x>", "Message-ID: <same@x>",
         f"Message-ID: <{'l' * 10_000}@x>", "Message-ID: <a@x>\nMessage-ID: <b@x>", "Message-ID: <a\n b@x>",
         "Message-ID: no brackets", "message-id: <A@X>")
    ):  # fmt: skip
        inbox.add(letter(f"Odd {number}", headers=lines, body=f"Body {number}"))


@demand("F41", when_healed=True)
def every_message_is_one_of_its_own(stage: Stage, happened: "Happened") -> None:
    assert [name for name in stage.subjects() if name.startswith("Odd")] == [f"Odd {n}" for n in range(10)]


@spoils("F44/tail", "the flags come in a line of their own after the literal")
def unframed_tail(session: Session, uid: int, good: bytes) -> bytes:
    return good.removesuffix(b")\r\n") + b"\r\n FLAGS (\\Seen))\r\n"


@spoils("F44/blank", "a blank line after the literal")
def blank_line(session: Session, uid: int, good: bytes) -> bytes:
    return good.removesuffix(b")\r\n") + b"\r\n)\r\n"


@spoils("F44/lower", "everything in lower case")
def lower_case(session: Session, uid: int, good: bytes) -> bytes:
    head, _, rest = good.partition(b"\r\n")
    return head.lower() + b"\r\n" + rest


@spoils("F44/zero", "the sequence number 0 (Courier)")
def zero_sequence(session: Session, uid: int, good: bytes) -> bytes:
    return re.sub(rb"^\* \d+", b"* 0", good)


@spoils("F44/half", "no closing parenthesis")
def unclosed(session: Session, uid: int, good: bytes) -> bytes:
    return good.removesuffix(b")\r\n") + b"\r\n"


@demand("F44")
def odd_framing_costs_no_message(stage: Stage, happened: "Happened") -> None:
    assert stage.arrivals().get(newest(stage)) == "delivered"


@change("F46", "dates that cannot be")
def odd_dates(stage: Stage) -> None:
    for date in (
        "00-Jan-0000 00:00:00 +0000",
        " 1-Nov-2026 10:00:00 +0000",
        "1-Nov-2026 10:00:00 +0000",
        "20-Nov-1900 10:00:00 +0000",
        "19-Jan-2038 03:14:08 +0000",
        "20-Nov-9999 10:00:00 +0000",
        "20-Nov-2026 10:00:00 +2400",
        "31-Feb-2026 10:00:00 +0000",
        "20-Nov-2026 24:60:60 +0000",
        "yesterday",
        "",
    ):
        stage.add(INBOX, date=date)
    stage.server.folder(INBOX).add(letter("Garbage").replace(b"Mon, 4 May 2026", b"Soon"))
