"""What surrounds a job: the application, the organization, one commit."""

import os
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any
from uuid import UUID

import structlog
from flask import Flask

import mailboxes.tables  # noqa: F401  # rows are written in the order of their keys: all must be known
from mailboxes.webhooks.telling import takes_bell
from tenants.application import create_base_app
from tenants.database import db, enter_organization
from tenants.organizations import Organization
from tenants.settings import Settings
from workers import queues

Job = Callable[..., None]


@lru_cache(maxsize=1)
def _app_of(process_id: int) -> Flask:  # a forked horse makes connections of its own
    return create_base_app(Settings.from_environment())


def worker_app() -> Flask:
    """The application of this process."""
    return _app_of(os.getpid())


def job(function: Job) -> Job:
    """Run within the application. Ids arrive as text."""

    @wraps(function)
    def run(*args: Any) -> None:
        with (
            worker_app().app_context(),
            structlog.contextvars.bound_contextvars(job=function.__name__),
        ):
            function(*args)

    return run


def job_in_organization(function: Job) -> Job:
    """Run inside the organization that the first argument names; not at all for a disabled one."""

    @wraps(function)
    def run(organization_id: str, *args: Any) -> None:
        with (
            worker_app().app_context(),
            structlog.contextvars.bound_contextvars(job=function.__name__, organization=organization_id),
        ):
            organization = db.session.get(Organization, UUID(organization_id))
            if organization is not None and organization.is_enabled:
                enter_organization(organization.id)
                function(*args)
                db.session.commit()
                if takes_bell():
                    queues.ring_webhooks(organization.id)

    return run
