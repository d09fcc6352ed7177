"""Sabotages: small changes of the source that break a promise, each with the test that must turn red.

A test that never was red proves nothing. ``./dev sabotage`` applies each to a copy of the tree and runs the
one test that it names; ``./dev sabotage WORD`` only those with the word in their name.
"""

from dataclasses import dataclass
from pathlib import Path

MATRIX = "tests/faults/test_matrix.py::test_a_fault_heals_without_a_trace[{}]"
SYNC, INTAKE, IMAP = Path("mailboxes/sync"), Path("mailboxes/intake"), Path("mailboxes/imap")
FIRST_TABLES = Path("migrations/versions/0001_first_tables.py")
SCHEMA = "tests/architecture/test_migrations.py::test_up_down_and_up_again_leaves_what_the_models_say"
CRASHES = "tests/faults/test_crashes.py::test_a_crash_at_any_point_is_healed_by_the_next_pass[{}-1]"


@dataclass(frozen=True)
class Sabotage:
    """In ``path``, ``found`` becomes ``instead``; then ``test`` fails (one of the matrix in ``phase``)."""

    name: str
    path: Path
    found: str
    instead: str
    test: str
    phase: str = "incremental"

    def apply(self, root: Path) -> None:
        """Change the source below ``root``; `AssertionError` if it is not what it was."""
        place = root / self.path
        source = place.read_text()
        assert source.count(self.found) == 1, (
            f"{self.name}: {self.path} has it {source.count(self.found)} times"
        )
        place.write_text(source.replace(self.found, self.instead))


def _of_matrix(
    name: str, path: Path, found: str, instead: str, id: str, phase: str = "incremental"
) -> Sabotage:
    return Sabotage(name, path, found, instead, MATRIX.format(id), phase)


