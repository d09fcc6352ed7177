"""What is said to sign in, by password or by token; nothing where it would be said in clear or in vain."""

import base64

from mailboxes.errors import LoginDisabledError
from mailboxes.imap.dialogue import Argument, Reply, astring, refuse_control
from mailboxes.imap.settings import ImapSettings
from mailboxes.sasl import CONFESSIONS, initial_response, mechanism_of


def login_command(
    settings: ImapSettings, capabilities: frozenset[str], token: str | None, host: str, *, is_encrypted: bool
) -> list[Argument]:
    """The command for a token, or without one for the password. Raises `LoginDisabledError` (F29)."""
    if token is None:
        return _password_command(settings, capabilities, is_encrypted=is_encrypted)
    return _token_command(settings, capabilities, token, host, is_encrypted=is_encrypted)


def _password_command(
    settings: ImapSettings, capabilities: frozenset[str], *, is_encrypted: bool
) -> list[Argument]:
    """LOGIN, or PLAIN for what LOGIN does not carry."""
    user, password = settings.user.encode("utf-8"), settings.password.encode("utf-8")
    is_disabled, is_plain_offered = "LOGINDISABLED" in capabilities, "AUTH=PLAIN" in capabilities
    if is_disabled and not (is_plain_offered and is_encrypted):
        raise LoginDisabledError
    is_odd = is_disabled or not (user + password).isascii()
    if is_odd and is_plain_offered:
        return [b"AUTHENTICATE", b"PLAIN", Reply(_plain_response(user, password))]
    return [b"LOGIN", astring(user), astring(password)]


def _token_command(
    settings: ImapSettings, capabilities: frozenset[str], token: str, host: str, *, is_encrypted: bool
) -> list[Argument]:
    """AUTHENTICATE by a mechanism that carries tokens."""
    offered = (name.removeprefix("AUTH=") for name in capabilities if name.startswith("AUTH="))
    mechanism = mechanism_of(offered)
    if mechanism is None or not is_encrypted:  # a token is never said in clear
        raise LoginDisabledError
    refuse_control(token.encode("utf-8"))
    response = initial_response(mechanism, settings.user, token, host, settings.port)
    return [b"AUTHENTICATE", mechanism.encode(), Reply(response, CONFESSIONS[mechanism])]


def _plain_response(user: bytes, password: bytes) -> bytes:
    """The initial response of SASL PLAIN (RFC 4616)."""
    return base64.b64encode(b"\0" + user + b"\0" + password)
