"""The first tables: people, configuration, accounts, messages, records, rules.

Runs while the previous version of the code still serves: no lock for more than seconds, and every
new table is given to ``protect`` (it has an organization) or ``open_to_roles`` (the installation's).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.policies import ALL, open_to_roles, protect

revision = "0001_first_tables"
down_revision = None
branch_labels = None
depends_on = None

INSTALLATION_TABLES = (
    "users",
    "sign_ins",
    "sign_in_attempts",
    "organizations",
    "system_overrides",
    "user_overrides",
)
READ_AND_ADD = "SELECT, INSERT"
RECORDS = ("audit_entries", "events")  # added to, never changed
TABLES = (
    "accounts",
    "audit_entries",
    "channels",
    "contacts",
    "lead_sources",
    "memberships",
    "organization_overrides",
    "raws",
    "roles",
    "templates",
    "undeliverable_addresses",
    "contact_addresses",
    "folders",
    "mailboxes",
    "membership_roles",
    "template_texts",
    "arrivals",
    "auto_response_rules",
    "mailbox_grants",
    "response_windows",
    "threads",
    "messages",
    "thread_references",
    "attachments",
    "cases",
    "conversions",
    "drafts",
    "events",
    "leads",
    "locations",
    "message_reads",
    "message_words",
    "outgoing",
    "automatic_responses",
    "case_changes",
    "case_comments",
    "draft_attachments",
    "lead_changes",
    "thread_records",
)

# ``@@`` is not leakproof, so under row security the planner would not use the index for it. The
# function looks past the policy and names the organization itself, from the same setting.
SEARCH = """
CREATE FUNCTION messages_with_words(query tsquery, most integer)
RETURNS TABLE (id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  SELECT message_words.id FROM message_words
  WHERE message_words.organization_id
        = nullif(current_setting('app.organization_id', true), '')::uuid
    AND message_words.words @@ query
  ORDER BY message_words.id DESC LIMIT most
$$
"""


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("slug", name=op.f("uq_organizations_slug")),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_attempts")),
    )
    op.create_table(
        "system_audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_system_audit_entries")),
    )
    op.create_index(op.f("ix_system_audit_entries_at"), "system_audit_entries", ["at"], unique=False)
    op.create_table(
        "system_overrides",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("has_value", sa.Boolean(), nullable=False),
        sa.Column("is_locked", sa.Boolean(), nullable=False),
        sa.Column("lock_reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_system_overrides")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("is_system_admin", sa.Boolean(), nullable=False),
        sa.Column("current_organization_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("address", name=op.f("uq_users_address")),
    )
    op.create_table(
        "accounts",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("home_organization_id", sa.Uuid(), nullable=True),
        sa.Column("imap_enabled", sa.Boolean(), nullable=False),
        sa.Column("imap_host", sa.Text(), nullable=False),
        sa.Column("imap_port", sa.BigInteger(), nullable=False),
        sa.Column("imap_encryption", sa.Text(), nullable=False),
        sa.Column("imap_user", sa.Text(), nullable=False),
        sa.Column("imap_secret", sa.LargeBinary(), nullable=True),
        sa.Column("smtp_enabled", sa.Boolean(), nullable=False),
        sa.Column("smtp_host", sa.Text(), nullable=False),
        sa.Column("smtp_port", sa.BigInteger(), nullable=False),
        sa.Column("smtp_encryption", sa.Text(), nullable=False),
        sa.Column("smtp_user", sa.Text(), nullable=False),
        sa.Column("smtp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("smtp_refuses_null_sender", sa.Boolean(), nullable=False),
        sa.Column("history", sa.Text(), nullable=False),
        sa.Column("history_days", sa.BigInteger(), nullable=True),
        sa.Column("mirrors_read_state", sa.Boolean(), nullable=False),
        sa.Column("copies_sent", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_count", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=False),
        sa.Column("lease_fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column(
            "owner_id",
            sa.Uuid(),
            sa.Computed(
                "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint("history IN ('now', 'days', 'all', 'inherit')", name=op.f("ck_accounts_history")),
        sa.CheckConstraint(
            "imap_encryption IN ('tls', 'starttls', 'none')",
            name=op.f("ck_accounts_imap_encryption"),
        ),
        sa.CheckConstraint("kind IN ('other', 'google', 'microsoft')", name=op.f("ck_accounts_kind")),
        sa.CheckConstraint(
            "smtp_encryption IN ('tls', 'starttls', 'none')",
            name=op.f("ck_accounts_smtp_encryption"),
        ),
        sa.CheckConstraint("state IN ('new', 'ok', 'failing', 'refused')", name=op.f("ck_accounts_state")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_accounts_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("owner_id", "id", name=op.f("uq_accounts_owner_id_id")),
    )
    op.create_index("ix_accounts_next_attempt_at", "accounts", ["next_attempt_at"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_audit_entries_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_audit_entries")),
    )
    op.create_index(
        "ix_audit_entries_organization_id_at",
        "audit_entries",
        ["organization_id", "at"],
        unique=False,
    )
    op.create_table(
        "channels",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_channels_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_channels")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_channels_organization_id_name")),
    )
    op.create_table(
        "contacts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_contacts_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_contacts")),
    )
    op.create_table(
        "lead_sources",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("system_key", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_lead_sources_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_lead_sources")),
        sa.UniqueConstraint("organization_id", "key", name=op.f("uq_lead_sources_organization_id_key")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_lead_sources_organization_id_name")),
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_memberships_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_memberships_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_memberships")),
        sa.UniqueConstraint(
            "organization_id", "user_id", name=op.f("uq_memberships_organization_id_user_id")
        ),
    )
    op.create_index(op.f("ix_memberships_user_id"), "memberships", ["user_id"], unique=False)
    op.create_table(
        "organization_overrides",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_organization_overrides_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_organization_overrides")),
        sa.UniqueConstraint(
            "organization_id", "key", name=op.f("uq_organization_overrides_organization_id_key")
        ),
    )
    op.create_table(
        "raws",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column(
            "owner_id",
            sa.Uuid(),
            sa.Computed(
                "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint("(content IS NULL) <> (object_key IS NULL)", name=op.f("ck_raws_one_place")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_raws_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_raws")),
        sa.UniqueConstraint("owner_id", "id", name=op.f("uq_raws_owner_id_id")),
        sa.UniqueConstraint("owner_id", "sha256", name=op.f("uq_raws_owner_id_sha256")),
    )
    op.create_table(
        "roles",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("system_key", sa.Text(), nullable=True),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_roles_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_roles")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_roles_organization_id_name")),
        sa.UniqueConstraint(
            "organization_id", "system_key", name=op.f("uq_roles_organization_id_system_key")
        ),
    )
    op.create_table(
        "sign_ins",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sign_ins_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_ins")),
    )
    op.create_index(op.f("ix_sign_ins_user_id"), "sign_ins", ["user_id"], unique=False)
    op.create_table(
        "templates",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("used_for", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("system_key", sa.Text(), nullable=True),
        sa.Column("is_custom", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('html', 'plain')", name=op.f("ck_templates_kind")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_templates_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_templates")),
        sa.UniqueConstraint(
            "organization_id", "system_key", name=op.f("uq_templates_organization_id_system_key")
        ),
    )
    op.create_index(
        "uq_templates_name",
        "templates",
        ["organization_id", "name"],
        unique=True,
        postgresql_where=sa.text("NOT is_custom"),
    )
    op.create_table(
        "undeliverable_addresses",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_undeliverable_addresses_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_undeliverable_addresses")),
        sa.UniqueConstraint(
            "organization_id",
            "address",
            name=op.f("uq_undeliverable_addresses_organization_id_address"),
        ),
    )
    op.create_table(
        "user_overrides",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_overrides_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_user_overrides")),
    )
    op.create_table(
        "contact_addresses",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name=op.f("fk_contact_addresses_organization_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_contact_addresses_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_contact_addresses")),
        sa.UniqueConstraint(
            "organization_id", "address", name=op.f("uq_contact_addresses_organization_id_address")
        ),
    )
    op.create_table(
        "folders",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name_raw", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("delimiter", sa.Text(), nullable=True),
        sa.Column("special_use", sa.Text(), nullable=False),
        sa.Column("is_selectable", sa.Boolean(), nullable=False),
        sa.Column("is_synced", sa.Boolean(), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=True),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("mod_seq", sa.BigInteger(), nullable=True),
        sa.Column("first_uid", sa.BigInteger(), nullable=True),
        sa.Column("history_uid", sa.BigInteger(), nullable=True),
        sa.Column("changed_validity_count", sa.BigInteger(), nullable=False),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("server_count", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column(
            "owner_id",
            sa.Uuid(),
            sa.Computed(
                "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_folders_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "account_id"],
            ["accounts.owner_id", "accounts.id"],
            name=op.f("fk_folders_owner_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("account_id", "name_raw", name=op.f("uq_folders_account_id_name_raw")),
        sa.UniqueConstraint("owner_id", "id", name=op.f("uq_folders_owner_id_id")),
    )
    op.create_index("ix_folders_account_id", "folders", ["account_id"], unique=False)
    op.create_table(
        "mailboxes",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("account_owner_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("action_settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("automation_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("converts_automatic", sa.Boolean(), nullable=False),
        sa.Column("trusted_forms", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("trusted_authserv_id", sa.Text(), nullable=False),
        sa.Column("answers_unaddressed", sa.Boolean(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "account_owner_id = organization_id OR account_owner_id = '00000000-0000-0000-0000-000000000000'::uuid",
            name=op.f("ck_mailboxes_account_owner"),
        ),
        sa.ForeignKeyConstraint(
            ["account_owner_id", "account_id"],
            ["accounts.owner_id", "accounts.id"],
            name=op.f("fk_mailboxes_account_owner_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_mailboxes_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_mailboxes")),
        sa.UniqueConstraint(
            "organization_id", "account_id", name=op.f("uq_mailboxes_organization_id_account_id")
        ),
        sa.UniqueConstraint("organization_id", "address", name=op.f("uq_mailboxes_organization_id_address")),
        sa.UniqueConstraint("organization_id", "label", name=op.f("uq_mailboxes_organization_id_label")),
    )
    op.create_table(
        "membership_roles",
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_membership_roles_organization_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "role_id"],
            ["roles.organization_id", "roles.id"],
            name=op.f("fk_membership_roles_organization_id_role_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_membership_roles_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_membership_roles")),
        sa.UniqueConstraint(
            "organization_id",
            "membership_id",
            "role_id",
            name=op.f("uq_membership_roles_organization_id_membership_id_role_id"),
        ),
    )
    op.create_table(
        "template_texts",
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "template_id"],
            ["templates.organization_id", "templates.id"],
            name=op.f("fk_template_texts_organization_id_template_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_template_texts_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_template_texts")),
        sa.UniqueConstraint(
            "organization_id",
            "template_id",
            "language",
            name=op.f("uq_template_texts_organization_id_template_id_language"),
        ),
    )
    op.create_table(
        "arrivals",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("folder_id", sa.Uuid(), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("raw_id", sa.Uuid(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_history", sa.Boolean(), nullable=False),
        sa.Column("is_seen_again", sa.Boolean(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("vanished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column(
            "owner_id",
            sa.Uuid(),
            sa.Computed(
                "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('stored', 'delivered', 'unrouted', 'quarantined', 'too_large', 'unfetchable', 'before_history')",
            name=op.f("ck_arrivals_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_arrivals_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "account_id"],
            ["accounts.owner_id", "accounts.id"],
            name=op.f("fk_arrivals_owner_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "folder_id"],
            ["folders.owner_id", "folders.id"],
            name=op.f("fk_arrivals_owner_id_folder_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "raw_id"],
            ["raws.owner_id", "raws.id"],
            name=op.f("fk_arrivals_owner_id_raw_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrivals")),
        sa.UniqueConstraint(
            "account_id",
            "folder_id",
            "uid_validity",
            "uid",
            name=op.f("uq_arrivals_account_id_folder_id_uid_validity_uid"),
        ),
        sa.UniqueConstraint("owner_id", "id", name=op.f("uq_arrivals_owner_id_id")),
    )
    op.create_index("ix_arrivals_folder_id", "arrivals", ["folder_id", "uid_validity", "uid"], unique=False)
    op.create_index(
        "ix_arrivals_pending",
        "arrivals",
        ["account_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.create_table(
        "auto_response_rules",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("active_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_auto_response_rules_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "template_id"],
            ["templates.organization_id", "templates.id"],
            name=op.f("fk_auto_response_rules_organization_id_template_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_auto_response_rules_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_auto_response_rules")),
    )
    op.create_index(
        "ix_auto_response_rules_mailbox",
        "auto_response_rules",
        ["organization_id", "mailbox_id", "position"],
        unique=False,
    )
    op.create_table(
        "mailbox_grants",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=True),
        sa.Column("membership_id", sa.Uuid(), nullable=True),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("level IN ('read', 'reply')", name=op.f("ck_mailbox_grants_level")),
        sa.CheckConstraint(
            "(role_id IS NULL) <> (membership_id IS NULL)",
            name=op.f("ck_mailbox_grants_role_or_member"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_mailbox_grants_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_mailbox_grants_organization_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "role_id"],
            ["roles.organization_id", "roles.id"],
            name=op.f("fk_mailbox_grants_organization_id_role_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_mailbox_grants_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_mailbox_grants")),
        sa.UniqueConstraint(
            "organization_id",
            "mailbox_id",
            "membership_id",
            name=op.f("uq_mailbox_grants_organization_id_mailbox_id_membership_id"),
        ),
        sa.UniqueConstraint(
            "organization_id",
            "mailbox_id",
            "role_id",
            name=op.f("uq_mailbox_grants_organization_id_mailbox_id_role_id"),
        ),
    )
    op.create_table(
        "response_windows",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("next_allowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_response_windows_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_response_windows_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_response_windows")),
        sa.UniqueConstraint(
            "organization_id",
            "mailbox_id",
            "sender",
            name=op.f("uq_response_windows_organization_id_mailbox_id_sender"),
        ),
    )
    op.create_table(
        "threads",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("base_subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("linked_thread_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_count", sa.BigInteger(), nullable=False),
        sa.Column("incoming_count", sa.BigInteger(), nullable=False),
        sa.Column("outgoing_count", sa.BigInteger(), nullable=False),
        sa.Column("senders", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("participants", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("teaser", sa.Text(), nullable=False),
        sa.Column("has_attachments", sa.Boolean(), nullable=False),
        sa.Column("is_auto_replied", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'waiting', 'done')", name=op.f("ck_threads_status")),
        sa.ForeignKeyConstraint(
            ["organization_id", "assignee_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_threads_organization_id_assignee_id"),
            ondelete="SET NULL (assignee_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "linked_thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_threads_organization_id_linked_thread_id"),
            ondelete="SET NULL (linked_thread_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_threads_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_threads_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_threads")),
    )
    op.create_index("ix_threads_all", "threads", ["organization_id", "last_at", "id"], unique=False)
    op.create_index(
        "ix_threads_list",
        "threads",
        ["organization_id", "mailbox_id", "last_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_threads_subject",
        "threads",
        ["organization_id", "mailbox_id", "base_subject", "last_at"],
        unique=False,
    )
    op.create_table(
        "messages",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("raw_id", sa.Uuid(), nullable=True),
        sa.Column("stable_hash", sa.LargeBinary(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("in_reply_to", sa.Text(), nullable=False),
        sa.Column("references", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=False),
        sa.Column("sender_address", sa.Text(), nullable=False),
        sa.Column("addresses", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("teaser", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reply_text", sa.Text(), nullable=False),
        sa.Column("has_html", sa.Boolean(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("attachment_count", sa.BigInteger(), nullable=False),
        sa.Column("defects", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("automatic_reasons", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_bounce", sa.Boolean(), nullable=False),
        sa.Column("is_from_new_sender", sa.Boolean(), nullable=False),
        sa.Column("is_stub", sa.Boolean(), nullable=False),
        sa.Column("is_opening", sa.Boolean(), nullable=False),
        sa.Column("may_convert", sa.Boolean(), nullable=False),
        sa.Column("conversion_reason", sa.Text(), nullable=False),
        sa.Column("may_respond", sa.Boolean(), nullable=False),
        sa.Column("response_reason", sa.Text(), nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("work_attempts", sa.BigInteger(), nullable=False),
        sa.Column("work_error", sa.Text(), nullable=False),
        sa.Column("work_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_read_by_all", sa.Boolean(), nullable=False),
        sa.Column("is_answered_on_server", sa.Boolean(), nullable=False),
        sa.Column("removed_on_server_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_by_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_messages_direction")),
        sa.CheckConstraint("work IN ('pending', 'done', 'none')", name=op.f("ck_messages_work")),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_messages_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "raw_id"],
            ["raws.owner_id", "raws.id"],
            name=op.f("fk_messages_organization_id_raw_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_messages_organization_id_thread_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_messages_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "organization_id",
            "mailbox_id",
            "stable_hash",
            name=op.f("uq_messages_organization_id_mailbox_id_stable_hash"),
        ),
    )
    op.create_index(
        "ix_messages_message_id",
        "messages",
        ["organization_id", "mailbox_id", "message_id"],
        unique=False,
    )
    op.create_index(
        "ix_messages_sender",
        "messages",
        ["organization_id", "sender_address", "shown_at"],
        unique=False,
    )
    op.create_index(
        "ix_messages_thread",
        "messages",
        ["organization_id", "thread_id", "shown_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_messages_unread",
        "messages",
        ["organization_id", "mailbox_id", "thread_id"],
        unique=False,
        postgresql_where=sa.text("direction = 'in' AND NOT is_read_by_all"),
    )
    op.create_index(
        "ix_messages_work",
        "messages",
        ["organization_id", "id"],
        unique=False,
        postgresql_where=sa.text("work = 'pending'"),
    )
    op.create_table(
        "thread_references",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_thread_references_organization_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_thread_references_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_thread_references")),
        sa.UniqueConstraint(
            "organization_id",
            "thread_id",
            "reference",
            name=op.f("uq_thread_references_organization_id_thread_id_reference"),
        ),
    )
    op.create_index(
        "ix_thread_references_reference",
        "thread_references",
        ["organization_id", "mailbox_id", "reference"],
        unique=False,
    )
    op.create_table(
        "attachments",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("is_inline", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_attachments_organization_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_attachments_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_attachments")),
        sa.UniqueConstraint(
            "organization_id",
            "message_id",
            "position",
            name=op.f("uq_attachments_organization_id_message_id_position"),
        ),
    )
    op.create_table(
        "cases",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("opening_message_id", sa.Uuid(), nullable=True),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("priority IN ('low', 'normal', 'high')", name=op.f("ck_cases_priority")),
        sa.CheckConstraint(
            "status IN ('open', 'in_progress', 'resolved', 'closed')", name=op.f("ck_cases_status")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "assignee_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_cases_organization_id_assignee_id"),
            ondelete="SET NULL (assignee_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name=op.f("fk_cases_organization_id_contact_id"),
            ondelete="SET NULL (contact_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "opening_message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_cases_organization_id_opening_message_id"),
            ondelete="SET NULL (opening_message_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_cases_organization_id_owner_id"),
            ondelete="SET NULL (owner_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_cases_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_cases")),
    )
    op.create_index("ix_cases_list", "cases", ["organization_id", "reported_at", "id"], unique=False)
    op.create_table(
        "conversions",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("opening_hash", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("converted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_conversions_organization_id_message_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_conversions_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_conversions")),
        sa.UniqueConstraint(
            "organization_id",
            "kind",
            "opening_hash",
            name=op.f("uq_conversions_organization_id_kind_opening_hash"),
        ),
    )
    op.create_table(
        "drafts",
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=True),
        sa.Column("answers_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("cc", sa.Text(), nullable=False),
        sa.Column("bcc", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("seen_count", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('reply', 'reply_all', 'forward', 'new')", name=op.f("ck_drafts_kind")),
        sa.ForeignKeyConstraint(
            ["organization_id", "answers_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_drafts_organization_id_answers_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_drafts_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_drafts_organization_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_drafts_organization_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_drafts_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_drafts")),
        sa.UniqueConstraint(
            "organization_id",
            "membership_id",
            "answers_id",
            "kind",
            name=op.f("uq_drafts_organization_id_membership_id_answers_id_kind"),
        ),
    )
    op.create_table(
        "events",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_events_organization_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_events_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_events")),
        sa.UniqueConstraint(
            "organization_id",
            "message_id",
            "position",
            name=op.f("uq_events_organization_id_message_id_position"),
        ),
    )
    op.create_table(
        "leads",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("job_title", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("opening_message_id", sa.Uuid(), nullable=True),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("status IN ('new', 'qualified', 'disqualified')", name=op.f("ck_leads_status")),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name=op.f("fk_leads_organization_id_contact_id"),
            ondelete="SET NULL (contact_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "opening_message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_leads_organization_id_opening_message_id"),
            ondelete="SET NULL (opening_message_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_leads_organization_id_owner_id"),
            ondelete="SET NULL (owner_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "source_id"],
            ["lead_sources.organization_id", "lead_sources.id"],
            name=op.f("fk_leads_organization_id_source_id"),
            ondelete="SET NULL (source_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_leads_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_leads")),
    )
    op.create_index("ix_leads_list", "leads", ["organization_id", "created_at", "id"], unique=False)
    op.create_table(
        "locations",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("arrival_id", sa.Uuid(), nullable=False),
        sa.Column("account_owner_id", sa.Uuid(), nullable=False),
        sa.Column("folder_id", sa.Uuid(), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("vanished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "account_owner_id = organization_id OR account_owner_id = '00000000-0000-0000-0000-000000000000'::uuid",
            name=op.f("ck_locations_account_owner"),
        ),
        sa.ForeignKeyConstraint(
            ["account_owner_id", "arrival_id"],
            ["arrivals.owner_id", "arrivals.id"],
            name=op.f("fk_locations_account_owner_id_arrival_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_owner_id", "folder_id"],
            ["folders.owner_id", "folders.id"],
            name=op.f("fk_locations_account_owner_id_folder_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_locations_organization_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_locations_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_locations")),
        sa.UniqueConstraint(
            "organization_id", "arrival_id", name=op.f("uq_locations_organization_id_arrival_id")
        ),
    )
    op.create_index("ix_locations_message_id", "locations", ["organization_id", "message_id"], unique=False)
    op.create_table(
        "message_reads",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_message_reads_organization_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_message_reads_organization_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_message_reads_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_message_reads")),
        sa.UniqueConstraint(
            "organization_id",
            "message_id",
            "membership_id",
            name=op.f("uq_message_reads_organization_id_message_id_membership_id"),
        ),
    )
    op.create_index(
        "ix_message_reads_membership",
        "message_reads",
        ["organization_id", "membership_id", "message_id"],
        unique=False,
    )
    op.create_table(
        "message_words",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_message_words_organization_id_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_message_words_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_message_words")),
    )
    op.create_index(
        "ix_message_words_words", "message_words", ["words"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "outgoing",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("trigger_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("header_id", sa.Text(), nullable=False),
        sa.Column("envelope_sender", sa.Text(), nullable=False),
        sa.Column("recipients", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("claim_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("copy_state", sa.Text(), nullable=False),
        sa.Column("copy_attempts", sa.BigInteger(), nullable=False),
        sa.Column("copy_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "copy_state IN ('pending', 'done', 'skipped', 'failed')",
            name=op.f("ck_outgoing_copy_state"),
        ),
        sa.CheckConstraint("kind IN ('automatic', 'reply')", name=op.f("ck_outgoing_kind")),
        sa.CheckConstraint(
            "state IN ('ready', 'claimed', 'committing', 'sent', 'failed', 'unknown', 'cancelled')",
            name=op.f("ck_outgoing_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_outgoing_organization_id_mailbox_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_outgoing_organization_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "trigger_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_outgoing_organization_id_trigger_id"),
            ondelete="SET NULL (trigger_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_outgoing_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_outgoing")),
        sa.UniqueConstraint(
            "organization_id", "header_id", name=op.f("uq_outgoing_organization_id_header_id")
        ),
    )
    op.create_index(
        "ix_outgoing_copy",
        "outgoing",
        ["organization_id"],
        unique=False,
        postgresql_where=sa.text("copy_state = 'pending'"),
    )
    op.create_index(
        "ix_outgoing_pending",
        "outgoing",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('ready', 'claimed', 'committing')"),
    )
    op.create_table(
        "automatic_responses",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.Column("outgoing_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_automatic_responses_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "message_id"],
            ["messages.organization_id", "messages.id"],
            name=op.f("fk_automatic_responses_organization_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "outgoing_id"],
            ["outgoing.organization_id", "outgoing.id"],
            name=op.f("fk_automatic_responses_organization_id_outgoing_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "rule_id"],
            ["auto_response_rules.organization_id", "auto_response_rules.id"],
            name=op.f("fk_automatic_responses_organization_id_rule_id"),
            ondelete="SET NULL (rule_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_automatic_responses_organization_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_automatic_responses_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_automatic_responses")),
        sa.UniqueConstraint(
            "organization_id",
            "message_id",
            name=op.f("uq_automatic_responses_organization_id_message_id"),
        ),
        sa.UniqueConstraint(
            "organization_id",
            "thread_id",
            name=op.f("uq_automatic_responses_organization_id_thread_id"),
        ),
    )
    op.create_index(
        op.f("ix_automatic_responses_decided_at"),
        "automatic_responses",
        ["decided_at"],
        unique=False,
    )
    op.create_table(
        "case_changes",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "case_id"],
            ["cases.organization_id", "cases.id"],
            name=op.f("fk_case_changes_organization_id_case_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_case_changes_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_case_changes")),
    )
    op.create_index(
        "ix_case_changes_case_id",
        "case_changes",
        ["organization_id", "case_id", "at"],
        unique=False,
    )
    op.create_table(
        "case_comments",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "case_id"],
            ["cases.organization_id", "cases.id"],
            name=op.f("fk_case_comments_organization_id_case_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_case_comments_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_case_comments")),
    )
    op.create_index(
        "ix_case_comments_case_id",
        "case_comments",
        ["organization_id", "case_id", "written_at"],
        unique=False,
    )
    op.create_table(
        "draft_attachments",
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "draft_id"],
            ["drafts.organization_id", "drafts.id"],
            name=op.f("fk_draft_attachments_organization_id_draft_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_draft_attachments_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_draft_attachments")),
    )
    op.create_table(
        "lead_changes",
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "lead_id"],
            ["leads.organization_id", "leads.id"],
            name=op.f("fk_lead_changes_organization_id_lead_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_lead_changes_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_lead_changes")),
    )
    op.create_index(
        "ix_lead_changes_lead_id",
        "lead_changes",
        ["organization_id", "lead_id", "at"],
        unique=False,
    )
    op.create_table(
        "thread_records",
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("other_id", sa.Uuid(), nullable=True),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'lead') = (lead_id IS NOT NULL) AND (kind = 'case') = (case_id IS NOT NULL)",
            name=op.f("ck_thread_records_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "case_id"],
            ["cases.organization_id", "cases.id"],
            name=op.f("fk_thread_records_organization_id_case_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "lead_id"],
            ["leads.organization_id", "leads.id"],
            name=op.f("fk_thread_records_organization_id_lead_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_thread_records_organization_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_thread_records_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_thread_records")),
        sa.UniqueConstraint(
            "organization_id",
            "thread_id",
            "kind",
            name=op.f("uq_thread_records_organization_id_thread_id_kind"),
        ),
    )
    op.create_index(
        "ix_thread_records_case_id", "thread_records", ["organization_id", "case_id"], unique=False
    )
    op.create_index(
        "ix_thread_records_lead_id", "thread_records", ["organization_id", "lead_id"], unique=False
    )
    for table in TABLES:
        protect(table, app_may=READ_AND_ADD if table in RECORDS else ALL)
    for table in INSTALLATION_TABLES:
        open_to_roles(table)
    open_to_roles("system_audit_entries", app_may=READ_AND_ADD)
    op.execute("GRANT SELECT ON alembic_version TO postroom_app, postroom_system")
    op.execute(SEARCH)
    op.execute("GRANT CREATE ON SCHEMA public TO postroom_system")
    op.execute("ALTER FUNCTION messages_with_words OWNER TO postroom_system")
    op.execute("REVOKE CREATE ON SCHEMA public FROM postroom_system")
    op.execute("REVOKE ALL ON FUNCTION messages_with_words FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION messages_with_words TO postroom_app")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON alembic_version FROM postroom_app, postroom_system")
    op.execute("DROP FUNCTION messages_with_words")
    op.drop_index("ix_thread_records_lead_id", table_name="thread_records")
    op.drop_index("ix_thread_records_case_id", table_name="thread_records")
    op.drop_table("thread_records")
    op.drop_index("ix_lead_changes_lead_id", table_name="lead_changes")
    op.drop_table("lead_changes")
    op.drop_table("draft_attachments")
    op.drop_index("ix_case_comments_case_id", table_name="case_comments")
    op.drop_table("case_comments")
    op.drop_index("ix_case_changes_case_id", table_name="case_changes")
    op.drop_table("case_changes")
    op.drop_index(op.f("ix_automatic_responses_decided_at"), table_name="automatic_responses")
    op.drop_table("automatic_responses")
    op.drop_index(
        "ix_outgoing_pending",
        table_name="outgoing",
        postgresql_where=sa.text("state IN ('ready', 'claimed', 'committing')"),
    )
    op.drop_index(
        "ix_outgoing_copy",
        table_name="outgoing",
        postgresql_where=sa.text("copy_state = 'pending'"),
    )
    op.drop_table("outgoing")
    op.drop_index("ix_message_words_words", table_name="message_words", postgresql_using="gin")
    op.drop_table("message_words")
    op.drop_index("ix_message_reads_membership", table_name="message_reads")
    op.drop_table("message_reads")
    op.drop_index("ix_locations_message_id", table_name="locations")
    op.drop_table("locations")
    op.drop_index("ix_leads_list", table_name="leads")
    op.drop_table("leads")
    op.drop_table("events")
    op.drop_table("drafts")
    op.drop_table("conversions")
    op.drop_index("ix_cases_list", table_name="cases")
    op.drop_table("cases")
    op.drop_table("attachments")
    op.drop_index("ix_thread_references_reference", table_name="thread_references")
    op.drop_table("thread_references")
    op.drop_index("ix_messages_work", table_name="messages", postgresql_where=sa.text("work = 'pending'"))
    op.drop_index(
        "ix_messages_unread",
        table_name="messages",
        postgresql_where=sa.text("direction = 'in' AND NOT is_read_by_all"),
    )
    op.drop_index("ix_messages_thread", table_name="messages")
    op.drop_index("ix_messages_sender", table_name="messages")
    op.drop_index("ix_messages_message_id", table_name="messages")
    op.drop_table("messages")
    op.drop_index("ix_threads_subject", table_name="threads")
    op.drop_index("ix_threads_list", table_name="threads")
    op.drop_index("ix_threads_all", table_name="threads")
    op.drop_table("threads")
    op.drop_table("response_windows")
    op.drop_table("mailbox_grants")
    op.drop_index("ix_auto_response_rules_mailbox", table_name="auto_response_rules")
    op.drop_table("auto_response_rules")
    op.drop_index("ix_arrivals_pending", table_name="arrivals", postgresql_where=sa.text("state = 'stored'"))
    op.drop_index("ix_arrivals_folder_id", table_name="arrivals")
    op.drop_table("arrivals")
    op.drop_table("template_texts")
    op.drop_table("membership_roles")
    op.drop_table("mailboxes")
    op.drop_index("ix_folders_account_id", table_name="folders")
    op.drop_table("folders")
    op.drop_table("contact_addresses")
    op.drop_table("user_overrides")
    op.drop_table("undeliverable_addresses")
    op.drop_index("uq_templates_name", table_name="templates", postgresql_where=sa.text("NOT is_custom"))
    op.drop_table("templates")
    op.drop_index(op.f("ix_sign_ins_user_id"), table_name="sign_ins")
    op.drop_table("sign_ins")
    op.drop_table("roles")
    op.drop_table("raws")
    op.drop_table("organization_overrides")
    op.drop_index(op.f("ix_memberships_user_id"), table_name="memberships")
    op.drop_table("memberships")
    op.drop_table("lead_sources")
    op.drop_table("contacts")
    op.drop_table("channels")
    op.drop_index("ix_audit_entries_organization_id_at", table_name="audit_entries")
    op.drop_table("audit_entries")
    op.drop_index("ix_accounts_next_attempt_at", table_name="accounts")
    op.drop_table("accounts")
    op.drop_table("users")
    op.drop_table("system_overrides")
    op.drop_index(op.f("ix_system_audit_entries_at"), table_name="system_audit_entries")
    op.drop_table("system_audit_entries")
    op.drop_table("sign_in_attempts")
    op.drop_table("organizations")
