"""Run the mail server in the foreground: ``python -m embedded.mail --folder … --users …``."""

import argparse
import asyncio
import logging
import os
import signal
from argparse import Namespace
from functools import partial
from pathlib import Path

from proxyprotocol.noop import ProxyProtocolNoop
from proxyprotocol.reader import ProxyProtocolReader
from pysasl.hashing import Cleartext

from embedded.mail.people import People
from embedded.mail.post import LARGEST_MESSAGE, CustomersPost, PostOffice, smtp_protocol
from embedded.mail.sessions import Configuration, Login, WholeResponses
from embedded.mail.storage import Mail

_LONGEST_COMMAND = 16 * 1024 * 1024  # a FETCH of a hundred thousand UIDs, one by one
_HOST = "127.0.0.1"


async def serve(folder: Path, users: Path, *, imap_port: int, smtp_port: int) -> None:
    """Answer on both ports until SIGTERM or SIGINT."""
    configuration = _configuration(imap_port)
    configuration.apply_context()
    mail = Mail(folder / "mailboxes", People(users))
    for user in (one for one in mail.people.everybody() if not one.reads_elsewhere):
        await mail.folders_of(user)
    office = PostOffice(mail, CustomersPost(folder / "customers"))
    imap = ProxyProtocolReader(configuration.proxy_protocol).get_callback(
        WholeResponses(Login(configuration, mail), configuration)
    )
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    servers = [
        await asyncio.start_server(imap, _HOST, imap_port, limit=_LONGEST_COMMAND),
        await loop.create_server(partial(smtp_protocol, office), _HOST, smtp_port),
    ]
    await asked_to_stop.wait()
    for server in servers:
        server.close()


def _configuration(port: int) -> Configuration:
    os.environ["FQDN"] = "localhost"  # pymap would ask the name service
    arguments = Namespace(passlib_cfg=None, proxy_protocol=None)
    return Configuration(
        arguments,
        host=_HOST,
        port=port,
        tls_enabled=False,
        hash_context=Cleartext(),
        proxy_protocol=ProxyProtocolNoop(),
        reject_dnsbl=False,
        max_append_len=LARGEST_MESSAGE,
        bad_command_limit=None,
    )


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the mail is kept")
    parser.add_argument("--users", type=Path, required=True, help="JSON file of people")
    parser.add_argument("--imap-port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(serve(given.folder, given.users, imap_port=given.imap_port, smtp_port=given.smtp_port))


if __name__ == "__main__":
    main()
