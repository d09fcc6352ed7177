"""F2, F3: a folder whose UIDs mean nothing is read by content, and trusted again once it holds."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.imap.fetching import NO_CONTENT
from mailboxes.intake.arrived import UNFETCHABLE
from mailboxes.intake.held import held_arrivals, held_counts
from mailboxes.messages import Location, Message
from mailboxes.sync import unstable
from mailboxes.sync.auditing import ask_for_audit
from mailboxes.sync.budget import BudgetSpentError
from mailboxes.sync.plan import MOST_RENUMBERINGS, STEADY_VISITS, Cursor, Epoch, epoch_of, trust_after
from mailboxes.sync.refetching import fetch_anyway
from mailboxes.sync.running import Pass
from mailboxes.sync.unstable_refetching import NOT_FOUND
from tenants.database import db, inside, now
from tests.faults.behaviours import drop, for_messages
from tests.faults.imap_server import Command, Session
from tests.faults.rows_numbering import without_validity
from tests.faults.stage import INBOX, PROJECTS, Stage
from tests.mailboxes.arriving import letter


def renumber_at_each_opening(stage: Stage) -> None:
    numbers = itertools.count(100)

    def renumber(session: Session, command: Command) -> bool:
        if b"INBOX" in command.arguments:
            session.server.folder(INBOX).uid_validity = next(numbers)
        return False

    stage.server.on("EXAMINE", renumber)


def unsettle(stage: Stage) -> None:
    """Let the inbox be renumbered at every opening, until nobody trusts it."""
    renumber_at_each_opening(stage)
    for _ in range(MOST_RENUMBERINGS + 1):
        stage.sync()
    assert "renumbers" in error_of(stage)
    stage.server.heal()


def error_of(stage: Stage) -> str:
    with inside(stage.world.id):
        return stage.folders()[INBOX].last_error


def bodies_asked(stage: Stage) -> int:
    commands = stage.server.commands
    return sum(command.verb == "FETCH" and b"BODY" in command.arguments for command in commands)


def looks_at_all(stage: Stage) -> int:
    """How often all messages were asked for that may be here, from the usual date on."""
    commands = stage.server.commands
    return sum(command.verb == "SEARCH" and b"SINCE 18-Nov-2026" in command.arguments for command in commands)


def just_now() -> str:
    """An INTERNALDATE."""
    return f"{now():%d-%b-%Y %H:%M:%S +0000}"


def unsettled(stage: Stage) -> None:
    """Three messages are here, of a folder that nobody trusts."""
    stage.fill(INBOX, 3)
    stage.sync()
    unsettle(stage)
    stage.sync()


def test_a_folder_that_is_renumbered_while_it_is_read_holds_up_no_other(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.fill(PROJECTS, 1)
    stage.sync()
    renumber_at_each_opening(stage)
    stage.add(PROJECTS)
    stage.sync()
    assert stage.count_in(PROJECTS) == 2


def test_a_folder_that_holds_is_trusted_again_and_is_what_the_server_is(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    unsettle(stage)
    for _ in range(STEADY_VISITS + 1):
        stage.sync()
    assert "renumbers" in error_of(stage)
    stage.sync()
    assert error_of(stage) == ""
    stage.live_on()
    stage.settle()
    messages, convertible, _ = stage.oracle.records()
    assert (messages, convertible) == (6, 3)


def test_while_it_is_unstable_nothing_known_is_read_again_but_once_a_day(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    unsettle(stage)
    stage.sync()
    before = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) == before
    stage.add(date="21-Nov-2026 10:00:00 +0000")
    stage.sync()
    assert (bodies_asked(stage), len(stage.subjects())) == (before + 1, 4)
    with inside(stage.world.id):
        db.session.execute(update(Folder).values(compared_at=None))
        db.session.commit()
    stage.sync()
    assert bodies_asked(stage) > before + 1


def test_reading_all_of_it_anew_goes_on_where_the_pass_before_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fill(INBOX, 6)
    stage.sync()
    unsettle(stage)
    stage.sync()
    with inside(stage.world.id):
        db.session.execute(update(Folder).values(compared_at=None))
        db.session.commit()
    renumber_at_each_opening(stage)
    before = bodies_asked(stage)
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.unstable.UIDS_AT_ONCE", 2)
    for _ in range(10):
        stage.sync()
    assert bodies_asked(stage) - before == 3
    with inside(stage.world.id):
        assert stage.folders()[INBOX].compared_at is not None
    monkeypatch.undo()
    stage.settle()


def test_trust_comes_back_after_so_many_visits_in_a_row_and_no_sooner() -> None:
    cursor = Cursor(uid_validity=7, renumberings=MOST_RENUMBERINGS + STEADY_VISITS)
    for visit in range(1, 2 * STEADY_VISITS):
        validity = 8 if visit == 5 else 7 if visit < 5 else 8
        kept, renumberings = trust_after(cursor, validity)
        cursor = Cursor(uid_validity=kept, renumberings=renumberings)
        is_trusted = epoch_of(cursor, validity) is Epoch.RENUMBERED
        assert is_trusted == (visit == 5 + STEADY_VISITS + 1), visit
        if is_trusted:
            return


def test_while_it_leaves_out_its_uidvalidity_a_folder_keeps_its_place(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    stage.server.on("EXAMINE", without_validity)
    stage.live_on()
    for _ in range(2):
        stage.sync()
    assert "no lasting numbers" in error_of(stage)
    assert len(stage.subjects()) == 6
    stage.settle()
    assert error_of(stage) == ""


def test_what_is_not_whole_is_told_of_once(stage: Stage) -> None:
    unsettled(stage)
    stage.limit_megabytes(1)
    before, looks = stage.count_in(INBOX), looks_at_all(stage)
    stage.server.folder(INBOX).add(letter("Too large", body="0123456789abcde\n" * 70_000), date=just_now())
    withheld = stage.add(date=just_now())
    subjects = stage.subjects()
    stage.server.on("FETCH", for_messages(lambda _, uid, good: None if uid == withheld else good))
    for _ in range(3):
        stage.sync()
        assert (stage.count_in(INBOX), looks_at_all(stage)) == (before + 2, looks)
    stage.a_day_later()
    stage.sync()
    assert stage.count_in(INBOX) == before + 2
    with inside(stage.world.id):
        db.session.execute(update(Arrival).values(arrived_at=now() - timedelta(hours=3)))
        db.session.commit()
    bodies = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) == bodies
    stage.server.heal()
    stage.a_day_later()
    stage.sync()
    assert stage.count_in(INBOX) == before + 2
    assert set(stage.subjects()) - set(subjects) == {"Too large", f"Letter {stage.letter_count}"}


@pytest.mark.parametrize("is_renumbered", [True, False])
def test_what_was_too_large_and_comes_whole_is_the_same_message(stage: Stage, is_renumbered: bool) -> None:
    raw = letter("Too large", body="0123456789abcde\n" * 70_000)
    stage.limit_megabytes(1)
    if is_renumbered:  # then its header is here of each of their numberings
        stage.server.folder(INBOX).add(raw, date=just_now())
        unsettled_by_one_renumbering_after_another(stage)
    else:
        unsettled(stage)
        stage.server.folder(INBOX).add(raw, date=just_now())
    stage.sync()
    before = stage.count_in(INBOX)
    stage.limit_megabytes(2)
    stage.a_day_later()
    stage.sync()
    assert (stage.count_in(INBOX), stage.subjects().count("Too large")) == (before, 1)
    with inside(stage.world.id):
        ours = (Message.mailbox_id == stage.mailbox.id) & (Message.subject == "Too large")
        assert not db.session.scalars(select(Message.is_stub).where(ours)).one()
    bodies = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) == bodies


@pytest.mark.parametrize("count", [1, 2])
def test_one_of_two_headers_that_look_alike_is_not_completed_by_a_guess(stage: Stage, count: int) -> None:
    unsettled(stage)
    stage.limit_megabytes(1)
    date, before = just_now(), len(stage.subjects())
    for number in range(2):
        raw = letter(f"Too large {number}", body="0123456789abcde\n" * 70_000)
        stage.server.folder(INBOX).add(raw, date=date)
    stage.sync()
    stage.limit_megabytes(2)
    if count == 1:
        stage.server.folder(INBOX).remove(max(stage.server.folder(INBOX).messages))
    stage.a_day_later()
    stage.sync()
    assert len(stage.subjects()) == before + 2 + count


def test_two_of_the_same_size_and_second_that_are_too_large_are_two_wherever_a_batch_ends(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsettled(stage)
    stage.limit_megabytes(1)
    monkeypatch.setattr("mailboxes.sync.arriving.MESSAGES_PER_COMMIT", 1)
    before, date = stage.count_in(INBOX), just_now()
    for number in range(3):
        raw = letter(f"Too large {number}", body="0123456789abcde\n" * 70_000)
        stage.server.folder(INBOX).add(raw, date=date)
        for _ in range(2):
            stage.sync()
            assert stage.count_in(INBOX) == before + number + 1
    for number in range(3, 5):
        raw = letter(f"Too large {number}", body="0123456789abcde\n" * 70_000)
        stage.server.folder(INBOX).add(raw, date=date)
    for happens in (stage.sync, stage.sync, stage.a_day_later, stage.sync):
        happens()
    assert stage.count_in(INBOX) == before + 5
    assert {f"Too large {number}" for number in range(5)} <= set(stage.subjects())


def test_one_that_looks_like_another_is_another_also_where_its_reading_goes_on_in_another_pass(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.limit_megabytes(1)
    inbox, date = stage.server.folder(INBOX), "20-Nov-2026 10:00:00 +0000"
    inbox.add(letter("Too large 0", body="0123456789abcde\n" * 70_000), date=date)
    unsettled(stage)
    renumber_at_each_opening(stage)
    stage.read_only_the_inbox()
    inbox.add(letter("Too large 1", body="0123456789abcde\n" * 70_000), date=date)
    stage.a_day_later()
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.arriving.BYTES_PER_COMMIT", 1)
    for _ in range(6):
        stage.sync()
    with inside(stage.world.id):
        assert stage.folders()[INBOX].reread_count == 0
    assert {"Too large 0", "Too large 1"} <= set(stage.subjects())


def test_what_a_reading_has_met_is_written_where_it_has_met_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with each batch, for it may be as long as the folder."""
    stage.limit_megabytes(1)
    stage.fill(INBOX, 2)
    for number in range(2):
        raw = letter(f"Too large {number}", body="0123456789abcde\n" * (70_000 + number))
        stage.server.folder(INBOX).add(raw)
    unsettled(stage)
    renumber_at_each_opening(stage)
    monkeypatch.setattr("mailboxes.sync.arriving.MESSAGES_PER_COMMIT", 1)
    usual, written = unstable._keep, list[int]()

    def keep(run: Pass, folder: Folder, **values: Any) -> None:
        if values.get("reread_count"):
            met = values.get("reread_met")
            written.append(0 if met is None else len(met.right.value))
        usual(run, folder, **values)

    monkeypatch.setattr(unstable, "_keep", keep)
    stage.a_day_later()
    stage.sync()
    assert sorted(written)[-3:] == [0, 1, 1]


