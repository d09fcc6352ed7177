"""*Check connection / Retrieve folders*: what is typed is tried, nothing is saved."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast
from uuid import UUID

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer

from mailboxes.accounts import Account, Folder, folders_of
from mailboxes.connection_check import CheckReport, check_connection
from mailboxes.connections import discovery_places, egress_policy, password_of
from mailboxes.discovery import Proposal, discover
from mailboxes.imap import Encryption, FolderListing, ImapSettings
from mailboxes.setup.signing_in import demand_connected, take_providers_servers, tokens_of
from mailboxes.setup.values import IMAP_PLACE, SMTP_PLACE, MailboxValues
from mailboxes.smtp import SmtpSettings
from tenants.application import settings_of
from tenants.database import db
from tenants.errors import InvalidError

_OUR_WORDS = {"junk": "spam", None: "other", "flagged": "other"}  # where they are not IMAP's
TOLD_SECONDS = 600  # so long what a server tells of a folder counts as of now
MOST_AT_ONCE = 3  # of one organization, in this process
DEMANDED_ANEW = "Type the password again: it was given for another server, port, encryption or user."

_counting = Lock()
_under_way: Counter[UUID | None] = Counter()


@dataclass(frozen=True)
class FolderChoice:
    """A folder as the page offers it; ``special_use`` in our words (spam, other, …).

    ``uid_validity``, ``uid_next``: what the server told of it ``told_at`` (seconds of the epoch), if it did.
    """

    name_raw: bytes
    name: str
    delimiter: str | None
    special_use: str
    is_selectable: bool
    message_count: int | None
    uid_validity: int | None = None
    uid_next: int | None = None
    told_at: float = 0.0

    @property
    def next_uid_now(self) -> tuple[int, int] | None:
        """The UIDVALIDITY and the next UID, if they were told a moment ago."""
        is_now = 0 <= time.time() - self.told_at < TOLD_SECONDS
        return (self.uid_validity, self.uid_next) if is_now and self.uid_validity and self.uid_next else None

    @property
    def stored_use(self) -> str:
        """What it is for as a pass over the account stores it, in IMAP's words."""
        return "junk" if self.special_use == "spam" else self.special_use


def our_word(special_use: str | None) -> str:
    """What a folder is for, as pages and files say it, from what IMAP says."""
    return _OUR_WORDS.get(special_use) or str(special_use)


def check(values: MailboxValues, account: Account | None) -> CheckReport:
    """Try each protocol that is switched on. `InvalidError` at a field that makes trying impossible.

    A server that hardly answers holds a thread of the pages for a minute or two: an organization tries
    few at a time.
    """
    if not values.imap_enabled and not values.smtp_enabled:
        raise InvalidError("Switch on IMAP, SMTP or both to check them.", field="imap_enabled")
    take_providers_servers(values, account)
    demand_connected(values, account)
    imap = _imap(values, account) if values.imap_enabled else None
    smtp = _smtp(values, account) if values.smtp_enabled else None
    with one_of_few():
        return check_connection(imap, smtp, egress_policy())


def proposals_for(address: str) -> list[Proposal]:
    """Connection settings for an address, to be offered; none for what is no address."""
    with one_of_few():
        return discover(address, discovery_places())


@contextmanager
def one_of_few() -> Iterator[None]:
    """Something that asks servers of others; `InvalidError` while an organization asks many already."""
    owner = db.session.info.get("organization_id")
    with _counting:
        if _under_way[owner] >= MOST_AT_ONCE:
            raise InvalidError("Other connections are being tried right now. Try again in a minute.")
        _under_way[owner] += 1
    try:
        yield
    finally:
        with _counting:
            _under_way[owner] -= 1


def known_folders(account: Account) -> list[FolderChoice]:
    """The folders that are known of an account, by name."""
    rows = db.session.scalars(folders_of(account).order_by(Folder.name))
    return [
        FolderChoice(
            f.name_raw, f.name, f.delimiter, our_word(f.special_use), f.is_selectable, f.server_count
        )
        for f in rows
        if f.gone_at is None or f.is_synced
    ]


