"""The pages of routing: rules, trying them, the Unrouted queue, moves. System administrators alone."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.routing.moving import finish_moves
from mailboxes.routing.rules import RoutingRule, rules_of
from tenants.database import inside_installation
from tests.factories import World, csrf_token, make_mailbox, make_user, sign_in
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import (
    deliver_globally,
    make_routed_account,
    make_rule,
    receive_globally,
    state_of,
    subjects_in,
)


@pytest.fixture
def account_id(ours: World, theirs: World) -> Any:
    return make_routed_account(ours, theirs)


@pytest.fixture
def admin(app: Any, account_id: Any) -> Any:
    client = sign_in(app, make_user(is_system_admin=True, name="Sam System"))
    client.csrf = csrf_token(client.get("/system/routing/").text)
    return client


def post(client: Any, url: str, **data: Any) -> Any:
    return client.post(url, data={"csrf_token": client.csrf, **data})


def values(account_id: Any) -> list[str]:
    with inside_installation("a test") as session:
        return [rule.value for rule in session.scalars(rules_of(account_id))]


def test_members_and_administrators_of_organizations_see_none_of_it(app, account_id, ours):
    (arrival,) = receive_globally(account_id, letter("Lost subject"))
    client = sign_in(app, ours.admin)
    for path in (
        "/system/routing/",
        f"/system/routing/{account_id}",
        f"/system/routing/{account_id}/try",
        f"/system/routing/{account_id}/list",
        f"/system/routing/{account_id}/messages",
        f"/system/routing/messages/{arrival}",
        "/system/unrouted/",
        f"/system/unrouted/{arrival}",
    ):
        answer = client.get(path)
        assert answer.status_code == 403, path
        assert "Lost subject" not in answer.text


def test_rules_are_added_moved_changed_and_deleted(admin, account_id, ours, theirs):
    url = f"/system/routing/{account_id}"
    for value in ("one", "two"):
        answer = post(admin, f"{url}/rules/new", field="tag", value=f"+{value}", organization=ours.name)
        assert answer.status_code == 302, answer.text
    assert values(account_id) == ["one", "two"]
    with inside_installation("a test") as session:
        second = session.scalars(select(RoutingRule.id).where(RoutingRule.value == "two")).one()
    post(admin, f"{url}/rules/{second}/move", direction="up")
    assert values(account_id) == ["two", "one"]
    post(
        admin, f"{url}/rules/{second}", field="sender", value="X@Y.test", organization=theirs.name, position=2
    )
    assert values(account_id) == ["one", "x@y.test"]
    page = admin.get(url).text
    assert "sender address is x@y.test" in page
    assert theirs.name in page
    assert "Deletes 1 rule" in admin.get(f"{url}/rules/{second}/delete").text
    post(admin, f"{url}/rules/{second}/delete")
    assert values(account_id) == ["one"]


def test_rules_are_put_into_the_order_in_which_they_were_dragged(admin, account_id, ours):
    for value in ("one", "two", "three"):
        make_rule(account_id, "tag", value, ours)
    with inside_installation("a test") as session:
        ids = [str(rule.id) for rule in session.scalars(rules_of(account_id))]
    assert 'data-sortable="' in admin.get(f"/system/routing/{account_id}").text
    post(admin, f"/system/routing/{account_id}/order", order=[ids[2], ids[0], ids[1], "no id"])
    assert values(account_id) == ["three", "one", "two"]


def test_what_is_wrong_is_said_at_the_field_and_nothing_typed_is_lost(admin, account_id, ours):
    url = f"/system/routing/{account_id}/rules/new"
    for data, sentence in (
        ({"field": "sender", "value": "nobody", "organization": ours.name}, "Write one address"),
        ({"field": "tag", "value": "x", "organization": "Somebody else"}, "that this mailbox serves"),
        ({"field": "tag", "value": "", "organization": ours.name}, "Say what to compare with"),
    ):
        answer = post(admin, url, **data)
        assert answer.status_code == 422
        assert sentence in answer.text
        assert f'value="{data["organization"]}"' in answer.text
    assert values(account_id) == []


def test_the_queue_is_counted_shown_and_assigned(admin, account_id, ours):
    first, second = receive_globally(account_id, letter("First lost"), letter("Second lost"))
    page = admin.get("/system/unrouted/").text
    assert "First lost" in page
    assert "alice@customer.test" in page
    assert "2<span" in page.replace("\n", "")  # in the navigation
    header = admin.get(f"/system/unrouted/{first}").text
    assert "Subject: First lost" in header
    assert "How much is it?" not in header
    answer = post(
        admin, "/system/unrouted/assign", account=account_id, selected=first, organization=ours.name
    )
    assert answer.status_code == 302
    assert ours.name in admin.get(f"/system/unrouted/progress?account={account_id}").text
    deliver_globally(account_id)
    assert (subjects_in(ours), state_of(second).state) == (["First lost"], "unrouted")
    post(admin, "/system/unrouted/assign", account=account_id, everything="1", organization=ours.name)
    deliver_globally(account_id)
    assert subjects_in(ours) == ["First lost", "Second lost"]
    assert "Nothing is unrouted" in admin.get("/system/unrouted/").text


def test_who_assigns_one_message_to_nobody_keeps_what_was_typed(admin, account_id):
    (arrival,) = receive_globally(account_id, letter("A question"))
    given = {"account": account_id, "selected": arrival, "organization": "Nobody", "alone": "1"}
    page = post(admin, "/system/unrouted/assign", **given)
    assert 'value="Nobody"' in page.text
    assert "Choose an organization that this mailbox serves." in page.text


def test_nothing_is_assigned_to_who_is_not_served(admin, account_id):
    (arrival,) = receive_globally(account_id, letter())
    given = {"account": account_id, "organization": "Nobody"}
    page = post(admin, "/system/unrouted/assign", selected=arrival, **given)
    shown = BeautifulSoup(page.text, "html.parser")
    assert page.status_code == 422
    assert shown.select_one("#assign-ticked")["value"] == "Nobody"
    assert shown.select_one("#assign-all")["value"] == ""
    assert shown.select_one(f"[name=selected][value='{arrival}']").has_attr("checked")
    page = post(admin, "/system/unrouted/assign", everything="1", **given)
    assert BeautifulSoup(page.text, "html.parser").select_one("#assign-all")["value"] == "Nobody"
    assert state_of(arrival).state == "unrouted"


def test_a_rule_is_made_of_a_message_and_takes_what_waits(admin, account_id, theirs):
    (arrival,) = receive_globally(account_id, letter("Lost", to="sales@else.test"))
    url = f"/system/routing/{account_id}/rules/new?arrival={arrival}"
    form = admin.get(url).text
    assert 'value="sales@else.test"' in form
    post(admin, url, field="recipient", value="sales@else.test", organization=theirs.name, again="y")
    deliver_globally(account_id)
    assert subjects_in(theirs) == ["Lost"]


def test_a_message_is_tried_pasted_or_chosen(admin, account_id, ours):
    make_rule(account_id, "sender_domain", "customer.test", ours)
    (arrival,) = receive_globally(account_id, letter("Real"))
    url = f"/system/routing/{account_id}/try"
    for data in ({"raw": letter("Pasted").decode()}, {"recent": str(arrival)}):
        page = post(admin, url, **data).text
        assert (
            f"It would go to:   {ours.name}".split()
            == page[page.index("It would go to") :].split("<")[0].split()
        )
        assert "The rule “sender domain is customer.test” matches." in page
    assert post(admin, url).status_code == 422
    assert "No sender and no recipient is in it." in post(admin, url, raw="Hello, is it me?").text


def test_another_list_is_tried_without_effects_and_then_kept(admin, account_id, ours, theirs):
    make_rule(account_id, "sender_domain", "customer.test", ours)
    make_rule(account_id, "tag", "old", ours)
    receive_globally(account_id, letter("Real"))
    with inside_installation("a test") as session:
        first, second = (str(rule.id) for rule in session.scalars(rules_of(account_id)))
    changed = {
        "id": [first, second, ""],
        "place": ["2", "3", "1"],
        "field": ["sender_domain", "tag", "sender"],
        "value": ["customer.test", "old", "alice@customer.test"],
        "organization": [ours.name, ours.name, theirs.name],
        "left_out": ["1"],
        "days": "7",
    }
    url = f"/system/routing/{account_id}/list"
    page = post(admin, url, **changed, **{"try": "1"}).text
    assert "1 of 1 messages would have gone elsewhere" in page
    assert values(account_id) == ["customer.test", "old"]
    assert post(admin, url, **changed, save="1").status_code == 302
    assert values(account_id) == ["alice@customer.test", "customer.test"]
    wrong = {**changed, "value": ["customer.test", "old", "nobody"]}
    answer = post(admin, url, **wrong, save="1")
    assert (answer.status_code, "Write one address" in answer.text) == (422, True)
    assert values(account_id) == ["alice@customer.test", "customer.test"]


def test_a_message_routed_wrongly_is_moved_from_its_page(admin, account_id, ours, theirs):
    make_rule(account_id, "sender_domain", "customer.test", ours)
    (arrival,) = receive_globally(account_id, letter("Secret subject"))
    listed = admin.get(f"/system/routing/{account_id}/messages?q=alice@customer.test").text
    assert str(arrival) in listed
    url = f"/system/routing/messages/{arrival}"
    page = admin.get(url).text
    assert "Messages that go: 1" in page
    assert "Secret subject" not in page + listed
    assert post(admin, url, organization="Nobody").status_code == 422
    assert post(admin, url, organization=theirs.name).status_code == 302
    assert "being moved already" in admin.get(url).text
    with inside_installation("a test"):
        finish_moves(account_id)
    deliver_globally(account_id)
    assert (subjects_in(ours), subjects_in(theirs)) == ([], ["Secret subject"])
    assert "moved it" in admin.get(url).text


def test_an_account_of_an_organization_is_none_of_these_pages_business(admin, ours):
    mailbox = make_mailbox(ours)
    assert admin.get(f"/system/routing/{mailbox.account_id}").status_code == 404
