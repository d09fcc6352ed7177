"""Pages that an organization has, and the system for all of them: what differs between the two levels."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from mailboxes.offering import MOST_IN_A_REQUEST, carry_offers
from tenants import audit
from tenants.database import db
from webapp.configuration.sidebar import organization_tree, system_tree
from webapp.versions import Who, on_record


def _by_key(thing: Any) -> dict[str, Any]:
    return {"key": thing.key}


@dataclass(frozen=True)
class Level:
    """Whose pages they are.

    ``above``: the page they stand below, as (text, endpoint); ``named``: what names a thing in its address;
    ``record``: puts an act on record; ``carry``: brings what was committed to whom it concerns.
    """

    blueprint: str
    above: tuple[str, str]
    sidebar: Callable[[], list[dict[str, Any]]]
    named: Callable[[Any], dict[str, Any]]
    record: Callable[..., None]
    carry: Callable[[], object] = lambda: None
    is_system: bool = False

    def url(self, page: str, thing: Any = None, **more: Any) -> str:
        """The address of a page, or of what is done to one thing."""
        return url_for(f"{self.blueprint}.{page}", **(self.named(thing) if thing is not None else {}), **more)

    def crumbs(self, heading: str = "") -> list[tuple[str, str]]:
        """The way to the list; to a page below it, where ``heading`` is what the list is called."""
        text, endpoint = self.above
        way = [(text, url_for(endpoint))]
        return [*way, (heading, self.url("index"))] if heading else way

    def who_changed(self, kind: str, name: str) -> Who:
        """Who did something last to a thing that is called so, as the record of this level says."""
        if self.is_system:
            return on_record(audit.SystemAuditEntry, kind, name)
        return on_record(audit.AuditEntry, kind, name)

    def commit(self) -> None:
        """What was done is kept, and reaches whom it concerns."""
        db.session.commit()
        self.carry()

    def done(self, sentence: str, page: str = "index", thing: Any = None) -> ResponseReturnValue:
        """The same, and the page that is shown next says so."""
        self.commit()
        flash(sentence, "success")
        return redirect(self.url(page, thing))


def organization_level(blueprint: str, named: Callable[[Any], dict[str, Any]] = _by_key) -> Level:
    """The pages of the current organization."""
    return Level(blueprint, ("Configuration", "organization.index"), organization_tree, named, audit.record)


def system_level(blueprint: str) -> Level:
    """The pages of the system."""
    above = ("System", "system.index")
    return Level(blueprint, above, system_tree, _by_key, audit.record_for_system, is_system=True)


def offering_level(blueprint: str) -> Level:
    """The pages of what the system offers to every organization."""
    return replace(system_level(blueprint), carry=partial(carry_offers, MOST_IN_A_REQUEST))
