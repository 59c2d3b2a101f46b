"""A database's warehouse, runs, ledger, and pages at a target, for workers that share no disk.

A state is one archive that never changes, under a new key; the registry says which key counts. So
a worker that was given up, but still runs, cannot overwrite what its successor has stored. A worker
whose own disk has the state already does not download it.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from d1lab.config import Settings
from d1lab.errors import D1labError
from d1lab.files import write
from d1lab.fleet.packing import pack, unpack
from d1lab.fleet.store import Store, open_store
from d1lab.pages.storage import LOCK

MARK = ".state"
"""File in a database's data folder: the key of the state that the folder has."""

_LEFT_OUT = (MARK, LOCK)
_PARTS = ("data", "pages")


def fetch_state(settings: Settings, target: str, key: str, *, from_nothing: bool = False) -> None:
    """Bring a database's folders on this disk to a stored state; without a target they are it.

    Args:
        settings: Those of the database.
        target: The fleet's target.
        key: The state's key; '' for none yet: what was kept without a target goes on.
        from_nothing: Whether to delete the folders instead.

    Raises:
        D1labError: The state cannot be read; the folders stay as they are.
    """
    if from_nothing:
        _clear(settings)
    elif target and key:
        if _mark(settings) != key:
            _unpack(settings, target, key)
    elif target and (settings.data_dir / MARK).exists():  # a state that no longer counts
        _clear(settings)


def _unpack(settings: Settings, target: str, key: str) -> None:
    content = open_store(target, settings.data_dir).read(_path(settings.database, key))
    if content is None:
        raise D1labError(
            f"the state {key} of database {settings.database!r} is missing in {target}. Restore "
            f"it, or forget it: d1lab fleet run {settings.database} --from-nothing"
        )
    _clear(settings)
    write(settings.data_dir / MARK, "")  # until all files are there
    unpack(content, _folders(settings))
    write(settings.data_dir / MARK, key)


def _clear(settings: Settings) -> None:
    for folder in _folders(settings).values():
        shutil.rmtree(folder, ignore_errors=True)


def store_state(settings: Settings, target: str, key: str, *, changed: bool) -> str:
    """Store a database's folders, and return the key of the state.

    Args:
        settings: Those of the database.
        target: The fleet's target; '' keeps everything on this disk.
        key: The key so far, which stays if nothing changed.
        changed: Whether the folders differ from that state.

    Raises:
        D1labError: The target cannot be written.
    """
    if not target or (key and not changed):
        return key
    store = open_store(target, settings.data_dir)
    new = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(4)}"
    packed = pack(_folders(settings), left_out=_LEFT_OUT, compress=True)
    _publish_pages(settings, store)
    store.write(_path(settings.database, new), packed)
    write(settings.data_dir / MARK, new)
    return new


def drop_state(settings: Settings, target: str, name: str, key: str) -> None:
    """Delete a state that no longer counts; one that cannot be deleted is left."""
    if target and key:
        with suppress(D1labError):
            open_store(target, settings.data_dir).remove(_path(name, key))


def _publish_pages(settings: Settings, store: Store) -> None:
    """Copy the pages to the target that are newer than the state they began from."""
    since = 0
    with suppress(OSError):
        since = (settings.data_dir / MARK).stat().st_mtime_ns
    for path in sorted(settings.reports_dir.rglob("*")):
        relative = path.relative_to(settings.reports_dir)
        is_page = path.is_file() and path.suffix in (".html", ".csv", ".pdf")
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if is_page and not is_hidden and path.stat().st_mtime_ns >= since:
            store.write(f"pages/{settings.database}/{relative.as_posix()}", path.read_bytes())


def _folders(settings: Settings) -> dict[str, Path]:
    return dict(zip(_PARTS, (settings.data_dir, settings.reports_dir), strict=True))


def _path(name: str, key: str) -> str:
    return f"states/{name}/{key}.tar.gz"


def _mark(settings: Settings) -> str:
    with suppress(OSError):
        return (settings.data_dir / MARK).read_text(encoding="utf-8")
    return ""
