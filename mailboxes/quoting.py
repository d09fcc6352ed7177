"""What somebody wrote, apart from what they quoted and how they signed.

Rules over lines, linear and capped, in the languages of the usual mailers; not
``mail-parser-reply``, whose regular expressions are quadratic and which cuts everything below the
first quotation, also an answer that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Literal

MAXIMUM_LINES = 5_000
MAXIMUM_LINE = 600  # characters of a line that are looked at
MAXIMUM_ATTRIBUTION = 4  # lines over which mailers wrap "On … wrote:"

Kind = Literal["reply", "quotation", "signature"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring lines of one kind."""

    kind: Kind
    text: str


def _any_of(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_QUOTED = re.compile(r"[ \t]{0,3}(?:>|&gt;|»)")
_VERBS = _any_of(
    *("wrote", "writes", "write", r"wrote\s+the\s+following", "schrieb(?:en)?", "schreibt"),
    *(r"a\s+[ée]crit", "[ée]crit", "escribi[óo]", "escribe", r"ha\s+scritto", "scrisse", "scrive"),
    *("escreveu", "escreve", "schreef", "schrijft", r"het\s+volgende\s+geschreven"),
    *("heeft.{0,80}geschreven", "skrev", "skriver", "skrifaði", "kirjoitti", r"napisał\(?a?\)?"),
    *("pisze", r"napsala?\(?a?\)?", "napísala?", r"написала?\(?а?\)?", "пишет", "писала?"),
    *("написав", "пише", "yazdı", "írta", r"a\s+scris", "έγραψε", r"je\s+napisao", "escrigu[ée]"),
    *("rašė", "kirjutas", "rakstīja", r"folgendes\s+geschrieben"),
)
_WORDS_WITHOUT_COLON = _any_of(
    *("のメール", "のメッセージ", "書きました", "書いた", "写道", "寫道", "写到", "작성", "썼습니다"),
    *(r"님의\s*메시지", "כתב", "كتب"),
)
_ATTRIBUTION = re.compile(
    rf"\s*+(?=.*(?:\d|@)).{{0,450}}?(?<!\w){_VERBS}(?!\w).{{0,250}}[:：]\s*+[*_]*+\s*+$"
    rf"|\s*+.{{0,300}}{_WORDS_WITHOUT_COLON}.{{0,200}}$",
    re.IGNORECASE,
)
_ATTRIBUTION_WITHOUT_DATE = re.compile(rf"\s*+\S.{{0,200}}?(?<!\w){_VERBS}\s*+[:：]\s*+$", re.IGNORECASE)
# How the last line of any attribution ends: a cheap question before the dear ones above.
_ENDS = re.compile(r"[:：]\s{0,5}[*_]*\s{0,5}$|<[^<>\s][^<>\s@]*+@[^<>\s]++>\s*+$|" + _WORDS_WITHOUT_COLON)
_LAST_OF_ENDS = frozenset(":*_>")  # the last character of such a line, if it is ASCII
# A day and a year: a time alone stands in anybody's sentences.
_DATE = _any_of(
    r"(?<!\d)(?:\d{1,2}[-/.]\s?){2}(?:\d{4}|\d\d)(?!\d)",
    r"(?<!\d)\d{4}[-/.年]\s?\d{1,2}",
    r"(?<!\d)\d{1,2}[^<\d]{1,20}(?![03-9])\d{4}(?!\d)",
)
# Gmail in languages without a verb: a date, a name, an address in brackets.
_DATE_AND_ADDRESS = re.compile(
    rf"\s*+(?=[^<]*{_DATE}).{{0,200}}<[^<>\s][^<>\s@]*+@[^<>\s]++>\s*+(?P<colon>[:：])?\s*+$"
)
# Gmail in any other language, above a text that is marked as quoted: an address, a date and a time.
_ADDRESS_AND_TIME = re.compile(
    rf"(?=[^<]*+<[^<>\s@]++@[^<>\s@]++>)(?=.{{0,400}}?{_DATE})"
    r"(?=.{0,400}?(?<!\d)\d{1,2}[:.]\d\d(?!\d)).{0,500}[:：]\s*+$"
)
# How attributions begin that mailers wrap over several lines.
_OPENS = re.compile(
    r"\s*+"
    + _any_of(
        *("on", "am", "le", "el", "il", "em", "op", "den", "dne", "dnia", r"w\s+dniu", "на", "в"),
        *("at", "às", "de[nr]?", "die", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "lun"),
        *("mar", "mer", "jeu", "ven", "sam", "dim", "mo", "di", "mi", "do", "fr", "sa", "so"),
        *("ma", "ti", "to", "lö", "sö", r"[a-zа-я]{2,4}\.?,?\s+\d", r"\d"),
    )
    + r"(?!\w)|\s*\d",
    re.IGNORECASE,
)
_NAMES = re.compile(r"\s*+[\"'<(\w].{0,80}[<@]")
_SEPARATOR = re.compile(
    r"\s*+[-_=*]{2,}+\s*+"
    + _any_of(
        r"original(?:\s+(?:message|mail|appointment)|nachricht|meddelelse|melding|meldung)?",
        r"(?:urspr(?:ü|ue)ngliche|weitergeleitete)\s+(?:nachricht|e-?mail)",
        r"message\s+(?:d['’]origine|original|transf[ée]r[ée]|initial)",
        r"mensaje\s+(?:original|reenviado)",
        r"mensagem\s+(?:original|encaminhada)",
        r"messaggio\s+(?:originale|inoltrato)",
        r"(?:oorspronkelijk|doorgestuurd)\s+bericht",
        r"(?:ursprungligt|vidarebefordrat)\s+meddelande",
        r"(?:oprindelig|opprinnelig|videresendt)\s+(?:meddelelse|besked|melding)",
        r"alkuper[äa]inen\s+viesti",
        r"(?:oryginalna|przekazana)\s+wiadomo[śs][ćc]",
        r"wiadomo[śs][ćc]\s+oryginalna",
        r"p[ůôu]vodn[íiáa]\s+(?:zpr[áa]va|spr[áa]va|e-?mail)",
        r"eredeti\s+[üu]zenet",
        r"(?:исходное|пересылаемое|пересланное|оригинальное)\s+сообщение",
        r"orijinal\s+mesaj",
        r"[îi]ltet(?:ilen|ilmiş)\s+(?:ileti|mesaj)",
        r"forwarded\s+message",
        r"reply\s+(?:message|above)",
        "元のメッセージ",
        "原始邮件",
        "原始郵件",
        "转发邮件",
        r"원본\s*메[시세]지",
    )
    + r"\s*[-_=*]{2,}\s*$",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"\s*+"
    + _any_of(
        r"begin\s+forwarded\s+message",
        r"d[ée]but\s+du\s+message\s+(?:r[ée]exp[ée]di[ée]|transf[ée]r[ée])",
        r"anfang\s+der\s+weitergeleiteten",
        r"inicio\s+del\s+mensaje\s+reenviado",
        r"inizio\s+messaggio\s+inoltrato",
    ),
    re.IGNORECASE,
)
_ABOVE_LINE = re.compile(
    r"\W*"
    + _any_of(
        r"(?:(?:please\s++)?(?:type\s++your\s++|write\s++your\s++)?reply|respond)\s++above\s++this\s++line",
        r"bitte\s+(?:antworten\s+sie\s+)?(?:oberhalb|über)\s+dieser\s+(?:zeile|linie)",
    ),
    re.IGNORECASE,
)
_LIST_FOOTER = re.compile(r"\s*+\S.{0,80}\bmailing list\s*+$", re.IGNORECASE)
_RULE = re.compile(r"\s*+[-_=*]{5,}+\s*+$")
_FROM = re.compile(
    r"\s*+[*_]{0,2}"
    + _any_of(
        *("from", "von", "de", "da", "van", "från", "fra", "lähettäjä", "od", "от", "від", "kimden"),
        *("feladó", "expéditeur", "remitente", "mittente", "afzender", "odesílatel", "nadawca"),
        *("από", r"de\s+la", "šalje", "dari", "từ", "מאת", "من", "จาก", "saatja", "siuntė"),
        *("差出人", "送信者", "发件人", "寄件者", "寄件人", r"보낸\s?사람"),
    )
    + r"\s*+[:：][*_]{0,2}(?:\s|$)",
    re.IGNORECASE,
)
# Headers whose words hardly stand for anything else at the beginning of a line.
_WORDS_OF_MAIL = _any_of(
    *("sent", "subject", "reply-to", r"gesendet(?:\s+am)?", "betreff", r"envoyé(?:\s+le)?"),
    *(
        r"enviad[ao](?:\s+(?:el|em|a|às?))?",
        r"inviato(?:\s+il)?",
        "verzonden",
        "onderwerp",
        "skickat",
        "ämne",
        "sendt",
    ),
    *("lähetetty", "wysłano", "odesláno", "отправлено", r"дата\s+отправки", "надіслано"),
    *(r"gönderme\s+tarihi", "elküldve", "στάλθηκε", "trimis", "subiect", "изпратено", "poslano"),
    *("odoslané", "enviat", "dikirim", "terkirim", "subjek", r"ngày\s+gửi", r"đã\s+gửi"),
    *("נשלח", r"تاريخ\s+الإرسال", "saadetud", "išsiųsta"),
    *("送信日時", "件名", "发送时间", "收件人", "主题", "主旨", "收件者", r"받는\s?사람", r"보낸\s?날짜"),
)
# And those that also stand in orders and bookings: "to: Split", "for: two", "matter: a taxi".
_MATTERS = _any_of(
    *("objet", "asunto", "assunto", "oggetto", "emne", "aihe", "temat", "předmět", "тема", "konu"),
    *("tárgy", "θέμα", "относно", "predmet", "zadeva", "assumpte", "perihal", r"chủ\s+đề", "נושא"),
    *("الموضوع", "เรื่อง", "teema", "tema", "제목"),
)
_OTHER_WORDS = _any_of(
    *("date", "to", "cc", "organization", "importance", "attachments", "datum", "an", "kopie"),
    *(r"antwort\s+an", "wichtigkeit", "à", "destinataire", "copie", "para", "fecha", "data", "per", "a"),
    *("aan", "till", "til", "dato", "päivä(?:ys|määrä)", "vastaanottaja", "kopio", "do", "komu", "дата"),
    *("кому", "копия", "kime", "címzett", "προς", "κοιν", "către", "до", "prima", "za", r"per\s+a"),
    *("kepada", "tới", "đến", "אל", "التاريخ", "إلى", "ส่ง", "วันที่", "ถึง", "adressaat", "kam"),
    *("日時", "宛先", "抄送", "日期", "날짜"),
)
_AT_A_MOMENT = re.compile(r".{6,60}?(?<!\d)\d{1,2}[:.h]\d\d(?!\d)")
_HEADER = re.compile(
    rf"\s*+[*_]{{0,2}}(?:(?P<of_mail>{_WORDS_OF_MAIL})|(?P<matter>{_MATTERS})|{_OTHER_WORDS})\s*+[:：]",
    re.IGNORECASE,
)
_SIGNATURE_MARK = re.compile(r"\s{0,3}(?:--|—|––|__)[ \t\xa0]*$")
_DASHED_NAME = re.compile(r"-[^\W\d_]\w*\.?(?: \w+\.?){0,3}\s*$")
_SENT = _any_of(
    *("sent", "envoyé", "enviado", "inviato", "verzonden", "gesendet", "skickat", "sendt"),
    *("lähetetty", "wysłan[eoy]", "odesláno", "отправлено", "надіслано"),
)
_BY = _any_of(
    *("from", "via", "with", "by", "using", "de(?:puis)?", "mon", "von", "mit", "über", "aus"),
    *("desde", "mi", "do", "da", "dal", "del", "con", "vanaf", "van", "mijn", "met", "från", "min"),
    *("fra", "z", "ze", "с", "из", "through"),
)
_GET = _any_of(
    *("téléchargez?", "télécharger", "obtenir", "obtener", r"holen\s+sie\s+sich", "hämta", "hent"),
    *("ottieni", "obter", "download", "pobierz", "get", r"outlook\s+(?:voor|für|pour|para|per)"),
)
_SENT_FROM = re.compile(
    r"\s*+(?=.{0,160}$)[*_(\[<]{0,2}"
    + _any_of(
        rf"{_SENT}\s.{{0,20}}?{_BY}\b[^,;!?]{{0,60}}",
        r"vo[nm]\s+mein[\w/]*\s.{0,40}\sgesendet.{0,20}",
        r"diese\s+nachricht\s+wurde\s+von\s+meinem.{0,80}",
        r"von\s+(?:unterwegs|samsung\s+mobile)\s+gesendet",
        rf"{_GET}.{{0,40}}(?:ios|android|iphone|outlook).{{0,60}}",
        r"iphone\s*から送信",
        r"(?:从)?我的\s*\S{1,20}\s*发送",
        r"发自我的\s*\S{1,20}",
        r"나의\s*iphone에서\s*보냄",
    )
    + r"\s*[)*_>\]]{0,2}\s*$",
    re.IGNORECASE,
)
# The first letters of all that `_FORWARD`, `_ABOVE_LINE` and `_SENT_FROM` say in ASCII.
_TELLING = frozenset(
    {"beg", "deb", "anf", "ini", "rep", "res", "ple", "typ", "wri", "bit", "sen", "env", "inv", "ver"}
    | {"ges", "ski", "wys", "ode", "von", "vom", "die", "obt", "hol", "hen", "ott", "dow", "pob", "get"}
    | {"out", "iph"}
)


def reply_text(text: str) -> str:
    """What was written anew: without quotations and without the signature.

    A text that is nothing but a quotation, such as a bare forward, is given back whole.
    """
    reply = "\n".join([line for kind, line in _told_apart(text) if kind == "reply"]).strip()
    return reply or text.strip()


def split(text: str) -> tuple[Segment, ...]:
    """All of ``text`` as segments in order, so that a page can fold what is not the reply."""
    groups = groupby(_told_apart(text), key=lambda pair: pair[0])
    return tuple([Segment(kind, "\n".join([line for _, line in group])) for kind, group in groups])


def _told_apart(text: str) -> Iterator[tuple[Kind, str]]:
    """Each line, and of which kind it is."""
    lines = text.replace("\r\n", "\n").split("\n")
    kinds = _Kinds(lines[:MAXIMUM_LINES]).all()
    kinds += kinds[-1:] * (len(lines) - len(kinds))
    return zip(kinds, lines, strict=True)


def begins_as_prose(line: str) -> bool:
    """Whether a line begins like a sentence: with a letter, and with no word that tells anything here.

    A cheap question before the dear ones: whatever `_QUOTED`, `_SEPARATOR`, `_FORWARD`, `_ABOVE_LINE`,
    `_RULE`, `_SIGNATURE_MARK`, `_DASHED_NAME` or `_SENT_FROM` matches does not begin so.
    """
    beginning = line[:3]
    return line[:1].isalpha() and beginning.isascii() and beginning.lower() not in _TELLING


_begins_as_prose = lru_cache(maxsize=4_096)(begins_as_prose)


def _visible(line: str) -> str:
    """A line without the marks that turn the direction of reading: mailers put them around anything."""
    return line if line.isascii() else _DIRECTIONS.sub("", line)


class _Kinds:
    """Decides line by line. Most lines show no sign of anything; they are passed over."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = [_visible(line[:MAXIMUM_LINE]) for line in lines]
        self.kinds: list[Kind] = ["reply"] * len(lines)
        self.last = [line.rstrip()[-1:] for line in self.lines]  # characters; none of a blank line
        self.ends = {  # lines with which an attribution may end
            index
            for index, line in enumerate(self.lines)
            if (self.last[index] in _LAST_OF_ENDS or not line.isascii()) and _ENDS.search(line)
        }
        self.signs = {
            index
            for index, line in enumerate(self.lines)
            if (":" in line or "：" in line or not _begins_as_prose(line[:3])) and self.last[index]
        }
        self.position = 0

    def all(self) -> list[Kind]:
        for index in self._telling():
            if index >= self.position:
                self.position = index
                self._step()
        self._mark_signatures()
        if self.kinds.count("reply") < len(self.kinds):
            self._join_blank_lines()
        return self.kinds

    def _telling(self) -> list[int]:
        """The lines that show a sign, and those from which an attribution may go on to its end."""
        windows = (range(max(end - MAXIMUM_ATTRIBUTION + 1, 0), end + 1) for end in self.ends)
        return sorted(self.signs.union(index for window in windows for index in window if self.last[index]))

    def _step(self) -> None:
        is_telling = self.position in self.signs
        if is_telling and self._is_quoted(self.position):
            self._mark(1)
        elif is_telling and self._begins_rest():
            self._mark(len(self.lines) - self.position)
        elif count := self._attribution_length():
            self._mark_attribution(count)
        else:
            self.position += 1

    def _mark(self, count: int) -> None:
        for index in range(self.position, min(self.position + count, len(self.lines))):
            self.kinds[index] = "quotation"
        self.position += count

    def _is_quoted(self, index: int) -> bool:
        line = self.lines[index]
        if line[:1] != ">" and not _QUOTED.match(line):
            return False
        is_mbox_escape = line.startswith(">From ") and not self._near_is_quoted(index)
        return not is_mbox_escape

    def _near_is_quoted(self, index: int) -> bool:
        near = self.lines[max(index - 1, 0) : index] + self.lines[index + 1 : index + 2]
        return any(_QUOTED.match(line) for line in near)

    def _begins_rest(self) -> bool:
        """Whether all from here on is the message that is answered."""
        line = self.lines[self.position]
        if _SEPARATOR.match(line) or _FORWARD.match(line) or _ABOVE_LINE.match(line):
            return True
        if _has_colon(line):
            return self._is_header_block(self.position, 3)
        if _RULE.match(line):
            following = self._next_text(self.position + 1)
            return following is not None and self._is_header_block(following, 2)
        return False

    def _is_header_block(self, start: int, wanted: int) -> bool:
        """Whether so many headers, ``From:`` among them, stand from here on.

        One must be only of mail, or hold an address, or of four one says what about and one when, to the
        minute: people book "from", "to" and "for" on lines like these.
        """
        if not (_FROM.match(self.lines[start]) or _HEADER.match(self.lines[start])):
            return False
        near = [line for line in self.lines[start : start + 14] if line.strip()][:9]
        senders = [line for line in near if _FROM.match(line)]
        headers = [found for line in near if (found := _HEADER.match(line))]
        if not senders or len(headers) + 1 < wanted:
            return False
        lines = senders + [found.string for found in headers]
        if any(found["of_mail"] for found in headers) or any("@" in line for line in lines):
            return True
        is_dated = any(_AT_A_MOMENT.match(line) for line in lines)
        return len(headers) >= 3 and is_dated and any(found["matter"] for found in headers)

    def _next_text(self, index: int) -> int | None:
        for following in range(index, min(index + 4, len(self.lines))):
            if self.last[following]:
                return following
        return None

    def _attribution_length(self) -> int:
        """Over how many lines "On … wrote:" goes from here; 0 when it does not begin here."""
        if self.ends.isdisjoint(range(self.position, self.position + MAXIMUM_ATTRIBUTION)):
            return 0
        window = self.lines[self.position : self.position + MAXIMUM_ATTRIBUTION]
        for count in range(1, len(window) + 1):
            last = window[count - 1]
            if not last.strip() or _QUOTED.match(last):
                return 0
            if self.position + count - 1 not in self.ends:
                continue
            text = " ".join(line.strip() for line in window[:count])[:MAXIMUM_LINE]
            if self._is_attribution(text, self.position + count):
                return count if count == 1 or self._opens(text, window[1:count]) else 0
        return 0

    def _opens(self, text: str, others: list[str]) -> bool:
        """Whether an attribution over several lines begins with the first of them."""
        if _OPENS.match(text):
            return True
        rest = " ".join(line.strip() for line in others)
        is_complete = _ATTRIBUTION.match(rest) or _dated(rest)
        return _NAMES.match(text) is not None and not is_complete

    def _is_attribution(self, text: str, following: int) -> bool:
        if _ATTRIBUTION.match(text):
            return True
        next_text = self._next_text(following)
        is_followed = next_text is not None and self._is_quoted(next_text)
        dated = _dated(text)
        if dated and (dated["colon"] or is_followed):
            return True
        return is_followed and bool(_ATTRIBUTION_WITHOUT_DATE.match(text) or _ADDRESS_AND_TIME.match(text))

    def _mark_attribution(self, count: int) -> None:
        following = self._next_text(self.position + count)
        if following is None or self._is_quoted(following):
            self._mark(count)
        else:
            self._mark(len(self.lines) - self.position)

    def _mark_signatures(self) -> None:
        is_open = has_reply = False
        for index, last in enumerate(self.last if self.signs else ()):
            if self.kinds[index] == "quotation":
                is_open = False
            elif last and not is_open:
                is_open = index in self.signs and self._begins_signature(index, has_reply=has_reply)
                has_reply = has_reply or not is_open
            if is_open:
                self.kinds[index] = "signature"

    def _begins_signature(self, index: int, *, has_reply: bool) -> bool:
        line = self.lines[index]
        if _SIGNATURE_MARK.match(line):
            return has_reply
        if _RULE.match(line):
            following = self._next_text(index + 1)
            return following is not None and bool(_LIST_FOOTER.match(self.lines[following]))
        is_dashed = self._is_dashed_name(index, line)
        return bool(is_dashed or _SENT_FROM.match(line)) and self._is_near_end(index)

    def _is_dashed_name(self, index: int, line: str) -> bool:
        """``-Ada`` below a blank line; several of them are a list."""
        if not index or self.last[index - 1] or not _DASHED_NAME.match(line):
            return False
        following = self._next_text(index + 1)
        return following is None or not _DASHED_NAME.match(self.lines[following])

    def _is_near_end(self, index: int) -> bool:
        """Whether at most three lines of text follow in this part of the reply."""
        count = 0
        for following in range(index + 1, len(self.lines)):
            if self.kinds[following] == "quotation":
                break
            count += bool(self.last[following])
            if count > 3:
                return False
        return True

    def _join_blank_lines(self) -> None:
        """Blank lines are the reply's only next to it."""
        before: Kind = "reply"
        blank: list[int] = []
        for index, (last, kind) in enumerate(zip(self.last, self.kinds, strict=True)):
            if not last:
                blank.append(index)
                continue
            if "reply" not in (before, kind) or before == kind:
                for number in blank:
                    self.kinds[number] = before
            before = kind
            blank.clear()
        for number in blank:
            self.kinds[number] = before


def _has_colon(line: str) -> bool:
    return ":" in line or "：" in line


def _dated(text: str) -> re.Match[str] | None:
    """A date and an address, as Gmail attributes; no question to a line without an address."""
    return _DATE_AND_ADDRESS.match(text) if "<" in text and "@" in text else None
