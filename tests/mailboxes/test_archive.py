"""The archive of an organization: all of its mail as it came, its records, and nothing of the neighbour."""

import io
import mailbox as mail_programs
import re
from contextlib import closing
from zipfile import ZipFile

from mailboxes.archive import archived
from mailboxes.crm.leads import Lead
from mailboxes.drafts import Draft
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.raws import raw_content
from mailboxes.threads.notes import write_note
from mailboxes.timeline import record
from tenants.database import db, now
from tests.factories import make_mailbox, make_message, make_thread
from tests.mailboxes.arriving import letter, receive


def archive_of(inside, world, reader=None):
    with inside(world):
        return ZipFile(io.BytesIO(b"".join(archived(reader))))


def lines_of(raw):
    return raw.strip().splitlines()


def test_every_message_is_in_it_as_it_came_and_a_mail_program_reads_it(inside, ours, theirs, tmp_path):
    box = make_mailbox(ours, address="help@acme.test")
    kept = [make_message(ours, box, text=text) for text in ("First", "From the start\n>From here\nlast")]
    make_message(theirs, make_mailbox(theirs, address="help@acme.test"), text=theirs.canary)
    archive = archive_of(inside, ours)
    assert archive.testzip() is None
    path = tmp_path / "help.mbox"
    path.write_bytes(archive.read("mail/help@acme.test.mbox"))
    with closing(mail_programs.mbox(path)) as box_file:
        found = [one.as_bytes() for one in box_file]
    with inside(ours):
        stored = [raw_content(message.raw_id) for message in kept]
    assert [lines_of(re.sub(rb"(?m)^>(>*From )", rb"\1", one)) for one in found] == [*map(lines_of, stored)]
    whole = b"".join(archive.read(name) for name in archive.namelist())
    assert theirs.canary.encode() not in whole


def test_records_and_the_configuration_are_in_it(inside, ours, theirs):
    make_mailbox(ours, address="help@acme.test")
    thread = make_thread(ours, make_mailbox(ours))
    with inside(ours):
        db.session.add(Lead(name="=cmd", notes="A note"))
        write_note(thread, "For colleagues", ours.member)
        db.session.commit()
    archive = archive_of(inside, ours)
    assert "help@acme.test" in archive.read("configuration.yaml").decode()
    leads = archive.read("records/leads.csv").decode()
    assert "A note" in leads
    assert "For colleagues" in archive.read("records/notes.csv").decode()
    assert ",'=cmd," in leads  # no formula for a spreadsheet
    assert {"records/cases.csv", "records/contacts.csv", "records/audit-log.csv"} <= set(archive.namelist())


def test_drafts_and_the_timeline_are_in_it_and_it_says_what_is_not(inside, ours, theirs):
    box, neighbours = make_mailbox(ours, address="help@acme.test"), make_mailbox(theirs)
    gone, theirs_gone = make_message(ours, box, subject="Too large"), make_message(theirs, neighbours)
    for world, message, mailbox in ((ours, gone, box), (theirs, theirs_gone, neighbours)):
        with inside(world):
            db.session.get(Message, (world.id, message.id)).raw_id = None
            record(message, "fetched", "left", f"It is too large for {world.canary}.")
            draft = Draft(membership_id=world.member.id, mailbox_id=mailbox.id, body=f"Unsent {world.canary}")
            db.session.add(draft)
            db.session.commit()
    archive = archive_of(inside, ours)
    records = {name: archive.read(f"records/{name}.csv").decode() for name in ("drafts", "timeline")}
    assert f"Unsent {ours.canary}" in records["drafts"]
    assert f"It is too large for {ours.canary}." in records["timeline"]
    missing = archive.read("records/messages-without-bytes.csv").decode()
    assert "Too large" in missing
    assert len(missing.splitlines()) == 2
    about = archive.read("README.txt").decode()
    assert ours.name in about
    for words in ("passwords, tokens and keys", "attached to drafts", "messages-without-bytes.csv"):
        assert words in about.partition("Not in it:")[2]
    whole = b"".join(archive.read(name) for name in archive.namelist())
    assert theirs.canary.encode() not in whole


def test_who_downloads_it_gets_only_their_own_unsent_drafts(inside, ours, theirs):
    box = make_mailbox(ours, readers=(ours.admin, ours.member))
    handed = make_message(ours, box)
    with inside(ours):
        letter = Outgoing(
            mailbox_id=box.id, message_id=handed.id, kind="reply", header_id="<1@x.test>", give_up_at=now()
        )
        db.session.add(letter)
        db.session.flush()
        for member, name in ((ours.admin, "Mine"), (ours.member, "Private")):
            for body, sent in ((f"<{name}>", None), (f"<{name}, sent>", letter.id)):
                db.session.add(Draft(membership_id=member.id, mailbox_id=box.id, body=body, outgoing_id=sent))
        db.session.commit()
    downloaded, at_the_terminal = archive_of(inside, ours, ours.admin), archive_of(inside, ours)
    drafts = downloaded.read("records/drafts.csv").decode()
    assert re.findall("<(.+?)>", drafts) == ["Mine"]
    assert at_the_terminal.read("records/drafts.csv").decode().count("Private") == 2
    assert "drafts of other people" in downloaded.read("README.txt").decode().partition("Not in it:")[2]
    assert "drafts of other people" not in at_the_terminal.read("README.txt").decode()


def test_it_is_written_while_it_is_read(inside, ours, theirs, monkeypatch):
    box = make_mailbox(ours)
    for number in range(3):
        make_message(
            ours, box, text=f"{number} " + "".join(chr(33 + (number * i * i) % 90) for i in range(9000))
        )
    asked = []
    with inside(ours):
        from mailboxes import archive

        monkeypatch.setattr(
            archive, "raw_contents", lambda ids: asked.append(1) or {id: raw_content(id) for id in ids}
        )
        pieces = archived()
        next(pieces)
        assert asked == []
        assert sum(map(len, pieces)) > 0
    assert len(asked) == 3


def test_every_step_of_a_delivery_is_a_line_of_the_timeline(inside, ours):
    receive(ours, make_mailbox(ours), letter())
    lines = archive_of(inside, ours).read("records/timeline.csv").decode().splitlines()[1:]
    stages = [line.split(",")[4] for line in lines]
    assert stages == ["fetched", "parsed", "classified", "threaded", "stored"]
    assert [line.split(",")[2] for line in lines] == ["1", "2", "3", "4", "5"]
