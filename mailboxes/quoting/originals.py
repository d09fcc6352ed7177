"""Where the message begins that is answered or forwarded: below a separator, or with its headers."""

import re

from mailboxes.quoting.headers import has_colon, has_dated_header, is_header_block
from mailboxes.quoting.lines import DRAWN, Lines, any_of, is_rule

_SEPARATOR = re.compile(
    rf"\s*+{DRAWN}{{2,}}+\s*+"
    + any_of(
        r"original(?:\s+(?:message|mail|appointment)|[\s-]?nachricht|meddelelse|melding|meldung)?",
        r"(?:urspr(?:ü|ue)ngliche|weitergeleitete)\s+(?:nachricht|mitteilung|(?:e-?)?mail)",
        r"(?:message|(?:e-?)?mail)\s+(?:d['’]origine|original|transf[ée]r[ée]|initial)",
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
        r"원본\s*메(?:[시세]지|일)",
    )
    + rf"\s*{DRAWN}{{2,}}\s*$",
    re.IGNORECASE,
)
# Any words between drawn lines: a title only if headers follow, with a date, for which forms do not ask.
_TITLE = re.compile(rf"\s*+{DRAWN}{{2,}}+\s*+[^\W\d_].{{0,60}}?(?<!{DRAWN}){DRAWN}{{2,}}+\s*+$")
_FORWARD = re.compile(
    r"\s*+"
    + any_of(
        r"begin\s+forwarded\s+message",
        r"d[ée]but\s+du\s+message\s+(?:r[ée]exp[ée]di[ée]|transf[ée]r[ée])",
        r"anfang\s+der\s+weitergeleiteten",
        r"inicio\s+del\s+mensaje\s+reenviado",
        r"inizio\s+messaggio\s+inoltrato",
    ),
    re.IGNORECASE,
)
_ABOVE_LINE = re.compile(
    r"##-\s.{1,200}\s-##\s*$|\W*"  # the first of Zendesk, in any language
    + any_of(
        r"(?:(?:please\s++)?(?:type\s++your\s++|write\s++your\s++)?reply|respond)\s++above\s++this\s++line",
        r"bitte\s+(?:antworten\s+sie\s+)?(?:oberhalb|über)\s+dieser\s+(?:zeile|linie)",
    ),
    re.IGNORECASE,
)


def begins_original(lines: Lines, position: int) -> bool:
    """Whether all from here on is the message that is answered."""
    line = lines.texts[position]
    if is_separator(lines, position):
        return True
    if has_colon(line):
        return is_header_block(lines, position, 3)
    has_title = _TITLE.match(line) is not None
    following = lines.next_text(position + 1) if has_title or is_rule(line) else None
    if following is None or (has_title and not has_dated_header(lines, following)):
        return False
    return is_header_block(lines, following, 3 if has_title else 2)


def is_separator(lines: Lines, position: int) -> bool:
    """Whether a line says that the message begins which is answered or forwarded."""
    line = lines.texts[position]
    found = _SEPARATOR.match(line) or _FORWARD.match(line)
    return found is not None or is_line_to_write_above(lines, position)


def is_line_to_write_above(lines: Lines, position: int) -> bool:
    """Whether a line is that of a help desk, above which one is to answer."""
    return _ABOVE_LINE.match(lines.texts[position]) is not None
