"""The small words of each language that nearly every sentence holds, and scripts of one language."""

from __future__ import annotations

import re
from collections import Counter

MAXIMUM_WORDS = 90
MINIMUM_HITS = 4
MINIMUM_SHARE = 0.18  # of the words of the text
MINIMUM_LEAD = 1.7  # times as many hits as the next language
FEW_HITS, FEW_LEAD, FEW_SHARE = 3, 3, 1 / 3  # or fewer of them, where hardly anything speaks for another

_WORDS = {
    "en": "the and to of a in is that for it with you i we on this have are be your my not from our"
    " please would can will at has was but they as there if or an me by what when thanks where hello hi how",
    "de": "der die das und ist ich nicht ein eine zu den mit sie es auf für von wir ihr bitte haben"
    " dem im wie noch bei auch an ihnen mir sich werden wird ihre mein meine vielen dank kann",
    "fr": "le la les et de des je vous est pas un une que pour en du ne mon nous dans votre ce qui"
    " sur avec bonjour merci au avez ai été plus cette mes notre suis sont a",
    "es": "el la los las y de que en es no un una por para con mi me se su lo del al está le tengo"
    " gracias pero como hola cuando usted más este esta he mis hay todavía",
    "it": "il la le e di che non un una per è in mi del della con sono ho al da si lo vi grazie"
    " buongiorno come vorrei mio mia gli ancora questo questa nel più anche",
    "pt": "o a os as e de que não um uma para em do da com me por meu minha se está no na eu mas"
    " obrigado gostaria ao foi como ainda você isso pelo tenho bom dia",
    "nl": "de het een en van ik niet dat is op te voor met u we mijn zijn er aan ook heb wij bij om"
    " naar graag kan nog deze wordt maar uw als hebben dit ben",
    "sv": "och att det jag är inte en ett som på för med har den till vi av min om kan hej från"
    " när eller ni du mig detta tack men så vill finns också",
    "da": "og at det jeg er ikke en et som på for med har den til vi af min om kan hej fra når"
    " eller i mig dette tak men så vil også jeres hvad hvornår blevet",
    "no": "og at det jeg er ikke en et som på for med har den til vi av min om kan hei fra når"
    " eller dere meg dette takk men så vil også hva blitt noe",
    "fi": "ja on ei en se että minun hei mutta olen kun tämä voi mitä kiitos ole joka niin olisi"
    " sitä hän jos koska te vielä onko myös voitte teidän haluaisin",
    "pl": "i w nie na to się z do że jest jak o co mi za ale czy od po proszę dzień dobry mam przez"
    " dla już moje mnie jeszcze dziękuję bardzo pozdrawiam być został",
    "cs": "a v na se je že to s z do jsem o ale jak co by za pro si prosím dobrý den nebo jsme"
    " můj moje ještě děkuji mi od když jako není bych který",
    "hu": "a az és hogy nem is egy ez van meg de ha csak már volt én mint köszönöm kérem szeretném"
    " még vagy nekem üdvözlettel kell lehet",
    "ro": "și de la în a nu că o un pe cu este să mai din am pentru ce care sunt dar bună ziua"
    " mulțumesc aș dori fost vă",
    "tr": "ve bir bu da de için ile ben çok ne mi merhaba teşekkürler değil var olarak daha gibi"
    " lütfen kadar sonra istiyorum henüz siparişim",
}
_LANGUAGES_OF: dict[str, list[str]] = {}
for _language, _listed in _WORDS.items():
    for _word in _listed.split():
        _LANGUAGES_OF.setdefault(_word, []).append(_language)

_TOKEN = re.compile(r"[^\W\d_]+")
_SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "zh": re.compile(r"[\u3400-\u9fff]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
}


def language_by_words(prose: str) -> str | None:
    """The language whose small words clearly prevail, or None. Some microseconds."""
    words = _TOKEN.findall(prose.lower())[:MAXIMUM_WORDS]
    hits = Counter(language for word in words for language in _LANGUAGES_OF.get(word, ()))
    ranked = hits.most_common(2)
    if not ranked:
        return None
    (language, count), *others = ranked
    next_count = others[0][1] if others else 0
    share = count / len(words)
    is_clear = count >= MINIMUM_HITS and share >= MINIMUM_SHARE and count >= MINIMUM_LEAD * next_count
    is_short_but_clear = count >= FEW_HITS and share >= FEW_SHARE and count >= FEW_LEAD * next_count
    return language if is_clear or is_short_but_clear else None


def has_word_of(language: str, prose: str) -> bool:
    """Whether one of the language's small words is there; True for one whose script says enough."""
    words = _TOKEN.findall(prose.lower())
    return language not in _WORDS or any(language in _LANGUAGES_OF.get(word, ()) for word in words)


def language_by_script(prose: str) -> str | None:
    """The language of a script that only one language uses, where it makes a good part of the text.

    Japanese is asked before Chinese: it has Chinese letters too.
    """
    for language, letters in _SCRIPTS.items():
        if len(letters.findall(prose)) * 8 > len(prose):
            return language
    return None
