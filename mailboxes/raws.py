"""The bytes of messages as fetched: small ones in PostgreSQL, large ones in the object store.

Kept once per owner, under the SHA-256 of the bytes. An object is written before the row that names
it commits; a crash in between leaves an object that nothing names, which the next try overwrites.
"""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import structlog
import zstandard
from sqlalchemy import Text, delete, exists, func, literal, select

from mailboxes.arrivals import Arrival, Raw
from mailboxes.messages import Message
from mailboxes.objects import delete_objects, keys_below, object_at, put_objects
from mailboxes.spool import Spool
from tenants.database import INSTALLATION, db, uuid7
from tenants.database.arrays import PackedList
from tenants.database.bulk import among, in_binary, insert_rows
from tenants.database.portions import write_later
from tenants.errors import OutsideOrganizationError

log = structlog.get_logger()

INLINE_BYTES = 256 * 1024  # larger messages go to the object store
LEVEL = 1  # half a percent larger than by the usual level, in two thirds of the time
READ_AT_ONCE = 100


class MissingRawError(RuntimeError):
    """The object store no longer has bytes that a row names."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A message ready to be stored: its digest and its compressed bytes, in a spool where it is large."""

    sha256: bytes
    size: int
    content: bytes | Spool

    @property
    def is_inline(self) -> bool:
        """Whether it goes into the database."""
        return self.size <= INLINE_BYTES

    @property
    def weight(self) -> int:
        """How many bytes of memory and of a statement it takes."""
        return len(self.content) if isinstance(self.content, bytes) else 0


def pack(content: bytes) -> Packed:
    """Compress a message; pure, so that it can be done outside of any transaction."""
    digest = hashlib.sha256(content).digest()
    return Packed(digest, len(content), _compressor(threading.get_ident()).compress(content))


@lru_cache(maxsize=64)
def _compressor(thread: int) -> zstandard.ZstdCompressor:  # it serves one thread, and takes a while to make
    return zstandard.ZstdCompressor(level=LEVEL)


def pack_spool(spool: Spool) -> Packed:
    """Compress a large message, a chunk at a time."""
    packed = Spool()
    compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj(size=spool.size)
    for chunk in spool.chunks():
        packed.add(compressor.compress(chunk))
    packed.add(compressor.flush())
    return Packed(spool.sha256, spool.size, packed)


def keep_raw(content: bytes, owner: UUID | None) -> Raw:
    """Keep the bytes of one message for an organization (None: the installation). The caller commits."""
    if (owner or INSTALLATION) != db.session.info.get("organization_id"):
        raise OutsideOrganizationError("a raw is kept for the owner the session is bound to")
    kept = keep_raws([pack(content)])[0]
    return db.session.scalars(select(Raw).where(Raw.id == kept)).one()


def keep_raws(packed: Sequence[Packed]) -> list[UUID]:
    """Keep many messages for the owner the session is bound to; their ids, in the same order."""
    owner = db.session.info["organization_id"]
    unique = {item.sha256: item for item in packed}
    known = _known(list(unique))
    missing = [item for digest, item in unique.items() if digest not in known]
    _lock_objects((_key(owner, item.sha256) for item in missing if not item.is_inline), is_shared=True)
    put_objects([(_key(owner, item.sha256), item.content) for item in missing if not item.is_inline])
    rows = [_row(owner, item) for item in missing]
    if insert_rows(Raw, rows, ignoring_conflicts=True) == len(rows):
        known.update({row["sha256"]: row["id"] for row in rows})
    else:  # another pass of the same owner kept some of them meanwhile
        known.update(_known([item.sha256 for item in missing]))
    return [known[item.sha256] for item in packed]


def keep_raw_later(content: bytes) -> UUID:
    """Keep bytes that are new (they have a Message-ID of their own) with the portion; their id."""
    packed = pack(content)
    if not packed.is_inline:
        return keep_raws([packed])[0]
    row = _row(db.session.info["organization_id"], packed)
    write_later(Raw, row)
    return cast("UUID", row["id"])


