"""Who sees a mailbox, and why."""

from flask import render_template
from flask.typing import ResponseReturnValue

from mailboxes.system_mailboxes import Mailbox
from webapp.explaining import people_found, searched_words
from webapp.mailboxes.door import Door


def people_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """Everybody who sees a mailbox; with words, everybody of that name, whether they see it or not."""
    found = people_found(mailbox)
    return render_template(
        "mailboxes/people.html", door=door, mailbox=mailbox, people=found, words=searched_words()
    )