def dates_removed(stage: Stage) -> list[int]:
    """The days of November of what is here, and was removed there."""
    query = select(Message.received_at).where(
        Message.mailbox_id == stage.mailbox.id, Message.removed_on_server_at.is_not(None)
    )
    with inside(stage.world.id):
        return sorted(at.day for at in db.session.scalars(query) if at is not None)


def test_what_is_removed_is_missed_within_a_day_unless_the_server_counts_or_dates_otherwise(
    stage: Stage,
) -> None:
    inbox = stage.server.folder(INBOX)
    _, gone, _ = [stage.add(date=f"{day}-Nov-2026 10:00:00 +0000") for day in (20, 21, 22)]
    stage.sync()
    unsettle(stage)
    renumber_at_each_opening(stage)
    removed = inbox.messages[gone]
    inbox.remove(gone)
    stage.sync()
    assert dates_removed(stage) == []
    stage.a_day_later()
    stage.sync()
    assert dates_removed(stage) == [21]
    inbox.add(removed.raw, date="23-Nov-2026 10:00:00 +0000")
    stage.sync()
    assert dates_removed(stage) == []
    for uid in list(inbox.messages):  # the same ones, with other dates
        raw = inbox.messages[uid].raw
        inbox.remove(uid)
        inbox.add(raw, date="24-Nov-2026 10:00:00 +0000")
    stage.a_day_later()
    stage.sync()
    assert dates_removed(stage) == []


