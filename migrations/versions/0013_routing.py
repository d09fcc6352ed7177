"""Routing of global accounts: its rules, what was decided about each arrival, and by what answers are known."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.policies import keep_for_the_system

revision = "0013_routing"
down_revision = "0012_global_mailboxes"


def upgrade() -> None:
    _rules()
    _routings()
    op.create_table(
        "route_marks",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        _leads_to("route_marks", "account_id", "accounts"),
        _leads_to("route_marks", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("account_id", "digest", name="pk_route_marks"),
    )
    op.create_index("ix_route_marks_organization_id", "route_marks", ["organization_id", "account_id"])
    keep_for_the_system("route_marks")
    op.create_table(
        "account_windows",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("next_allowed_at", sa.DateTime(timezone=True), nullable=False),
        _leads_to("account_windows", "account_id", "accounts"),
        sa.PrimaryKeyConstraint("account_id", "sender", name="pk_account_windows"),
    )
    keep_for_the_system("account_windows")
    op.create_index(
        "ix_arrivals_unrouted",
        "arrivals",
        ["account_id", "id"],
        postgresql_where=sa.text("state = 'unrouted'"),
    )
    op.create_index("ix_mailboxes_account_id", "mailboxes", ["account_id"])


def downgrade() -> None:
    op.drop_index("ix_mailboxes_account_id", "mailboxes")
    op.drop_index("ix_arrivals_unrouted", "arrivals")
    for table in ("account_windows", "route_marks", "routings", "routing_rules"):
        op.drop_table(table)


def _rules() -> None:
    op.create_table(
        "routing_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "field IN ('recipient', 'tag', 'recipient_domain', 'sender', 'sender_domain')",
            name=op.f("ck_routing_rules_field"),
        ),
        _leads_to("routing_rules", "account_id", "accounts"),
        _leads_to("routing_rules", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_routing_rules"),
        sa.UniqueConstraint("account_id", "field", "value", name="uq_routing_rules_account_id_field_value"),
    )
    op.create_index("ix_routing_rules_account_id", "routing_rules", ["account_id", "position"])
    keep_for_the_system("routing_rules")


def _routings() -> None:
    op.create_table(
        "routings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("arrival_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leaving_to", sa.Uuid(), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        _leads_to("routings", "account_id", "accounts"),
        _leads_to("routings", "arrival_id", "arrivals"),
        _leads_to("routings", "organization_id", "organizations"),
        _leads_to("routings", "rule_id", "routing_rules", "SET NULL"),
        _leads_to("routings", "leaving_to", "organizations", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_routings"),
        sa.UniqueConstraint(
            "arrival_id",
            "organization_id",
            name="uq_routings_arrival_id_organization_id",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_routings_account_id", "routings", ["account_id", "id"])
    for name, columns, where in (
        ("ix_routings_rule_id", ["rule_id", "decided_at"], "rule_id IS NOT NULL"),
        ("ix_routings_under_way", ["account_id"], "leaving_to IS NOT NULL"),
        ("ix_routings_facts", ["decided_at"], "facts <> '{}'::jsonb"),
    ):
        op.create_index(name, "routings", columns, postgresql_where=sa.text(where))
    keep_for_the_system("routings")


def _leads_to(table: str, column: str, target: str, when_gone: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete=when_gone
    )
