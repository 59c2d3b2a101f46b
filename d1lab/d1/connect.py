"""From a name in the settings to an open database."""

from __future__ import annotations

from pathlib import Path

from d1lab.config import Settings
from d1lab.d1.database import Database
from d1lab.d1.sqlite import ENGINE_FOLDER
from d1lab.d1.urls import open_database
from d1lab.errors import InputError


def connect(settings: Settings, database: str | None = None, *, write: bool = False) -> Database:
    """Open a database of the settings; without `write` it can only be read.

    A reader is never given the write token, so that what only pulls cannot write.

    Raises:
        UnknownName: The settings name no such database.
        InputError: Its file does not exist, its URL is of no known kind, or it can only be read.
    """
    name, chosen = settings.resolve(database)
    kind, _, path = chosen.url.partition(":")
    url = chosen.url
    if kind in ("sqlite", "dump"):
        file = settings.root / Path(path)
        if not file.is_file():
            is_demo = name == "demo" and kind == "sqlite"
            todo = "run `d1lab demo` to build it" if is_demo else "check its url in d1lab.toml"
            raise InputError(f"database {name!r}: there is no file {path!r}; {todo}")
        if write and (kind == "dump" or file.parent.name == ENGINE_FOLDER):
            what = "a dump" if kind == "dump" else "the file of a running engine"
            raise InputError(
                f"database {name!r} is {what}: it is only read, so nothing can be written there. "
                "`d1lab run --no-push` makes reports all the same."
            )
        url = f"{kind}:{file}"
    return open_database(
        url,
        read_token=settings.read_token,
        write_token=settings.write_token if write else None,
        read_only=not write,
    )
