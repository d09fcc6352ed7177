"""${message}.

Runs while the previous version of the code still serves: no lock for more than seconds, and every
new table is given to ``protect`` (it has an organization) or ``open_to_roles`` (the installation's).
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
from migrations.policies import open_to_roles, protect

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
