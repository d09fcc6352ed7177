"""How mailers introduce what they quote: "On … wrote:", in many languages, over up to four lines."""

import re

from mailboxes.quoting.lines import DATE, MAXIMUM_LINE, Lines, any_of, has_quotation_mark

MAXIMUM_ATTRIBUTION = 4  # lines over which mailers wrap "On … wrote:"
LONGEST_END = 100  # characters of it that hold a verb and a name
LONGEST_BEGINNING = 60  # that hold a date and a time

_VERBS = any_of(
    *("wrote", "writes", "write", r"wrote\s+the\s+following", "schrieb(?:en)?", "schreibt"),
    *(r"a\s+[ée]crit", "[ée]crit", "escribi[óo]", "escribe", r"ha\s+scritto", "scrisse", "scrive"),
    *("escreveu", "escreve", "schreef", "schrijft", r"het\s+volgende\s+geschreven"),
    *("heeft.{0,80}geschreven", "skrev", "skriver", "skrifaði", "kirjoitti", r"napisał\(?a?\)?"),
    *("pisze", r"napsala?\(?a?\)?", r"napísala?\(?a?\)?", r"написала?\(?а?\)?", "пишет", "писала?"),
    *("написав", "пише", "yazdı", "írta", r"a\s+scris", "έγραψε", r"je\s+napisao", "escrigu[ée]"),
    *("написа", r"napisa(?:o|la)\s+je", "menulis", r"đã\s+viết"),
    *("rašė", "kirjutas", "rakstīja", r"folgendes\s+geschrieben", r"вы\s+писали", r"쓴\s*글"),
)
_WORDS_WITHOUT_COLON = any_of(
    *("のメール", "のメッセージ", "書きました", "書いた", "写道", "寫道", "写到", r"님이\s*작성", "썼습니다"),
    *(r"님의\s*메시지", "כתב", "كتب"),
)
_ATTRIBUTION = re.compile(
    rf"\s*+(?=.*(?:\d|@)).{{0,450}}?(?<!\w){_VERBS}(?!\w).{{0,250}}[:：]\s*+[*_]*+\s*+$"
    # People write these words in sentences, too: beside a date or an address they attribute.
    rf"|(?=.{{0,400}}?(?:@|{DATE})).{{0,300}}{_WORDS_WITHOUT_COLON}.{{0,200}}$",
    re.IGNORECASE,
)
# People say who wrote what, too ("as your driver wrote on 5 March:"), and what follows is theirs. Programs
# begin with the date, or with an address; they end with the verb, a name behind it, or the time.
_DATE_FIRST = re.compile(r"\W*+(?>[^\W\d]++\W++){0,3}+[^\W\d]*+\d")
_ADDRESS_FIRST = re.compile(
    r"\s*+(?:[^\s@<>()]++@[^\s@]|[^<>()\[\]@]{0,80}+[<(\[](?>mailto:)?+[^\s@<>()]++@[^\s@]"
    r"|вы писали .{1,40}\d:\d\d:\d\d)",  # The Bat says of nobody else
    re.IGNORECASE,
)
_TIME = re.compile(r"님이|(?<![\d.])\d{1,2}(?:[:h]\d\d(?!\d)|\.\d\d(?![.\d])|\s?[時时시点點])")
_VERB_LAST = re.compile(rf"(?<!\w){_VERBS}\W*+$|{_WORDS_WITHOUT_COLON}[/\w]{{0,3}}\W*+$", re.IGNORECASE)
_NAME_LAST = re.compile(rf"(?<!\w){_VERBS}(?:\W+\w+){{0,4}}\W*+$|@[^\s@]++\W*+$", re.IGNORECASE)
# A name with a firm behind it, where a date and a time begin the line; its first word is asked for its case.
_FIRM_LAST = re.compile(
    rf"(?<!\w){_VERBS}[^\w,;:：]++(\w++)(?>[^\w,;:：]++\w++){{0,8}}+[^\w,;:：]*+[:：]\W*+$", re.IGNORECASE
)
_TIME_LAST = re.compile(r"\d\W*+(?:\w{1,6}\W*+)?$")
# Above a text that is marked as quoted: also the verb alone, below a line that is marked itself.
_ATTRIBUTION_WITHOUT_DATE = re.compile(
    rf"\s*+(?:\S.{{0,200}}?)?(?<!\w){_VERBS}\s*+[:：]\s*+$"
    r"|\s*+(?:zitat\s+von|quoting|citando|quotando|citat\s+(?:från|fra)|citaat\s+van|citation\s+de)\s.{1,200}@"
    rf"|.{{0,300}}{_WORDS_WITHOUT_COLON}.{{0,200}}$",
    re.IGNORECASE,
)
# Between hyphens, as Zoho and some telephones write.
_DASHED = re.compile(rf"\s*+-{{2,}}+\s.{{1,300}}?(?<!\w){_VERBS}\s*+-{{2,}}+\s*+$", re.IGNORECASE)
# How the last line of any attribution ends: a cheap question before the dear ones above.
_ENDS = re.compile(
    r"[:：]\s{0,5}[*_]*\s{0,5}$|<[^<>\s][^<>\s@]*+@[^<>\s]++>\s*+$|\w\s?-{2,9}\s*+$|" + _WORDS_WITHOUT_COLON
)
_COLONS = frozenset(":：")
_BARE_VERBS = ("wrote", "writes")  # of programs that set no colon behind them
_LAST_OF_ENDS = frozenset(":*_>-")  # the last character of such a line, if it is ASCII
# Gmail in languages without a verb: a date, a name, an address in brackets.
_DATE_AND_ADDRESS = re.compile(
    rf"\s*+(?=[^<]*{DATE}).{{0,200}}<[^<>\s][^<>\s@]*+@[^<>\s]++>\s*+(?P<colon>[:：])?\s*+$"
)
# Any language, above a text that is marked as quoted: an address, a date (which begins the line, if it has no
# year) and a time.
_ADDRESS_AND_TIME = re.compile(
    rf"(?=.{{0,400}}?[^<>\s@]@[^<>\s@])(?=.{{0,400}}?{DATE}|[^\W\d_]{{2,4}}[.,]?\s\d{{1,2}}\.?\s[^\W\d_]{{3}})"
    r"(?=.{0,400}?(?<!\d)\d{1,2}[:.]\d\d(?!\d)).{0,500}[:：]\s*+$"
)
# How attributions begin that mailers wrap over several lines.
_OPENS = re.compile(
    r"\s*+"
    + any_of(
        *("on", "am", "le", "el", "il", "em", "op", "den", "dne", "dnia", r"w\s+dniu", "на", "в"),
        *("at", "às", "de[nr]?", "die", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "lun"),
        *("mar", "mer", "jeu", "ven", "sam", "dim", "mo", "di", "mi", "do", "fr", "sa", "so"),
        *("ma", "ti", "to", "lö", "sö", r"[a-zа-я]{2,4}\.?,?\s+\d", r"\d"),
    )
    + r"(?!\w)|\s*\d",
    re.IGNORECASE,
)
_NAMES = re.compile(r"\s*+[\"'<(\w].{0,80}[<@]")


