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


@pytest.mark.parametrize("code", TEXTS)
def test_a_text_of_some_length_is_recognised(code):
    assert language_of(TEXTS[code]) == code


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
