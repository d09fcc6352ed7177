"""Wall four, walked: the whole URL map as people who must see and change nothing of the neighbour."""

import hashlib
import json
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.crm.cases import Case, CaseComment
from mailboxes.crm.channels import Channel
from mailboxes.crm.contacts import Contact, ContactAddress
from mailboxes.crm.lead_sources import LeadSource
from mailboxes.crm.leads import Lead
from mailboxes.drafts import Draft, DraftAttachment
from mailboxes.global_mailboxes import following
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.inbox.saved_views import SavedView
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.rules import AutoResponseRule, RuleValues, add_rule
from mailboxes.search import index_note
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Template, TemplateText, TemplateValues
from mailboxes.threads import ThreadRecord
from mailboxes.threads.notes import Note
from mailboxes.threads.tags import Tag, ThreadTag
from mailboxes.timeline import record
from mailboxes.webhooks.table import Webhook, WebhookCall
from tenants.api_tokens import api_tokens, make_token
from tenants.audit import Actor
from tenants.configuration.history import changes_of
from tenants.configuration.layers import override
from tenants.database import Base, OptionallyScoped, OrganizationScoped, db, inside, inside_installation, now
from tenants.organizations import Membership
from tenants.people.invitations import invite
from tenants.permissions import Role
from tests.architecture.test_routes import APP, RULES
from tests.factories import csrf_token, make_api_token, make_mailbox, make_member, make_message, sign_in
from tests.mailboxes.arriving import arrive, letter
from tests.mailboxes.global_mail import make_rule, receive_globally
from tests.mailboxes.global_mailboxes.saying import make_global, system_says

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
SCOPED = sorted(
    mapper.local_table.name
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, (OrganizationScoped, OptionallyScoped))
)
PLAIN = {
    "filename": "favicon.svg",
    "token": "x" * 43,
    "key": "email",
    "setting": "mail.signature",
    "position": 0,
    "name": "x",
    "content_id": "x@y",
}
SECRET = "zqsecretletter"


@dataclass
class Neighbour:
    """One row of everything, each with the canary; ``ids`` by the name of a route's argument."""

    ids: dict[str, UUID]
    served: dict[str, dict[str, UUID]] = field(default_factory=dict)


def serve_both(ours, theirs, mode):
    """A global mailbox of both, with equal labels, addresses and Message-IDs; the neighbour's ids of it."""
    source_id = make_global(ours, theirs, label=f"Group {mode}", address=f"{mode}@group.test")
    system_says(source_id, "access", {"administrator": "reply"})
    following.follow(source_id)
    with inside_installation("a test") as session:
        account = session.get_one(Account, session.get_one(GlobalMailbox, source_id).account_id)
        account.delivery_mode, account_id = mode, account.id
        session.commit()
    arrivals = [receive_globally(account_id, raw) for raw in letters_to(ours, theirs, mode, account_id)]
    with inside(theirs.id):
        mailbox = db.session.scalars(select(Mailbox).where(Mailbox.account_id == account_id)).one()
        message = db.session.scalars(select(Message).where(Message.mailbox_id == mailbox.id)).one()
        mailbox.signature, mailbox.overrides = theirs.canary, {"signature": theirs.canary}
        record(message, "fetched", "stored", theirs.canary)
        db.session.commit()
        ids = {"mailbox_id": mailbox.id, "message_id": message.id, "thread_id": message.thread_id}
    with inside(ours.id):
        assert db.session.scalars(select(Message).where(Message.message_id == message.message_id)).one()
    return ids | {"account_id": account_id, "arrival_id": arrivals[-1][0]}


def letters_to(ours, theirs, mode, account_id):
    """One that each gets a copy of; or one for each, of the same Message-ID."""
    if mode == "copied":
        return [letter("The same news", message_id="same-copied@customer.test")]
    for world in (ours, theirs):
        make_rule(account_id, "tag", f"+{world.canary}", world)
    return [
        letter("The same news", to=f"{mode}+{world.canary}@group.test", message_id="same@x.test", body=secret)
        for world, secret in ((ours, "Hello"), (theirs, f"{theirs.canary} {SECRET}"))
    ]


