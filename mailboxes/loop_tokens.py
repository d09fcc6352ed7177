"""The signed mark of our automatic responses, by which every mailbox of the installation knows them.

It survives a relay that makes a new Message-ID. Nobody without the installation's secret makes one, so a
header that a stranger writes has no effect (reliability T22); it tells nothing about who was answered.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from uuid import UUID

from flask import current_app

from tenants.application import settings_of

LOOP_HEADER = "X-Postroom-Loop"
_HALF = 16  # bytes


def loop_token(organization_id: UUID, mailbox_id: UUID, message_id: UUID) -> str:
    """The mark of the response to a message of a mailbox: 52 letters and digits."""
    what = hashlib.sha256(f"{organization_id}|{mailbox_id}|{message_id}".encode()).digest()[:_HALF]
    return base64.b32encode(what + _mac(what)).decode().rstrip("=").lower()


def is_own_loop_token(values: Iterable[str]) -> bool:
    """Whether one of these header values is a mark that this installation has made."""
    return any(_is_signed(value.strip()[:200]) for value in values)


def _is_signed(token: str) -> bool:
    try:
        content = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(content[_HALF:], _mac(content[:_HALF]))


def _mac(content: bytes) -> bytes:
    key = settings_of(current_app).secret_key.encode()
    return hmac.digest(key, b"loop|" + content, hashlib.sha256)[:_HALF]
