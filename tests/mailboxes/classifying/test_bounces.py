"""Bounces and whom they are about: reports, and free text in several languages."""

import pytest

from mailboxes.classifying import bounces, classify
from mailboxes.parsing import parse


def bounced(raw: str):
    message = raw.replace("\n", "\r\n").encode()
    return classify(parse(message), message)


REPORT = """From: MAILER-DAEMON@mx.example
To: help@shop.example
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

I'm sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

{block}
--b
Content-Type: text/rfc822-headers

Subject: Your order
To: lost@example.org
--b--
"""


def test_a_report_names_the_failed_recipients():
    blocks = (
        "Final-Recipient: rfc822; lost@example.org\nAction: failed\nStatus: 5.1.1\n\n"
        "Final-Recipient: RFC822;<Gone@Example.org>\nAction: Failed (x)"
    )
    found = bounced(REPORT.format(block=blocks))
    assert found.is_bounce
    assert found.failed_recipients == ("lost@example.org", "gone@example.org")


def test_a_report_may_fold_its_fields():
    found = bounced(REPORT.format(block="Final-Recipient: rfc822;\n lost@example.org\nAction:\n\tfailed"))
    assert found.failed_recipients == ("lost@example.org",)


def test_a_delay_has_not_failed_yet():
    found = bounced(REPORT.format(block="Final-Recipient: rfc822; slow@example.org\nAction: delayed"))
    assert (found.is_bounce, found.failed_recipients) == (True, ())


def test_a_success_is_a_report_and_no_bounce():
    raw = REPORT.format(block="Final-Recipient: rfc822; a@b.c\nAction: relayed\nStatus: 2.0.0")
    for subject in ("Success", "Delivery Status Notification (Success)"):
        found = bounced(raw.replace("Undelivered Mail Returned to Sender", subject))
        assert (found.is_bounce, found.failed_recipients) == (False, ())
        assert "report" in found.automatic_reasons


@pytest.mark.parametrize("address", ["jürgen@müller.example", "j\\x{FC}rgen@m\\x{fc}ller.example"])
def test_a_failed_recipient_may_have_letters_beyond_ascii(address):
    found = bounced(REPORT.format(block=f"Final-Recipient: utf-8; {address}\nAction: failed"))
    assert found.failed_recipients == ("jürgen@müller.example",)


TEXTS = [
    ("Undeliverable: Your order", "Delivery has failed to these recipients:\n\nlost@example.org\n"),
    ("failure notice", "Hi. This is the qmail-send program.\n\n<lost@example.org>:\nno mailbox here\n"),
    (
        "Mail delivery failed",
        "could not be delivered to\none or more recipients:\n\n  lost@example.org\n    550 unknown user\n",
    ),
    (
        "Unzustellbar: Bestellung",
        "Ihre Nachricht konnte nicht zugestellt werden.\nEmpfänger: lost@example.org\n",
    ),
    ("Non remis", "Votre message n'a pas pu être remis.\n\n<lost@example.org>: utilisateur inconnu\n"),
    (
        "Returned mail: User unknown",
        "  ----- The following addresses had permanent fatal errors -----\n<lost@example.org>\n",
    ),
    ("Delivery Failure", "RCPT TO:<lost@example.org>\n550 5.1.1 rejected\n"),
    ("配信不能", "配信できませんでした。\n宛先: lost@example.org\n"),
    ("Remise impossible", "Échec de la remise pour ces destinataires :\n\nlost@example.org\n"),
    ("Notification", "Your message wasn't delivered to lost@example.org because 550 5.1.1\n"),
    ("Недоставленное сообщение", "Сообщение не доставлено:\n\nlost@example.org\n"),
    ("Teslim Edilemedi: Teklif", "İleti aşağıdaki alıcılara teslim edilemedi:\n\nlost@example.org\n"),
    ("Kézbesíthetetlen: Ajánlat", "A kézbesítés nem sikerült:\n\nlost@example.org\n"),
    (
        "Mail delivery failed: returning message to sender",
        "The following address(es) failed:\n\n  lost@example.org\n"
        "    SMTP error after MAIL FROM:<help@shop.example> SIZE=2: 550 rejected\n",
    ),
]


@pytest.mark.parametrize(("subject", "text"), TEXTS)
@pytest.mark.parametrize("sender", ["postmaster@mx.example", "Mail Delivery System <daemon@mx.example>"])
def test_free_text_names_the_failed_recipient(subject, text, sender):
    found = bounced(f"From: {sender}\nTo: help@shop.example\nSubject: {subject}\n\n{text}")
    assert found.is_bounce
    assert found.failed_recipients == ("lost@example.org",)
    assert found.is_automatic


def test_free_text_may_name_several():
    told = "on Thu, 3 Dec 2026\n    The recipient name is not recognized\n"
    raw = "From: postmaster@mx.example\nTo: help@shop.example\nSubject: Undeliverable: Offer\n\n"
    text = f"did not reach the recipient(s):\n\nlost@example.org {told}    MSEXCH:IMS Unknown Recipient"
    found = bounced(f"{raw}Your message\n\n{text}\ngone@example.org {told}")
    assert sorted(found.failed_recipients) == ["gone@example.org", "lost@example.org"]


def test_a_server_that_goes_on_trying_has_not_failed():
    raw = "From: mailer-daemon@mx.example\nTo: help@shop.example\nSubject: Delivery Status (Delay)\n\n"
    found = bounced(raw + "A problem delivering your mail to slow@example.org. We will retry for 47 hours.")
    assert (found.is_bounce, found.failed_recipients) == (True, ())


