"""Address lists (RFC 5322 §3.4), read as leniently as people write them and never tricked by it.

The address in angle brackets is the address, whatever the display name pretends:
``alice@bank.com <evil@x.com>`` is evil@x.com. One pass over the text, linear in its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mailboxes.parsing.cleaning import one_line
from mailboxes.parsing.encoded_words import decoded_words
from mailboxes.parsing.values import Address

MAXIMUM_NAME = 300
MAXIMUM_ADDRESS = 320  # 64 + 1 + 255 octets, RFC 5321 §4.5.3.1

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?[^?]*\?=")
_ATOM = re.compile(r"[^\s\"()<>,;:@\\\[\]]+|\\.?|\]")
_LITERAL = re.compile(r"\[[^\]\s]{0,255}\]")
_SPACE = re.compile(r"\s+")
_ROUTE = re.compile(r"^(?:@[^@,:<>]*+,?)+:")
_LOOSE_WORD = r"[^\s<>()\",;:@]"
_LOOSE = re.compile(rf"(?<!{_LOOSE_WORD}){_LOOSE_WORD}++@(?={_LOOSE_WORD}+\.{_LOOSE_WORD}){_LOOSE_WORD}++")
_COMMENT = re.compile(r"(\\.)|\((?>[^()\\]|\\.)*+\)")  # what is escaped begins none
_LOCAL_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}")
_DOT_ATOM = r"[A-Za-z0-9!#$%&*+/=?^_{|}~-]+(?:\.[A-Za-z0-9!#$%&*+/=?^_{|}~-]+)*"
_PLAIN = re.compile(
    r"\s*+(?:(?:\"([^\"\\<>]{0,200})\"|([^\"'\\<>@,;:()\[\]]{0,200}?))\s{0,50}"
    rf"<({_DOT_ATOM}@{_DOT_ATOM})>|({_DOT_ATOM}@{_DOT_ATOM}))\s*(?:,\s*|$)"
)
_AROUND = "'\"` \t."


@dataclass(frozen=True, slots=True)
class AddressList:
    """What a header held. ``is_ambiguous``: two honest parsers may read two different addresses."""

    addresses: tuple[Address, ...]
    has_group: bool = False
    is_ambiguous: bool = False
    is_cut: bool = False


@dataclass(slots=True)
class _Item:
    """One address while it is being read."""

    words: list[tuple[str, bool]] = field(default_factory=list)  # text and "space before it"
    comments: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    angle: str | None = None

    def is_empty(self) -> bool:
        return not self.words and self.angle is None and not self.quoted


def address_list(text: str, limit: int = 500) -> AddressList:
    """The addresses of one header value (still with its encoded words), at most ``limit``."""
    return _plain_list(text, limit) or _Reader(text, limit).read()


def _plain_list(text: str, limit: int) -> AddressList | None:
    """The list, when each of its addresses is written in the plainest way; nearly all are."""
    found: list[Address] = []
    position = 0
    while position < len(text):
        plain = _PLAIN.match(text, position)
        if plain is None or len(found) >= limit:
            return None
        quoted, name, address, bare = plain.groups()
        if "=?" in (address or bare):
            return None
        found.append(Address(_plain_name(quoted or name or ""), address or bare))
        position = plain.end()
    return AddressList(tuple(found))


def _plain_name(text: str) -> str:
    if text.isascii() and text.isprintable() and "=?" not in text and "  " not in text:
        return text.strip()[:MAXIMUM_NAME]
    return _SPACE.sub(" ", one_line(decoded_words(text)))[:MAXIMUM_NAME]


class _Reader:
    def __init__(self, text: str, limit: int) -> None:
        self.text, self.limit = text, limit
        self.position = 0
        self.item = _Item()
        self.held: list[tuple[str, bool]] = []  # words before an unquoted comma or semicolon in a name
        self.found: list[Address] = []
        self.has_group = self.is_ambiguous = self.is_cut = self.space_before = False
        self.quotes_end = self.comments_end = False

    def read(self) -> AddressList:
        text = self.text
        while self.position < len(text) and not self.is_cut:
            self._step(text[self.position])
        self._finish()
        self._release()
        addresses = tuple(self.found) or self._last_resort()
        return AddressList(addresses, self.has_group, self.is_ambiguous, self.is_cut)

    def _step(self, character: str) -> None:
        if character in _READERS:
            _READERS[character](self)
        elif character.isspace():
            space = _SPACE.match(self.text, self.position)
            self.position = space.end() if space else self.position + 1
            self.space_before = True
        else:
            self._word()

    def _stray(self) -> None:
        self.position += 1

    def _literal(self) -> None:
        """A domain literal may hold colons (RFC 5321 §4.1.3)."""
        found = _LITERAL.match(self.text, self.position)
        end = found.end() if found else self.position + 1
        self._add(self.text[self.position : end], end)

    def _word(self) -> None:
        found = _ENCODED_WORD.match(self.text, self.position) or _ATOM.match(self.text, self.position)
        end = found.end() if found else self.position + 1
        self._add(self.text[self.position : end], end)

    def _add(self, word: str, end: int) -> None:
        if self.item.angle is not None:
            self._finish()  # words after an address in brackets begin another one
        self.item.words.append((word, self.space_before))
        self.space_before = False
        self.position = end

    def _quote(self) -> None:
        quoted = None if self.quotes_end else _QUOTED.match(self.text, self.position)
        if quoted is None:
            self.quotes_end = self.is_ambiguous = True
            self.position += 1
            return
        if self.text[quoted.end() : quoted.end() + 1] == "@" and "@" not in quoted[1]:
            self._add(quoted[0], quoted.end())  # a quoted local part
            return
        if self.item.angle is not None:
            self._finish()
        self.item.quoted.append(quoted[1])
        self._add(_ESCAPED.sub(r"\1", quoted[1]), quoted.end())
        self.item.words[-1] = ("\x00" + self.item.words[-1][0], self.item.words[-1][1])

    def _comment(self) -> None:
        depth, end = 0, self.position
        while end < len(self.text) and not self.comments_end:
            character = self.text[end]
            end += 2 if character == "\\" else 1
            depth += (character == "(") - (character == ")")
            if depth == 0:
                self.item.comments.append(self.text[self.position + 1 : end - 1])
                self.position = end
                self.space_before = True
                return
        self.comments_end = True
        self._add("(", self.position + 1)

    def _angle(self) -> None:
        start = self.position + 1
        end = _angle_end(self.text, start)
        if self.text[end : end + 1] != ">":
            self.is_ambiguous = True
        if self.item.angle is not None:
            self.is_ambiguous = True
            self._finish()
        self.item.angle = self.text[start:end]
        self.position = end + 1
        self.space_before = False

    def _comma(self) -> None:
        mark = self.text[self.position]
        self.position += 1
        item = self.item
        if item.angle is None and item.words and not _has_at(item.words):
            self.held.extend([*item.words, (mark, False)])
            self.item = _Item(comments=item.comments)
            self.space_before = True
            return
        self._finish()

    def _semicolon(self) -> None:
        """The end of a group. Where there is none, Outlook's comma."""
        if not self.has_group:
            self._comma()
            return
        self.position += 1
        self._finish()
        self._release()

    def _colon(self) -> None:
        self.position += 1
        item = self.item
        if item.angle is None and not _has_at(item.words):
            if [word.lower() for word, _ in item.words] != ["mailto"]:
                self.has_group = True
            self.item = _Item()
            self.held.clear()
            return
        self._finish()

    def _finish(self) -> None:
        """End the current item and keep its address."""
        item, self.item = self.item, _Item()
        self.space_before = False
        if item.is_empty():
            return
        if item.angle is not None:
            self._keep_angle(item)
        else:
            self._keep_bare(item)

    def _keep_angle(self, item: _Item) -> None:
        address = _clean_address(item.angle or "")
        if _ENCODED_WORD.fullmatch(address):
            self.is_ambiguous = True
            address = _decoded_address(address)
        if address.endswith(":;"):  # an empty group, such as "undisclosed-recipients:;"
            self.has_group = True
            address = ""
        words = [*self.held, *item.words]
        self.held.clear()
        name = _name(words) or _comment_name(item.comments)
        if not address:
            return
        loose = _unquoted_addresses(words)
        if any(other.lower() != address.lower() for other in loose):
            self.is_ambiguous = True
        self._keep(Address(name, address))

    def _keep_bare(self, item: _Item) -> None:
        if not _has_at(item.words):
            self.held.extend(item.words)
            return
        addresses, names = _bare_addresses(item.words)
        self._release()
        if len(addresses) > 1:
            self.is_ambiguous = True
        name = _name(names) or _comment_name(item.comments)
        for address in addresses:
            self._keep(Address(name if len(addresses) == 1 else "", _clean_address(address)))

    def _release(self) -> None:
        """Words that belong to no address: single ones are local names such as ``root``."""
        names: list[list[tuple[str, bool]]] = []
        current: list[tuple[str, bool]] = []
        for word, space in [*self.held, (",", False)]:
            if word in (",", ";"):
                names.append(current)
                current = []
            else:
                current.append((word, space))
        self.held.clear()
        for words in names:
            if len(words) == 1 and _LOCAL_NAME.fullmatch(words[0][0]):
                self._keep(Address("", _clean_address(words[0][0])))

    def _keep(self, address: Address) -> None:
        if len(self.found) >= self.limit:
            self.is_cut = True
        elif address.address:
            self.found.append(address)

    def _last_resort(self) -> tuple[Address, ...]:
        """An address inside quotation marks or an encoded word, where there is no other."""
        text = decoded_words(self.text[:2000])
        found = _LOOSE.findall(text)
        if not found or self.has_group:
            return ()
        self.is_ambiguous = True
        name = one_line(text.split(found[0], 1)[0]).strip("<\"' ")
        return (Address(name, _clean_address(found[0])),)


