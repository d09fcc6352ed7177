"""The application for any WSGI server: the pages, without live events (``webapp.events`` adds those)."""

from tenants.database.schema import demand_current_schema
from tenants.settings import Settings
from webapp import create_app

app = create_app(Settings.from_environment())
with app.app_context():
    demand_current_schema()