def ends_of_attributions(lines: Lines) -> set[int]:
    """The lines with which an attribution may end."""
    return {
        index
        for index, line in enumerate(lines.texts)
        if ((lines.last[index] in _LAST_OF_ENDS or not line.isascii()) and _ENDS.search(line))
        or _ends_with_bare_verb(line)
    }


def attribution_length(lines: Lines, ends: set[int], position: int) -> int:
    """Over how many lines "On … wrote:" goes from here; 0 when it does not begin here."""
    if ends.isdisjoint(range(position, position + MAXIMUM_ATTRIBUTION)):
        return 0
    window = lines.texts[position : position + MAXIMUM_ATTRIBUTION]
    for count in range(1, len(window) + 1):
        last = window[count - 1]
        if not last.strip() or has_quotation_mark(last):
            return 0
        if position + count - 1 not in ends:
            continue
        text = " ".join(line.strip() for line in window[:count])[:MAXIMUM_LINE]
        if _is_attribution(lines, text, position + count):
            return count if count == 1 or _opens(text, window[1:count]) else 0
        if lines.last[position] in _COLONS:
            return 0  # no attribution goes on behind its colon
    return 0


def is_attribution_inside(lines: Lines, ends: set[int], position: int) -> bool:
    """Whether a line that is marked as quoted is itself "On … wrote:", as some programs quote."""
    if position not in ends:
        return False
    text = lines.texts[position].lstrip("> \t")
    return _ATTRIBUTION.match(text) is not None and _is_by_program(text)


def _opens(text: str, others: list[str]) -> bool:
    """Whether an attribution over several lines begins with the first of them."""
    if _OPENS.match(text) or _DASHED.match(text):
        return True
    rest = " ".join(line.strip() for line in others)
    is_complete = _ATTRIBUTION.match(rest) or _dated(rest)
    return _NAMES.match(text) is not None and not is_complete


def _is_attribution(lines: Lines, text: str, following: int) -> bool:
    if _DASHED.match(text):
        return True
    if _ends_with_bare_verb(text):
        return _is_apart_by_program(lines, text, following)
    next_text = lines.next_text(following)
    is_followed = next_text is not None and lines.is_quoted(next_text)
    dated = _dated(text)
    if dated and (is_followed or (dated["colon"] and _DATE_FIRST.match(text) and _TIME.search(text))):
        return True
    if _ATTRIBUTION.match(text):
        return is_followed or _is_by_program(text)
    return is_followed and bool(_ATTRIBUTION_WITHOUT_DATE.match(text) or _ADDRESS_AND_TIME.match(text))


def _is_by_program(text: str) -> bool:
    """Whether an attribution is written as programs write it, rather than in a sentence of somebody's."""
    end = text[-LONGEST_END:]
    if _ADDRESS_FIRST.match(text):
        return bool(_TIME_LAST.search(end) or _VERB_LAST.search(end))
    if not (_DATE_FIRST.match(text) and ("@" in text or _TIME.search(text))):
        return False
    if _VERB_LAST.search(end) or _NAME_LAST.search(end):
        return True
    firm = _FIRM_LAST.search(end) if _TIME.search(text[:LONGEST_BEGINNING]) else None
    return firm is not None and not firm[1][0].islower()


def _ends_with_bare_verb(text: str) -> bool:
    """Whether "On …" or "In message …" ends with an address and the verb, and nothing behind it."""
    if not text.rstrip().endswith(_BARE_VERBS):
        return False
    words = text.split()
    return len(words) > 3 and "@" in words[-2] and words[0].lower() in ("on", "in")


def _is_apart_by_program(lines: Lines, text: str, following: int) -> bool:
    """Whether what is quoted is marked, or the attribution is a program's: people go on in the next line."""
    next_text = lines.next_text(following)
    if next_text is not None and lines.is_quoted(next_text):
        return True
    is_apart = next_text is not None and next_text > following
    return is_apart and bool(_DATE_FIRST.match(text) and _TIME.search(text))


def _dated(text: str) -> re.Match[str] | None:
    """A date and an address, as Gmail attributes; no question to a line without an address."""
    return _DATE_AND_ADDRESS.match(text) if "<" in text and "@" in text else None
