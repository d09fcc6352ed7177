"""Workers, schedule and watch: whose turn it is, who holds what, and what becomes of it when they die."""

from pathlib import Path

from tests.faults.sabotages.sabotage import SYNC, Sabotage, crash

WORKERS = (
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
        "news ring without end",
        SYNC / "claiming.py",
        "        fence = None if _has_its_share(account_id) else leases.take(",
        "        fence = leases.take(",
        "tests/workers/test_schedule.py::test_news_of_many_mailboxes_leave_room_for_another_organization",
    ),
    Sabotage(
        "news during a pass are forgotten",
        SYNC / "claiming.py",
        '            session.execute(_CALL, {"id": account_id})\n',
        "            _set_next(session, [account_id], PAUSED_SECONDS)\n",
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
        '            text(is_over("lease_expires_at")),\n            text',
        "            Account.lease_fence == 0,\n            text",
        crash("connected"),
    ),
    Sabotage(
        "a lease for everybody",
        SYNC / "leases.py",
        '            text(is_over("lease_expires_at")),\n            text',
        "            text",
        "tests/mailboxes/sync/test_dovecot.py::test_two_passes_at_once_are_refused",
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
)
