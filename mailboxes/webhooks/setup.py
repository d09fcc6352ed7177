"""What administrators do with webhooks, which act for the organization, whoever made them (decision 40)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import Select, delete, func, select, update

from mailboxes import https
from mailboxes.connections import web_policy
from mailboxes.crm.paging import Page, page
from mailboxes.crm.texts import one_line
from mailboxes.errors import EgressRefusedError
from mailboxes.system_mailboxes import Mailbox
from mailboxes.webhooks.signing import new_secret
from mailboxes.webhooks.table import (
    KINDS,
    MOST,
    PERSON,
    TEST,
    WAITING,
    Webhook,
    WebhookCall,
    WebhookMailbox,
)
from mailboxes.webhooks.telling import LIFETIME, need_bell
from tenants.application import settings_of
from tenants.audit import Actor, record
from tenants.database import db, is_one_of, now, uuid7
from tenants.database.bulk import among
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import lock_organization
from tenants.secrets import UnreadableSecretError, decrypt, encrypt

LONGEST_NAME = 100
LONGEST_URL = 2_000
OVERLAP = timedelta(hours=24)  # so long the former secret signs, too
# Whoever has text told may see it: who manages mailboxes may open any of them to themselves.
NEEDED_FOR_TEXT = frozenset({"mailbox.manage", "lead.view", "case.view"})


@dataclass(frozen=True, slots=True)
class WebhookValues:
    """What is typed of a webhook. ``mailbox_ids``: of which it is told; None: of everything.

    One that had mailboxes which are gone has none of them left: it is told nothing, and stays so.
    """

    name: str
    url: str
    kinds: tuple[str, ...]
    mailbox_ids: frozenset[UUID] | None = None
    has_text: bool = False


def webhooks() -> Select[Webhook]:
    """Webhooks of the current organization, by name."""
    return select(Webhook).order_by(func.lower(Webhook.name), Webhook.id)


def webhook_of(id: UUID) -> Webhook:
    """A webhook of the current organization; `NotFoundError` if there is none."""
    found = db.session.scalar(select(Webhook).where(Webhook.id == id))
    if found is None:
        raise NotFoundError("This webhook does not exist.")
    return found


def values_of(webhook: Webhook) -> WebhookValues:
    """What is stored of a webhook, as it is typed."""
    chosen = select(WebhookMailbox.mailbox_id).where(WebhookMailbox.webhook_id == webhook.id)
    ids = None if webhook.is_everywhere else frozenset(db.session.scalars(chosen))
    return WebhookValues(webhook.name, webhook.url, tuple(webhook.kinds), ids, webhook.has_text)


def mailboxes_at(addresses: Collection[str]) -> frozenset[UUID]:
    """The mailboxes of these addresses; `InvalidError` where one of them is none here."""
    rows = db.session.execute(select(Mailbox.id, Mailbox.address).where(among(Mailbox.address, addresses)))
    found = {row.address: row.id for row in rows}
    unknown = next((one for one in addresses if one not in found), None)
    if unknown is not None:
        raise InvalidError(f"There is no mailbox {unknown} here.", field="mailboxes")
    return frozenset(found.values())


def addresses_of(ids: Collection[UUID]) -> list[str]:
    """The addresses of mailboxes, in order."""
    query = select(Mailbox.address).where(is_one_of(Mailbox.id, ids)).order_by(Mailbox.address)
    return list(db.session.scalars(query))


def make_webhook(values: WebhookValues, *, by: Actor, may: Collection[str]) -> tuple[Webhook, str]:
    """A new webhook, active, with its secret, which is not shown again. ``may``: what its maker may do."""
    lock_organization()
    if (db.session.scalar(select(func.count(Webhook.id))) or 0) >= MOST:
        raise ConflictError(f"There are {MOST} webhooks already. Delete one first.")
    _demand_text(values.has_text, may)
    checked = _checked(values, None)
    webhook = Webhook(id=uuid7(), **_columns(checked))
    secret = _give_secret(webhook)
    db.session.add(webhook)
    db.session.flush()
    _keep_mailboxes(webhook, checked)
    record(by, "webhook.made", webhook.name, {}, _on_record(checked))
    return webhook, secret


def change_webhook(webhook: Webhook, values: WebhookValues, *, by: Actor, may: Collection[str]) -> None:
    """Change what is told, and to whom. Another address of one with text needs what the text needs."""
    lock_organization()
    before = values_of(webhook)
    _demand_text(values.has_text or before.has_text, may)
    checked = _checked(values, webhook)
    for name, value in _columns(checked).items():
        setattr(webhook, name, value)
    if checked.url != before.url:  # what was wrong with the former address says nothing about this one
        webhook.failure_count, webhook.failing_since, webhook.quiet_until = 0, None, None
    db.session.flush()
    _keep_mailboxes(webhook, checked)
    if checked != before:
        record(by, "webhook.changed", before.name, _on_record(before), _on_record(checked))


def pause_webhook(webhook: Webhook, *, by: Actor) -> None:
    """Tell it nothing more; what waits is not told either."""
    if webhook.is_active:
        webhook.paused_because = PERSON
        need_bell()  # what waits is ended, and may be much
        record(by, "webhook.paused", webhook.name)


def resume_webhook(webhook: Webhook, *, by: Actor) -> None:
    """Tell it what happens from now on."""
    if not webhook.is_active:
        webhook.paused_because = ""
        webhook.failure_count, webhook.failing_since, webhook.quiet_until = 0, None, None
        record(by, "webhook.resumed", webhook.name)


def rotate_secret(webhook: Webhook, *, by: Actor) -> str:
    """Another secret, which is not shown again; for a day the former one signs, too."""
    former = _secret_of(webhook)
    webhook.former_secret = None if former is None else _sealed(webhook, "former_secret", former)
    webhook.former_until = now() + OVERLAP
    secret = _give_secret(webhook)
    record(by, "webhook.secret_rotated", webhook.name)
    return secret


def delete_webhook(webhook: Webhook, *, by: Actor) -> None:
    """Delete it with its log."""
    record(by, "webhook.deleted", webhook.name, _on_record(values_of(webhook)))
    db.session.execute(delete(Webhook).where(Webhook.id == webhook.id))


def send_test(webhook: Webhook, *, by: Actor) -> None:
    """Call it once, be it paused."""
    db.session.add(WebhookCall(webhook_id=webhook.id, kind=TEST, give_up_at=now() + LIFETIME))
    need_bell()
    record(by, "webhook.tested", webhook.name)


def send_again(webhook: Webhook, call_ids: Collection[UUID], *, by: Actor) -> int:
    """Tell these once more, now, with the ids that they had; how many. Tests are sent anew instead."""
    if not webhook.is_active:
        raise ConflictError("This webhook is paused. Resume it first.")
    chosen = (
        WebhookCall.webhook_id == webhook.id,
        is_one_of(WebhookCall.id, call_ids),
        WebhookCall.kind != TEST,
    )
    again = {"state": WAITING, "attempts": 0, "next_attempt_at": now(), "give_up_at": now() + LIFETIME}
    ids = db.session.scalars(
        update(WebhookCall)
        .where(*chosen)
        .values(fence=WebhookCall.fence + 1, **again)
        .returning(WebhookCall.id)
        .execution_options(synchronize_session=False)
    ).all()
    if ids:
        webhook.quiet_until = None
        need_bell()
        record(by, "webhook.sent_again", webhook.name, {}, {"events": len(ids)})
    return len(ids)


def call_page(webhook: Webhook, state: str, cursor: str = "") -> Page[WebhookCall]:
    """The log, newest first, of one state or of all."""
    query = select(WebhookCall).where(WebhookCall.webhook_id == webhook.id)
    if state:
        query = query.where(WebhookCall.state == state)
    return page(query, WebhookCall.occurred_at, WebhookCall.id, is_descending=True, cursor=cursor)


def latest_calls(ids: Collection[UUID]) -> dict[UUID, WebhookCall]:
    """The last call of each of these webhooks, where there is one."""
    newest = (
        select(WebhookCall)
        .where(WebhookCall.webhook_id == Webhook.id, WebhookCall.attempts > 0)
        .order_by(WebhookCall.occurred_at.desc(), WebhookCall.id.desc())
        .limit(1)
        .correlate(Webhook)
        .lateral()
    )
    query = select(Webhook.id, newest.c.id).join(newest, newest.c.id.is_not(None))
    last = {row[1] for row in db.session.execute(query.where(is_one_of(Webhook.id, ids)))}
    found = db.session.scalars(select(WebhookCall).where(is_one_of(WebhookCall.id, last)))
    return {call.webhook_id: call for call in found}


def may_be_plain() -> bool:
    """Whether the installation has opened networks in which http is permitted."""
    return bool(settings_of(current_app).permitted_networks)


def _demand_text(has_text: bool, may: Collection[str]) -> None:
    if has_text and not set(may) >= NEEDED_FOR_TEXT:
        raise ForbiddenError(
            "With text, a webhook tells what is in mailboxes, leads and cases. Only who may manage "
            "mailboxes, and see both, may set up or change one."
        )


def _checked(values: WebhookValues, webhook: Webhook | None) -> WebhookValues:
    """The same in one way of writing; `InvalidError` at the first field that is wrong."""
    name = one_line(values.name)
    if not name or len(name) > LONGEST_NAME:
        raise InvalidError(f"Give the webhook a name of up to {LONGEST_NAME} characters.", field="name")
    same = select(Webhook.id).where(func.lower(Webhook.name) == name.lower())
    if db.session.scalar(same if webhook is None else same.where(Webhook.id != webhook.id)) is not None:
        raise InvalidError("There is a webhook of this name already. Choose another one.", field="name")
    kinds = tuple(kind for kind in KINDS if kind in values.kinds)
    if not kinds or len(kinds) != len(set(values.kinds)):
        raise InvalidError("Choose at least one event from the list.", field="kinds")
    mailboxes = select(Mailbox.id).where(is_one_of(Mailbox.id, values.mailbox_ids or ()))
    ids = None if values.mailbox_ids is None else frozenset(db.session.scalars(mailboxes))
    return WebhookValues(name, _checked_url(values.url.strip()), kinds, ids, values.has_text)


def _checked_url(url: str) -> str:
    """Whether it may be called is asked at each call; what can never be is told at once."""
    is_secure = url.startswith("https://")
    if not is_secure and not (url.startswith("http://") and may_be_plain()):
        raise InvalidError("Type an address that begins with https://.", field="url")
    try:
        parts = https.parts_of(url, may_be_plain=may_be_plain())
    except EgressRefusedError as error:
        raise InvalidError(
            "Type a whole address, such as https://example.com/hooks, without a user or password in it.",
            field="url",
        ) from error
    if len(url) > LONGEST_URL or not web_policy().permits_name(parts.host, parts.port):
        raise InvalidError(
            "This host or port cannot be used here. A system administrator has to permit it.", field="url"
        )
    return url


def _columns(values: WebhookValues) -> dict[str, Any]:
    return {
        "name": values.name,
        "url": values.url,
        "kinds": list(values.kinds),
        "is_everywhere": values.mailbox_ids is None,
        "has_text": values.has_text,
    }


def _keep_mailboxes(webhook: Webhook, values: WebhookValues) -> None:
    db.session.execute(delete(WebhookMailbox).where(WebhookMailbox.webhook_id == webhook.id))
    for id in sorted(values.mailbox_ids or ()):
        db.session.add(WebhookMailbox(webhook_id=webhook.id, mailbox_id=id))
    db.session.flush()


def _on_record(values: WebhookValues) -> dict[str, Any]:
    ids = values.mailbox_ids
    return {
        "name": values.name,
        "host": https.parts_of(values.url, may_be_plain=True).host,  # what follows it may be a secret
        "events": list(values.kinds),
        "mailboxes": "all" if ids is None else addresses_of(ids),
        "with_text": values.has_text,
    }


def _give_secret(webhook: Webhook) -> str:
    secret = new_secret()
    webhook.secret = _sealed(webhook, "secret", secret)
    return secret


def _secret_of(webhook: Webhook) -> str | None:
    """The present one; None where it cannot be read, and signs nothing."""
    try:
        return decrypt(webhook.secret, table="webhooks", row=webhook.id, column="secret")
    except UnreadableSecretError:
        return None


def _sealed(webhook: Webhook, column: str, secret: str) -> bytes:
    return encrypt(secret, table="webhooks", row=webhook.id, column=column)
