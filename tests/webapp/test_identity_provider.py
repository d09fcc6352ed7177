"""People sign in at the identity provider, and nobody comes in as somebody else."""

import base64
import dataclasses
import hashlib
import hmac
import json
import logging
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes import interchange, oidc
from mailboxes.notices import send_due_notices
from mailboxes.oidc import discovery
from mailboxes.oidc.tokens import Claims
from tenants.audit import SystemAuditEntry
from tenants.configuration.layers import override
from tenants.database import INSTALLATION, db
from tenants.organizations import organizations_of
from tenants.users import User, password_links, user_by_address
from tenants.users.identities import Identity, link
from tests.factories import PASSWORD, csrf_token, form_token, make_user, sign_in, sign_in_by_form
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, key_number, set_up
from tests.mailboxes.system_smtp import letters, send_notices_to
from tests.web_server import Reply
from tests.webapp.critic import criticise
from tests.webapp.reading import errors_of, read, send, words_of
from tests.webapp.test_people import invitation_link, post, with_second_factor

SIGN_IN, BEGIN, ANSWER, SECURITY = "/sign-in", "/sign-in/provider/", "/sign-in/provider/answer", "/security/"
MIA = "mia@acme.test"


@pytest.fixture
def provider(app, ours, theirs, identity_provider, certificates):
    set_up(app, identity_provider, certificates)
    return identity_provider


@pytest.fixture
def mia(app, ours, provider):
    """A member of ours whose address the provider vouches for, and who has a password here."""
    user = db.session.get_one(User, ours.member.user_id)
    user.address = ours.member.user.address = MIA
    db.session.commit()
    return user


def lead_on(client, target="", at=BEGIN):
    """Press the button; where the page in between leads."""
    answer = client.post(at, data={"csrf_token": form_token(client), "next": target})
    assert answer.status_code == 200, answer.location
    criticise(answer.text, at)
    return BeautifulSoup(answer.text, "html.parser").select_one("a[data-lead-on]")["href"]


def come_back(client, answer):
    """What the browser does with the provider's redirect: the first address of ours that follows."""
    response = client.get(ANSWER, query_string=answer)
    assert response.status_code == 302, response.text
    assert "code=" not in response.location
    return response.location


def enter(client, provider, subject="sub-mia", target="", **claims):
    """There and back, as somebody whose address is verified unless ``claims`` say otherwise."""
    said = {"email": MIA, "email_verified": True, **claims}
    return come_back(client, provider.sign_in(lead_on(client, target), subject, **said))


def linked(app, provider, subject="sub-mia", **claims):
    """Somebody who has typed their password once, and is signed in."""
    client = app.test_client()
    where = enter(client, provider, subject, **claims)
    assert send(client, where, password=PASSWORD)
    return client


def is_inside(client):
    """Whether somebody is signed in there."""
    return client.get(SECURITY).status_code == 200


def identities():
    return db.session.scalars(select(Identity).order_by(Identity.id)).all()


def acts(act):
    return db.session.scalars(select(SystemAuditEntry).where(SystemAuditEntry.act == f"user.{act}")).all()


def test_the_button_is_there_where_a_provider_is_set_up_and_nowhere_else(app, ours, theirs):
    assert "Continue with" not in read(app.test_client(), SIGN_IN)
    answer = app.test_client().post(BEGIN, data={"csrf_token": form_token(app.test_client())})
    assert answer.status_code in (302, 400)


def test_somebody_who_is_here_types_the_password_once_and_never_again(
    app, mia, provider, smtp_sink, certificates
):
    send_notices_to(app, smtp_sink, certificates)
    set_up(app, provider, certificates)
    client = app.test_client()
    assert "Continue with Acme login" in read(client, f"{SIGN_IN}?next=/contacts/")
    where = enter(client, provider, target="/contacts/")
    assert MIA in read(client, where)
    assert not is_inside(client)
    refused = send(client, where, expect=422, password="not the password")
    assert "password is not right" in errors_of(refused)
    assert identities() == []
    answer = post(client, where, password=PASSWORD)
    assert answer.location == "/contacts/"
    assert is_inside(client)
    other = app.test_client()
    assert enter(other, provider, target="/cases/", email=None) == "/cases/"
    assert is_inside(other)
    [identity] = identities()
    assert (identity.user_id, identity.issuer, identity.subject) == (mia.id, provider.issuer, "sub-mia")
    assert [one.after for one in acts("signed_in_through_provider")] == [{"provider": "Acme login"}] * 2
    send_due_notices(INSTALLATION)
    [(recipient, subject, text)] = letters(smtp_sink)
    assert (recipient, subject) == (MIA, "Another way to sign in")
    assert "Acme login" in text


