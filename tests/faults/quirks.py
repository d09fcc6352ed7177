"""What servers of certain makers say, re-created after the transcripts of MailKit's tests (MIT), in our words.

Each quirk changes a healthy server for good; with it every message has to arrive, once, with its flags.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.behaviours import for_messages, refuse, tell_then
from tests.faults.imap_server import Behaviour, Command, Session
from tests.faults.stage import Stage

Change = Callable[[Stage], None]


@dataclass(frozen=True)
class Quirk:
    """A server's way to speak: its greeting, what it can, its folders, and what it does at some verbs."""

    name: str
    greeting: bytes = b""
    capabilities: str = ""
    folders: tuple[bytes, ...] = ()
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    change: Change | None = None

    def apply(self, stage: Stage) -> None:
        """Let the server be of this kind."""
        server = stage.server
        server.greeting = self.greeting + b"\r\n" if self.greeting else server.greeting
        server.capabilities = self.capabilities or server.capabilities
        server.list_lines = list(self.folders) or None
        for verb, behaviour in self.behaviours.items():
            server.on(verb, behaviour)
        if self.change is not None:
            self.change(stage)


def _tagged(text: bytes) -> Callable[[Session, Command], None]:
    def send(session: Session, command: Command) -> None:
        session.line(command.tag.encode() + text)

    return send


def _completes(text: bytes, *lines: bytes) -> Behaviour:
    """Complete the command with this text after these lines."""

    def behave(session: Session, command: Command) -> bool:
        for line in lines:
            session.line(line)
        _tagged(text)(session, command)
        return True

    return behave


def _rewritten(change: Callable[[int, bytes], bytes]) -> Behaviour:
    """Every answer to a FETCH of a body, written otherwise."""
    return for_messages(lambda session, uid, good: change(uid, good))


def _flags_after_body(uid: int, good: bytes) -> bytes:
    return good.removesuffix(b")\r\n") + b" FLAGS (\\Seen $NotJunk) MODSEQ (0))\r\n"


def _details(write: Callable[[Session, int, bytes], bytes]) -> Behaviour:
    """Every answer to a FETCH without a body, written otherwise."""

    def behave(session: Session, command: Command) -> bool:
        wanted, _, items = command.arguments.partition(b" ")
        if b"BODY" in items:
            return False
        for uid in session.folder.asked(wanted.decode()):
            session.send(write(session, uid, session.fetch_answer(uid, items)))
        session.done(command)
        return True

    return behave


def _opened(*before: bytes) -> Behaviour:
    return tell_then(b"".join(line + b"\r\n" for line in before))


def _examined(*before: str, after: str = "") -> Behaviour:
    """Open a folder with these lines, one of them after the OK; the numbers are filled in."""

    def behave(session: Session, command: Command) -> bool:
        name = re.match(rb'"([^"]*)"', command.arguments)
        folder = session.server.folders.get(name[1]) if name else None
        if folder is None:
            return False
        session.selected = folder
        numbers = {"exists": len(folder.messages), "next": folder.uid_next, "validity": folder.uid_validity}
        for line in before:
            session.line(line.format(**numbers).encode())
        session.done(command, "[READ-ONLY] open")
        if after:
            session.line(after.format(**numbers).encode())
        return True

    return behave


def _reordered(session: Session, command: Command) -> bool:
    wanted, _, items = command.arguments.partition(b" ")
    for uid in reversed(session.folder.asked(wanted.decode())):
        session.send(session.fetch_answer(uid, items))
    session.done(command)
    return True


def _chunks(session: Session, command: Command) -> bool:
    if command.verb != "SEARCH":
        return False
    found = re.search(rb"UID ([\d:,*]+)", command.arguments)
    for uid in session.folder.asked(found[1].decode() if found else "1:*"):
        session.line(b"* SEARCH %d" % uid)
    session.done(command)
    return True


def _esearch(session: Session, command: Command) -> bool:
    found = re.search(rb"UID ([\d:,*]+)", command.arguments)
    uids = session.folder.asked(found[1].decode() if found else "1:*")
    told = b" ALL " + b",".join(b"%d" % uid for uid in uids) if uids else b""
    session.line(b'* ESEARCH (TAG "%s") UID%s' % (command.tag.encode(), told))
    session.done(command)
    return True


def _quoted(uid: int, good: bytes) -> bytes:
    """A body in quotes instead of a literal; what is in it needs none."""
    return re.sub(rb" \{\d+\}\r\n", b" ", good) if b'"' in good else good


def _lower(session: Session, uid: int, good: bytes) -> bytes:
    return good.lower()


