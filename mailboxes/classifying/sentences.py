"""Sentences of automatic mail, by language: what absence notes, bounces and programs say of themselves."""

from __future__ import annotations

import re


def any_of(by_language: dict[str, tuple[str, ...]]) -> str:
    """One expression for the patterns of all languages."""
    return "|".join(pattern for patterns in by_language.values() for pattern in patterns)


_ABSENCE = {
    "en": (
        r"out of (?:the |my )?office(?! (?:supplies|chair|furniture|equipment|space|stationery))",
        r"on (?:annual |maternity |parental )?(?:leave|vacation|holiday)",
        r"(?:i am|i'm|i will be) (?:currently )?(?:away|out|unavailable)",
        r"away from (?:my |the )?(?:desk|office|e-?mail)",
        r"limited access to (?:my )?e-?mail",
        r"no longer (?:work|with|employed)",
        r"back (?:on|in the office|at work)\b",
        r"(?:received|get back to) you",
        r"(?:thank you|thanks) for (?:contacting|your (?:e-?mail|message|mail|enquiry|inquiry|request))",
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
        r"wieder (?:für (?:sie|euch|dich) )?(?:im (?:büro|haus)|erreichbar|da\b|zurück)",
        r"nicht erreichbar",
    ),
    "fr": (
        r"absente? (?:du|de|jusqu)",
        r"je (?:suis|serai) (?:actuellement )?(?:absent|indisponible)",
        r"de retour le",
        r"en cong[ée]",
        r"en vacances",
    ),
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
    "ru uk bg": (r"в отпуск", r"у відпустці", r"вне офиса", r"отсутствую", r"нет в офисе"),
    "hr sr sl": (r"na (?:godišnjem|odmoru|dopustu)", r"(?:nisam|nisem) u? ?(?:uredu|v pisarni)"),
    "lt lv et": (r"atostog", r"atvaļinājum", r"puhkuse"),
    "he ar": (r"בחופש", r"מחוץ למשרד", r"في إجازة", r"خارج المكتب"),
    "id vi th": (r"sedang cuti", r"di luar kantor", r"nghỉ phép", r"vắng mặt", r"ลา(?:พัก|หยุด)", r"ไม่อยู่"),
    "tr": (r"ofis dışında", r"ofiste değil", r"izindeyim", r"izinliyim", r"tatildeyim"),
    "el": (r"λείπω", r"απουσιάζω", r"εκτός γραφείου", r"σε άδεια"),
    "ko": (r"휴가", r"부재"),
    "ja zh": (r"不在", r"休暇", r"自動返信", r"自动回复", r"自動回覆", r"外出", r"休假"),
}

# What an absence note says of the mail that it answers. Who only goes on holiday says none of it.
_OF_THE_MAIL = {
    "en": (
        r"(?:thank you|thanks) for (?:your|contacting)",
        r"your (?:e-?mail|message|mail|inquiry|enquiry)\b",
        r"(?:for|in|if|case of) (?:anything |all |an? |it is )?(?:urgent|emergenc|immediate)",
        r"(?:in|during) my absence",
        r"(?:will|shall|['’]ll) (?:reply|respond|answer|get back)",
        r"access to (?:my )?e-?mail",
        r"(?:upon|on) my return|when i (?:return|am back)",
        r"no longer (?:work|with|employed)",
    ),
    "de": (
        r"(?:ihre|deine) (?:e-?mail|mail|nachricht|anfrage)\b",
        r"dringende[rn]? (?:fälle|angelegenheiten|anliegen)",
        r"vertret(?:ung|en|er)",
        r"weitergeleitet",
        r"wieder für (?:sie|euch|dich)",
    ),
    "fr": (r"en cas d['’]urgence", r"votre (?:message|e-?mail|courriel|mail)\b", r"mon retour"),
    "es": (r"su (?:mensaje|correo|e-?mail)\b", r"en caso de urgencia", r"mi (?:vuelta|regreso)"),
    "it": (r"(?:sua|vostra|tua) (?:e-?mail|mail)\b", r"(?:suo|tuo) messaggio", r"urgenz[ae]", r"mio rientro"),
    "pt": (r"(?:sua mensagem|seu e-?mail)", r"casos? urgente", r"meu re(?:gresso|torno)"),
    "nl": (r"uw (?:e-?mail|bericht|mail)\b", r"dringende", r"mijn (?:terugkeer|afwezigheid)"),
    "sv da no": (
        r"di(?:n|t|tt) (?:mail|mejl|e-?post|meddelande|besked|henvendelse)",
        r"(?:akut|brådskande|haster)",
        r"(?:vender tilbage|återkommer)",
    ),
    "fi pl cs": (r"kiireelli", r"viesti", r"piln(?:ych|ej)", r"wiadomo[śs][ćc]", r"naléhav", r"zpráv"),
    "ru": (r"ваше (?:письмо|сообщение)", r"срочн"),
    "ja zh": (r"メール", r"邮件", r"郵件"),
}