def test_the_question_is_exact_and_carries_no_secret(app, provider):
    url = lead_on(app.test_client(), "/mail/?q=canary")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["redirect_uri"] == "http://localhost:8025/sign-in/provider/answer"
    assert asked["scope"] == "openid email profile"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["nonce"]) == len(asked["state"]) == 43
    assert "canary" not in url


def b64(value):
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def hand_made(header, claims, key=b""):
    """A token that no library makes: unsigned, or signed with the public key as if it were a secret."""
    text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{text}.{b64(hmac.new(key, text.encode(), hashlib.sha256).digest()) if key else ''}"


def forged(provider, kind):
    public, now = key_number(1).as_pem(private=False), int(time.time())
    forgeries = {
        "alg none": lambda claims: hand_made({"alg": "none"}, claims),
        "alg none with a key": lambda claims: hand_made({"alg": "none", "kid": "key-1"}, claims),
        "HS256 with the public key": lambda claims: hand_made(
            {"alg": "HS256", "kid": "key-1"}, claims, public
        ),
        "the key of another provider": lambda claims: provider.signed(claims, number=7),
        "another key under the same name": lambda claims: _signed_as_key_1(claims),
        "no token": lambda claims: "",
        "no JWT": lambda claims: "x.y.z",
        "claims that are nested deeply": lambda claims: _signed_as_they_are(b"[" * 9000),
        "claims that are no object": lambda claims: hand_made({"alg": "RS256", "kid": "key-1"}, []),
    }
    wrong = {
        "another audience": {"aud": "another"},
        "another audience that calls us authorized": {"aud": "another", "azp": CLIENT_ID},
        "several audiences and no authorized party": {"aud": [CLIENT_ID, "another"]},
        "another authorized party": {"aud": [CLIENT_ID, "another"], "azp": "another"},
        "another issuer": {"iss": "https://evil.test"},
        "an issuer that is written otherwise": {"iss": f"{provider.issuer}/"},
        "expired": {"exp": now - 120},
        "no expiry": {"exp": None},
        "issued in the future": {"iat": now + 600},
        "no time": {"iat": None},
        "another nonce": {"nonce": "x"},
        "no nonce": {"nonce": None},
        "no subject": {"sub": None},
        "a subject that is no text": {"sub": 7},
        "a subject of two lines": {"sub": "sub-mia\n"},
        "another access token": {"at_hash": "x" * 22},
    }
    provider.forge = forgeries.get(kind)
    provider.says(**wrong.get(kind, {}))
    return [*forgeries, *wrong]


def _signed_as_they_are(claims):
    from joserfc import jws

    return jws.serialize_compact({"alg": "RS256", "kid": "key-1"}, claims, key_number(1))


def _signed_as_key_1(claims):
    from joserfc import jwt

    return jwt.encode({"alg": "RS256", "kid": "key-1"}, claims, key_number(7))


def test_no_token_that_is_not_rightly_signed_for_us_and_now_lets_anybody_in(app, mia, provider):
    linked(app, provider)
    for kind in forged(provider, ""):
        forged(provider, kind)
        client = app.test_client()
        where = enter(client, provider)
        assert where.startswith(SIGN_IN), kind
        assert "could not be trusted" in words_of(read(client, where)), kind
        assert not is_inside(client), kind
    provider.reset()
    client = app.test_client()
    enter(client, provider)
    assert is_inside(client)


def test_keys_that_were_changed_are_asked_for_and_kept_ones_are_not(app, mia, provider):
    linked(app, provider)
    provider.asked.clear()
    assert enter(app.test_client(), provider) == "/"
    assert provider.asked == ["/token"]
    provider.change_keys()
    provider.asked.clear()
    client = app.test_client()
    assert enter(client, provider) == "/"
    assert provider.asked == ["/token", "/keys"]
    assert is_inside(client)


