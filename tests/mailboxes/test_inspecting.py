"""``postroom inspect``: one JSON object for each file, whatever is in it."""

import hashlib
import json
import os
import signal
from threading import Event

import pytest

from mailboxes import inspecting
from mailboxes.inspecting import inspect, inspect_files, line_of
from mailboxes.parsing import parse

KEYS = [
    *("file", "message_id", "in_reply_to", "references", "date", "from", "reply_to", "to", "cc", "bcc"),
    *("subject", "text", "reply_text", "html", "attachments", "is_automatic", "automatic_reasons"),
    *("is_bounce", "failed_recipients", "language", "defects"),
]
MESSAGE = (
    b"From: Ada <a@b.c>\r\nTo: Bob <d@e.f>\r\nSubject: x\r\nMessage-ID: <i@d>\r\n"
    b"Date: Tue, 5 Mar 2024 13:30:15 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nYes.\r\n-- \r\nAda\r\n--b\r\nContent-Type: text/html\r\n\r\n<p onclick=x>hi</p>\r\n"
    b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-ID: <c@d>\r\n\r\n%PDF\r\n--b--\r\n"
)


@pytest.fixture
def messages(tmp_path):
    def write(*contents: bytes):
        paths = [tmp_path / f"{number}.eml" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths

    return write


def test_the_object_has_its_keys_in_order():
    assert list(inspect(MESSAGE, "x.eml")) == KEYS


def test_what_is_understood_is_in_the_object():
    found = inspect(MESSAGE, "x.eml")
    assert found["file"] == "x.eml"
    assert found["from"] == {"name": "Ada", "address": "a@b.c"}
    assert found["date"] == "2024-03-05T12:30:15+00:00"
    assert found["reply_text"].startswith("Yes.")
    assert "<p>hi</p>" in found["html"]
    assert found["attachments"] == [
        {
            "filename": "a.pdf",
            "content_type": "application/pdf",
            "size": 4,
            "content_id": "c@d",
            "inline": True,
            "sha256": hashlib.sha256(b"%PDF").hexdigest(),
        }
    ]


def test_an_empty_file_has_an_object_too():
    found = inspect(b"", "x.eml")
    assert list(found) == KEYS
    assert (found["from"], found["date"], found["to"], found["text"]) == (None, None, [], "")


def test_attachments_are_extracted_by_their_hash(tmp_path, messages):
    folder = tmp_path / "out"
    folder.mkdir()
    list(inspect_files(messages(MESSAGE), folder))
    (path,) = folder.iterdir()
    assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()


def test_objects_come_in_the_order_of_the_files(messages):
    paths = messages(b"Subject: a\n\n", b"Subject: b\n\n", b"", b"Subject: d\n\n")
    found = list(inspect_files(paths))
    assert [one["subject"] for one in found] == ["a", "b", "", "d"]
    assert [one["file"] for one in found] == [str(path) for path in paths]


def test_a_file_is_told_of_whatever_bytes_its_name_has(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.eml")
    path.write_bytes("Subject: ①\n\n".encode())
    (found,) = inspect_files([path])
    told = json.loads(line_of(found).decode("utf-8"))
    assert (told["file"], told["subject"]) == (str(path), "①")


def test_a_reader_that_fails_says_so_and_goes_on(messages, monkeypatch):
    monkeypatch.setattr(inspecting, "parse", lambda raw: 1 / (raw != b"BROKEN") and parse(raw))
    broken, after = list(inspect_files(messages(b"BROKEN", b"Subject: b\n\n")))
    assert (broken["defects"], after["subject"]) == (["reader-failed: ZeroDivisionError"], "b")


def test_a_file_that_kills_its_reader_still_has_an_object(messages, monkeypatch):
    monkeypatch.setattr(inspecting, "parse", _killing(inspecting.parse))
    before, broken, after = inspect_files(messages(b"Subject: a\n\n", b"KILL", b"Subject: c\n\n"))
    assert (before["subject"], after["subject"]) == ("a", "c")
    assert broken["defects"] == ["reader-died"]
    assert list(broken) == KEYS


def _killing(parse):
    def killed(raw):
        if raw == b"KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        return parse(raw)

    return killed


def test_a_file_that_stalls_its_reader_still_has_an_object(messages, monkeypatch):
    monkeypatch.setattr(inspecting, "SECONDS_PER_FILE", 0.5)
    monkeypatch.setattr(inspecting, "parse", _stalling(inspecting.parse))
    stalled, after = inspect_files(messages(b"STALL", b"Subject: b\n\n"))
    assert stalled["defects"] == ["took-too-long"]
    assert after["subject"] == "b"


def _stalling(parse):
    def stalled(raw):
        if raw == b"STALL":
            Event().wait()
        return parse(raw)

    return stalled


def test_a_file_that_is_not_there_has_an_object(tmp_path):
    (found,) = inspect_files([tmp_path / "missing.eml"])
    assert found["defects"] == ["unreadable: No such file or directory"]


def test_the_command_prints_one_line_for_each_file(messages, capsys):
    assert inspecting.main([str(path) for path in messages(MESSAGE, b"\xff\xfe")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [list(json.loads(line)) for line in lines] == [KEYS, KEYS]
