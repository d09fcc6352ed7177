"""What is sent: once, by whom it was written for, and only as an address that is proved."""

from pathlib import Path

from tests.faults.sabotages.sabotage import Sabotage

SENDING = (
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
    Sabotage(
        "a draft may be sent twice",
        Path("mailboxes/drafts/sending.py"),
        "    hold_row(draft, key_share=False)\n    if draft.outgoing_id is not None:",
        "    if draft.outgoing_id is not None:",
        "tests/mailboxes/test_drafts.py::test_a_new_message_sent_twice_at_once_goes_out_once",
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
