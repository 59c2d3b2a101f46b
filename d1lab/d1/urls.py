"""From a URL to an open database of its kind."""

from __future__ import annotations

from pydantic import SecretStr

from d1lab.d1.database import Database
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