def find_the_last_alone(session: Session, command: Command) -> bool:
    session.line(b"* SEARCH %d" % max(session.server.folder(INBOX).messages))
    session.done(command)
    return True


def test_what_a_search_by_date_leaves_out_is_not_missed(stage: Stage) -> None:
    """As where the server dates messages to before the oldest one that is here."""
    for day in (20, 21, 22):
        stage.add(date=f"{day}-Nov-2026 10:00:00 +0000")
    stage.sync()
    unsettle(stage)
    stage.server.on("SEARCH", find_the_last_alone)
    renumber_at_each_opening(stage)
    stage.a_day_later()
    stage.sync()
    assert dates_removed(stage) == []


def test_what_is_too_large_holds_up_nothing_new(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    unsettled(stage)
    stage.limit_megabytes(1)
    for number in range(3):
        raw = letter(f"Too large {number}", body="0123456789abcde\n" * (70_000 + number))
        stage.server.folder(INBOX).add(raw, date=just_now())
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.running.UIDS_AT_ONCE", 2)
    stage.add(date=just_now())
    for _ in range(3):
        stage.sync()
    assert f"Letter {stage.letter_count}" in stage.subjects()


def without_numbers(session: Session, command: Command) -> bool:
    session.selected = session.server.folders[command.arguments.split(b'"')[1]]
    session.done(command, "[READ-ONLY] open")
    return True


def test_a_server_that_counts_nothing_is_not_asked_for_all_in_each_pass(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.server.on("EXAMINE", without_numbers)
    stage.sync()
    looks = looks_at_all(stage)
    stage.add(date=just_now())
    for _ in range(2):
        stage.sync()
    assert (looks_at_all(stage), len(stage.subjects())) == (looks, 4)


def test_while_it_leaves_out_its_uidvalidity_a_folder_is_looked_through_once_for_what_is_old(
    stage: Stage,
) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    stage.server.on("EXAMINE", without_validity)
    for _ in range(2):
        stage.add(date=just_now())
        stage.sync()
    assert (looks_at_all(stage), len(stage.subjects())) == (0, 5)
    stage.add(date="21-Nov-2026 10:00:00 +0000")
    for _ in range(3):
        stage.sync()
    assert (looks_at_all(stage), len(stage.subjects())) == (1, 6)


def test_what_is_removed_while_a_folder_leaves_out_its_uidvalidity_is_missed_afterwards(stage: Stage) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    stage.server.on("EXAMINE", without_validity)
    stage.server.folder(INBOX).remove(1)
    for _ in range(2):
        stage.sync()
    assert looks_at_all(stage) == 0
    stage.server.heal()
    stage.sync()
    assert stage.oracle.stored() == stage.truth()


def test_what_has_no_date_is_known_by_its_size(stage: Stage) -> None:
    stage.add(date="")
    unsettled(stage)
    bodies = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) == bodies
    stage.server.folder(INBOX).add(letter("Without a date", body="Longer than the others. " * 20), date="")
    for _ in range(2):
        stage.sync()
        assert bodies_asked(stage) == bodies + 1
    assert "Without a date" in stage.subjects()


def test_each_batch_is_the_last_where_the_time_is_over(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    unsettled(stage)
    renumber_at_each_opening(stage)
    stage.read_only_the_inbox()
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.sync.arriving.BYTES_PER_COMMIT", 1)
    for _ in range(3):
        stage.add(date=just_now())
    counts = []
    for _ in range(4):
        stage.sync()
        counts.append(len(stage.subjects()))
    assert counts == [4, 5, 6, 6]
    stage.a_day_later()
    places = []
    for _ in range(7):
        stage.sync()
        with inside(stage.world.id):
            places.append(stage.folders()[INBOX].reread_count)
    assert places == [1, 2, 3, 4, 5, 6, 0]


@pytest.mark.usefixtures("noon")
def test_each_batch_is_the_last_where_the_day_is_spent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    unsettled(stage)
    monkeypatch.setattr("mailboxes.sync.arriving.BYTES_PER_COMMIT", 1)
    for number in range(3):
        raw = letter(f"Much {number}", body="0123456789abcde\n" * 6_000)
        stage.server.folder(INBOX).add(raw, date=just_now())
    with inside(stage.world.id):
        spent = {"fetched_on": now().date(), "fetched_bytes": 2_000 * 1024**2 - 50_000}
        db.session.execute(update(Account).where(Account.id == stage.mailbox.account_id).values(**spent))
        db.session.commit()
    assert isinstance(stage.sync().error, BudgetSpentError)
    assert len(stage.subjects()) == 4


def unsettled_by_one_renumbering_after_another(stage: Stage) -> None:
    """What is there is stored again with each of them."""
    stage.sync()
    for _ in range(MOST_RENUMBERINGS + 1):
        stage.server.folder(INBOX).uid_validity += 1
        stage.sync()
    assert "renumbers" in error_of(stage)


def test_what_is_new_and_looks_like_what_is_here_comes_with_the_next_visit(stage: Stage) -> None:
    inbox = stage.server.folder(INBOX)
    inbox.add(letter("Undated 1"), date="")
    removed = inbox.add(letter("Undated 2"), date="")
    stage.sync()
    inbox.remove(removed)
    unsettled_by_one_renumbering_after_another(stage)
    assert stage.count_in(INBOX) > 2
    inbox.add(letter("Undated 3"), date="")
    assert len({len(message.raw) for message in inbox.messages.values()}) == 1
    stage.sync()
    assert stage.subjects() == ["Undated 1", "Undated 2", "Undated 3"]
    bodies = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) == bodies


def test_what_was_removed_and_is_there_again_is_so_here_and_is_not_asked_for_again(stage: Stage) -> None:
    inbox = stage.server.folder(INBOX)
    inbox.add(letter("Kept"), date=just_now())
    raw, date = letter("There and back"), just_now()
    removed = inbox.add(raw, date=date)
    stage.sync()
    inbox.remove(removed)
    unsettled_by_one_renumbering_after_another(stage)
    assert removed_subjects(stage) == ["There and back"]
    inbox.add(raw, date=date)
    stage.sync()
    assert removed_subjects(stage) == []
    bodies = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) == bodies


