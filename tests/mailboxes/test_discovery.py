"""Settings for an address: from known providers, DNS and autoconfig, and never from inside."""

import threading
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes import discovery, https
from mailboxes.discovery import Places, Server, discover
from mailboxes.discovery.autoconfig import UnreadableConfigError, read_config
from mailboxes.discovery.providers import of_mail_server, providers
from mailboxes.egress import EgressPolicy, canonical_host
from mailboxes.errors import PortClosedError

PUBLIC = "93.184.216.34"
CONFIG = """<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="firm.test">
  <incomingServer type="pop3"><hostname>pop.firm.test</hostname><port>995</port>
    <socketType>SSL</socketType><username>%EMAILADDRESS%</username></incomingServer>
  <incomingServer type="imap"><hostname>imap.firm.test</hostname><port>143</port>
    <socketType>STARTTLS</socketType><username>%EMAILADDRESS%</username></incomingServer>
  <incomingServer type="imap"><hostname>IMAP.firm.test</hostname><port>993</port>
    <socketType>SSL</socketType><username>%EMAILLOCALPART%</username></incomingServer>
  <outgoingServer type="smtp"><hostname>smtp.firm.test</hostname><port>587</port>
    <socketType>STARTTLS</socketType><username>%EMAILADDRESS%</username></outgoingServer>
</emailProvider></clientConfig>"""


@pytest.fixture(autouse=True)
def _nothing_is_padded(monkeypatch):
    monkeypatch.setattr("mailboxes.discovery.discovering.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("mailboxes.egress.REFUSAL_SECONDS", 0.0)


@pytest.fixture
def fetched(monkeypatch):
    """URL → document; whatever else is asked for refuses. ``fetched.asked`` lists what was."""

    class Fetched(dict):
        def __init__(self):
            super().__init__()
            self.asked = []

    pages = Fetched()

    def fetch(url, *_args, **_given):
        pages.asked.append(url)
        if url not in pages:
            raise PortClosedError
        return https.Answer(200, {}, pages[url].encode())

    monkeypatch.setattr(https, "fetch", fetch)
    return pages


def places(directory="", **hosts):
    """Every name is public, but for those that are given an address."""

    def resolve(name, _port):
        return [hosts.get(name.replace(".", "_"), PUBLIC)]

    return Places(EgressPolicy(), EgressPolicy(ports=frozenset({443})), directory, resolver=resolve)


def test_a_known_provider_is_proposed_without_asking_anybody(names, fetched):
    (found,) = discover("Info.Team@GMX.de", places())
    assert found.origin == "the list of known providers: GMX"
    assert found.imap == Server("imap.gmx.net", 993, "tls")
    assert found.user == "Info.Team@gmx.de"
    assert "Switch on IMAP" in found.hint
    assert (names.asked, fetched.asked) == ([], [])


def test_a_domain_of_ones_own_is_known_by_who_takes_its_mail(names, fetched):
    names.add("firm.test", "MX", "10 firm-test.mail.protection.outlook.com.")
    (found,) = discover("info@firm.test", places())
    assert (found.kind, found.imap.host) == ("microsoft", "outlook.office365.com")
    assert found.origin == "Microsoft 365, which takes the mail of firm.test"


def test_dns_is_believed_and_tls_from_the_first_byte_preferred(names, fetched):
    names.add("_imaps._tcp.firm.test", "SRV", "20 1 993 second.firm.test.", "10 1 993 first.firm.test.")
    names.add("_imap._tcp.firm.test", "SRV", "0 1 143 plain.firm.test.")
    names.add("_submission._tcp.firm.test", "SRV", "0 1 587 smtp.firm.test.")
    (found,) = discover("info@firm.test", places())
    assert found.origin == "the DNS of firm.test"
    assert found.imap == Server("first.firm.test", 993, "tls")
    assert found.smtp == Server("smtp.firm.test", 587, "starttls")
    assert (found.user, found.warning) == ("info@firm.test", "")


def test_a_service_that_is_declined_is_not_proposed(names, fetched):
    names.add("_imaps._tcp.firm.test", "SRV", "0 0 0 .")
    assert discover("info@firm.test", places()) == []


def test_dns_that_leads_to_another_domain_is_shown_with_a_warning(names, fetched):
    names.add("_imaps._tcp.firm.test", "SRV", "0 1 993 imap.somewhere.test.")
    (found,) = discover("info@firm.test", places())
    assert "another domain: imap.somewhere.test" in found.warning


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "::1", "169.254.169.254"])
def test_a_server_inside_is_never_proposed(names, fetched, address):
    names.add("_imaps._tcp.firm.test", "SRV", "0 1 993 imap.firm.test.")
    fetched["https://autoconfig.firm.test/mail/config-v1.1.xml"] = CONFIG
    found = discover("info@firm.test", places(imap_firm_test=address))
    assert [proposal.imap for proposal in found] == [None]  # its SMTP stands outside
    found = discover("info@firm.test", places(imap_firm_test=address, smtp_firm_test=address))
    assert found == []


def test_a_port_that_is_not_for_mail_is_never_proposed(names, fetched):
    names.add("_imaps._tcp.firm.test", "SRV", "0 1 22 imap.firm.test.")
    assert discover("info@firm.test", places()) == []


def test_autoconfig_is_read_from_both_of_its_places(names, fetched):
    for url in (
        "https://autoconfig.firm.test/mail/config-v1.1.xml",
        "https://firm.test/.well-known/autoconfig/mail/config-v1.1.xml",
    ):
        fetched.clear()
        fetched[url] = CONFIG
        (found,) = discover("info@firm.test", places())
        assert found.imap == Server("imap.firm.test", 993, "tls")
        assert (found.smtp.port, found.user) == (587, "info")
    assert found.origin == "firm.test"