# A program that says of its own mail that it is one. People say so of the mail of others.
_OF_A_PROGRAM = {
    "en": (
        r"this is an? auto[a-z]{0,12}(?:[ -]generated)? (?:system )?"
        r"(?:reply|response|e-?mail|message|notification|acknowledge?ment|confirmation|answer)",
        r"this (?:e-?mail|message|reply|response|notification) (?:is|was|has been) (?:an )?"
        r"(?:auto[a-z]{0,12}[ -]?(?:generated|sent|created)|(?:generated|sent|created) automatically)",
        r"this (?:e-?mail (?:address|account|box)|mailbox|inbox|address) is (?:not monitored|unmonitored)",
        r"this is an unmonitored (?:e-?mail (?:address|account)|mailbox|inbox|address)",
    ),
    "de": (
        r"(?:dies|das|hierbei) (?:ist|handelt es sich um) eine[r]? automati[a-z]{2,8} "
        r"(?:generierte |erstellte |erzeugte |versendete |versandte )?(?:e-?mail|mail|nachricht|antwort)",
        r"diese (?:e-?mail|mail|nachricht|antwort) (?:wurde|ist) (?:automatisch|maschinell) "
        r"(?:erstellt|erzeugt|generiert|gesendet|versandt|versendet|verschickt)",
    ),
    "fr": (
        r"ceci est (?:un|une) (?:message|réponse|e-?mail|courriel|mail).{0,20} automati",
        r"ce (?:message|courriel|mail|e-?mail) (?:est|a été) (?:généré|envoyé|émis).{0,10} automati",
    ),
    "es": (
        r"est[ea] es una? (?:mensaje|correo|respuesta|e-?mail).{0,30} automátic",
        r"este (?:mensaje|correo).{0,20} (?:generado|enviado) (?:de forma |de manera )?automátic",
    ),
    "it": (
        r"quest[oa] è una? (?:messaggio|risposta|e-?mail).{0,20} automatic",
        r"quest[oa] (?:messaggio|e-?mail) è stat[oa] (?:generat|inviat)[oa] automatic",
    ),
    "pt": (
        r"est[ae] é uma? (?:mensagem|resposta|e-?mail).{0,20} automátic",
        r"est[ae] (?:mensagem|e-?mail) (?:foi|é) (?:gerad|enviad)[oa] automatic",
    ),
    "nl": (
        r"dit is een automatische? (?:gegenereerde? |verzonden |verstuurde? )?"
        r"(?:bericht|e-?mail|mail|antwoord)",
        r"(?:dit bericht|deze e-?mail) (?:is|werd) automatisch "
        r"(?:aangemaakt|gegenereerd|verstuurd|verzonden)",
    ),
    "sv da no": (
        r"(?:detta är|dette er) e(?:n|t|tt) automatiskt? (?:genere(?:ra|re|r)t )?"
        r"(?:svar|meddelande|mejl|e-?post|besked|e-?mail|mail|melding)",
    ),
    "fi": (r"tämä on automaattinen (?:vastaus|viesti|sähköposti)",),
    "pl cs hu": (
        r"to jest automatyczna (?:wiadomość|odpowiedź)",
        r"(?:ta )?wiadomość (?:została )?wygenerowana automatycznie",
        r"toto je automatick[áý] (?:odpověď|odpoveď|zpráva|správa|e-?mail)",
        r"t(?:ento|ato|áto) (?:e-?mail|zpráva|správa) b(?:yl|ol)a? "
        r"(?:automaticky )?(?:vygenerovan|vygenerován|odeslán|odoslan)[ýáa]?",
        r"ez egy automatikus(?:an (?:generált|küldött|létrehozott))? (?:válasz|üzenet|e-?mail|levél)",
        r"ez az? (?:üzenet|e-?mail|levél) automatikusan",
    ),
    "ro ca": (
        r"acesta este un (?:mesaj|e-?mail|răspuns) (?:generat )?automat",
        r"acest (?:mesaj|e-?mail) a fost (?:generat|trimis) automat",
        r"aquest és un missatge automàtic",
    ),
    "hr sr sl": (
        r"ovo je automatsk[ai] (?:generirana? |generisana? )?(?:poruka|odgovor|e-?mail)",
        r"to je samodejno (?:ustvarjeno |poslano )?sporočilo",
    ),
    "lt lv et": (
        r"tai (?:yra )?automatini[sa] (?:atsakymas|pranešimas|laiškas)",
        r"š(?:is|ī) ir automātisk[ai]s? (?:atbilde|ziņojums|ziņa|e-pasts)",
        r"see on auto(?:maatne|maatselt saadetud|maat) ?(?:vastus|teade|kiri|sõnum)",
    ),
    "el": (r"αυτό είναι (?:ένα )?(?:αυτόματο|αυτοματοποιημένο) (?:μήνυμα|e-?mail)",),
    "ru": (
        r"это автоматическ(?:ое|ий) (?:сообщение|ответ|письмо|уведомление)",
        r"это (?:сообщение|письмо) (?:было )?(?:создано|отправлено|сгенерировано|сформировано) автоматически",
        r"это (?:сообщение|письмо) (?:было )?автоматически (?:создано|отправлено|сгенерировано|сформировано)",
    ),
    "uk bg": (
        r"це автоматичн(?:е|ий) (?:повідомлення|лист)",
        r"ц(?:е повідомлення|ей лист) (?:було )?(?:створено|надіслано|сформовано) автоматично",
        r"това е автоматично (?:генерирано )?(?:съобщение|писмо)",
    ),
    "tr": (
        r"bu (?:bir )?otomatik (?:olarak \w{1,20} )?(?:bir )?(?:yanıt|mesaj|ileti|e-?posta)",
        r"bu (?:e-?posta|mesaj|ileti) (?:sistem(?:imiz)? tarafından )?otomatik olarak",
    ),
    "he ar": (r"(?:זוהי |זו )?הודעה (?:זו נשלחה )?אוטומטית", r"ه(?:ذه رسالة|ذا بريد|ذا رد) (?:آلي|تلقائي)ة?"),
    "id vi th": (
        r"ini adalah (?:pesan|e-?mail|balasan) otomatis",
        r"đây là (?:thư|e-?mail|tin nhắn) (?:được gửi )?tự động",
        r"(?:อีเมล|ข้อความ)(?:ฉบับ)?นี้.{0,30}อัตโนมัติ",
    ),
    "ja zh ko": (
        r"このメールは.{0,20}自動(?:的に)?(?:送信|配信|生成|返信)",
        r"(?:这是|這是|此|本)(?:一封|邮件|郵件|信).{0,15}(?:自动|自動)(?:发|發|生|回)",
        r"(?:이|본) (?:메일|메시지).{0,20}자동(?:으로)? ?(?:발송|발신|생성|전송|회신)",
        r"(?:このメール|本メール|当メール)は送信専用",
        r"(?:이|본) (?:메일|메시지)은? 발신 ?전용",
    ),
}

