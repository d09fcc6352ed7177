"""Commands and answers: one tagged command at a time, its untagged answers read whole and bounded.

IMAPClient's FETCH, LIST, SEARCH and IDLE raise for everybody when one answer is broken, or collect
without a limit (reliability F10-F20, F36, F44). This is the smaller reader they are replaced by. An
answer is kept as *parts*: text, literal, text, literal, …, text; `tokens` takes it apart.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailboxes.errors import (
    AnswerTooLongError,
    ProtocolError,
    TurnedAwayError,
    UnsafeArgumentError,
)
from mailboxes.imap.refusals import refusal, throttling
from mailboxes.wire import Wire

LONGEST_LINE = 16 * 1024 * 1024
USUAL_BUDGET = 1024 * 1024
MOST_ANSWERS = 100_000
LONGEST_NAME = 64 * 1024
DEEPEST_NESTING = 32
ENDING = 40  # bytes at the end of a line in which a literal is announced

Parts = list[bytes]
Taker = Callable[[Parts], bool]
Token = bytes | int | None | list["Token"]

_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}$")
_BROKEN_LITERAL = re.compile(rb" ~?\{[^{}\"\s]{0,20}\}$")
_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)
_FETCH = re.compile(rb"\*\s++\d+\s++FETCH\b", re.IGNORECASE)
_TAGGED = re.compile(rb"(\S+) (OK|NO|BAD)(?: (.*))?$", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(rb"\[([A-Z0-9-]+)(?: ([^\]]*))?\]", re.IGNORECASE)
_STRING = rb'"((?>[^"\\]|\\.)*+)"'
_NO_STRING = rb"((?!))"
_TOKENS = (
    rb"\s*+(?:(\()|(\))|%s|(~?\{\d{1,20}\+?\})\Z|"
    rb'([^\s()"\[\]]++(?:\[[^\[\]]*+\][^\s()"\[\]]*+)?|[\[\]"][^\s()]*+))'
)
_TOKEN = re.compile(_TOKENS % _STRING, re.DOTALL)
_TOKEN_WITHOUT_STRING = re.compile(_TOKENS % _NO_STRING, re.DOTALL)
_OPENING, _CLOSING, _TEXT, _ATOM = 1, 2, 3, 5  # groups of a token; the fourth announces a literal
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)

GOODBYE = "The server ended the connection."


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument sent as a counted string (RFC 9051 §4.3)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client says when the server asks for it with ``+``, without counting it first.

    ``confession``: what it says if the server then asks again to tell of an error (RFC 7628 §3.2.3).
    """

    data: bytes
    confession: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A completed command: everything untagged that came before OK, and the OK's code and text."""

    untagged: list[Parts] = field(default_factory=list)
    code: str = ""
    code_argument: bytes = b""
    text: str = ""


Argument = bytes | Literal | Reply


def astring(value: bytes) -> Argument:
    """Quote a value, or send it as a literal where quoting does not carry it.

    Raises `UnsafeArgumentError` for NUL, CR and LF (T11).
    """
    refuse_control(value)
    if value.isascii() and len(value) <= 1000:
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return Literal(value)


def refuse_control(value: bytes) -> None:
    """Raise `UnsafeArgumentError` for what would begin a command of its own."""
    if b"\0" in value or b"\r" in value or b"\n" in value:
        raise UnsafeArgumentError


def uid_set(uids: Sequence[int]) -> bytes:
    """Write exactly these UIDs, neighbours as ranges: ``1:3,7``. Zero is never sent (F6)."""
    ordered = sorted({uid for uid in uids if uid > 0})
    if not ordered:
        raise UnsafeArgumentError("There is no message to ask for.")
    ranges: list[list[int]] = [[ordered[0], ordered[0]]]
    for uid in ordered[1:]:
        if uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in ranges).encode("ascii")


