"""The cookie that holds a session's token."""

from flask import Request, Response, current_app

from tenants.users import SESSION_LIFETIME


def name() -> str:
    """The cookie's name; over HTTPS it is bound to this host alone."""
    return "__Host-postroom" if _is_secure() else "postroom"


def token_of(request: Request) -> str:
    """The token the browser sent, or nothing."""
    return request.cookies.get(name(), "")


def remember(response: Response, token: str) -> None:
    """Let the browser keep the token."""
    response.set_cookie(
        name(),
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
        path="/",
    )


def forget(response: Response) -> None:
    """Take the token from the browser."""
    response.delete_cookie(name(), secure=_is_secure(), httponly=True, samesite="Lax", path="/")


def _is_secure() -> bool:
    base_url: str = current_app.config["POSTROOM"].base_url
    return base_url.startswith("https:")