def removed_subjects(stage: Stage) -> list[str]:
    with inside(stage.world.id):
        ours = Message.mailbox_id == stage.mailbox.id
        query = select(Message.subject).where(ours, Message.removed_on_server_at.is_not(None))
        return list(db.session.scalars(query))


# --- what somebody asks for ------------------------------------------------------------------


def add_large(stage: Stage, *subjects: str) -> None:
    """Messages of one second and one size, over the limit: only their headers come."""
    stage.limit_megabytes(1)
    date = just_now()
    for subject in subjects:
        raw = letter(subject, body="0123456789abcde\n" * 70_000)
        stage.server.folder(INBOX).add(raw, date=date)
    stage.sync()


def ask_for(stage: Stage, subject: str) -> None:
    """*Fetch anyway*, at one message."""
    with inside(stage.world.id):
        query = select(Location.arrival_id).join(Message, Message.id == Location.message_id)
        ours = (Message.mailbox_id == stage.mailbox.id) & (Message.subject == subject)
        newest = db.session.scalars(query.where(ours).order_by(Location.arrival_id.desc())).first()
        assert newest is not None
        assert fetch_anyway(arrival_ids=[newest])
        db.session.commit()


def stubs(stage: Stage) -> list[str]:
    with inside(stage.world.id):
        ours = (Message.mailbox_id == stage.mailbox.id) & Message.is_stub
        return sorted(db.session.scalars(select(Message.subject).where(ours)))


