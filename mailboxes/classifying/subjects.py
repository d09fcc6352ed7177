"""Subjects of automatic mail, by language: weak signs, each needs another one (all but `REPORT`)."""

from __future__ import annotations

import re

from mailboxes.classifying.sentences import any_of

BOUNCE, REPLY, AWAY, ABSENCE = "bounce", "automatic-reply", "away", "absence"
REPORT, RECEIPT = "report", "receipt"

_AUTOMATIC_REPLIES = {
    "en": (
        r"auto(?:\s?-?\s?(?:reply|response|responder|answer|generated))?\s?:",
        r"auto(?:[-\s]?|matic |mated )(?:reply|response|responder|answer|message) (?:from|by|to your)\b",
        r"out[\s-]of[\s-](?:the[\s-])?office(?!\s(?:supplies|chair|furniture|equipment|space|stationery))",
        r"oo[of]\b",
        r"away from (?:the |my )?(?:office|mail|email|desk)",
        r"(?:i am|i'm) (?:away|out of)",
        r"vacation (?:reply|message|notice|response|auto)",
    ),
    "de": (
        r"auto-?antwort",
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
_WORDS_OF_A_REPLY = r"auto(?:[-\s]?|matic |mated )(?:reply|response|responder|answer|message)"
_NOUNS_OF_ABSENCE = {
    "en": (
        r"(?:i am |i'm )?on (?:vacation|holiday|(?:maternity |parental |annual )?leave)",
        r"vacation|away|(?:maternity|paternity|parental|annual) leave",
    ),
    "de nl": (
        *("abwesenheit", "abwesend", "(?:im )?urlaub", "afwezigheid", "niet aanwezig", "afwezig"),
        *("niet op kantoor", "op vakantie"),
    ),
    "fr es it": ("absence", "(?:en )?cong[ée]s?", "ausente", "assente", "assenza"),
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

_AUTOMATIC_REPLY = re.compile(
    rf"\W*+(?:{any_of(_AUTOMATIC_REPLIES)}|(?:{_WORDS_OF_A_REPLY}){_END}|{_SOMEBODY_IS_AWAY})",
    re.IGNORECASE,
)
_AWAY = re.compile(rf"\W*+(?:{any_of(_NOUNS_OF_ABSENCE)}){_END}", re.IGNORECASE)
_NOUN_OF_ABSENCE = re.compile(
    rf"\W*+(?:{_WORDS_OF_A_REPLY}|{any_of(_NOUNS_OF_ABSENCE)})(?!\w)", re.IGNORECASE
)
# Of DMARC (RFC 7489 §7.2.1.1) and TLS (RFC 8460 §5.3), and a complaint as Outlook.com forwards it.
_REPORT = re.compile(
    r"\W{0,3}report domain\s?:.{1,255}?\bsubmitter\s?:|complaint about message from [\da-f.:]{3,45}\s*$",
    re.IGNORECASE,
)
_RECEIPT = re.compile(
    r"(?:read|not read|gelesen|ungelesen|lu|non lu|leído|no leído|letto|lid[ao]|gelezen|return receipt"
    r"|lesebestätigung|empfangsbestätigung)\s?:|return receipt \(\w{1,12}\) -",
    re.IGNORECASE,
)
_BOUNCE = re.compile(
    rf"\W{{0,40}}(?!(?:fwd?|wg|rv)\s?:)(?:\[[^\]]{{0,40}}\]\W{{0,40}})?(?:re\s?:\W{{0,40}})?(?:{any_of(_BOUNCES)})",
    re.IGNORECASE,
)


_KINDS = {
    REPORT: _REPORT.match,
    RECEIPT: _RECEIPT.match,
    BOUNCE: _BOUNCE.match,
    REPLY: _AUTOMATIC_REPLY.match,
    AWAY: _AWAY.match,
    ABSENCE: _NOUN_OF_ABSENCE.match,
}


def automatic_subject(subject: str) -> str:
    """Of which kind the subject is, or ``""``: a weak sign (reliability §3.1 rule 29).

    `ABSENCE`, the noun before any other words, is the weakest of them. `REPORT` needs no other sign: nobody
    writes so but programs.
    """
    subject = subject[:300]
    return next((kind for kind, matches in _KINDS.items() if matches(subject)), "")