def test_an_answer_counts_once_and_in_the_browser_that_asked(app, mia, provider):
    client, thief = linked(app, provider), app.test_client()
    lead_on(thief)
    answer = provider.sign_in(lead_on(client), "sub-mia")
    assert "another browser" in read(thief, come_back(thief, answer))
    assert come_back(client, answer) == "/"
    assert "answered already" in read(client, come_back(client, answer))
    again = app.test_client()
    fresh = provider.sign_in(lead_on(again), "sub-mia")
    assert "could not be trusted" in read(again, come_back(again, {**fresh, "code": answer["code"]}))
    assert "answered already" in read(again, come_back(again, fresh))
    assert not is_inside(again)
    assert not is_inside(thief)


def test_a_code_that_was_given_to_another_browser_is_worth_nothing(app, mia, provider):
    linked(app, provider)
    victim, thief = app.test_client(), app.test_client()
    code = provider.sign_in(lead_on(victim), "sub-mia")["code"]
    own = provider.sign_in(lead_on(thief), "sub-thief")
    come_back(thief, {**own, "code": code})
    assert not is_inside(thief)


def test_an_answer_that_took_too_long_is_refused(app, mia, provider, time_machine_clock):
    linked(app, provider)
    client = app.test_client()
    answer = provider.sign_in(lead_on(client), "sub-mia")
    time_machine_clock.shift(16 * 60)
    assert "took too long" in read(client, come_back(client, answer))


def test_an_answer_of_another_provider_is_not_taken_for_this_ones(app, mia, provider):
    linked(app, provider)
    provider.document["authorization_response_iss_parameter_supported"] = True
    discovery.forget()  # from now on it is known that it always names itself
    for named, is_taken in (("https://evil.test", False), (None, False), (provider.issuer, True)):
        client = app.test_client()
        answer = provider.sign_in(lead_on(client), "sub-mia")
        come_back(client, answer | ({"iss": named} if named else {}))
        assert is_inside(client) == is_taken, named


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"email_verified": False}, "does not say that your email address is verified"),
        ({"email_verified": None}, "does not say that your email address is verified"),
        ({"email": None}, "does not say that your email address is verified"),
        ({"email": "sam@evil.test"}, "may not vouch for sam@evil.test"),
        ({"email": "sam@acme.test.evil.test"}, "may not vouch for"),
        ({"email": "sam@sub.acme.test"}, "may not vouch for"),
        ({"email": "new@acme.test"}, "Nobody uses Postroom as new@acme.test"),
        ({"email": "sam@acme.test\x00"}, "does not say"),
        ({"email": ["sam@acme.test"]}, "does not say"),
    ],
)
def test_an_address_alone_opens_nothing_not_even_a_system_administrators(app, provider, claims, words):
    sam = make_user("sam@acme.test", is_system_admin=True)
    make_user("sam@evil.test", is_system_admin=True)
    client = app.test_client()
    where = enter(client, provider, "sub-evil", **{"email": sam.address, **claims})
    assert words in words_of(read(client, where))
    assert not is_inside(client)
    assert identities() == []


def test_a_system_administrators_verified_address_still_needs_the_password(app, provider):
    sam = make_user("sam@acme.test", is_system_admin=True)
    client = app.test_client()
    where = enter(client, provider, "sub-evil", email=sam.address)
    assert not is_inside(client)
    for _ in range(10):
        send(client, where, expect=422, password="guessed guessed")
    assert "Too many attempts" in send(client, where, expect=422, password=PASSWORD)
    assert identities() == []


def test_what_waits_for_a_password_waits_in_one_browser_and_not_for_ever(
    app, mia, provider, time_machine_clock
):
    client = app.test_client()
    where = enter(client, provider)
    thief = app.test_client()
    lead_on(thief)
    assert thief.get(where).location.startswith(SIGN_IN)
    data = {"csrf_token": form_token(thief), "password": PASSWORD}
    assert thief.post(where, data=data).location.startswith(SIGN_IN)
    time_machine_clock.shift(16 * 60)
    assert client.get(where).location.startswith(SIGN_IN)
    assert identities() == []


def test_an_account_opens_one_persons_whatever_address_it_has_later(app, mia, provider, theirs):
    """Their neighbour's address, were the account there to be given it, opens nobody else's account."""
    linked(app, provider)
    neighbour = db.session.get_one(User, theirs.member.user_id)
    neighbour.address = "nora@acme.test"
    db.session.commit()
    client = app.test_client()
    enter(client, provider, email=neighbour.address)
    assert mia.name in client.get(SECURITY).text
    assert theirs.canary not in client.get("/mail/").text


