"""A request as the pages read it."""

from io import BytesIO
from typing import IO, Any

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

MOST_FIELDS = 20_000  # of a form: each costs a hundred times its bytes, and the time of all others


class FewFields(FormDataParser):
    """Takes no form apart that has more fields than any of ours."""

    def parse(self, stream: IO[bytes], mimetype: str, *args: Any, **given: Any) -> Any:
        """The stream, the fields and the files of a form."""
        if mimetype == "application/x-www-form-urlencoded":
            most = self.max_form_memory_size
            typed = stream.read() if most is None else stream.read(most + 1)
            if (most is not None and len(typed) > most) or typed.count(b"&") >= MOST_FIELDS:
                raise RequestEntityTooLarge
            stream = BytesIO(typed)
        return super().parse(stream, mimetype, *args, **given)


class PageRequest(Request):
    """A request. HEAD asks for what GET would answer, and changes as little: views know GET and POST."""

    form_data_parser_class = FewFields

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        if self.method == "HEAD":
            self.method = "GET"  # the server leaves the body out by what it was asked
