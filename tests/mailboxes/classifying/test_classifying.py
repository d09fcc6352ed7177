"""Each fact that ``decide()`` reads (reliability §3.1): hit, near miss, and odd forms."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.classifying import Facts, canonical_address, classify, sentence_of
from mailboxes.classifying.facts import facts_told, told
from mailboxes.parsing import parse

PERSONAL = {"From": "Ada <ada@example.org>", "To": "help@shop.example", "Subject": "Question"}


def classified(body: str = "Hello, where is my parcel?", **headers: str | list[str]):
    chosen = {**PERSONAL, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [
        f"{name}: {value}"
        for name, values in chosen.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    raw = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
    return classify(parse(raw), raw, trusted_authserv_id="mx.shop.example")


def facts(body: str = "Hello", **headers: str | list[str]) -> Facts:
    return classified(body, **headers).facts


def test_a_question_of_a_person_is_not_automatic():
    found = classified(Return_Path="<ada@example.org>")
    assert not found.is_automatic
    assert not found.is_bounce
    assert not found.is_list
    assert found.facts["sender_problem"] == ""


AUTOMATIC = [
    ("null-return-path", {"Return_Path": "<>"}),
    ("null-return-path", {"Return_Path": ""}),
    ("null-return-path", {"Return_Path": ["<ada@example.org>", "< >"]}),
    ("auto-submitted", {"Auto_Submitted": "auto-replied"}),
    ("auto-submitted", {"Auto_Submitted": "AUTO-GENERATED; owner-email=x"}),
    ("auto-submitted", {"Auto_Submitted": "auto-notified (by us)"}),
    ("auto-submitted", {"Auto_Submitted": ["no", "auto-replied"]}),
    ("auto-submitted", {"Auto_Submitted": "yes"}),
    ("auto-submitted", {"Auto_Submitted": "(no) auto-replied"}),
    ("list", {"List_Id": "<x.y>"}),
    ("list", {"list_unsubscribe": "<mailto:x@y>"}),
    ("list", {"X_Mailman_Version": "2"}),
    ("list", {"Feedback_ID": "1:2:x"}),
    ("list", {"Feedback_ID": "1.eu-west-1.x=:AmazonSES"}),
    ("list", {"Feedback_ID": ["1:user:proton", "1:2:campaign"]}),
    ("list", {"X_MLServer": "fml"}),
    ("precedence", {"Precedence": "bulk"}),
    ("precedence", {"Precedence": "Junk"}),
    ("precedence", {"X_Precedence": "auto_reply"}),
    ("auto-response-suppress", {"X_Auto_Response_Suppress": "DR, OOF, AutoReply"}),
    ("auto-response-suppress", {"X_Auto_Response_Suppress": "all"}),
    ("list", {"Return_Path": "<owner-lamps@lists.example>"}),
    ("list", {"Return_Path": "<lamps-bounces@lists.example>"}),
    ("machine-header", {"X_Autoreply": "yes"}),
    ("machine-header", {"X_Loop": "x@y"}),
    ("machine-header", {"X_FC_MachineGenerated": "true"}),
    ("machine-header", {"X_Cron_Env": "<SHELL=/bin/sh>"}),
    ("machine-header", {"X_Mailer": "Vacation 1.2"}),
    ("machine-header", {"X_POST_MessageClass": "9; Autoresponder"}),
    ("machine-header", {"Delivered_To": "Autoresponder"}),
    ("machine-header", {"X_Znuny_Loop": "yes"}),
    ("machine-header", {"X_MS_Exchange_Inbox_Rules_Loop": "ada@x.y"}),
    ("machine-header", {"X_Failed_Recipients": "x@y.z"}),
    ("machine-header", {"X_Asterisk_CallerID": "123"}),
    ("machine-header", {"X_Apple_Unsubscribe": "true"}),
    ("machine-header", {"TLS_Report_Domain": "shop.example"}),
    ("report", {"Content_Type": "message/delivery-status"}),
    ("report", {"Content_Type": "message/feedback-report"}),
    ("report", {"Content_Type": "multipart/report; boundary=b"}),
    ("calendar", {"Content_Type": "text/calendar; method=REQUEST"}),
    ("robot-sender", {"From": "MAILER-DAEMON@x.y"}),
    ("robot-sender", {"From": "No-Reply <no-reply@x.y>"}),
    ("robot-sender", {"From": "donotreply@x.y"}),
    ("robot-sender", {"From": "do_not_reply+tag@x.y"}),
    ("robot-sender", {"From": "owner-list@x.y"}),
    ("robot-sender", {"From": "list-request@x.y"}),
    ("robot-sender", {"From": "list-bounces@x.y"}),
    ("robot-sender", {"From": "notifications@x.y"}),
    ("robot-sender", {"From": "bitte-nicht-antworten@x.y"}),
    ("robot-sender", {"From": "no-responda@x.y"}),
    ("robot-sender", {"From": "geen-antwoord@x.y"}),
    ("robot-sender", {"From": "nicht-beantworten@x.y"}),
    ("robot-sender", {"From": "ikke-svar@x.y"}),
    ("robot-sender", {"From": "pas-de-reponse@x.y"}),
    *(
        ("robot-sender", {"From": f"{local}@x.y"})
        for local in (
            *("build-notifications", "voicemail", "dmarcreport", "dmarc-support"),
            *("nao-responder", "svara-inte", "besvar-ikke", "nie-odpowiadać", "cevaplamayin", "ne-valaszolj"),
            *("noreplies", "no-replies", "unmonitored"),
        )
    ),
    ("robot-sender", {"From": "prvs=1234567890=noreply@x.y"}),
    ("robot-sender", {"From": "SRS0=abcd=ef=x.y=noreply@forwarder.z"}),
    ("automatic-subject", {"Subject": "Automatic reply: Question", "In_Reply_To": "<a@b>"}),
    ("automatic-subject", {"Subject": "Auto-Antwort: Frage", "In_Reply_To": "<a@b>"}),
    ("automatic-subject", {"Subject": "Report Domain: shop.example Submitter: x.y Report-ID: <1@x.y>"}),
    ("automatic-subject", {"Subject": "complaint about message from 192.0.2.1"}),
    ("automatic-subject", {"Subject": "Abwesenheitsnotiz: Frage", "References": "<a@b>"}),
    ("automatic-subject", {"Subject": "Réponse automatique : x", "In_Reply_To": "<a@b>"}),
    ("automatic-subject", {"Subject": "自動返信: x", "In_Reply_To": "<a@b>"}),
    ("automatic-subject", {"Subject": "Автоответ", "In_Reply_To": "<a@b>"}),
    ("automatic-subject", {"Subject": "Automatski odgovor: x", "In_Reply_To": "<a@b>"}),
    ("automatic-subject", {"Subject": "Trả lời tự động: x", "In_Reply_To": "<a@b>"}),
]


@pytest.mark.parametrize(("reason", "headers"), AUTOMATIC)
def test_a_sign_makes_a_message_automatic(reason, headers):
    found = classified(**headers)
    assert reason in found.automatic_reasons
    assert sentence_of(reason).endswith(".")


# What an inbox rule of Exchange adds to a letter that it passes on as it was.
REDIRECTED = {
    "X_MS_Exchange_Inbox_Rules_Loop": "old@x.y",
    "X_MS_Exchange_Generated_Message_Source": "Mailbox Rules Agent",
    "Resent_From": "old@x.y",
}
# They begin as an absence note or a bounce does, and go on as people do.
ORDINARY_SUBJECTS = [
    *(
        "Ferie i uge 29",
        "Semester i juli",
        "Férias em agosto",
        "On holiday in May - booking",
        "Im Urlaub mit Hund?",
    ),
    *("Absence of delivery note", "Absence de facture", "Abwesenheit melden", "外出服装订单"),
    *("Automatic reply setup - how?", "Auto-reply does not work", "Semester 2 invoice", "Ferie-kalender"),
    *(
        "Re: Delivery problem with order 4711",
        "RE: Failed delivery",
        "Re: Unzustellbares Paket",
        "Zwrot towaru",
    ),
]


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "no"},
        {"Auto_Submitted": "NO (a person)"},
        *(
            {"Feedback_ID": value}
            for value in (
                "26663242:user:proton",
                "i197146af:Fastmail",
                "rr:zu:rf:ZohoMail",
                "webmail:qq.com:a:b",
            )
        ),
        {"Feedback_ID": "1.us-east-1.x=:AmazonSES", "X_Mailer": "Amazon WorkMail"},
        {"Precedence": "normal"},
        {"Precedence": "first-class"},
        {"X_Postroom_Loop": "forged"},
        {"X_Auto_Response_Suppress": "DR, RN, NRN"},
        {"X_FC_MachineGenerated": "false"},
        {"Content_Type": "text/calendar; method=PUBLISH"},
        {"From": "norbert.reply@x.y"},
        {"From": "ada@shop.example", "Return_Path": "<ada-owner@mail.shop.example>"},
        {"From": "alerta@x.y"},
        {"From": "postmaster@x.y"},
        {"From": "ada-admin@x.y"},
        {"From": "anna.bounceski@x.y"},
        {"Subject": "Automatic reply"},
        {"Subject": "Out of office chairs"},
        {"Subject": "Delivery failed again"},
        {"Subject": "Re: Out of office", "In_Reply_To": "<a@b>"},
        {"Subject": "Autos: a question", "In_Reply_To": "<a@b>"},
        *({"Subject": subject, "In_Reply_To": "<a@b>"} for subject in ORDINARY_SUBJECTS),
        {"X_Delivery_Agent": "TMDA/1.1"},  # on each mail of whoever uses that filter
        {"X_List": "no list header"},
        REDIRECTED,
        {**REDIRECTED, "Auto_Submitted": "auto-generated"},
    ],
)
def test_a_near_miss_is_left_to_people(headers):
    assert classified(**headers).automatic_reasons == ()


def test_of_a_redirected_letter_it_is_not_known_who_called_it_automatic():
    found = classified(**REDIRECTED, Auto_Submitted="auto-generated")
    assert found.facts["is_auto_submitted"]
    assert classified(**REDIRECTED, Auto_Submitted="auto-replied").automatic_reasons == ("auto-submitted",)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Out of office", "I am out of the office until Monday."),
        ("Ada Lovelace is out of the office.", "I will be out of the office starting 04/03/2024."),
        ("Ada Lovelace ist außer Haus.", "Ich werde ab 04.03.2024 nicht im Büro sein."),
        ("Automatic reply: Order", "I no longer work here."),
        ("Auto-reply: Order", "We have received your request."),
        ("Automatisch antwoord: Bestelling", "Ik ben tot 12 mei met vakantie."),
        ("Resposta automática: Pedido", "Estou ausente até 12 de maio."),
        ("Otomatik yanıt: Sipariş", "12 Mayıs'a kadar ofis dışındayım."),
        ("Automatikus válasz: Rendelés", "Május 12-ig szabadságon vagyok."),
        ("Αυτόματη απάντηση: Παραγγελία", "Θα λείπω μέχρι 12 Μαΐου."),
        ("자동 회신: 주문", "5월 12일까지 휴가입니다."),
    ],
)
def test_an_automatic_subject_is_confirmed_by_what_the_text_says(subject, text):
    assert classified(text, Subject=subject).automatic_reasons == ("automatic-subject",)


@pytest.mark.parametrize(
    "subject",
    [
        *("Ferie", "Semester till 5 augusti", "Abwesenheit bis 5. Mai", "Im Urlaub vom 1.5. bis 9.5."),
        *("On holiday until Monday", "Ausência temporária: Pedido", "Absence du 5 au 9 mai", "外出中"),
        *("Automatic reply", "Automatic reply from Ada", "Automatische reactie: Bestelling"),
        *("Afwezig wegens vakantie", "Nieobecność w biurze", "Ausente de la oficina", "Assente per ferie"),
        *("Frånvarande t.o.m. 5 augusti", "Semester v. 29-31", "Afwezig t/m 5 mei", "Afwezig vanaf 5 mei"),
        *("Absente du bureau", "Undeliverable: Offer", "Delivery failed", "Nicht zustellbar: Angebot"),
        "Returned mail: User unknown",
    ],
)
def test_an_automatic_subject_is_confirmed_by_what_it_answers(subject):
    assert classified(Subject=subject, In_Reply_To="<a@b>").automatic_reasons == ("automatic-subject",)


@pytest.mark.parametrize("subject", ["Ferie i uge 29", "Semester i juli", "Im Urlaub und danach"])
def test_an_absence_in_an_answer_is_confirmed_by_what_the_text_says(subject):
    text = "Ich bin im Urlaub. Jag är på semester. Jeg er på ferie."
    assert classified(text, Subject=subject, In_Reply_To="<a@b>").automatic_reasons == ("automatic-subject",)
    assert classified(text, Subject=subject).automatic_reasons == ()


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"Subject": "Abwesend: Frage"}, "Ich bin ab 5. Mai wieder für Sie da."),
        ({"Subject": "On annual leave"}, "I am on annual leave. For urgent matters please call Bob."),
        ({"Subject": "Read: Offer"}, "Your message\n\n  Subject: Offer\n\nwas read on 5 May."),
        ({"Subject": "Samodejni odgovor: Ponudba"}, "Sem na dopustu."),
        (
            {"Subject": "Return Receipt (displayed) - Offer"},
            "This is a Return Receipt for the mail that you sent.",
        ),
    ],
)
def test_what_a_note_says_of_the_mail_it_answers_shows_a_program(headers, text):
    assert classified(text, **headers).automatic_reasons == ("automatic-subject",)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("On holiday until Monday", "We are on vacation until Monday, please hold my parcel."),
        ("Im Urlaub", "Wir sind ab morgen im Urlaub, bitte liefern Sie erst am 12."),
        ("On leave until May", "I will be on maternity leave. Please send the invoices to my colleague."),
        ("Out of office supplies", "We are out of office supplies, please send five boxes."),
        ("Read: the contract", "I have read it, and have a question."),
    ],
)
def test_a_person_who_goes_away_is_no_program(subject, text):
    assert classified(text, Subject=subject).automatic_reasons == ()


@pytest.mark.parametrize(
    "text",
    [
        "Thanks for your email. The invoice is attached.",
        "Merci pour votre message. Je suis en vacances la semaine prochaine, livrez samedi.",
        "Vielen Dank für Ihre Nachricht. Ich bin bis Freitag nicht erreichbar.",
        "メールありがとうございます。明日は不在ですので、明後日お願いします。",
        "Your message says that my parcel is being held at customs. What must I do?",
        "In your e-mail you wrote that my order is held.",
        "Leider: diese Nachricht wurde automatisch in meinen Spam-Ordner verschoben.",
        "Dit bericht is automatisch verwijderd. Kunt u het opnieuw sturen?",
        "I get only this: This is an automated reply. I want a person.",
    ],
)
def test_a_person_who_answers_with_a_subject_of_their_own_is_no_program(text):
    assert classified(text, Subject="Invoice 12", In_Reply_To="<a@b>").automatic_reasons == ()


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Ticket #12", "Where is my order?\n\n> Your request has been received."),
        ("Order #4711", "We have received your parcel, but one box is missing."),
        ("Request received", "I have received a request from your company to pay. Is it genuine?"),
        ("Acknowledgement", "Please acknowledge receipt of my cancellation."),
        ("Eingangsbestätigung", "Ich brauche eine Eingangsbestätigung für meine Kündigung."),
        ("Our offer", "We have received your request and can deliver ten chairs."),
        ("New ticket #12", "Ann has opened a ticket: the door is broken."),
        ("Order #4711", "Your email was received but the attachment is missing. Please send it again."),
        ("Re: [Acme #1234] Chairs", "Thanks, I see we received your message. The chair is still broken."),
        ("Ihre Anfrage", "Wir haben Ihre Nachricht erhalten und nehmen das Angebot an."),
        ("Votre demande", "Nous avons bien reçu votre message et nous acceptons l'offre."),
        ("Zamówienie #9", "Otrzymaliśmy Państwa fakturę, ale kwota jest błędna."),
        ("Confidential", "Please call me.\n\nPlease do not reply to this email.\n\nMy husband reads it."),
        ("Neue Adresse", "Bitte antworten Sie nicht auf diese E-Mail, da ich sie bald abschalte."),
    ],
)
def test_whoever_writes_of_tickets_and_requests_is_a_person(subject, text):
    assert classified(text, Subject=subject).automatic_reasons == ()
    assert classified(text, Subject=subject, From="alerts@x.y").automatic_reasons == ()


OF_PROGRAMS = [
    "Thank you!\nThis is an automated response, your ticket has the number 7.",
    "*** This message was automatically\ngenerated. ***",
    "Hi there, sorry. This mailbox is not monitored.",
    "Bob uses a filter. Please follow this link\nto ensure delivery of your email.",
    "Your message to the list is being held until somebody approves it.",
    "I apologize for this automatic reply to your email. To control spam, I now allow only senders I know.",
    "Bonjour,\nPour que votre message soit délivré, merci de cliquer sur ce lien.",
    "Guten Tag,\nbitte klicken Sie auf diesen Link, damit Ihre Nachricht zugestellt werden kann.",
    "Para que sua mensagem seja encaminhada, clique aqui.",
    "Dies ist eine automatisch generierte E-Mail. Bitte antworten Sie nicht darauf.",
    "Diese Nachricht wurde automatisch erstellt.",
    "Ceci est un message automatique.",
    "Este mensaje ha sido generado automáticamente.",
    "Questa è una risposta automatica.",
    "Esta é uma mensagem automática.",
    "Dit is een automatisch gegenereerd bericht.",
    "Это автоматическое уведомление.",
    "このメールは自動的に送信されています。",
    "This is an unmonitored mailbox.",
    "Tento e-mail byl vygenerován automaticky, prosíme neodpovídejte na něj.",
    "Ez egy automatikusan generált üzenet.",
    "Acest mesaj a fost generat automat.",
    "Ovo je automatska poruka.",
    "Tai automatinis pranešimas.",
    "Αυτό είναι ένα αυτόματο μήνυμα.",
    "Це автоматичне повідомлення.",
    "Bu otomatik olarak oluşturulmuş bir e-postadır.",
    "הודעה זו נשלחה אוטומטית.",
    "هذه رسالة آلية.",
    "Ini adalah pesan otomatis.",
    "Đây là thư tự động.",
    "본 메일은 발신전용 메일입니다.",
    "Just this once, click the link below so I can receive your emails.",
    "Your message was waitlisted. Please add yourself to my Guest List.",
    "Seu e-mail para x@y.example foi bloqueado.",
]


@pytest.mark.parametrize("text", OF_PROGRAMS)
def test_a_program_that_says_what_it_is_is_believed(text):
    assert classified(text, Subject="Your request").automatic_reasons == ("automatic-text",)
    assert classified(text, Subject="Re: Offer").automatic_reasons == ("automatic-text",)


@pytest.mark.parametrize(
    "text",
    [
        "Is this from you?\n\nThis is an automated message. Please pay.",
        "I do not want to read that this is an automated response.",
        "Stop that.\n\n> This is an automated message.",
        "Stop that.\n\n---- Forwarded message ----\nThis is an automated message.",
        "Stop that.\nFrom: Shop\nThis is an automated message.",
        "How do I make this an automatic reply?",
        "Please do not reply to this email, but write to bob@work.example.",
        "Please do not reply to this email\nbut write to bob@work.example.",
        "Your shop says: Please do not reply to this email.",
        "If it is not for you please do not reply to this email.",
        "Bitte antworten Sie nicht auf diese E-Mail, sondern an meine Frau.",
    ],
)
def test_whoever_quotes_a_program_is_a_person(text):
    assert classified(text, Subject="Your mail").automatic_reasons == ()
    assert classified(f"Hi. {text}", Subject="Fwd: Your mail").automatic_reasons == ()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("Ada <ada@example.org>", ""),
        ("", "missing"),
        (None, "missing"),
        ("a@b.c, d@e.f", "several"),
        (["a@b.c", "d@e.f"], "several"),
        ("Friends: a@b.c;", "group"),
        ("undisclosed:;", "group"),
        ("nobody here at all", "unparsable"),
        ("root", "unparsable"),
        ("alice@bank.com <evil@x.com>", "ambiguous"),
        ('"Ada <a@b.c>', "ambiguous"),
        ("=?utf-8?q?Ada=0ABcc:?= <a@b.c>", "control-characters"),
    ],
)
def test_an_unusable_sender_is_told_apart(value, problem):
    assert facts(From=value)["sender_problem"] == problem


def test_recipients_are_counted_and_canonical():
    found = facts(To="Help+x@Shop.example, b@c.d", Cc="e@f.g", Resent_To="h@i.j")
    assert found["recipients_canonical"] == ["help@shop.example", "b@c.d", "e@f.g", "h@i.j"]
    assert found["recipient_count"] == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_Spam_Flag", "YES"),
        ("X_Spam_Status", "Yes, score=9.1"),
        ("X_SES_Spam_Verdict", "FAIL"),
        ("X_MS_Exchange_Organization_SCL", "6"),
        ("X_Forefront_Antispam_Report", "CIP:1.2.3.4;SCL:5;SRV:"),
    ],
)
def test_signs_of_spam_are_found(name, value):
    assert classified(**{name: value}).is_spam


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_Spam_Flag", "NO"),
        ("X_Spam_Status", "No, score=-1"),
        ("X_SES_Spam_Verdict", "PASS"),
        ("X_MS_Exchange_Organization_SCL", "-1"),
        ("X_Forefront_Antispam_Report", "CIP:1.2.3.4;SCL:1;SRV:"),
    ],
)
def test_what_is_no_spam_is_none(name, value):
    assert not classified(**{name: value}).is_spam


def test_envelope_and_reply_addresses_are_compared_by_organization():
    assert facts(Return_Path="<ada@mail.example.org>")["is_return_path_related"]
    assert not facts(Return_Path="<x@spam.example>")["is_return_path_related"]
    assert facts(Reply_To="ada@other.example")["has_foreign_reply_to"]
    assert not facts(Reply_To="office@example.org")["has_foreign_reply_to"]
    assert not facts(From="a@x.co.uk", Reply_To="b@y.x.co.uk")["has_foreign_reply_to"]
    assert facts(From="a@x.co.uk", Reply_To="b@z.co.uk")["has_foreign_reply_to"]


ATTACHED = """--b
Content-Type: text/plain