def asked_for(stage: Stage) -> int:
    with inside(stage.world.id):
        ours = (Arrival.account_id == stage.mailbox.account_id) & Arrival.is_wanted
        return db.session.scalar(select(func.count()).select_from(Arrival).where(ours)) or 0


@pytest.mark.parametrize("is_stored_again", [True, False])
def test_what_is_fetched_anyway_is_found_again_by_its_header_among_those_that_look_alike(
    stage: Stage, is_stored_again: bool
) -> None:
    if is_stored_again:  # with each renumbering: in each of them it is as well asked for
        add_large(stage, "Plan 1", "Plan 2")
        unsettled_by_one_renumbering_after_another(stage)
    else:
        unsettled(stage)
        add_large(stage, "Plan 1", "Plan 2")
    renumber_at_each_opening(stage)
    before = len(stage.subjects())
    for subject, left in (("Plan 2", ["Plan 1"]), ("Plan 1", [])):  # not in the order in which they lie there
        ask_for(stage, subject)
        stage.sync()
        assert (stubs(stage), asked_for(stage)) == (left, 0)
    stage.a_day_later()  # over the limit they are, and come as headers again
    stage.sync()
    assert (len(stage.subjects()), stubs(stage)) == (before, [])


def test_what_is_fetched_anyway_and_is_gone_or_not_handed_out_says_so(stage: Stage) -> None:
    unsettled(stage)
    add_large(stage, "Plan 1")
    renumber_at_each_opening(stage)
    ask_for(stage, "Plan 1")
    stage.server.on("FETCH", for_messages(lambda session, uid, good: None))
    stage.sync()
    assert (asked_for(stage), failure_of(stage)) == (0, UNFETCHABLE + NO_CONTENT)
    stage.server.heal()
    renumber_at_each_opening(stage)
    stage.server.folder(INBOX).remove(max(stage.server.folder(INBOX).messages))
    ask_for(stage, "Plan 1")
    stage.sync()
    assert (asked_for(stage), failure_of(stage)) == (0, NOT_FOUND)
    assert stubs(stage) == ["Plan 1"]


