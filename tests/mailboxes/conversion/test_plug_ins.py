"""Actions of plug-ins: found by entry point, offered, converting; a broken one harms nobody."""

import importlib
import sys
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import select

from mailboxes.conversion import Conversion, checked_settings, convert, convert_by_hand, links_of, offers
from mailboxes.conversion.known_actions import actions, plug_ins
from mailboxes.messages import Message
from mailboxes.timeline import events_of
from tenants.database import db, inside
from tenants.errors import AppError
from tests.factories import make_mailbox, make_message, make_raw

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "postroom-ticket-action"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution on the path as an installer would: a module and its dist-info."""
    modules = []

    def put(name: str, entry_point: str, code: str) -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        info = tmp_path / f"{module}-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
        (info / "entry_points.txt").write_text(f"[postroom.actions]\n{entry_point}\n")
        modules.append(module)
        importlib.invalidate_caches()
        plug_ins.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    yield put
    monkeypatch.undo()
    for module in modules:
        sys.modules.pop(module, None)
    plug_ins.cache_clear()


@pytest.fixture
def ticket_action(install):
    """The example of the docs, installed."""
    code = (EXAMPLE / "postroom_ticket_action.py").read_text()
    install("postroom-ticket-action", "ticket = postroom_ticket_action:ConvertToTicket", code)


def opening(organization, mailbox, **given):
    return make_message(organization, mailbox, is_opening=True, may_convert=True, work="pending", **given)


def act(organization, message):
    with inside(organization.id):
        stored = db.session.scalars(select(Message).where(Message.id == message.id)).one()
        convert(stored)
        db.session.commit()
        return events_of(stored)[-1]


def test_the_entry_point_of_the_example_is_the_one_in_its_project_file():
    text = (EXAMPLE / "pyproject.toml").read_text()
    assert '[project.entry-points."postroom.actions"]' in text
    assert 'ticket = "postroom_ticket_action:ConvertToTicket"' in text


def test_an_installed_plug_in_is_offered_with_its_settings(ours, ticket_action):
    with inside(ours.id):
        offer = next(offer for offer in offers() if offer.action.name == "ticket")
        assert (offer.is_offered, offer.action.label) == (True, "Convert to ticket")
        settings = checked_settings("ticket", {"prefix": "HELP", "desk": "second", "watcher": ""})
        assert settings == {"prefix": "HELP", "desk": "second", "watcher": ""}


def test_it_converts_once_and_its_record_is_shown_with_the_conversation(ours, theirs, ticket_action):
    settings = {"prefix": "HELP", "desk": "second"}
    mailbox = make_mailbox(ours, action="ticket", action_settings=settings)
    other = make_mailbox(ours, action="ticket", action_settings=settings)
    raw = make_raw(subject="No light")
    messages = [opening(ours, box, raw=raw) for box in (mailbox, other)]
    made, attached = (act(ours, message) for message in messages)
    assert (made.result, attached.result) == ("converted", "attached")
    assert made.details["more"]["desk"] == "second"
    with inside(ours.id):
        (conversion,) = db.session.scalars(select(Conversion))
        for message in messages:
            (link,) = links_of(message.thread_id)
            assert (link.kind, link.noun, link.id) == ("ticket", "ticket", conversion.record_id)
            assert link.label.startswith("HELP-")
            assert link.label.endswith("No light")
            assert link.url.startswith("https://tickets.example.com/HELP-")
    with inside(theirs.id):
        assert db.session.scalars(select(Conversion)).all() == []


def test_people_convert_by_hand_too(ours, ticket_action):
    message = opening(ours, make_mailbox(ours))
    with inside(ours.id):
        stored = db.session.scalars(select(Message).where(Message.id == message.id)).one()
        record = convert_by_hand(stored, "ticket", ours.member)
        assert record.details["made_by"] == ours.member.name
        assert record.notes == ("The mailbox names no desk: the first level got it.",)


def test_without_the_plug_in_its_action_is_unknown(ours):
    assert list(actions()) == ["nothing", "lead", "case"]


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('at import')",
        "class Broken: pass",
        "from mailboxes.conversion import Action\nclass Broken(Action): pass",
        """
        from mailboxes.conversion import Action
        class Broken(Action):
            name, label, noun = "Bad Name", "Bad", "bad"
            def make_record(self, message, settings, by=None): ...
        """,
        """
        from mailboxes.conversion import Action
        class Broken(Action):
            name, label, noun = "case", "Another case", "case"
            def make_record(self, message, settings, by=None): ...
        """,
        """
        from mailboxes.conversion import Action
        class Broken(Action):
            name, label, noun, permission = "odd", "Odd", "odd", "everything"
            def make_record(self, message, settings, by=None): ...
        """,
    ],
    ids=["import", "type", "abstract", "name", "taken", "permission"],
)
def test_a_broken_plug_in_is_left_out(install, code):
    install("postroom-broken", "broken = postroom_broken:Broken", code)
    assert list(actions()) == ["nothing", "lead", "case"]
    assert actions()["case"].label == "Convert to case"


def test_a_plug_in_that_fails_undoes_its_part_and_keeps_the_message(ours, install):
    install(
        "postroom-failing",
        "failing = postroom_failing:Failing",
        """
        from mailboxes.conversion import Action
        from mailboxes.crm.cases import open_case

        class Failing(Action):
            name, label, noun = "failing", "Fail", "failure"

            def make_record(self, message, settings, by=None):
                open_case({"subject": "half done"}, "Plug-in")
                raise ZeroDivisionError
        """,
    )
    from mailboxes.crm.cases import Case

    message = opening(ours, make_mailbox(ours, action="failing"))
    event = act(ours, message)
    assert (event.result, "ZeroDivisionError" in event.reason) == ("not converted", True)
    with inside(ours.id):
        assert db.session.scalars(select(Case)).all() == []
        assert db.session.scalars(select(Conversion)).all() == []
        stored = db.session.scalars(select(Message).where(Message.id == message.id)).one()
        with pytest.raises(AppError, match="plug-in failed"):
            convert_by_hand(stored, "failing", ours.member)


def test_a_plug_in_that_cannot_say_whether_it_is_offered_is_not(ours, install):
    install(
        "postroom-confused",
        "confused = postroom_confused:Confused",
        """
        from mailboxes.conversion import Action

        class Confused(Action):
            name, label, noun = "confused", "Be confused", "thing"

            def is_offered(self):
                raise LookupError

            def make_record(self, message, settings, by=None):
                raise AssertionError
        """,
    )
    with inside(ours.id):
        assert [offer.is_offered for offer in offers()] == [True, False, True, False]
    assert "failed" in act(ours, opening(ours, make_mailbox(ours, action="confused"))).reason


def test_a_plug_in_may_stay_away_from_an_organization(ours, install):
    install(
        "postroom-shy",
        "shy = postroom_shy:Shy",
        """
        from mailboxes.conversion import Action

        class Shy(Action):
            name, label, noun = "shy", "Be shy", "thing"

            def is_offered(self):
                return False, "It is not for you."

            def make_record(self, message, settings, by=None):
                raise AssertionError
        """,
    )
    event = act(ours, opening(ours, make_mailbox(ours, action="shy")))
    assert (event.result, event.reason) == (
        "not converted",
        "It is not for you. It can be converted by hand later.",
    )
