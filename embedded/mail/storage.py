"""The mail of several people, in folders that survive a restart unchanged.

pymap's own Maildir backend rewrites messages (other line ends, other folding) and copies them
without their text, so this one keeps pymap's in-memory folders and mirrors them, byte for byte,
into Maildir++ folders whose file names carry the UID.
"""

import asyncio
import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from pymap.backend.dict.mailbox import MailboxData, MailboxSet, Message
from pymap.concurrent import Event
from pymap.exceptions import NotAllowedError
from pymap.flags import FlagOp
from pymap.interfaces.message import CachedMessage
from pymap.mailbox import MailboxSnapshot
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import ObjectId
from pymap.parsing.specials.flag import Answered, Deleted, Draft, Flag, Flagged, Seen
from pymap.selected import SelectedMailbox

from embedded.mail.people import MailUser, People

STANDARD_FOLDERS = ("Sent", "Drafts", "Trash", "Junk")

_LETTERS = {Draft: "D", Flagged: "F", Answered: "R", Seen: "S", Deleted: "T"}  # in this order
_FILE_NAME = re.compile(r"\d+\.U(?P<uid>\d+)\.postroom:2,(?P<letters>[A-Z]*)")


class Folder(MailboxData):
    """A folder in memory that keeps every message in ``path/cur`` too."""

    def __init__(self, path: Path, owner: "Folders") -> None:
        super().__init__(owner._content_cache, owner._thread_cache)
        self.path = path
        self._files: dict[int, Path] = {}
        for part in ("cur", "new", "tmp"):
            (path / part).mkdir(parents=True, exist_ok=True)

    async def load(self) -> None:
        """Take in what an earlier process left, under the same UIDs."""
        kept = self.path / "uids"
        if kept.exists():
            self._uid_validity, highest = map(int, kept.read_text().split())
        else:
            self._uid_validity, highest = MailboxSnapshot.new_uid_validity(), 0
        for uid, file in sorted(_messages_in(self.path)):
            self._max_uid = uid - 1
            await super().append(_as_appended(file))
            self._files[uid] = file
        self._max_uid = max([highest, *self._files])
        self._keep_uids()

    async def update_selected(
        self, selected: SelectedMailbox, *, wait_on: Event | None = None
    ) -> SelectedMailbox:
        """Wait for news only if there are none yet; pymap misses what came since it last looked."""
        is_current = selected.mod_sequence == self._mod_sequences.highest
        return await super().update_selected(selected, wait_on=wait_on if is_current else None)

    async def append(self, append_msg: AppendMessage, *, recent: bool = False) -> Message:
        message = await super().append(append_msg, recent=recent)
        self._write(message, append_msg.literal)
        return message

    async def copy(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        new_uid = await super().copy(uid, destination, recent=recent)
        if new_uid is not None and isinstance(destination, Folder):
            destination._write(destination._messages[new_uid], self._files[uid].read_bytes())
        return new_uid

    async def move(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        new_uid = await super().move(uid, destination, recent=recent)
        if new_uid is not None and isinstance(destination, Folder):
            old = self._files.pop(uid)
            destination._write(destination._messages[new_uid], old.read_bytes())
            old.unlink()
        return new_uid

    async def update(
        self, uid: int, cached_msg: CachedMessage, flag_set: frozenset[Flag], mode: FlagOp
    ) -> Message:
        message = await super().update(uid, cached_msg, flag_set, mode)
        if uid in self._files:
            self._files[uid] = self._files[uid].rename(self._file_of(message))
        return message

    async def delete(self, uids: Iterable[int]) -> None:
        doomed = list(uids)
        await super().delete(doomed)
        for uid in doomed:
            if uid in self._files:
                self._files.pop(uid).unlink()

    def _write(self, message: Message, raw: bytes) -> None:
        file = self._file_of(message)
        draft = self.path / "tmp" / file.name
        draft.write_bytes(raw)
        self._keep_uids()
        self._files[message.uid] = draft.rename(file)

    def _file_of(self, message: Message) -> Path:
        letters = "".join(_LETTERS[flag] for flag in _LETTERS if flag in message.permanent_flags)
        seconds = int(message.internal_date.timestamp())
        return self.path / "cur" / f"{seconds}.U{message.uid}.postroom:2,{letters}"

    def _keep_uids(self) -> None:
        """The highest UID outlives its message, or a later one would be taken for it."""
        (self.path / "uids").write_text(f"{self._uid_validity} {self._max_uid}")


class Folders(MailboxSet):
    """Everything one person has: INBOX in ``path``, the others in Maildir++ folders inside."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    async def load(self) -> None:
        """Read the folders from the disk, and create the usual ones that are missing."""
        self._inbox = await self._loaded(self.path)
        names = {_folder_name(place) for place in self.path.glob(".*") if place.is_dir()}
        for name in sorted(names | set(STANDARD_FOLDERS)):
            self._set[name] = await self._loaded(self._place(name))
            self._subscribed[name] = True

    async def add_mailbox(self, name: str) -> ObjectId:
        if name in self._set:
            raise ValueError(name)
        self._set[name] = folder = await self._loaded(self._place(name))
        return folder.mailbox_id

    async def delete_mailbox(self, name: str) -> None:
        await super().delete_mailbox(name)
        shutil.rmtree(self._place(name))

    async def rename_mailbox(self, before: str, after: str) -> None:
        if before.upper() == "INBOX":
            raise NotAllowedError("INBOX cannot be renamed here.")
        folders = dict(self._set)
        await super().rename_mailbox(before, after)
        for name, folder in self._set.items():
            if folders.get(name) is not folder and isinstance(folder, Folder):
                moved = folder.path.rename(self._place(name))
                folder._files = {uid: moved / "cur" / file.name for uid, file in folder._files.items()}
                folder.path = moved

    async def _loaded(self, place: Path) -> Folder:
        folder = Folder(place, self)
        await folder.load()
        return folder

    def _place(self, name: str) -> Path:
        parts = (quote(part, safe=" ").replace(".", "%2E") for part in name.split("/"))
        return self.path / ("." + ".".join(parts))


class Mail:
    """The mail of everybody, each person's folders loaded once and shared by all connections."""

    def __init__(self, folder: Path, people: People) -> None:
        self.folder = folder
        self.people = people
        self._loading = asyncio.Lock()
        self._loaded: dict[str, Folders] = {}

    async def folders_of(self, user: MailUser) -> Folders:
        """A person's folders; created on first use."""
        async with self._loading:
            if user.address not in self._loaded:
                folders = Folders(self.folder / quote(user.address.lower(), safe="@"))
                await folders.load()
                self._loaded[user.address] = folders
            return self._loaded[user.address]

    async def deliver(self, user: MailUser, raw: bytes) -> None:
        """Put a message into a person's INBOX; whoever idles there is told at once."""
        inbox = await (await self.folders_of(user)).get_mailbox("INBOX")
        await inbox.append(AppendMessage(raw, datetime.now(UTC)), recent=True)


def _messages_in(path: Path) -> Iterable[tuple[int, Path]]:
    for file in (path / "cur").iterdir():
        named = _FILE_NAME.fullmatch(file.name)
        if named:
            yield int(named["uid"]), file


def _as_appended(file: Path) -> AppendMessage:
    named = _FILE_NAME.fullmatch(file.name)
    letters = named["letters"] if named else ""
    when = datetime.fromtimestamp(int(file.name.split(".")[0]), UTC)
    flags = frozenset(flag for flag, letter in _LETTERS.items() if letter in letters)
    return AppendMessage(file.read_bytes(), when, flags)


def _folder_name(place: Path) -> str:
    return "/".join(unquote(part) for part in place.name[1:].split("."))
