"""What a scripted server may do instead of answering well; given to `ScriptedImap.on`."""

import time
from collections.abc import Callable

from tests.faults.imap_server import HOUR, Behaviour, Command, Session


def drop(session: Session, command: Command) -> bool:
    """End the connection without a word."""
    session.close()
    return True


def hang(session: Session, command: Command) -> bool:
    """Say nothing until the server stops."""
    session.server.let_pass(HOUR)
    session.server.is_stopping.wait(60)
    return True


def trickle(session: Session, command: Command) -> bool:
    """One byte at a time, for ever: the slow loris (F20)."""
    while not session.server.is_stopping.wait(0.05):
        session.send(b"*")
        session.server.let_pass(20)
    return True


def flood(session: Session, command: Command) -> bool:
    """Untagged lines without end (F18)."""
    while not session.server.is_stopping.is_set():
        session.send((b"* OK" + b" still here" * 90 + b"\r\n") * 100)
    return True


def endless_line(session: Session, command: Command) -> bool:
    """A line without end (F19)."""
    while not session.server.is_stopping.is_set():
        session.send(b"x" * 1_000_000)
    return True


def reply(data: bytes) -> Behaviour:
    """Send these bytes instead of an answer; ``{tag}`` stands for the command's tag."""

    def behave(session: Session, command: Command) -> bool:
        session.send(data.replace(b"{tag}", command.tag.encode()))
        return True

    return behave


def refuse(text: str) -> Behaviour:
    """Complete the command with this, such as ``NO [INUSE] busy`` or ``BAD what``."""
    return reply(f"{{tag}} {text}\r\n".encode())


def in_folder(name: str, behaviour: Behaviour) -> Behaviour:
    """Only while this folder is open, or is to be opened."""

    def behave(session: Session, command: Command) -> bool:
        if command.verb in ("EXAMINE", "SELECT"):
            is_there = name.encode() in command.arguments
        else:
            is_there = session.selected is session.server.folder(name)
        return is_there and behaviour(session, command)

    return behave


def tell_then(data: bytes) -> Behaviour:
    """Send something untagged first, then answer well."""

    def behave(session: Session, command: Command) -> bool:
        session.send(data)
        return False

    return behave


def reply_then_drop(data: bytes) -> Behaviour:
    """Send these bytes, then end the connection."""

    def behave(session: Session, command: Command) -> bool:
        session.send(data.replace(b"{tag}", command.tag.encode()))
        session.close()
        return True

    return behave


def for_messages(answer: Callable[[Session, int, bytes], bytes | None]) -> Behaviour:
    """Answer a FETCH of bodies with what ``answer(session, uid, good_answer)`` returns; None: leave out."""

    def behave(session: Session, command: Command) -> bool:
        if b"BODY" not in command.arguments:
            return False
        wanted, _, items = command.arguments.partition(b" ")
        for uid in session.folder.asked(wanted.decode()):
            told = answer(session, uid, session.fetch_answer(uid, items))
            if told is not None:
                session.send(told)
        session.done(command)
        return True

    return behave


def pause(seconds: float) -> Behaviour:
    """Answer well, later."""

    def behave(session: Session, command: Command) -> bool:
        time.sleep(seconds)
        return False

    return behave
