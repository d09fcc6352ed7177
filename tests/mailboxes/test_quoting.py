"""The reply apart from quotation and signature."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.quoting import attributions, lines, originals, reply_text, signatures, split
from mailboxes.quoting.prose import begins_as_prose

ATTRIBUTIONS = [
    "On Mon, Apr 2, 2012 at 6:26 PM, Ada <a@b.c> wrote:",
    "On Mon, Apr 2, 2012 at 6:26 PM, Ada Lovelace of\nLondon <a@b.c>\nwrote:",
    "Am 02.04.2012 um 18:26 schrieb Ada:",
    "Am 02.04.2012 um 18:26 schrieb Ada Lovelace von der Firma Acme GmbH & Co. KG:",
    "Am Mo., 2. Apr. 2012 um 18:26 Uhr schrieb Ada Lovelace <\na@b.c>:",
    "Le lun. 2 avr. 2012 à 18:26, Ada <a@b.c> a écrit :",
    "El lun, 2 abr 2012 a las 18:26, Ada (<a@b.c>) escribió:",
    "Il giorno lun 2 apr 2012 alle ore 18:26 Ada <a@b.c> ha scritto:",
    "Em seg., 2 de abr. de 2012 às 18:26, Ada <a@b.c> escreveu:",
    "Op ma 2 apr. 2012 om 18:26 schreef Ada <a@b.c>:",
    "Den mån 2 apr. 2012 kl 18:26 skrev Ada <a@b.c>:",
    "Den man. 2. apr. 2012 kl. 18.26 skrev Ada <a@b.c>:",
    "man. 2. apr. 2012 kl. 18:26 skrev Ada <a@b.c>:",
    "ma 2. huhtik. 2012 klo 18.26 Ada (a@b.c) kirjoitti:",
    "pon., 2 kwi 2012 o 18:26 Ada <a@b.c> napisał(a):",
    "po 2. 4. 2012 v 18:26 odesílatel Ada <a@b.c> napsal:",
    "пн, 2 апр. 2012 г. в 18:26, Ada <a@b.c>:",
    '02.04.2012 18:26 пользователь "Ada" <\na@b.c> написал:',
    "2012年4月2日(月) 18:26 Ada <a@b.c>:",
    "Ada <a@b.c> 于2012年4月2日周一 18:26写道：",
    "Am Montag, 2. April 2012 um 18:26:00 MEZ hat Ada <a@b.c> Folgendes geschrieben:",
    "Από: Ada\nΣτάλθηκε: Δευτέρα, 2 Απριλίου 2012 18:26\nΠρος: Bob\nΘέμα: Γεια",
    "De la: Ada\nTrimis: luni, 2 aprilie 2012 18:26\nCătre: Bob\nSubiect: Salut",
    "-----Message d’origine-----\nDe : Ada",
    "-----Original Message-----\nFrom: Ada",
    "-----Ursprüngliche Nachricht-----\nVon: Ada",
    "________________________________\nFrom: Ada\nSent: Monday\nTo: Bob\nSubject: x",
    "From: Ada <a@b.c>\nSent: Monday, April 2, 2012\nTo: Bob\nSubject: x",
    "*Von:* Ada\n*Gesendet:* Montag\n*An:* Bob\n*Betreff:* x",
    "De : Ada\nEnvoyé : lundi\nÀ : Bob\nObjet : x",
    "De: Ada\nEnviado: lunes\nPara: Bob\nAsunto: x",
    "Da: Ada\nInviato: lunedì\nA: Bob\nOggetto: x",
    "Van: Ada\nVerzonden: maandag\nAan: Bob\nOnderwerp: x",
    "Från: Ada\nSkickat: måndag\nTill: Bob\nÄmne: x",
    "Od: Ada\nWysłano: poniedziałek\nDo: Bob\nTemat: x",
    "От: Ada\nОтправлено: понедельник\nКому: Bob\nТема: x",
    "差出人: Ada\n送信日時: 月曜日\n宛先: Bob\n件名: x",
    "Begin forwarded message:\n\nFrom: Ada",
    "## Please reply above this line ##",
    "---- On Tue, 05 Mar 2024 10:00:00 +0100 Ada <a@b.c> wrote ----",
    "---- Am Di., 05 März 2024 10:00:00 +0100 Ada <a@b.c> schrieb ---",
    "---- On Tue, 05 Mar 2024 10:00:00 +0100 Ada Lovelace of London\n<a@b.c> wrote ----",
    "---- Ada Lovelace wrote ----",
    "Вы писали 5 марта 2024 г., 10:00:00:",
    "2024-03-05 오전 10:00에 Ada 이(가) 쓴 글:",
    "----- Mail original -----\nDe: Ada <a@b.c>\nObjet: x",
    "-----Original-Nachricht-----\nBetreff: x\nVon: Ada",
    "----- Original Nachricht ----\nVon: Ada\nBetreff: x",
    "-----Ursprüngliche Mitteilung-----\nVon: Ada\nAn: a@b.c",
    "-----E-mail d'origine-----\nDe : Ada <a@b.c>\nSujet : x",
    "--------- 원본 메일 ---------\n보낸사람: Ada <a@b.c>\n제목: x",
    "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn Tuesday, March 5th, 2024 at 10:00 AM, Ada <a@b.c> wrote:",
    "Kimden: Ada\nGönderildi: 5 Mart 2024 Salı 10:00\nKime: Bob\nKonu: x",
    "Gönderen: Ada <a@b.c>\nTarih: 5 Mart 2024\nAlıcı: Bob\nKonu: x",
    "От кого: Ada <a@b.c>\nКому: Bob\nТема: x",
    "Nuo: Ada\nIšsiųsta: 2024 m. kovo 5 d.\nKam: Bob\nTema: x",
    "From: a@b.c\nDate: Wed, 16 May 2012 00:15:02 -0600",
    "From: a@b.c\nDate: Wed, 16 May 2012 00:15:02 -0600\nTo: d@e.f",
    "--- Starše sporočilo ---\nOd: a@b.c\nDatum: 5. 3. 2024 10:00\nZadeva: x",
    "2024년 3월 5일 Ada님이 작성",
    "po 2. 4. 2012 o 18:26 Ada <a@b.c> napísal(a):",
    "пон, 2.04.2012 г. в 18:26 Ada <a@b.c> написа:",
    "pon, 2. tra 2012. u 18:26 Ada <a@b.c> napisao je:",
    "Pada tanggal Sen, 2 Apr 2012 pukul 18.26 Ada <a@b.c> menulis:",
    "Vào Th 2, 2 thg 4, 2012 vào lúc 18:26 Ada <a@b.c> đã viết:",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("quoted", ["> Will you come?\n> Ada", "Will you come?\nAda"])
def test_what_was_quoted_is_left_out(attribution, quoted):
    assert reply_text(f"Yes, gladly.\n\n{attribution}\n\n{quoted}\n") == "Yes, gladly."


@pytest.mark.parametrize(
    "attribution",
    [
        "Vào Th 2, 2 thg 4, 2012 vào lúc 18:26 Ada <a@b.c> đã viết:",
        "Missatge de Ada <a@b.c> del dia dl., 2 d’abr. 2012 a les 18:26:",
        "ในวันที่ จ. 2 เม.ย. 2012 เวลา 18:26 Ada <a@b.c> เขียนว่า:",
        "2. aprilla 2012 klokka 18.26 ada <a@b.c> qapaatoq:",
        "5 Mar 2024, 10:00 by ada@b.c:",
        "5. März 2024, 10:00 von ada@b.c:",
        "ven 27 nov, 16:22, Ada <a@b.c>:",
        "Zitat von Ada <a@b.c>:",
        "Quoting Ada <a@b.c>:",
    ],
)
def test_in_any_language_an_address_and_a_time_stand_above_what_is_quoted(attribution):
    assert reply_text(f"Yes, gladly.\n\n{attribution}\n\n> Will you come?\n") == "Yes, gladly."
    assert attribution in reply_text(f"{attribution}\n\nWill you come?\n")


@pytest.mark.parametrize(
    "line",
    [
        "bitte Angebot an Ada Berg <ada@berg.de> bis spätestens 12:30 Uhr, danke:",
        "bitte bis 12:30 Uhr an Ada Berg <ada@berg.de>:",
        "bitte bis 12.30 Uhr an Ada Berg <ada@berg.de>",
    ],
)
def test_who_names_an_address_and_a_time_without_a_date_quotes_nobody(line):
    assert reply_text(f"{line}\n> 10 Stück A") == line


@pytest.mark.parametrize(
    "block",
    [
        "Od: Ada <a@b.c>\nDatum: 2. 4. 2012\nKomu: Bob\nPředmět: x",
        "De : Ada Berg\nDate : 2 avril 2026 à 12:30\nÀ : Bob\nObjet : tente",
        "Da: Ada Berg\nData: giovedì 2 aprile 2026 12:30\nA: Bob\nOggetto: tenda",
        "De: Ada Berg\nFecha: jueves, 2 de abril de 2026, 12:30\nPara: Bob\nAsunto: tienda",
        "Da: Ada Berg\nInviato il: giovedì 2 aprile 2026\nA: Bob\nOggetto: tenda",
        "De: Ada Berg\nEnviada em: quinta-feira, 2 de abril de 2026\nPara: Bob\nAssunto: tenda",
        "От: Ada\nДата: 2.4.2012\nДо: bob@b.c\nОтносно: x",
        "Od: Ada\nPoslano: ponedjeljak\nPrima: Bob\nPredmet: x",
    ],
)
def test_an_address_or_a_word_only_of_mail_makes_headers_of_lines(block):
    assert reply_text(f"Yes, gladly.\n\n{block}\n\nWill you come?") == "Yes, gladly."


@pytest.mark.parametrize(
    "sentence",
    [
        "wie Ihr Kollege am 5. März 2024 um 10:30 Uhr schrieb:",
        "As I wrote on 5 March 2024 at 10:30 to help@acme.test:",
        "Am 5. März 2024 um 10:30 Uhr schrieb mir Ihr Kollege, dass Sie am Montag kommen:",
        "On 5 March 2024 at 10:30 I wrote a review about these three products:",
        "Am 5. März 2024 um 10:30 Uhr schrieb mir Ihr Kollege im Laden folgendes:",
        "Am 5. März 2024 schrieb Ada Lovelace von der Firma Acme um 10:30 Uhr dies:",
        "On 5 March 2024 I wrote to help@acme.test that the pump leaks:",
        "your colleague wrote on 5 March that I should tell you this:",
        "Bob (bob@x.com) wrote on 5 March 2024 that I may return it:",
        "Der Kundendienst (service@acme.test) schreibt mir:",
        "Please send it on 5 March 2024 to Anna Berg <anna@berg.de>:",
        "Bitte liefern am 5. März 2024 an Anna Berg <anna@berg.de>:",
        "Comme je vous ai écrit le 5 mars 2024 :",
        "Como escribí el 5 de mayo de 2024:",
        "Come ho scritto il 5 marzo 2024:",
        "Zoals ik op 5 maart 2024 schreef:",
        "Jak napisał kurier 5 marca 2024:",
        "Как вы писали 5 марта 2024:",
        "2024年3月5日のメールでお知らせした件ですが、",
        "info@shop.jp のメールに返信しました。",
        "2024年3月5日に書いた件です。",
        "客服在2024年3月5日的邮件里写道，可以退货。",
        "2024년 3월 5일 작성한 신청서입니다",
        "كتبت لكم في 5/3/2024 ولم يصل الرد",
    ],
)
def test_who_tells_what_somebody_wrote_goes_on_in_their_own_words(sentence):
    text = f"Hello,\n\n{sentence}\n\nThe pump leaks.\n\nPlease help."
    assert reply_text(text) == text


@pytest.mark.parametrize("line", ["--------------------", "____________", "\u200b", "\u200c "])
def test_an_attribution_below_a_drawn_or_invisible_line_is_apart(line):
    reply = reply_text(f"Yes.\n{line}\nOn 5 March 2024 at 10:30, Ada wrote:\nWe come on Monday.")
    assert reply.strip("\u200b\u200c \n") == "Yes."


def test_a_line_drawn_above_a_quotation_is_folded_with_it_and_one_between_words_stays():
    block = "From: a@b.c\nSent: 5 March 2024 10:30\nSubject: x\n\nWill you come?"
    assert reply_text(f"Yes.\n\n---\n\nGladly.\n\n---\n\n{block}") == "Yes.\n\n---\n\nGladly."
    assert reply_text("Yes.\n\n---") == "Yes.\n\n---"


def test_an_attribution_without_a_colon_is_one_where_it_stands_apart_or_above_what_is_marked():
    bare = "On Wed, 5 Mar 2024 10:30:00 +0100 Ada <a@b.c> wrote"
    assert reply_text(f"Yes.\n\n{bare}\n\nWill you come?") == "Yes."
    assert reply_text("Yes.\n\nIn message <1@b.c>, Ada <a@b.c> writes\n> Will you come?") == "Yes."
    told = "On 5 March 2024 at 10:30 your driver a@b.c wrote\nthat he comes on Monday."
    assert reply_text(told) == told


def test_an_attribution_within_a_paragraph_introduces_only_what_is_marked_or_names_an_address():
    told = "Dear all,\nOn 5 March 2024 at 10:30 your colleague wrote:\nWe come on Monday.\n\nNobody came."
    assert reply_text(told) == told
    assert reply_text(told.replace("\nOn", "\n\nOn")) == "Dear all,"
    assert reply_text(told.replace("your colleague", "Ada <a@b.c>")) == "Dear all,"
    assert reply_text("Yes.\nOn 5 March 2024 at 10:30 Ada wrote:\n> We come on Monday.") == "Yes."


@pytest.mark.parametrize("mark", ["--", "—", "__"])
def test_marks_that_divide_a_text_sign_nothing(mark):
    text = f"Name: Ada\n{mark}\nWhat: a lamp\n{mark}\nPhone: 123"
    assert reply_text(text) == text
    assert reply_text(f"Yes.\n\n{mark}\nAda") == "Yes."
    assert reply_text(f"Yes.\n\n-- \nAda\n{mark}\nLondon") == "Yes."


@pytest.mark.parametrize(
    "line",
    [
        "##- Please type your reply above this line -##",
        "##- Bitte geben Sie Ihre Antwort oberhalb dieser Zeile ein. -##",
        "## Please reply above this line ##",
    ],
)
def test_a_line_to_write_above_hides_nothing_where_nobody_has(line):
    assert reply_text(f"{line}\n\nHi Ada, we got it.") == "Hi Ada, we got it."
    assert reply_text(f"Yes.\n\n{line}\n\nHi Ada, we got it.") == "Yes."


@pytest.mark.parametrize(
    "text",
    [
        "A message:\n\nFrom: Ada <a@b.c>\nSent: 5 March 2024 10:00\nTo: Sales\nSubject: Lamp\n\nHow much?",
        "Neu:\n_____\nVon: Ada\nGesendet: 5.3.2024 10:00\nAn: Verkauf\nBetreff: Lampe\n\nWas kostet sie?",
        "--- Kontaktformular ---\nVon: a@b.c\nDatum: 5.3.2024 10:00\nBetreff: Lampe\n\nWas kostet sie?",
        "Neue Anfrage\n\nFrom: Ada <d@e.f>\nDate: 5 March 2024 10:00\nSubject: Lamp\n\nI need 5 pieces.",
        "Neu:\n________\nFrom: Ada <a@b.c>\nSent: 2 April 2012 18:26\n\nI need 5 pieces.",
        "I go to:\n> Settings\n> Account\nand it fails.",
        "Your page says:\n\n> Delivery is free.\n\nIs it true?",
        "On 5 March 2024 at 10:30 Bob Driver wrote:\n\nNobody there.\n\nI was there.",
        "On 5 March 2024 at 10:30 Bob wrote:\n\n\n\n\n\nNobody there.",
        "On 5 March 2024 at 10:30 your colleague <a@b.c> wrote:\n\nWe come on Monday.\n\nNobody came.",
    ],
)
def test_whoever_answers_nothing_quotes_what_they_introduce_as_a_quotation(text):
    assert reply_text(text, is_answer=False) == text
    assert [one.kind for one in split(text, is_answer=False)] == ["reply"]
    assert "quotation" in {one.kind for one in split(text)}


@pytest.mark.parametrize(
    "quotation",
    [
        "On Mon, 2 Apr 2012 18:26, Ada <a@b.c> wrote:\n> one\n\n> two",
        "> On Mon, 2 Apr 2012 18:26, Ada <a@b.c> wrote:\n>\n> one",
        "-----Original Message-----\nFrom: Ada\n\none",
        "---------- Forwarded message ----------\nFrom: Ada\n\none",
    ],
)
def test_what_is_introduced_is_quoted_in_any_message(quotation):
    assert reply_text(f"Hello.\n\n{quotation}", is_answer=False) == "Hello."


def test_marks_of_direction_hide_no_quotation():
    attribution = "\u202bבתאריך יום ב׳, 2 באפר׳ 2012 ב-18:26 מאת \u202aAda\u202c <\u202aa@b.c\u202c>:\u202c"
    assert reply_text(f"Yes.\n\n{attribution}\n\n> Will you come?\n") == "Yes."


def test_a_verb_below_its_marked_line_belongs_to_the_attribution():
    text = ">>> On 3/5/2024 at 10:00 AM, in message <65E@b.c>, Ada <a@b.c>\nwrote:\n> Will you come?\n\nYes."
    assert reply_text(text) == "Yes."


def test_an_answer_below_a_dashed_attribution_is_kept():
    assert reply_text("---- Ada wrote ----\n> Will you come?\n\nYes, gladly.") == "Yes, gladly."


def test_a_list_of_points_is_no_signature():
    text = "Which one?\n\n-The first one\n-The second one\n\nThank you"
    assert reply_text(text) == text


def test_an_answer_below_the_quotation_is_kept():
    assert reply_text("On 1.1.2024, Ada wrote:\n> Will you come?\n\nYes, gladly.") == "Yes, gladly."


def test_answers_between_quoted_lines_are_kept():
    text = "On 1.1.2024, Ada wrote:\n> one?\n\nYes.\n\n> two?\n\nNo."
    assert reply_text(text).split() == ["Yes.", "No."]


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAda Lovelace\nLondon",
        "--\nAda",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Von meinem/meiner Galaxy gesendet",
        "Sent from my mobile phone",
        "Sent from Mail for Windows 10",
        "Gesendet mit der GMX Mail App",
        "Von meinem Handy gesendet",
        "Sent via Superhuman ( https://sprh.mn/?vip=a@b.c )",
        "Enviado desde mi móvil",
        "Enviado a partir do meu smartphone Samsung",
        "Envoyé de mon téléphone",
        "Sent from my work phone",
        "Lähetetty puhelimestani",
        "iPad'imden gönderildi",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Sent from my iPhone, please excuse typos.",
        "Verstuurd vanaf mijn iPhone",
        "Надіслано з мого iPhone",
        "Lähetetty iPhonesta",
        "iPhone'umdan gönderildi",
        "Στάλθηκε από το iPhone μου",
        "Trimis de pe iPhone-ul meu",
        "Az iPhone-omról küldve",
        "從我的 iPhone 傳送",
        "Get Outlook for iOS<https://x.y>",
        "iPhoneから送信",
        "Sent from Mail<https://go.x.y/fwlink/?LinkId=1> for Windows 10",
        "Sent from [Mail](https://go.x.y/) for Windows",
        "Sent from my Windows 8 PC <http://x.y/z>",
        "[Sent from Front]",
        "Sent with Airmail",
        "Sent using Zoho Mail",
        "Sent from my cell, please excuse any typos.",
        "Sent from my Acme, Samsung Galaxy smartphone",
        "(sent from a phone)",
        "Inviato da Posta per Windows",
        "Verzonden vanuit Outlook voor iOS",
        "Odesláno z iPhonu",
        "Elküldve az iPhone-omról",
        "Obtenez Outlook pour Android",
        "Diese Mail wurde von meinem iPhone gesendet",
        "Von Samsung-Tablet gesendet",
        "This email has been checked for viruses by Avast antivirus software.\nwww.avast.com",
        "---\nDiese E-Mail wurde von Avast-Antivirussoftware auf Viren geprüft.\nhttps://www.avast.com",
        "_______________________________________________\nx mailing list\nx@y.z",
    ],
)
def test_a_signature_is_left_out(signature):
    assert reply_text(f"Yes, gladly.\n\n{signature}") == "Yes, gladly."


@pytest.mark.parametrize(
    "text",
    [
        "Sent from my desk, this is much easier to write than on a phone.",
        "On Monday I wrote to you, and nobody answered.",
        "a -- b",
        "From: what I see, it works",
        ">From the start it was broken",
        "- one\n- two\n- three",
        "My address:\nStreet 5\nTown",
        "I need:\n\nTo: be happy",
        "Trips:\nFrom: Zagreb\nTo: Split\nDate: 1.8.2026\nAda, ada@b.c",
        "Anfrage:\nVon: Berlin\nAn: Bord\nDatum: 1.8.2026\nKopie: nein\nAda",
        "Dobar dan,\nOd: 1.8.2026\nDo: 8.8.2026\nZa: 4 osobe\nHvala lijepa 091 234 567\nMarko",
        "Dobrý deň,\nOd: 1.8.2026\nDo: 8.8.2026\nZa: 2 osoby\nPredmet: izba\nĎakujem",
        "Добрый день,\nОт: Москва\nДо: Казань\nДата: 1.8.2026\nТема: трансфер\nСпасибо",
        "Hola,\nDe: Barcelona\nPer a: Girona\nTema: taxi\nGràcies",
        "Bonjour,\nDe : Paris\nÀ : Lyon\nObjet : canapé\nMerci",
        "Hola,\nDe: Barcelona\nPara: Girona\nFecha: 2.4.2026 12:30\nGracias",
        "Order:\n_____\nFrom: Monday\nTo: Friday\nThank you",
        "My parcel:\nFrom: Berlin\nDate: 5 March 2024 10:00\nwas lost, ada@b.c",
        "Parcel:\nFrom: shop@b.c\nDate: 5 March\nThank you",
        "--- My list ---\nTea: two\nRice: one",
        "Trimis ieri, mulțumesc",
        "Lähetetty paketti ei ole tullut varastosta\nAda",
        "iPhone siparişim dün gönderildi\nAda",
        "Στάλθηκε από τον προμηθευτή χθες\nΆντα",
        "Trimis coletul de ieri prin curier\nAda",
        "Sent the invoice by post yesterday\nAda",
        "Sent the iPhone back by post\nAda",
        "Thank you.\nSent from my desk, is much easier than my mobile phone.",
        "Thank you.\nGet me an iPhone by tomorrow",
        "Thank you.\nGet mail on my iPhone",
        "Thank you.\nSent my order via the app",
        "Thank you.\nSent by Front desk yesterday",
        "Thank you.\nSent by courier to my mailbox",
        "Thank you.\nSent from a phone number that I do not know",
        "Thank you.\nSent with windows that do not close",
        "Thank you.\nThis email was scanned for viruses by my son, and one was found",
        "Thank you.\nSent via the app but nothing arrived",
        "Thank you.\nSent from my mobile app twice and still no answer",
        "Thank you.\nThis email was scanned for viruses by Norton but the attachment is infected",
        "Gracias.\nEl software de antivirus Avast que compré no funciona",
        "Merci.\nL'absence de virus dans ce courrier ne me rassure pas",
        "Danke.\nDiese Mail wurde von meinem Chef geschrieben und er will Geld zurück",
        "Dank u.\nVerstuurd met PostNL is de tablet kapot aangekomen",
        "Von meinem Vater gestern gesendet\nAda",
        "Anfrage über die Website\n\n--- Kontaktformular ---\nVon: Max\nBetreff: Dach\nNachricht: Guten Tag",
        "Please book a courier:\nFrom: anna@b.c\nDate: 3 May 2026 10:30\nWe need two parcels",
        "Please book a courier:\n\nFrom: anna@b.c\nDate: 3 May 2026 10:30\nWe need two parcels",
        "안녕하세요.\n계약서 3부 작성 부탁드립니다\n감사합니다",
        "مرحبا\nأريد شراء ثلاثة كتب\nشكرا",
    ],
)
def test_prose_that_looks_like_a_quotation_stays(text):
    assert reply_text(text) == text


def test_a_bare_forward_is_given_back_whole():
    text = "---------- Forwarded message ----------\nFrom: Ada\n\nWill you come?"
    assert reply_text(text) == text


def test_a_page_can_fold_what_is_no_reply():
    segments = split("Yes.\n\n> no?\n\n-- \nAda")
    assert [segment.kind for segment in segments] == ["reply", "quotation", "signature"]


LINES = st.sampled_from(
    ["> a", "-- ", "On 1.1., a@b.c wrote:", "", "text", "From: a", "Sent: b", "To: c", "_____"]
)


@given(st.lists(LINES, max_size=20).map("\n".join) | st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_line_is_lost(text):
    assert "\n".join(segment.text for segment in split(text)) == text.replace("\r\n", "\n")


_MARKS_AND_WORDS = (
    *(lines._QUOTED, lines._RULE),
    *(originals._SEPARATOR, originals._TITLE, originals._FORWARD, originals._ABOVE_LINE),
    *(signatures._SIGNATURE_MARK, signatures._DASHED_NAME, signatures._SENT_FROM),
)


@pytest.mark.parametrize("pattern", _MARKS_AND_WORDS)
@given(data=st.data())
@settings(max_examples=60)
def test_no_line_that_tells_something_is_taken_for_prose(pattern, data):
    """The cheap question before the patterns never hides what a pattern would find."""
    line = data.draw(st.from_regex(pattern))
    if pattern.match(line):
        assert not begins_as_prose(line), line


@given(st.from_regex(attributions._ENDS))
@settings(max_examples=100)
def test_no_line_that_may_end_an_attribution_is_passed_over(line):
    if attributions._ENDS.search(line) and line.isascii():
        assert line.rstrip()[-1:] in attributions._LAST_OF_ENDS


@pytest.mark.parametrize(
    ("line", "is_prose"),
    [("We ordered this.", True), ("> We ordered this.", False), ("Sent from my phone", False), ("", False)],
)
def test_prose_begins_with_a_letter_and_no_telling_word(line, is_prose):
    assert begins_as_prose(line) is is_prose
