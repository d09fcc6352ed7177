"""Scores on real messages that nobody in this project wrote (the corpus and its README).

The floors are counts of messages; raise one when a better reading passes it.
"""

import hashlib
import json
import os
import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import html5lib
import pytest

from mailboxes.classifying import classify
from mailboxes.inspecting import inspect
from mailboxes.parsing import DEFAULT, ParsedMessage, attachment_contents, parse
from mailboxes.parsing.headers import with_line_feeds
from mailboxes.parsing.html_text import text_of_html
from mailboxes.parsing.parts import Part, part_tree
from mailboxes.parsing.values import Defects
from mailboxes.quoting import reply_text
from mailboxes.sanitizing import sanitize

CORPUS = Path(os.environ.get("POSTROOM_CORPUS") or Path(__file__).parents[2] / "../shared/corpus").resolve()

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(
        not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}; name its folder in POSTROOM_CORPUS"
    ),
]

Record = dict[str, Any]

PAYLOADS = frozenset({"xss-bleach", "xss-patt", "mailkit-imap", "imaptest"})
PERSONAL_HAM = frozenset({"easy-ham-2", "hard-ham-1"})
# Ham with none of these is taken to be written by a person to a person.
LIST_SIGNS = re.compile(
    rb"(?im)^(?:list-[a-z]+|mailing-list|x-mailing-list|x-beenthere|x-mailman-version|x-loop"
    rb"|errors-to|precedence|x-list[a-z-]*|x-egroups-[a-z-]+|feedback-id|x-ml-name)\s*:"
    rb"|^(?:return-path|sender)\s*:.*(?:owner-|-owner|-request|-admin|bounce|errors|listserv)"
    rb"|^from\s*:.*(?:owner-|-request@|no-?reply|do_?not_?reply|nobody@)"
)


@cache
def scorer() -> dict[str, Any]:
    """The corpus's own ``score.py``: what a field must be to be met."""
    return runpy.run_path(str(CORPUS / "score.py"))


def records(name: str) -> list[Record]:
    lines = (CORPUS / f"manifest-{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def raw_of(record: Record) -> bytes:
    """The message, without the mbox line that some files begin with."""
    raw = (CORPUS / record["file"]).read_bytes()
    return re.sub(rb"\AFrom [^\n]*\n", b"", raw)


def unmet(record: Record, folder: Path) -> list[str]:
    """The fields of a record that are neither met nor contested."""
    found = inspect(raw_of(record), record["file"], folder)
    contested = {{"text_contains": "text"}.get(field, field) for field in record.get("contested", ())}
    results = scorer()["checks"](record["expect"], found, str(folder))
    return [field for field, met, _ in results if not met and field not in contested]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # score.py leaves files open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# Of imap_tools one message says Latin-1 and holds UTF-8, which is expected as Latin-1, and read as UTF-8.
@pytest.mark.parametrize(("name", "floor"), [("imap_tools", 105), ("webklex", 38), ("auto-bounce", 111)])
def test_messages_are_understood(name, floor, tmp_path):
    misses = {record["file"]: unmet(record, tmp_path) for record in records(name)}
    missed = {file: fields for file, fields in misses.items() if fields}
    assert len(misses) - len(missed) >= floor, f"not met: {missed}"


def leaves(part: Part) -> list[Part]:
    """The parts without parts of their own, in order; a text with files is one, an empty multipart none."""
    if not part.children or part.content_type == "text/plain":
        return [] if part.content_type.startswith("multipart/") else [part]
    return [leaf for child in part.children for leaf in leaves(child)]


def test_every_leaf_part_is_decoded():
    met = 0
    for record in records("mime4j"):
        tree = part_tree(with_line_feeds(raw_of(record)), DEFAULT, Defects())
        contents = [leaf.content().replace(b"\r\n", b"\n").rstrip(b"\r\n") for leaf in leaves(tree)]
        wanted = [body["sha256_lf_rstrip"] for body in record["expect"]["leaf_bodies"]]
        met += [hashlib.sha256(content).hexdigest() for content in contents] == wanted
    assert met >= 73


def bare(text: str) -> str:
    return re.sub(r"[\s*_]+", "", text)


def test_replies_are_told_from_what_they_quote():
    met = 0
    for record in records("replies"):
        expect, raw = record["expect"], (CORPUS / record["file"]).read_bytes()
        if record["kind"] == "eml":
            met += bare(reply_text(parse(raw).text)) == bare(expect["reply_text"])
        elif record["kind"] == "html-body":
            reply = reply_text(text_of_html(raw.decode("utf-8", "replace"), 1_000_000))
            met += "".join(reply.split()) == expect["reply_text_equals_ignoring_ws"]
    assert met >= 19  # of 21; two of them count the signature to the reply


def test_hardly_any_personal_message_is_taken_for_automatic():
    suppressed, personal = [], 0
    for folder in sorted(PERSONAL_HAM):
        for path in sorted((CORPUS / "spamassassin-public" / folder).iterdir()):
            raw = path.read_bytes()
            if LIST_SIGNS.search(re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]):
                continue
            personal += 1
            found = classify(parse(raw), raw)
            if found.is_automatic:
                suppressed.append((path.name, found.automatic_reasons))
    assert personal >= 100
    assert len(suppressed) * 1000 <= personal * 5, f"{len(suppressed)} of {personal}: {suppressed}"


