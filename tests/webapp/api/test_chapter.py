"""The chapter about the API: each of its lines can be typed, and is answered."""

import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import select

from mailboxes.crm.cases import Case
from tenants.database import db, inside
from tests.factories import make_api_token, make_mailbox, make_message

CHAPTER = Path(__file__).parents[3] / "docs" / "api.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", CHAPTER.read_text(), re.DOTALL)
LINES = [f"curl{line}" for block in BLOCKS for line in re.split(r"^curl", block, flags=re.MULTILINE)[1:]]


@pytest.fixture
def known(app, ours, theirs):
    smtp = {"smtp_enabled": True, "smtp_host": "smtp.example.test", "smtp_user": "help"}
    mailbox = make_mailbox(ours, account=smtp)
    message = make_message(ours, mailbox)
    with inside(ours.id):
        db.session.add(Case(subject="A case"))
        db.session.commit()
        case = db.session.scalars(select(Case)).one()
    return {
        "TOKEN": make_api_token(ours.admin),
        "URL": "/api/v1",
        "CONVERSATION": message.thread_id,
        "MESSAGE": message.id,
        "MEMBER": ours.member.id,
        "CASE": case.id,
        "person": ("mia@example.org", ours.member.user.address),
    }


def typed(app, line, known):
    """What a shell and curl would make of a line."""
    filled = re.sub(r"\$([A-Z]+)", lambda found: str(known[found[1]]), line.replace(*known["person"]))
    words = iter(shlex.split(filled.replace("\\\n", " "))[1:])
    headers, method, data, address = {}, "", None, ""
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-X":
            method = next(words)
        elif word == "-d":
            data = next(words)
        else:
            address = word
    method = method or ("POST" if data else "GET")
    return app.test_client().open(address, method=method, data=data, headers=headers)


def test_each_line_of_the_chapter_does_something(app, known):
    assert len(LINES) > 20
    answers = {}
    for line in LINES:
        answers[line] = typed(app, line, known)
        if '"label": "Orders"' in line:
            known["MAILBOX"] = answers[line].json["id"]
    assert {line: answer.text for line, answer in answers.items() if answer.status_code >= 400} == {}
