"""An arrival is stored once and changed twice, and keys were checked that others imply.

Half of each page is left free, so that the attempt is counted in place, without five entries in indexes. The key
to the folder holds the account, too; a location's folder is that of its arrival, which has a key to it.
"""

from alembic import op

revision = "0042_arrivals_in_place"
down_revision = "0041_left_alone"


def upgrade() -> None:
    op.execute("ALTER TABLE arrivals SET (fillfactor = 50)")
    op.create_unique_constraint(
        "uq_folders_owner_id_account_id_id", "folders", ["owner_id", "account_id", "id"]
    )
    op.create_foreign_key(
        "fk_arrivals_owner_id_account_id_folder_id",
        "arrivals",
        "folders",
        ["owner_id", "account_id", "folder_id"],
        ["owner_id", "account_id", "id"],
        ondelete="CASCADE",
    )
    op.drop_constraint("fk_arrivals_owner_id_account_id", "arrivals", type_="foreignkey")
    op.drop_constraint("fk_arrivals_owner_id_folder_id", "arrivals", type_="foreignkey")
    op.drop_constraint("fk_locations_account_owner_id_folder_id", "locations", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key(
        "fk_locations_account_owner_id_folder_id",
        "locations",
        "folders",
        ["account_owner_id", "folder_id"],
        ["owner_id", "id"],
    )
    for column, target in (("folder_id", "folders"), ("account_id", "accounts")):
        op.create_foreign_key(
            f"fk_arrivals_owner_id_{column}",
            "arrivals",
            target,
            ["owner_id", column],
            ["owner_id", "id"],
            ondelete="CASCADE",
        )
    op.drop_constraint("fk_arrivals_owner_id_account_id_folder_id", "arrivals", type_="foreignkey")
    op.drop_constraint("uq_folders_owner_id_account_id_id", "folders", type_="unique")
    op.execute("ALTER TABLE arrivals RESET (fillfactor)")
