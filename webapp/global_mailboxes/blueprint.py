"""The blueprint of the system's pages of global mailboxes."""

from flask import Blueprint

blueprint = Blueprint("system_mailboxes", __name__, url_prefix="/system/mailboxes")
