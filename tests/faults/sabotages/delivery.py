"""From what has arrived to messages, records and answers, also of several workers at once."""

from pathlib import Path

from tests.faults.sabotages.sabotage import INTAKE, Sabotage

DELIVERY = (
    Sabotage(
        "new mail beside history",
        INTAKE / "arrived.py",
        "(row.attempts, row.is_history) == (attempts, is_history), rows",
        "row.attempts == attempts, rows",
        "tests/mailboxes/intake/test_intake.py::test_new_mail_is_done_before_the_history_beside_it",
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
        "those who act wait for one another",
        Path("mailboxes/acting.py"),
        "        .with_for_update(of=Message, skip_locked=True)\n",
        "",
        "tests/mailboxes/test_acting.py::test_what_another_worker_holds_is_left_to_it",
    ),
    Sabotage(
        "a deletion and a delivery wait for each other",
        Path("mailboxes/organization_deletion.py"),
        "((Account, True), (Mailbox, False))",
        "((Account, False), (Mailbox, False))",
        "tests/mailboxes/test_organization_deletion.py::test_a_message_that_is_being_stored_is_waited_for_and_goes_too",
    ),
)