_READERS = {
    '"': _Reader._quote,
    "(": _Reader._comment,
    "<": _Reader._angle,
    ",": _Reader._comma,
    ";": _Reader._semicolon,
    ":": _Reader._colon,
    ">": _Reader._stray,
    "[": _Reader._literal,
}


def _angle_end(text: str, start: int) -> int:
    """The index of the bracket that closes; of a comma or the end where none does."""
    end = text.find(">", start, start + 2000)
    quoted = _QUOTED.match(text, start)
    if quoted and text[quoted.end() : quoted.end() + 1] == "@":
        end = text.find(">", quoted.end(), quoted.end() + 2000)
    if end >= 0:
        return end
    comma = text.find(",", start)
    return comma if comma >= 0 else len(text)


def _has_at(words: list[tuple[str, bool]]) -> bool:
    return any("@" in word and not word.startswith(("\x00", "=?")) for word, _ in words)


def _unquoted_addresses(words: list[tuple[str, bool]]) -> list[str]:
    if not _has_at(words):
        return []
    return [address.strip(_AROUND) for address in _bare_addresses(words)[0]]


def _bare_addresses(
    words: list[tuple[str, bool]],
) -> tuple[list[str], list[tuple[str, bool]]]:
    """The addresses among unbracketed words, and the words that are none.

    Around ``@`` white space is allowed (RFC 5322 §4.4); words that stand together are one.
    """
    glued: list[tuple[str, bool]] = []
    for word, space in words:
        after_at = bool(glued) and glued[-1][0].endswith("@") and not glued[-1][0].startswith("\x00")
        if glued and (not space or word == "@" or after_at or _continues(glued[-1][0], word)):
            glued[-1] = (glued[-1][0] + word, glued[-1][1])
        else:
            glued.append((word, space))
    addresses = [word for word, _ in glued if _is_address(word)]
    return addresses, [pair for pair in glued if not _is_address(pair[0])]