def test_the_returned_message_names_nobody():
    text = (
        "Delivery failed for <lost@example.org>: mailbox unavailable\n\n"
        "--- Original message ---\nTo: innocent@example.org\n<other@example.org>: user unknown\n"
    )
    found = bounced(f"From: MAILER-DAEMON@mx.example\nSubject: Returned mail\n\n{text}")
    assert found.failed_recipients == ("lost@example.org",)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Delivery failed", "My parcel could not be delivered. Where is it?"),
        ("Undeliverable parcel", "Please write to ada@example.org, my phone is broken."),
        ("Question", "I wrote to sales@shop.example and the mail could not be delivered."),
        (
            "Re: Your order",
            "I tried, but: Delivery to the following recipient failed permanently:\n\n a@b.example",
        ),
        (
            "Returned to sender",
            "It came back: address unknown. Recipient: John Doe, john@doe.example, Main St.",
        ),
        ("Undelivered parcel", "It never came.\nPlease write to my wife: eve@example.org"),
        ("Invalid address on my order", "My mail is now\n\nada.new@example.org\n\nWhere is the parcel?"),
        ("Fw: Undeliverable: Order", "Recipient: lost@example.org does not get my mails."),
        ("Delivery problem", "My parcel never came.\nRecipient: anna@example.org\nTotal: 550 euro"),
        ("Fehler bei der Zustellung meiner Bestellung", "Empfänger: eva@example.org\nam 5.1.26 bestellt"),
        (
            "Invalid address on my order",
            "eva@example.org is my new address, the old address is no longer used",
        ),
    ],
)
def test_a_customer_who_writes_of_deliveries_is_no_bounce(subject, text):
    found = bounced(f"From: Ada <ada@example.org>\nTo: help@shop.example\nSubject: {subject}\n\n{text}")
    assert not found.is_bounce
    assert not found.is_automatic


@pytest.mark.parametrize(
    "text",
    [
        "Delivery to the following recipients failed.\n\n  john@example.org\n",
        "Recipient: lost@example.org\n550 5.1.1 User unknown\n",
        "Your mail could not be delivered to:\n\n<lost@example.org>: mailbox is full\n",
    ],
)
def test_a_bounce_may_come_from_the_address_of_a_person(text):
    found = bounced(f"From: john@example.org\nTo: help@shop.example\nSubject: Undeliverable: Offer\n\n{text}")
    assert found.is_bounce
    assert found.failed_recipients


def test_a_report_of_nothing_but_white_space_is_read_in_no_time(monkeypatch):
    asked = []
    monkeypatch.setattr(bounces, "all_failures", lambda message: asked.append(message) or ((), ()))
    assert bounced(REPORT.format(block="\n \t \n" * 1_000)).is_bounce
    assert asked == []
    bounced("From: postmaster@mx.example\nSubject: failure notice\n\n" + "\n \t \n" * 50_000)
    assert len(asked[0].as_bytes()) <= 64 * 1024
    assert asked[0].as_bytes().count(b"\n") <= 2_000


def test_a_complaint_is_a_report_and_no_bounce():
    raw = REPORT.replace("delivery-status", "feedback-report").format(block="Feedback-Type: abuse")
    found = bounced(raw)
    assert not found.is_bounce
    assert "report" in found.automatic_reasons


RECEIPT = """From: Bob <bob@example.org>
To: help@shop.example
Subject: Read: Offer
Content-Type: multipart/report; report-type=disposition-notification; boundary=b

--b

{text}
--b
Content-Type: message/{kind}

Final-Recipient: rfc822; bob@example.org
{said}
--b--
"""


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (
            "disposition-notification",
            "It was read.",
            "Disposition: manual-action/MDN-sent-manually; displayed",
        ),
        (
            "disposition-notification",
            "Not read.",
            "Disposition: automatic-action/MDN-sent-automatically; deleted",
        ),
        (
            "disposition-notification",
            "Your message\n  Subject: My invoice was rejected\nwas deleted without being read.",
            "Disposition: automatic-action/MDN-sent-automatically; deleted",
        ),
        ("feedback-report", "This is spam.", "Feedback-Type: abuse"),
    ],
)
def test_a_receipt_or_complaint_names_a_recipient_that_has_not_failed(kind, text, said):
    found = bounced(RECEIPT.format(kind=kind, text=text, said=said))
    assert (found.is_bounce, found.failed_recipients) == (False, ())
    assert "report" in found.automatic_reasons


@pytest.mark.parametrize("between", ["", "\n", "\n\t"])
@pytest.mark.parametrize(
    "text",
    [
        "Your message was automatically rejected by Dovecot Mail Delivery Agent.",
        "Your message to <bob@example.org> was automatically\nrejected:\nno more",
        "Ihre Nachricht wurde automatisch abgelehnt.",
    ],
)
def test_a_receipt_may_refuse_a_mail(text, between):
    said = f"Disposition: automatic-action/MDN-sent-automatically;{between} Deleted"
    found = bounced(RECEIPT.format(kind="disposition-notification", text=text, said=said))
    assert (found.is_bounce, found.failed_recipients) == (True, ("bob@example.org",))


def test_a_detector_that_gives_up_is_no_news(caplog):
    raw = b"From:\nSubject: Undelivered mail\nContent-Type: text/plain\n\nReturned mail: user unknown\n"
    classify(parse(raw), raw)
    assert caplog.records == []
