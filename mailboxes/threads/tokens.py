"""Signed tokens that lead an answer back to its thread, also when a relay made a new Message-ID.

A token is 40 letters and digits: the thread's id and a MAC over organization, mailbox and thread. Nobody
without the installation's secret makes one, and one of another mailbox opens nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from uuid import UUID, uuid4

from flask import current_app

from mailboxes.threads import Thread
from tenants.application import settings_of

TOKEN_HEADER = "X-Postroom-Token"  # noqa: S105  # a header's name

MOST_TOKENS = 20  # of one message that are looked at

_MAC_BYTES = 9
_TOKEN = re.compile(r"(?<![a-z2-7])([a-z2-7]{40})(?![a-z2-7])")


def thread_token(thread: Thread) -> str:
    """The token of a thread, for `TOKEN_HEADER` and as a part of Message-IDs."""
    mac = _mac(thread.organization_id, thread.mailbox_id, thread.id)
    return base64.b32encode(thread.id.bytes + mac).decode().lower()


def header_id(thread: Thread, domain: str) -> str:
    """A new Message-ID of a message in this thread, without angle brackets."""
    return f"{uuid4()}.{thread_token(thread)}@{domain}"


def thread_of_token(text: str, organization_id: UUID, mailbox_id: UUID) -> UUID | None:
    """The thread that a Message-ID or header value of this mailbox leads to; None for anything else."""
    for found in _TOKEN.finditer(text[:2_000].lower()):
        thread_id, mac = _opened(found[1])
        if thread_id and hmac.compare_digest(mac, _mac(organization_id, mailbox_id, thread_id)):
            return thread_id
    return None


def owners_of_tokens(
    texts: Iterable[str], mailboxes: Collection[tuple[UUID, UUID]]
) -> list[tuple[UUID, UUID]]:
    """Organization and thread of each token that one of these mailboxes (organization, mailbox) has made."""
    tokens = dict.fromkeys(found[1] for text in texts for found in _TOKEN.finditer(text[:2_000].lower()))
    opened = [_opened(token) for token in list(tokens)[:MOST_TOKENS]]
    return [
        (organization_id, thread_id)
        for thread_id, mac in opened
        if thread_id
        for organization_id, mailbox_id in mailboxes
        if hmac.compare_digest(mac, _mac(organization_id, mailbox_id, thread_id))
    ]


def _opened(token: str) -> tuple[UUID | None, bytes]:
    try:
        content = base64.b32decode(token.upper())
    except binascii.Error:
        return None, b""
    return UUID(bytes=content[:16]), content[16:]


def _mac(organization_id: UUID, mailbox_id: UUID, thread_id: UUID) -> bytes:
    text = f"thread|{organization_id}|{mailbox_id}|{thread_id}".encode()
    key = settings_of(current_app).secret_key.encode()
    return hmac.digest(key, text, hashlib.sha256)[:_MAC_BYTES]