Can you look at this?
--b
Content-Type: message/rfc822

From: {sender}
Content-Type: {kind}; boundary=c

--c
Content-Type: {inner}

{content}
--c--
--b--
"""


@pytest.mark.parametrize(
    "attached",
    [
        {
            "sender": "MAILER-DAEMON@x.y",
            "kind": "multipart/report; report-type=delivery-status",
            "inner": "message/delivery-status",
            "content": "Final-Recipient: rfc822; a@b.c\nAction: failed",
        },
        {
            "sender": "bob@x.y",
            "kind": "multipart/alternative",
            "inner": "text/calendar; method=REQUEST",
            "content": "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR",
        },
    ],
)
def test_what_somebody_attaches_says_nothing_about_who_sends_it(attached):
    found = classified(ATTACHED.format(**attached), Content_Type="multipart/mixed; boundary=b")
    assert (found.is_bounce, found.automatic_reasons) == (False, ())


def test_hops_and_deliveries_are_counted():
    found = facts(Received=["a", "b"], Delivered_To=["help@shop.example", "Help@shop.example"])
    assert found["received_count"] == 2
    assert found["delivered_to_canonical"] == ["help@shop.example"] * 2


def test_an_endless_address_of_the_envelope_is_not_kept_whole():
    found = facts(Return_Path=f"<{'x' * 9_000}@y.test>", Delivered_To=[f"{'x' * 9_000}@y.test"])
    assert max(map(len, (found["return_path"], *found["delivered_to_canonical"]))) <= 320


def test_defects_of_the_header_are_facts():
    raw = b"From: a@b.c\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\n--b--"
    assert classify(parse(raw)).facts["is_encrypted_only"]
    assert facts("-----BEGIN PGP MESSAGE-----\nx")["is_encrypted_only"]
    assert not facts("plain")["is_encrypted_only"]


def test_equal_bodies_have_one_hash():
    assert facts("Hello\n  World")["body_hash"] == facts("hello world\n\n")["body_hash"]
    assert facts("Hello")["body_hash"] != facts("Goodbye")["body_hash"]


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        ("ada+tag@example.org", "ada@example.org"),
        ("a.d.a@gmail.com", "ada@gmail.com"),
        ("ada+x@googlemail.com", "ada@gmail.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("prvs=0123abcdef=ada@example.org", "ada@example.org"),
        ("SRS0=hash=tt=example.org=ada@relay.net", "ada@example.org"),
        ("SRS1=hash=relay.net==hash=tt=example.org=ada@second.net", "ada@example.org"),
        ("<ada@example.org>", "ada@example.org"),
        ("root", "root"),
    ],
)
def test_spellings_of_one_address_are_one(address, canonical):
    assert canonical_address(address) == canonical


def test_facts_are_json():
    found = classified(Received=["x"], To="a@b.c")
    assert json.loads(json.dumps(found.facts)) == found.facts
    assert set(found.facts) == set(Facts.__annotations__)


HARMFUL = [headers for _, headers in AUTOMATIC]


@given(st.lists(st.sampled_from(HARMFUL), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_more_signs_never_make_a_message_less_automatic(signs):
    merged: dict[str, str | list[str]] = {}
    for sign in signs:
        merged = {**sign, **merged}
    assert classified(**merged).is_automatic


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_classified(raw):
    found = classify(parse(raw), raw, trusted_authserv_id="x")
    json.dumps(found.facts)


def test_facts_are_told_without_what_is_silent_and_understood_again():
    facts = classify(
        parse(b"From: ada@example.org\r\nPrecedence: bulk\r\nReply-To: x@other.test\r\n\r\nHello")
    ).facts
    stored = told(facts)
    assert {"precedence", "sender", "has_foreign_reply_to"} < stored.keys()
    assert stored.keys().isdisjoint({"list_headers", "is_encrypted_only", "is_return_path_related"})
    assert facts_told(stored) == facts


def test_of_a_message_without_facts_no_sender_is_known_so_that_nobody_answers_it():
    assert facts_told({})["sender"] == ""
