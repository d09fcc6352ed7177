"""Domain names as they go over the wire: A-labels (RFC 5890), by IDNA 2008.

The codec of the standard library follows IDNA 2003, to which straße.de is strasse.de: somebody else's.
"""

import idna


def ascii_domain(name: str) -> str:
    """A domain name in A-labels and lower case; `UnicodeError` where it is none."""
    return name.lower() if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
