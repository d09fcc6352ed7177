"""Who may sign in by IMAP, and what pymap shows them."""

from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import cast

from proxyprotocol.sock import SocketInfo
from pymap.backend.dict.mailbox import Message
from pymap.backend.session import BaseSession
from pymap.config import BackendCapability, IMAPConfig
from pymap.exceptions import InvalidAuth, NotAllowedError
from pymap.imap import IMAPServer
from pymap.interfaces.login import IdentityInterface, LoginInterface
from pymap.interfaces.token import TokensInterface
from pymap.token import AllTokens
from pymap.user import UserMetadata
from pysasl.creds.server import ServerCredentials

from embedded.mail.people import MailUser
from embedded.mail.storage import Folders, Mail

_FLUSHED_AT = 256 * 1024


class Configuration(IMAPConfig):
    """pymap's settings; they also carry our mail to the sessions."""

    @property
    def backend_capability(self) -> BackendCapability:
        return BackendCapability(idle=True, object_id=True, multi_append=True)


class Session(BaseSession[Message]):
    """One signed-in IMAP connection."""

    def __init__(self, owner: str, configuration: Configuration, folders: Folders) -> None:
        super().__init__(owner)
        self._configuration = configuration
        self._folders = folders

    @property
    def config(self) -> Configuration:
        return self._configuration

    @property
    def mailbox_set(self) -> Folders:
        return self._folders


class Login(LoginInterface):
    """Checks names and passwords against the users' file."""

    def __init__(self, configuration: Configuration, mail: Mail) -> None:
        super().__init__()
        self._configuration = configuration
        self._mail = mail
        self._tokens = AllTokens(configuration)

    @property
    def tokens(self) -> TokensInterface:
        return self._tokens

    async def authenticate(self, credentials: ServerCredentials) -> IdentityInterface:
        user = self._mail.people.mailbox_of(credentials.authcid)
        if user is None or user.address.lower() != credentials.authcid.lower():
            raise InvalidAuth
        identity = Identity(user, self._configuration, self._mail)
        if not credentials.verify(await identity.get()):
            raise InvalidAuth
        return identity

    async def authorize(self, authenticated: IdentityInterface, authzid: str) -> IdentityInterface:
        if authenticated.name.lower() != authzid.lower():
            raise NotAllowedError("Nobody may act for somebody else here.")
        return authenticated


class Identity(IdentityInterface):
    """One person, as pymap asks for them. People are changed in their file only."""

    def __init__(self, user: MailUser, configuration: Configuration, mail: Mail) -> None:
        super().__init__()
        self._user = user
        self._configuration = configuration
        self._mail = mail

    @property
    def name(self) -> str:
        return self._user.address

    @property
    def roles(self) -> frozenset[str]:
        return frozenset()

    @asynccontextmanager
    async def new_session(self) -> AsyncIterator[Session]:
        folders = await self._mail.folders_of(self._user)
        yield Session(self.name, self._configuration, folders)

    async def new_token(self, *, expiration: datetime | None = None) -> str | None:
        return None

    async def get(self) -> UserMetadata:
        return UserMetadata(self._configuration, self.name, password=self._user.password)

    async def set(self, metadata: UserMetadata) -> int | None:
        raise NotAllowedError("People are changed in the users' file.")

    async def delete(self) -> None:
        raise NotAllowedError("People are removed from the users' file.")


class WholeResponses(IMAPServer):
    """Sends each response in one piece; imaplib gives up on a line that comes in two."""

    async def __call__(self, reader: StreamReader, writer: StreamWriter, sock_info: SocketInfo) -> None:
        await super().__call__(reader, cast("StreamWriter", _Gathering(writer)), sock_info)


class _Gathering:
    """The part of a `StreamWriter` that pymap uses; writes go out when it drains."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer
        self._pieces = bytearray()

    def write(self, piece: bytes) -> None:
        self._pieces += piece
        if len(self._pieces) > _FLUSHED_AT:
            self._flush()

    def writelines(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.write(piece)

    async def drain(self) -> None:
        self._flush()
        await self._writer.drain()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write(bytes(self._pieces))
        self._pieces.clear()
