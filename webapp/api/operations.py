"""What a program can do: each operation declares what it takes and tells, and is described by that alone."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from flask import Blueprint, Response, current_app, g, request
from flask.typing import ResponseReturnValue

from mailboxes.crm.paging import Page
from mailboxes.interchange.bodies import read_body
from mailboxes.interchange.nodes import Reader, Schema
from tenants.api_tokens import made_once
from tenants.errors import AppError
from webapp.api.problems import QueryError
from webapp.api.shapes import Shape
from webapp.guards import api_token_required

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

View = TypeVar("View", bound=Callable[..., Any])
MOST = 100  # of a page
USUAL = 50
LONGEST_KEY = 200
KEY = "Idempotency-Key"
JSON = "application/json"


class ChangedMeanwhileError(AppError):
    """What is stored is no more what a program has read."""

    status = HTTPStatus.PRECONDITION_FAILED
    message = "This was changed since it was read. Read it again, and repeat what you wanted."


@dataclass(frozen=True)
class Parameter:
    """What may stand in the address. ``read`` makes the value, or raises `ValueError`."""

    words: str
    read: Callable[[str], Any] = str
    schema: Schema = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Operation:
    """What the description says of a route; ``answer`` is None for what is no JSON, of ``media``."""

    words: str
    scope: str
    permissions: tuple[str, ...]
    query: Mapping[str, Parameter]
    body: Reader[Any] | None
    answer: Shape | None
    status: int
    media: str
    is_list: bool
    is_once: bool
    is_matched: bool


def choice_of(words: str, *allowed: str) -> Parameter:
    """One of these words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"Use one of: {', '.join(allowed)}.")
        return text

    return Parameter(words, read, {"type": "string", "enum": list(allowed)})


def id_of(words: str) -> Parameter:
    """The id of something."""
    return Parameter(words, _id, {"type": "string", "format": "uuid"})


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("Use an id as it was told.") from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST):
        raise ValueError(f"Use a number from 1 to {MOST}.")
    return int(text)


def _words(text: str) -> str:
    if "\x00" in text:
        raise ValueError("This holds a character that no text has.")
    return text


WORDS = Parameter("Words that are all in it.", _words)
PAGING = {
    "limit": Parameter(
        f"How many at once; {USUAL} where it is left out.",
        _limit,
        {"type": "integer", "minimum": 1, "maximum": MOST},
    ),
    "cursor": Parameter("Where to go on: `next_cursor` of the answer before."),
}


def operation(
    method: str,
    path: str,
    *,
    scope: str = "",
    permissions: tuple[str, ...] = (),
    query: Mapping[str, Parameter] = {},
    body: Reader[Any] | None = None,
    answer: Shape | None = None,
    status: int = 200,
    media: str = JSON,
    is_list: bool = False,
    is_once: bool = False,
    is_matched: bool = False,
) -> Callable[[View], View]:
    """Route a view, which returns what `answer` shows (a `Page` of it with ``is_list``), or a response.

    It is called with the ids of the path, and with ``query`` and ``body`` where it takes some.
    ``is_once``: `once` keeps a repeated request from doing it again; ``is_matched``: `demand_match` asks for
    what was read.
    """
    query = {**query, **PAGING} if is_list else query

    def decorate(view: View) -> View:
        @wraps(view)
        def answered(**given: Any) -> ResponseReturnValue:
            _refuse_unknown(query)
            if query:
                given["query"] = _read_query(query)
            if body is not None:
                given["body"] = read_body(request.get_data(cache=True), body)
            return _response(view(**given), answer, status)

        guarded = api_token_required(scope, *permissions)(answered)
        words = " ".join((view.__doc__ or "").split())
        guarded.operation = Operation(  # type: ignore[attr-defined]
            words, scope, permissions, query, body, answer, status, media, is_list, is_once, is_matched
        )
        blueprint.add_url_rule(path, view.__name__, guarded, methods=[method])
        return view

    return decorate


def once(make: Callable[[], UUID]) -> UUID:
    """The id of what a request makes; of a repeated one (`Idempotency-Key`) what the first has made."""
    key = request.headers.get(KEY, "")
    if not key:
        return make()
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise QueryError(f"Use at most {LONGEST_KEY} printable characters.", KEY)
    told = f"{request.method} {request.full_path}\n".encode() + request.get_data(cache=True)
    return made_once(g.token, key, hashlib.sha256(told).digest(), make)


def demand_match(current: Mapping[str, Any]) -> None:
    """`ChangedMeanwhileError` where the request names another version than what is told now."""
    if request.if_match and not request.if_match.contains(version_of(current)):
        raise ChangedMeanwhileError


def version_of(told: Mapping[str, Any]) -> str:
    """The entity tag of what is told."""
    return hashlib.sha256(current_app.json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _refuse_unknown(query: Mapping[str, Parameter]) -> None:
    for name in request.args:
        if name not in query:
            raise QueryError(f"This address takes: {', '.join(query)}." if query else "Leave this out.", name)


def _read_query(query: Mapping[str, Parameter]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, parameter in query.items():
        if name in request.args:
            try:
                found[name] = parameter.read(request.args[name])
            except ValueError as error:
                raise QueryError(str(error), name) from None
    return found


def _response(made: Any, answer: Shape | None, status: int) -> ResponseReturnValue:
    if isinstance(made, Response):
        return made
    if answer is None:
        return "", HTTPStatus.NO_CONTENT
    if isinstance(made, Page):
        rows = [answer.shown(row) for row in made.rows]
        return {"data": rows, "next_cursor": made.next or None}
    told = answer.shown(made)
    response = Response(current_app.json.dumps(told), status, mimetype=JSON)
    response.set_etag(version_of(told))
    if request.method == "GET":
        response.make_conditional(request)
    return response
