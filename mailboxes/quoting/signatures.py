"""How people, telephones and mailing lists sign."""

import re

from mailboxes.quoting.lines import Kind, Lines, any_of, is_rule

_LIST_FOOTER = re.compile(r"\s*+\S.{0,80}\bmailing list\s*+$", re.IGNORECASE)
_SIGNATURE_MARK = re.compile(r"\s{0,3}(?:--|—|––|__)[ \t\xa0]*$")
_DIVIDER = re.compile(r"\s{0,3}(?:--|—|––|__)\s*$")
_DASHED_NAME = re.compile(r"-[^\W\d_]\w*\.?(?: \w+\.?){0,3}\s*$")
_SENT = any_of(
    *("sent", "envoyé", "enviado", "inviato", "verzonden", "gesendet", "skickat", "sendt"),
    *("verstuurd", "wysłan[eoy]", "odesláno", "odoslané", "poslano", "отправлено", "надіслано", "trimis"),
)
_BY = any_of(
    *("from", "via", "with", "by", "using", "de(?:puis)?", "mon", "von", "mit", "über", "aus"),
    *("desde", "mi", "do", "da", "dal", "del", "con", "vanaf", "van", "mijn", "met", "från", "min"),
    *("fra", "z", "ze", "iz", "s", "з", "із", "с", "из", "through", "avec", "vanuit"),
)
_GET = any_of(
    *("téléchargez?", "télécharger", "obten(?:ir|ez)", "obtener", r"holen\s+sie\s+sich", "hämta", "hent"),
    *("ottieni", "scarica", "obter", "baix[ae]r?", "download", "pobierz", "získa[tť]", "hanki", "get"),
    *("получить", "скачать", "获取"),
)
_DEVICE = any_of(
    *("i(?:phon|pad|pod)", "android", "samsung", "galaxy", "huawei", "xiaomi", "redmi", "nokia", "pixel"),
    *("alcatel", r"\bhtc\b", r"\blg\b", "lenovo", r"\boppo\b", "lumia", "fairphone"),
    *(r"windows\s(?:mail|phone|\d{1,2}\b)", r"\b(?:for|für|pour|para|per|voor|för|til) windows"),
    *(
        "blackberry",
        "xperia",
        "motorola",
        "oneplus",
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
        r"my (?:\w{1,12} )?(?:cell)?phone",
        r"my cell\b",
        r"\ba phone(?=\W*$)",
        "tablet",
    ),
    *(r"t[ée]l[ée](?:f|ph)[óo]n", "puhelim", "телефон", "мобил", "мобіл", "κινητ", "device", "appareil"),
)
# Programs that write mails and whose names are words, too: nothing stands behind them.
_PROGRAM = (
    any_of(
        *("airmail", "bluemail", "canary", "em client", "fairemail", r"k-9\s?mail", "mailbird", "mailspring"),
        *("mailbox", "nine", "spark", "front", "typeapp", "tutanota", "tuta", r"zoho(?:\s?mail)?"),
    )
    + r"(?=\W{0,3}$)"
)
# What guards against viruses puts below what it has read.
_CHECKED = any_of(
    r"this\s+e-?mail\s+(?:has\s+been|was)\s+(?:checked|scanned)\s+for\s+viruses\s+by\s+"
    r"(?:avast|avg|bitdefender|eset|kaspersky|mcafee|norton)\b[^.,!?]{0,40}\.?",
    r"diese\s+e-?mail\s+wurde\s+von\s+avast.{0,30}auf\s+viren\s+geprüft\.?",
    r"l['’]absence\s+de\s+virus\s+dans\s+ce\s+courrier.{0,90}",
    r"el\s+software\s+de\s+antivirus\s+avast\s.{0,80}",
    r"questa\s+e-?mail\s+è\s+stata\s+controllata\s.{0,60}avast.{0,30}",
    r"deze\s+e-?mail\s+is\s+gecontroleerd\s+op\s+virussen.{0,40}",
)
# No program says so of itself: a sentence of somebody that begins like one of its lines.
_COMPLAINT = re.compile(
    r"\b(?:but|not|no|never|nothing|still|twice|aber|nicht|kein\w*|will|maar|niet|geen|kapot|mais|pas|pero|nunca"
    r"|não|non|ma|men|ikke|inte|ale|nie|но|не)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"[(<\[]\s?https?://[^\s<>()\[\]]{1,300}\s?[)>\]]")
_SENT_FROM = re.compile(
    r"\s*+(?=.{0,160}$)[*_(\[<]{0,2}"
    + any_of(
        rf"{_SENT}\s(?!(?:my|our|your|the|an|it|you|to)\b).{{0,20}}?(?<!\w){_BY}\b"
        rf"[^,;!?]{{0,30}}?{_DEVICE}[^,;!?]{{0,40}}"
        r"(?:[,.]\s{1,2}(?:please\s)?(?:excuse|forgive|pardon|sorry)\b.{0,60}|,\san?\s[^,;!?]{1,40}phone)?",
        r"sent\sfrom\smy\s[\w&-]{2,15},\ssamsung\s[^,;!?]{0,30}",
        rf"{_SENT}\s{_BY}\s{_PROGRAM}",
        rf"lähetetty\s.{{0,20}}?{_DEVICE}\w{{0,9}}st[aä](?:ni)?",
        r"(?:iphone|ipad)['’]?(?:[uı]mdan|[üi]mden)\s+gönderildi",
        r"(?:az\s)?(?:iphone|ipad)\S{0,9}r[óő]l\s+küldve",
        r"elküldve\s+az\s+(?:iphone|ipad)\S{0,9}r[óő]l",
        rf"στάλθηκε\s+από\s.{{0,20}}?{_DEVICE}.{{0,30}}",
        rf"vo[nm]\s+mein[\w/]*\s.{{0,30}}?{_DEVICE}.{{0,30}}\sgesendet.{{0,20}}",
        r"diese\s+(?:nachricht|(?:e-?)?mail)\s+wurde\s+von\s+meinem.{0,60}\s(?:gesendet|verschickt|versandt)\.?",
        r"von\s+(?:unterwegs|samsung[\s-]\w{4,10})\s+gesendet",
        rf"(?:{_GET}\W.{{0,20}}?(?:outlook|bluemail).{{0,20}}?|outlook\s+(?:voor|für|pour|para|per)\s+)"
        r"(?:ios|android|iphone|windows|mac).{0,60}",
        r"iphone\s*から送信",
        r"(?:从|從)?我的\s*\S{1,20}\s*(?:发送|傳送|寄出)",
        r"发自我的\s*\S{1,20}",
        r"从\s?windows\s?版邮件发送",
        _CHECKED,
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
    said = _LINK.sub("", line) if "://" in line else line
    is_of_a_program = _SENT_FROM.match(said) is not None and not _COMPLAINT.search(said)
    return (is_of_a_program or _is_dashed_name(lines, index)) and _is_near_end(lines, kinds, index)


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
