"""How the servers of tests are reached: on this machine, with a certificate of the tests' own authority."""

from mailboxes.imap import Encryption, ImapSettings
from mailboxes.smtp import SmtpSettings
from tests.certificates import Certificates
from tests.dovecot import Dovecot
from tests.faults.imap_server import ScriptedImap
from tests.smtp_sink import Sink


def imap_of(
    server: ScriptedImap | Dovecot, user: str, certificates: Certificates, encryption: Encryption = "tls"
) -> ImapSettings:
    return ImapSettings(
        host="localhost",
        port=server.port if encryption == "none" else server.tls_port,
        encryption=encryption,
        user=user,
        password=server.password,
        ca_file=str(certificates.ca_file),
    )


def smtp_of(sink: Sink, certificates: Certificates) -> SmtpSettings:
    return SmtpSettings(
        host="localhost",
        port=sink.tls_port,
        encryption="tls",
        user=sink.user,
        password=sink.password,
        ca_file=str(certificates.ca_file),
    )