class Dialogue:
    """Says one command at a time over a wire and reads its answer.

    ``tags`` makes a fresh tag; ``has_free_literals``: the server takes literals unasked (LITERAL+).
    """

    def __init__(self, wire: Wire, tags: Callable[[], bytes]) -> None:
        self.wire = wire
        self.has_free_literals = False
        self._tags = tags
        self._kept_line: bytes | None = None
        self._literal_limit = LONGEST_NAME

    def run(
        self,
        *arguments: Argument,
        seconds: float,
        budget: int = USUAL_BUDGET,
        literal_limit: int = LONGEST_NAME,
        take: Taker | None = None,
    ) -> Answer:
        """Send one command and return its answer.

        Takes at most ``seconds`` of wall clock, ``budget`` bytes in all and ``literal_limit`` bytes
        in one literal. What ``take`` accepts of the untagged answers is not kept for the result.
        NO and BAD become errors: `refusal` says which.
        """
        with self.wire.allowance(seconds, budget):
            self._literal_limit = literal_limit
            tag = self.send(*arguments)
            last = arguments[-1]
            return self.complete(tag, take, last.confession if isinstance(last, Reply) else None)

    def send(self, *arguments: Argument) -> bytes:
        """Send a command without waiting for its end; return its tag."""
        for argument in arguments:
            if isinstance(argument, bytes):
                refuse_control(argument)
        tag = self._tags()
        line = tag
        for argument in arguments:
            line += b" "
            if isinstance(argument, bytes):
                line += argument
            else:
                self._offer(tag, line, argument)
                line = b""
                self.wire.sendall(argument.data)
        self.wire.sendall(line + b"\r\n")
        return tag

    def complete(self, tag: bytes, take: Taker | None = None, confession: bytes | None = None) -> Answer:
        """Read until the tagged answer of this command."""
        untagged: list[Parts] = []
        while len(untagged) < MOST_ANSWERS:
            parts = self.read_parts(tag)
            if confession is not None and parts[0].startswith(b"+"):
                self.wire.sendall(confession + b"\r\n")
                confession = None
                continue
            if not parts[0].startswith(b"* "):
                return self._completed(tag, parts[0], untagged)
            refuse_goodbye(parts[0])
            if take is None or not take(parts):
                untagged.append(parts)
        raise AnswerTooLongError

    def read_parts(self, tag: bytes) -> Parts:
        """Read one response with all its literals, however it is framed (F44)."""
        parts = [self._line()]
        if _STATUS.match(parts[0]) or not parts[0].startswith(b"* "):
            return parts
        while True:
            found = _LITERAL.search(parts[-1][-ENDING:])
            if found:
                parts += [self._literal(int(found[1])), self._line()]
            elif _BROKEN_LITERAL.search(parts[-1][-ENDING:]):
                raise ProtocolError
            elif not self._is_continued(parts, tag):
                return parts

    def _completed(self, tag: bytes, line: bytes, untagged: list[Parts]) -> Answer:
        found = _TAGGED.match(line)
        if not found or found[1] != tag:
            raise ProtocolError
        text = found[3] or b""
        code, argument = response_code(text)
        shown = text.decode("utf-8", "replace").replace("\0", "")
        if found[2].upper() != b"OK":
            raise refusal(code, shown)
        return Answer(untagged, code, argument, shown)

    def _offer(self, tag: bytes, line: bytes, argument: Literal | Reply) -> None:
        """Announce a literal (or end the line), and wait for ``+`` unless none is needed."""
        if isinstance(argument, Reply):
            self.wire.sendall(line.rstrip() + b"\r\n")
        elif self.has_free_literals:
            self.wire.sendall(line + b"{%d+}\r\n" % len(argument.data))
            return
        else:
            self.wire.sendall(line + b"{%d}\r\n" % len(argument.data))
        self.await_continuation(tag)

    def await_continuation(self, tag: bytes) -> list[Parts]:
        """Read up to the server's ``+``; return what it said before. A refusal is raised."""
        earlier: list[Parts] = []
        while True:
            parts = self.read_parts(tag)
            if parts[0].startswith(b"+"):
                return earlier
            if not parts[0].startswith(b"* "):
                self._completed(tag, parts[0], [])
                raise ProtocolError
            refuse_goodbye(parts[0])
            earlier.append(parts)

    def _line(self) -> bytes:
        if self._kept_line is not None:
            line, self._kept_line = self._kept_line, None
            return line
        return self.wire.read_line(LONGEST_LINE)

    def _literal(self, size: int) -> bytes:
        if size > self._literal_limit:
            raise AnswerTooLongError
        return self.wire.read_bytes(size)

    def _is_continued(self, parts: Parts, tag: bytes) -> bool:
        """Whether a FETCH answer goes on in the next lines though it should not; if so, add them.

        They are joined once, in the end: there may be as many of them as bytes.
        """
        if len(parts) == 1 or not _FETCH.match(parts[0]):
            return False
        lines = [parts[-1]]
        while not _is_ending(lines[-1]):
            following = self._line()
            if following.startswith((b"* ", tag + b" ", b"+ ")):
                self._kept_line = following
                break
            lines.append(b" " + following)
        parts[-1] = b"".join(lines)
        return len(lines) > 1