def failure_of(stage: Stage) -> str:
    """What the page says of the one that is held back."""
    with inside(stage.world.id):
        (held,) = held_arrivals(stage.mailbox.account_id)
        return held.failure


def test_of_what_not_even_the_header_is_here_the_only_one_of_its_date_is_fetched_anyway(stage: Stage) -> None:
    unsettled(stage)
    withheld = stage.add(date=just_now())
    stage.server.on("FETCH", for_messages(lambda _, uid, good: None if uid == withheld else good))
    stage.sync()
    stage.server.heal()
    renumber_at_each_opening(stage)
    with inside(stage.world.id):
        db.session.execute(update(Arrival).values(arrived_at=now() - timedelta(hours=3)))
        assert sum(fetch_anyway([stage.mailbox.account_id]).values()) == 1
        db.session.commit()
    before = stage.count_in(INBOX)
    stage.sync()
    assert f"Letter {stage.letter_count}" in stage.subjects()
    assert (stage.count_in(INBOX), asked_for(stage)) == (before, 0)


def test_each_that_is_asked_for_is_the_last_where_the_time_is_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsettled(stage)
    stage.read_only_the_inbox()
    for subject in ("Plan 1", "Plan 2", "Plan 3"):
        add_large(stage, subject + "." * len(stage.subjects()))
    renumber_at_each_opening(stage)
    with inside(stage.world.id):
        assert sum(fetch_anyway([stage.mailbox.account_id]).values()) == 3
        db.session.commit()
    monkeypatch.setattr("mailboxes.sync.passes.PASS_SECONDS", 0.0)
    for left in (2, 1, 0):
        stage.sync()
        assert (len(stubs(stage)), asked_for(stage)) == (left, left)


def test_fetch_now_reads_anew_what_is_known_by_content_and_its_former_figures_are_no_more(
    stage: Stage,
) -> None:
    stage.fill(INBOX, 3)
    stage.sync()
    with inside(stage.world.id):
        ask_for_audit(stage.mailbox.account_id)
        db.session.commit()
    stage.sync()
    unsettle(stage)
    renumber_at_each_opening(stage)
    stage.sync()
    with inside(stage.world.id):
        assert (stage.folders()[INBOX].audit, stage.folders()[INBOX].audited_at) == (None, None)
        ask_for_audit(stage.mailbox.account_id, fetches=True)
        db.session.commit()
    bodies = bodies_asked(stage)
    stage.sync()
    assert bodies_asked(stage) > bodies


def test_a_message_over_which_the_connection_ends_keeps_no_other_away(stage: Stage) -> None:
    unsettled(stage)
    renumber_at_each_opening(stage)
    before = stage.count_in(INBOX)
    uids = [stage.add(date=f"{now():%d-%b-%Y} 10:00:{second:02} +0000") for second in range(5)]
    poisonous = {uids[1], uids[3]}

    def end(session: Session, command: Command) -> bool:
        asked = session.folder.asked(command.arguments.partition(b" ")[0].decode())
        return b"BODY" in command.arguments and bool(poisonous & set(asked)) and drop(session, command)

    stage.server.on("FETCH", end)
    assert stage.sync().error is None
    assert stage.sync().error is None
    stage.a_day_later()
    assert stage.sync().error is None
    wanted = {f"Letter {stage.letter_count - back}" for back in (0, 2, 4)}
    assert wanted <= set(stage.subjects())
    assert stage.count_in(INBOX) == before + 5
    with inside(stage.world.id):
        assert stage.folders()[INBOX].reread_count == 0
        assert held_counts(stage.mailbox.account_id) == {"unfetchable": 2}
    stage.server.heal()
    stage.a_day_later()
    stage.sync()
    assert stage.count_in(INBOX) == before + 5
    assert len(set(stage.subjects())) == 8