# A receipt in words (RFC 8098 asks for a report, but not all programs make one).
_RECEIPT = re.compile(
    r"\b(?:was (?:read|opened|displayed) (?:on|by)|was deleted without being read"
    r"|wurde (?:am .{0,60} )?(?:gelesen|ungelesen gelöscht)|a été (?:lu|ouvert|supprimé sans)"
    r"|(?:fue|ha sido) (?:leído|abierto)|è stato letto|foi lid[ao]|is gelezen op"
    r"|this is a return receipt for the mail)",
    re.IGNORECASE,
)

# A filter that wants the sender to prove to be a person.
_CHALLENGE = re.compile(
    r"\b(?:click|follow|link)\b[^.?!]{0,60} to (?:ensure|complete|allow) (?:the )?"
    r"delivery of your (?:e-?mail|message)\b"
    r"|\bto (?:ensure|complete|allow) (?:the )?delivery of your (?:e-?mail|message),? "
    r"(?:please|click|visit|go to|you (?:must|need))\b"
    r"|\byour (?:e-?mail|message) (?:to (?:the )?\S{1,80} )?(?:is|was|has been) (?:currently |now )?"
    r"(?:being )?(?:held|quarantined)\b"
    r"|\byour (?:e-?mail|message) (?:to (?:the )?\S{1,80} )?awaits (?:moderat|approv|confirm|verif)"
    r"|\bi apologi[sz]e for this automatic reply\b"
    r"|\bclick the link below so (?:that )?i can receive your (?:e-?mail|message)"
    r"|\badd yourself to my guest list\b"
    r"|\b(?:seu e-?mail|sua mensagem) para \S{1,80} (?:foi|está) bloquead[oa]\b"
    r"|\bdamit ihre (?:e-?mail|nachricht) zugestellt (?:wird|werden kann)"
    r"|\bpour que votre (?:e-?mail|message|courriel) soit (?:délivré|remis|distribué)"
    r"|\bpara que (?:su|tu) (?:mensaje|correo) sea entregado"
    r"|\baffinché il (?:suo|tuo) messaggio (?:sia|venga) "
    r"|\bpara que (?:a )?sua mensagem seja (?:encaminhada|entregue)",
    re.IGNORECASE,
)

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

