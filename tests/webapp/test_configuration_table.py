"""Every setting at every level, inherited, overridden, locked and reset: over HTTP, in two organizations."""

from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from bs4 import BeautifulSoup

from tenants.configuration.catalog import CATALOG, ORGANIZATION, SYSTEM, USER, Setting, settings_at
from tests.factories import csrf_token, make_user, sign_in
from tests.webapp.filling import save
from webapp.configuration.scopes import anchor_of, field_name

REASON = "The house rules ask for it"
# What is typed for the system, for us, for the neighbour and by a person, and how a page says it.
TYPED: dict[str, tuple[str, ...]] = {
    "sync.enabled": ("false", "true", "false"),
    "sync.interval_seconds": ("2 min", "90", "1 h"),
    "sync.history_days": ("all", "30", "1 week"),
    "sync.max_message_mb": ("20", "30", "40"),
    "sync.daily_mb": ("1000",),
    "sync.attachments": ("false", "true", "false"),
    "mail.remote_images": ("always", "ask", "always"),
    "mail.threaded": ("false", "true", "false"),
    "mail.reply_button": ("reply_all", "reply", "reply_all", "reply"),
    "mail.signature": ("System", "Ours", "Theirs", "Mine"),
    "mail.append_signature": ("manual", "auto", "manual", "auto"),
    "mail.max_upload_mb": ("5", "6", "7"),
    "mail.drafts_mb": ("50", "60", "70"),
    "mail.autocomplete_characters": ("3", "4", "5"),
    "response.enabled": ("false", "true", "false"),
    "response.window_hours": ("12", "2 days", "1"),
    "response.hourly_limit": ("10", "20", "30"),
    "response.daily_limit": ("1000", "2000", "3000"),
    "record.default_owner": ("", "OURS", "THEIRS"),
    "smtp.host": ("smtp.system.example", "smtp.ours.example", "smtp.theirs.example"),
    "smtp.port": ("25", "465", "2525"),
    "smtp.encryption": ("tls", "none", "tls"),
    "smtp.user": ("system", "ours", "theirs"),
    "smtp.password": ("the systems secret", "our own secret", "their own secret"),
    "notice.sender_name": ("The house", "We", "They"),
    "notice.sender_address": ("house@example.com", "we@example.com", "they@example.com"),
    "general.languages": ("de en", "fr", "en fr"),
    "general.language": ("de", "fr", "it", "es"),
    "general.time_zone": ("Europe/Berlin", "Europe/Paris", "europe/rome", "Asia/Tokyo"),
    "session.lifetime_hours": ("100", "200", "300"),
    "session.two_factor_required": ("false", "false", "false"),  # true would send everybody away
    "oidc.label": ("Acme login",),
    "oidc.provider.issuer": ("https://login.example.com/realms/staff",),
    "oidc.provider.client_id": ("our client there",),
    "oidc.provider.client_secret": ("a secret of the provider",),
    "oidc.scopes": ("openid email",),
    "oidc.domains": ("@Example.com example.org",),
    "oidc.makes_people": ("true",),
    "oidc.password_sign_in": ("false",),
    "network.permitted_hosts": ("*.example.com",),
    "discovery.directory": ("https://settings.example.com/v1/",),
    "oauth.google.client_id": ("our client at Google",),
    "oauth.google.client_secret": ("a secret of Google",),
    "oauth.google.authorization_url": ("https://accounts.example.com/ask",),
    "oauth.google.token_url": ("https://accounts.example.com/token",),
    "oauth.google.revocation_url": ("https://accounts.example.com/revoke",),
    "oauth.google.imap_server": ("imap.example.com:993",),
    "oauth.google.smtp_server": ("smtp.example.com:465",),
    "oauth.microsoft.client_id": ("our client at Microsoft",),
    "oauth.microsoft.client_secret": ("a secret of Microsoft",),
    "oauth.microsoft.authorization_url": ("https://login.example.com/ask",),
    "oauth.microsoft.token_url": ("https://login.example.com/token",),
    "oauth.microsoft.imap_server": ("imap.example.net:993",),
    "oauth.microsoft.smtp_server": ("smtp.example.net:465",),
    "retention.days": ("1000", "2 years", "0"),
    "mail.page_size": ("20", "30", "40", "60"),
    "mail.density": ("relaxed", "dense", "relaxed", "dense"),
    "mail.after_done": ("next", "list", "next", "list"),
    "mail.keyboard_shortcuts": ("false", "true", "false", "true"),
    "mail.recent_menu": ("false", "true", "false"),
    "mail.digest_hour": ("6", "9", "18", "23"),
}
SYSTEMS, OURS, THEIRS, MINE = range(4)
WORDS: dict[str, tuple[str, ...]] = {
    "sync.interval_seconds": ("120 s", "90 s", "3,600 s"),
    "sync.history_days": ("all", "30 days", "7 days"),
    "mail.remote_images": ("Show always", "Block until asked", "Show always"),
    "mail.reply_button": ("Reply all", "Reply", "Reply all", "Reply"),
    "mail.density": ("Relaxed", "Dense", "Relaxed", "Dense"),
    "mail.after_done": ("The next conversation", "The list", "The next conversation", "The list"),
    "mail.digest_hour": ("06:00", "09:00", "18:00", "23:00"),
    "mail.append_signature": ("By hand", "Automatically", "By hand", "Automatically"),
    "response.window_hours": ("12 h", "48 h", "1 h"),
    "record.default_owner": ("nobody", "OURS", "THEIRS"),
    "smtp.encryption": ("SSL/TLS", "None", "SSL/TLS"),
    "smtp.password": ("set", "set", "set"),
    "oidc.provider.client_secret": ("set",),
    "oidc.domains": ("example.com, example.org",),
    "oauth.google.client_secret": ("set",),
    "oauth.microsoft.client_secret": ("set",),
    "general.languages": ("German, English", "French", "English, French"),
    "general.language": ("German", "French", "Italian", "Spanish"),
    "general.time_zone": ("Europe/Berlin", "Europe/Paris", "Europe/Rome", "Asia/Tokyo"),
    "retention.days": ("1,000 days", "730 days", "0 days"),
}