def _is_ending(line: bytes) -> bool:
    """Whether an answer, or its text before a literal, may end with this line."""
    ending = line[-ENDING:]
    is_literal = _LITERAL.search(ending) or _BROKEN_LITERAL.search(ending)
    return bool(is_literal) or line.rstrip().endswith(b")")


def refuse_goodbye(line: bytes) -> None:
    """Raise `TurnedAwayError` (or `ThrottledError`) if the server says goodbye (F24, F25)."""
    if line[:5].upper() != b"* BYE":
        return
    text = line[5:].decode("utf-8", "replace")
    code, _ = response_code(line[5:].strip())
    if (error := throttling(code, text)) is not None:
        raise error
    raise TurnedAwayError(GOODBYE)


def response_code(text: bytes) -> tuple[str, bytes]:
    """``[UIDNEXT 12] …`` → ("UIDNEXT", b"12"); no code → ("", b"")."""
    found = _CODE.match(text)
    if not found:
        return "", b""
    return found[1].decode("ascii").upper(), found[2] or b""


def tokens(parts: Parts, start: int = 0) -> list[Token]:
    """Take a response apart: atoms and strings as bytes, NIL as None, lists as lists.

    ``start``: where in the first part to begin. Raises `ProtocolError` if it does not add up.
    """
    top: list[Token] = []
    stack = [top]
    for position in range(0, len(parts), 2):
        text = parts[position]
        literal = parts[position + 1] if position + 1 < len(parts) else None
        _add_tokens(stack, text, start if position == 0 else 0, literal)
    return top


def _add_tokens(stack: list[list[Token]], text: bytes, at: int, literal: bytes | None) -> None:
    end = len(text.rstrip())
    match = _TOKEN.match
    while at < end:
        found = match(text, at)
        if not found:
            raise ProtocolError
        at = found.end()
        kind = found.lastindex
        if kind == _ATOM:
            atom = found[_ATOM]
            if atom.startswith(b'"'):  # never closed: nor is any other behind it
                match = _TOKEN_WITHOUT_STRING.match
            stack[-1].append(None if atom.upper() == b"NIL" else atom)
        elif kind == _OPENING:
            _open_list(stack)
        elif kind == _CLOSING:
            _close_list(stack)
        elif kind == _TEXT:
            stack[-1].append(_ESCAPED.sub(rb"\1", found[_TEXT]))
        else:
            stack[-1].append(literal)


def _open_list(stack: list[list[Token]]) -> None:
    inner: list[Token] = []
    stack[-1].append(inner)
    stack.append(inner)
    if len(stack) > DEEPEST_NESTING:
        raise ProtocolError


def _close_list(stack: list[list[Token]]) -> None:
    if len(stack) == 1:
        raise ProtocolError
    stack.pop()
