"""Finding messages by their words and by what is said about them."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql

from mailboxes.inbox import listing, read_state
from mailboxes.inbox.selection import VIEWS, Selection
from mailboxes.search import words_of
from mailboxes.search_terms import parse_query
from mailboxes.threads import ThreadRecord
from tenants.database import db, uuid7
from tests.factories import make_mailbox, make_message, make_thread


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support desk")


@pytest.fixture
def found(ours, inside):
    """Subjects of the conversations that a search finds for a member, in any order."""

    def find(text, view="all", member=ours.member, **given):
        with inside(ours):
            selection = Selection(member, view=VIEWS[view], query=parse_query(text))
            return sorted(row.subject for row in listing.page(selection, **given).rows)

    return find


def test_all_words_must_be_in_one_message_and_the_last_may_be_begun(ours, mailbox, found):
    make_message(ours, mailbox, subject="Broken lamp", text="It flickers all night.")
    make_message(ours, mailbox, subject="Broken chair", text="It wobbles.")
    assert found("broken") == ["Broken chair", "Broken lamp"]
    assert found("BROKEN flick") == ["Broken lamp"]
    assert found("flick broken") == []
    assert found("broken piano") == []
    assert found("broken li") == []  # two letters begin too many words


@pytest.mark.parametrize("is_threaded", [True, False])
def test_words_are_found_in_messages_by_themselves_too(ours, mailbox, found, is_threaded):
    make_message(ours, mailbox, subject="Lamp", text="flickers")
    make_message(ours, mailbox, subject="Chair", text="wobbles")
    assert found("flickers", is_threaded=is_threaded) == ["Lamp"]


def test_a_search_stays_inside_the_organization_and_its_readable_mailboxes(ours, theirs, mailbox, found):
    make_message(ours, mailbox, subject="Ours", text="pineapple")
    make_message(ours, make_mailbox(ours, readers=(ours.admin,)), subject="Closed", text="pineapple")
    make_message(theirs, make_mailbox(theirs), subject="Theirs", text="pineapple")
    assert found("pineapple") == ["Ours"]
    assert found("pineapple", member=ours.admin) == ["Closed", "Ours"]


def test_addresses_and_names_of_senders_are_found(ours, mailbox, found):
    make_message(ours, mailbox, subject="A", sender="Ada Lovelace <ada@engine.test>")
    make_message(ours, mailbox, subject="B", sender="Bob <bob@engine.test>", text="about ada@engine.test")
    assert found("from:ada@engine.test") == ["A"]
    assert found("from:lovelace") == ["A"]
    assert found("from:engine.test") == ["A", "B"]
    assert found("ada@engine.test") == ["A", "B"]


IN_ANY_SCRIPT = (
    *(("订单", ["中文"]), ("编号", ["中文"]), ("号", ["中文"]), ("单号", []), ("12345", ["中文"])),
    *(("照明", ["日本"]), ("お問い合わせ", ["日本"]), ("問合", []), ("カナ", ["日本"]), ("注文", ["한국"])),
    *(("주문", ["한국"]), ("สินค้า", ["ไทย"])),
    *(("müller", ["Umlaut"]), ("MÜLLER", ["Umlaut"]), ("muller", ["Umlaut"]), ("mu\u0308ller", ["Umlaut"])),
    *(("strasse", ["Umlaut"]), ("straße", ["Umlaut"]), ("rechnung märz", ["Umlaut"]), ("schön", [])),
    *(("lodz", ["Łódź"]), ("łódź", ["Łódź"]), ("abc123", ["日本"]), ("ＡＢＣ１２３", ["日本"])),
    *(
        ("anna.mull", ["Address"]),
        ("mullen@kund", ["Address"]),
        ("kunde.te", []),
        ("kunde.test", ["Address"]),
    ),
    *(("from:müller", ["Umlaut"]), ("from:中", ["中文"]), ("subject:umlaut", ["Umlaut"])),
)


def test_words_are_found_in_any_script_however_they_are_typed(ours, mailbox, found):
    for subject, text in {
        "日本": "照明についてのお問い合わせです。ｶﾅ ＡＢＣ１２３",
        "한국": "주문을 확인해 주세요 注文",
        "ไทย": "ขอสินค้าของผม",
        "Łódź": "",
    }.items():
        make_message(ours, mailbox, subject=subject, text=text)
    make_message(
        ours, mailbox, subject="中文", text="请问订单编号12345什么时候发货？", sender="王中 <w@a.test>"
    )
    make_message(
        ours,
        mailbox,
        subject="Umlaut",
        text="Große Straße 5",
        sender="Jörg Müller <j@a.test>",
        attachments=(("Rechnung Ma\u0308rz.pdf", "application/pdf", b"x"),),
    )
    make_message(ours, mailbox, subject="Address", sender="Anna <anna.mullen@kunde.test>")
    for search, subjects in IN_ANY_SCRIPT:
        assert found(search) == subjects, search


def test_what_was_indexed_before_accents_and_neighbours_counted_is_found(ours, mailbox, found, inside):
    message = make_message(ours, mailbox, subject="Old")
    with inside(ours):
        old = "'große' 'straße' 'grüße' 'aus' 'köln' '注文番号'"
        db.session.execute(
            sql("UPDATE message_words SET words = CAST(:words AS tsvector) WHERE id = :id"),
            {"words": old, "id": message.id},
        )
        db.session.commit()
    for search in ("große", "Straß", "grüße aus köln", "注文", "注文番号"):
        assert found(search) == ["Old"], search
        assert found(f"{search} berlin") == [], search


def test_recipients_and_subjects_are_found(ours, mailbox, found):
    make_message(ours, mailbox, subject="100% sure", to="Sales <sales@shop.test>")
    make_message(ours, mailbox, subject="1000 sure", to="help@shop.test", headers=(("Cc", "boss@shop.test"),))
    assert found("to:sales") == ["100% sure"]
    assert found("to:boss@shop.test") == ["1000 sure"]
    assert found('subject:"100%"') == ["100% sure"]


def test_what_is_said_about_messages_holds_for_one_and_the_same(ours, mailbox, found):
    thread = make_thread(ours, mailbox, subject="Talk")
    make_message(ours, mailbox, thread=thread, sender="Ada <ada@x.test>", text="apples")
    make_message(ours, mailbox, thread=thread, sender="Bob <bob@x.test>", text="pears")
    assert found("from:ada apples") == ["Talk"]
    assert found("from:ada pears") == []


def test_states_are_found(ours, mailbox, found, inside):
    make_message(ours, mailbox, thread=make_thread(ours, mailbox, subject="Done", status="done"))
    mine = make_thread(ours, mailbox, subject="Mine", status="waiting", assignee_id=ours.member.id)
    make_message(ours, mailbox, thread=mine)
    make_message(ours, mailbox, subject="Robot", is_automatic=True)
    with inside(ours):
        read_state.mark_read(ours.member, read_state.messages_of_threads([mine.id]))
        db.session.add(ThreadRecord(thread_id=mine.id, kind="vip", other_id=uuid7()))
        db.session.commit()
    assert found("is:unread") == ["Done", "Robot"]
    assert found("is:read") == ["Mine"]
    assert found("is:waiting") == found("is:mine") == found("is:assigned") == ["Mine"]
    assert found("is:unassigned is:open is:automatic") == ["Robot"]
    assert found("is:done is:open") == []
    assert found("is:auto-replied") == found("has:lead") == found("has:draft") == []


def test_attachments_times_and_places_are_found(ours, mailbox, found):
    make_message(
        ours,
        mailbox,
        subject="May",
        attachments=(("a.txt", "text/plain", b"x"),),
        shown_at=datetime(2026, 5, 3, tzinfo=UTC),
    )
    make_message(ours, mailbox, subject="June", shown_at=datetime(2026, 6, 1, tzinfo=UTC), box="spam")
    make_message(ours, make_mailbox(ours), subject="July", shown_at=datetime(2026, 7, 1, tzinfo=UTC))
    assert found("has:attachment") == ["May"]
    assert found("after:2026-05-03 before:2026-06-01") == ["May"]
    assert found("after:2026-06") == ["July", "June"]
    assert found("in:spam") == ["June"]
    assert found('in:"support desk"') == ["June", "May"]
    assert found("in:anywhere") == ["July", "June", "May"]


def test_a_search_that_finds_more_than_it_looks_at_says_so(ours, mailbox, inside, monkeypatch):
    monkeypatch.setattr("mailboxes.search.MOST_FOUND", 2)
    monkeypatch.setattr(listing, "MOST_FOUND", 2)
    monkeypatch.setattr("mailboxes.inbox.searching.MOST_FOUND", 2)
    for _ in range(3):
        make_message(ours, mailbox, text="pineapple")
    with inside(ours):
        page = listing.page(Selection(ours.member, query=parse_query("pineapple")))
    assert (len(page.rows), page.is_cut) == (2, True)


@given(text=st.text(max_size=60))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_can_be_searched_for(ours, inside, text):
    with inside(ours):
        query = parse_query(text)
        assert listing.page(Selection(ours.member, query=query)).rows == ()


@pytest.mark.parametrize(
    "text",
    ["'", "\\", "a:*", "a & b | !c", "<->", "((", "it's", "foo'bar", "ärger", "日本語", "a-b c_d", "%_", ":"],
)
def test_signs_that_mean_something_to_the_database_are_text(ours, inside, text):
    with inside(ours):
        for query in (text, f"from:{text}", f'subject:"{text}"', f"{text} x"):
            listing.page(Selection(ours.member, query=parse_query(query)))


@given(text=st.text(max_size=60))
@settings(max_examples=200)
def test_a_text_is_split_alike_for_the_index_and_for_a_search(text):
    """Whatever is looked for, word by word or as a whole, has the words that the index got of it."""
    assert words_of(text) == {word for part in text.split() for word in words_of(part)}


def test_words_are_runs_of_letters_and_digits_in_lower_case():
    assert words_of("Re: Öl-Wechsel_2, mia@acme.test; 12.50 €") == {
        *("re", "ol", "wechsel", "2", "mia", "acme", "test", "12", "50")
    }
    assert words_of("Straße ＡＢ１２ İstanbul Œuvre Ёлка Mu\u0308ller が") == {
        *("strasse", "ab12", "istanbul", "oeuvre", "елка", "muller", "が")
    }


def test_of_what_is_written_without_blanks_neighbouring_letters_are_words():
    assert words_of("订单编号12号") == {"订单", "单编", "编号", "号", "12"}


OF_ONE_BYTE = [bytes(range(256)).decode(codec, "ignore") for codec in ("ascii", "latin-1", "cp1252")]


@given(st.sampled_from(OF_ONE_BYTE).flatmap(st.text))
def test_words_of_one_byte_for_each_character_are_split_as_all_others_are(text):
    assert words_of(text) == words_of(f"{text} 日") - {"日"}