def test_the_directory_is_asked_only_if_there_is_one_and_only_for_the_domain(names, fetched):
    fetched["https://directory.test/v1.1/firm.test"] = CONFIG
    assert discover("info@firm.test", places()) == []
    (found,) = discover("info@firm.test", places("https://directory.test/v1.1/"))
    assert found.origin == "the directory of this installation"
    assert not any("info" in url for url in fetched.asked)


def test_two_sources_that_agree_are_one_proposal(names, fetched):
    names.add("_imaps._tcp.firm.test", "SRV", "0 1 993 imap.firm.test.")
    config = CONFIG.replace("%EMAILLOCALPART%", "%EMAILADDRESS%")
    config = config[: config.index("<outgoingServer")] + "</emailProvider></clientConfig>"
    fetched["https://autoconfig.firm.test/mail/config-v1.1.xml"] = config
    assert [found.origin for found in discover("info@firm.test", places())] == ["the DNS of firm.test"]


def test_all_of_it_takes_a_few_seconds_at_most(names, monkeypatch):
    is_over = threading.Event()
    monkeypatch.setattr("mailboxes.discovery.discovering.TOTAL_SECONDS", 0.2)
    monkeypatch.setattr("mailboxes.discovery.discovering.SOURCE_SECONDS", 0.1)
    answered = []
    monkeypatch.setattr(https, "fetch", lambda *_args, **_given: answered.append(is_over.wait(20)))
    names.is_silent = True
    assert discover("info@firm.test", places()) == []
    assert answered == []
    is_over.set()


@pytest.mark.parametrize(
    "address",
    ["", "info", "info@", "@firm.test", "info@localhost", "info@10.0.0.1", "info@[::1]", "info@intranet",
     "info@①②⑦.0.0.1", "info@2130706433", "info@-x.test", "info@a..b", "info@firm.test\r\nX: y"],
)  # fmt: skip
def test_nobody_is_asked_for_what_is_no_public_domain(names, fetched, address):
    assert discover(address, places()) == []
    assert (names.asked, fetched.asked) == ([], [])


def test_the_list_of_providers_can_be_believed():
    assert len(providers()) >= 30
    seen = set()
    for one in providers():
        assert one.domains or one.mx, one.name
        assert one.hint or one.imap, one.name
        for server in (one.imap, one.smtp):
            assert server is None or (canonical_host(server.host) == server.host)
            assert server is None or server.encryption in {"tls", "starttls"}
            assert server is None or server.port in EgressPolicy().ports
        assert not seen & {*one.domains}, one.name
        seen |= {*one.domains}
    named = {one.name for one in providers()}
    wanted = {"Google", "Microsoft 365", "Yahoo", "iCloud", "GMX", "WEB.DE", "Fastmail", "Zoho Mail"}
    assert wanted | {"IONOS", "Strato", "Yandex", "QQ Mail"} <= named


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("aspmx.l.google.com.", "Google"),
        ("x.mail.protection.outlook.com", "Microsoft 365"),
        ("mx00.kundenserver.de", "IONOS"),
        ("evilgoogle.com", None),
        ("google.com.evil.test", None),
    ],
)
def test_who_takes_the_mail_is_told_by_the_end_of_a_name(server, name):
    found = of_mail_server(server)
    assert (found.name if found else None) == name


# --- the document of a stranger ------------------------------------------------------------------

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [BOMB, OUTSIDE, "<!DOCTYPE clientConfig>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_whatever_encoding(doctype, encoding):
    text = CONFIG.replace('<?xml version="1.0"?>', f'<?xml version="1.0" encoding="{encoding}"?>{doctype}')
    text = text.replace("imap.firm.test", "&a;")
    with pytest.raises(UnreadableConfigError):
        read_config(text.encode(encoding), "info@firm.test", "x")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html></html>",
        b"not xml",
        b"<clientConfig>" * 20,
        b"<clientConfig>" + b"<a/>" * 600 + b"</clientConfig>",
        b'<?xml version="1.0" encoding="no-such"?><clientConfig/>',
    ],
)
def test_what_is_no_configuration_is_refused(document):
    with pytest.raises(UnreadableConfigError):
        read_config(document, "info@firm.test", "x")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("IMAP.firm.test", "10"),
        ("IMAP.firm.test", "intranet"),
        ("IMAP.firm.test", "a b.test"),
        (">993<", ">0<"),
        (">993<", ">99999<"),
        (">SSL</socketType><username>%EMAILLOCALPART%", ">plain</socketType><username>%EMAILLOCALPART%"),
    ],
)
def test_a_server_that_cannot_be_used_is_passed_over(old, new):
    found = read_config(CONFIG.replace(old, new, 1).encode(), "info@firm.test", "x")
    assert found.imap == Server("imap.firm.test", 143, "starttls")


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: f"<clientConfig>{t}".encode()))
def test_nothing_a_stranger_sends_is_another_error(document):
    try:
        read_config(document, "info@firm.test", "x")
    except UnreadableConfigError:
        return


def test_loopback_is_reached_only_where_it_is_permitted(names, fetched):
    names.add("_imaps._tcp.firm.test", "SRV", "0 1 993 imap.firm.test.")
    policy = EgressPolicy(networks=(ip_network("127.0.0.0/8"),))
    inside = Places(policy, policy, resolver=lambda *_: ["127.0.0.1"])
    assert discovery.discover("info@firm.test", inside)[0].imap is not None
