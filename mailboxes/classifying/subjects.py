"""Subjects and sentences of automatic mail, by language: weak signs, each needs another one."""

from __future__ import annotations

import re

_AUTOMATIC_REPLIES = {
    "en": (
        r"auto(?:\s?-?\s?(?:reply|response|responder|answer|generated))?\s?:",
        r"auto(?:[-\s]?|matic |mated )(?:reply|response|responder|answer|message) (?:from|by|to your)\b",
        r"out[\s-]of[\s-](?:the[\s-])?office",
        r"ooo\b",
        r"away from (?:the |my )?(?:office|mail|email|desk)",
        r"(?:i am|i'm) (?:away|on (?:holiday|vacation|leave)|out of)",
        r"vacation(?: (?:reply|message|notice|response|auto).*|)\W*$",
    ),
    "de": (
        r"(?:automatische?|autom\.)r? ?(?:antwort|reply|beantwortung|abwesenheits\w*|e-?mail)",
        r"(?:automatische?|autom\.)r? ?(?:meldung|nachricht)",
        r"abwesenheits\w+",
        r"nicht im (?:büro|buero|haus)",
        r"urlaubs(?:meldung|notiz|vertretung)\b",
    ),
    "nl": (
        r"automatische? (?:antwoord|reactie)",
        r"afwezigheids\w+",
        r"buiten kantoor",
    ),
    "fr": (
        r"r[ée]ponse automatique",
        r"absen(?:te?|ce) du bureau",
        r"message d['’]absence",
    ),
    "es": (
        r"respuesta autom[áa]tica",
        r"auto\s?respuesta",
        r"(?:fuera|ausente) de (?:la )?oficina",
        r"estoy de vacaciones",
    ),
    "it": (
        r"risposta automatica",
        r"risponditore automatico",
        r"fuori (?:sede|ufficio)",
    ),
    "pt ca": (
        r"resposta autom[áàa]tica",
        r"fora do escrit[óo]rio",
    ),
    "sv": (
        r"autosvar",
        r"automatiskt? svar",
        r"frånvaromed\w+",
    ),
    "da no": (
        r"fraværs\w+",
        r"automatisk svar",
    ),
    "fi": (
        r"automaatti(?:nen )?vastaus",
        r"poissa toimistolta",
        r"poissaolo(?:viesti|ilmoitus)",
    ),
    "pl": (
        r"odpowied[źz] automatyczna",
        r"automatyczna odpowied[źz]",
        r"autoodpowied[źz]",
        r"poza biurem",
        r"nieobecno[śs][ćc] w (?:biurze|pracy)",
    ),
    "cs sk": (
        r"automatick[áa] odpov[ěe][ďd]",
        r"mimo kancel[áa][řr]",
    ),
    "hu": (r"automatikus v[áa]lasz", r"h[áa]zon k[íi]v[üu]l"),
    "ro": (r"r[ăa]spuns automat", r"[îi]n afara biroului"),
    "ru uk": (
        r"автоматический ответ",
        r"автоответ\w*",
        r"автоматична відповідь",
        r"вне офиса",
        r"отсутстви\w+ на (?:работе|рабочем)",
    ),
    "el": (r"αυτόματη απάντηση",),
    "hr sr sl": (r"automatski odgovor", r"samodejni odgovor", r"аутоматски одговор"),
    "bg": (r"автоматичен отговор",),
    "lt lv et": (r"automatinis atsakymas", r"autom[āa]tisk[āa] atbilde", r"automaat(?:ne )?vastus"),
    "id vi th": (r"(?:balasan|jawaban) otomatis", r"trả lời tự động", r"ตอบกลับอัตโนมัติ"),
    "tr": (r"otomatik (?:yan[ıi]t|cevap)", r"ofis d[ıi][şs][ıi]nda"),
    "he ar": (r"תשובה אוטומטית", r"رد تلقائي"),
    "ja": (r"自動(?:返信|応答|回覆)", r"不在(?:通知|のお知らせ|連絡)"),
    "zh": (r"自动(?:回复|答复|回覆)",),
    "ko": (r"자동\s?(?:회신|응답)", r"부재중"),
}