@pytest.fixture
def neighbour(app, ours, theirs) -> Neighbour:
    served = {mode: serve_both(ours, theirs, mode) for mode in ("routed", "copied")}
    mailbox = make_mailbox(theirs, trusted_authserv_id=f"mx.{theirs.canary}.test")
    message = make_message(theirs, mailbox, text=f"{theirs.canary} {SECRET}")
    ids = {
        "organization_id": theirs.id,
        "mailbox_id": mailbox.id,
        "account_id": mailbox.account_id,
        "message_id": message.id,
        "thread_id": message.thread_id,
        "other_id": make_message(theirs, mailbox, text=f"{theirs.canary} {SECRET}").thread_id,
        "member_id": theirs.member.id,
        "user_id": theirs.member.user_id,
        "letter_id": uuid4(),
        "request_id": uuid4(),
    }
    with inside(theirs.id):
        rows = {
            "contact_id": Contact(name=theirs.canary, notes=theirs.canary),
            "lead_id": Lead(name=theirs.canary, notes=theirs.canary),
            "case_id": Case(subject=theirs.canary, description=theirs.canary),
            "source_id": LeadSource(key=theirs.canary, name=theirs.canary),
            "channel_id": Channel(name=theirs.canary),
            "webhook_id": Webhook(name=theirs.canary, url=f"https://{theirs.canary}.test/", secret=b"x"),
            "tag_id": Tag(name=theirs.canary),
            "view_id": SavedView(name=theirs.canary, query=theirs.canary),
            "template_id": Template(name=theirs.canary),
            "role_id": Role(name=theirs.canary, permissions=[]),
        }
        db.session.add_all(rows.values())
        db.session.flush()
        rows["rule_id"] = AutoResponseRule(
            mailbox_id=mailbox.id, position=1, name=theirs.canary, template_id=rows["template_id"].id
        )
        rows["draft_id"] = Draft(
            membership_id=theirs.member.id,
            mailbox_id=mailbox.id,
            thread_id=message.thread_id,
            answers_id=message.id,
            body=theirs.canary,
        )
        more = [
            ContactAddress(contact_id=rows["contact_id"].id, address=f"x@{theirs.canary}.test"),
            TemplateText(
                template_id=rows["template_id"].id, language="en", subject="s", content=theirs.canary
            ),
            ThreadRecord(thread_id=message.thread_id, kind="case", case_id=rows["case_id"].id),
            ThreadTag(thread_id=message.thread_id, tag_id=rows["tag_id"].id),
        ]
        told = {"webhook_id": rows["webhook_id"].id, "mailbox_id": mailbox.id, "answer": theirs.canary}
        more.append(WebhookCall(kind="case.made", error=theirs.canary, give_up_at=now(), **told))
        wrote = {"author_id": theirs.member.id, "author_name": theirs.canary, "text": theirs.canary}
        rows["note_id"] = Note(thread_id=message.thread_id, **wrote)
        rows["comment_id"] = CaseComment(case_id=rows["case_id"].id, **wrote)
        db.session.add_all([rows["rule_id"], rows["draft_id"], rows["note_id"], rows["comment_id"], *more])
        index_note(rows["note_id"])
        rows["outgoing_id"] = Outgoing(
            mailbox_id=mailbox.id,
            message_id=message.id,
            kind="reply",
            header_id=f"<{theirs.canary}@x.test>",
            recipients=[f"x@{theirs.canary}.test"],
            state="unknown",
            give_up_at=now(),
        )
        db.session.add(rows["outgoing_id"])
        rows["file_id"] = DraftAttachment(
            draft_id=rows["draft_id"].id,
            filename=theirs.canary,
            content_type="text/plain",
            content=theirs.canary.encode(),
        )
        db.session.add(rows["file_id"])
        db.session.flush()
        override("mail.signature", theirs.canary, "organization", by=theirs.canary)
        make_token(theirs.member, theirs.canary, ["leads:read"], None, by=Actor(theirs.canary))
        ids["token_id"] = db.session.scalars(api_tokens()).one().id
        ids["change_id"] = db.session.scalars(changes_of("mail.signature", "organization")).one().id
        record(message, "fetched", "stored", theirs.canary)
        message.work, message.work_error = "none", theirs.canary  # given up
        letter = f"Subject: {theirs.canary}\r\n\r\n{theirs.canary} {SECRET}\r\n".encode()
        [ids["arrival_id"]] = arrive(mailbox, letter, state="quarantined", failure=theirs.canary)
        rows["invitation_id"], _ = invite(
            f"guest@{theirs.canary}.test", [], by=Actor(theirs.canary, theirs.admin.user_id)
        )
        db.session.commit()
        ids |= {name: row.id for name, row in rows.items()}
    return Neighbour(ids, served)


def address_of(rule, ids):
    values = {name: ids.get(name, PLAIN.get(name)) for name in rule.arguments}
    missing = [name for name, value in values.items() if value is None]
    assert not missing, f"{rule}: teach this test which of the neighbour's rows {missing} name"
    return APP.url_map.bind("localhost").build(rule.endpoint, values)


