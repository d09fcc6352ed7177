"""Messages to begin with, in the languages that customers write."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One ready message. ``action``: the kind of mailbox it is for (lead or case)."""

    label: str
    action: str
    sender: str
    subject: str
    text: str
    kind: str = "person"


EXAMPLES = (
    Example(
        "English: a broken zip",
        "case",
        "Fiona McAllister <fiona.mcallister@loch-post.example>",
        "The zip of my jacket is stuck",
        "Hello,\n\nthe zip of my jacket has come off its track after four months. I have tried a candle, as "
        "my grandmother would. Can you repair it before Christmas?\n\nBest wishes\nFiona\n",
    ),
    Example(
        "Deutsch: Angebot für einen Verein",
        "lead",
        "Jonathan Krüger <j.krueger@kanuverein-ploen.example>",
        "Angebot für unseren Kanuverein",
        "Guten Tag,\n\nwir suchen für unseren Verein (62 Mitglieder) zwanzig Schwimmwesten und zehn "
        "wasserdichte Packsäcke. Was können Sie uns anbieten, und bis wann wäre das bei uns?\n\n"
        "Freundliche Grüße\nJonathan Krüger\n",
    ),
    Example(
        "Français : un retour",
        "case",
        "Margaux Lefèvre <margaux.lefevre@ptt.example>",
        "Retour : mauvaise couleur",
        "Bonjour,\n\nj'avais commandé le bonnet en bleu et j'ai reçu le rouge. Il est très joli, mais il ne "
        "va avec rien. Comment faire pour l'échanger ?\n\nMerci beaucoup,\nMargaux Lefèvre\n",
    ),
    Example(
        "Español: un pedido grande",
        "lead",
        "Álvaro Quintana <alvaro@libreria-quintana.example>",
        "Condiciones para librerías",
        "Hola:\n\nTengo una pequeña librería en Oviedo y me gustaría trabajar con ustedes. ¿Qué descuento "
        "hacen a librerías y cuál es el pedido mínimo?\n\nUn saludo,\nÁlvaro Quintana\n",
    ),
    Example(
        "日本語: 在庫の確認",
        "case",
        "佐藤 健 <ken.sato@minato.example>",
        "在庫についてのお問い合わせ",
        "お世話になっております。佐藤と申します。\n\n先日ウェブサイトで拝見した商品の在庫はございますでしょうか。"
        "日本への発送も可能かどうか、教えていただけますと幸いです。\n\nよろしくお願いいたします。\n佐藤 健\n",
    ),
    Example(
        "العربية: سؤال عن الشحن",
        "case",
        "سامي الخطيب <sami.khatib@souq.example>",
        "سؤال عن الشحن",
        "مرحباً،\n\nكم يستغرق الشحن إلى بيروت؟ وهل يمكنني الدفع عند الاستلام؟\n\nمع التحية،\nسامي الخطيب\n",
    ),
    Example(
        "An out-of-office message: it must not be answered",
        "case",
        "Birthe Nygaard <birthe.nygaard@havn.example>",
        "Automatic reply: out of the office until Monday",
        "I am away until Monday and read no mail. In urgent cases please call the reception.\n\n"
        "Birthe Nygaard\n",
        "out_of_office",
    ),
    Example(
        "A newsletter: it makes no lead",
        "lead",
        "Trade Weekly <news@trade-weekly.example>",
        "Trade Weekly: five things to know",
        "Five things to know this week. You receive this because you signed up at a fair in 2019.\n",
        "newsletter",
    ),
)
