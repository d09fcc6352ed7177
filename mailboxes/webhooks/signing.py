"""Signatures of webhooks as the Standard Webhooks specification has them (v1: HMAC-SHA256)."""

import base64
import hmac
import os
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as its receiver gets it."""
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def headers_of(id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers that sign a call; while a secret is rotated, with both of them."""
    second = str(int(at.timestamp()))
    return {
        "webhook-id": id,
        "webhook-timestamp": second,
        "webhook-signature": " ".join(_signature(secret, id, second, body) for secret in secrets),
    }


def _signature(secret: str, id: str, second: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.digest(key, f"{id}.{second}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"
