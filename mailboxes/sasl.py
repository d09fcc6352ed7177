"""What both protocols say to sign in with an access token instead of a password. Pure."""

import base64
from collections.abc import Callable, Iterable

# Asked for a token that lives; told which one a server did not take ("" at first), it gives another.
TokenSource = Callable[[str], str]

# XOAUTH2 first: of the two it is the one that every provider has had for years.
MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
# What answers the server's account of an error, so that the dialogue comes to its end.
CONFESSIONS = {"XOAUTH2": b"", "OAUTHBEARER": base64.b64encode(b"\x01")}


def mechanism_of(offered: Iterable[str]) -> str | None:
    """The mechanism to use, of those a server offers; None if it takes no tokens."""
    names = {name.upper() for name in offered}
    return next((name for name in MECHANISMS if name in names), None)


def initial_response(mechanism: str, user: str, token: str, host: str, port: int) -> bytes:
    """The base64 of a mechanism's only message (Google's XOAUTH2; OAUTHBEARER, RFC 7628 §3.1).

    User and token must hold no control characters; the callers have refused them before.
    """
    if mechanism == "XOAUTH2":
        text = f"user={user}\x01auth=Bearer {token}\x01\x01"
    else:
        escaped = user.replace("=", "=3D").replace(",", "=2C")
        text = f"n,a={escaped},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"
    return base64.b64encode(text.encode("utf-8"))
