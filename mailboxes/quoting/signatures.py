"""How people, telephones and mailing lists sign."""

import re

from mailboxes.quoting.lines import Kind, Lines, any_of, is_rule

_LIST_FOOTER = re.compile(r"\s*+\S.{0,80}\bmailing list\s*+$", re.IGNORECASE)
_SIGNATURE_MARK = re.compile(r"\s{0,3}(?:--|—|––|__)[ \t\xa0]*$")
_DIVIDER = re.compile(r"\s{0,3}(?:--|—|––|__)\s*$")
_DASHED_NAME = re.compile(r"-[^\W\d_]\w*\.?(?: \w+\.?){0,3}\s*$")
_SENT = any_of(
    *("sent", "envoyé", "enviado", "inviato", "verzonden", "gesendet", "skickat", "sendt"),
    *("verstuurd", "wysłan[eoy]", "odesláno", "отправлено", "надіслано", "trimis"),
)
_BY = any_of(
    *("from", "via", "with", "by", "using", "de(?:puis)?", "mon", "von", "mit", "über", "aus"),
    *("desde", "mi", "do", "da", "dal", "del", "con", "vanaf", "van", "mijn", "met", "från", "min"),
    *("fra", "z", "ze", "з", "із", "с", "из", "through"),
)
_GET = any_of(
    *("téléchargez?", "télécharger", "obtenir", "obtener", r"holen\s+sie\s+sich", "hämta", "hent"),
    *("ottieni", "obter", "download", "pobierz", "get", r"outlook\s+(?:voor|für|pour|para|per)"),
)
_DEVICE = any_of(
    *("i(?:phone|pad|pod)", "android", "samsung", "galaxy", "huawei", "xiaomi", "redmi", "nokia", "pixel"),
    *(
        "blackberry",
        "xperia",
        "motorola",
        "oneplus",
        "windows phone",
        "outlook",
        "thunderbird",
        "yahoo",
        "aol",
    ),
    *("gmx", r"web\.de", "proton", "superhuman", r"mail\.ru", "(?:g|hot)mail"),
    *(r"mail\s(?:for|für|pour|para|per|voor|från|fra|app)", r"\bapp(?:li\w+)?\b"),
    *(
        r"\bmobi[el]\w*",
        r"m[óo]vil",
        "handy",
        "celular",
        "cellulare",
        "smartphone",
        r"my (?:\w{1,12} )?phone",
        "tablet",
    ),
    *(r"t[ée]l[ée](?:f|ph)[óo]n", "puhelim", "телефон", "мобил", "мобіл", "κινητ", "device", "appareil"),
)
_SENT_FROM = re.compile(
    r"\s*+(?=.{0,160}$)[*_(\[<]{0,2}"
    + any_of(
        rf"{_SENT}\s.{{0,20}}?{_BY}\b[^,;!?]{{0,30}}?{_DEVICE}[^,;!?]{{0,40}}"
        r"(?:\s?\(\s?https?://\S{1,100}\s?\))?(?:,\s(?:please\s)?(?:excuse|forgive|pardon|sorry)\b.{0,60})?",
        rf"lähetetty\s.{{0,20}}?{_DEVICE}\w{{0,9}}st[aä](?:ni)?",
        r"(?:iphone|ipad)['’]?(?:[uı]mdan|[üi]mden)\s+gönderildi",
        r"(?:az\s)?(?:iphone|ipad)\S{0,9}r[óő]l\s+küldve",
        rf"στάλθηκε\s+από\s.{{0,20}}?{_DEVICE}.{{0,30}}",
        rf"vo[nm]\s+mein[\w/]*\s.{{0,30}}?{_DEVICE}.{{0,30}}\sgesendet.{{0,20}}",
        r"diese\s+nachricht\s+wurde\s+von\s+meinem.{0,80}",
        r"von\s+(?:unterwegs|samsung\s+mobile)\s+gesendet",
        rf"{_GET}.{{0,40}}(?:ios|android|iphone|outlook).{{0,60}}",
        r"iphone\s*から送信",
        r"(?:从|從)?我的\s*\S{1,20}\s*(?:发送|傳送|寄出)",
        r"发自我的\s*\S{1,20}",
        r"나의\s*iphone에서\s*보냄",
    )
    + r"\s*[)*_>\]]{0,2}\s*$",
    re.IGNORECASE,
)


def begins_signature(lines: Lines, kinds: list[Kind], index: int, *, has_reply: bool) -> bool:
    """Whether a signature begins with this line; ``has_reply``: something was written above it."""
    line = lines.texts[index]
    if _SIGNATURE_MARK.match(line):
        return has_reply
    if is_rule(line):
        following = lines.next_text(index + 1)
        return following is not None and bool(_LIST_FOOTER.match(lines.texts[following]))
    is_dashed = _is_dashed_name(lines, index)
    return bool(is_dashed or _SENT_FROM.match(line)) and _is_near_end(lines, kinds, index)


def may_divide(line: str) -> bool:
    """Whether a line may be the mark of a signature, but not as programs write it: "-- " with its blank.

    Where there are several of them, people divide by them what they write.
    """
    return not line.startswith("-- ") and _DIVIDER.match(line) is not None


def _is_dashed_name(lines: Lines, index: int) -> bool:
    """``-Ada`` below a blank line; several of them are a list."""
    if not index or lines.last[index - 1] or not _DASHED_NAME.match(lines.texts[index]):
        return False
    following = lines.next_text(index + 1)
    return following is None or not _DASHED_NAME.match(lines.texts[following])


def _is_near_end(lines: Lines, kinds: list[Kind], index: int) -> bool:
    """Whether at most three lines of text follow in this part of the reply."""
    count = 0
    for following in range(index + 1, len(lines.texts)):
        if kinds[following] == "quotation":
            break
        count += bool(lines.last[following])
        if count > 3:
            return False
    return True
