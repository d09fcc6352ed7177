"""The language a message is written in."""

import pytest

from mailboxes.languages import language_of

TEXTS = {
    "en": "Hello, I would like to know the price of your product and when you can deliver it, please.",
    "de": "Guten Tag, ich habe eine Frage zu meiner Rechnung vom letzten Monat. Können Sie mir helfen?",
    "fr": "Bonjour, je voudrais savoir quand ma commande sera livrée, car je ne l'ai pas encore reçue.",
    "es": "Buenos días, quisiera saber cuándo llegará mi pedido, porque todavía no lo he recibido.",
    "it": "Buongiorno, vorrei sapere quando arriverà il mio ordine, perché non l'ho ancora ricevuto.",
    "pt": "Bom dia, gostaria de saber quando chegará a minha encomenda, pois ainda não a recebi.",
    "nl": "Goedendag, ik wil graag weten wanneer mijn bestelling wordt geleverd, want ik wacht al lang.",
    "sv": "Hej, jag undrar när min beställning kommer, eftersom jag ännu inte har fått den.",
    "pl": "Dzień dobry, chciałbym wiedzieć, kiedy dotrze moje zamówienie, bo jeszcze go nie otrzymałem.",
    "cs": "Dobrý den, chtěl bych vědět, kdy dorazí moje objednávka, protože jsem ji ještě nedostal.",
    "fi": "Hei, haluaisin tietää, milloin tilaukseni saapuu, koska en ole vielä saanut sitä.",
    "ru": "Здравствуйте, я хотел бы узнать, когда придёт мой заказ, я его ещё не получил.",
    "ja": "お世話になっております。先日注文した商品がまだ届いておりません。",
    "zh": "您好，我想问一下我的订单什么时候可以送到，我还没有收到。",
}
FEW_WORDS = {
    "en": "Hello, where is my order 4711? Thanks, Anna",
    "da": "Hej, hvor er min ordre? Tak",
    "no": "Hei, hvor er bestillingen min? Takk",
    "de": "Hallo, wann kommt meine Lampe? Danke, Anna",
    "es": "Muchas gracias por su ayuda.",
    "nl": "Waar blijft mijn bestelling?",
    "sv": "Tack så mycket för hjälpen.",
    "hu": "Hol van a rendelésem?",
    "uk": "Де моє замовлення?",
}
# Languages that are easily taken for one of the above.
MORE = {
    "be": "Добры дзень, я хацеў бы даведацца, калі прыйдзе мой заказ, бо яшчэ яго не атрымаў.",
    "bg": "Здравейте, бих искал да знам кога ще пристигне поръчката ми, защото още не съм я получил.",
    "ca": "Bon dia, voldria saber quan arribarà la meva comanda, perquè encara no l'he rebuda. Gràcies",
    "et": "Tere, sooviksin teada, millal minu tellimus kohale jõuab, sest ma pole seda veel kätte saanud.",
    "fa": "سلام، می‌خواستم بدانم سفارش من کی می‌رسد، چون هنوز آن را دریافت نکرده‌ام.",
    "hr": "Poštovani, zanima me kada će stići moja narudžba, jer je još nisam primio. Hvala",
    "id": "Selamat pagi, saya ingin tahu kapan pesanan saya akan tiba, karena saya belum menerimanya.",
    "is": "Góðan dag, ég vildi gjarnan vita hvenær pöntunin mín kemur, því ég hef ekki fengið hana enn.",
    "lt": "Laba diena, norėčiau sužinoti, kada atvyks mano užsakymas, nes aš jo dar negavau.",
    "lv": "Labdien, es vēlētos uzzināt, kad pienāks mans pasūtījums, jo es to vēl neesmu saņēmis.",
    "mk": "Здраво, сакам да знам кога ќе пристигне мојата нарачка, бидејќи сѐ уште ја немам добиено.",
    "sk": "Dobrý deň, chcel by som vedieť, kedy príde moja objednávka, pretože som ju ešte nedostal. Ďakujem",
    "sl": "Pozdravljeni, zanima me, kdaj bo prispelo moje naročilo, saj ga še nisem prejel. Hvala",
    "sr": "Поштовани, занима ме када ће стићи моја поруџбина, јер је још нисам добио.",
    "th": "สวัสดีครับ ผมอยากทราบว่าสินค้าจะมาถึงเมื่อไหร่",
    "vi": "Xin chào, tôi muốn biết khi nào đơn hàng của tôi sẽ đến, vì tôi vẫn chưa nhận được.",
}


