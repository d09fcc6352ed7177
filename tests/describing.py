"""An answer of the API is what its description says, in every test: the test client asks this of each."""

from functools import lru_cache
from typing import Any

from flask import Flask
from jsonschema import Draft202012Validator, FormatChecker

from webapp.api.description import description


def demand_described(app: Flask, endpoint: str | None, answer: Any) -> None:
    """`AssertionError` where the description of an operation says otherwise than its answer."""
    view = app.view_functions.get(endpoint or "")
    if not hasattr(view, "operation") or answer.status_code == 304:
        return
    assert "Set-Cookie" not in answer.headers, f"{endpoint} sets a cookie"
    told = _operations(app)[str(endpoint).partition(".")[2]]["responses"]
    kind, schema = _answer(told, answer.status_code)
    assert answer.mimetype == kind, f"{endpoint} answers {answer.status_code} with {answer.mimetype}"
    if schema is not None and answer.get_data():
        root = {**schema, "components": description_of(app)["components"]}
        Draft202012Validator(root, format_checker=FormatChecker()).validate(answer.json)


@lru_cache(maxsize=4)
def description_of(app: Flask) -> dict[str, Any]:
    """The description of an application's API."""
    with app.app_context():
        return description()


def _operations(app: Flask) -> dict[str, Any]:
    paths = description_of(app)["paths"].values()
    return {one["operationId"]: one for methods in paths for one in methods.values()}


def _answer(told: dict[str, Any], status: int) -> tuple[str, Any]:
    if status >= 400:
        return "application/problem+json", {"$ref": "#/components/schemas/Problem"}
    assert str(status) in told, f"it answers {status}, and is described with {sorted(told)}"
    ((kind, content),) = told[str(status)].get("content", {"text/html": {}}).items()
    return kind, content.get("schema")
