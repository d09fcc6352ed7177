"""The test client: a request starts without any context of the application, as behind a server.

One that is not ``buffered`` shares the context variables of its test: its answer goes on after `open`.
"""

from contextvars import Context
from typing import Any

from flask import request, request_started
from flask.testing import FlaskClient

from tests.describing import demand_described
from tests.recording import demand_an_entry, written_tables


class Client(FlaskClient):
    """Without this, `flask.g` and the bound session would leak from one request of a test into the next.

    Answers are read whole at once; pass ``buffered=False`` for one that never ends. An administrator's
    request that changes something without an entry in the record fails its test, and so does an answer of the
    API that is not what its description says.
    """

    def open(self, *args: Any, **given: Any) -> Any:
        """Send a request."""
        given.setdefault("buffered", True)
        with self.application.app_context():
            if not given["buffered"]:
                return super().open(*args, **given)
            return self._watched(*args, **given)

    def _watched(self, *args: Any, **given: Any) -> Any:
        endpoints: list[str | None] = []  # of the request, then of those it was led to

        def note(sender: Any, **_: Any) -> None:
            endpoints.append(request.endpoint)

        with request_started.connected_to(note, self.application), written_tables(self.application) as tables:
            answer = Context().run(super().open, *args, **given)
        endpoint = endpoints[0] if endpoints else None
        demand_an_entry(self.application, endpoint, answer.status_code, tables)
        demand_described(self.application, endpoint, answer)
        return answer
