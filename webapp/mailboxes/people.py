"""Who sees a mailbox, and why."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.conversion import Field, choices_of
from mailboxes.system_mailboxes import Mailbox
from webapp.explaining import people_found, searched_words
from webapp.mailboxes.door import Door
from webapp.mailboxes.forms import searched

PERSON = Field("person", "Person", "member")


def people_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """Everybody who sees a mailbox; with words, everybody of that name, whether they see it or not."""
    found = people_found(mailbox)
    return render_template(
        "mailboxes/people.html", door=door, mailbox=mailbox, people=found, words=searched_words()
    )


def choices_page() -> ResponseReturnValue:
    """The options of a list of people, after something was typed to find one."""
    name = request.args.get("field", "")
    found = choices_of(PERSON, searched(name), request.args.get(name, ""))
    return render_template("mailboxes/_options.html", choices=found, chosen=request.args.get(name, ""))
