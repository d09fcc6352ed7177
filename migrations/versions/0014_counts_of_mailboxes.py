"""What the grid of mailboxes counts: who holds a role, and what an account has held back."""

import sqlalchemy as sa
from alembic import op

revision = "0014_counts_of_mailboxes"
down_revision = "0013_routing"


def upgrade() -> None:
    op.create_index(
        "ix_membership_roles_role", "membership_roles", ["organization_id", "role_id", "membership_id"]
    )
    op.create_index(
        "ix_arrivals_held",
        "arrivals",
        ["account_id", "id"],
        postgresql_where=sa.text("state IN ('quarantined', 'too_large', 'unfetchable')"),
    )


def downgrade() -> None:
    op.drop_index("ix_arrivals_held", "arrivals")
    op.drop_index("ix_membership_roles_role", "membership_roles")
