"""From a name in the settings to an open database."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from d1lab.config import Settings
from d1lab.d1.database import Database
from d1lab.d1.sqlite import ENGINE_FOLDER
from d1lab.errors import InputError


def open_database(
    url: str,
    *,
    read_token: SecretStr | None = None,
    write_token: SecretStr | None = None,
    read_only: bool = False,
) -> Database:
    """Open the database at `url`; the package's docstring lists the kinds.

    Args:
        url: Where it is. Relative paths are relative to the working directory.
        read_token: For `d1://`: what reads are sent with.
        write_token: For `d1://`: what writes are sent with; without it they are refused.
        read_only: Refuse every write.

    Raises:
        InputError: The URL is of no known kind, or names a file that does not exist.
        D1AuthError: `d1://` without a token.
    """
    require_url(url)
    kind, _, rest = url.partition(":")
    if kind == "sqlite":
        from d1lab.d1.sqlite import SqliteDatabase

        return SqliteDatabase(rest, url=url, read_only=read_only)
    if kind == "dump":
        from d1lab.d1.dump import open_dump

        return open_dump(rest, url=url)
    from d1lab.d1.rest import RestDatabase

    return RestDatabase(url, read_token=read_token, write_token=write_token, read_only=read_only)


def require_url(url: str) -> None:
    """Refuse a URL that can be none of a database; nothing is opened, no file is looked for.

    Raises:
        InputError: It is of no known kind, or malformed.
    """
    kind, _, rest = url.partition(":")
    if kind in ("d1", "wrangler+http"):
        from d1lab.d1.rest import endpoint

        endpoint(url)
    elif kind not in ("sqlite", "dump") or not rest:
        raise InputError(
            f"database URL {url!r}: expected d1://ACCOUNT_ID/DATABASE_ID, "
            "wrangler+http://127.0.0.1:PORT/DATABASE, sqlite:PATH or dump:PATH"
        )


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
            todo = "Run `d1lab demo` to build it." if is_demo else "Check its url in d1lab.toml."
            raise InputError(f"database {name!r}: file {path!r} does not exist. {todo}")
        if write and (kind == "dump" or file.parent.name == ENGINE_FOLDER):
            what = "a dump" if kind == "dump" else "the file of a running engine"
            raise InputError(
                f"database {name!r} is {what} and read-only. To create reports "
                "without writing back, use `d1lab run --no-push`."
            )
        url = f"{kind}:{file}"
    return open_database(
        url,
        read_token=settings.read_token,
        write_token=settings.write_token if write else None,
        read_only=not write,
    )