INBOX_PROJECTS = (b'* LIST (\\HasNoChildren) "/" "INBOX"', b'* LIST () "/" "Projects"')
GMAIL = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS CONDSTORE ESEARCH MOVE"
ZOHO = "IMAP4rev1 UNSELECT CHILDREN XLIST NAMESPACE IDLE MOVE ID AUTH=PLAIN SASL-IR UIDPLUS WITHIN LITERAL- CONDSTORE"
ICLOUD = "XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 CONDSTORE ENABLE QRESYNC QUOTA UIDPLUS BINARY UNSELECT SORT IDLE X-SUN-IMAP"
EXCHANGE = "IMAP4 IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"

QUIRKS = (
    # Gmail
    Quirk("gmail/greeting", b"* OK Gimap ready for requests from 192.0.2.1 z9if1", GMAIL.replace(" ESEARCH", "")),
    Quirk("gmail/capability-in-login", behaviours={"LOGIN": _completes(b" OK me authenticated (Success)", b"* CAPABILITY " + GMAIL.replace(" ESEARCH", "").encode())}),
    Quirk("gmail/esearch", capabilities=GMAIL, behaviours={"SEARCH": _esearch}),
    Quirk("gmail/labels", behaviours={"FETCH": _details(lambda s, u, g: g.replace(b" FLAGS", b' X-GM-LABELS ("\\\\Inbox" "\\\\Important") X-GM-MSGID 1278455344230334865 FLAGS'))}),
    Quirk("gmail/highest-mod-seq", capabilities=GMAIL.replace(" ESEARCH", ""), behaviours={"EXAMINE": _opened(b"* FLAGS (\\Answered \\Flagged $Phishing)", b"* OK [PERMANENTFLAGS ()] Flags permitted.")}),
    Quirk("gmail/noselect-root", folders=(*INBOX_PROJECTS, b'* LIST (\\HasChildren \\Noselect) "/" "[Gmail]"', b'* LIST (\\All \\HasNoChildren) "/" "[Gmail]/All Mail"', b'* LIST (\\HasNoChildren \\Important) "/" "[Gmail]/Important"')),
    Quirk("gmail/alert", behaviours={"LOGIN": _completes(b" OK done", b"* OK [ALERT] Please log in via your web browser: https://support.example (Failure)")}),
    Quirk("gmail/expunge-during-fetch", behaviours={"FETCH": tell_then(b"* 3 EXPUNGE\r\n* 6 EXISTS\r\n")}),
    Quirk("gmail/quoted-items", behaviours={"FETCH": _rewritten(_quoted)}),
    Quirk("gmail/appendlimit", capabilities=GMAIL.replace("ESEARCH", "APPENDLIMIT=35651584")),
    # Yandex
    Quirk("yandex/greeting", b"* OK Yandex IMAP4rev1 at imap-1.example:993 ready to talk with ::ffff:192.0.2.1:5, 2024-Feb-13 08:17:42, gHf", "IMAP4rev1 CHILDREN UNSELECT LITERAL+ NAMESPACE XLIST UIDPLUS ENABLE ID AUTH=PLAIN IDLE MOVE"),
    Quirk("yandex/pipe", folders=(b'* LIST (\\HasNoChildren \\Marked \\NoInferiors) "|" INBOX', b'* LIST (\\HasNoChildren \\Unmarked) "|" Projects', b'* LIST (\\HasNoChildren) "|" "Drafts|template"')),
    Quirk("yandex/flags-first", behaviours={"EXAMINE": _opened(b"* FLAGS (\\Answered \\Seen $Forwarded)", b"* 1 RECENT", b"* OK [UNSEEN 8]")}),
    # Zoho
    Quirk("zoho/greeting", b"* OK svwall.example IMAP4 Server (Zoho Mail IMAP4rev1 Server version 1.0)", ZOHO),
    Quirk("zoho/uid-last", behaviours={"FETCH": _details(lambda s, u, g: re.sub(rb"\(UID (\d+) (.*)\)\r\n$", rb"(MODSEQ (0) \2 UID \1)\r\n", g, flags=re.DOTALL))}),
    Quirk("zoho/negative-mod-seq", capabilities=ZOHO, behaviours={"FETCH": _details(lambda s, u, g: g.replace(b"(UID", b"(MODSEQ (-1) UID"))}),
    Quirk("zoho/trailing-space", behaviours={"EXAMINE": _opened(b"* OK [PERMANENTFLAGS ()] No permanent flags permitted ", b"* 5333 RECENT")}),
    Quirk("zoho/utf7-names", folders=(*INBOX_PROJECTS, b'* LIST (\\Noinferiors \\Drafts) "/" "Entw&APw-rfe"', b'* LIST (\\Noinferiors \\Templates) "/" "Vorlagen"')),
    # Domino
    Quirk("domino/greeting", b"* OK Domino IMAP4 Server Release 9.0.1FP9 ready Fri, 14 Dec 2018 08:38:25 +0100", "IMAP4rev1 AUTH=PLAIN LITERAL+ NAMESPACE QUOTA UIDPLUS"),
    Quirk("domino/backslash", folders=(b'* LIST (\\Noinferiors \\HasNoChildren) "\\\\" Inbox', b'* LIST () "\\\\" Projects')),
    Quirk("domino/order", behaviours={"FETCH": _reordered}),
    Quirk("domino/dates", behaviours={"FETCH": _details(lambda s, u, g: re.sub(rb'INTERNALDATE "(\d\d)-(\w+)-(\d{4}) ([^ ]+) [^"]*"', rb'INTERNALDATE "\1-\2-\3 \4"', g))}),
    # Exchange
    Quirk("exchange/greeting", b"* OK The Microsoft Exchange IMAP4 service is ready. [TQBXAEgAUABSADIAMQBD]", EXCHANGE),
    Quirk("exchange/2003", b"* OK Microsoft Exchange Server 2003 IMAP4rev1 server version (6.5.7638.1) ready", "IMAP4 IMAP4rev1 IDLE LOGIN-REFERRALS MAILBOX-REFERRALS NAMESPACE LITERAL+ UIDPLUS CHILDREN"),
    Quirk("exchange/stray-code", behaviours={"NOOP": _completes(b" OK done", b"* 0 EXISTS"), "EXAMINE": _opened(b"* OK [COPYUID 55 31 6] x")}),
    Quirk("exchange/rounded-size", behaviours={"FETCH": _details(lambda s, u, g: re.sub(rb"RFC822\.SIZE \d+", b"RFC822.SIZE 1024", g))}),
    Quirk("exchange/missing-host", change=lambda stage: stage.add_raw(b"From: MISSING_MAILBOX@.MISSING-HOST-NAME.\r\nSubject: From nowhere\r\n\r\nx\r\n")),
    # Courier, Cyrus, UW
    Quirk("courier/greeting", b"* OK [CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE IDLE ACL STARTTLS] Courier-IMAP ready. Copyright 1998-2011", "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE SORT QUOTA IDLE AUTH=PLAIN ACL ACL2=UNION"),
    Quirk("courier/zero", behaviours={"FETCH": _rewritten(lambda u, g: re.sub(rb"^\* \d+", b"* 0", g))}),
    Quirk("courier/prefix", folders=(b'* LIST (\\HasChildren) "." "INBOX"', b'* LIST () "." "Projects"', b'* LIST () "." "INBOX.Sent"')),
    Quirk("cyrus/capability-in-login", b"* OK [CAPABILITY IMAP4 IMAP4rev1 LITERAL+ ID STARTTLS AUTH=PLAIN SASL-IR] imap.example Cyrus IMAP v2.3.13 server ready", behaviours={"LOGIN": _completes(b" OK [CAPABILITY IMAP4rev1 LITERAL+ LOGINDISABLED IDLE] Success (no protection)")}),
    Quirk("uw/greeting", b"* OK [CAPABILITY IMAP4REV1 I18NLEVEL=1 LITERAL+ SASL-IR AUTH=PLAIN] host IMAP4rev1 2007f.404 at Wed, 27 Mar 2019", "IMAP4REV1 I18NLEVEL=1 LITERAL+ SASL-IR UIDPLUS"),
    Quirk("uw/preauth", b"* PREAUTH [CAPABILITY IMAP4REV1 LITERAL+ IDLE] Pre-authenticated user me host"),
    # QQ, SmarterMail, Proton, Yahoo
    Quirk("qq/greeting", b"* OK [CAPABILITY IMAP4 IMAP4rev1 ID AUTH=PLAIN AUTH=LOGIN NAMESPACE] QQMail IMAP4Server ready", "IMAP4 IMAP4rev1 ID AUTH=PLAIN AUTH=LOGIN NAMESPACE"),
    Quirk("qq/empty-multipart", change=lambda stage: stage.add_raw(b'From: q@qq.test\r\nSubject: Empty\r\nContent-Type: multipart/mixed; boundary=""\r\n\r\n\r\n')),
    Quirk("smartermail/greeting", b"* OK IMAP4rev1 SmarterMail", "IMAP4rev1"),
    Quirk("proton/greeting", b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN ID APPENDLIMIT] IMAP4rev1 Service Ready", "IMAP4rev1 AUTH=PLAIN AUTH=LOGIN ID XSTOP APPENDLIMIT"),
    Quirk("yahoo/mixed-case-inbox", folders=(b'* LIST (\\HasNoChildren) "/" "Inbox"', b'* LIST () "/" "Projects"')),
    Quirk("yahoo/mailbox-id", capabilities="IMAP4rev1 ID MOVE NAMESPACE XYMHIGHESTMODSEQ UIDPLUS LITERAL+ CHILDREN OBJECTID", behaviours={"EXAMINE": _opened(b"* OK [HIGHESTMODSEQ 7]", b"* OK [MAILBOXID (27)] Ok")}),
    Quirk("yahoo/search-in-lines", behaviours={"*": _chunks}),
    # iCloud, Strato
    Quirk("icloud/qresync", b"* OK [CAPABILITY XAPPLEPUSHSERVICE IMAP4rev1 SASL-IR AUTH=PLAIN] (2428B47-26126cfe23cd) p00-example", ICLOUD, behaviours={"EXAMINE": _opened(b"* VANISHED (EARLIER) 41,43:116", b"* OK [CLOSED] closed")}),
    Quirk("icloud/flags-after-body", behaviours={"FETCH": _rewritten(_flags_after_body)}),
    Quirk("icloud/bad-condstore", capabilities=ICLOUD, behaviours={"FETCH": lambda session, command: b"CHANGEDSINCE" in command.arguments and refuse("BAD parse error")(session, command)}),
    Quirk("strato/dots", b"* OK [CAPABILITY IMAP4 IMAP4rev1 APPENDLIMIT=104857600 AUTH=PLAIN ENABLE] IMAP server ready (P2 TLSv1.2)", folders=(b'* LIST (\\HasChildren) "." "INBOX"', b'* LIST () "." "Projects"')),
    Quirk("strato/no-text", behaviours={"CAPABILITY": _completes(b" OK", b"* CAPABILITY IMAP4rev1 UIDPLUS IDLE LITERAL+")}),
    # DavMail
    Quirk("davmail/keep-alive", behaviours={"EXAMINE": _examined("*   {exists} EXISTS", "*  0 RECENT", "* OK [UIDVALIDITY 1]", "* OK [UIDNEXT {next}]")}),
    Quirk("davmail/blanks-in-fetch", behaviours={"FETCH": _rewritten(lambda u, g: re.sub(rb"^\* (\d+) FETCH ", rb"*  \1  FETCH  ", g))}),
    # whoever
    Quirk("common/count-after-ok", behaviours={"EXAMINE": _examined("* OK [UIDVALIDITY 1] ok", "* OK [UIDNEXT {next}] ok", after="* {exists} EXISTS")}),
    Quirk("common/no-count", behaviours={"EXAMINE": _examined("* OK [UIDVALIDITY 1] ok")}),
    Quirk("common/long-uidvalidity", behaviours={"EXAMINE": _examined("* {exists} EXISTS", "* OK [UIDVALIDITY 5000000000] ok", "* OK [UIDNEXT {next}] ok")}),
    Quirk("common/stuck-uidnext", behaviours={"EXAMINE": _examined("* {exists} EXISTS", "* OK [UIDVALIDITY 1] ok", "* OK [UIDNEXT 2] ok")}),
    Quirk("lowercase/everything", b"* ok [capability imap4rev1 starttls] dings imap.", "imap4rev1 starttls special-use", (b'* List (\\HasNoChildren) "/" "INBOX"', b'* List () "/" "Projects"'), {"FETCH": _details(_lower)}),
    Quirk("dovecot/alert-in-noop", behaviours={"SEARCH": tell_then(b"* OK [ALERT] System shutdown in 10 minutes\r\n")}),
    Quirk("dovecot/notify", behaviours={"FETCH": tell_then(b'* STATUS "Projects" (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 1)\r\n* LIST () "/" "New"\r\n')}),
    Quirk("common/nil-delimiter", folders=(b'* LIST () NIL "INBOX"', b'* LIST () NIL "Projects"')),
    Quirk("common/literal-names", folders=(b'* LIST () "/" {5}\r\nINBOX', b'* LIST () "/" {8}\r\nProjects')),
    Quirk("common/no-mod-seq", capabilities="IMAP4rev1 CONDSTORE LITERAL+ UIDPLUS", behaviours={"EXAMINE": _opened(b"* OK [NOMODSEQ] Sorry, this mailbox format does not support modsequences")}),
)  # fmt: skip
