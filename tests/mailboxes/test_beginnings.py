"""What lists show of a conversation that begins."""

from datetime import UTC, datetime, timedelta
from typing import Any

from mailboxes.threads.beginnings import MOST_PARTICIPANTS, MOST_SENDERS, summary_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def row(number: int, **given: Any) -> dict[str, Any]:
    """A message that came so many minutes after noon."""
    sender = given.pop("sender", f"p{number:03}@x.test")
    return {
        "id": number,
        "shown_at": NOON + timedelta(minutes=number),
        "box": "inbox",
        "direction": "in",
        "is_automatic": False,
        "subject": f"Subject {number}",
        "teaser": f"Teaser {number}",
        "sender_name": "",
        "sender_address": sender,
        "addresses": {"from": [{"name": "", "address": sender}], "to": [{"name": "", "address": ""}]},
        "attachment_count": 0,
    } | given


def test_the_oldest_gives_the_subject_and_the_newest_that_is_no_draft_the_rest() -> None:
    found = summary_of([row(3, box="drafts", direction="out"), row(2), row(1)], ())
    assert (found["subject"], found["teaser"], found["last_at"]) == (
        "Subject 1",
        "Teaser 2",
        NOON + timedelta(minutes=2),
    )
    assert (found["message_count"], found["incoming_count"], found["outgoing_count"]) == (3, 2, 1)


def test_what_our_robot_said_hides_no_customer() -> None:
    robot = {"direction": "out", "is_automatic": True}
    found = summary_of([row(1), row(2, **robot)], ())
    assert (found["teaser"], found["last_at"]) == ("Teaser 1", NOON + timedelta(minutes=2))
    assert summary_of([row(2, **robot)], ())["teaser"] == "Teaser 2"
    assert summary_of([row(1), row(2, is_automatic=True)], ())["teaser"] == "Teaser 2"


def test_a_draft_alone_is_all_there_is() -> None:
    found = summary_of([row(1, box="drafts", direction="out")], ())
    assert (found["teaser"], found["incoming_count"]) == ("Teaser 1", 0)


def test_our_own_addresses_take_part_in_none_whatever_their_tag() -> None:
    people = [row(1, sender="Help+a@acme.test"), row(2, sender="help@acme.test"), row(3, sender="B+c@x.test")]
    assert summary_of(people, {"help@acme.test"})["participants"] == ["b+c@x.test"]


def test_a_crowd_is_cut() -> None:
    found = summary_of([row(number) for number in range(MOST_PARTICIPANTS + 1)], ())
    assert found["senders"] == [f"p{number:03}@x.test" for number in range(MOST_SENDERS)]
    assert len(found["participants"]) == MOST_PARTICIPANTS
