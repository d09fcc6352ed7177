"""No role offers a permission that opens nothing: there are no API tokens."""

from alembic import op

from migrations.policies import open_to_the_owner

revision = "0061_no_tokens"
down_revision = "0060_notes"

DUMMY = "'api_token.manage'"


def upgrade() -> None:
    with open_to_the_owner("roles"):
        op.execute(f"UPDATE roles SET permissions = array_remove(permissions, {DUMMY})")


def downgrade() -> None:
    with open_to_the_owner("roles"):
        op.execute(
            f"UPDATE roles SET permissions = array_append(permissions, {DUMMY})"
            " WHERE system_key = 'administrator'"
        )
