"""A receiver on this machine, and webhooks that call it."""

import dataclasses
import json

import pytest

from mailboxes.webhooks.calling import call_due
from mailboxes.webhooks.setup import WebhookValues, make_webhook
from mailboxes.webhooks.table import KINDS, WebhookCall
from tenants.audit import Actor
from tenants.database import db
from tenants.permissions import PERMISSIONS
from tests.web_server import Reply, web_server
from tests.world import permitted_ports

ADA = Actor("Ada")


class Receiver:
    """An HTTPS server: ``answers`` come one after the other, the last one again and again."""

    def __init__(self):
        self.answers, self.requests, self.port = [Reply(b"thanks")], [], 0

    @property
    def url(self):
        return f"https://localhost:{self.port}/hook"

    @property
    def bodies(self):
        return [json.loads(request.body) for request in self.requests]

    def answer(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer


@pytest.fixture
def receiver(app, certificates):
    running = Receiver()
    with web_server(running.answer, certificates.good) as running.port:
        permitted_ports(app, running.port)
        settings = app.config["POSTROOM"]
        app.config["POSTROOM"] = dataclasses.replace(settings, ca_file=str(certificates.ca_file))
        yield running


@pytest.fixture
def listen(inside, receiver):
    """``listen(world, **given)``: a webhook of that organization; it and its secret."""

    def listen(world, **given):
        values = {"name": "Warehouse", "url": receiver.url, "kinds": tuple(KINDS), **given}
        with inside(world):
            made = make_webhook(WebhookValues(**values), by=ADA, may=PERMISSIONS)
            db.session.commit()
        return made

    return listen


@pytest.fixture
def call(inside):
    """``call(world)``: what is due in that organization is told."""

    def call(world):
        with inside(world):
            call_due()

    return call


@pytest.fixture
def log(inside):
    """``log(world)``: its calls, in order."""

    def log(world):
        with inside(world):
            return db.session.query(WebhookCall).order_by(WebhookCall.id).all()

    return log
