"""Files that are sent while they are made, for as long as that takes."""

from collections import Counter
from collections.abc import Iterator
from threading import Lock
from typing import AnyStr
from uuid import UUID

from flask import Response, g, stream_with_context

from tenants.database import db, enter_organization
from tenants.errors import TooManyAttemptsError

MOST_OF_ONE = 2  # at the same time: each keeps a thread of this process until it is whole
MOST = 8
OF_ONE = "Two of your downloads are still under way. Wait until one has ended, or stop it, and try again."
OF_ALL = "Many downloads are under way. Try again in a few minutes."

_running: Counter[UUID] = Counter()
_lock = Lock()


def streamed(pieces: Iterator[AnyStr], filename: str, mimetype: str) -> Response:
    """A file to keep, made piece by piece in the organization that the session is bound to now.

    Raises `TooManyAttemptsError` where this person, or everybody, has enough of them under way.
    """
    person: UUID = g.user.id
    bound_to: UUID | None = db.session.info.get("organization_id")
    response = Response(stream_with_context(_bound(pieces, bound_to)), mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    with _lock:
        _demand_room(person)
        _running[person] += 1
    response.call_on_close(lambda: _end(person))
    return response


def demand_room() -> None:
    """Refuse now what `streamed` would refuse, before anything says that the file was taken."""
    with _lock:
        _demand_room(g.user.id)


def _bound(pieces: Iterator[AnyStr], bound_to: UUID | None) -> Iterator[AnyStr]:
    """The session of the request has ended, with all it was bound to, when the first piece is asked for."""
    if bound_to is not None:
        enter_organization(bound_to)
    yield from pieces


def _demand_room(person: UUID) -> None:
    if _running[person] >= MOST_OF_ONE:
        raise TooManyAttemptsError(OF_ONE)
    if _running.total() >= MOST:
        raise TooManyAttemptsError(OF_ALL)


def _end(person: UUID) -> None:
    with _lock:
        _running[person] -= 1
        if not _running[person]:
            del _running[person]
