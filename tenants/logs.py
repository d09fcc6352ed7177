"""Logs: one JSON object a line on standard error, secrets hidden by their names.

What people wrote never goes into a log; ids do.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

HIDDEN = "(hidden)"
_SECRET_NAME = re.compile(
    r"password|secret|token|authorization|cookie|api_?key|encryption_?key", re.IGNORECASE
)
_CREDENTIALS = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Set up both structlog and the standard library's logging, once for a process."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(_number_of(level)),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[_without_internals, structlog.processors.JSONRenderer()]
        )
    )
    logging.basicConfig(level=_number_of(level), handlers=[handler], force=True)
    for chatty in ("rq.worker", "uvicorn.access", "httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Values whose names speak of secrets, and passwords inside URLs, are not written."""
    for name, value in event.items():
        if _SECRET_NAME.search(name) and value:
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = _CREDENTIALS.sub(rf"\1{HIDDEN}@", value)
    return event


def _without_internals(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event


def _number_of(level: str) -> int:
    return logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