# What every sentence above holds; it is found much faster than the sentences.
_FAILURE_STEM = re.compile(
    r"[Dd](?:eliver|ELIVER)|[Uu]nknown|not reach|no such|[Rr]eturned|[Pp]ermanent|[Ff]atal error"
    r"|[Mm]essage (?:was |has been )?(?:rejected|bounced|delayed)|[Mm]ailbox|[Aa]ddress|n[o'\"]t be sen"
    r"|[Uu]nable to sen|[Ff]ailed to sen|zugestellt|zustell|mpfänger|remis|pas pu|recapit|consegn|entreg"
    r"|afgeleverd|bezorgd|zbes[íi]t|[Tt]eslim edile|достав|信できません|无法投递|退信"
)
_ABSENCE_IN_BODY = re.compile(any_of(_ABSENCE), re.IGNORECASE)
_MAIL_IN_BODY = re.compile(any_of(_OF_THE_MAIL), re.IGNORECASE)
_FAILURE_IN_BODY = re.compile(any_of(_FAILURES), re.IGNORECASE)
_PROGRAM_IN_BODY = re.compile(
    r"(?:^|[.!*#()|。，！]\s?)\W{0,3}(?:" + any_of(_OF_A_PROGRAM).replace(" ", r"\s") + ")",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
# One of them is in each sentence of a program, and in few others; it is found much faster.
_PROGRAM_STEMS = (
    *("auto", "monitored", "maschinell", "автомат", "otomat", "自動", "自动", "자동"),
    *("samodejn", "αυτόματ", "αυτοματ", "אוטומטי", "آلي", "تلقائي", "tự động", "อัตโนมัติ"),
    *("送信専用", "전용"),
)
_CHALLENGE_STEMS = (
    *("delivery of your", " held", "quarantined", " awaits ", "for this automatic reply", "zugestellt w"),
    *("que votre", "para que ", "affinché il ", "i can receive", "guest list", "bloquead"),
)
_QUOTED = re.compile(r"^ {0,3}(?:>|[-_]{3,} ?[^\W_]|(?:from|von|de|da|van|från|fra|od|от) ?:)", re.MULTILINE)


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


def answers_a_mail(text: str) -> bool:
    """Whether the beginning of a body speaks of the mail that it answers."""
    return _MAIL_IN_BODY.search(" ".join(text[:4_000].split())) is not None


def says_it_was_read(text: str) -> bool:
    """Whether the beginning of a body is a receipt."""
    return _RECEIPT.search(" ".join(text[:1_000].split())) is not None


def says_it_is_automatic(text: str) -> bool:
    """Whether a program says in its first sentences that no person wrote them.

    What stands below a question of somebody, behind a colon, or is quoted, is another's mail.
    """
    beginning = text[:2_000].lower()
    if not any(stem in beginning for stem in _PROGRAM_STEMS):
        return False
    quoted = _QUOTED.search(beginning)
    found = _PROGRAM_IN_BODY.search(beginning, 0, quoted.start() if quoted else len(beginning))
    before = beginning[: found.start()] if found is not None else ""
    return found is not None and not set("?？").intersection(before) and not before.rstrip().endswith(":")


def challenges_the_sender(text: str) -> bool:
    """Whether a filter asks whoever wrote to confirm it."""
    beginning = " ".join(text[:1_000].lower().split())
    return any(stem in beginning for stem in _CHALLENGE_STEMS) and _CHALLENGE.search(beginning) is not None