# People write "Absence of a delivery note", too. Alone, or before a mark, a date, a reason or "Re:", these
# words tell more than before anything else.
_NOUNS_OF_ABSENCE = {
    "en": (
        r"auto(?:[-\s]?|matic |mated )(?:reply|response|responder|answer|message)",
        r"on (?:vacation|holiday|(?:maternity |parental |annual )?leave)",
    ),
    "de nl": ("abwesenheit", "abwesend", "im urlaub", "afwezigheid", "niet aanwezig", "afwezig"),
    "fr es it": ("absence", "ausente", "assente", "assenza"),
    "pt": (r"aus[êe]ncia(?: tempor[áa]ria)?", r"f[ée]rias"),
    "sv": ("frånvaro", r"fr[åa]nvarande", "semester"),
    "da no": ("fravær(?:ende)?", "ikke til stede", "ferie(?:svar)?"),
    "fi": (r"poissa(?:\s?olo)?", "lomalla"),
    "pl cs sk": (r"nieobecno[śs][ćc]", r"nep[řr][íi]tomnost"),
    "el zh": ("απουσία", "外出中?"),
}
_END = (
    r"(?:\W*+$|\s*+[:：!.,;()\[\]|。，（）]|\s++(?:[-–—]|\d{1,2}[./]"
    r"|(?:re|aw|sv|wg|fw|until|till?|bis|jusqu|hasta|at[ée]|tot|fino|do|wegens?|vanaf|t/m|t\.o\.m)\b"
    r"|(?:per|por) (?:ferie|malattia|vacaciones|enfermedad|f[ée]rias|doença)\b|v\.\s?\d"
    r"|(?:from|vom|von|ab|fra|från|du|del|dal|de|od)\s.{0,12}?\d))"
)
_SOMEBODY_IS_AWAY = (
    r".{1,60}\b(?:is (?:currently )?(?:(?:out of|away from) (?:the |my )?office|on (?:vacation|leave))"
    r"|ist (?:derzeit )?(?:au(?:ß|ss)er haus|nicht im (?:büro|haus)|abwesend|im urlaub))\W*+$"
)

_BOUNCES = {
    "en": (
        r"undeliver(?:able|ed)\b",
        r"(?:e?-?mail|message) (?:is |was )?(?:undeliverable|undelivered)",
        r"deliver(?:y|ing) (?:status|failure|failed|has failed|report|notification|warning|error)",
        r"delivery (?:problem|delayed|delay|temporarily)",
        r"(?:mail|message|e-?mail) (?:delivery|system|could not|not delivered|undeliverable)",
        r"(?:mail|message|e-?mail) (?:status|error|failure|transaction failed|rejected|delayed)",
        r"(?:mail|message|e-?mail) (?:not sent|returned)",
        r"(?:warning|notice|notification|error)\s?[:,-]?.{1,40}"
        r"(?:not (?:been )?sent|delivery|undeliver|delayed|deliver|returned)",
        r"failure (?:notice|delivery)",
        r"fail(?:ed|ure)\b.{0,30}deliver",
        r"non-?\s?deliver(?:y|able)",
        r"returned (?:mail|e-?mail|message|to sender)",
        r"return(?:ed)?:? (?:to sender|mail)",
        r"bounced?:? (?:mail|message|notification)",
        r"dsn\b",
        r"(?:could not|cannot|can't|unable to) (?:be )?(?:deliver|send)",
        r"your (?:message|e?-?mail|mail)\b.{0,80}"
        r"(?:could not|not (?:be )?deliver|cannot|was not|has been (?:rejected|returned|blocked)"
        r"|rejected|undeliver)",
        r"permanent(?: delivery)? (?:fail|error)",
        r"user unknown",
        r"unknown (?:user|recipient|address)",
        r"invalid (?:address|recipient|mailbox)",
        r"address (?:not found|unknown)",
        r".{0,200}[-:(]\s?(?:user unknown|non remis|undeliverable|not delivered)\b",
        r".{0,200}[-:(]\s?delivery fail(?:ed|ure)\b",
    ),
    "de": (
        r"nicht zustellbar",
        r"unzustellbar\w*",
        r"zustell(?:fehler|ung|status)",
        r"fehler bei der zustellung",
        r"nachricht nicht",
    ),
    "fr": (
        r"non (?:remis|distribu)",
        r"[ée]chec (?:de (?:la )?)?(?:remise|livraison|distribution|d'envoi)",
        r"courrier non",
        r"avis de non",
        r"notification d['’][ée]chec",
        r"d[ée]lai de remise",
    ),
    "es": (
        r"no se (?:pudo|puede|ha podido) entregar",
        r"error (?:de|en) (?:la )?entrega",
        r"(?:correo )?devuelto",
        r"no entregado",
    ),
    "it": (
        r"mancat[ao] (?:consegna|recapito)",
        r"impossibile (?:recapitare|consegnare)",
        r"messaggio non",
        r"non recapitabile",
    ),
    "pt": (
        r"n[ãa]o (?:foi )?(?:poss[íi]vel )?entreg",
        r"falha (?:na|de|no) (?:entrega|envio)",
        r"mensagem n[ãa]o",
        r"devolvida",
    ),
    "nl": (r"niet (?:bezorgd|te bezorgen|afgeleverd|bestelbaar)", r"onbestelbaar"),
    "sv da no": (
        r"olevererbart?",
        r"ej levererat",
        r"kan ikke leveres",
        r"kunne ikke leveres",
        r"ikke lever(?:e)?t",
        r"kunde inte levereras",
        r"meddelandet kunde inte",
    ),
    "fi": (r"ei voitu toimittaa", r"toimittaminen", r"perille toimittamat\w+"),
    "pl": (r"niedostarcz\w*", r"nie dor[ęe]czono", r"zwrot (?:wiadomo[śs]ci|poczty|e?-?maila)"),
    "cs sk": (r"nedoru[čc]ite[lľ]n\w*", r"nedoru[čc]en\w*"),
    "hu": (r"k[ée]zbes[íi]t(?:hetetlen|[ée]si hiba)",),
    "tr": (r"teslim edilemedi", r"teslim edilemeyen ileti"),
    "ro": (r"nelivrabil\w*",),
    "ru uk": (
        r"не (?:доставлен|удалось достав|может быть|вдалося достав)",
        r"недоставлен\w*",
        r"ошибка доставки",
        r"отчет о доставке",
    ),
    "ja": (
        r"配信(?:不能|できません|エラー|失敗)",
        r"配達不能",
        r"未配(?:信|達)",
        r"送信(?:できません|エラー|失敗)",
    ),
    "zh": (r"(?:系统)?退信", r"投递失败", r"无法(?:投递|传递|送达)", r"傳送失敗"),
    "ko": (r"배달\s?(?:되지|실패|불가)", r"반송"),
}

