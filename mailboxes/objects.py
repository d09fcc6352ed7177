"""The object store, by key: a folder or a bucket.

Its library is loaded by the first who needs it. It weighs four megabytes, and most processes that serve
pages never do: only large messages are there.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import current_app

from mailboxes.spool import Spool
from tenants.application import settings_of

PARALLEL_UPLOADS = 4

Object = tuple[str, bytes | Spool]


def put_objects(objects: Sequence[Object]) -> None:
    """Store content under keys; it is durable when this returns."""
    if len(objects) <= 1:
        for one in objects:
            _put(_store(), one)
        return
    store = _store()
    with ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
        list(pool.map(lambda one: _put(store, one), objects))


def object_at(key: str) -> bytes:
    """What is stored there; `FileNotFoundError` where nothing is."""
    import obstore
    from obstore.exceptions import NotFoundError

    try:
        return bytes(obstore.get(_store(), key).bytes())
    except NotFoundError as error:
        raise FileNotFoundError(key) from error


def delete_objects(keys: Sequence[str]) -> None:
    """Delete what is there of these."""
    import obstore
    from obstore.exceptions import NotFoundError

    with suppress(NotFoundError, FileNotFoundError):
        obstore.delete(_store(), keys)


def keys_below(folder: str) -> Iterator[list[str]]:
    """All keys of a folder, in portions."""
    import obstore

    for found in obstore.list(_store(), prefix=f"{folder}/"):
        yield [one["path"] for one in found]


def _store() -> Any:
    return _store_at(settings_of(current_app).object_store, os.getpid())


@lru_cache(maxsize=4)
def _store_at(url: str, process_id: int) -> Any:  # its threads do not survive a fork
    from obstore.store import LocalStore, from_url

    if url.startswith("file:"):
        folder = unquote(urlsplit(url).path)
        Path(folder).mkdir(parents=True, exist_ok=True)
        return LocalStore(folder)
    return from_url(url)


def _put(store: Any, one: Object) -> None:
    import obstore
    from obstore.store import LocalStore

    key, content = one
    obstore.put(store, key, content if isinstance(content, bytes) else content.opened())
    if isinstance(store, LocalStore):
        _write_through(Path(str(store.prefix)) / key)


def _write_through(path: Path) -> None:
    """A folder has to survive a power cut as the database does: the file and its name."""
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
