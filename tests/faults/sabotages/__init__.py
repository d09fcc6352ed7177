"""Sabotages: small changes of the source that break a promise, each with the test that must turn red.

A test that never was red proves nothing. ``./dev sabotage`` applies each to a copy of the tree and runs the
one test that it names; ``./dev sabotage WORD`` only those with the word in their name or place.

`storing`: that every message is stored once, whole, and kept. `speaking`: what a mail server says and is
asked. `passes`: what a pass visits, in which order, and when it ends. `numbering`: UIDs and their validity.
`delivery`: from arrivals to records and answers. `sending`: what goes out. `workers`: whose turn it is.
"""

from tests.faults.sabotages.delivery import DELIVERY
from tests.faults.sabotages.numbering import NUMBERING
from tests.faults.sabotages.passes import PASSES
from tests.faults.sabotages.sabotage import Sabotage
from tests.faults.sabotages.sending import SENDING
from tests.faults.sabotages.speaking import SPEAKING
from tests.faults.sabotages.storing import STORING
from tests.faults.sabotages.workers import WORKERS

__all__ = ["SABOTAGES", "Sabotage"]

SABOTAGES = (*STORING, *SPEAKING, *PASSES, *NUMBERING, *DELIVERY, *SENDING, *WORKERS)
