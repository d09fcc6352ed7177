"""What a person's reply starts from."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.quoting import reply_text, split
from mailboxes.replies import (
    INTRODUCTIONS,
    AddressProblem,
    Person,
    forwarded,
    quotation,
    recipients_of_reply,
    subject_of_forward,
    subject_of_reply,
    typed_people,
)


def lists(**given):
    return {
        name: [{"name": "", "address": address} for address in addresses] for name, addresses in given.items()
    }


def addresses(people):
    return [person.address for person in people]


def test_an_answer_goes_to_the_sender():
    to = recipients_of_reply(
        lists(**{"from": ["a@x.test"], "to": ["us@x.test"]}), ["us@x.test"], to_all=False, is_ours=False
    )
    assert (addresses(to.to), to.cc) == (["a@x.test"], ())


def test_an_answer_goes_where_the_sender_asked_for_it():
    given = lists(**{"from": ["a@x.test"], "reply_to": ["b@x.test"]})
    assert addresses(recipients_of_reply(given, [], to_all=False, is_ours=False).to) == ["b@x.test"]


def test_an_answer_to_all_keeps_everybody_but_us():
    given = lists(
        **{
            "from": ["a@x.test"],
            "to": ["Us@x.test", "b@x.test"],
            "cc": ["c@x.test", "A@x.test", "alias@x.test"],
        }
    )
    found = recipients_of_reply(given, ["us@x.test", "alias@x.test"], to_all=True, is_ours=False)
    assert (addresses(found.to), addresses(found.cc)) == (["a@x.test", "b@x.test"], ["c@x.test"])


def test_an_answer_to_our_own_message_goes_to_those_we_wrote_to():
    given = lists(**{"from": ["us@x.test"], "to": ["a@x.test"], "cc": ["c@x.test"]})
    found = recipients_of_reply(given, ["us@x.test"], to_all=True, is_ours=True)
    assert (addresses(found.to), addresses(found.cc)) == (["a@x.test"], ["c@x.test"])


def test_a_list_of_ours_that_wants_the_answers_does_not_get_them_instead_of_the_sender():
    given = lists(**{"from": ["a@x.test"], "reply_to": ["Us@x.test"], "to": ["us@x.test"]})
    found = recipients_of_reply(given, ["us@x.test"], to_all=False, is_ours=False)
    assert addresses(found.to) == ["a@x.test"]


def test_an_answer_to_all_leaves_our_address_out_with_a_tag_too():
    given = lists(**{"from": ["a@x.test"], "to": ["us+order@x.test", "b+us@x.test"], "cc": ["US+x@x.test"]})
    found = recipients_of_reply(given, ["us@x.test"], to_all=True, is_ours=False)
    assert (addresses(found.to), found.cc) == (["a@x.test", "b+us@x.test"], ())


def test_who_writes_to_themselves_can_be_answered():
    given = lists(**{"from": ["us@x.test"], "to": ["us@x.test"]})
    assert addresses(recipients_of_reply(given, ["us@x.test"], to_all=True, is_ours=False).to) == [
        "us@x.test"
    ]


@pytest.mark.parametrize(
    ("subject", "reply"),
    [("Lamp", "Re: Lamp"), ("Re: Lamp", "Re: Lamp"), ("AW: Lampe", "AW: Lampe"), ("", "Re:")],
)
def test_a_subject_gets_one_prefix(subject, reply):
    assert subject_of_reply(subject) == reply
    assert subject_of_forward("Fwd: Lamp") == "Fwd: Lamp"
    assert subject_of_forward("Lamp") == "Fwd: Lamp"


def test_a_quotation_marks_each_line():
    text = quotation("Ada", datetime(2026, 5, 3, 14, 2, tzinfo=UTC), "One\n\nTwo\n")
    assert text == "On 03 May 2026 at 14:02, Ada wrote:\n> One\n>\n> Two\n"


@pytest.mark.parametrize("language", [*INTRODUCTIONS, "ja", None])
def test_a_quotation_is_introduced_so_that_it_is_known_as_one_when_it_comes_back(language):
    text = quotation("{Ada} <ada@x.test>", datetime(2026, 11, 28, 14, 2, tzinfo=UTC), "One", language)
    first = text.splitlines()[0]
    assert "14:02" in first
    assert "{Ada} <ada@x.test>" in first
    assert first.endswith(" wrote:") == (language in ("en", "ja", None))
    assert [segment.kind for segment in split(f"Thanks.\n\n{text}")][-1] == "quotation"


@pytest.mark.parametrize("language", [*INTRODUCTIONS, "ja", None])
def test_a_forward_is_headed_in_its_language_and_known_as_one_when_it_comes_back(language):
    at = datetime(2026, 11, 28, 14, 2, tzinfo=UTC)
    text = forwarded("{Ada} <ada@x.test>", at, "{Lamp}", "us@x.test", "One", language)
    title, sender, date, subject, recipients, *_ = text.splitlines()
    assert [sender.split()[-1], subject.split()[-1], recipients.split()[-1]] == [
        "<ada@x.test>", "{Lamp}", "us@x.test",
    ]  # fmt: skip
    assert "2026, 14:02 UTC" in date or "2026-11-28, 14:02 UTC" in date
    assert ("Forwarded message" in title) == (language in ("en", "ja", None))
    assert reply_text(f"See below.\n\n{text}", is_answer=False) == "See below."


def test_a_forward_passes_a_long_message_on_whole_or_says_that_it_does_not():
    def passed_on(text):
        return forwarded("Ada", datetime(2026, 5, 3, tzinfo=UTC), "Log", "us@x.test", text)

    assert passed_on("x" * 300_000 + " end").endswith("x end\n")
    assert passed_on("x" * 500_000).endswith("x\n[The rest of this message was left out.]\n")


def test_typed_people_are_read_as_people_write_them():
    people = typed_people('Ada <ada@x.test>; "Bob, Jr." <bob@x.test>,\n carla@x.test, ADA@x.test')
    assert people == (
        Person("Ada", "ada@x.test"),
        Person("Bob, Jr.", "bob@x.test"),
        Person("", "carla@x.test"),
    )


@pytest.mark.parametrize("text", ["ada", "ada@", "ada@x", "a b@x.test", "<>", "ada@x.test bob@x.test"])
def test_what_is_no_address_is_named(text):
    with pytest.raises(AddressProblem, match="is not an email address"):
        typed_people(text)


@given(st.text(max_size=80))
@settings(max_examples=200)
def test_whatever_is_typed_is_addresses_or_a_problem(text):
    try:
        people = typed_people(text)
    except AddressProblem:
        return
    assert all(not set("\r\n\0 ") & set(person.address) for person in people)


@given(st.text(max_size=30).filter(lambda name: name.isprintable()))
@settings(max_examples=100)
def test_a_person_written_out_is_typed_back_as_the_same_address(name):
    assert addresses(typed_people(str(Person(name, "ada@x.test")))) == ["ada@x.test"]