SABOTAGES = (
    # data
    Sabotage(
        "cursor before the arrivals",
        SYNC / "arriving.py",
        '    count = insert_rows(Arrival, rows, ignoring_conflicts=True)\n    crash_point("arrivals stored")\n    _advance(folder, advance)\n',
        '    _advance(folder, advance)\n    db.session.commit()\n    count = insert_rows(Arrival, rows, ignoring_conflicts=True)\n    crash_point("arrivals stored")\n',
        CRASHES.format("arrivals stored"),
    ),
    Sabotage(
        "cursor is UIDNEXT",
        SYNC / "visiting.py",
        "    first_uid = max(uids, default=0)\n",
        "    first_uid = (state.uid_next or 1) - 1\n",
        "tests/mailboxes/sync/test_faults.py::test_uidnext_is_a_hint_and_what_comes_below_it_is_new_mail",
    ),
    Sabotage(
        "Message-ID as identity",
        Path("mailboxes/parsing/identity.py"),
        "    _add(digest, _folded(body))\n",
        '    _add(digest, _folded(body))\n    if wanted["message-id"]:\n        digest = hashlib.sha256(wanted["message-id"][0])\n',
        MATRIX.format("F41"),
        "first",
    ),
    _of_matrix(
        "messages without Message-ID skipped",
        INTAKE / "storing.py",
        "    known = _known_messages(mailbox, items)\n",
        "    items = [item for item in items if item.reading.parsed.message_id]\n    known = _known_messages(mailbox, items)\n",
        "F41",
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
        MATRIX.format("F16/pieces"),
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
        MATRIX.format("F1/exchanged"),
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
    # sync
    Sabotage(
        "no wall clock",
        Path("mailboxes/wire.py"),
        "        remaining = self._deadline - time.monotonic()\n",
        "        remaining = self._silence\n",
        "tests/mailboxes/imap/test_clocks.py::test_no_command_waits_longer_than_its_deadline[trickle-SEARCH]",
    ),
    Sabotage(
        "no budget of bytes",
        Path("mailboxes/wire.py"),
        "        if self._budget < 0:\n",
        "        if self._budget < -(1 << 33):\n",
        "tests/mailboxes/test_wire.py::test_the_budget_counts_lines_too",
    ),
    _of_matrix(
        "sequence numbers",
        IMAP / "asking.py",
        'fetching.whole_number(found.get(b"UID")) if found else None\n',
        'fetching.whole_number(found.get(b"UID", parts[0].split()[1])) if found else None\n',
        "F10",
    ),
    Sabotage(
        "an empty search is all gone",
        SYNC / "plan.py",
        "    is_complete = len(server) >= (1 if exists is None else exists)\n",
        "    is_complete = True\n",
        "tests/mailboxes/sync/test_plan.py::test_nothing_is_gone_while_the_server_shows_less_than_it_counts",
    ),
    Sabotage(
        "any UID is taken",
        IMAP / "asking.py",
        "        if found is not None and uid in asked and uid is not None:\n",
        "        if found is not None and uid is not None:\n",
        "tests/mailboxes/imap/test_searching.py::test_what_is_told_of_another_message_than_asked_for_is_left_out",
    ),
    _of_matrix(
        "an empty answer is a deletion",
        IMAP / "reading.py",
        '    return bool(searching.search(self._session, b"UID %d" % uid))\n',
        "    return False\n",
        "F8",
        "first",
    ),
    Sabotage(
        "IDLE is trusted with every folder",
        Path("workers/watched.py"),
        "    for folder in folders[1:] if watched.can_idle else folders:\n",
        "    for folder in () if watched.can_idle else folders:\n",
        "tests/workers/test_watch.py::test_other_folders_are_asked",
    ),
    _of_matrix(
        "SELECT instead of EXAMINE",
        IMAP / "session.py",
        '        return self.open_folder(b"EXAMINE", folder_raw)\n',
        '        return self.open_folder(b"SELECT", folder_raw)\n',
        "F43/fetch",
    ),
    _of_matrix(
        "BODY instead of PEEK",
        IMAP / "reading.py",
        '            b"(UID BODY.PEEK[])",\n',
        '            b"(UID BODY[])",\n',
        "F43/fetch",
    ),
    Sabotage(
        "Seen stored unasked",
        SYNC / "passes.py",
        "        if is_first_round and run.account.mirrors_reads:\n",
        "        if is_first_round:\n",
        "tests/faults/test_mirroring.py::test_without_the_option_it_is_each_members_own_and_nothing_is_written",
    ),
    _of_matrix(
        "a goodbye is a wrong password",
        IMAP / "dialogue.py",
        "    raise TurnedAwayError(GOODBYE)\n",
        "    from mailboxes.errors import AuthenticationFailedError\n\n    raise AuthenticationFailedError\n",
        "F24/FETCH",
    ),
    Sabotage(
        "no number in the back-off",
        IMAP / "refusals.py",
        "    return min(int(found[1]) / 1000, LONGEST_BACKOFF) if found else None\n",
        "    return None\n",
        "tests/mailboxes/imap/test_signing_in.py::test_a_refused_login_is_a_wrong_password_or_not_now[BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds-ThrottledError]",
    ),
    _of_matrix(
        "quiet is not kept",
        SYNC / "leases.py",
        "            func.coalesce(Account.quiet_until, LONG_AGO) < func.clock_timestamp(),\n",
        "",
        "F34/fetch",
    ),
    _of_matrix(
        "the batch stops at a bad message",
        IMAP / "reading.py",
        "        if self._reconnects_left < 0 or self._hangs_left < 0:\n",
        "        if self._reconnects_left < 100:\n",
        "F13",
    ),
    _of_matrix(
        "one bad name kills the list",
        IMAP / "folders.py",
        "    if not found:\n        return None\n    name_raw = _name(found[3], parts)\n",
        "    if not found:\n        raise ValueError\n    name_raw = _name(found[3], parts)\n",
        "F36",
    ),
    Sabotage(
        "history before new mail",
        SYNC / "history.py",
        "    return run.is_called or time.monotonic() > ends",
        "    return False",
        "tests/mailboxes/sync/test_history.py::test_new_mail_comes_before_the_history",
    ),
    Sabotage(
        "the history of all small folders before new mail",
        SYNC / "history.py",
        "        if has_begun and _is_over(run, ends):\n            return True\n        has_begun = True\n        try:\n",
        "        try:\n",
        "tests/mailboxes/sync/test_new_mail.py"
        "::test_the_history_of_many_small_folders_does_not_make_new_mail_wait",
    ),
    Sabotage(
        "a choice of more history during a pass is told as done",
        SYNC / "visiting.py",
        "    run.left.pop(folder.id, None)\n    return chosen\n",
        "    return chosen\n",
        "tests/mailboxes/sync/test_new_mail.py"
        "::test_a_choice_of_more_history_that_is_made_during_a_pass_is_listed_anew",
    ),
    Sabotage(
        "who calls is not heard",
        SYNC / "history.py",
        "run.is_called or time.monotonic() > ends",
        "time.monotonic() > ends",
        "tests/mailboxes/sync/test_history.py::test_who_calls_during_the_history_is_heard_before_the_rest_of_it",
    ),
    Sabotage(
        "new mail beside history",
        INTAKE / "arrived.py",
        "(row.attempts, row.is_history) == (attempts, is_history), rows",
        "row.attempts == attempts, rows",
        "tests/mailboxes/intake/test_intake.py::test_new_mail_is_done_before_the_history_beside_it",
    ),
    Sabotage(
        "only the newest flags",
        SYNC / "visiting.py",
        "        yield from _flags_of(run, folder, cursor, older)\n",
        "        yield from ()\n",
        "tests/mailboxes/sync/test_flags.py::test_flags_of_old_messages_are_followed_once_a_day",
    ),
    _of_matrix(
        "UID 0 is sent",
        IMAP / "connection.py",
        '        uids = b"" if from_uid is None else b"UID %d:*" % lowest\n',
        '        uids = b"" if from_uid is None else b"UID 0:*"\n',
        "F6/zero",
    ),
    _of_matrix(
        "no full comparison",
        SYNC / "plan.py",
        "    if is_day_over(cursor, at):\n        return True\n",
        "",
        "F5/exchanged",
    ),
    _of_matrix(
        "UIDVALIDITY is not looked at",
        SYNC / "plan.py",
        "    return Epoch.SAME if cursor.uid_validity == uid_validity else Epoch.RENUMBERED\n",
        "    return Epoch.SAME\n",
        "F1/exchanged",
    ),
    Sabotage(
        "a folder that hangs ends the pass",
        SYNC / "leaving.py",
        "OF_A_FOLDER = (CommandRefusedError, ProtocolError, *SILENCE)",
        "OF_A_FOLDER = (CommandRefusedError, ProtocolError)",
        "tests/mailboxes/sync/test_hanging_folders.py::test_a_folder_that_hangs_holds_up_no_other[hang-EXAMINE]",
    ),
    Sabotage(
        "a goodbye over one message ends the pass",
        IMAP / "reading.py",
        "            return self._session.is_turned_away\n",
        "            return True\n",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_a_message_that_a_server_says_goodbye_over_is_set_aside[bye]",
    ),
    Sabotage(
        "messages are set aside by a server that is overloaded",
        IMAP / "reading.py",
        "            self._demand_another(message.uid)\n",
        "            pass\n",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_no_message_is_set_aside_by_a_server_that_says_goodbye_over_all_of_them[bye]",
    ),
    Sabotage(
        "a folder that hangs is tried with every pass",
        SYNC / "leaving.py",
        '        is_again = folder.id in run.hung_before and folder.special_use != "inbox" and not is_read\n',
        "        is_again = False\n",
        "tests/mailboxes/sync/test_hanging_folders.py::test_it_comes_last_next_time_and_then_it_is_left_alone_for_a_while",
    ),
    Sabotage(
        "an unstable folder is read anew from its beginning in each pass",
        SYNC / "unstable.py",
        "range(cursor.reread_count, len(uids)",
        "range(0, len(uids)",
        "tests/faults/test_unstable.py::test_reading_all_of_it_anew_goes_on_where_the_pass_before_ended",
    ),
    Sabotage(
        "folders come in the same order in each pass",
        SYNC / "turns.py",
        "        return not is_first, since, RANKS",
        "        return not is_first, LONG_AGO, RANKS",
        "tests/mailboxes/sync/test_turns.py"
        "::test_each_folder_is_visited_after_finitely_many_passes_whatever_the_others_take",
    ),
    Sabotage(
        "folders that make no sense come before others",
        SYNC / "leaving.py",
        "    if error.needs_reconnect:\n",
        "    if isinstance(error, SILENCE):\n",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_many_folders_whose_answers_make_no_sense_hold_up_nobody",
    ),
    Sabotage(
        "a folder whose history hangs is left alone",
        SYNC / "history.py",
        "            leave(run, folder, error, is_read=True)\n",
        "            leave(run, folder, error)\n",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_new_mail_of_a_folder_whose_history_hangs_is_not_made_to_wait",
    ),
    Sabotage(
        "a pass ends when all is done",
        SYNC / "running.py",
        "            if taken < len(uids):\n",
        "            if False:\n",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_a_pass_ends_when_its_time_is_over_and_the_next_one_goes_on[running.UIDS_AT_ONCE]",
    ),
    Sabotage(
        "a folder that cannot be written to takes all turns",
        SYNC / "mirroring.py",
        "over(partition_by=Location.folder_id, ",
        "over(",
        "tests/faults/test_mirroring.py::test_a_folder_that_cannot_be_written_to_takes_no_other_ones_turn",
    ),
    Sabotage(
        "what cannot be written back ends the pass",
        SYNC / "mirroring.py",
        "            leave_unwritten(run, folder, error)\n",
        "            raise\n",
        "tests/faults/test_mirroring.py::test_a_folder_that_cannot_be_written_to_holds_up_no_other[refused]",
    ),
    Sabotage(
        "no audit but on demand",
        SYNC / "visiting.py",
        "    if there is not None and (is_daily or is_resumed):\n",
        "    if there is None and (is_daily or is_resumed):\n",
        "tests/faults/test_health.py::test_the_daily_comparison_keeps_the_figures_of_the_audit_fresh",
    ),
    Sabotage(
        "history that is left when a folder is renumbered is old",
        SYNC / "plan.py",
        "    return cursor.new_since if cursor.has_history_left else max(cursor.new_since, looked_at - SKEW)\n",
        "    return max(cursor.new_since, looked_at - SKEW)\n",
        "tests/mailboxes/sync/test_plan.py::test_what_came_in_since_a_folder_was_chosen_is_new_and_nothing_else",
    ),
    Sabotage(
        "a folder that is chosen again answers what came meanwhile",
        Path("mailboxes/accounts.py"),
        "            self.first_uid = EVERY_UID\n",
        "            pass\n",
        "tests/mailboxes/sync/test_new_mail.py::test_what_came_while_a_folder_was_not_read_is_history[folder]",
    ),
    Sabotage(
        "what was removed here is new when it is seen again",
        SYNC / "arriving.py",
        "        _take_for_history(folder, lane, rows)\n",
        "        pass\n",
        "tests/mailboxes/sync/test_new_mail.py::test_what_was_removed_here_is_not_new_when_it_is_seen_again",
    ),
    Sabotage(
        "less history is chosen than is here",
        SYNC / "history.py",
        " if is_seen_again else floor\n",
        " if is_seen_again is None else floor\n",
        "tests/mailboxes/sync/test_new_mail.py::test_a_folder_renumbered_twice_in_a_row_loses_nothing[now]",
    ),
    Sabotage(
        "what comes to light with a new numbering is new",
        SYNC / "running.py",
        "        new_since=cursor.new_since,\n",
        "        new_since=LONG_AGO,\n",
        "tests/mailboxes/sync/test_history.py::test_what_came_in_while_a_folder_could_not_be_read_is_new_though_it_was_renumbered",
    ),
    _of_matrix(
        "UIDs that are used again are not noticed",
        SYNC / "plan.py",
        "    return uid_next is not None and max(server, default=0) < uid_next <= cursor.last_uid\n",
        "    return False\n",
        "F6/reused",
    ),
    Sabotage(
        "history is fetched before what comes back is compared",
        SYNC / "history.py",
        "            folder.id in run.troubled.keys() | run.cut\n",
        "            folder.id in run.troubled\n",
        "tests/mailboxes/sync/test_reused_uids.py"
        "::test_a_folder_that_goes_back_to_its_former_numbering_is_fetched_once",
    ),
    Sabotage(
        "what is compared later is old",
        SYNC / "visiting.py",
        " else_=Folder.new_since)\n",
        " else_=is_new_since)\n",
        "tests/mailboxes/sync/test_reused_uids.py"
        "::test_uids_that_are_given_out_again_are_compared_a_portion_in_each_pass",
    ),
    Sabotage(
        "a comparison begins again with each pass",
        SYNC / "visiting.py",
        "    is_resumed = folder.reused_uid is not None\n",
        "    is_resumed = False\n",
        "tests/mailboxes/sync/test_reused_uids.py"
        "::test_messages_that_come_back_are_compared_a_portion_in_each_pass_and_none_twice",
    ),
    _of_matrix(
        "what returns is believed",
        SYNC / "reusing.py",
        "    fresh = [item for item in batch if _digest(item) != known.get(item.message.uid)]\n",
        "    fresh = []\n",
        "F6/returned",
    ),
    _of_matrix(
        "what was missing stays missing",
        SYNC / "visiting.py",
        "    refetch(run, folder, cursor, is_daily=is_daily or is_resumed)\n",
        "",
        "F9/empty",
    ),
    Sabotage(
        "never trusted again",
        SYNC / "plan.py",
        "    count = cursor.renumberings - 1\n",
        "    count = cursor.renumberings\n",
        "tests/faults/test_unstable.py::test_a_folder_that_holds_is_trusted_again_and_is_what_the_server_is",
    ),
    Sabotage(
        "renumbered for ever",
        SYNC / "plan.py",
        "        return self.renumberings >= MOST_RENUMBERINGS\n",
        "        return False\n",
        "tests/mailboxes/sync/test_faults.py::test_a_folder_that_is_renumbered_at_every_opening_is_known_by_content",
    ),
    _of_matrix(
        "an inbox by its letters",
        IMAP / "folders.py",
        "        name_raw=INBOX if is_inbox else name_raw,\n",
        "        name_raw=name_raw,\n",
        "F37/trees",
    ),
    _of_matrix(
        "a gone folder says nothing",
        SYNC / "folders.py",
        '{"gone_at": now(), "last_error": GONE}',
        '{"gone_at": now()}',
        "F38/deleted",
    ),
    _of_matrix(
        "RFC822.SIZE is believed",
        IMAP / "reading.py",
        "        if message.size > self._most_bytes and not self._is_smaller_than_told(message):\n",
        "        if message.size > self._most_bytes:\n",
        "F16/mistaken",
    ),
    _of_matrix(
        "STARTTLS is optional",
        IMAP / "session.py",
        '        if "STARTTLS" not in self.capabilities:\n            self.close()\n            raise TlsUnavailableError\n',
        '        if "STARTTLS" not in self.capabilities:\n            return\n',
        "F28/stripped",
        "check",
    ),
    _of_matrix(
        "the password is sent where login is disabled",
        IMAP / "signing_in.py",
        "    if is_disabled and not (is_plain_offered and is_encrypted):\n",
        "    if False:\n",
        "F29",
        "check",
    ),
    Sabotage(
        "flags in their own case",
        IMAP / "fetching.py",
        "    return tuple(SYSTEM_FLAGS.get(flag.lower(), flag) for flag in named)\n",
        "    return tuple(named)\n",
        "tests/faults/test_quirks.py::test_a_quirk_costs_no_message[lowercase/everything]",
    ),
    Sabotage(
        "changes are promised",
        SYNC / "visiting.py",
        "    except (CommandRefusedError, TurnedAwayError, ConnectionLostError) as error:\n",
        "    except ZeroDivisionError as error:\n",
        "tests/faults/test_quirks.py::test_a_quirk_costs_no_message[icloud/bad-condstore]",
    ),
    Sabotage(
        "no budget of a day",
        SYNC / "budget.py",
        "        if self.spent + received >= self.most:\n",
        "        if self.spent + received >= self.most * 1_000:\n",
        "tests/faults/test_fetching_again.py::test_when_the_day_is_spent_the_server_is_left_alone_until_midnight",
    ),
    Sabotage(
        "what has come before a cut is thrown away",
        SYNC / "arriving.py",
        "    except MailServerError:\n        if batch:\n            yield batch\n        raise\n",
        "    except MailServerError:\n        raise\n",
        "tests/mailboxes/sync/test_faults.py::test_messages_that_break_the_connection_each_time_stop_no_folder",
    ),
    Sabotage(
        "a stump is the whole message",
        IMAP / "reading.py",
        '                return _content(spool) if 0 < message.size <= spool.size else b""\n',
        "                return _content(spool)\n",
        "tests/mailboxes/imap/test_messages.py::test_a_large_message_that_moves_meanwhile_is_not_there_in_part",
    ),
    Sabotage(
        "our own failures leave no trace",
        SYNC / "passes.py",
        "        _settled(account_id, fence, report)\n        raise\n",
        "        raise\n",
        "tests/mailboxes/sync/test_faults.py::test_what_fails_on_our_side_is_told_and_backs_off",
    ),
    Sabotage(
        "objects go without a lock",
        Path("mailboxes/raws.py"),
        "    _lock_objects(keys, is_shared=False)\n",
        "",
        "tests/mailboxes/test_raws.py::test_an_object_that_is_about_to_be_named_is_not_deleted",
    ),
    Sabotage(
        "what one sends is copied to all",
        Path("mailboxes/routing/planning.py"),
        "        if one.arrival_id not in sent\n",
        "",
        "tests/mailboxes/routing/test_delivery.py::test_what_an_organization_sends_is_copied_to_no_other",
    ),
    Sabotage(
        "answers do not follow a move back",
        Path("mailboxes/routing/moving.py"),
        "        lead_marks(way.account_id, _marks_of_ended(arrival_ids), _organization(onward))\n",
        "        pass\n",
        "tests/mailboxes/routing/test_moving.py::test_answers_follow_a_message_that_is_moved_back",
    ),
    Sabotage(
        "a part that leaves takes the whole conversation's answers along",
        Path("mailboxes/routing/moving.py"),
        "not others_that_came_in(message), family)",
        "True, family)",
        "tests/mailboxes/routing/test_moving.py::test_answers_to_what_stays_of_a_conversation_stay_with_it",
    ),
    Sabotage(
        "any server proves any address",
        Path("mailboxes/proofs.py"),
        '    return host == domain or host.endswith(f".{domain}") or is_known_server(host)\n',
        "    return bool(host and domain) or is_known_server(host)\n",
        "tests/mailboxes/outgoing/test_routes.py::test_a_server_of_ones_own_proves_no_address_elsewhere[evilbank.test-False]",
    ),
    Sabotage(
        "the system's server sends what was written for another",
        Path("mailboxes/outgoing/routes.py"),
        "    if route.account_id is not None:\n        return True\n",
        "    if route:\n        return True\n",
        "tests/mailboxes/outgoing/test_routes.py"
        "::test_what_was_written_for_a_server_of_ones_own_does_not_go_through_the_systems",
    ),
    # concurrency
    Sabotage(
        "one organization's due accounts first",
        SYNC / "claiming.py",
        "ORDER BY turn, since LIMIT",
        "ORDER BY since LIMIT",
        "tests/workers/test_schedule.py::test_no_organization_crowds_out_another",
    ),
    Sabotage(
        "no end to the passes of an organization",
        SYNC / "claiming.py",
        "FROM fair WHERE turn <= :under_way",
        "FROM fair WHERE turn <= 1000 * :under_way",
        "tests/workers/test_schedule.py::test_an_organization_has_a_few_passes_under_way_at_most",
    ),
    Sabotage(
        "first syncs take every place",
        SYNC / "claiming.py",
        "WHERE NOT has_history OR history <= :histories_of_one",
        "WHERE NOT has_history OR history <= 1000 * :histories_of_one",
        "tests/workers/test_schedule.py::test_first_syncs_leave_a_place_for_new_mail_of_the_same_organization",
    ),
    Sabotage(
        "a pass that ends for nobody",
        SYNC / "running.py",
        " or (time.monotonic() > self.turn_ends and self.do_others_wait())",
        "",
        "tests/mailboxes/sync/test_history.py::"
        "test_a_pass_ends_soon_where_others_wait_and_goes_on_where_it_stopped",
    ),
    Sabotage(
        "news ring without end",
        SYNC / "claiming.py",
        "        fence = None if _has_its_share(account_id) else leases.take(",
        "        fence = leases.take(",
        "tests/workers/test_schedule.py::test_news_of_many_mailboxes_leave_room_for_another_organization",
    ),
    Sabotage(
        "news during a pass are forgotten",
        SYNC / "claiming.py",
        "        _set_next(session, [account_id], 0 if fence is None else PAUSED_SECONDS)\n",
        "        _set_next(session, [account_id], PAUSED_SECONDS)\n",
        "tests/workers/test_schedule.py::test_news_during_a_pass_are_followed_by_another_pass",
    ),
    Sabotage(
        "nobody sweeps what is stored",
        Path("workers/schedule.py"),
        '    Periodic("deliver what is stored", 2, ring_for_stored_arrivals),\n',
        "",
        "tests/workers/test_schedule.py::test_what_is_stored_or_pending_is_rung_for_again_after_redis_was_emptied",
    ),
    Sabotage(
        "nobody sweeps what is pending",
        Path("workers/schedule.py"),
        '    Periodic("act on what is pending", 2, ring_for_pending_messages),\n',
        "",
        "tests/workers/test_schedule.py::test_what_is_stored_or_pending_is_rung_for_again_after_redis_was_emptied",
    ),
    Sabotage(
        "everybody leads",
        Path("workers/schedule.py"),
        "return schedule.run_due(time.monotonic()) if is_leader else []",
        "return schedule.run_due(time.monotonic())",
        "tests/workers/test_schedule.py::test_only_one_schedule_leads",
    ),
    Sabotage(
        "arrivals held in any order",
        Path("mailboxes/arrivals.py"),
        ".order_by(Arrival.id).with_for_update(key_share=True)",
        ".with_for_update(key_share=True)",
        "tests/mailboxes/intake/test_beside_sync.py::test_whoever_changes_several_arrivals_holds_them_in_one_order",
    ),
    Sabotage(
        "a mailbox is deleted in one go",
        Path("mailboxes/setup/deleting.py"),
        "        objects = _delete_some(mailbox)\n",
        "        objects = None\n",
        "tests/mailboxes/intake/test_beside_sync.py::test_whoever_deletes_a_mailbox_holds_it_first_and_its_account_for_a_moment_only",
    ),
    Sabotage(
        "a mailbox that is being deleted is known",
        Path("mailboxes/system_mailboxes.py"),
        "        state.statement = state.statement.options(_IS_HERE)\n",
        "        pass\n",
        "tests/mailboxes/test_deleting.py::test_nobody_knows_a_mailbox_that_is_being_deleted_and_its_label_is_free",
    ),
    Sabotage(
        "an attempt that nobody made is counted",
        Path("mailboxes/acting.py"),
        "        _give_back([message_id])\n",
        "        pass\n",
        "tests/mailboxes/test_acting.py::test_a_message_that_somebody_else_held_for_a_moment_was_not_tried",
    ),
    Sabotage(
        "one lost connection silences a message",
        Path("mailboxes/imap/asking.py"),
        "            is_doubt = bool(alone - doubted)\n",
        "            is_doubt, doubted = False, doubted | alone\n",
        "tests/mailboxes/sync/test_hanging_folders.py::test_a_connection_that_ends_once_over_a_message_alone_says_nothing_about_it",
    ),
    Sabotage(
        "what a portion answers is not counted",
        Path("mailboxes/responses/answering.py"),
        "        answered.add(replace(question, recipient=recipient), now() + _window())\n",
        "        pass\n",
        "tests/mailboxes/test_acting_together.py::test_a_limit_holds_within_a_portion",
    ),
    Sabotage(
        "what a portion had no time for counts as tried",
        Path("mailboxes/acting.py"),
        "            _count_attempt(among(Message.id, [one.id for one in held[len(taken) :]]), -1)\n",
        "",
        "tests/mailboxes/test_acting_together.py::test_what_there_is_no_time_for_is_not_tried_and_comes_next",
    ),
    Sabotage(
        "a portion that fails holds up its neighbours",
        Path("mailboxes/acting.py"),
        "        return [], ids\n",
        "        return [], []\n",
        "tests/mailboxes/test_acting_together.py::test_a_failing_message_leaves_its_neighbours_as_they_would_be",
    ),
    Sabotage(
        "deaths over acting are not counted",
        Path("mailboxes/acting.py"),
        "            _count_attempt(among(Message.id, ids), 1)\n",
        "            pass\n",
        "tests/mailboxes/test_acting.py::test_a_message_that_kills_whoever_acts_on_it_is_given_up_and_its_neighbours_go_on",
    ),
    Sabotage(
        "what kills comes first again",
        Path("mailboxes/acting.py"),
        "    few = Message.work_attempts <= FEW_ATTEMPTS\n",
        "    few = Message.work_attempts < MOST_ATTEMPTS\n",
        "tests/mailboxes/test_acting.py::test_a_message_that_kills_whoever_acts_on_it_is_given_up_and_its_neighbours_go_on",
    ),
    Sabotage(
        "changes that are not told are asked for in each pass",
        SYNC / "visiting.py",
        "    if not are_changes_told(cursor, run.began_at):\n        return None\n",
        "",
        "tests/mailboxes/sync/test_flags.py::test_a_server_that_does_not_tell_what_has_changed_is_asked_once_a_day_and_for_all_flags",
    ),
    Sabotage(
        "changes that were not told are taken for followed",
        SYNC / "visiting.py",
        "    if are_changes_told(cursor, run.began_at):\n",
        "    if True:\n",
        "tests/mailboxes/sync/test_flags.py::test_a_server_that_does_not_tell_what_has_changed_is_asked_once_a_day_and_for_all_flags",
    ),
    Sabotage(
        "flags that end the connection are asked for in each pass",
        SYNC / "visiting.py",
        "        if run.imap.ended_over:\n",
        "        if False:\n",
        "tests/mailboxes/sync/test_hanging_folders.py::test_a_message_whose_flags_end_the_connection_is_asked_about_once_a_day",
    ),
    Sabotage(
        "removals in an unstable folder go unnoticed",
        SYNC / "unstable.py",
        "            follow_unstable_removals(run, folder, state, uids)\n",
        "            pass\n",
        "tests/faults/test_unstable.py::test_what_is_removed_is_missed_within_a_day_unless_the_server_counts_or_dates_otherwise",
    ),
    Sabotage(
        "what is dated anew is removed",
        SYNC / "unstable_removals.py",
        "    if lost_count <= count - len(there):\n",
        "    if lost:\n",
        "tests/faults/test_unstable.py::test_what_is_removed_is_missed_within_a_day_unless_the_server_counts_or_dates_otherwise",
    ),
    Sabotage(
        "a reading that goes on has met nothing",
        SYNC / "unstable.py",
        "Reading(run, folder, lane, Counter(cursor.reread_met))",
        "Reading(run, folder, lane)",
        "tests/faults/test_unstable.py::test_one_that_looks_like_another_is_another_also_where_its_reading_goes_on_in_another_pass",
    ),
    Sabotage(
        "those who act wait for one another",
        Path("mailboxes/acting.py"),
        "        .with_for_update(of=Message, skip_locked=True)\n",
        "",
        "tests/mailboxes/test_acting.py::test_what_another_worker_holds_is_left_to_it",
    ),
    Sabotage(
        "what a dead worker held waits for its leases",
        Path("workers/processes.py"),
        "        dead = process.pid if process is not None and process.exitcode else None\n",
        "        dead = None\n",
        "tests/workers/test_processes.py::test_the_accounts_of_a_worker_that_is_killed_are_due_at_once",
    ),
    Sabotage(
        "what the living hold is freed, too",
        SYNC / "deaths.py",
        "TOLD_FROM, Account.lease_owner == owner, is_held",
        "TOLD_FROM, is_held",
        "tests/workers/test_processes.py::test_the_accounts_of_a_worker_that_is_killed_are_due_at_once",
    ),
    Sabotage(
        "a flood takes all places in the queue",
        Path("workers/queues.py"),
        "is_first=is_first), 1, nx=True, ex=WAITING_SECONDS):\n",
        "is_first=is_first), 1, ex=WAITING_SECONDS):\n",
        "tests/workers/test_jobs.py::test_one_job_about_the_same_thing_waits",
    ),
    Sabotage(
        "a lease without a fence",
        SYNC / "leases.py",
        "        .where(Account.id == account_id, Account.lease_fence == fence)\n        .with_for_update(read=True)\n",
        "        .where(Account.id == account_id)\n        .with_for_update(read=True)\n",
        "tests/mailboxes/sync/test_dovecot.py::test_a_worker_that_was_stopped_beyond_its_lease_commits_nothing",
    ),
    Sabotage(
        "a lease without an end",
        SYNC / "leases.py",
        "            Account.lease_expires_at < func.clock_timestamp(),\n            func",
        "            Account.lease_fence == 0,\n            func",
        CRASHES.format("connected"),
    ),
    Sabotage(
        "a lease for everybody",
        SYNC / "leases.py",
        "            Account.lease_expires_at < func.clock_timestamp(),\n            func",
        "            func",
        "tests/mailboxes/sync/test_dovecot.py::test_two_passes_at_once_are_refused",
    ),
    Sabotage(
        "a draft may be sent twice",
        Path("mailboxes/drafts/sending.py"),
        "    hold_row(draft, key_share=False)\n    if draft.outgoing_id is not None:",
        "    if draft.outgoing_id is not None:",
        "tests/mailboxes/test_drafts.py::test_a_new_message_sent_twice_at_once_goes_out_once",
    ),
    Sabotage(
        "one organization's servers take all threads of the watch",
        Path("workers/watch.py"),
        " and busy[owner] < self._most_of_one:",
        ":",
        "tests/workers/test_watch.py::test_nobodys_servers_take_all_threads",
    ),
    Sabotage(
        "accounts that nobody looks at are put off",
        Path("workers/watch.py"),
        " and watched.told_at and watched.due_at > overdue:",
        " and watched.told_at and overdue:",
        "tests/workers/test_watch.py::test_an_account_that_nobody_looks_at_keeps_its_place_in_the_schedule",
    ),
    Sabotage(
        "nobody hears of an account that workers die of",
        SYNC / "deaths.py",
        '        "state": case((is_told, "failing"), else_=Account.state),\n',
        "",
        "tests/mailboxes/troubles/test_accounts.py::test_of_an_account_that_each_worker_dies_of_administrators_hear_once",
    ),
    Sabotage(
        "who dies with its supervisor has not died",
        SYNC / "claiming.py",
        "        deaths.note_deaths(session)\n",
        "",
        "tests/mailboxes/sync/test_deaths.py::test_an_account_during_whose_passes_all_die_backs_off_and_says_so",
    ),
    Sabotage(
        "who is asked to end has died",
        Path("workers/processes.py"),
        "        if ending:\n",
        "        if False:\n",
        "tests/workers/test_processes.py"
        "::test_a_worker_that_is_asked_to_end_has_not_died_though_it_is_killed_then",
    ),
    Sabotage(
        "a deletion and a delivery wait for each other",
        Path("mailboxes/organization_deletion.py"),
        "((Account, True), (Mailbox, False))",
        "((Account, False), (Mailbox, False))",
        "tests/mailboxes/test_organization_deletion.py::test_a_message_that_is_being_stored_is_waited_for_and_goes_too",
    ),
    Sabotage(
        "what is gone stands for what is new",
        SYNC / "stored.py",
        "Arrival.folder_id == folder.id, Arrival.vanished_at.is_(None), *conditions)",
        "Arrival.folder_id == folder.id, *conditions)",
        "tests/faults/test_unstable.py::test_what_is_new_and_looks_like_what_is_here_comes_with_the_next_visit",
    ),
    Sabotage(
        "a stub of this visit stands for another one",
        SYNC / "unstable.py",
        "    met[look] += 1\n    return met[look] <= stubs[look]\n",
        "    stubs[look] -= 1\n    return stubs[look] >= 0\n",
        "tests/faults/test_unstable.py"
        "::test_two_of_the_same_size_and_second_that_are_too_large_are_two_wherever_a_batch_ends",
    ),
    Sabotage(
        "a message whose flags end the connection holds up its folder",
        IMAP / "asking.py",
        "    return _details(session, uids, items, needed, _ask_despite_endings)\n",
        "    return _details(session, uids, items, needed, _ask_despite_refusals)\n",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_a_message_whose_flags_end_the_connection_holds_up_nothing_of_its_folder",
    ),
    Sabotage(
        "a new folder is asked once, whatever its connection does",
        SYNC / "renaming.py",
        "ASKED_IN_VAIN if is_first and error.needs_reconnect else NO_VALIDITY",
        "NO_VALIDITY",
        "tests/mailboxes/troubles/test_folders.py"
        "::test_a_new_name_is_found_though_the_connection_ended_when_it_was_asked_for",
    ),
    Sabotage(
        "a server that says goodbye to everything costs a sign-in for each folder",
        SYNC / "leaving.py",
        "    most = MOST_RECONNECTS if run.fetched or not run.is_doubtful else 0\n",
        "    most = MOST_RECONNECTS\n",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_a_server_that_says_goodbye_to_every_command_costs_two_sign_ins_a_pass_and_is_told",
    ),
    Sabotage(
        "flags of a million changes at once",
        IMAP / "changes.py",
        "            if uid in flags or len(flags) < MOST_TOLD:\n",
        "            if True:\n",
        "tests/mailboxes/imap/test_promises.py::test_of_too_many_changes_the_others_are_told_by_number_alone",
    ),
    Sabotage(
        "the inbox is blamed for a connection that was lost in the history",
        SYNC / "history.py",
        "            run.connect_again()  # lost behind what was stored last: no fault of the folder that comes next\n",
        "",
        "tests/mailboxes/sync/test_hanging_folders.py"
        "::test_a_connection_that_is_lost_as_a_turn_of_history_is_over_is_no_other_folders_trouble",
    ),
    Sabotage(
        "folders in use keep the inbox from being watched",
        Path("workers/watched.py"),
        "        return _connected_without(watched, folder)\n",
        "        raise\n",
        "tests/workers/test_watch.py::test_however_many_folders_are_in_use_the_inbox_is_watched",
    ),
    Sabotage(
        "copies of one account are filed side by side",
        Path("mailboxes/outgoing/copies.py"),
        "        if not is_alone:\n",
        "        if False:\n",
        "tests/mailboxes/outgoing/test_copies.py"
        "::test_copies_of_one_account_are_filed_one_at_a_time_and_waiting_is_no_attempt",
    ),
)