def _continues(before: str, word: str) -> bool:
    """White space around the dots of an address (RFC 5322 §4.4)."""
    return "@" in before and (word.startswith(".") or before.endswith("."))


def _is_address(word: str) -> bool:
    return "@" in word and not word.startswith(("\x00", "=?"))


def _name(words: list[tuple[str, bool]]) -> str:
    text = "".join((" " if space else "") + word for word, space in words).replace("\x00", "")
    name = one_line(decoded_words(text.strip()))
    return _SPACE.sub(" ", name.strip().strip('"').removesuffix(",").strip())[:MAXIMUM_NAME]


def _comment_name(comments: list[str]) -> str:
    return one_line(decoded_words(_ESCAPED.sub(r"\1", " ".join(comments))))[:MAXIMUM_NAME]


def _decoded_address(text: str) -> str:
    """An address that its mailer encoded, though RFC 2047 §5 forbids it: as it stands nobody can answer."""
    address = decoded_words(text)
    return address if _LOOSE.fullmatch(address) else text


def _clean_address(text: str) -> str:
    """An addr-spec without route, ``mailto:``, white space or quotation marks around it."""
    address = one_line(text).replace("\x00", "").strip()
    if "(" in address and not address.startswith('"'):
        address = _COMMENT.sub(r"\1", address)
    if address.startswith("@"):
        address = _ROUTE.sub("", address)
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address[:7].lower() == "mailto:":
        address = address[7:]
    if not address.startswith('"'):
        address = _SPACE.sub("", address).strip("'`<")
    return address.strip().rstrip(".")[:MAXIMUM_ADDRESS]
