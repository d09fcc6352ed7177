"""The only speaker of SMTP (RFC 5321) and the only importer of smtplib.

What matters here is knowing what became of a message (reliability §3.4). Until the final dot nothing has
happened, and trying again is safe; from the dot on only the server knows, and an answer that does not
come makes the outcome *unknown*, never *try again*. The caller writes down that the point of no return
is reached in ``before_final_dot``, between the last byte of the message and the dot.

A message goes to all its recipients or to none: one refused recipient ends the attempt before DATA.
"""

from mailboxes.smtp.connection import SmtpConnection, check, deliver
from mailboxes.smtp.delivery import DeliveryResult, Outcome
from mailboxes.smtp.envelope import Envelope, wire_form
from mailboxes.smtp.settings import Encryption, SmtpSettings

__all__ = [
    "DeliveryResult",
    "Encryption",
    "Envelope",
    "Outcome",
    "SmtpConnection",
    "SmtpSettings",
    "check",
    "deliver",
    "wire_form",
]