def test_a_domain_is_the_same_however_it_is_written(app, ours, theirs, provider, certificates):
    user = make_user("mia@bücher.test")
    for domain in ("bücher.test", "xn--bcher-kva.test"):
        set_up(app, provider, certificates, domains=domain, password_sign_in="false")
        page = post(app.test_client(), SIGN_IN, address=user.address, password=PASSWORD)
        assert "sign in with Acme login" in errors_of(page.text), domain
        for address in ("mia@bücher.test", "MIA@xn--bcher-kva.test"):
            client = app.test_client()
            where = enter(client, provider, email=address)
            assert user.address in read(client, where), (domain, address)


def test_who_was_at_one_provider_is_nobody_of_another_that_is_set_up_meanwhile(mia, provider):
    link(mia, "https://other.test", "sub-mia", MIA)
    other = dataclasses.replace(oidc.opened_provider(), issuer="https://other.test")
    request = oidc.ProviderRequest(issuer=provider.issuer, browser_hash=b"")
    with pytest.raises(oidc.RefusedSignInError):
        oidc.admit(other, request, Claims("sub-mia"), "here")


def test_disabled_people_stay_out(app, mia, provider):
    linked(app, provider)
    mia.is_enabled = False
    db.session.commit()
    client = app.test_client()
    assert "may not sign in here" in words_of(read(client, enter(client, provider)))
    assert "may not sign in here" in words_of(read(client, enter(client, provider, "sub-other")))
    assert not is_inside(client)


def test_new_people_are_made_only_where_that_is_switched_on_and_belong_nowhere(app, provider, certificates):
    set_up(app, provider, certificates, makes_people="true")
    client = app.test_client()
    enter(client, provider, "sub-new", email="new@acme.test", name="Nora\r\nNew")
    assert is_inside(client)
    user = user_by_address("new@acme.test")
    assert (user.name, user.password_hash, user.is_system_admin) == ("NoraNew", "", False)
    assert organizations_of(user) == []
    [entry] = acts("created")
    assert entry.actor_name == "Acme login"
    assert "You have no password here" in words_of(client.get(SECURITY).text)


def test_who_has_no_password_signs_in_anew_to_set_up_the_second_factor_that_is_required(
    app, provider, certificates, time_machine_clock
):
    set_up(app, provider, certificates, makes_people="true")
    client, where = app.test_client(), "/security/second-factor"
    enter(client, provider, "sub-new", email="new@acme.test")
    time_machine_clock.shift(16 * 60)
    asked = client.get(where).location
    assert asked == f"{SIGN_IN}?next={where}"
    assert "Sign in again" in words_of(read(client, asked))
    assert enter(client, provider, "sub-new", target=where) == where
    assert client.get(where).status_code == 200


def test_an_address_that_is_given_to_somebody_else_opens_nothing_of_who_had_it(app, provider, certificates):
    set_up(app, provider, certificates, makes_people="true")
    enter(app.test_client(), provider, "sub-who-left", email="john@acme.test")
    client = app.test_client()
    where = enter(client, provider, "sub-who-came", email="john@acme.test")
    assert "Another account at Acme login signs in as john@acme.test" in words_of(read(client, where))
    assert not is_inside(client)
    assert [one.subject for one in identities()] == ["sub-who-left"]


def test_an_invitation_is_accepted_by_who_the_provider_says_it_names(app, inside, ours, theirs, provider):
    link = invitation_link(app, inside, ours, "new@acme.test", "member")
    for subject, address in (("sub-evil", "other@acme.test"), ("sub-new", "new@acme.test")):
        client = app.test_client()
        assert "Continue with Acme login" in read(client, link)
        url = lead_on(client, at=f"{link}/provider")
        said = {"email": address, "email_verified": True}
        where = come_back(client, provider.sign_in(url, subject, **said))
        assert is_inside(client) == (address == "new@acme.test")
    assert where == link
    send(client, link)
    assert [one.name for one in organizations_of(user_by_address("new@acme.test"))] == ["Acme"]
    assert user_by_address("other@acme.test") is None
    other = invitation_link(app, inside, theirs, "new@elsewhere.test", "member")
    assert "Continue with" not in read(app.test_client(), other)


