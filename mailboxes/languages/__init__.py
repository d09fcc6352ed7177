"""In which language a message is written: what it says of itself, else what its words say.

Function words and scripts settle most messages in microseconds; the statistical detector, a
hundred times slower, is asked about the rest.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from mailboxes.languages.function_words import (
    has_foreign_letters,
    has_word_of,
    language_by_script,
    language_by_words,
)

if TYPE_CHECKING:
    from lingua import LanguageDetector

MAXIMUM_TEXT = 300  # characters that are looked at
MINIMUM_LETTERS = 12
MINIMUM_CONFIDENCE = 0.55
SHORT_LETTERS = 25  # below that, a guess takes more confidence, and one of the small words of the language
SHORT_CONFIDENCE = 0.8
CERTAIN_LETTERS = 60
CERTAIN = 0.9
MINIMUM_DISTANCE = 0.15  # between the first and the second guess

LANGUAGES = frozenset(
    {"ar", "cs", "da", "de", "el", "en", "es", "fi", "fr", "he", "hu", "it", "ja", "ko", "nb"}
    | {"nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk", "zh"}
)
_SAID_AS = {"nb": "no", "nn": "no", "iw": "he", "in": "id"}

_TAG = re.compile(r"\s*([A-Za-z]{2})(?:[-_][A-Za-z0-9-]{1,20})?\s*")
_NO_PROSE = re.compile(r"https?://\S+|(?<!\S)[^\s@]++@\S++|<[^<>]*>|[\d_#*=|~^]+")
_LETTER = re.compile(r"[^\W\d_]")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0600-\u06ff\u0590-\u05ff\u0370-\u03ff]")


def language_of(text: str, content_language: str | None = None) -> str | None:
    """The two-letter code (ISO 639-1) of the language, or None where it is not clear.

    A Content-Language header (RFC 3282) with one language counts first; but English, which some
    mailers write into every message, only as long as the text does not clearly show another.
    """
    declared = _declared(content_language)
    if declared and declared != "en":
        return declared
    prose = _NO_PROSE.sub(" ", text[: MAXIMUM_TEXT * 2])[:MAXIMUM_TEXT]
    letters = len(_LETTER.findall(prose)) + 8 * len(_WIDE.findall(prose))
    if letters < (CERTAIN_LETTERS if declared else MINIMUM_LETTERS):
        return declared
    if letters < SHORT_LETTERS:
        guess = _detected(prose, SHORT_CONFIDENCE)
        return guess if guess and has_word_of(guess, prose) else None
    return _detected(prose, CERTAIN if declared else MINIMUM_CONFIDENCE) or declared


def load_models() -> None:
    """What only some texts are asked about: whoever reads many loads it before the first one comes."""
    _detector().compute_language_confidence_values("ask")


def _declared(content_language: str | None) -> str | None:
    if not content_language or "," in content_language:
        return None
    tag = _TAG.fullmatch(content_language[:60])
    return _SAID_AS.get(tag[1].lower(), tag[1].lower()) if tag else None


def _detected(prose: str, confidence: float) -> str | None:
    known = language_by_script(prose) if not prose.isascii() else None
    known = known or language_by_words(prose)
    if known:
        return known
    guesses = _detector().compute_language_confidence_values(prose)[:2]
    if not guesses or guesses[0].value < confidence:
        return None
    if len(guesses) > 1 and guesses[0].value - guesses[1].value < MINIMUM_DISTANCE:
        return None
    code = guesses[0].language.iso_code_639_1.name.lower()
    if has_foreign_letters(code, prose):
        return None
    return _SAID_AS.get(code, code)


@lru_cache(maxsize=1)
def _detector() -> LanguageDetector:
    """Loaded at the first question: about 30 MB in low-accuracy mode."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in sorted(LANGUAGES)]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    return builder.with_low_accuracy_mode().build()
