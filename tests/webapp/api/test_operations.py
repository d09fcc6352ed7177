"""What holds for every operation, walked by the URL map: described, guarded, paged, told what is wrong."""

import json
import re
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import func, select, update

from tenants.api_tokens import REMEMBERED_FOR, SCOPES, TOUCH_EVERY, ApiRequest, ApiToken
from tenants.database import db, inside, now
from tests.architecture.test_routes import APP, RULES
from tests.describing import description_of
from tests.factories import make_mailbox, make_member, make_message, with_token

OPERATIONS = [
    (rule, method, APP.view_functions[rule.endpoint].operation)
    for rule in RULES
    if hasattr(APP.view_functions[rule.endpoint], "operation")
    for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
]


def address_of(rule):
    values = {name: 0 if name == "position" else uuid4() for name in rule.arguments}
    return APP.url_map.bind("localhost").build(rule.endpoint, values)


def test_each_route_of_the_api_is_described():
    described = {
        one["operationId"] for path in description_of(APP)["paths"].values() for one in path.values()
    }
    routes = {rule.endpoint.partition(".")[2] for rule in RULES if rule.rule.startswith("/api/")}
    assert routes == described | {"openapi"}


def test_the_description_is_whole():
    told = description_of(APP)
    shapes = told["components"]["schemas"]
    for name, schema in shapes.items():
        Draft202012Validator.check_schema(schema)
        assert schema["properties"], name
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(told)))
    assert references == set(shapes)
    for path, methods in told["paths"].items():
        for one in methods.values():
            in_path = {parameter["name"] for parameter in one["parameters"] if parameter["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            assert one["summary"]
            if "requestBody" in one:
                Draft202012Validator.check_schema(one["requestBody"]["content"]["application/json"]["schema"])


def test_the_description_is_for_everybody_and_tells_of_nobody(app, ours, theirs):
    answer = app.test_client().get("/api/v1/openapi.json")
    assert answer.json["openapi"] == "3.1.0"
    assert ours.canary not in answer.text


def test_what_changes_something_is_for_writing_and_reading_for_reading():
    for rule, method, operation in OPERATIONS:
        right = operation.scope.partition(":")[2] or "read"
        assert right == ("read" if method == "GET" else "write"), rule
        assert operation.scope in {"", *SCOPES}, rule


def test_no_operation_lets_anybody_pass_without_its_scope_and_permissions(app, ours):
    """Asked of all with a token for everything else, and with one of a member who may make tokens alone."""
    members = {"": ours.admin}
    wrong = []
    for rule, method, operation in OPERATIONS:
        if not operation.scope:
            continue
        others = [one for one in SCOPES if one.partition(":")[0] != operation.scope.partition(":")[0]]
        client = members.setdefault(operation.scope, with_token(app, ours.admin, *others))
        answer = client.open(address_of(rule), method=method, json={})
        wrong += [] if answer.status_code == 403 else [f"{method} {rule}: {answer.status_code}"]
    assert not wrong


def test_an_address_that_is_none_and_a_method_that_is_not_there_are_told_as_problems(app, ours):
    program = with_token(app, ours.admin)
    for answer, status in (
        (program.get("/api/v1/nothing"), 404),
        (program.put("/api/v1/leads"), 405),
        (program.get("/api/v1/leads?colour=red"), 400),
        (program.get("/api/v1/leads?limit=1000"), 400),
        (program.get("/api/v1/leads?cursor=bm90aGluZw"), 400),
        (program.get("/api/v1/conversations?cursor=nothing"), 400),
        (program.post("/api/v1/leads", data="{"), 422),
    ):
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
        assert answer.json["status"] == status
    assert program.put("/api/v1/leads").headers["Allow"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, None),
        ({"name": ""}, "#/name"),
        ({"name": "x" * 300}, "#/name"),
        ({"name": "a\x00b"}, "#/name"),
        ({"name": "x", "colour": "red"}, "#/colour"),
        ({"name": "x", "address": "nobody"}, "#/address"),
        ({"name": "x", "owner_id": "me"}, "#/owner_id"),
        ({"name": "x", "owner_id": str(uuid4())}, "#/owner_id"),
        ({"name": "x", "source_id": str(uuid4())}, "#/source_id"),
    ],
)
def test_what_is_wrong_in_a_body_is_told_at_its_place(app, ours, body, pointer):
    answer = with_token(app, ours.admin).post("/api/v1/leads", json=body)
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json.get("errors", [])] == ([pointer] if pointer else [])


