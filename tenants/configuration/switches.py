"""Whether a switch is on, asked of the database for many organizations at once."""

from tenants.configuration.catalog import CATALOG


def is_on(key: str, owner: str) -> str:
    """SQL: a switch is on for the organization of this column, or for the installation where it has its id.

    As `layers.value_of` says it: an organization that says otherwise than the system is heard, unless the
    system has locked the switch. For statements over all organizations.
    """
    system = (
        f"coalesce((SELECT s.value FROM system_overrides s WHERE s.key = '{key}' AND s.has_value),"  # noqa: S608
        f" '{str(CATALOG[key].default).lower()}')"
    )
    return f"""(({system} = 'true') <> ({owner} IN (SELECT o.organization_id FROM organization_overrides o
        WHERE o.key = '{key}' AND o.value <> {system} AND NOT EXISTS (
          SELECT FROM system_overrides s WHERE s.key = '{key}' AND s.is_locked))))"""  # noqa: S608  # our own keys
