"""A process that sends an organization's outbox, or acts on its messages, and may be killed at it.

python -m tests.faults.outbox act|send ORGANIZATION_ID
"""

import sys
from uuid import UUID

from mailboxes import tables
from mailboxes.acting import act_on_pending
from mailboxes.outgoing import send_due
from tenants.application import create_base_app
from tenants.database import inside
from tenants.settings import Settings


def main() -> None:
    """Do the work of one job."""
    work, organization_id = sys.argv[1:]
    assert tables.METADATA.tables
    with create_base_app(Settings.from_environment()).app_context(), inside(UUID(organization_id)):
        {"act": act_on_pending, "send": send_due}[work]()


if __name__ == "__main__":
    main()
