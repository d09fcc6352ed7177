"""In which language a message is written: what it says of itself, else what its words say.

Function words and scripts settle most messages; a statistical detector is asked about the rest.
"""

import re

from mailboxes.languages.function_words import has_word_of, language_by_script, language_by_words

MAXIMUM_TEXT = 300  # characters that are looked at
MINIMUM_LETTERS = 12
SHORT_LETTERS = 25  # below that, a guess takes one of the small words of the language
CERTAIN_LETTERS = 60
MINIMUM_PERCENT = 70  # of the text in one language
CERTAIN_PERCENT = 90
MINIMUM_SCORE = 300  # of the detector, for a kilobyte: what is no language at all has less

LANGUAGES = frozenset(
    {
        "ar",
        "be",
        "bg",
        "ca",
        "cs",
        "da",
        "de",
        "el",
        "en",
        "es",
        "et",
        "fa",
        "fi",
        "fr",
        "he",
        "hr",
        "hu",
        "id",
    }
    | {"is", "it", "ja", "ko", "lt", "lv", "mk", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv"}
    | {"th", "tr", "uk", "vi", "zh"}
)
_SAID_AS = {"nb": "no", "nn": "no", "iw": "he", "in": "id"}

_TAG = re.compile(r"\s*([A-Za-z]{2})(?:[-_][A-Za-z0-9-]{1,20})?\s*")
_NO_PROSE = re.compile(
    r"https?://\S+|(?<!\S)[^\s@]++@\S++|<[^<>]*>|[\d_#*=|~^\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
)
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
        guess = _detected(prose, MINIMUM_PERCENT)
        return guess if guess and has_word_of(guess, prose) else None
    return _detected(prose, CERTAIN_PERCENT if declared else MINIMUM_PERCENT) or declared


def _declared(content_language: str | None) -> str | None:
    if not content_language or "," in content_language:
        return None
    tag = _TAG.fullmatch(content_language[:60])
    return _SAID_AS.get(tag[1].lower(), tag[1].lower()) if tag else None


def _detected(prose: str, percent: int) -> str | None:
    known = language_by_script(prose) if not prose.isascii() else None
    return known or language_by_words(prose) or _guessed(prose, percent)


def _guessed(prose: str, minimum_percent: int) -> str | None:
    import pycld2  # most processes read no messages

    try:
        is_reliable, _, guesses = pycld2.detect(prose, isPlainText=True, bestEffort=True)
    except (pycld2.error, UnicodeError):  # a character that no text may hold
        return None
    _, tag, percent, score = guesses[0]
    code = tag.partition("-")[0]
    language = _SAID_AS.get(code, code)
    is_clear = is_reliable and percent >= minimum_percent and score >= MINIMUM_SCORE
    return language if is_clear and language in LANGUAGES else None
