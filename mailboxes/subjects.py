"""What a conversation is about, under all the prefixes that mail programs put before it. Pure."""

import re
from collections.abc import Collection
from functools import lru_cache

from mailboxes.parsing.cleaning import first_bytes

LONGEST = 1_000  # characters of a subject that are looked at
LONGEST_BASE = 1_000  # bytes of what is compared: an index of PostgreSQL takes 2,704

# As written by mail programs in English, German, French, Spanish, Portuguese, Italian, Dutch, Danish,
# Norwegian, Swedish, Finnish, Icelandic, Polish, Czech, Slovak, Slovenian, Croatian, Hungarian,
# Romanian, Turkish, Estonian, Lithuanian, Latvian, Welsh, Indonesian, Vietnamese, Greek, Russian,
# Ukrainian, Bulgarian, Hebrew, Arabic, Chinese, Japanese, Korean.
_REPLY = r"""re aw antw antwort sv vs vá res resp rsp rép rif r odp odg ynt cvp atb bls vl
    ats svar vastaus antwoord respuesta risposta réponse resposta odpověď yanıt hồi-âm trả-lời balas
    απ απάντηση ответ отв на відп відповідь отг השב תשובה רד رد الرد 回复 回覆 答复 答覆 返信 회신 답장"""
_FORWARD = r"""fw fwd wg vb tr rv i enc doorst vidb videresendt videresendelse pd przek továbbítás
    továbbított ilt i̇lt yml fs tov továbbít пересл пересылка пер переслано προώθ σχετ
    προώθηση הועבר إعادة-توجيه 转发 轉寄 転送 전달"""


def _pattern(words: str) -> str:
    return "|".join(
        sorted((re.escape(word.strip(":")) for word in words.split()), key=lambda word: -len(word))
    )


_PREFIX = re.compile(
    rf"\s*(?:(?P<reply>{_pattern(_REPLY)})|(?:{_pattern(_FORWARD)}))"
    r"\s{0,2}(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3}|\*\d{1,3}|\d{1,2})?\s{0,2}[:：]",
    re.IGNORECASE,
)
_BLOB = re.compile(r"\s*(\[[^\[\]]{1,80}\])")
_TRAILER = re.compile(r"(?<!\s)\s*+\((?:fwd|fw|wg)\)\s*+\Z", re.IGNORECASE)
# What the recipient's server puts before the subject of whoever writes from outside.
_OUTSIDE = re.compile(r"\s*\[ext(?:ern(?:al|e|o)?)?(?: (?:e-?)?mail| sender)?\]", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


@lru_cache(maxsize=1_000)  # a message is compared with others under the same one
def base_subject(subject: str) -> tuple[str, bool]:
    """The subject without reply and forward prefixes, for comparing, and whether it had a reply's.

    ``Re: AW[2]: [shop] Fwd: Your  Order`` → (``[shop] your order``, True). RFC 5256 §2.1 in spirit,
    with the prefixes of other languages; tags in brackets stay, once each.
    """
    rest = subject[:LONGEST]
    tags: dict[str, None] = {}
    is_reply = False
    while True:
        if prefix := _PREFIX.match(rest):
            is_reply = is_reply or prefix["reply"] is not None
            rest = rest[prefix.end() :]
        elif outside := _OUTSIDE.match(rest):
            rest = rest[outside.end() :]
        elif (blob := _BLOB.match(rest)) and _PREFIX.match(rest, blob.end()):
            tags[blob[1]] = None
            rest = rest[blob.end() :]
        else:
            break
    while trailer := _TRAILER.search(rest):
        rest = rest[: trailer.start()]
    words = [*(tag for tag in tags if tag not in rest), rest]
    return first_bytes(_SPACE.sub(" ", " ".join(words)).strip().casefold(), LONGEST_BASE), is_reply


def is_about_another(subject: str, in_reply_to: str | None, references: Collection[str]) -> bool:
    """Whether a message says that it answers or passes on another one: by a header, or by its subject."""
    if in_reply_to or references:
        return True
    blob = _BLOB.match(subject)
    is_marked = _PREFIX.match(subject) or (blob is not None and _PREFIX.match(subject, blob.end()))
    return bool(is_marked or _TRAILER.search(subject[:LONGEST]))