def message_files() -> list[Path]:
    folders = [folder for folder in sorted(CORPUS.iterdir()) if folder.is_dir()]
    return [
        path
        for folder in folders
        if folder.name not in PAYLOADS
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "SOURCE.txt"
    ]


def test_no_file_is_too_odd_and_nothing_is_lost():
    files = message_files()
    assert len(files) > 1_500
    for path in files:
        raw = path.read_bytes()
        inspect(raw, path.name)
        assert_nothing_is_lost(raw, parse(raw), path)


def assert_nothing_is_lost(raw: bytes, parsed: ParsedMessage, path: Path) -> None:
    """What has a body has a text, a page or an attachment, and attachments come out again."""
    body = re.split(rb"\r*\n\r*\n|\r\r", raw, maxsplit=1)
    has_content = len(body) > 1 and re.search(rb"[A-Za-z]{4}", re.sub(rb"(?m)^--.*$", b"", body[1]))
    shown = parsed.text.strip() or parsed.html or parsed.attachments or parsed.reports
    is_short_multipart = any(part.content_type.startswith("multipart/") for part in parsed.parts)
    assert shown or not has_content or is_short_multipart, f"{path}: nothing is shown"
    contents = attachment_contents(raw, [attachment.position for attachment in parsed.attachments])
    assert [len(content) for content in contents] == [one.size for one in parsed.attachments], path


ACTIVE = frozenset(
    {"script", "style", "iframe", "object", "embed", "svg", "math", "form", "input", "button"}
    | {"meta", "base", "link", "template", "textarea", "select", "frame", "frameset", "applet"}
)
RUNS = re.compile(r"(?:java|vb|live)script\s*:|data:(?!image/)|expression\s*\(|url\s*\(", re.IGNORECASE)


def assert_harmless(payload: str) -> None:
    clean = sanitize(payload).html
    for element in html5lib.parseFragment(clean, namespaceHTMLElements=False).iter():
        assert element.tag not in ACTIVE, f"{payload!r} left {clean!r}"
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), f"{payload!r} left {clean!r}"
            assert name in ("alt", "title") or not RUNS.search(value), f"{payload!r} left {clean!r}"


def test_no_hostile_payload_stays_active():
    for record in records("xss"):
        assert_harmless(record["payload"])


def test_the_pages_of_real_messages_are_harmless():
    for path in sorted((CORPUS / "spamassassin-public").rglob("*.txt")):
        html = parse(path.read_bytes()).html
        if html is not None:
            assert_harmless(html)
