"""The list of folders, whatever a server says it contains (reliability F36, F37).

A folder's identity is its name as raw bytes; the name for people is made as well as it can be. One
line that cannot be read is left out, it never spoils the list. What a folder is for is told by its
attributes (RFC 6154), else by well-known names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.imap_utf7 import encode as encode_utf7

from mailboxes.imap.dialogue import Parts
from mailboxes.imap.fetching import whole_number

LONGEST_NAME = 2_000  # bytes; an index of PostgreSQL takes 2,704
LONGEST_SHOWN_NAME = 500
LIST_BUDGET = 16 * 1024 * 1024
INBOX = b"INBOX"  # the same folder in any case (RFC 9051 §5.1)

_LIST = re.compile(rb"\* LIST\s*\(([^)]*)\)\s*(NIL|\"(?:\\?.)?\"|\S)\s+(.*)\Z", re.IGNORECASE | re.DOTALL)
_STATUS = re.compile(rb"\* STATUS\s++(.*\S)\s*\(([^()]*)\)\s*\Z", re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(rb"~?\{\d{1,20}\+?\}\Z")
_ESCAPED = re.compile(rb"\\([\"\\])")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")

_ATTRIBUTES = {
    "\\all": "all",
    "\\allmail": "all",
    "\\archive": "archive",
    "\\drafts": "drafts",
    "\\flagged": "flagged",
    "\\starred": "flagged",
    "\\junk": "junk",
    "\\spam": "junk",
    "\\sent": "sent",
    "\\trash": "trash",
    "\\inbox": "inbox",
}

# English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Czech, Swedish, Danish,
# Norwegian, Finnish, Russian, Ukrainian, Turkish, Hungarian, Romanian, Greek, Japanese, Chinese, Korean
_WELL_KNOWN = {
    "sent": """sent|sent items|sent messages|sent mail|sent-mail|gesendet|gesendete objekte|
        gesendete elemente|gesendete nachrichten|envoyé|envoyés|éléments envoyés|
        messages envoyés|objets envoyés|courrier envoyé|enviado|enviados|elementos enviados|
        mensajes enviados|correo enviado|inviata|inviati|posta inviata|elementi inviati|
        messaggi inviati|itens enviados|mensagens enviadas|e-mails enviados|verzonden|
        verzonden items|verzonden berichten|wysłane|elementy wysłane|wiadomości wysłane|odeslané|
        odeslaná pošta|odeslané zprávy|skickat|skickade|skickade objekt|sendt|sendt post|
        sendte elementer|sendte beskeder|lähetetyt|lähetetyt viestit|отправленные|
        отправленные письма|надіслані|відправлені|gönderilmiş|gönderilmiş öğeler|gönderilenler|
        gönderilmiş postalar|elküldött|elküldött elemek|elküldött üzenetek|trimise|elemente trimise|
        mesaje trimise|απεσταλμένα|σταλμένα|送信済み|送信済みアイテム|送信済みメール|已发送|已发送邮件|
        已傳送郵件|寄件備份|보낸편지함|보낸 편지함|보낸메일함""",
    "drafts": """drafts|draft|entwürfe|entwurf|brouillons|brouillon|borradores|bozze|rascunhos|
        concepten|kopie robocze|szkice|wersje robocze|koncepty|rozepsané|utkast|kladder|
        luonnokset|черновики|чернетки|taslaklar|piszkozatok|ciorne|schițe|πρόχειρα|下書き|草稿|
        草稿箱|임시보관함|임시 보관함""",
    "trash": """trash|deleted|deleted items|deleted messages|bin|papierkorb|gelöscht|
        gelöschte objekte|gelöschte elemente|corbeille|éléments supprimés|messages supprimés|
        papelera|elementos eliminados|cestino|posta eliminata|elementi eliminati|lixeira|lixo|
        itens excluídos|itens eliminados|prullenbak|verwijderde items|kosz|elementy usunięte|koš|
        odstraněná pošta|odstraněné|papperskorgen|borttaget|slettet post|slettede elementer|
        papirkurv|papperskorg|søppel|roskakori|poistetut|корзина|удаленные|удалённые|кошик|
        видалені|çöp kutusu|çöp|silinmiş öğeler|lomtár|kuka|törölt elemek|coș de gunoi|
        elemente șterse|κάδος|διεγραμμένα|ゴミ箱|削除済みアイテム|已删除|已删除邮件|垃圾桶|
        刪除的郵件|휴지통|지운편지함|지운 편지함""",
    "junk": """junk|junk e-mail|junk email|junk mail|spam|bulk mail|spamverdacht|unerwünscht|
        junk-e-mail|courrier indésirable|indésirables|pourriel|correo no deseado|correo basura|
        posta indesiderata|indesiderata|lixo eletrônico|lixo eletrónico|lixo electrónico|
        ongewenste e-mail|ongewenst|reclame|wiadomości-śmieci|niechciane|nevyžádaná pošta|
        nevyžádaná|skräppost|uønsket e-mail|uønsket post|søppelpost|roskaposti|спам|
        нежелательная почта|небажана пошта|istenmeyen|gereksiz e-posta|önemsiz e-posta|levélszemét|
        spamovi|mesaje nedorite|ανεπιθύμητα|ανεπιθύμητη αλληλογραφία|迷惑メール|垃圾邮件|垃圾郵件|
        스팸|스팸메일함|정크 메일""",
    "archive": """archive|archives|archiv|archivo|archivio|arquivo|arquivo morto|archief|archiwum|
        archív|arkiv|arkisto|архив|архів|arşiv|archívum|arhivă|αρχειοθήκη|アーカイブ|存档|归档|封存|
        보관함""",
    "all": """all mail|alle nachrichten|tous les messages|tutti i messaggi|todos os e-mails|
        alle berichten|wszystkie|вся почта|tüm postalar|すべてのメール|所有邮件|全部郵件|전체보관함""",
}
WELL_KNOWN_NAMES = MappingProxyType(
    {name.strip().casefold(): use for use, names in _WELL_KNOWN.items() for name in names.split("|")}
)
_HOLDERS = {"inbox", "[gmail]", "[google mail]"}


@dataclass(frozen=True, slots=True)
class FolderListing:
    """One folder of a server.

    ``name_raw``: its identity, to be sent back as it came. ``name``: for people.
    ``delimiter``: between levels, or None. ``flags``: attributes, as sent.
    ``special_use``: inbox, sent, drafts, trash, junk, archive, all, flagged, or None.
    ``message_count``, ``uid_validity``, ``uid_next``: where they were asked for and told.
    """

    name_raw: bytes
    name: str
    delimiter: str | None
    flags: tuple[str, ...]
    special_use: str | None
    is_selectable: bool
    message_count: int | None = None
    uid_validity: int | None = None
    uid_next: int | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """The name cut at its delimiter, for a tree."""
        return tuple(self.name.split(self.delimiter)) if self.delimiter else (self.name,)


def listings(answers: Sequence[Parts]) -> list[FolderListing]:
    """Every folder that the LIST answers tell of, once each, with what it is for."""
    found: dict[bytes, FolderListing] = {}
    for parts in answers:
        listing = _listing(parts)
        if listing is not None:
            found.setdefault(listing.name_raw, listing)
    return _with_well_known_uses(list(found.values()))


def status_numbers(parts: Parts) -> tuple[bytes, dict[str, int]]:
    """A folder's name and the numbers told about it; both empty for another kind of answer."""
    found = _STATUS.match(parts[0] + parts[2] if len(parts) > 2 else parts[0])
    if not found:
        return b"", {}
    words = found[2].upper().split()
    told = {
        name.decode("ascii", "replace"): whole_number(value)
        for name, value in zip(words[::2], words[1::2], strict=False)
    }
    return _name(found[1], parts), {name: value for name, value in told.items() if value is not None}


