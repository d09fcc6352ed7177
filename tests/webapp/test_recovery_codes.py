"""Who has lost the app of their second factor comes in with a recovery code, once with each."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.notices import send_due_notices
from tenants.audit import SystemAuditEntry
from tenants.database import INSTALLATION, db
from tenants.users import recovery_codes
from tenants.users.attempts import ATTEMPTS_PER_ACCOUNT
from tenants.users.recovery_codes import CODES, RecoveryCode
from tests.factories import PASSWORD, csrf_token, form_token, make_user, sign_in, sign_in_by_form
from tests.mailboxes.system_smtp import letters, send_notices_to
from tests.webapp.critic import criticise
from tests.webapp.reading import errors_of, form_values, words_of
from tests.webapp.test_people import code_for, post

ENTER = "/sign-in/recovery-code"
SET_UP = "/security/second-factor"
REMOVE = "/security/second-factor/remove"
SECURITY, MAKE, FILE = "/security/", "/security/recovery-codes", "/security/recovery-codes/file"


def shown_codes(html):
    return [one.get_text() for one in BeautifulSoup(html, "html.parser").select("main li code")]


def set_up(app, member):
    """A second factor; the codes that are shown with it."""
    client = sign_in_by_form(app, member)
    totp = code_for(client, post(client, SET_UP, step="begin").text)
    answer = post(client, SET_UP, code=totp.now())
    criticise(answer.text, SET_UP)
    return shown_codes(answer.text)


@pytest.fixture
def codes(app, ours, theirs):
    return set_up(app, ours.member)


def try_code(app, member, code):
    """What becomes of a code after the right password."""
    return post(sign_in_by_form(app, member), ENTER, code=code)


def come_in(app, member, code):
    client = sign_in_by_form(app, member)
    assert post(client, ENTER, code=code).status_code == 302
    return client


def make_anew(client, password=PASSWORD):
    return post(client, MAKE, SECURITY, **{"recovery-current": password})


def test_each_code_opens_once_and_is_told_by_mail_and_on_record(app, ours, codes, smtp_sink, certificates):
    send_notices_to(app, smtp_sink, certificates)
    assert len(set(codes)) == CODES
    client = sign_in_by_form(app, ours.member)
    assert f"{ENTER}?next=/mail/" in client.get("/sign-in/code?next=/mail/").text
    answer = post(client, f"{ENTER}?next=/mail/", code=codes[3].upper().replace("-", " "))
    assert answer.location == "/mail/"
    assert f"{CODES - 1} recovery codes are left" in words_of(client.get(SECURITY).text)
    again = try_code(app, ours.member, codes[3])
    assert (again.status_code, "used already" in errors_of(again.text)) == (422, True)
    is_use = SystemAuditEntry.act == "user.recovery_code_used"
    entry = db.session.scalars(select(SystemAuditEntry).where(is_use)).one()
    assert (entry.subject, entry.after) == (ours.member.user.address, {"left": CODES - 1})
    send_due_notices(INSTALLATION)
    [(recipient, subject, text)] = letters(smtp_sink)
    assert (recipient, subject) == (ours.member.user.address, "A recovery code was used")
    assert f"{CODES - 1} of your recovery codes are left" in text
    assert codes[3] not in text


def test_a_code_opens_nobody_elses_account_and_nothing_without_the_password(app, ours, theirs, codes):
    assert "/sign-in" in post(app.test_client(), ENTER, "/sign-in", code=codes[0]).location
    set_up(app, theirs.member)
    assert try_code(app, theirs.member, codes[0]).status_code == 422
    assert try_code(app, ours.member, codes[0]).status_code == 302


def test_who_has_lost_the_app_removes_it_with_a_code_and_sets_up_another(
    app, ours, codes, smtp_sink, certificates
):
    send_notices_to(app, smtp_sink, certificates)
    client = come_in(app, ours.member, codes[0])
    assert post(client, REMOVE, SECURITY, code=codes[0]).status_code == 422
    assert post(client, REMOVE, SECURITY, code=codes[1].upper()).location == SECURITY
    assert db.session.scalars(select(RecoveryCode)).all() == []
    assert "Read this picture" in post(client, SET_UP, step="begin").text
    send_due_notices(INSTALLATION)
    texts = [text for _, _, text in letters(smtp_sink)]
    assert ["9 of your" in texts[0], "None of your" in texts[1]] == [True, True]


def test_guesses_at_recovery_codes_are_slowed_together_with_those_at_the_apps(app, ours, codes):
    client = come_in(app, ours.member, codes[1])
    assert post(client, REMOVE, SECURITY, code=codes[1]).status_code == 422
    for number in range(1, ATTEMPTS_PER_ACCOUNT):
        page = ENTER if number % 2 else "/sign-in/code"
        assert post(sign_in_by_form(app, ours.member), page, code="000000").status_code == 422
    assert "Too many attempts" in try_code(app, ours.member, codes[0]).text
    assert recovery_codes.left(ours.member.user) == CODES - 1


def test_new_codes_are_made_with_the_password_and_end_those_before(app, ours, codes):
    client = come_in(app, ours.member, codes[0])
    refused = make_anew(client, "not the password")
    assert (refused.status_code, "not your password" in errors_of(refused.text)) == (422, True)
    criticise(refused.text, SECURITY)
    anew = shown_codes(make_anew(client).text)
    assert len(anew) == CODES
    assert not set(anew) & set(codes)
    assert try_code(app, ours.member, codes[1]).status_code == 422
    assert try_code(app, ours.member, anew[1]).status_code == 302


def test_codes_are_kept_as_hashes_and_shown_once(app, ours, codes):
    client = come_in(app, ours.member, codes[0])
    for page in (SECURITY, SET_UP):
        assert codes[1] not in client.get(page).text
    kept = b"".join(db.session.scalars(select(RecoveryCode.code_hash)))
    assert not any(code.replace("-", "").encode() in kept for code in codes)


def test_the_page_hands_its_own_codes_out_as_a_file_and_no_other_text(app, ours, theirs, codes):
    client = come_in(app, ours.member, codes[0])
    page = make_anew(client).text
    shown, token = shown_codes(page), csrf_token(page)
    assert form_values(page, FILE)["codes"] in shown
    file = client.post(FILE, data={"csrf_token": token, "codes": shown})
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert [line for line in file.text.splitlines() if line in shown] == shown
    for others in ([*shown[:9], "words-of-an-attacker"], shown[:9], []):
        assert client.post(FILE, data={"csrf_token": token, "codes": others}).status_code == 404
    neighbour = sign_in(app, theirs.member)
    stolen = {"csrf_token": form_token(neighbour), "codes": shown}
    assert neighbour.post(FILE, data=stolen).status_code == 404


def test_codes_go_with_the_second_factor_and_a_system_administrator_takes_both_away(app, ours, codes):
    sam = sign_in(app, make_user(is_system_admin=True))
    user = f"/system/users/{ours.member.user_id}"
    assert "removes the recovery codes, too" in words_of(sam.get(user).text)
    post(sam, f"{user}/forget-second-factor", user)
    assert db.session.scalars(select(RecoveryCode)).all() == []
    client = sign_in_by_form(app, ours.member)
    assert client.get(SECURITY).status_code == 200
    assert make_anew(client).status_code == 422