_ABSENCE = {
    "en": (
        r"out of (?:the |my )?office",
        r"on (?:annual |maternity |parental )?(?:leave|vacation|holiday)",
        r"(?:i am|i'm|i will be) (?:currently )?(?:away|out|unavailable)",
        r"limited access to (?:my )?e-?mail",
        r"no longer (?:work|with|employed)",
        r"back (?:on|in the office|at work)\b",
        r"(?:received|get back to) you",
        r"automatic(?:ally)? (?:generated )?(?:reply|response|message)",
        r"this is an auto",
        r"do not reply to this",
        r"will (?:respond|reply|answer).{0,40}(?:when|upon|after|on my return)",
    ),
    "de": (
        r"nicht im (?:büro|haus)",
        r"im urlaub",
        r"abwesend",
        r"außer haus",
        r"wieder (?:im büro|erreichbar|da)",
    ),
    "fr": (r"absente? (?:du|de|jusqu)", r"de retour le", r"en cong[ée]"),
    "es": (r"(?:fuera|ausente) de (?:la )?oficina", r"de vacaciones"),
    "it": (r"fuori (?:ufficio|sede)", r"sono assente", r"in ferie"),
    "pt": (r"fora do escrit", r"de f[ée]rias", r"estou ausente"),
    "nl": (r"niet (?:aanwezig|op kantoor)", r"afwezig", r"(?:met|op) vakantie"),
    "sv da no": (
        r"på semester",
        r"på ferie",
        r"ikke på kontoret",
        r"inte på kontoret",
        r"jag är frånvarande",
    ),
    "fi pl cs": (r"lomalla", r"poza biurem", r"na urlopie", r"mimo kancelář", r"dovolen"),
    "hu": (r"szabadságon", r"(?:házon|irodán) kívül", r"távol vagyok"),
    "ro": (r"în concediu", r"în afara biroului"),
    "ru uk bg": (r"в отпуск", r"у відпустці", r"вне офиса", r"отсутствую"),
    "tr": (r"ofis dışında", r"ofiste değil", r"izindeyim", r"izinliyim", r"tatildeyim"),
    "el": (r"λείπω", r"απουσιάζω", r"εκτός γραφείου", r"σε άδεια"),
    "ko": (r"휴가", r"부재"),
    "ja zh": (r"不在", r"休暇", r"自動返信", r"自动回复", r"外出", r"休假"),
}

