"""Security headers of every answer, and the nonce of its scripts."""

import secrets
from http import HTTPStatus

from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue

from tenants.application import settings_of

POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; frame-src 'self'; manifest-src 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# A document inside a frame, such as the body of a message: it may load its style sheet, pictures of
# ``{images}``, and nothing else; no script runs in it, whatever the sanitizer let through.
FRAME_POLICY = (
    "default-src 'none'; img-src {images}; style-src 'self' 'unsafe-inline'; font-src 'none';"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'self';"
    " sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
# Where pictures of ours come from.
PICTURES = frozenset({"static", "mail.inline_image", "mail.attached_picture"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def nonce() -> str:
    """The nonce of this answer's scripts and styles."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    value: str = g.nonce
    return value


def secure(app: Flask) -> None:
    """Put the headers on every answer; a view that sets one itself keeps its own.

    What a browser asks for as a picture is one: a message whose remote pictures are shown could else have
    its reader's browser open any page, download or stream of ours.
    """

    @app.before_request
    def refuse_pages_as_pictures() -> ResponseReturnValue | None:
        is_picture = request.headers.get("Sec-Fetch-Dest") == "image"
        return ("", HTTPStatus.NOT_FOUND) if is_picture and request.endpoint not in PICTURES else None

    is_https = settings_of(app).base_url.startswith("https:")

    @app.after_request
    def stay_here(response: Response) -> Response:
        """No redirect repeats what a request calls this host, or the scheme that a proxy has changed."""
        if response.location and response.location.startswith(request.host_url):
            response.location = f"/{response.location.removeprefix(request.host_url).lstrip('/')}"
        return response

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", POLICY.format(nonce=nonce()))
        if request.is_secure or is_https:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
