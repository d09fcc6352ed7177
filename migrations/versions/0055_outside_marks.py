"""Subjects are compared without the mark of mail from outside, those of conversations that were there before, too.

Else an answer to one of them, without references, would open a second conversation, and a second lead.
"""

from alembic import op

from migrations.policies import open_to_the_owner

revision = "0055_outside_marks"
down_revision = "0054_installation_hours"

MARKS = r"^(\[ext(ern(al|e|o)?)?( (e-?)?mail| sender)?\] ?)+"


def upgrade() -> None:
    with open_to_the_owner("threads"):
        op.execute(
            f"UPDATE threads SET base_subject = regexp_replace(base_subject, '{MARKS}', '')"
            f" WHERE base_subject ~ '{MARKS}'"
        )


def downgrade() -> None:
    """Which conversations had the mark is known no more; an older version opens another for an answer to them."""
