"""The description of the API as a page, for people who write programs."""

from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.interchange.nodes import Schema
from webapp.api.description import INTRODUCTION, description
from webapp.api.token_views import blueprint
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required

_KINDS = {
    "string": "text",
    "integer": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}
_FORMATS = {"uuid": "id", "date-time": "time", "email": "email address"}


@dataclass(frozen=True)
class Line:
    """A field of a body or an answer, or a parameter."""

    name: str
    kind: str
    words: str = ""
    is_demanded: bool = False


@blueprint.get("/reference")
@permission_required("api_token.manage")
def reference() -> ResponseReturnValue:
    """Every operation: what it takes, and what it tells."""
    told = description()
    operations = [
        {"method": method.upper(), "path": path, **_shown(one)}
        for path, methods in told["paths"].items()
        for method, one in methods.items()
    ]
    return render_template(
        "organization/api_reference.html",
        introduction=INTRODUCTION,
        base_url=f"{request.url_root.rstrip('/')}/api/v1",
        parts=[
            (tag, [one for one in operations if one["tag"] == tag])
            for tag in dict.fromkeys(one["tag"] for one in operations)
        ],
        shapes={
            name: lines_of(schema)
            for name, schema in told["components"]["schemas"].items()
            if name != "Problem"
        },
        sidebar=organization_tree(),
    )


def lines_of(schema: Schema, before: str = "") -> list[Line]:
    """The fields of an object, and of those in it, as paths."""
    found: list[Line] = []
    for name, part in schema.get("properties", {}).items():
        path = f"{before}{name}"
        is_demanded = name in schema.get("required", ()) and not before
        found.append(Line(path, in_words(part), part.get("description", ""), is_demanded))
        inner = _object_in(part)
        if inner is not None:
            found += lines_of(inner, f"{path}." if part.get("type") != "array" else f"{path}[].")
    return found


def in_words(schema: Schema) -> str:
    """Of which kind a value is."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return ", ".join(schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        return " or ".join(in_words(one) for one in schema["anyOf"])
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return " or ".join(_KINDS[one] for one in kind)
    if kind == "array":
        return f"list of: {in_words(schema['items'])}"
    return _FORMATS.get(schema.get("format", ""), _KINDS.get(kind, "object"))


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    status, answer = next(iter(one["responses"].items()))
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    rows = schema.get("properties", {}).get("data", {}).get("items")
    return {
        "id": one["operationId"],
        "tag": one["tags"][0],
        "summary": one["summary"],
        "words": one["description"].partition(". ")[2],
        "parameters": [
            Line(parameter["name"], in_words(parameter["schema"]), parameter.get("description", ""))
            for parameter in one["parameters"]
            if parameter["in"] != "path"
        ],
        "body": lines_of(body),
        "status": status,
        "answer": in_words(rows or schema) if schema else "",
        "is_list": rows is not None,
        "media": next(iter(answer.get("content", {})), ""),
    }


def _object_in(part: Schema) -> Schema | None:
    """The object that a field holds, may hold, or holds several of."""
    inner = part.get("items", part) if part.get("type") == "array" else part
    candidates = inner.get("anyOf", [inner])
    return next((one for one in candidates if "properties" in one), None)
