"""The blueprint of the people of an organization; its views are in the modules beside it."""

from flask import Blueprint

blueprint = Blueprint("people", __name__, url_prefix="/configuration/people")
