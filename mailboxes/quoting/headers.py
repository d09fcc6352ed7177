"""The block of headers that some mailers set above what is answered: "From: …, Sent: …, Subject: …"."""

import re

from mailboxes.quoting.lines import DATE, Lines, any_of

_FROM = re.compile(
    r"\s*+[*_]{0,2}"
    + any_of(
        *("from", "von", "de", "da", "van", "från", "fra", "lähettäjä", "od", "от", "від", "kimden"),
        *("gönderen", r"от\s+кого", "nuo"),
        *("feladó", "expéditeur", "remitente", "mittente", "afzender", "odesílatel", "nadawca"),
        *("από", r"de\s+la", "šalje", "dari", "từ", "מאת", "من", "จาก", "saatja", "siuntė"),
        *("差出人", "送信者", "发件人", "寄件者", "寄件人", r"보낸\s?사람"),
    )
    + r"\s*+[:：][*_]{0,2}(?:\s|$)",
    re.IGNORECASE,
)
# Headers whose words hardly stand for anything else at the beginning of a line.
_WORDS_OF_MAIL = any_of(
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
    *(
        "gönderildi",
        "verschickt",
        "sujet",
        "odoslané",
        "enviat",
        "dikirim",
        "terkirim",
        "subjek",
        r"ngày\s+gửi",
        r"đã\s+gửi",
    ),
    *("נשלח", r"تاريخ\s+الإرسال", "saadetud", "išsiųsta"),
    *("送信日時", "件名", "发送时间", "收件人", "主题", "主旨", "收件者", r"받는\s?사람", r"보낸\s?날짜"),
)
# And those that also stand in orders and bookings: "to: Split", "for: two", "matter: a taxi".
_MATTERS = any_of(
    *("objet", "asunto", "assunto", "oggetto", "emne", "aihe", "temat", "předmět", "тема", "konu"),
    *("tárgy", "θέμα", "относно", "predmet", "zadeva", "assumpte", "perihal", r"chủ\s+đề", "נושא"),
    *("الموضوع", "เรื่อง", "teema", "tema", "제목"),
)
_OTHER_WORDS = any_of(
    *("date", "to", "cc", "organization", "importance", "attachments", "datum", "an", "kopie"),
    *(r"antwort\s+an", "wichtigkeit", "à", "destinataire", "copie", "para", "fecha", "data", "per", "a"),
    *("aan", "till", "til", "dato", "päivä(?:ys|määrä)", "vastaanottaja", "kopio", "do", "komu", "дата"),
    *("кому", "копия", "kime", "címzett", "προς", "κοιν", "către", "до", "prima", "za", r"per\s+a"),
    *("kepada", "tới", "đến", "אל", "التاريخ", "إلى", "ส่ง", "วันที่", "ถึง", "adressaat", "kam"),
    *("tarih", "alıcı", "日時", "宛先", "抄送", "日期", "날짜"),
)
_AT_A_MOMENT = re.compile(r".{6,60}?(?<!\d)\d{1,2}[:.h]\d\d(?!\d)")
_DATE = re.compile(DATE)
_WHOLE_DATE = re.compile(rf"(?=.{{0,60}}?{DATE}).{{6,60}}?(?<!\d)\d{{1,2}}[:.h]\d\d(?!\d)")
_HEADER = re.compile(
    rf"\s*+[*_]{{0,2}}(?:(?P<of_mail>{_WORDS_OF_MAIL})|(?P<matter>{_MATTERS})|{_OTHER_WORDS})\s*+[:：]",
    re.IGNORECASE,
)


def has_colon(line: str) -> bool:
    """Whether a line may be a header at all."""
    return ":" in line or "：" in line


def is_header_block(lines: Lines, start: int, wanted: int) -> bool:
    """Whether so many headers, ``From:`` among them, stand from here on.

    One must be only of mail, or hold an address, or of four one says what about and one when, to the
    minute: people book "from", "to" and "for" on lines like these.
    """
    if not (_FROM.match(lines.texts[start]) or _HEADER.match(lines.texts[start])):
        return False
    if _is_sender_and_date(lines, start):
        return True
    near = [line for line in lines.texts[start : start + 14] if line.strip()][:9]
    senders = [line for line in near if _FROM.match(line)]
    headers = [found for line in near if (found := _HEADER.match(line))]
    if not senders or len(headers) + 1 < wanted:
        return False
    told = senders + [found.string for found in headers]
    if any(found["of_mail"] for found in headers) or any("@" in line for line in told):
        return True
    is_dated = any(_AT_A_MOMENT.match(line) for line in told)
    return len(headers) >= 3 and is_dated and any(found["matter"] for found in headers)


def has_dated_header(lines: Lines, start: int) -> bool:
    """Whether one of the headers from here on says on which day."""
    return any(_HEADER.match(line) and _DATE.search(line) for line in lines.texts[start : start + 9])


def _is_sender_and_date(lines: Lines, start: int) -> bool:
    """Two lines are enough: whose address it is, and the day, year and time.

    They stand apart from the text around them: people order a courier "from" and for a "date".
    """
    if start and lines.last[start - 1]:
        return False
    first, second, third = (*lines.texts[start : start + 3], "", "")[:3]
    is_dated = _HEADER.match(second) and _WHOLE_DATE.match(second)
    is_apart = not third.strip() or _HEADER.match(third)
    return "@" in first and bool(is_dated and is_apart and _FROM.match(first))
