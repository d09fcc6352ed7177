"""Style sheets, scripts and icons: browsers keep each for as long as its version lasts."""

import hashlib
from pathlib import Path

from flask import Flask, Response, request

from webapp.guards import public

A_YEAR = 365 * 24 * 3600


def serve_static_files(app: Flask) -> None:
    """Let pages name our files with their version, and browsers keep what was asked for with it."""
    version = _version_of(Path(str(app.static_folder)))
    app.view_functions["static"] = public(app.view_functions["static"])
    app.jinja_env.globals["static_version"] = version

    @app.after_request
    def keep(response: Response) -> Response:
        """Not where another version was asked for: during an upgrade that may come from either."""
        is_found = response.status_code < 400
        if is_found and request.endpoint == "static" and request.args.get("v") == version:
            response.cache_control.no_cache = None
            response.cache_control.public = True
            response.cache_control.max_age = A_YEAR
            response.cache_control.immutable = True
        return response


def _version_of(folder: Path) -> str:
    """Changes with any file that browsers keep."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
