"""What the system offers are rows, which organizations follow until they override them.

Copies that an organization changed before are marked as its own, so that nothing is overwritten.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from migrations.policies import open_to_roles, open_to_the_owner

revision = "0015_offers"
down_revision = "0014_counts_of_mailboxes"

SOURCES = """(VALUES ('email', 'Email', 1), ('web_form', 'Web form', 2), ('phone', 'Phone', 3),
  ('referral', 'Referral', 4), ('demand_generation', 'Demand Generation', 5)) AS s (key, name, position)"""
TEMPLATES = """(VALUES ('acknowledgement', 'Acknowledgement', ARRAY['message']),
  ('case_received', 'Case received', ARRAY['message', 'case'])) AS s (key, name, used_for)"""
TEXTS = """(VALUES
  ('acknowledgement', 'en', '19a26496c793d54bb4bafc6978a8a240'), ('acknowledgement', 'de', '9a646822e163122990d0614c3e7b698f'),
  ('acknowledgement', 'fr', 'ee8420371c9c9a993be9fc2a6e5e6e45'), ('acknowledgement', 'es', '513fcf954be2ac0e633fcd07dbc39207'),
  ('case_received', 'en', '863cc24a1ee58dd02133182e4e7d133b'), ('case_received', 'de', '742dc88861a805ec5e2d764a8b65cc1d'),
  ('case_received', 'fr', 'a658b739fcf90702d59c952cc6c9a493'), ('case_received', 'es', '55b4d323c0d8f88aadc86307f8997172')
  ) AS s (key, language, md5)"""
CHANGED_SOURCES = f"""
UPDATE lead_sources l SET overrides = array_remove(ARRAY[
  CASE WHEN l.name <> s.name THEN 'name' END, CASE WHEN l.is_hidden THEN 'hidden' END], NULL)
FROM {SOURCES} WHERE l.system_key = s.key
"""
CHANGED_DEFAULTS = """
UPDATE lead_sources SET overrides = overrides || ARRAY['default']
WHERE is_default AND system_key IS DISTINCT FROM 'email'
"""
CHANGED_ORDERS = f"""
UPDATE lead_sources l SET overrides = l.overrides || ARRAY['position']
FROM (SELECT DISTINCT organization_id FROM (
        SELECT organization_id,
               row_number() OVER (PARTITION BY organization_id ORDER BY position, name) AS place,
               row_number() OVER (PARTITION BY organization_id ORDER BY rank NULLS LAST, position, name) AS followed
        FROM (SELECT c.organization_id, c.position, c.name, s.position AS rank
              FROM lead_sources c LEFT JOIN {SOURCES} ON s.key = c.system_key) ranked) placed
      WHERE place <> followed) own
WHERE l.organization_id = own.organization_id
"""
CHANGED_TEMPLATES = f"""
UPDATE templates t SET overrides = array_remove(ARRAY[
    CASE WHEN t.name <> s.name THEN 'name' END, CASE WHEN t.kind <> 'plain' THEN 'kind' END,
    CASE WHEN t.used_for <> s.used_for THEN 'used_for' END], NULL)
  || CASE WHEN t.kind <> 'plain' THEN ARRAY[]::text[] ELSE ARRAY(
    SELECT 'text.' || coalesce(x.language, y.language)
    FROM (SELECT language, md5 FROM {TEXTS} WHERE s.key = t.system_key) y
    FULL JOIN (SELECT language, md5(subject || chr(31) || content) AS md5 FROM template_texts
               WHERE organization_id = t.organization_id AND template_id = t.id) x ON x.language = y.language
    WHERE x.md5 IS DISTINCT FROM y.md5) END
FROM {TEMPLATES} WHERE t.system_key = s.key
"""


def upgrade() -> None:
    op.create_table(
        "system_offers",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_system_offers"),
    )
    op.create_table(
        "system_lead_sources",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_system_lead_sources"),
        sa.UniqueConstraint("name", name="uq_system_lead_sources_name"),
    )
    op.create_table(
        "system_templates",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("used_for", ARRAY(sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_system_templates"),
        sa.UniqueConstraint("name", name="uq_system_templates_name"),
    )
    op.create_table(
        "system_template_texts",
        sa.Column("template_key", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["template_key"],
            ["system_templates.key"],
            name="fk_system_template_texts_template_key",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("template_key", "language", name="pk_system_template_texts"),
    )
    for table in ("system_offers", "system_lead_sources", "system_templates", "system_template_texts"):
        open_to_roles(table)
    _add("organizations", sa.Column("offers_revision", sa.BigInteger(), nullable=False, server_default="0"))
    _add("lead_sources", sa.Column("overrides", ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.add_column("lead_sources", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    _add("templates", sa.Column("overrides", ARRAY(sa.Text()), nullable=False, server_default="{}"))
    _add("templates", sa.Column("is_hidden", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_foreign_key(
        "fk_lead_sources_organization_id_merged_into_id",
        "lead_sources",
        "lead_sources",
        ["organization_id", "merged_into_id"],
        ["organization_id", "id"],
    )
    op.drop_constraint("uq_lead_sources_organization_id_name", "lead_sources")
    op.create_index(
        "uq_lead_sources_name",
        "lead_sources",
        ["organization_id", "name"],
        unique=True,
        postgresql_where=sa.text("merged_into_id IS NULL"),
    )
    op.create_unique_constraint(
        "uq_lead_sources_organization_id_system_key", "lead_sources", ["organization_id", "system_key"]
    )
    op.create_index("ix_leads_source", "leads", ["organization_id", "source_id"])
    with open_to_the_owner("lead_sources", "templates", "template_texts"):
        for statement in (CHANGED_SOURCES, CHANGED_DEFAULTS, CHANGED_ORDERS, CHANGED_TEMPLATES):
            op.execute(statement)


def downgrade() -> None:
    op.drop_index("ix_leads_source", "leads")
    with open_to_the_owner("lead_sources"):
        op.execute(
            "UPDATE lead_sources SET name = name || ' (' || key || ')' WHERE merged_into_id IS NOT NULL"
        )
    op.drop_constraint("uq_lead_sources_organization_id_system_key", "lead_sources")
    op.drop_index("uq_lead_sources_name", "lead_sources")
    op.create_unique_constraint(
        "uq_lead_sources_organization_id_name", "lead_sources", ["organization_id", "name"]
    )
    op.drop_constraint("fk_lead_sources_organization_id_merged_into_id", "lead_sources", type_="foreignkey")
    for table, column in (
        ("templates", "is_hidden"),
        ("templates", "overrides"),
        ("lead_sources", "merged_into_id"),
        ("lead_sources", "overrides"),
        ("organizations", "offers_revision"),
    ):
        op.drop_column(table, column)
    for table in ("system_template_texts", "system_templates", "system_lead_sources", "system_offers"):
        op.drop_table(table)


def _add(table: str, column: sa.Column[object]) -> None:
    """A column that the rows which are there get a value for."""
    op.add_column(table, column)
    op.alter_column(table, column.name, server_default=None)
