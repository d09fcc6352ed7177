"""A pass: what it visits, in which order, when it ends, and what a folder in trouble may cost the others."""

from pathlib import Path

from tests.faults.sabotages.sabotage import SYNC, Sabotage, fault

PASSES = (
    Sabotage(
        "an empty search is all gone",
        SYNC / "plan.py",
        "    is_complete = len(server) >= (1 if exists is None else exists)\n",
        "    is_complete = True\n",
        "tests/mailboxes/sync/test_plan.py::test_nothing_is_gone_while_the_server_shows_less_than_it_counts",
    ),
    Sabotage(
        "IDLE is trusted with every folder",
        Path("workers/watched.py"),
        "    for folder in folders[1:] if watched.can_idle else folders:\n",
        "    for folder in () if watched.can_idle else folders:\n",
        "tests/workers/test_watch.py::test_other_folders_are_asked",
    ),
    Sabotage(
        "Seen stored unasked",
        SYNC / "passes.py",
        "        if is_first_round and run.account.mirrors_reads:\n",
        "        if is_first_round:\n",
        "tests/faults/test_mirroring.py::test_without_the_option_it_is_each_members_own_and_nothing_is_written",
    ),
    Sabotage(
        "quiet is not kept",
        SYNC / "leases.py",
        "            text(is_over(\"coalesce(quiet_until, '-infinity')\")),\n",
        "",
        fault("F34/fetch"),
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
        "only the newest flags",
        SYNC / "flags.py",
        "        yield from _flags_of(run, folder, cursor, older)\n",
        "        yield from ()\n",
        "tests/mailboxes/sync/test_flags.py::test_flags_of_old_messages_are_followed_once_a_day",
    ),
    Sabotage(
        "no full comparison",
        SYNC / "plan.py",
        "    if is_day_over(cursor, at):\n        return True\n",
        "",
        fault("F5/exchanged"),
    ),
    Sabotage(
        "a folder that hangs ends the pass",
        SYNC / "leaving.py",
        "OF_A_FOLDER = (CommandRefusedError, ProtocolError, *SILENCE)",
        "OF_A_FOLDER = (CommandRefusedError, ProtocolError)",
        "tests/mailboxes/sync/test_hanging_folders.py::test_a_folder_that_hangs_holds_up_no_other[hang-EXAMINE]",
    ),
    Sabotage(
        "a folder that hangs is tried with every pass",
        SYNC / "leaving.py",
        '        is_again = folder.id in run.hung_before and folder.special_use != "inbox" and not is_read\n',
        "        is_again = False\n",
        "tests/mailboxes/sync/test_hanging_folders.py::test_it_comes_last_next_time_and_then_it_is_left_alone_for_a_while",
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
        "what was missing stays missing",
        SYNC / "visiting.py",
        "    refetch(run, folder, cursor, is_daily=is_daily or is_resumed)\n",
        "",
        fault("F9/empty"),
    ),
    Sabotage(
        "a gone folder says nothing",
        SYNC / "folders.py",
        '{"gone_at": now(), "last_error": GONE}',
        '{"gone_at": now()}',
        fault("F38/deleted"),
    ),
    Sabotage(
        "changes are promised",
        SYNC / "flags.py",
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
        "our own failures leave no trace",
        SYNC / "passes.py",
        "        _settled(account_id, fence, report)\n        raise\n",
        "        raise\n",
        "tests/mailboxes/sync/test_faults.py::test_what_fails_on_our_side_is_told_and_backs_off",
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
        "changes that are not told are asked for in each pass",
        SYNC / "flags.py",
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
        SYNC / "flags.py",
        "        if run.imap.ended_over:\n",
        "        if False:\n",
        "tests/mailboxes/sync/test_hanging_folders.py::test_a_message_whose_flags_end_the_connection_is_asked_about_once_a_day",
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
        "what is told of a folder is believed for good",
        SYNC / "unchanged.py",
        "folder.id in in_turn or ",
        "",
        "tests/mailboxes/sync/test_many_folders.py"
        "::test_numbers_that_stand_still_hold_up_mail_for_as_many_passes_as_there_are_turns",
    ),
)
