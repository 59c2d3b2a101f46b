"""Open databases by URL, or by their name in the settings."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.d1.database import Database, Meter, Usage
from d1lab.d1.sqlite import ENGINE_FOLDER
from d1lab.d1.usage_log import note
from d1lab.errors import D1UnavailableError, InputError

GATEWAYS = ("gateway+https", "gateway+http")
"""The kinds of URLs of d1lab's gateway Worker."""

_log = logging.getLogger(__name__)


def open_database(
    url: str,
    *,
    read_token: SecretStr | None = None,
    write_token: SecretStr | None = None,
    read_only: bool = False,
) -> Database:
    """Open the database at `url`; the docstring of the package lists the kinds.

    Args:
        url: The URL. Relative paths are relative to the working directory.
        read_token: For `d1://`: the API token for reads. For a gateway: the reader's secret.
        write_token: As above, for writes, which are rejected without it.
        read_only: Whether to reject every write.

    Raises:
        InputError: The URL has an unknown kind, or its file does not exist.
        D1AuthError: The URL is `d1://` or a gateway's, and there is no token or secret.
    """
    require_url(url)
    kind, _, rest = url.partition(":")
    if kind == "sqlite":
        from d1lab.d1.sqlite import SqliteDatabase

        return SqliteDatabase(rest, url=url, read_only=read_only)
    if kind == "dump":
        from d1lab.d1.dump import open_dump

        return open_dump(rest, url=url)
    if kind in GATEWAYS:
        from d1lab.d1.gateway import GatewayDatabase

        return GatewayDatabase(url, reader=read_token, writer=write_token, read_only=read_only)
    from d1lab.d1.rest import RestDatabase

    return RestDatabase(url, read_token=read_token, write_token=write_token, read_only=read_only)


def require_url(url: str) -> None:
    """Reject an invalid database URL, without opening anything or looking for a file.

    Raises:
        InputError: The URL has an unknown kind, or is malformed.
    """
    kind, _, rest = url.partition(":")
    if kind in ("d1", "wrangler+http"):
        from d1lab.d1.rest import endpoint

        endpoint(url)
    elif kind in GATEWAYS:
        from d1lab.d1.gateway import gateway_endpoint

        gateway_endpoint(url)
    elif kind not in ("sqlite", "dump") or not rest:
        raise InputError(
            f"database URL {url!r}: expected d1://ACCOUNT_ID/DATABASE_ID, "
            "gateway+https://HOST/DATABASE, wrangler+http://127.0.0.1:PORT/DATABASE, sqlite:PATH, "
            "or dump:PATH"
        )


def connect(settings: Settings, database: str | None = None, *, write: bool = False) -> Database:
    """Open a database from the settings; read-only unless `write` is set.

    A read-only database never gets the write token, so a pull cannot write.

    Raises:
        UnknownName: The settings have no such database.
        InputError: Its file does not exist, its URL has an unknown kind, or it is read-only.
    """
    name, chosen = settings.resolve(database)
    url = url_of(settings, name)
    kind, _, path = chosen.url.partition(":")
    if kind in ("sqlite", "dump"):
        file = settings.root / Path(path)
        if not file.is_file():
            is_demo = name == "demo" and kind == "sqlite"
            todo = "Run `d1lab demo` to build it." if is_demo else "Check its url in d1lab.toml."
            raise InputError(f"database {name!r}: file {path!r} does not exist. {todo}")
        if write and (kind == "dump" or file.parent.name == ENGINE_FOLDER):
            what = "a dump" if kind == "dump" else "the file of a running engine"
            raise InputError(
                f"database {name!r} is {what} and read-only. To create reports "
                "without writing back, use `d1lab run --no-push`."
            )
    if kind in GATEWAYS:
        db = _through_gateway(settings, chosen, write=write)
    else:
        db = _without_gateway(settings, url, write=write)
    db.meter.on_close = partial(_note, settings.folder(name), db.meter)
    return db


def url_of(settings: Settings, database: str | None = None) -> str:
    """Return a database's URL; that of a file with its full path."""
    url = settings.resolve(database)[1].url
    kind, _, path = url.partition(":")
    return f"{kind}:{settings.root / Path(path)}" if kind in ("sqlite", "dump") else url


def _without_gateway(settings: Settings, url: str, *, write: bool) -> Database:
    return open_database(
        url,
        read_token=settings.read_token,
        write_token=settings.write_token if write else None,
        read_only=not write,
    )


def _through_gateway(settings: Settings, chosen: DatabaseSettings, *, write: bool) -> Database:
    """Open the gateway; the database's `fallback` if the gateway does not answer, with a remark."""
    db = open_database(
        chosen.url,
        read_token=settings.gateway_reader,
        write_token=settings.gateway_writer if write else None,
        read_only=not write,
    )
    if not chosen.fallback:
        return db
    try:
        db.query("SELECT 1")
    except D1UnavailableError as error:
        db.close()
        _log.warning("%s. Continuing with %s: it reads the primary", error, chosen.fallback)
        return _without_gateway(settings, chosen.fallback, write=write)
    return db


def _note(folder: Path, meter: Meter, usage: Usage) -> None:
    """Record the billed usage; a read-only folder is not an error after the work in D1 is done."""
    tables, size = meter.by_table, meter.size_bytes
    with suppress(OSError):
        note(folder, usage, command=_command(), tables=tables, size_bytes=size)


def _command() -> str:
    """The command of d1lab that this process runs; '' for another program."""
    program, *arguments = sys.argv or [""]
    words = [word for word in arguments if word.isidentifier()]
    return words[0] if Path(program).stem in ("d1lab", "__main__") and words else ""
