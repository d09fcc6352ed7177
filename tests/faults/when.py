"""When something goes wrong: at the n-th command of a kind, after a number of bytes, or at a message."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Nth:
    """At a verb (or ``*``, or ``connect``) from its n-th time on; ``times``: so often, None for ever."""

    verb: str = "*"
    nth: int = 1
    times: int | None = None


@dataclass(frozen=True)
class Byte:
    """After so many bytes of the next connection: *down* from the server, *up* from us."""

    offset: int
    direction: Literal["down", "up"] = "down"


@dataclass(frozen=True)
class Uid:
    """When the body of this message is asked for."""

    uid: int


When = Nth | Byte | Uid