_FAILURES = {
    "en": (
        r"(?:n(?:o|['’])t|unable to|failed to)\s(?:be(?:en)?\s)?(?:deliver|sen[dt])",
        r"fail(?:ure|ed)? (?:in|of|during|on|permanently)\s*(?:deliver|sen[dt])",
        r"undeliver(?:able|ed)",
        r"did ?n(?:o|')t reach the following",
        r"delivery of (?:e?-?mail|the|your|this).{0,120}(?:postponed|delayed|failed)",
        r"delivery (?:has )?(?:failed|failure|error|status|attempt|delayed)",
        r"delivery to the following",
        r"user unknown",
        r"no such (?:user|mailbox|address|recipient)",
        r"returned (?:to sender|mail)",
        r"permanent (?:fatal )?errors?",
        r"fatal errors",
        r"message (?:was |has been )?(?:rejected|returned|bounced|delayed)",
        r"mailbox (?:is )?(?:full|unavailable)",
        r"address(?:es)? (?:had|failed|rejected|not found|does not exist)",
    ),
    "de": (
        r"nicht (?:zugestellt|zustellbar)",
        r"unzustellbar",
        r"fehler bei der (?:nachrichten)?zustellung",
        r"empfänger (?:nicht erreicht|konnten nicht)",
    ),
    "fr": (
        r"n['’]a pas (?:pu [êe]tre|[ée]t[ée]) (?:remis|d[ée]livr|distribu|transmis)",
        r"non remis",
        r"[ée]chec de la remise",
    ),
    "it": (r"non (?:è stato )?(?:recapitat|consegnat)",),
    "es": (r"no (?:se )?(?:pudo|ha podido).{0,20}entreg",),
    "pt": (r"não (?:foi )?.{0,20}entreg",),
    "nl": (r"niet (?:worden )?(?:afgeleverd|bezorgd)",),
    "hu": (r"nem (?:sikerült )?k[ée]zbes[íi]t", r"k[ée]zbes[íi]thetetlen"),
    "tr": (r"teslim edile(?:medi|mez)",),
    "ru": (r"не (?:был[оа]? )?доставлен", r"не удалось достав"),
    "ja zh": (r"配信できません", r"送信できません", r"无法投递", r"退信"),
}


def _any_of(by_language: dict[str, tuple[str, ...]]) -> str:
    return "|".join(pattern for patterns in by_language.values() for pattern in patterns)


# What every sentence above holds; it is found much faster than the sentences.
_FAILURE_STEM = re.compile(
    r"[Dd](?:eliver|ELIVER)|[Uu]nknown|not reach|no such|[Rr]eturned|[Pp]ermanent|[Ff]atal error"
    r"|[Mm]essage (?:was |has been )?(?:rejected|bounced|delayed)|[Mm]ailbox|[Aa]ddress|n[o'\"]t be sen"
    r"|[Uu]nable to sen|[Ff]ailed to sen|zugestellt|zustell|mpfänger|remis|pas pu|recapit|consegn|entreg"
    r"|afgeleverd|bezorgd|zbes[íi]t|[Tt]eslim edile|достав|信できません|无法投递|退信"
)
_AUTOMATIC_REPLY = re.compile(
    rf"\W*+(?:{_any_of(_AUTOMATIC_REPLIES)}|(?:{_any_of(_NOUNS_OF_ABSENCE)}){_END}|{_SOMEBODY_IS_AWAY})",
    re.IGNORECASE,
)
_NOUN_OF_ABSENCE = re.compile(rf"\W*+(?:{_any_of(_NOUNS_OF_ABSENCE)})(?!\w)", re.IGNORECASE)
_BOUNCE = re.compile(
    rf"\W{{0,40}}(?!(?:fwd?|wg|rv)\s?:)(?:\[[^\]]{{0,40}}\]\W{{0,40}})?(?:re\s?:\W{{0,40}})?(?:{_any_of(_BOUNCES)})",
    re.IGNORECASE,
)
_ABSENCE_IN_BODY = re.compile(_any_of(_ABSENCE), re.IGNORECASE)
_FAILURE_IN_BODY = re.compile(_any_of(_FAILURES), re.IGNORECASE)


def automatic_subject(subject: str) -> str:
    """``automatic-reply``, ``bounce``, ``absence`` or ``""``: a weak sign (reliability §3.1 rule 29).

    ``absence``, the noun before any other words, is the weakest of them.
    """
    subject = subject[:300]
    if _BOUNCE.match(subject):
        return "bounce"
    if _AUTOMATIC_REPLY.match(subject):
        return "automatic-reply"
    return "absence" if _NOUN_OF_ABSENCE.match(subject) else ""


def speaks_of_absence(text: str) -> bool:
    """Whether the beginning of a body says what absence notes say."""
    return _ABSENCE_IN_BODY.search(" ".join(text[:4000].split())) is not None


def speaks_of_failure(text: str) -> bool:
    """Whether the beginning of a body says that mail could not be delivered."""
    beginning = " ".join(text[:3_000].split())
    return any(
        _FAILURE_IN_BODY.search(beginning, max(stem.start() - 140, 0), stem.end() + 60)
        for stem in _FAILURE_STEM.finditer(beginning)
    )