@pytest.mark.parametrize(
    ("code", "text"),
    [*TEXTS.items(), *FEW_WORDS.items(), *MORE.items()],
    ids=[*TEXTS, *(f"{code} in few words" for code in FEW_WORDS), *MORE],
)
def test_a_language_is_recognised(code, text):
    assert language_of(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "Prynhawn da, hoffwn wybod pryd y bydd fy archeb yn cyrraedd, gan nad wyf wedi ei derbyn eto.",
        "Сайн байна уу, миний захиалга хэзээ ирэхийг мэдмээр байна, би хараахан аваагүй байна.",
        "Habari, ningependa kujua agizo langu litafika lini, kwa sababu bado sijalipokea.",
    ],
    ids=["Welsh", "Mongolian", "Swahili"],
)
def test_a_language_that_nobody_knows_here_is_not_taken_for_another(text):
    assert language_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Da li je moguće da se pošalje pre petka, ako nije plaćeno sa računa?",
        "Dobar dan, kupio sam telefon pre dva dana sa popustom, a ako ne radi, šta da radim?",
    ],
)
def test_serbian_in_latin_letters_is_no_slovak(text):
    assert language_of(text) in ("hr", "sr", None)


@pytest.mark.parametrize("text", ["Invoice 2024 ACME GmbH", "Max Mustermann", "Samsung Galaxy Note"])
def test_names_have_no_language(text):
    assert language_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "OK STORE\nOK FETCH (UID FLAGS (\\Seen))\nOK CLOSE\nOK NOOP",
        "H sIAJ+A jIAA VPTWvDMAy+e nbpCsS bRS vayXdJDDwURbJEEEqez VdKC W+fnQ iwdN ktAHQEQAzV irAv DI fvHLGD",
        "GIF89a((óÌÝîÿ¾¾¾ˆˆˆnnnÌÝîÿÿÿççç,((þÉI«½x–Ì;. Œdižh\nJè¾p,ÇâZ{ Ö†mîS;VèçÞˆE[Y Ÿã’ù¬Bk¼¡Ï",
    ],
    ids=["a protocol", "encoded bytes", "a picture"],
)
def test_what_no_human_wrote_is_in_no_foreign_language(text):
    assert language_of(text) in ("en", None)


@pytest.mark.parametrize(
    "text", ["\x00\x0c" + TEXTS["de"], TEXTS["de"] + " \ud800 \ufdd0", "\ufffe\U0001fffe" + "\x1b" * 40]
)
def test_characters_that_no_text_may_hold_do_no_harm(text):
    assert language_of(text) in ("de", None)


@pytest.mark.parametrize(
    "text", ["", "Hi", "OK!", "12345 67890 12345 67890 12345", "https://x.y/" + "a" * 80]
)
def test_a_text_that_says_too_little_has_none(text):
    assert language_of(text) is None


@pytest.mark.parametrize(("header", "code"), [("de", "de"), ("de-DE", "de"), (" PT_br ", "pt"), ("nb", "no")])
def test_what_the_message_says_of_itself_counts_first(header, code):
    assert language_of(TEXTS["fr"], header) == code


def test_english_is_believed_until_the_text_shows_another_language():
    assert language_of("OK, merci", "en-US") == "en"
    assert language_of(TEXTS["fr"], "en-US") == "fr"


@pytest.mark.parametrize("header", [None, "", "en, de", "i-klingon", "nonsense", "x" * 5000])
def test_a_header_that_names_no_one_language_is_passed_over(header):
    assert language_of(TEXTS["fr"], header) == "fr"
