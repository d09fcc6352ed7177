"""Global mailboxes: what the system says of them, whom they serve, and what follows or is overridden."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012_global_mailboxes"
down_revision = "0011_configuration_history"

NOBODY = sa.text("'{}'::jsonb")
ONLY_THE_SYSTEM = ("global_mailboxes", "served_organizations")
NEW_COLUMNS = (
    sa.Column("rules_from", sa.Text(), nullable=False, server_default="own"),
    sa.Column("global_mailbox_id", sa.Uuid(), nullable=True),
    sa.Column("is_served", sa.Boolean(), nullable=False, server_default=sa.true()),
    sa.Column("system_version", sa.BigInteger(), nullable=False, server_default="0"),
    sa.Column("system_values", postgresql.JSONB(), nullable=False, server_default=NOBODY),
    sa.Column("overrides", postgresql.JSONB(), nullable=False, server_default=NOBODY),
)
# What was said in the home organization is the system's from now on; rules and access stay its own.
TAKE_OVER = """
INSERT INTO global_mailboxes
  (id, account_id, address, aliases, trusted_authserv_id, values, serves_all, version, created_at, deleted_by)
SELECT gen_random_uuid(), m.account_id, m.address, m.aliases, m.trusted_authserv_id,
  (SELECT jsonb_object_agg(key, jsonb_build_object('value', value, 'by', '', 'at', now()))
   FROM jsonb_each(jsonb_build_object(
     'label', m.label, 'enabled', m.is_enabled,
     'processing', jsonb_build_object(
       'action', m.action, 'settings', m.action_settings - 'owner' - 'source' - 'assignee'),
     'owner', '', 'source', coalesce(m.action_settings->>'source', ''),
     'automation_from', m.automation_from, 'converts_automatic', m.converts_automatic,
     'trusted_forms', to_jsonb(m.trusted_forms), 'answers_unaddressed', m.answers_unaddressed,
     'signature', m.signature, 'access', '{}'::jsonb, 'rules', '[]'::jsonb))),
  false, 1, m.created_at, ''
FROM mailboxes m WHERE m.account_owner_id <> m.organization_id;
INSERT INTO served_organizations (global_mailbox_id, organization_id)
SELECT g.id, m.organization_id FROM mailboxes m JOIN global_mailboxes g ON g.account_id = m.account_id;
UPDATE mailboxes m SET global_mailbox_id = g.id, system_version = 1, system_values = g.values,
  overrides = jsonb_build_object(
    'access', jsonb_build_object('value', null, 'by', '', 'at', now()),
    'rules', jsonb_build_object('value', 'own', 'by', '', 'at', now()),
    'owner', jsonb_build_object('value', coalesce(m.action_settings->>'owner', ''), 'by', '', 'at', now()),
    'processing', jsonb_build_object('value', jsonb_build_object(
      'action', m.action, 'settings', m.action_settings - 'owner' - 'source'), 'by', '', 'at', now()))
FROM global_mailboxes g WHERE g.account_id = m.account_id
"""


def upgrade() -> None:
    op.create_table(
        "global_mailboxes",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id"), nullable=False, unique=True),
        sa.Column("address", sa.Text(), nullable=False, unique=True),
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("trusted_authserv_id", sa.Text(), nullable=False),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        sa.Column("serves_all", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_by", sa.Text(), nullable=False),
    )
    op.create_table(
        "served_organizations",
        sa.Column(
            "global_mailbox_id",
            sa.Uuid(),
            sa.ForeignKey("global_mailboxes.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "organization_id",
            sa.Uuid(),
            sa.ForeignKey("organizations.id", ondelete="CASCADE"),
            primary_key=True,
        ),
    )
    op.create_index("ix_served_organizations_organization_id", "served_organizations", ["organization_id"])
    for table in ONLY_THE_SYSTEM:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO postroom_system")
    _give_columns()
    op.execute("SET LOCAL ROLE postroom_system")
    for statement in TAKE_OVER.split(";"):
        op.execute(statement)
    op.execute("RESET ROLE")


def _give_columns() -> None:
    for column in NEW_COLUMNS:
        op.add_column("mailboxes", column)
        if column.server_default is not None:
            op.alter_column("mailboxes", column.name, server_default=None)
    op.create_check_constraint(
        op.f("ck_mailboxes_rules_from"), "mailboxes", "rules_from IN ('own', 'system', 'off')"
    )
    op.create_foreign_key(
        op.f("fk_mailboxes_global_mailbox_id"),
        "mailboxes",
        "global_mailboxes",
        ["global_mailbox_id"],
        ["id"],
    )
    op.create_unique_constraint(
        op.f("uq_mailboxes_organization_id_global_mailbox_id"),
        "mailboxes",
        ["organization_id", "global_mailbox_id"],
    )
    op.create_index("ix_mailboxes_global_mailbox_id", "mailboxes", ["global_mailbox_id", "system_version"])
    op.drop_constraint("uq_mailboxes_organization_id_address", "mailboxes")
    op.create_index(
        "uq_mailboxes_address",
        "mailboxes",
        ["organization_id", "address"],
        unique=True,
        postgresql_where=sa.text("global_mailbox_id IS NULL"),
    )
    op.add_column("auto_response_rules", sa.Column("system_key", sa.Uuid(), nullable=True))
    op.create_unique_constraint(
        op.f("uq_auto_response_rules_organization_id_mailbox_id_system_key"),
        "auto_response_rules",
        ["organization_id", "mailbox_id", "system_key"],
    )


def downgrade() -> None:
    op.execute("SET LOCAL ROLE postroom_system")
    op.execute("DELETE FROM auto_response_rules WHERE system_key IS NOT NULL")
    op.execute("RESET ROLE")
    op.drop_constraint("uq_auto_response_rules_organization_id_mailbox_id_system_key", "auto_response_rules")
    op.drop_column("auto_response_rules", "system_key")
    op.drop_index("uq_mailboxes_address", "mailboxes")
    op.create_unique_constraint(
        op.f("uq_mailboxes_organization_id_address"), "mailboxes", ["organization_id", "address"]
    )
    op.drop_index("ix_mailboxes_global_mailbox_id", "mailboxes")
    op.drop_constraint("uq_mailboxes_organization_id_global_mailbox_id", "mailboxes")
    op.drop_constraint("fk_mailboxes_global_mailbox_id", "mailboxes")
    op.drop_constraint("ck_mailboxes_rules_from", "mailboxes")
    for column in reversed(NEW_COLUMNS):
        op.drop_column("mailboxes", column.name)
    op.drop_table("served_organizations")
    op.drop_table("global_mailboxes")