def words_of(key: str, whose: int) -> str:
    """How a page says a value of the table."""
    if key in WORDS:
        return WORDS[key][whose]
    typed = TYPED[key][whose]
    if typed in {"true", "false"}:
        return "On" if typed == "true" else "Off"
    number = f"{int(typed):,}" if typed.isdigit() else typed
    return f"{number} {CATALOG[key].unit}".strip()


@dataclass
class Shown:
    """One setting as a page shows it."""

    words: str
    source: str
    inherits: bool
    locked: str
    html: str


@dataclass
class Page:
    """All settings of a level on one page, as one person sees them."""

    client: Any
    url: str
    level: str

    def shown(self) -> dict[str, Shown]:
        """Every setting by its key."""
        soup = BeautifulSoup(self.client.get(self.url + "email?in=all").text, "html.parser")
        rows = {row["id"]: row for row in soup.find_all(id=True)}  # to seek each would walk the page anew
        return {
            setting.key: read(rows[anchor_of(setting.key)], setting) for setting in settings_at(self.level)
        }

    def send(self, change: Any) -> None:
        """Send the form with ``change(setting)``'s fields, and demand that it is taken."""
        changes = {
            name: value for setting in settings_at(self.level) for name, value in change(setting).items()
        }
        answer = save(self.client, self.url + "email?in=all", **changes)
        assert answer.status_code == 302, BeautifulSoup(answer.text, "html.parser").select(".field-errors")

    def reset(self) -> None:
        """Press the reset of every setting; a password goes before the server it was set for."""
        token = csrf_token(self.client.get(self.url + "email").text)
        for setting in sorted(settings_at(self.level), key=lambda one: not one.is_secret):
            answer = self.client.post(f"{self.url}{setting.key}/reset", data={"csrf_token": token})
            assert answer.headers["Location"].endswith("#" + anchor_of(setting.key))


def read(row: Any, setting: Setting) -> Shown:
    effective = row.select_one(".setting-effective")
    box = row.select_one("[data-setting-inherits]")
    lock = row.select_one(".setting-lock")
    return Shown(
        words=effective.select_one("strong").text,
        source=effective.get_text(" ").split("·")[1].strip(),
        inherits=box is not None and box.has_attr("checked"),
        locked=lock.get_text(" ", strip=True) if lock else "",
        html=str(row),
    )


def overriding(whose: int, names: dict[str, str]) -> Any:
    def change(setting: Setting) -> dict[str, Any]:
        name, typed = field_name(setting.key), TYPED[setting.key][whose]
        value: Any = typed.split() if setting.kind == "list" else names.get(typed, typed)
        return {name: value, "inherits-" + name: None}

    return change


def inheriting(setting: Setting) -> dict[str, Any]:
    return {"inherits-" + field_name(setting.key): "y"}


def locking(setting: Setting) -> dict[str, Any]:
    name = field_name(setting.key)
    return {"locks-" + name: "y", "reason-" + name: REASON} if ORGANIZATION in setting.levels else {}