def raw_content(raw_id: UUID) -> bytes:
    """The bytes of a message as fetched. `MissingRawError` if the object store lost them."""
    contents = raw_contents([raw_id])
    if raw_id not in contents:
        raise MissingRawError(f"the bytes of {raw_id} are missing")
    return contents[raw_id]


def raw_contents(raw_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The bytes of many messages, by id of the raw; what the object store has lost is left out."""
    contents, decompressor = {}, zstandard.ZstdDecompressor()
    for row in _packed(list(set(raw_ids))):
        packed = row.content if row.content is not None else _object(row.object_key)
        if packed is not None:
            contents[row.id] = decompressor.decompress(packed, max_output_size=row.size)
    return contents


def _packed(raw_ids: Sequence[UUID]) -> Iterator[Any]:
    """The rows of raws, a portion at a time: what is packed and what is not are never all in memory."""
    for start in range(0, len(raw_ids), READ_AT_ONCE):
        portion = among(Raw.id, raw_ids[start : start + READ_AT_ONCE])
        query = select(Raw.id, Raw.size, Raw.content, Raw.object_key).where(portion)
        yield from db.session.execute(in_binary(query))


def forget_raws(raw_ids: Sequence[UUID]) -> list[str]:
    """Remove raws that neither an arrival nor a message names any more.

    Returns the objects to `forget_objects` once that is committed: a row never names a missing object.
    """
    named_by_arrival = exists().where(Arrival.raw_id == Raw.id, Arrival.owner_id == Raw.owner_id)
    named_by_message = exists().where(Message.raw_id == Raw.id, Message.organization_id == Raw.owner_id)
    gone = db.session.execute(
        delete(Raw)
        .where(Raw.id.in_(set(raw_ids)), ~named_by_arrival, ~named_by_message)
        .returning(Raw.object_key)
        .execution_options(synchronize_session=False)
    ).scalars()
    return [key for key in gone if key is not None]


def forget_objects(keys: Sequence[str]) -> None:
    """Delete objects whose rows are gone, and that no newer row names or is about to. The caller commits."""
    _lock_objects(keys, is_shared=False)
    named = set(db.session.scalars(select(Raw.object_key).where(Raw.object_key.in_(keys))))
    for key in set(keys) - named:
        delete_objects([key])


def forget_objects_of(owner: UUID) -> None:
    """Delete every object of an owner whose rows are gone, with those that no row ever named."""
    for keys in keys_below(str(owner)):
        delete_objects(keys)


def _lock_objects(keys: Iterable[str], *, is_shared: bool) -> None:
    """Until the transaction ends, nobody deletes an object whose row is not committed yet."""
    wanted = sorted(set(keys))  # one order, in which they are taken: nobody waits in a circle
    if wanted:
        lock = func.pg_advisory_xact_lock_shared if is_shared else func.pg_advisory_xact_lock
        key = func.unnest(literal(wanted, PackedList(Text()))).column_valued("key")
        db.session.execute(select(lock(func.hashtextextended(key, 0))))


def _known(digests: Sequence[bytes]) -> dict[bytes, UUID]:
    rows = db.session.execute(select(Raw.sha256, Raw.id).where(among(Raw.sha256, digests)))
    return {row.sha256: row.id for row in rows}


def _row(owner: UUID, item: Packed) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "sha256": item.sha256,
        "size": item.size,
        "content": item.content if item.is_inline else None,
        "object_key": None if item.is_inline else _key(owner, item.sha256),
    }


def _key(owner: UUID, digest: bytes) -> str:
    name = digest.hex()
    return f"{owner}/{name[:2]}/{name}"


def _object(key: str) -> bytes | None:
    try:
        return object_at(key)
    except FileNotFoundError:
        log.exception("object is missing", key=key)
        return None