def test_pages_go_on_without_gaps_or_repetitions_while_rows_are_added(app, ours):
    program = with_token(app, ours.admin)
    for number in range(5):
        program.post("/api/v1/leads", json={"name": f"Lead {number}"})
    names, cursor = [], ""
    while cursor is not None:
        page = program.get(f"/api/v1/leads?limit=2&cursor={cursor}").json
        names += [row["name"] for row in page["data"]]
        cursor = page["next_cursor"]
        program.post("/api/v1/leads", json={"name": "Newer"})
    assert names == [f"Lead {number}" for number in (4, 3, 2, 1, 0)]


def test_a_request_with_a_key_is_done_once(app, ours):
    program, other = with_token(app, ours.admin), with_token(app, ours.admin)
    key = {"Idempotency-Key": "order 7"}
    first = program.post("/api/v1/leads", json={"name": "Tents"}, headers=key)
    again = program.post("/api/v1/leads", json={"name": "Tents"}, headers=key)
    assert (again.status_code, again.json["id"]) == (201, first.json["id"])
    assert program.post("/api/v1/leads", json={"name": "Boots"}, headers=key).status_code == 409
    assert other.post("/api/v1/leads", json={"name": "Tents"}, headers=key).json["id"] != first.json["id"]


def test_nobody_overwrites_what_was_changed_since_it_was_read(app, ours):
    program = with_token(app, ours.admin)
    made = program.post("/api/v1/leads", json={"name": "Tents"})
    address, read = f"/api/v1/leads/{made.json['id']}", {"If-Match": made.headers["ETag"]}
    assert program.get(address, headers={"If-None-Match": made.headers["ETag"]}).status_code == 304
    assert program.patch(address, json={"company": "Nord"}, headers=read).status_code == 200
    assert program.patch(address, json={"company": "Süd"}, headers=read).status_code == 412
    assert program.get(address).json["company"] == "Nord"


def test_what_changes_or_deletes_something_does_so_to_what_was_read_alone(app, ours, theirs):
    for rule, method, operation in OPERATIONS:
        assert operation.is_matched == (method in {"PATCH", "DELETE"}), rule
    program, stale = with_token(app, ours.admin), {"If-Match": '"of another time"'}
    contact = program.post("/api/v1/contacts", json={"name": "Ada"}).json["id"]
    mailbox = make_mailbox(ours)
    message = make_message(ours, mailbox)
    for method, address, body in (
        ("PATCH", f"messages/{message.id}", {"is_read": True}),
        ("DELETE", f"contacts/{contact}", None),
        ("DELETE", f"mailboxes/{mailbox.id}?label={mailbox.label}", None),
    ):
        assert program.open(f"/api/v1/{address}", method=method, json=body, headers=stale).status_code == 412
        assert program.get(f"/api/v1/{address.partition('?')[0]}").status_code == 200
        assert program.open(f"/api/v1/{address}", method=method, json=body).status_code in {200, 204}


def test_what_was_made_with_a_key_is_forgotten_after_a_while(app, ours, theirs):
    program, key = with_token(app, ours.admin), {"Idempotency-Key": "order 7"}
    first = program.post("/api/v1/leads", json={"name": "Tents"}, headers=key).json["id"]
    with inside(ours.id):
        db.session.execute(update(ApiRequest).values(at=now() - REMEMBERED_FOR))
        db.session.commit()
    assert program.post("/api/v1/leads", json={"name": "Boots"}, headers=key).json["id"] != first


def test_what_was_made_with_a_key_is_forgotten_too_where_none_is_sent_again(app, ours, theirs):
    program = with_token(app, ours.admin)
    program.post("/api/v1/leads", json={"name": "Tents"}, headers={"Idempotency-Key": "order 7"})
    with inside(ours.id):
        db.session.execute(update(ApiRequest).values(at=now() - REMEMBERED_FOR))
        db.session.execute(update(ApiToken).values(last_used_at=now() - TOUCH_EVERY))
        db.session.commit()
    program.get("/api/v1/me")
    with inside(ours.id):
        assert db.session.scalar(select(func.count(ApiRequest.id))) == 0


def test_a_member_of_the_organization_alone_may_be_named(app, ours, theirs):
    program = with_token(app, ours.admin)
    theirs_too = program.post("/api/v1/leads", json={"name": "x", "owner_id": str(theirs.member.id)})
    assert theirs_too.status_code == 422
    colleague = make_member(ours.id)
    mine = program.post("/api/v1/leads", json={"name": "x", "owner_id": str(colleague.id)})
    assert mine.json["owner_id"] == str(colleague.id)
