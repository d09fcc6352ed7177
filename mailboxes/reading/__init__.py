"""Everything that can be said about a message from its bytes alone. Pure, and picklable."""

import time
from dataclasses import dataclass

from mailboxes.classifying import Classification, classify
from mailboxes.languages import language_of
from mailboxes.parsing import ParsedMessage, parse
from mailboxes.quoting import reply_text
from mailboxes.subjects import is_about_another


@dataclass(frozen=True, slots=True)
class Reading:
    """A message, read. Durations are in milliseconds."""

    parsed: ParsedMessage
    classification: Classification
    stable_hash: bytes
    reply_text: str
    language: str | None
    parse_milliseconds: int
    classify_milliseconds: int


def read_message(raw: bytes, trusted_authserv_id: str, *, is_answerable: bool = True) -> Reading:
    """Parse and classify. History is never answered: it needs no language, and no hash of its body."""
    started = time.perf_counter()
    parsed = parse(raw)
    reply = reply_of(parsed)
    parsed_at = time.perf_counter()
    classification = classify(
        parsed, raw, trusted_authserv_id=trusted_authserv_id or None, with_body_hash=is_answerable
    )
    language = language_of(reply, parsed.header("content-language")) if is_answerable else None
    finished = time.perf_counter()
    return Reading(
        parsed=parsed,
        classification=classification,
        stable_hash=parsed.stable_hash,
        reply_text=reply,
        language=language,
        parse_milliseconds=round((parsed_at - started) * 1000),
        classify_milliseconds=round((finished - parsed_at) * 1000),
    )


def reply_of(parsed: ParsedMessage) -> str:
    """What was written anew in a message."""
    return reply_text(
        parsed.text,
        is_answer=is_about_another(parsed.subject, parsed.in_reply_to, parsed.references),
    )