def test_the_second_factor_is_still_asked_for(app, mia, ours, provider, time_machine_clock):
    linked(app, provider)
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    client = app.test_client()
    where = enter(client, provider, target="/cases/", amr=["mfa"])
    assert where == "/sign-in/code?next=/cases/"
    assert not is_inside(client)
    assert post(client, where, code=totp.now()).location == "/cases/"


def test_nobody_is_led_to_another_site(app, mia, provider):
    linked(app, provider)
    for target in ("https://evil.test/", "//evil.test/", "/\\evil.test", "/%0d%0aX: y\r\n"):
        assert enter(app.test_client(), provider, target=target) == "/"


def test_what_the_provider_refuses_is_told_and_the_page_is_asked_for_again(app, mia, provider, caplog):
    caplog.set_level(logging.DEBUG)
    client = app.test_client()
    for error, words in (
        ("access_denied", "were not let in there"),
        ("invalid_scope", "it said: invalid_scope"),
        ("<script>alert(1)</script>", "could not be trusted"),
    ):
        state = provider.sign_in(lead_on(client, "/cases/"), "x")["state"]
        described = {"state": state, "error": error, "error_description": "canary-of-inside"}
        where = come_back(client, described)
        assert where == "/sign-in?next=/cases/"
        page = read(client, where)
        assert words in words_of(page)
        assert "canary" not in page
    provider.fault = Reply(b"canary-of-inside", 500)
    answer = {"state": "x", "code": "canary-code"}
    page = read(client, come_back(client, answer))
    assert "canary" not in page
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("token_endpoint", "https://10.0.0.1/token"),
        ("token_endpoint", "https://169.254.169.254/latest"),
        ("token_endpoint", "http://localhost/token"),
        ("jwks_uri", "https://10.0.0.1/keys"),
        ("jwks_uri", "file:///etc/passwd"),
        ("userinfo_endpoint", "https://[::ffff:10.0.0.1]/userinfo"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "https://[::1"),
        ("issuer", "https://evil.test"),
    ],
)
def test_a_document_that_points_elsewhere_leads_nowhere(app, mia, provider, name, address):
    provider.document[name], words = address, "could not be asked"
    client = app.test_client()
    answer = client.post(BEGIN, data={"csrf_token": form_token(client)})
    if answer.status_code == 200:
        url = BeautifulSoup(answer.text, "html.parser").select_one("a[data-lead-on]")["href"]
        said = {} if name == "userinfo_endpoint" else {"email": MIA, "email_verified": True}
        words = "does not say that your email address" if name == "userinfo_endpoint" else words
        answer = client.get(ANSWER, query_string=provider.sign_in(url, "sub-mia", **said))
    page = words_of(read(client, answer.location))
    assert words in page
    assert "10.0.0.1" not in page
    assert not is_inside(client)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"{" * 5000),
        Reply(b"[]"),
        Reply(b"x" * 200_000),
        Reply(status=302, headers={"Location": "https://localhost/elsewhere"}),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
    ],
    ids=["deep", "no object", "too long", "redirected", "cut off"],
)
def test_what_is_no_discovery_document_is_told_as_such(app, provider, reply):
    provider.fault = reply
    client = app.test_client()
    where = client.post(BEGIN, data={"csrf_token": form_token(client), "next": "/cases/"}).location
    assert where == "/sign-in?next=/cases/"
    assert "could not be asked" in words_of(read(client, where))


def test_what_is_no_answer_to_a_code_is_told_as_such(app, mia, provider):
    for reply in (Reply(b"[" * 60_000), Reply(b"[]"), Reply(b"x" * 200_000), Reply(status=302)):
        client = app.test_client()
        answer = provider.sign_in(lead_on(client), "sub-mia")
        provider.fault = reply
        where = come_back(client, answer)
        provider.fault = None
        assert "could not be" in words_of(read(client, where))


def test_keys_that_are_none_take_no_other_with_them(app, mia, provider):
    good = key_number(1).as_dict(private=False)
    for odd in ({"kty": []}, {"kty": "EC", "crv": []}, {"kty": "RSA", "n": 5}, 7, None):
        discovery.forget()
        provider.keys = [odd, good]
        client = app.test_client()
        assert MIA in read(client, enter(client, provider))


