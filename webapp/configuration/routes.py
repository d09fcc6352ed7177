"""The addresses of a configuration, the same at every level."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.configuration import history_pages
from webapp.configuration.scopes import Scope

Page = Callable[..., ResponseReturnValue]
ROUTES: tuple[tuple[str, str, tuple[str, ...], Page], ...] = (
    ("/<setting>/history", "history", ("GET",), history_pages.history_page),
    ("/<setting>/reset", "reset", ("POST",), history_pages.reset),
    ("/<setting>/changes/<uuid:change_id>/undo", "undo", ("POST",), history_pages.undo),
)


def add_routes(
    blueprint: Blueprint,
    guard: Callable[[Page], Page],
    scope: Callable[..., Scope],
    *,
    under: str = "",
    prefix: str = "",
) -> None:
    """Give a blueprint the pages of single settings, beside the page of a group that it has itself.

    ``scope`` opens whose configuration it is, from what else the address holds; ``prefix`` stands before
    the names of the endpoints.
    """
    for path, endpoint, methods, page in ROUTES:
        view = guard(_opening(page, scope))
        blueprint.add_url_rule(under + path, prefix + endpoint, view, methods=list(methods))


def _opening(page: Page, scope: Callable[..., Scope]) -> Page:
    def view(setting: str, **ids: Any) -> ResponseReturnValue:
        organization = {"organization_id": ids.pop("organization_id")} if "organization_id" in ids else {}
        return page(scope(**organization), setting, **ids)

    view.__name__, view.__doc__ = page.__name__, page.__doc__
    return view