def shown_name(name_raw: bytes) -> str:
    """A folder's name for people, from modified UTF-7 (RFC 3501 §5.1.3), UTF-8 or Latin-1."""
    name = _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", _decoded(name_raw))
    return name[:LONGEST_SHOWN_NAME]


def is_well_known(name: str, delimiter: str | None, use: str) -> bool:
    """Whether folders for this use are usually called so."""
    last = name.rpartition(delimiter)[2] if delimiter else name
    return WELL_KNOWN_NAMES.get(last.strip().casefold()) == use


def raw_name(name: str) -> bytes:
    """The bytes under which a server knows a folder that a person has named."""
    return bytes(encode_utf7(name))


def _decoded(name_raw: bytes) -> str:
    if not name_raw.isascii():
        return _decoded_eight_bit(name_raw)
    try:
        name = str(decode_utf7(name_raw))
        name.encode("utf-8")  # lone surrogates are no text
    except (UnicodeError, ValueError):
        return name_raw.decode("ascii")
    return name


def _decoded_eight_bit(name_raw: bytes) -> str:
    try:
        return name_raw.decode("utf-8")
    except UnicodeDecodeError:
        return name_raw.decode("latin-1")


def _listing(parts: Parts) -> FolderListing | None:
    found = _LIST.match(parts[0])
    if not found:
        return None
    name_raw = _name(found[3], parts)
    if not name_raw or len(name_raw) > LONGEST_NAME:
        return None
    flags = tuple(found[1].decode("ascii", "replace").split())
    lowered = {flag.lower() for flag in flags}
    use = next((_ATTRIBUTES[flag] for flag in sorted(lowered) if flag in _ATTRIBUTES), None)
    is_inbox = name_raw.upper() == INBOX
    is_sendable = not any(character in name_raw for character in b"\r\n\0")
    return FolderListing(
        name_raw=INBOX if is_inbox else name_raw,
        name=shown_name(name_raw),
        delimiter=_delimiter(found[2]),
        flags=flags,
        special_use="inbox" if is_inbox else use,
        is_selectable=is_sendable and lowered.isdisjoint({"\\noselect", "\\nonexistent"}),
    )


def _name(text: bytes, parts: Parts) -> bytes:
    """The name out of a quoted string, a literal or whatever else stands there."""
    if len(parts) > 1 and _SIZE.match(text):
        return parts[1]
    if len(text) >= 2 and text.startswith(b'"'):
        end = text.rfind(b'"')
        return _ESCAPED.sub(rb"\1", text[1:end]) if end > 0 else text[1:]
    return text.strip()


def _delimiter(text: bytes) -> str | None:
    if text.upper() == b"NIL" or b"\0" in text:
        return None
    plain = _ESCAPED.sub(rb"\1", text.strip(b'"') if text != b'"\\""' else b'"')
    return plain[-1:].decode("latin-1") or None


def _with_well_known_uses(folders: list[FolderListing]) -> list[FolderListing]:
    """Fill in uses that the server does not tell, one folder for each, by name."""
    taken = {folder.special_use for folder in folders}
    result = []
    for folder in folders:
        use = folder.special_use or _use_by_name(folder)
        if folder.special_use is None and use in taken:
            use = None
        taken.add(use)
        result.append(replace(folder, special_use=use))
    return result


def _use_by_name(folder: FolderListing) -> str | None:
    """What a folder at the top (or just below the inbox) is called for; deeper ones are people's."""
    *holders, last = folder.path
    if not folder.is_selectable or [name.casefold() for name in holders] not in [
        [],
        *([holder] for holder in _HOLDERS),
    ]:
        return None
    return WELL_KNOWN_NAMES.get(last.strip().casefold())