def choices_of(folders: tuple[FolderListing, ...]) -> list[FolderChoice]:
    """What a server listed, in our words."""
    return [
        FolderChoice(
            folder.name_raw,
            folder.name,
            folder.delimiter,
            our_word(folder.special_use),
            folder.is_selectable,
            folder.message_count,
            folder.uid_validity,
            folder.uid_next,
            time.time(),
        )
        for folder in folders
    ]


def sealed(folders: list[FolderChoice]) -> str:
    """Retrieved folders as a signed text that the form carries until it is saved."""
    return _serializer().dumps(
        [
            [
                f.name_raw.decode("latin-1"),
                f.name,
                f.delimiter,
                f.special_use,
                f.is_selectable,
                f.message_count,
                f.uid_validity,
                f.uid_next,
                f.told_at,
            ]
            for f in folders
        ]
    )


def unsealed(text: str) -> list[FolderChoice]:
    """The folders of a signed text; none if it is empty or not ours."""
    try:
        rows: list[list[Any]] = _serializer().loads(text) if text else []
    except BadSignature:
        rows = []
    return [FolderChoice(row[0].encode("latin-1"), *row[1:]) for row in rows]


def needs_password(values: MailboxValues, account: Account | None, place: tuple[str, ...]) -> bool:
    """Whether the stored password was given for another place than the one typed."""
    return account is None or any(getattr(values, name) != getattr(account, name) for name in place)


def _imap(values: MailboxValues, account: Account | None) -> ImapSettings:
    tokens = tokens_of(values, account)
    return ImapSettings(
        host=values.imap_host,
        port=values.imap_port,
        encryption=cast("Encryption", values.imap_encryption),
        user=values.imap_user,
        password="" if tokens else imap_password(values, account),
        tokens=tokens,
        ca_file=settings_of(current_app).ca_file,
    )


def _smtp(values: MailboxValues, account: Account | None) -> SmtpSettings:
    own_login, tokens = bool(values.smtp_user), tokens_of(values, account)
    return SmtpSettings(
        host=values.smtp_host,
        port=values.smtp_port,
        encryption=cast("Encryption", values.smtp_encryption),
        user=values.smtp_user if own_login else values.imap_user,
        password="" if tokens else _sending_password(values, account),
        tokens=tokens,
        ca_file=settings_of(current_app).ca_file,
    )


def _sending_password(values: MailboxValues, account: Account | None) -> str:
    return smtp_password(values, account) if values.smtp_user else shared_password(values, account)


def imap_password(values: MailboxValues, account: Account | None) -> str:
    """The password typed, or the stored one if it belongs to the same place."""
    if values.imap_password:
        return values.imap_password
    if account is None or needs_password(values, account, IMAP_PLACE) or not account.imap_secret:
        raise InvalidError(DEMANDED_ANEW if account else "Type the password.", field="imap_password")
    return password_of(account, "imap")


def smtp_password(values: MailboxValues, account: Account | None) -> str:
    """The same for a separate SMTP login."""
    if values.smtp_password:
        return values.smtp_password
    if account is None or needs_password(values, account, SMTP_PLACE) or not account.smtp_secret:
        raise InvalidError(
            DEMANDED_ANEW if account else "Type the password of the SMTP login.", field="smtp_password"
        )
    return password_of(account, "smtp")


def shared_password(values: MailboxValues, account: Account | None) -> str:
    """The one password of a login that serves both; it goes to no SMTP server it was not given for."""
    if values.imap_password:
        return values.imap_password
    place = ("imap_user", *SMTP_PLACE) if account is not None and account.smtp_enabled else ()
    moved = account is None or not place or needs_password(values, account, place)
    if account is None or moved or not account.imap_secret:
        raise InvalidError(DEMANDED_ANEW if account else "Type the password.", field="imap_password")
    return password_of(account, "imap")


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(settings_of(current_app).secret_key, salt="folders")