def test_what_only_the_userinfo_endpoint_tells_is_taken_of_the_same_person(app, mia, provider):
    for subject, is_taken in (("sub-evil", False), ("sub-mia", True)):
        provider.userinfo = {"sub": subject, "email": MIA, "email_verified": True}
        client = app.test_client()
        where = enter(client, provider, email=None, email_verified=None)
        assert where.startswith(SIGN_IN)
        assert (MIA in client.get(where).text) == is_taken


def test_what_one_answer_says_of_an_address_says_nothing_of_the_address_in_another(app, mia, provider):
    for address, is_verified in ((MIA, False), ("mia\ud800@acme.test", True)):
        provider.userinfo = {"sub": "sub-mia", "email": address, "email_verified": is_verified}
        client = app.test_client()
        where = enter(client, provider, email=None)
        assert "does not say that your email address is verified" in words_of(read(client, where))


def test_passwords_can_be_closed_to_people_of_a_domain_and_never_to_system_administrators(
    app, inside, mia, ours, theirs, provider, certificates
):
    sam = make_user("sam@acme.test", is_system_admin=True)
    link = invitation_link(app, inside, ours, "new@acme.test", "member")
    set_up(app, provider, certificates, password_sign_in="false")
    for user, refusal in ((mia, "sign in with Acme login"), (sam, ""), (theirs.member.user, "")):
        client = app.test_client()
        page = client.post(
            SIGN_IN, data={"csrf_token": form_token(client), "address": user.address, "password": PASSWORD}
        )
        assert (refusal in errors_of(page.text)) if refusal else page.status_code == 302
        assert is_inside(client) == (not refusal)
    wrong = app.test_client()
    page = post(wrong, SIGN_IN, address=MIA, password="not the password").text
    assert "Acme login" not in errors_of(page), "nobody learns who is here, and who administers"
    joining = app.test_client()
    typed = {"name": "New", "password": PASSWORD, "again": PASSWORD}
    assert "sign in with Acme login" in errors_of(send(joining, link, expect=422, **typed))
    where = enter(wrong, provider, email_verified=None)
    assert "ask a system administrator to permit passwords" in words_of(read(wrong, where))
    assert is_inside(linked(app, provider)), "the password that links an account is asked for all the same"
    override("oidc.provider.issuer", "", "system", by="Sam")
    db.session.commit()
    sign_in_by_form(app, mia)


def test_a_person_links_and_removes_accounts_with_the_password_and_is_told(
    app, mia, ours, theirs, provider, smtp_sink, certificates
):
    send_notices_to(app, smtp_sink, certificates)
    set_up(app, provider, certificates)
    client = sign_in(app, ours.member)
    field = "identity-current"
    begin = "/security/identities"
    refused = post(client, begin, SECURITY, **{field: "not the password"})
    assert (refused.status_code, "not your password" in errors_of(refused.text)) == (422, True)
    criticise(refused.text, SECURITY)
    page = post(client, begin, SECURITY, **{field: PASSWORD}).text
    url = BeautifulSoup(page, "html.parser").select_one("a[data-lead-on]")["href"]
    assert come_back(client, provider.sign_in(url, "sub-mia")) == SECURITY
    [identity] = identities()
    assert identity.user_id == mia.id
    assert "sub-mia" in words_of(read(client, SECURITY))
    elsewhere = app.test_client()
    enter(elsewhere, provider)
    remove = f"{begin}/remove"
    for who_tries in (sign_in(app, theirs.member), client):
        typed = {field: PASSWORD, "identity": str(identity.id)}
        answer = post(who_tries, remove, SECURITY, **typed)
        assert answer.status_code == (302 if who_tries is client else 404)
    assert identities() == []
    assert not is_inside(elsewhere)
    assert is_inside(client)
    send_due_notices(INSTALLATION)
    subjects = [subject for _, subject, _ in letters(smtp_sink)]
    assert subjects == ["Another way to sign in", "A way to sign in was removed"]
    assert len(acts("identity_linked")) == len(acts("identity_removed")) == 1


