"""``python -m benchmarks.idle_server``: an IMAP server for thousands of idling connections, in one process.

Anybody may sign in; there is one folder, INBOX, in which nothing lies. It prints its port. A connection that
says ``RING n`` as its first word is no client: the n-th idling connection is told of a new message, and
``COUNT`` answers how many idle.
"""

import selectors
import socket
import sys

CAPABILITY = b"* CAPABILITY IMAP4rev1 IDLE\r\n"
FOLDER = b"* 0 EXISTS\r\n* 0 RECENT\r\n* FLAGS ()\r\n* OK [UIDVALIDITY 1] .\r\n* OK [UIDNEXT 1] .\r\n"
STATUS = b'* STATUS "INBOX" (MESSAGES 0 UNSEEN 0 UIDNEXT 1 UIDVALIDITY 1)\r\n'
LIST = b'* LIST () "/" "INBOX"\r\n'
ANSWERS = {
    b"CAPABILITY": CAPABILITY,
    b"EXAMINE": FOLDER,
    b"SELECT": FOLDER,
    b"STATUS": STATUS,
    b"LIST": LIST,
    b"UID": b"* SEARCH\r\n",
    b"LOGOUT": b"* BYE .\r\n",
}


class Server:
    """Every connection is a socket, what it has said so far, and the tag of its IDLE."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.said: dict[socket.socket, bytes] = {}
        self.idling: dict[socket.socket, bytes] = {}

    def run(self) -> None:
        """Serve until the process ends."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self._welcome()
                elif isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)

    def _welcome(self) -> None:
        connection, _ = self.listener.accept()
        self.said[connection] = b""
        self.selector.register(connection, selectors.EVENT_READ)
        connection.sendall(b"* OK ready\r\n")

    def _hear(self, connection: socket.socket) -> None:
        try:
            said = connection.recv(4096)
        except OSError:
            said = b""
        if not said:
            self._forget(connection)
            return
        *lines, self.said[connection] = (self.said[connection] + said).split(b"\r\n")
        for line in lines:
            self._answer(connection, line.split())

    def _forget(self, connection: socket.socket) -> None:
        self.selector.unregister(connection)
        self.said.pop(connection, None)
        self.idling.pop(connection, None)
        connection.close()

    def _answer(self, connection: socket.socket, words: list[bytes]) -> None:
        if words[:1] == [b"RING"]:
            list(self.idling)[int(words[1])].sendall(b"* 1 EXISTS\r\n")
            connection.sendall(b"OK\r\n")
        elif words[:1] == [b"COUNT"]:
            connection.sendall(b"%d\r\n" % len(self.idling))
        elif words[:1] == [b"DONE"]:
            connection.sendall(self.idling.pop(connection, b"x") + b" OK .\r\n")
        elif words[1:2] == [b"IDLE"]:
            self.idling[connection] = words[0]
            connection.sendall(b"+ idling\r\n")
        elif len(words) > 1:
            connection.sendall(ANSWERS.get(words[1].upper(), b"") + words[0] + b" OK .\r\n")


if __name__ == "__main__":
    server = Server()
    sys.stdout.write(f"{server.listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server.run()
