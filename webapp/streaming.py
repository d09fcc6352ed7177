"""Files that are sent while they are made, for as long as that takes."""

from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from threading import Lock
from typing import AnyStr
from uuid import UUID

from flask import Response, g, stream_with_context

from tenants.database import db, enter_organization
from tenants.errors import AppError

MOST_OF_ONE = 2  # at the same time: each keeps a thread of this process until it is whole
MOST_OF_AN_ORGANIZATION = 4
MOST = 8
OF_ONE = "Two of your downloads are still under way. Wait until one has ended, or stop it, and try again."
OF_ALL = "Many downloads are under way. Try again in a few minutes."

Places = tuple[UUID | None, ...]

_running: Counter[UUID | None] = Counter()  # by person, by organization, and (None) all of them
_lock = Lock()


class TooManyDownloadsError(AppError):
    """A file would be made beside too many others."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = OF_ALL


def streamed(
    pieces: Iterator[AnyStr], filename: str, mimetype: str, *, noted: Callable[[], None]
) -> Response:
    """A file to keep, made piece by piece in the organization that the session is bound to now.

    ``noted`` puts on record who takes it, once there is room for it; it is committed here. Raises
    `TooManyDownloadsError` where this person, the organization or everybody has enough under way.
    """
    bound_to: UUID | None = db.session.info.get("organization_id")
    places = _take_places(g.user.id, bound_to)
    try:
        noted()
        db.session.commit()
    except BaseException:
        _leave_places(places)
        raise
    response = Response(stream_with_context(_bound(pieces, bound_to)), mimetype=mimetype)
    response.call_on_close(lambda: _leave_places(places))
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _bound(pieces: Iterator[AnyStr], bound_to: UUID | None) -> Iterator[AnyStr]:
    """The session of the request has ended, with all it was bound to, when the first piece is asked for."""
    if bound_to is not None:
        enter_organization(bound_to)
    yield from pieces


def _take_places(person: UUID, organization: UUID | None) -> Places:
    with _lock:
        if _running[person] >= MOST_OF_ONE:
            raise TooManyDownloadsError(OF_ONE)
        if _running[None] >= MOST or (organization and _running[organization] >= MOST_OF_AN_ORGANIZATION):
            raise TooManyDownloadsError
        places = (None, person, organization) if organization else (None, person)
        _running.update(places)
        return places


def _leave_places(places: Places) -> None:
    with _lock:
        _running.subtract(places)
        for place in places:
            if not _running[place]:
                del _running[place]
