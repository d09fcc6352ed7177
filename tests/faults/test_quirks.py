"""Servers of many makers, each with a way of its own: every message arrives, once, with its flags."""

import pytest

from mailboxes.errors import MailServerError
from tests.faults.quirks import QUIRKS, Quirk
from tests.faults.stage import INBOX, PROJECTS, Stage


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_a_quirk_costs_no_message(stage: Stage, quirk: Quirk) -> None:
    stage.fill(INBOX, 4)
    stage.fill(PROJECTS, 2)
    quirk.apply(stage)
    error: MailServerError | None = stage.sync().error
    assert error is None, error
    stage.live_on()
    stage.oracle.settle()
    assert not set(stage.arrivals().values()) & {"unfetchable", "quarantined", "stored"}
    assert stage.check().is_ok


def test_there_are_quirks_of_every_maker() -> None:
    makers = {quirk.name.partition("/")[0] for quirk in QUIRKS}
    assert len(QUIRKS) >= 40
    assert makers >= {"gmail", "yandex", "zoho", "domino", "exchange", "courier", "cyrus", "uw"}
    assert makers >= {"qq", "smartermail", "proton", "yahoo", "icloud", "strato", "dovecot"}
