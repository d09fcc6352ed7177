"""What can go wrong with mail, and what a person can do about it.

Every failure of a conversation with a mail server is a `MailServerError`. Two questions decide what
a caller does with one: can trying again unchanged help (``is_permanent``), and is the connection
still in step with the server (``needs_reconnect``)? Nothing here repeats what a server said before
login: such a text could come from anywhere and would make a port scanner out of us (T8, F26).
"""

from http import HTTPStatus
from typing import ClassVar

from tenants.errors import AppError

AGAIN = "Try again in a few minutes."
BY_ITSELF = "It is tried again by itself."


class MailServerError(AppError):
    """A conversation with a mail server failed.

    ``is_permanent``: trying again without a change of settings cannot help, tell an administrator.
    ``needs_reconnect``: the connection is gone or out of step and must not be used again.
    ``retry_after``: seconds the server asked to be left alone, if it did.
    ``advice``: the next thing to do, for a person; `AGAIN` where there is nothing but to wait.
    """

    status = HTTPStatus.BAD_GATEWAY
    message = "The mail server could not be used."
    advice: str = AGAIN
    is_permanent: ClassVar[bool] = False
    needs_reconnect: ClassVar[bool] = True

    def __init__(
        self,
        message: str | None = None,
        *,
        advice: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.advice = advice or type(self).advice
        self.retry_after = retry_after

    @property
    def explained(self) -> str:
        """What went wrong and the next thing to do, for a person."""
        return f"{self.message} {self.advice}".strip()

    @property
    def advice_alone(self) -> str:
        """The next thing to do where nobody waits: what is tried again by itself is not somebody's to try."""
        return BY_ITSELF if self.advice == AGAIN else self.advice

    @property
    def told(self) -> str:
        """What went wrong in the background, and the next thing to do, for a person."""
        return f"{self.message} {self.advice_alone}".strip()


# --- reaching the server ---------------------------------------------------------------------


class EgressRefusedError(MailServerError):
    """The egress guard does not connect there. One text for every reason, on purpose (T8)."""

    message = "This server cannot be used."
    advice = (
        "Check the spelling of the host name and the port. If the server stands in your own "
        "network, a system administrator has to permit it."
    )
    is_permanent = True


class NameNotFoundError(EgressRefusedError):
    """The name has no address (now). Reads exactly like a refusal: names of inside stay unknown."""

    is_permanent = False


class NameLookupError(MailServerError):
    """A permitted name could not be looked up."""

    message = "The host name was not found."
    advice = "Check the spelling of the host name, or try again if the name service is out of order."


class PortClosedError(MailServerError):
    """Nothing listens there."""

    message = "The server refuses connections on this port."
    advice = "Check the port: 993 (SSL/TLS) or 143 (STARTTLS) for IMAP, 465 or 587 for SMTP."


class HostUnreachableError(MailServerError):
    """There is no way to the host."""

    message = "The server cannot be reached."
    advice = "Check the host name, and whether the server is in operation."


class ServerTimeoutError(MailServerError):
    """The server took longer than we wait: in connecting, or in answering one command."""

    message = "The server did not answer in time."
    advice = "Check host, port and encryption. If they are right, the server may be overloaded."


class ConnectionLostError(MailServerError):
    """The connection ended in the middle of the conversation."""

    message = "The server closed the connection unexpectedly."


# --- TLS -------------------------------------------------------------------------------------


class TlsError(MailServerError):
    """No trusted encrypted connection; nothing secret was sent (F28, F30)."""

    message = "A secure connection could not be made."
    advice = "Check port and encryption: 993 and 465 use SSL/TLS, 143 and 587 STARTTLS."
    is_permanent = True


class TlsUnavailableError(TlsError):
    """STARTTLS is required, and not offered or refused."""

    message = "The server does not offer STARTTLS on this port."
    advice = "Choose SSL/TLS with port 993 (IMAP) or 465 (SMTP), or ask your provider."


class NotTlsError(TlsError):
    """What answers on the port does not speak TLS."""

    message = "What answers on this port does not speak SSL/TLS."
    advice = "Choose STARTTLS for ports 143 and 587, SSL/TLS for ports 993 and 465."


class TlsVersionError(TlsError):
    """Only versions or ciphers that are no longer safe."""

    message = "The server speaks only outdated versions of TLS."
    advice = "The server has to offer TLS 1.2 or newer. Ask your provider."


class CertificateError(TlsError):
    """The certificate cannot be trusted."""

    message = "The server's certificate cannot be trusted."
    advice = "Ask the operator of the server for a certificate from a public authority."


class CertificateExpiredError(CertificateError):
    message = "The server's certificate has expired."
    advice = "The operator of the server has to renew the certificate."


class CertificateNotYetValidError(CertificateError):
    message = "The server's certificate is not valid yet."
    advice = "The operator of the server has to check certificate and clock."


class SelfSignedCertificateError(CertificateError):
    message = "The server's certificate is self-signed."
    advice = (
        "The server needs a certificate from a public authority, or a system administrator has to "
        "add its own authority (POSTROOM_CA_FILE)."
    )


class UnknownAuthorityError(CertificateError):
    message = "The server's certificate was issued by an unknown authority."
    advice = (
        "The server may not send its intermediate certificates. For a private authority, a system "
        "administrator has to add it (POSTROOM_CA_FILE)."
    )


class CertificateNameError(CertificateError):
    message = "The server's certificate is for another name."
    advice = "Use the host name that your provider documents; an alias or an IP address fails here."


# --- speaking --------------------------------------------------------------------------------


class ProtocolError(MailServerError):
    """The server said something unknown to its protocol: the conversation is out of step."""

    message = "The server's answer could not be understood."


class WrongProtocolError(ProtocolError):
    """Something else answers on this port. What it said is not repeated."""

    message = "What answers on this port does not speak the expected protocol."
    advice = "Check host and port: 993 or 143 for IMAP, 465 or 587 for SMTP."
    is_permanent = True


class NotWelcomeError(MailServerError):
    """The server greets, and refuses to hear who we are."""

    message = "The server refuses to talk to Postroom."
    advice = "Ask its operator what it demands of the name and the address of a machine that sends mail."
    is_permanent = True


class AnswerTooLongError(ProtocolError):
    """The server sends more than one command may answer with (F14, F18, F19)."""

    message = "The server sends more than can be accepted."


class UnsafeArgumentError(MailServerError):
    """A value holds characters that would become a command of their own (T11). Nothing was sent."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = "This value contains characters that cannot be sent to a mail server."
    advice = "Remove line breaks and control characters."
    is_permanent = True
    needs_reconnect = False


class AuthenticationFailedError(MailServerError):
    """User name or password are wrong, or this user may not sign in."""

    message = "The server did not accept the user name or password."
    advice = (
        "Type the password again. Some providers demand an app password, or that IMAP and SMTP are "
        "switched on in the account's settings."
    )
    is_permanent = True


class TokenRefusedError(AuthenticationFailedError):
    """A fresh access token was refused: the account may not use this protocol, or the user is another."""

    message = "The server did not let the connected account in."
    advice = (
        "Check that IMAP and SMTP are permitted for the account at its provider, and that it was "
        "connected as the right user. Then connect it again."
    )


class ConsentEndedError(AuthenticationFailedError):
    """Nobody may read the account any more: the permission was revoked, has expired, or was never given."""

    message = "The provider no longer lets Postroom into the account."
    advice = "The account has to be connected again, on the page of its mailbox."


class UnreadableConnectionError(AuthenticationFailedError):
    """The tokens of a connection were stored with a key that is not there."""

    message = "The stored connection of the account cannot be decrypted."
    advice = "Connect the account again, or restore the encryption key it was stored with."


class LoginDisabledError(MailServerError):
    """Signing in with a password is not offered (here, or without encryption). Nothing was sent."""

    message = "The server does not permit signing in with a password on this connection."
    advice = "Choose SSL/TLS or STARTTLS. If one is chosen already, ask your provider."
    is_permanent = True


class UnencryptedLoginError(TlsError):
    """The server greets as signed in before encryption could start (F27)."""

    message = "The server skips the secure connection that was asked for."
    advice = "Choose SSL/TLS with port 993."


class ServerUnavailableError(MailServerError):
    """Not now: overloaded, too many connections, or it says goodbye (F24, F25, F33)."""

    message = "The server is not available at the moment."
    advice = "Postroom tries again by itself."


class TooManyConnectionsError(ServerUnavailableError):
    """The server counts connections, of the account or of our address, and there are enough (F25)."""

    message = "The server permits no more connections at the moment."
    advice = "Other programs may hold them: Postroom needs three at most, and tries again by itself."


class TurnedAwayError(ServerUnavailableError):
    """It answers one command with a polite goodbye, or with *not now*: perhaps only where this message or
    folder is asked for (F24)."""

    message = "The server says that it cannot answer at the moment."


class TokenUnavailableError(ServerUnavailableError):
    """The provider gives no access token at the moment; the permission still holds."""

    message = "The provider of the account does not answer at the moment."


class ClientRefusedError(TokenUnavailableError):
    """The provider does not know this installation: a matter of system administrators."""

    message = "The provider does not accept this installation."
    advice = "A system administrator has to check client id and secret, under Google and Microsoft 365."


class ThrottledError(ServerUnavailableError):
    """We ask too much; ``retry_after`` says for how long to be quiet, if the server told (F34)."""

    message = "The server limits how often it may be asked."


class CommandRefusedError(MailServerError):
    """The server said NO or BAD to one command; the connection goes on."""

    message = "The server refused a command."
    needs_reconnect = False

    def __init__(
        self, message: str | None = None, *, code: str = "", text: str = "", advice: str | None = None
    ) -> None:
        """``code``: response code (``OVERQUOTA``) or ``""``; ``text``: what the server said."""
        super().__init__(message, advice=advice)
        self.code = code
        self.text = text


class FolderUnavailableError(CommandRefusedError):
    """The folder cannot be opened: deleted, renamed, not selectable, or not permitted (F38)."""

    message = "The folder cannot be opened."
    advice = "Retrieve the folders again and choose among them."


class MailboxFullError(CommandRefusedError):
    """There is no room left at the provider: nothing can be filed or marked there."""

    message = "The mailbox is full."
    advice = "Delete messages at the provider, or ask for more room there."


class UidValidityChangedError(MailServerError):
    """The folder was numbered anew while we read it: every UID in hand is worthless (F1)."""

    message = "The folder was renumbered by the server."
    advice = "Postroom reads the folder again."


class SendingRefusedError(MailServerError):
    """The SMTP server refused one step; ``code`` is its reply code."""

    message = "The server refused the message."
    needs_reconnect = False

    def __init__(self, message: str | None = None, *, code: int = 0, text: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.text = text
