"""What is stored: every message once, whole, known by its content, and kept."""

from pathlib import Path

from tests.faults.sabotages.sabotage import IMAP, INTAKE, SYNC, Sabotage, crash, fault

FIRST_TABLES = Path("migrations/versions/0001_first_tables.py")
SCHEMA = "tests/architecture/test_migrations.py::test_up_down_and_up_again_leaves_what_the_models_say"

STORING = (
    Sabotage(
        "cursor before the arrivals",
        SYNC / "arriving.py",
        '    count = insert_rows(Arrival, rows, ignoring_conflicts=True)\n    crash_point("arrivals stored")\n    _advance(folder, advance)\n',
        '    _advance(folder, advance)\n    db.session.commit()\n    count = insert_rows(Arrival, rows, ignoring_conflicts=True)\n    crash_point("arrivals stored")\n',
        crash("arrivals stored"),
    ),
    Sabotage(
        "Message-ID as identity",
        Path("mailboxes/parsing/identity.py"),
        "    _add(digest, _folded(body))\n",
        '    _add(digest, _folded(body))\n    if wanted["message-id"]:\n        digest = hashlib.sha256(wanted["message-id"][0])\n',
        fault("F41"),
        "first",
    ),
    Sabotage(
        "messages without Message-ID skipped",
        INTAKE / "storing.py",
        "    known = _known_messages(mailbox, items)\n",
        "    items = [item for item in items if item.reading.parsed.message_id]\n    known = _known_messages(mailbox, items)\n",
        fault("F41"),
        "first",
    ),
    Sabotage(
        "attempts not committed before the parse",
        INTAKE / "__init__.py",
        '        db.session.commit()\n        crash_point("attempts counted")\n',
        '        db.session.flush()\n        crash_point("attempts counted")\n',
        "tests/faults/test_crashes.py::test_a_message_that_kills_its_reader_is_set_aside_and_the_others_are_delivered",
    ),
    Sabotage(
        "no reader apart",
        INTAKE / "batches.py",
        "    if waiting.attempts:\n",
        "    if waiting.attempts > 1_000:\n",
        "tests/faults/test_crashes.py::test_a_message_that_kills_its_reader_is_set_aside_and_the_others_are_delivered",
    ),
    Sabotage(
        "half a message stored",
        IMAP / "reading.py",
        "            if not piece.data or (len(piece.data) < fetching.PIECE_BYTES and spool.size >= message.size):\n",
        "            if not piece.data or spool.size > fetching.WHOLE_BYTES:\n",
        fault("F16/pieces"),
        "first",
    ),
    Sabotage(
        "a removed message is forgotten",
        SYNC / "following.py",
        "        _write(ids, vanished_at=at, is_wanted=False)\n",
        "        db.session.execute(__import__('sqlalchemy').delete(Arrival).where(Arrival.id.in_(ids)))\n",
        "tests/mailboxes/sync/test_dovecot.py::test_a_removed_message_is_kept_and_marked",
    ),
    Sabotage(
        "a stub is a second message",
        INTAKE / "storing.py",
        "    items, has_work = complete_stubs(context, items)\n",
        "    has_work = False\n",
        "tests/faults/test_fetching_again.py::test_a_stub_that_is_fetched_anyway_is_the_same_message_with_everything_in_it",
    ),
    Sabotage(
        "a full disk quarantines",
        INTAKE / "batches.py",
        "        return not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)\n",
        "        return True\n",
        "tests/faults/test_surroundings.py::test_a_disk_that_is_full_at_delivery_quarantines_nothing[before delivery]",
    ),
    Sabotage(
        "history is new mail",
        SYNC / "arriving.py",
        '        "is_history": is_history,\n',
        '        "is_history": False,\n',
        "tests/mailboxes/sync/test_dovecot.py::test_history_is_taken_over_as_chosen_and_makes_no_work",
    ),
    Sabotage(
        "a commit that is not on the disk",
        SYNC / "arriving.py",
        '    db.session.execute(text("SET LOCAL synchronous_commit = on"))\n',
        "",
        "tests/mailboxes/sync/test_dovecot.py::test_what_has_arrived_is_on_the_disk_before_the_cursor_moves",
    ),
    Sabotage(
        "a hash without lengths",
        Path("mailboxes/parsing/identity.py"),
        '    digest.update(len(value).to_bytes(8, "big"))\n    digest.update(value)\n',
        "    digest.update(value)\n",
        "tests/mailboxes/parsing/test_identity.py::test_no_part_can_pass_for_another",
    ),
    Sabotage(
        "UIDs are known without their UIDVALIDITY",
        FIRST_TABLES,
        '            "uid_validity",\n            "uid",\n            name=op.f("uq_arrivals_',
        '            "uid",\n            name=op.f("uq_arrivals_',
        fault("F1/exchanged"),
    ),
    Sabotage(
        "two records of one opening message",
        FIRST_TABLES,
        '            "opening_hash",\n            name=op.f("uq_conversions_',
        '            "opening_hash",\n            "id",\n            name=op.f("uq_conversions_',
        "tests/mailboxes/conversion/test_converting.py::test_workers_that_meet_make_one_record",
    ),
    Sabotage(
        "a message may be there twice",
        FIRST_TABLES,
        '            "stable_hash",\n            name=op.f("uq_messages_',
        '            "stable_hash",\n            "id",\n            name=op.f("uq_messages_',
        SCHEMA,
    ),
    Sabotage(
        "a place may be there twice",
        FIRST_TABLES,
        '            "organization_id", "arrival_id", name=op.f("uq_locations_',
        '            "organization_id", "arrival_id", "id", name=op.f("uq_locations_',
        SCHEMA,
    ),
    Sabotage(
        "a message may be answered twice",
        FIRST_TABLES,
        '            "message_id",\n            name=op.f("uq_automatic_responses_',
        '            "message_id",\n            "id",\n            name=op.f("uq_automatic_responses_',
        SCHEMA,
    ),
    Sabotage(
        "objects go without a lock",
        Path("mailboxes/raws.py"),
        "    _lock_objects(keys, is_shared=False)\n",
        "",
        "tests/mailboxes/test_raws.py::test_an_object_that_is_about_to_be_named_is_not_deleted",
    ),
)