def unlocking(setting: Setting) -> dict[str, Any]:
    return {"locks-" + field_name(setting.key): None} if ORGANIZATION in setting.levels else {}


@dataclass
class House:
    """The pages of everybody whom the table is about."""

    system: Page
    ours: Page
    theirs: Page
    mine: Page


@pytest.fixture
def house(app, ours, theirs):
    admin = sign_in(app, make_user(name="Sys Admin", is_system_admin=True))
    return House(
        system=Page(admin, "/system/configuration/", SYSTEM),
        ours=Page(sign_in(app, ours.admin), "/configuration/settings/", ORGANIZATION),
        theirs=Page(admin, f"/system/organizations/{theirs.id}/configuration/", ORGANIZATION),
        mine=Page(sign_in(app, ours.member), "/my-configuration/", USER),
    )


def rows(database_urls) -> int:
    with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
        tables = ("system_overrides", "organization_overrides", "user_overrides")
        counts = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)
        return connection.execute(f"SELECT {counts}").fetchone()[0]


def expect(shown: dict[str, Shown], whose: int, source: str, names: dict[str, str], *, own: bool) -> None:
    """Every setting says this value, from there; settings without a value of that level are left out."""
    for key, one in shown.items():
        level = (SYSTEM, ORGANIZATION, ORGANIZATION, USER)[whose]
        if level in CATALOG[key].levels:
            words = words_of(key, whose)
            assert (key, one.words, one.source) == (key, names.get(words, words), source)
            assert (key, one.inherits) == (key, not own and not one.locked)


def test_the_table_names_every_setting_with_a_value_for_each_level():
    assert set(TYPED) == set(CATALOG), "add the new setting to the table of this test"
    for key, typed in TYPED.items():
        levels = CATALOG[key].levels
        assert len(typed) == (4 if USER in levels else 3 if ORGANIZATION in levels else 1), key


@pytest.mark.long
def test_every_setting_at_every_level_is_overridden_locked_inherited_and_reset(
    house, ours, theirs, database_urls
):
    typed = {"OURS": str(ours.member.id), "THEIRS": theirs.member.user.address}
    names = {"OURS": ours.member.name, "THEIRS": theirs.member.name}

    for place in (house.system, house.ours, house.theirs, house.mine):
        for key, one in place.shown().items():
            assert (key, one.source, one.inherits) == (key, "Default", True)

    # The system's values reach everybody who has none of their own.
    house.system.send(overriding(SYSTEMS, typed))
    expect(house.system.shown(), SYSTEMS, "System", names, own=True)
    for place in (house.ours, house.theirs, house.mine):
        expect(place.shown(), SYSTEMS, "System", names, own=False)

    # Each organization's own, and a person's own, reach nobody else.
    house.ours.send(overriding(OURS, typed))
    house.theirs.send(overriding(THEIRS, typed))
    house.mine.send(overriding(MINE, typed))
    expect(house.ours.shown(), OURS, ours.name, names, own=True)
    expect(house.theirs.shown(), THEIRS, theirs.name, names, own=True)
    expect(house.mine.shown(), MINE, "My configuration", names, own=True)
    everything = "".join(one.html for place in vars(house).values() for one in place.shown().values())
    assert not any(secret in everything for secret in TYPED["smtp.password"])

    # A lock puts the system's value in force everywhere, says why, and takes nothing away.
    house.system.send(locking)
    for place in (house.ours, house.theirs, house.mine):
        shown = {key: one for key, one in place.shown().items() if SYSTEM in CATALOG[key].levels}
        expect(shown, SYSTEMS, "System", names, own=False)
        assert all(REASON in one.locked for one in shown.values())
    before = rows(database_urls)
    house.ours.send(overriding(THEIRS, {"OURS": "", "THEIRS": typed["OURS"]}))
    assert rows(database_urls) == before
    house.system.send(unlocking)
    expect(house.ours.shown(), OURS, ours.name, names, own=True)
    expect(house.mine.shown(), MINE, "My configuration", names, own=True)

    # Inheriting again is no row; overriding again works; and so does the reset of one alone.
    house.mine.send(inheriting)
    house.ours.send(inheriting)
    expect(house.ours.shown(), SYSTEMS, "System", names, own=False)
    expect(house.theirs.shown(), THEIRS, theirs.name, names, own=True)
    house.ours.send(overriding(OURS, typed))
    expect(house.ours.shown(), OURS, ours.name, names, own=True)
    for place in (house.ours, house.theirs, house.system):
        place.reset()
    assert rows(database_urls) == 0
    for place in (house.system, house.ours, house.theirs, house.mine):
        for key, one in place.shown().items():
            assert (key, one.source, one.inherits) == (key, "Default", True)
