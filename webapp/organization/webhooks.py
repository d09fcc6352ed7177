"""Webhooks of the current organization: whom it tells of what happens, and the log of what was told."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, RadioField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from mailboxes.webhooks import setup
from mailboxes.webhooks.setup import WebhookValues
from mailboxes.webhooks.table import KIND_NAMES, KINDS, MOST, STATES, Webhook
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.errors import InvalidError
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people.forms import CheckBoxes
from webapp.records import accepts, attempted, clean_text, neighbours, selected_ids
from webapp.versions import OverwritingForm, held, on_record

blueprint = Blueprint("webhooks", __name__, url_prefix="/configuration/webhooks")

EVERYTHING, CHOSEN = "everything", "chosen"
LONGEST_LIST = 100_000


class WebhookForm(OverwritingForm):
    """What is told, and to whom."""

    name = StringField(
        "Name", [DataRequired("Type a name."), Length(max=setup.LONGEST_NAME)], filters=[clean_text]
    )
    url = StringField(
        "Address",
        [DataRequired("Type the address that is to be told."), Length(max=setup.LONGEST_URL)],
        filters=[clean_text],
        description="Where your program listens, such as https://example.com/hooks/postroom.",
        render_kw={"type": "url", "autocomplete": "off"},
    )
    kinds = CheckBoxes("Events", coerce=str, choices=list(KINDS.items()), validate_choice=False)
    scope = RadioField(
        "Of what",
        choices=[
            (EVERYTHING, "Everything in the organization"),
            (CHOSEN, "Only what came in through chosen mailboxes"),
        ],
        default=EVERYTHING,
    )
    mailboxes = TextAreaField(
        "Chosen mailboxes",
        [Length(max=LONGEST_LIST)],
        filters=[clean_text],
        description="Their addresses, one a line.",
        render_kw={"rows": 3},
    )
    has_text = BooleanField(
        "With text",
        description="Subjects, senders, texts and names are told, too, and answers are not kept. Without it: "
        "ids, kinds and addresses.",
    )


@blueprint.get("/")
@permission_required("organization.configure")
def index() -> ResponseReturnValue:
    """The list, with how each is."""
    webhooks = db.session.scalars(setup.webhooks()).all()
    return render_template(
        "organization/webhooks.html",
        webhooks=webhooks,
        latest=setup.latest_calls([webhook.id for webhook in webhooks]),
        may_add=len(webhooks) < MOST,
        kind_names=KIND_NAMES,
        sidebar=organization_tree(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("organization.configure")
def new() -> ResponseReturnValue:
    """One more; the answer shows its secret, once."""
    form = WebhookForm()
    made: list[tuple[Webhook, str]] = []
    if form.validate_on_submit() and accepts(
        form, lambda: made.append(setup.make_webhook(_values(form), by=actor(), may=g.permissions))
    ):
        [(webhook, secret)] = made
        db.session.commit()
        return _secret_page(webhook, secret)
    return _form_page(form, None)


@blueprint.route("/<uuid:webhook_id>", methods=["GET", "POST"])
@permission_required("organization.configure")
def edit(webhook_id: UUID) -> ResponseReturnValue:
    """What one is told, and where."""
    webhook = held(setup.webhook_of(webhook_id))
    form = WebhookForm(data=_typed(setup.values_of(webhook)))
    form.who_changed = on_record(AuditEntry, "webhook", webhook.name)
    if form.validate_on_submit() and accepts(
        form, lambda: setup.change_webhook(webhook, _values(form), by=actor(), may=g.permissions)
    ):
        db.session.commit()
        flash(f"“{webhook.name}” was saved.", "success")
        return redirect(url_for("webhooks.index"))
    return _form_page(form, webhook)


@blueprint.post("/<uuid:webhook_id>/active")
@permission_required("organization.configure")
def activate(webhook_id: UUID) -> ResponseReturnValue:
    """Pause it, or resume it."""
    webhook = held(setup.webhook_of(webhook_id))
    is_active = request.form.get("active") == "1"
    (setup.resume_webhook if is_active else setup.pause_webhook)(webhook, by=actor())
    db.session.commit()
    words = "is told what happens from now on" if is_active else "is paused"
    flash(f"“{webhook.name}” {words}.", "success")
    return redirect(url_for("webhooks.edit", webhook_id=webhook.id))


@blueprint.post("/<uuid:webhook_id>/test")
@permission_required("organization.configure")
def test(webhook_id: UUID) -> ResponseReturnValue:
    """Call it once; the log says what became of that."""
    webhook = setup.webhook_of(webhook_id)
    setup.send_test(webhook, by=actor())
    db.session.commit()
    flash("The test is being sent. Show this page again in a moment.", "success")
    return redirect(url_for("webhooks.calls", webhook_id=webhook.id))


@blueprint.route("/<uuid:webhook_id>/secret", methods=["GET", "POST"])
@permission_required("organization.configure")
def secret(webhook_id: UUID) -> ResponseReturnValue:
    """Another secret, after saying what that does; the answer shows it, once."""
    webhook = held(setup.webhook_of(webhook_id))
    if request.method == "POST":
        new_one = setup.rotate_secret(webhook, by=actor())
        db.session.commit()
        return _secret_page(webhook, new_one)
    return _page("rotate_webhook_secret", webhook)


@blueprint.route("/<uuid:webhook_id>/delete", methods=["GET", "POST"])
@permission_required("organization.configure")
def delete(webhook_id: UUID) -> ResponseReturnValue:
    """Delete it, after saying what goes with it."""
    webhook = setup.webhook_of(webhook_id)
    if request.method == "POST":
        setup.delete_webhook(webhook, by=actor())
        db.session.commit()
        flash(f"“{webhook.name}” was deleted.", "success")
        return redirect(url_for("webhooks.index"))
    return _page("delete_webhook", webhook)


@blueprint.get("/<uuid:webhook_id>/calls")
@permission_required("organization.configure")
def calls(webhook_id: UUID) -> ResponseReturnValue:
    """What it was told, and what it answered, newest first."""
    webhook = setup.webhook_of(webhook_id)
    state = request.args.get("state", "")
    state = state if state in STATES else ""

    def url(cursor: str = "", *, of: str = state) -> str:
        return url_for("webhooks.calls", webhook_id=webhook.id, state=of or None, page=cursor or None)

    found = setup.call_page(webhook, state, request.args.get("page", ""))
    return _page(
        "webhook_calls",
        webhook,
        rows=found.rows,
        kind_names=KIND_NAMES,
        states=STATES,
        tabs=[
            {"label": words, "url": url(of=key), "is_current": key == state}
            for key, words in {"": "All", **STATES}.items()
        ],
        pager=neighbours(found, url),
    )


@blueprint.post("/<uuid:webhook_id>/calls")
@permission_required("organization.configure")
def send_again(webhook_id: UUID) -> ResponseReturnValue:
    """Tell the ticked events once more."""
    webhook = held(setup.webhook_of(webhook_id))
    sent: list[int] = []
    ids = selected_ids()
    if not ids:
        flash("Tick the events first.", "info")
    elif attempted(lambda: sent.append(setup.send_again(webhook, ids, by=actor()))):
        db.session.commit()
        flash(f"Events that are being sent again: {sent[0]}.", "success" if sent[0] else "info")
    return redirect(url_for("webhooks.calls", webhook_id=webhook_id))


def _values(form: WebhookForm) -> WebhookValues:
    is_chosen = form.scope.data == CHOSEN
    addresses = [line.strip().lower() for line in (form.mailboxes.data or "").splitlines() if line.strip()]
    if is_chosen and not addresses:
        raise InvalidError("Choose at least one mailbox, or everything.", field="mailboxes")
    return WebhookValues(
        form.name.data or "",
        form.url.data or "",
        tuple(form.kinds.data or ()),
        setup.mailboxes_at(addresses) if is_chosen else None,
        bool(form.has_text.data),
    )


def _typed(values: WebhookValues) -> dict[str, Any]:
    is_chosen = values.mailbox_ids is not None
    return {
        "name": values.name,
        "url": values.url,
        "kinds": list(values.kinds),
        "scope": CHOSEN if is_chosen else EVERYTHING,
        "mailboxes": "\n".join(setup.addresses_of(values.mailbox_ids or ())),
        "has_text": values.has_text,
    }


def _form_page(form: WebhookForm, webhook: Webhook | None) -> ResponseReturnValue:
    page = render_template(
        "organization/webhook.html",
        form=form,
        webhook=webhook,
        may_have_text=g.permissions >= setup.NEEDED_FOR_TEXT,
        sidebar=organization_tree(),
    )
    return page, 422 if form.errors else 200


def _secret_page(webhook: Webhook, secret: str) -> str:
    return _page("webhook_secret", webhook, secret=secret)


def _page(name: str, webhook: Webhook, **given: Any) -> str:
    return render_template(f"organization/{name}.html", webhook=webhook, sidebar=organization_tree(), **given)
