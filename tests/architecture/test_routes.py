"""Wall four: every route says who may pass."""

import pytest

from tenants.permissions import PERMISSIONS
from tenants.settings import Settings
from webapp import create_app

SETTINGS = Settings(
    database_url="postgresql+psycopg://nobody@/nothing",
    system_database_url="postgresql+psycopg://nobody@/nothing",
    redis_url="redis://127.0.0.1:1/0",
    secret_key="x" * 40,
    encryption_keys={"1": b"k" * 32},
    is_demo=True,
)
APP = create_app(SETTINGS)
RULES = sorted(APP.url_map.iter_rules(), key=str)
# What everybody may see, signed in or not.
PUBLIC = {
    "static",
    "home.alive",
    "home.ready",
    "auth.sign_in",
    "auth.code",
    "auth.recovery_code",
    "provider.begin",
    "provider.answer",
    "provider.confirm",
    "invitations.begin_at_provider",
    "invitations.accept",
    "passwords.forgotten",
    "passwords.choose",
    "api.openapi",
}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_route_says_who_may_pass(rule):
    view = APP.view_functions[rule.endpoint]
    assert hasattr(view, "guard"), f"{view.__module__}.{view.__name__} needs a guard of webapp/guards.py"


def test_only_these_routes_are_public():
    public = {rule.endpoint for rule in RULES if APP.view_functions[rule.endpoint].guard == "public"}
    assert public <= PUBLIC, f"list {public - PUBLIC} here if everybody may really see them"


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_addresses_are_kebab_case_and_ids_are_typed(rule):
    path = str(rule)
    assert path == path.lower()
    assert "_" not in "".join(part for part in path.split("/") if not part.startswith("<"))
    for argument, converter in rule._converters.items():
        if argument.endswith("_id") and argument != "content_id":  # a header of the message, no row
            assert type(converter).__name__ == "UUIDConverter", f"{path}: write <uuid:{argument}>"


def test_every_permission_opens_something():
    """A role that offers what does nothing promises it to whoever gives it."""
    demanded = {name for view in APP.view_functions.values() for name in view.guard.split(" and ")}
    assert set(PERMISSIONS) <= demanded


def test_a_view_cannot_have_two_guards():
    from webapp.guards import member_required, public

    with pytest.raises(TypeError):
        public(member_required(lambda: ""))
