"""Domain names go over the wire as IDNA 2008 writes them: to nobody else's domain."""

import pytest

from mailboxes.composing import checked_address
from mailboxes.domain_names import ascii_domain
from mailboxes.egress import canonical_host


def test_sharp_s_is_no_double_s():
    assert ascii_domain("Straße.de") == "xn--strae-oqa.de"
    assert checked_address("mia@straße.de").endswith("@xn--strae-oqa.de")
    assert canonical_host("imap.straße.de") == "imap.xn--strae-oqa.de"


@pytest.mark.parametrize("name", ["a..ü", "ü" * 70 + ".de"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UnicodeError):
        ascii_domain(name)
