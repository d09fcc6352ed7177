"""Rows F27 to F30 and F35: encryption, certificates, and what a server says it can do."""

from typing import TYPE_CHECKING

from tests.faults.behaviours import refuse
from tests.faults.faults import ALWAYS, behaviour, change, demand
from tests.faults.imap_server import CAPABILITIES, Command, Session
from tests.faults.stage import GREETING, Stage

if TYPE_CHECKING:
    from tests.faults.scenario import Happened


@change("F27/starttls", "PREAUTH where STARTTLS is required", fails_check=True)
def preauth_before_encryption(stage: Stage) -> None:
    stage.connect(encryption="starttls")
    stage.server.greeting = b"* PREAUTH welcome\r\n"


@change("F27/tls", "PREAUTH under TLS")
def preauth_under_tls(stage: Stage) -> None:
    stage.connect(encryption="tls")
    stage.server.greeting = b"* PREAUTH welcome\r\n"


@change("F28/stripped", "STARTTLS is not offered", fails_check=True)
def stripped(stage: Stage) -> None:
    stage.connect(encryption="starttls")
    stage.server.capabilities = CAPABILITIES.replace(" STARTTLS", "")


@change("F28/refused", "STARTTLS is refused", fails_check=True)
def refused(stage: Stage) -> None:
    stage.connect(encryption="starttls")
    stage.server.on("STARTTLS", refuse("NO not today"))


@change("F28/injected", "plain text is slipped in after STARTTLS", fails_check=True)
def injected(stage: Stage) -> None:
    stage.connect(encryption="starttls")

    def slip_in(session: Session, command: Command) -> bool:
        session.send(f"{command.tag} OK begin\r\n* CAPABILITY IMAP4rev1 LOGIN\r\n".encode())
        return True

    stage.server.on("STARTTLS", slip_in)


@change("F28/asked-again", "other capabilities after STARTTLS than before")
def asked_again(stage: Stage) -> None:
    stage.connect(encryption="starttls")

    def logins_before(session: Session, command: Command) -> bool:
        is_plain = b"STARTTLS" not in bytes(session.server.received)
        if is_plain:
            session.line(b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED")
            session.done(command)
        return is_plain

    stage.server.on("CAPABILITY", logins_before)


@change("F29", "LOGINDISABLED without encryption", fails_check=True)
def login_disabled(stage: Stage) -> None:
    stage.server.capabilities = "IMAP4rev1 STARTTLS LOGINDISABLED"


@change("F30/expired", "an expired certificate", fails_check=True)
def expired(stage: Stage) -> None:
    stage.connect(encryption="tls")
    stage.server.present(stage.certificates.expired())


@change("F30/name", "a certificate for another name", fails_check=True)
def another_name(stage: Stage) -> None:
    stage.connect(encryption="starttls")
    stage.server.present(stage.certificates.of_another_name())


@change("F30/authority", "a certificate of an unknown authority", fails_check=True)
def another_authority(stage: Stage) -> None:
    stage.connect(encryption="tls")
    stage.server.present(stage.certificates.of_another_authority())


@change("F30/plain", "no TLS on the port for TLS", fails_check=True)
def no_tls(stage: Stage) -> None:
    stage.connect(encryption="tls")
    stage.server.on("connect", _greets_plainly)


def _greets_plainly(session: Session, command: Command) -> bool:
    session.send(GREETING)
    return True


@demand("F28/stripped", phases=ALWAYS)
@demand("F28/refused", phases=ALWAYS)
@demand("F28/injected", phases=ALWAYS)
@demand("F27/starttls", phases=ALWAYS)
@demand("F29", phases=ALWAYS)
@demand("F30", phases=ALWAYS)
def no_password_was_sent(stage: Stage, happened: "Happened") -> None:
    told = stage.server.received[stage.heard_before :]
    assert stage.server.password.encode() not in told
    assert b"LOGIN" not in told
    assert b"AUTHENTICATE" not in told


BARE = "IMAP4rev1"
RICH = (
    "IMAP4rev1 CONDSTORE QRESYNC ENABLE ESEARCH LIST-EXTENDED LIST-STATUS SPECIAL-USE LITERAL- IDLE UIDPLUS"
)


@change("F35/bare", "nothing but IMAP4rev1")
def bare(stage: Stage) -> None:
    stage.server.capabilities = BARE


@change("F35/lies", "CONDSTORE, QRESYNC, ESEARCH and extended LIST are promised and refused")
def lies(stage: Stage) -> None:
    stage.server.capabilities = RICH

    def refuses_the_promised(session: Session, command: Command) -> bool:
        promised = (b"CONDSTORE", b"RETURN", b"CHANGEDSINCE")
        if any(word in command.arguments for word in promised):
            session.line(f"{command.tag} BAD unknown parameter".encode())
            return True
        return False

    stage.server.on("*", refuses_the_promised)


@change("F35/negative", "MODSEQ is -1 (Zoho)")
def negative_mod_seq(stage: Stage) -> None:
    stage.server.capabilities = CAPABILITIES + " CONDSTORE"

    def tell(session: Session, command: Command) -> bool:
        session.send(b"* OK [HIGHESTMODSEQ -1] changes\r\n")
        return False

    stage.server.on("EXAMINE", tell)
    for folder in stage.server.folders.values():
        folder.mod_seq = -1


@change("F35/stuck", "MODSEQ never changes, whatever does")
def stuck_mod_seq(stage: Stage) -> None:
    stage.server.capabilities = CAPABILITIES + " CONDSTORE"
    for folder in stage.server.folders.values():
        folder.mod_seq = 1


@change("F35/backward", "MODSEQ goes backward")
def backward_mod_seq(stage: Stage) -> None:
    stage.server.capabilities = CAPABILITIES + " CONDSTORE"
    stage.sync()
    inbox = stage.server.folder()
    uid = stage.add()
    inbox.flag(uid, "\\Seen")
    inbox.mod_seq = 2


@change("F35/after-login", "capabilities change after the login")
def after_login(stage: Stage) -> None:
    def tells_otherwise(session: Session, command: Command) -> bool:
        if b"LOGIN" not in bytes(session.server.received[stage.heard_before :]):
            session.line(b"* CAPABILITY IMAP4rev1 CONDSTORE LITERAL+")
            session.done(command)
            return True
        return False

    stage.server.on("CAPABILITY", tells_otherwise)


behaviour("F35/vanished", "VANISHED and other words of extensions nobody asked for", "EXAMINE")(
    lambda session, command: bool(
        session.send(b"* VANISHED (EARLIER) 41,43:116\r\n* OK [CLOSED] closed\r\n* OK [MAILBOXID (27)] x\r\n")
    )
)
