"""Only the trusted server's own results count (RFC 8601)."""

import authres
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailboxes.classifying import classify
from mailboxes.classifying.authentication import _plain_results, _result
from mailboxes.parsing import parse

TRUSTED = "mx.shop.example"


def authentication_of(*headers: str, sender: str = "ada@example.org"):
    raw = "".join(f"{header}\r\n" for header in (*headers, f"From: {sender}")) + "\r\nx"
    return classify(parse(raw.encode()), trusted_authserv_id=TRUSTED).authentication


def result(text: str, server: str = TRUSTED) -> str:
    return f"Authentication-Results: {server}; {text}"


def test_results_of_the_trusted_server_are_read():
    found = authentication_of(result("dmarc=fail header.from=example.org; spf=FAIL smtp.mailfrom=x@y.z"))
    assert found == {"dmarc": "fail", "spf": "fail", "dkim": "", "has_aligned_dkim_pass": False}


@pytest.mark.parametrize("header", ["dkim=pass header.d=example.org", "dkim=pass header.i=@mail.example.org"])
def test_a_signature_of_the_senders_organization_is_aligned(header):
    found = authentication_of(result(header))
    assert found is not None
    assert found["has_aligned_dkim_pass"]


def test_a_signature_of_somebody_else_is_not():
    found = authentication_of(result("dkim=pass header.d=mailer.example"))
    assert found is not None
    assert (found["dkim"], found["has_aligned_dkim_pass"]) == ("pass", False)


def test_several_headers_of_one_server_belong_together():
    found = authentication_of(result("dmarc=pass"), result("dkim=pass header.d=example.org"))
    assert found is not None
    assert (found["dmarc"], found["dkim"]) == ("pass", "pass")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [result("dmarc=pass", "evil.example")],
        [result("dmarc=fail", "evil.example"), result("dmarc=pass")],
        [result("dmarc=pass", "mx.shop.example.evil.example")],
    ],
)
def test_without_a_result_of_the_trusted_server_on_top_there_is_none(headers):
    assert authentication_of(*headers) is None


def test_what_lies_below_the_trusted_servers_received_header_may_be_forged():
    headers = [result("dmarc=fail"), "Received: from x by mx.shop.example", result("dmarc=pass")]
    found = authentication_of(*headers)
    assert found is not None
    assert found["dmarc"] == "fail"


def test_results_that_break_the_standard_are_still_read():
    found = authentication_of(result("dmarc=fail (p=NONE sp=(x) dis=NONE; ;; spf=softfail !!"))
    assert found is not None
    assert found["dmarc"] == "fail"


@pytest.mark.parametrize(
    "text",
    [
        "dkim=pass header.i=@evil.example (x header.d=example.org y) header.s=s",
        "!!; dkim=pass (x (y) header.d=example.org z) header.i=@evil.example",
        "!!; dkim=fail (x; dkim=pass header.d=example.org; y)",
        "dkim=pass (header.d=example.org",
    ],
)
def test_what_stands_in_a_comment_is_no_result(text):
    found = authentication_of(result(text))
    assert found is not None
    assert not found["has_aligned_dkim_pass"]


_WORDS = st.sampled_from(["dkim", "SPF", "dmarc", "none", "nonesuch", "pass", "fail", "x-a", "reason", ""])
_VALUES = st.sampled_from(
    ["a@b.example", "@c.example", "@d..e", "F.example", '"g h"', "aB+/=", "", "@", "a_b", "é"]
)
_COMMENTS = st.sampled_from(
    ["", "", " (2048-bit key)", "  (a) (b)", " (a (b))", "(c)", " (d", " (x header.d=bank.example y)"]
)
_PROPERTIES = st.builds(
    "{}{}.{}={}{}".format,
    st.sampled_from([" ", " ", "  ", ""]),
    st.sampled_from(["header", "header", "smtp", "policy", "other"]),
    st.sampled_from(["d", "D", "i", "i", "from", "b"]),
    _VALUES,
    _COMMENTS,
)
_RESULTS = st.builds(
    "{}={}{}{}".format, _WORDS, _WORDS, _COMMENTS, st.lists(_PROPERTIES, max_size=3).map("".join)
)


@given(st.lists(_RESULTS, min_size=1, max_size=3), st.sampled_from(["; ", ";", " ; ", ";  "]))
@example(["dkim=pass header.i=@c.example (x header.d=bank.example y)"], "; ")
@settings(max_examples=400, deadline=None)
def test_results_written_plainly_say_what_the_whole_grammar_says(results, mark):
    value = mark.join([TRUSTED, *results])
    plain = _plain_results(value)
    if plain is not None:
        whole = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}").results
        assert signed(plain) == signed(map(_result, whole))


def signed(results):
    """Results with their signers, which are read of signatures alone."""
    return [(method, result, signer if method == "dkim" else "") for method, result, signer in results]