def test_what_one_person_began_links_nothing_to_another(app, mia, ours, theirs, provider):
    client = sign_in(app, ours.member)
    page = post(client, "/security/identities", SECURITY, **{"identity-current": PASSWORD}).text
    url = BeautifulSoup(page, "html.parser").select_one("a[data-lead-on]")["href"]
    client.set_cookie("postroom", sign_in(app, theirs.member).get_cookie("postroom").value)
    come_back(client, provider.sign_in(url, "sub-mia"))
    assert identities() == []


def test_an_account_that_is_somebodys_is_linked_to_nobody_else(app, mia, ours, theirs, provider):
    linked(app, provider)
    client = sign_in(app, theirs.member)
    page = post(client, "/security/identities", SECURITY, **{"identity-current": PASSWORD}).text
    url = BeautifulSoup(page, "html.parser").select_one("a[data-lead-on]")["href"]
    where = come_back(client, provider.sign_in(url, "sub-mia"))
    assert "belongs to another person" in read(client, where)
    assert [one.user_id for one in identities()] == [mia.id]


def test_a_system_administrator_sees_and_removes_what_signs_in_as_somebody(app, mia, provider):
    client = linked(app, provider)
    sam = sign_in(app, make_user(is_system_admin=True))
    user = f"/system/users/{mia.id}"
    assert f"{MIA} at {provider.issuer} signs in as this person" in words_of(read(sam, user))
    identity = identities()[0].id
    assert post(sam, f"{user}/unlink-identity", user, identity=str(identity)).status_code == 302
    assert identities() == []
    assert not is_inside(client)


def test_a_password_chosen_by_a_link_from_mail_ends_what_somebody_else_has_linked(app, mia, provider):
    linked(app, provider, "sub-of-somebody-else")
    link = password_links.make(mia)
    db.session.commit()
    new = "another good password"
    send(app.test_client(), f"/new-password/{link.token}", password=new, again=new)
    assert identities() == []
    client = app.test_client()
    assert enter(client, provider, "sub-of-somebody-else").startswith(SIGN_IN)
    assert not is_inside(client)


def checked(client):
    page = client.get("/system/configuration/identity").text
    answer = client.post("/system/configuration/identity/check", data={"csrf_token": csrf_token(page)})
    criticise(answer.text, "/system/configuration/identity/check")
    steps = BeautifulSoup(answer.text, "html.parser").select(".step")
    return [
        (one.select_one(".step-name").text, one.select_one(".step-state").text, one.get_text())
        for one in steps
    ]


def test_check_tells_each_step_apart_and_what_to_do_next(app, ours, theirs, provider, certificates):
    client = sign_in(app, make_user(is_system_admin=True))
    assert "http://localhost:8025/sign-in/provider/answer" in read(client, "/system/configuration/identity")
    assert [state for _, state, _ in checked(client)] == ["OK"] * 5
    set_up(app, provider, certificates, provider__client_secret="another", domains="")
    states = {name: (state, text) for name, state, text in checked(client)}
    assert states["Client"][0] == "Failed"
    assert "the secret may have expired" in states["Client"][1]
    assert states["Who comes in"][0] == "Warning"
    for name, value, step, words in (
        ("jwks_uri", "https://10.0.0.1/keys", "Keys", "POSTROOM_PERMITTED_NETWORKS"),
        ("issuer", "https://other.test", "Discovery document", "exactly as the provider writes it"),
    ):
        provider.document = {name: value}
        states = {name: (state, text) for name, state, text in checked(client)}
        assert states[step][0] == "Failed"
        assert words in states[step][1]
        assert states["Client"][0] == "Not tried"
        assert "canary" not in str(states)
    override("oidc.provider.issuer", "", "system", by="Sam")
    db.session.commit()
    assert [state for _, state, _ in checked(client)] == ["Failed", *["Not tried"] * 4]


def test_organizations_set_up_no_provider(app, ours, theirs, provider):
    client = sign_in(app, ours.admin)
    assert client.get("/configuration/settings/identity").status_code == 404
    assert "oidc." not in client.get("/configuration/settings/email?in=all").text
    assert client.post("/system/configuration/identity/check").status_code in (400, 403)


def test_a_file_has_the_configuration_without_its_secret(app, ours, theirs, provider):
    text = interchange.export()
    assert f"oidc.provider.issuer: {provider.issuer}" in text
    assert "oidc.provider.client_secret: ${POSTROOM_SYSTEM_OIDC_PROVIDER_CLIENT_SECRET}" in text
    assert CLIENT_SECRET not in text