def fingerprints(database_urls, organization_id):
    """A hash of all rows of an organization, by table, read as the owner of the server would."""
    found = {}
    with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
        for table in SCOPED:
            rows = connection.execute(
                f"SELECT t::text FROM {table} t WHERE organization_id = %s ORDER BY 1", (organization_id,)
            ).fetchall()
            found[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def requests_of(client, rule, ids, *, as_json=False):
    """Every method of a route, with the neighbour's ids in path, query and form; or in JSON, too."""
    url = address_of(rule, ids)
    texts = {name: str(value) for name, value in ids.items()}
    aliases = {name.removesuffix("_id"): value for name, value in texts.items()}
    everything = texts | aliases | {"selected": list(texts.values()), "ids": list(texts.values())}
    operation = getattr(APP.view_functions[rule.endpoint], "operation", None)
    if operation is not None:
        yield from calls_of(client, rule, url, operation, ids)
        return
    token = getattr(client, "csrf", "")
    for method in sorted(rule.methods & METHODS):
        if method == "GET":
            yield method, client.get(url)
            yield method, client.get(url, query_string=everything)
            continue
        headers = {"X-CSRFToken": token}
        yield method, client.open(url, method=method, data=everything, headers=headers)
        if as_json:
            yield method, client.open(url, method=method, json=everything, headers=headers)


def calls_of(client, rule, url, operation, ids):
    """The method of an operation of the API, with the neighbour's ids wherever it takes one."""
    asked = {name: named_id(name, ids) for name in operation.query if name.endswith("_id")}
    [method] = rule.methods & METHODS
    yield method, client.open(url, method=method, json=body_of(operation, ids) if operation.body else None)
    yield method, client.open(url, method=method, query_string=asked, json={})


def body_of(operation, ids):
    """As little as it demands, and an id wherever one may be."""
    schema = operation.body.schema
    least = dict.fromkeys(schema.get("required", ()), "x")
    named = [name for name, part in schema["properties"].items() if '"uuid"' in json.dumps(part)]
    return least | {name: named_id(name, ids) for name in named}


def named_id(name, ids):
    return str(ids.get(name, ids["member_id"]))


REFUSED = {302, 400, 401, 403, 404, 405, 415, 422}
ENDS_SESSIONS = {"auth.sign_out", "security.end_sessions"}
WALKED = [rule for rule in RULES if rule.endpoint not in ENDS_SESSIONS and rule.endpoint != "static"]


def visitor(app, who):
    """Somebody with a session and, for the API, a token that was used just now."""
    client = app.test_client() if who is None else sign_in(app, who)
    page = client.get("/sign-in" if who is None else "/security/")
    client.csrf = csrf_token(page.text)
    if who is not None:
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {make_api_token(who)}"
        client.get("/api/v1/me")
    return client


def walk(app, who, neighbour, canaries, database_urls, organization_id, **given):
    before = fingerprints(database_urls, organization_id)
    client = visitor(app, who)
    seen = 0
    for rule in WALKED:
        for method, answer in requests_of(client, rule, neighbour.ids, **given):
            seen += 1
            body = answer.get_data(as_text=False)
            for canary in canaries:
                assert canary.encode() not in body, f"{method} {rule} shows {canary}"
            location = answer.headers.get("Location", "")
            assert not any(canary in location for canary in canaries), f"{method} {rule} → {location}"
            assert answer.status_code < 500, f"{method} {rule} broke: {answer.status_code}"
            answer.close()
    after = fingerprints(database_urls, organization_id)
    changed = [table for table in before if before[table] != after[table]]
    assert changed == [], f"rows of the neighbour changed in {changed}"
    return seen


def test_an_anonymous_visitor_sees_and_changes_nothing(app, ours, theirs, neighbour, database_urls):
    assert walk(app, None, neighbour, [theirs.canary], database_urls, theirs.id) > len(WALKED)


@pytest.mark.long
def test_the_administrator_next_door_sees_and_changes_nothing(app, ours, theirs, neighbour, database_urls):
    """Whoever may do most here tries JSON as well, which the API reads."""
    make_message(ours, make_mailbox(ours))
    seen = walk(app, ours.admin, neighbour, [theirs.canary], database_urls, theirs.id, as_json=True)
    assert seen > len(WALKED)


@pytest.mark.parametrize("mode", ["routed", "copied"])
def test_a_global_mailbox_that_serves_both_opens_no_way_to_the_other_side(
    app, ours, theirs, neighbour, database_urls, mode
):
    """Our own label, address and Message-ID are the same as theirs, and their ids are still nobody's here."""
    ids = neighbour.ids | neighbour.served[mode]
    rules = [rule for rule in WALKED if rule.arguments & {"mailbox_id", "message_id", "thread_id"}]
    before = fingerprints(database_urls, theirs.id)
    client = visitor(app, ours.admin)
    for rule in rules:
        for method, answer in requests_of(client, rule, ids):
            assert theirs.canary.encode() not in answer.get_data(), f"{method} {rule}"
            assert answer.status_code in REFUSED, f"{method} {rule} answers {answer.status_code}"
            answer.close()
    assert fingerprints(database_urls, theirs.id) == before


def test_the_member_next_door_sees_and_changes_nothing(app, ours, theirs, neighbour, database_urls):
    assert walk(app, ours.member, neighbour, [theirs.canary], database_urls, theirs.id) > len(WALKED)


def test_a_member_without_access_reads_no_message_of_their_own_organization(
    app, ours, theirs, neighbour, database_urls
):
    outsider = make_member(theirs.id, "Outsider")
    client = visitor(app, outsider)
    for rule in WALKED:
        for method, answer in requests_of(client, rule, {**neighbour.ids, "case_id": uuid4()}):
            assert SECRET.encode() not in answer.get_data(), f"{method} {rule} shows a message"
            answer.close()


def test_a_disabled_member_is_outside(app, inside, ours, theirs, neighbour, database_urls):
    client = visitor(app, theirs.member)
    with inside(theirs):
        member = db.session.scalar(select(Membership).where(Membership.id == theirs.member.id))
        member.is_enabled = False
        db.session.commit()
    for rule in WALKED:
        for method, answer in requests_of(client, rule, neighbour.ids):
            assert SECRET.encode() not in answer.get_data(), f"{method} {rule}"
            answer.close()


def test_nobody_switches_into_an_organization_that_is_not_theirs(app, ours, theirs):
    client = visitor(app, ours.member)
    data = {"organization": str(theirs.id), "csrf_token": client.csrf}
    assert client.post("/choose-organization", data=data).status_code == 404


def test_what_changes_something_demands_a_token(app, ours):
    client = sign_in(app, ours.admin)
    passes = []
    for rule in RULES:
        ids = {name: uuid4() for name in rule.arguments if name.endswith("_id")}
        for method in sorted(rule.methods & (METHODS - {"GET"})):
            answer = client.open(address_of(rule, ids), method=method)
            refused = 401 if rule.endpoint.startswith("api.") else 400
            passes += [f"{method} {rule}: {answer.status_code}"] if answer.status_code != refused else []
    assert passes == [], "these pass without a CSRF token, or on a session where the API wants its own token"


def test_reading_changes_nothing(app, ours, theirs, database_urls):
    mailbox = make_mailbox(ours)
    message = make_message(ours, mailbox)
    ids = {"mailbox_id": mailbox.id, "thread_id": message.thread_id, "message_id": message.id}
    client = visitor(app, ours.admin)
    before = fingerprints(database_urls, ours.id)
    for rule in WALKED:
        if "GET" in rule.methods:
            values = {name: uuid4() for name in rule.arguments if name.endswith("_id")} | ids
            client.get(address_of(rule, values)).close()
    after = fingerprints(database_urls, ours.id)
    assert [table for table in before if before[table] != after[table]] == []


def test_asking_for_headers_alone_changes_nothing(app, ours, theirs, database_urls):
    """Some views say: what is not GET was sent. Nobody has to prove anything for a HEAD."""
    mailbox = make_mailbox(ours)
    with inside(ours.id):
        response = TemplateValues("Thanks", texts={"en": ("Hi", "Thank you")})
        rule = add_rule(mailbox, RuleValues("Thanks", response=response), by=Actor("Ada"))
        channel = Channel(name="Shop")
        db.session.add(channel)
        db.session.commit()
        ids = {"mailbox_id": mailbox.id, "rule_id": rule.id, "channel_id": channel.id}
    client = visitor(app, ours.admin)
    before = fingerprints(database_urls, ours.id)
    for route in WALKED:
        if "GET" in route.methods:
            values = {name: uuid4() for name in route.arguments if name.endswith("_id")} | ids
            answer = client.head(address_of(route, values))
            assert answer.get_data() == b""
            answer.close()
    after = fingerprints(database_urls, ours.id)
    assert [table for table in before if before[table] != after[table]] == []
