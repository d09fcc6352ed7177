"""Wall one and three, read from the database itself."""

import psycopg
import pytest

from mailboxes.tables import METADATA
from tenants.database import Base, OptionallyScoped, OrganizationScoped, PartScoped

INSTALLATION_TABLES = {
    "organizations",
    "users",
    "sign_ins",
    "sign_in_attempts",
    "system_overrides",
    "user_overrides",
    "system_override_changes",
    "user_override_changes",
    "second_factors",
    "recovery_codes",
    "identities",
    "provider_requests",
    "password_links",
    "system_audit_entries",
    "global_mailboxes",
    "served_organizations",
    "account_windows",
    "installation_hours",
    "route_marks",
    "routing_rules",
    "routings",
    "system_offers",
    "system_lead_sources",
    "system_templates",
    "system_template_texts",
}
SCOPED = {
    mapper.local_table.name
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, OrganizationScoped)
}
PARTS = {mapper.local_table.name for mapper in Base.registry.mappers if issubclass(mapper.class_, PartScoped)}
OWNED = {
    mapper.local_table.name for mapper in Base.registry.mappers if issubclass(mapper.class_, OptionallyScoped)
}
# Of these the role of organizations may not even read: they are about all organizations at once.
SYSTEM_ONLY = {"account_windows", "installation_hours", "route_marks", "routing_rules", "routings"}
# A search index may start with the words: the function that reads it names the organization.
MAY_DEFINE_SECURITY = {"messages_with_words", "threads_noted_with"}


@pytest.fixture(scope="module")
def catalogue(database_urls):
    with psycopg.connect(database_urls.owner.replace("+psycopg", "")) as connection:
        yield connection


def test_every_table_belongs_to_an_organization_or_is_listed_here():
    assert set(METADATA.tables) == SCOPED | OWNED | INSTALLATION_TABLES


@pytest.mark.parametrize("name", sorted(SCOPED))
def test_a_scoped_table_is_keyed_by_its_organization(name):
    table = METADATA.tables[name]
    assert [column.name for column in table.primary_key] == ["organization_id", "id"]


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_has_no_key_to_its_organization_hangs_on_something_of_it(name):
    """By a key that is never null, has the organization in it, and takes it along when that one goes."""
    table = METADATA.tables[name]
    holders = [
        key.referred_table.name
        for key in table.foreign_key_constraints
        if {"organization_id"} < {column.name for column in key.columns}
        and key.ondelete == "CASCADE"
        and not any(column.nullable for column in key.columns)
    ]
    assert holders, f"{name}: give it a scoped_key with ondelete, or take OrganizationScoped"
    assert set(holders) <= SCOPED


@pytest.mark.parametrize("name", sorted(SCOPED | OWNED))
def test_every_key_between_owned_tables_includes_the_owner(name):
    for key in METADATA.tables[name].foreign_key_constraints:
        target = key.referred_table.name
        if target in SCOPED | OWNED:
            referred = {element.column.name for element in key.elements}
            assert referred & {"organization_id", "owner_id"}, (
                f"{name} → {target}: use scoped_key or owned_key"
            )


@pytest.mark.parametrize("name", sorted(SCOPED))
def test_every_unique_constraint_starts_with_the_organization(name):
    table = METADATA.tables[name]
    uniques = [
        [c.name for c in u.columns] for u in table.constraints if u.__visit_name__ == "unique_constraint"
    ]
    uniques += [[c.name for c in index.columns] for index in table.indexes if index.unique]
    for columns in uniques:
        assert columns[0] == "organization_id", f"{name}{columns}: an oracle across organizations"


@pytest.mark.parametrize("name", sorted(SCOPED | OWNED))
def test_row_security_is_forced_with_a_policy_for_every_command(catalogue, name):
    enabled, forced = catalogue.execute(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", (name,)
    ).fetchone()
    assert enabled, f"{name}: call protect() in its migration"
    assert forced, f"{name}: call protect() in its migration"
    policies = catalogue.execute(
        "SELECT cmd, qual, with_check FROM pg_policies WHERE tablename = %s", (name,)
    ).fetchall()
    assert len(policies) == 1
    command, read, write = policies[0]
    assert command == "ALL"
    for clause in (read, write):
        assert "app.organization_id" in clause
        assert "NULLIF" in clause


def test_no_view_and_no_definer_function_looks_past_the_policies(catalogue):
    views = catalogue.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    assert views == []
    functions = catalogue.execute(
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    ).fetchall()
    assert {name for (name,) in functions} == MAY_DEFINE_SECURITY


def test_the_applications_role_owns_nothing_and_bypasses_nothing(catalogue):
    owned = catalogue.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname = 'postroom_app'"
    ).fetchone()
    assert owned == (0,)
    role = catalogue.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = 'postroom_app'"
    ).fetchone()
    assert role == (False, False, False)


@pytest.mark.parametrize("name", sorted(SYSTEM_ONLY))
def test_what_is_about_all_organizations_is_closed_to_each_of_them(catalogue, name):
    for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES"):
        allowed = catalogue.execute("SELECT has_table_privilege('postroom_app', %s, %s)", (name, right))
        assert allowed.fetchone() == (False,), f"postroom_app may {right} {name}"
