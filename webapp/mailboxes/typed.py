"""What was typed on the page of a mailbox: as it was sent, or as the page was left for a provider."""

from typing import Any

from flask import g, request
from werkzeug.datastructures import MultiDict


def typed_form() -> MultiDict[str, str]:
    """The fields by their names."""
    again: MultiDict[str, str] | None = g.get("typed_again")
    return request.form if again is None else again


def typed_folders() -> list[bytes]:
    """The names of the folders that are ticked, as the server writes them."""
    return [folder.encode("latin-1", "ignore") for folder in typed_form().getlist("folders")]


def typed_again() -> dict[str, Any]:
    """For a form of this page, if somebody comes back from a provider."""
    return {"formdata": typed_form()} if "typed_again" in g else {}
