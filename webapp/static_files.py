"""Style sheets, scripts and icons: browsers keep each for as long as its version lasts.

The version stands in the address before the name: what a module imports from beside it is of its version.
The sheets of `styles/` are asked for as one, which is made of them when the application begins.
"""

import hashlib
import re
from pathlib import Path

from flask import Flask, Response, request

from webapp.guards import public

SHEET = "postroom.css"
STYLES = (  # what it is made of, in the order in which what comes later counts more
    "base",
    "frame",
    "forms",
    "tables",
    "words",
    "menus",
    "people",
    "mail",
    "conversation",
    "pages",
    "screens",
)
ENTRIES = ("start.js", "mail.js")  # of every page, and of My Emails
A_YEAR = 365 * 24 * 3600
IMPORT = re.compile(r'^import (?:\{.*\} from )?"\./(.+)";', re.MULTILINE)


def serve_static_files(app: Flask) -> None:
    """Let pages name our files with their version, and browsers keep what was asked for with it."""
    folder = Path(str(app.static_folder))
    version = _version_of(folder)
    sheet = "\n".join((folder / "styles" / f"{name}.css").read_text() for name in STYLES)

    @public
    def static(filename: str, version: str | None = None) -> Response:
        """Also in another version, which pages ask for during an upgrade."""
        if filename != SHEET:
            return app.send_static_file(filename)
        response = Response(sheet, mimetype="text/css")
        response.cache_control.no_cache = True
        response.add_etag()
        response.make_conditional(request)
        return response

    app.view_functions["static"] = static
    app.add_url_rule("/static/v<string(length=12):version>/<path:filename>", "static")
    app.jinja_env.globals["imported_by"] = {
        entry: _imported_by(folder / "scripts", entry) for entry in ENTRIES
    }

    @app.url_defaults
    def name_the_version(endpoint: str, values: dict[str, str]) -> None:
        if endpoint == "static":
            values.setdefault("version", version)

    @app.after_request
    def keep(response: Response) -> Response:
        """Not where another version was asked for: during an upgrade that may come from either."""
        is_found = response.status_code < 400
        if is_found and request.endpoint == "static" and (request.view_args or {}).get("version") == version:
            response.cache_control.no_cache = None
            response.cache_control.public = True
            response.cache_control.max_age = A_YEAR
            response.cache_control.immutable = True
        return response


def _imported_by(scripts: Path, entry: str) -> list[str]:
    """The modules that one asks for, and those that these ask for; a page names them all at once."""
    found, waiting = [entry], [entry]
    while waiting:
        imported = IMPORT.findall((scripts / waiting.pop()).read_text())
        waiting += (new := [name for name in imported if name not in found])
        found += new
    return found[1:]


def _version_of(folder: Path) -> str:
    """Changes with any file that browsers keep."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
