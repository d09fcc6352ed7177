"""Conversations bear tags of a vocabulary, which begins with what cases bear."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_the_owner, protect

revision = "0074_tags"
down_revision = "0073_snoozes"

COLOURS = "('grey', 'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'purple', 'pink')"
# As many as an organization may have, those first that most cases bear.
OF_CASES = """
INSERT INTO tags (organization_id, id, name, colour)
SELECT organization_id, gen_random_uuid(), name, 'grey' FROM (
  SELECT organization_id, min(word) AS name,
    row_number() OVER (PARTITION BY organization_id ORDER BY count(*) DESC, lower(word)) AS place
  FROM cases, unnest(tags) AS theirs(word) GROUP BY organization_id, lower(word)) AS words
WHERE place <= 500
"""
OF_ADMINISTRATORS = "UPDATE roles SET permissions = {} (permissions, 'mail.organize') WHERE {}"


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.CheckConstraint(f"colour IN {COLOURS}", name=op.f("ck_tags_colour")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_tags_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_tags")),
    )
    op.create_table(
        "thread_tags",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_thread_tags_organization_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "tag_id"],
            ["tags.organization_id", "tags.id"],
            name=op.f("fk_thread_tags_organization_id_tag_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_thread_tags")),
        sa.UniqueConstraint(
            "organization_id",
            "thread_id",
            "tag_id",
            name=op.f("uq_thread_tags_organization_id_thread_id_tag_id"),
        ),
    )
    op.create_index("ix_thread_tags_tag_id", "thread_tags", ["organization_id", "tag_id", "thread_id"])
    with open_to_the_owner("cases", "roles"):
        op.execute(OF_CASES)
        op.execute(
            OF_ADMINISTRATORS.format(
                "array_append", "system_key = 'administrator' AND 'mail.organize' <> ALL (permissions)"
            )
        )
    op.create_index("uq_tags_name", "tags", ["organization_id", sa.text("lower(name)")], unique=True)
    for table in ("tags", "thread_tags"):
        protect(table)


def downgrade() -> None:
    with open_to_the_owner("roles"):
        op.execute(OF_ADMINISTRATORS.format("array_remove", "true"))
    op.drop_table("thread_tags")
    op.drop_table("tags")
