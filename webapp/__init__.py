"""A door: HTTP. `create_app` says what is plugged in, in order."""

from importlib import import_module

from flask import Flask, Request, g, request
from flask_login import LoginManager
from werkzeug.middleware.proxy_fix import ProxyFix

from tenants.application import create_base_app
from tenants.database import db, now
from tenants.settings import Settings
from tenants.users import User, session_of, signed_in_user
from webapp import filters, frame
from webapp.api.door import is_of_a_program
from webapp.auth import cookie
from webapp.bells import ring_for_webhooks
from webapp.errors import explain_errors
from webapp.form_tokens import FormTokens
from webapp.headers import secure
from webapp.page_request import PageRequest
from webapp.static_files import serve_static_files

# Modules with a ``blueprint`` each.
BLUEPRINTS = (
    "webapp.home",
    "webapp.metrics",
    "webapp.auth.views",
    "webapp.auth.passwords",
    "webapp.auth.provider",
    "webapp.mail.views",
    "webapp.events",
    "webapp.organization.views",
    "webapp.mailboxes.views",
    "webapp.mailboxes.consenting",
    "webapp.mailboxes.opened_views",
    "webapp.quarantine.views",
    "webapp.quarantine.system_views",
    "webapp.global_mailboxes.views",
    "webapp.global_mailboxes.applying",
    "webapp.responses.templates",
    "webapp.people.audit_log",
    "webapp.people.invitations",
    "webapp.people.roles",
    "webapp.people.security",
    "webapp.people.views",
    "webapp.personal.views",
    "webapp.system.views",
    "webapp.lead_sources.system_views",
    "webapp.routing.views",
    "webapp.routing.unrouted_views",
    "webapp.routing.move_views",
    "webapp.routing.trial_views",
    "webapp.installation.organization_deletion",
    "webapp.responses.system_templates",
    "webapp.installation.user_import",
    "webapp.installation.audit_log",
    "webapp.installation.health",
    "webapp.choosing",
    "webapp.conversions",
    "webapp.leads.views",
    "webapp.cases.views",
    "webapp.contacts.views",
    "webapp.lead_sources.views",
    "webapp.organization.channels",
    "webapp.organization.tags",
    "webapp.organization.archive",
    "webapp.organization.webhooks",
    "webapp.api.reference",
    "webapp.api.views",
    "webapp.customer.views",
)
LARGEST_REQUEST = 64 * 1024 * 1024  # with files
LARGEST_FORM = 8 * 1024 * 1024  # without: taken apart, it needs forty times as much memory
LARGEST_OF_STRANGERS = 64 * 1024


def create_app(settings: Settings) -> Flask:
    """The application that serves pages."""
    app = create_base_app(settings, __name__)
    app.request_class = PageRequest
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_FORM
    app.config["SESSION_COOKIE_NAME"] = f"{cookie.name_for(settings)}_form"
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.config["SESSION_COOKIE_SECURE"] = settings.base_url.startswith("https:")
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.config["WTF_CSRF_SSL_STRICT"] = False  # FormTokens asks for the Origin instead
    if settings.proxy_count:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxy_count, x_proto=settings.proxy_count
        )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    explain_errors(app)
    secure(app)
    _know_the_visitor(app)
    ring_for_webhooks(app)
    form_tokens = FormTokens(app)
    filters.add_filters(app)
    frame.add_frame(app)
    for name in BLUEPRINTS:
        app.register_blueprint(import_module(name).blueprint)
    form_tokens.exempt(app.blueprints["api"])  # it knows no cookies, which others could have sent
    serve_static_files(app)
    return app


def _know_the_visitor(app: Flask) -> None:
    login = LoginManager(app)
    login.session_protection = None  # sessions are rows of ours, ended by deleting them

    login.request_loader(_user_of_request)

    @app.before_request
    def read_the_session() -> None:
        g.user = None
        token = cookie.token_of(request)
        if token and request.endpoint != "static" and not is_of_a_program():
            session = session_of(token)
            g.user = signed_in_user(session, is_seen=not _is_unasked(request))
            g.session_began_at = session.created_at if session is not None else now()
            if db.session.dirty:
                db.session.commit()  # when the session was last seen
        if g.user is None:
            request.max_content_length = LARGEST_OF_STRANGERS


def _is_unasked(request: Request) -> bool:
    """Whether an open page asks by itself, by the clock or for news: nobody need sit before it.

    It only reads: what changes something was pressed by somebody, whatever the request says.
    """
    says_so = request.endpoint == "events.subscription" or "X-Unasked" in request.headers
    return says_so and request.method == "GET"


def _user_of_request(_: Request) -> User | None:
    user: User | None = g.get("user")
    return user
