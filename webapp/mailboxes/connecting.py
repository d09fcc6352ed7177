"""Connection settings are offered for the address that is typed, and taken over when somebody says so.

Nothing here changes what was typed unasked: proposals stand below the address, each with its source, and
one button fills the fields in, by script on the spot, without it by sending the form.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from mailboxes import setup
from mailboxes.discovery import Proposal, Server
from tenants.errors import InvalidError
from webapp.mailboxes.door import Door

ENCRYPTION_WORDS = {"tls": "SSL/TLS", "starttls": "STARTTLS", "none": "not encrypted"}
LONGEST_ADDRESS = 320
LARGEST_CHOICE = 4_000


@dataclass(frozen=True)
class Offer:
    """A proposal as the page shows it; ``fields`` are those of the form that it would fill, as JSON."""

    proposal: Proposal
    fields: str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What it says, in words."""
        servers = (("Receiving", self.proposal.imap), ("Sending", self.proposal.smtp))
        lines = [(label, _in_words(server)) for label, server in servers if server is not None]
        return [*lines, ("User", self.proposal.user)] if lines else []


def discover_page(door: Door) -> ResponseReturnValue:
    """The proposals for an address, for the place below it."""
    address = request.form.get("address", "")
    return render_template("mailboxes/_proposals.html", door=door, **_found(address))


def is_asked() -> bool:
    """Whether the form was sent for its proposals only, or to take one over."""
    return "discover" in request.form or "use" in request.form


def section(door: Door, form: FlaskForm) -> dict[str, Any]:
    """What the page needs besides the form. A proposal that was chosen has then been filled in."""
    if "use" in request.form:
        _fill(form, request.form["use"][:LARGEST_CHOICE])
    return _found(request.form.get("address", "")) if "discover" in request.form else {}


def _found(address: str) -> dict[str, Any]:
    if len(address) > LONGEST_ADDRESS:
        address = ""
    try:
        found = setup.proposals_for(address)
    except InvalidError as busy:
        return {"offers_asked": address, "connection_offers": [], "offers_problem": busy.message}
    offers = [Offer(proposal, _fields(proposal)) for proposal in found]
    return {"offers_asked": address, "connection_offers": offers, "offers_problem": ""}


def _fields(proposal: Proposal) -> str:
    """The form's fields and their values; what the proposal does not speak of is left alone."""
    fields: dict[str, Any] = {"imap_user": proposal.user}
    for protocol, server in (("imap", proposal.imap), ("smtp", proposal.smtp)):
        if server is not None:
            fields[f"{protocol}_enabled"] = True
            fields |= {f"{protocol}_{name}": value for name, value in asdict(server).items()}
    return json.dumps(fields)


FILLED = frozenset(
    {"imap_user", "imap_enabled", "imap_host", "imap_port", "imap_encryption"}
    | {"smtp_enabled", "smtp_host", "smtp_port", "smtp_encryption"}
)


def _fill(form: FlaskForm, chosen: str) -> None:
    """Fill the fields in as if they had been typed: saving checks them like anything typed."""
    try:
        fields = json.loads(chosen)
    except (ValueError, RecursionError):
        return
    for name in FILLED.intersection(fields if isinstance(fields, dict) else ()):
        if _is_typeable(fields[name]):
            form[name].data, form[name].raw_data = fields[name], [str(fields[name])]


def _is_typeable(value: Any) -> bool:
    """Whether a field can hold it; JSON can name halves of characters, which no page can show."""
    return isinstance(value, int) or (isinstance(value, str) and value.isprintable())


def _in_words(server: Server) -> str:
    return f"{server.host}, port {server.port}, {ENCRYPTION_WORDS[server.encryption]}"
