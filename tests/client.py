"""The test client: every request starts with an application context of its own, as behind a server."""

from typing import Any

from flask.testing import FlaskClient


class Client(FlaskClient):
    """Without this, `flask.g` and the bound session would leak from one request of a test into the next.

    Answers are read whole at once; pass ``buffered=False`` for one that never ends.
    """

    def open(self, *args: Any, **given: Any) -> Any:
        """Send a request."""
        given.setdefault("buffered", True)
        with self.application.app_context():
            return super().open(*args, **given)
