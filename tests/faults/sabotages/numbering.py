"""UIDs and their validity: what is new, what is history, what returns, and folders that are renumbered."""

from pathlib import Path

from tests.faults.sabotages.sabotage import SYNC, Sabotage, fault

NUMBERING = (
    Sabotage(
        "cursor is UIDNEXT",
        SYNC / "visiting.py",
        "    first_uid = max(uids, default=0)\n",
        "    first_uid = (state.uid_next or 1) - 1\n",
        "tests/mailboxes/sync/test_faults.py::test_uidnext_is_a_hint_and_what_comes_below_it_is_new_mail",
    ),
    Sabotage(
        "UIDVALIDITY is not looked at",
        SYNC / "plan.py",
        "    return Epoch.SAME if cursor.uid_validity == uid_validity else Epoch.RENUMBERED\n",
        "    return Epoch.SAME\n",
        fault("F1/exchanged"),
    ),
    Sabotage(
        "an unstable folder is read anew from its beginning in each pass",
        SYNC / "unstable.py",
        "range(cursor.reread_count, len(uids)",
        "range(0, len(uids)",
        "tests/faults/test_unstable.py::test_reading_all_of_it_anew_goes_on_where_the_pass_before_ended",
    ),
    Sabotage(
        "history that is left when a folder is renumbered is old",
        SYNC / "plan.py",
        "    if cursor.has_history_left:\n        return cursor.new_since\n",
        "",
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
    Sabotage(
        "UIDs that are used again are not noticed",
        SYNC / "plan.py",
        "    return uid_next is not None and max(server, default=0) < uid_next <= cursor.last_uid\n",
        "    return False\n",
        fault("F6/reused"),
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
        " else_=later)\n",
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
    Sabotage(
        "what returns is believed",
        SYNC / "reusing.py",
        "    fresh = [item for item in batch if _digest(item) != known.get(item.message.uid)]\n",
        "    fresh = []\n",
        fault("F6/returned"),
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
        "reading.begun_anew(cursor.reread_met)",
        "reading.begun_anew()",
        "tests/faults/test_unstable.py::test_one_that_looks_like_another_is_another_also_where_its_reading_goes_on_in_another_pass",
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
        "    met[look] += 1\n    return met[look] <= before[look]\n",
        "    before[look] -= 1\n    return before[look] >= 0\n",
        "tests/faults/test_unstable.py"
        "::test_two_of_the_same_size_and_second_that_are_too_large_are_two_wherever_a_batch_ends",
    ),
    Sabotage(
        "what is fetched anyway goes to whatever looks alike",
        SYNC / "unstable_refetching.py",
        "        return _beginning(item, len(self.header)) == self.header if self.header else is_alone\n",
        "        return True\n",
        "tests/faults/test_unstable.py"
        "::test_what_is_fetched_anyway_is_found_again_by_its_header_among_those_that_look_alike",
    ),
)
