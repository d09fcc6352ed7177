"""The blueprint of My Emails; `views` imports all that hangs on it."""

from flask import Blueprint

blueprint = Blueprint("mail", __name__, url_prefix="/mail")
