"""What the API is, told by its operations: as OpenAPI 3.1 for programs, as a page for people."""

import re
from functools import lru_cache
from typing import Any

from flask import Response, current_app
from flask.typing import ResponseReturnValue
from werkzeug.routing import Rule

from mailboxes.interchange.nodes import Schema
from tenants.api_tokens import AREAS
from webapp.api import operations
from webapp.api.door import REQUESTS_A_MINUTE
from webapp.api.operations import KEY, Operation, Parameter, blueprint
from webapp.api.shapes import Shape
from webapp.guards import public

VERSION = "1"
_ARGUMENT = re.compile(r"<(?:(\w+):)?(\w+)>")
PROBLEM: Schema = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "The place in the body."},
                    "parameter": {"type": "string", "description": "The parameter, or the header."},
                    "detail": {"type": "string"},
                },
                "required": ["detail"],
            },
        },
        "request": {"type": "string", "description": "What the log calls it."},
    },
    "required": ["type", "title", "status", "detail"],
}
INTRODUCTION = (
    "Send a token as `Authorization: Bearer …`. Times are RFC 3339 in UTC, ids are opaque texts. Lists are"
    " told in pages: go on with `cursor` as long as `next_cursor` is not null. What is wrong is told as"
    f" application/problem+json (RFC 9457). A token may ask {REQUESTS_A_MINUTE} times a minute; beyond that,"
    " and to whoever guesses tokens, the answer is 429 with Retry-After."
)


@blueprint.get("/openapi.json")
@public
def openapi() -> ResponseReturnValue:
    """The description, for programs. It holds nothing of anybody's, and is the same for all."""
    return Response(_description_as_json(), mimetype="application/json")


def description() -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    shapes: dict[str, Schema] = {"Problem": PROBLEM}
    for rule, method, one in described_routes():
        paths.setdefault(_path(rule), {})[method.lower()] = _operation(rule, method, one)
        if one.answer is not None:
            shapes[one.answer.name] = one.answer.schema
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postroom", "version": VERSION, "description": INTRODUCTION},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": shapes,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _content("What went wrong.", "#/components/schemas/Problem")},
        },
    }


def described_routes() -> list[tuple[Rule, str, Operation]]:
    """Every route of the API that a token opens, in the order of the addresses."""
    found = []
    for rule in current_app.url_map.iter_rules():
        one = getattr(current_app.view_functions[rule.endpoint], "operation", None)
        if isinstance(one, Operation):
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            found += [(rule, method, one) for method in methods]
    return sorted(found, key=lambda route: (_path(route[0]), route[1]))


@lru_cache(maxsize=1)
def _description_as_json() -> str:
    return current_app.json.dumps(description())


def _path(rule: Rule) -> str:
    return _ARGUMENT.sub(r"{\2}", rule.rule.removeprefix("/api/v1"))


def _operation(rule: Rule, method: str, one: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": rule.endpoint.partition(".")[2],
        "summary": one.words.partition(". ")[0].rstrip("."),
        "description": f"{one.words} {_demands(one)}".strip(),
        "tags": [_tag(rule, one)],
        "parameters": [*_arguments(rule), *(_parameter(*pair) for pair in one.query.items()), *_headers(one)],
        "responses": {**_answers(one), "default": {"$ref": "#/components/responses/Problem"}},
    }
    if one.body is not None:
        schema = {"schema": one.body.schema}
        told["requestBody"] = {"required": True, "content": {"application/json": schema}}
    return told


def _tag(rule: Rule, one: Operation) -> str:
    return AREAS.get(one.scope.partition(":")[0], "The token and the people")


def _demands(one: Operation) -> str:
    demanded = [f"the scope {one.scope}"] if one.scope else []
    demanded += [f"the permission {name}" for name in one.permissions]
    return f"It needs {', '.join(demanded)}." if demanded else ""


def _arguments(rule: Rule) -> list[dict[str, Any]]:
    kinds: dict[str, Schema] = {"uuid": {"type": "string", "format": "uuid"}, "int": {"type": "integer"}}
    return [
        {"name": name, "in": "path", "required": True, "schema": kinds.get(kind, {"type": "string"})}
        for kind, name in _ARGUMENT.findall(rule.rule)
    ]


def _parameter(name: str, parameter: Parameter) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": parameter.words, "schema": parameter.schema}


def _headers(one: Operation) -> list[dict[str, Any]]:
    told = {}
    if one.is_once:
        told[KEY] = "A text of your own for this request. Sent again with it, it makes nothing new."
    if one.is_matched:
        told["If-Match"] = "The ETag of what was read: if it is another one now, nothing is changed (412)."
    return [
        {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}
        for name, words in told.items()
    ]


def _answers(one: Operation) -> dict[str, Any]:
    if one.answer is None:
        if one.media == operations.JSON:
            return {"204": {"description": "Done."}}
        return {"200": {"description": "As it is.", "content": {one.media: {}}}}
    return {str(one.status): _content("What is there now.", _schema(one.answer, is_list=one.is_list))}


def _schema(answer: Shape, *, is_list: bool) -> Schema:
    if not is_list:
        return answer.reference
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": answer.reference},
            "next_cursor": {"type": ["string", "null"]},
        },
        "required": ["data", "next_cursor"],
        "additionalProperties": False,
    }


def _content(words: str, schema: Schema | str) -> dict[str, Any]:
    if isinstance(schema, str):
        return {
            "description": words,
            "content": {"application/problem+json": {"schema": {"$ref": schema}}},
        }
    return {"description": words, "content": {operations.JSON: {"schema": schema}}}
