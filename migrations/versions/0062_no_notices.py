"""No template is for notices of the system, which write themselves."""

from alembic import op

from migrations.policies import open_to_the_owner

revision = "0062_no_notices"
down_revision = "0061_no_tokens"

UPDATE = """
UPDATE {table} SET used_for =
  CASE WHEN used_for = ARRAY['notice'] THEN ARRAY['message'] ELSE array_remove(used_for, 'notice') END
WHERE 'notice' = ANY(used_for)
"""


def upgrade() -> None:
    with open_to_the_owner("templates"):
        op.execute(UPDATE.format(table="templates"))
    op.execute(UPDATE.format(table="system_templates"))


def downgrade() -> None:
    """Which templates were for notices is known no more."""
