"""Stored credentials: AES-256-GCM, bound to the row they belong to, with keys that can be rotated.

A blob is one byte of version, one byte of the key id's length, the key id, 12 bytes of nonce and the
ciphertext with its tag. The place (table, row, column) is authenticated, so that a blob copied into
another row does not open there.
"""

import hashlib
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

from tenants.settings import Settings

VERSION = 1
NONCE_LENGTH = 12


class UnreadableSecretError(RuntimeError):
    """The blob was made with a key this installation no longer has, or for another row."""


def hash_of_token(token: str) -> bytes:
    """What is kept of a token of 256 random bits, by which it is found again and cannot be used."""
    return hashlib.sha256(token.encode()).digest()


def encrypt(secret: str, *, table: str, row: UUID | str, column: str) -> bytes:
    """The secret as it may be stored in that place, under the newest key."""
    key_id, key = _newest_key()
    nonce = os.urandom(NONCE_LENGTH)
    sealed = AESGCM(key).encrypt(nonce, secret.encode(), _place(table, row, column, key_id))
    return bytes([VERSION, len(key_id)]) + key_id.encode() + nonce + sealed


def decrypt(blob: bytes, *, table: str, row: UUID | str, column: str) -> str:
    """The secret again; `UnreadableSecretError` if key or place are not those it was made for."""
    key_id, rest = _split(blob)
    key = _settings().encryption_keys.get(key_id)
    if key is None:
        raise UnreadableSecretError(f"no encryption key {key_id!r} is configured")
    try:
        opened = AESGCM(key).decrypt(
            rest[:NONCE_LENGTH], rest[NONCE_LENGTH:], _place(table, row, column, key_id)
        )
    except InvalidTag:
        raise UnreadableSecretError("a stored secret does not belong to its row") from None
    return opened.decode()


def is_current(blob: bytes) -> bool:
    """Whether the newest key made this blob."""
    return _split(blob)[0] == _newest_key()[0]


def _split(blob: bytes) -> tuple[str, bytes]:
    if len(blob) < 2 or blob[0] != VERSION:
        raise UnreadableSecretError("a stored secret has an unknown form")
    end = 2 + blob[1]
    return blob[2:end].decode(), blob[end:]


def _place(table: str, row: UUID | str, column: str, key_id: str) -> bytes:
    return f"{table}|{row}|{column}|{key_id}".encode()


def _newest_key() -> tuple[str, bytes]:
    return list(_settings().encryption_keys.items())[-1]


def _settings() -> Settings:
    settings: Settings = current_app.config["POSTROOM"]
    return settings
