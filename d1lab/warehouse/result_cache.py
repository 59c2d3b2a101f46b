"""Results of d1lab's own metrics on disk, so that the next notebook need not compute them again.

    data/<database>/results/<build of the warehouse>/<metric>-<digest>.parquet

A metric of d1lab reads the warehouse and its parameters, nothing else. Each warehouse file that a
pull builds has an ID, and the file never changes: an entry of the same build, SQL, parameters, and
settings is the same result. A project's metrics can read files and the clock, so they are not kept.
"""

# pyright: standard

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import UUID

import duckdb

from d1lab.allocators import give_back
from d1lab.files import digest, make_private, write, writing
from d1lab.version import __version__

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "results"
LEAST_SECONDS = 0.2
"""A result that took less is computed again."""

MOST_BYTES = 100_000_000
"""Size of a database's cache; the results that were used longest ago go first."""

MOST_BYTES_EACH = MOST_BYTES // 4
"""Size of a result in memory: a larger one would push the others out, and take long to write."""

Days = dict[str, tuple[date, date]]
"""The first and last day of data by shop."""

_KEY = b"d1lab"
_PLAIN = (str, int, float, Decimal, date, type(None))
"""Types of parameters whose text tells them apart."""


class ResultCache:
    """The results of one open warehouse.

    Args:
        con: A connection to the warehouse.
        folder: The database's folder.
        settings: Settings that results depend on, such as the column of the shop.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, folder: Path, settings: Mapping[str, str]
    ) -> None:
        build = build_of(con)
        variables = con.execute("SELECT name, value FROM duckdb_variables() ORDER BY ALL")
        self._folder = folder / FOLDER / build if build else None
        self._about = [
            __version__, version("duckdb"), sorted(settings.items()), variables.fetchall()
        ]  # fmt: skip

    def frame(
        self,
        name: str,
        sql: str,
        params: Mapping[str, object],
        compute: Callable[[], pd.DataFrame],
        *,
        currency: str = "",
    ) -> pd.DataFrame:
        """Return a metric's rows: those on disk, or else computed, and kept if that took long.

        Args:
            name: The metric's name.
            sql: Its SQL.
            params: Its parameters, with their types.
            compute: Computes the rows.
            currency: Of the lab's amounts.
        """
        key = self._key(sql, params, currency)
        if self._folder is None or not all(isinstance(v, _PLAIN) for v in params.values()):
            return compute()
        path = self._folder / f"{name}-{key[:32]}.parquet"
        if (kept := _read(path, key)) is not None:
            return kept
        start = perf_counter()
        frame = compute()
        took = perf_counter() - start
        if took >= LEAST_SECONDS and frame.memory_usage().sum() <= MOST_BYTES_EACH:
            with suppress(OSError):  # a full disk or a read-only folder: computed again next time
                make_private(path.parent)
                _write(path, key, frame)
                _shrink(self._folder.parent)
            give_back()  # what the table of all rows has taken
        return frame

    def days(self, sql: str, compute: Callable[[], Days]) -> Days:
        """Return the days of each shop's data: those on disk, or else computed, and kept.

        Every lab needs them before anything else, so they are JSON, which is read without pandas.

        Args:
            sql: The metric's SQL.
            compute: Computes the days.
        """
        if self._folder is None:
            return compute()
        key = self._key(sql, {})
        path = self._folder / f"days-{key[:32]}.json"
        try:
            return _parsed(path.read_text(encoding="utf-8"), key)
        except (OSError, ValueError, TypeError, KeyError):
            days = compute()
            with suppress(OSError):
                make_private(path.parent)
                write(path, _text(days, key))
            return days

    def _key(self, sql: str, params: Mapping[str, object], currency: str = "") -> str:
        about = [*self._about, sql, sorted(map(repr, params.items())), currency]
        return digest(json.dumps(about))


def _text(days: Days, key: str) -> str:
    """Return days as text, with a digest that tells a damaged file."""
    told = json.dumps(
        {shop: [first.isoformat(), last.isoformat()] for shop, (first, last) in days.items()}
    )
    return json.dumps([digest(key, told), told])


def _parsed(text: str, key: str) -> Days:
    found, told = json.loads(text)
    if found != digest(key, told):
        raise ValueError
    return {
        shop: (date.fromisoformat(first), date.fromisoformat(last))
        for shop, (first, last) in json.loads(told).items()
    }


def build_of(con: duckdb.DuckDBPyConnection) -> str:
    """Return the ID of a warehouse file; '' for one that an earlier version has built."""
    try:
        [(build,)] = con.execute("SELECT id FROM d1lab.build").fetchall()
    except (duckdb.CatalogException, ValueError):
        return ""
    return str(UUID(str(build)))


def note_build(con: duckdb.DuckDBPyConnection) -> None:
    """Give a warehouse that is being built its ID."""
    con.execute("CREATE OR REPLACE TABLE d1lab.build AS SELECT uuid() AS id")


def drop_results(folder: Path) -> None:
    """Delete all results of a database, because its warehouse was built again."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def drop_old_results(folder: Path, build: str, *, dry_run: bool = False) -> int:
    """Delete results that a notebook has written after the next build; return their bytes.

    Args:
        folder: The database's folder.
        build: The ID of its warehouse file.
        dry_run: Whether to count only.
    """
    old = [path for path in (folder / FOLDER).glob("*") if path.name != build]
    files = [file for path in old for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    for path in [] if dry_run else old:
        shutil.rmtree(path, ignore_errors=True)
    return size


def _read(path: Path, key: str) -> pd.DataFrame | None:
    """Return the rows of an entry; None if there is none, or if it is damaged."""
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, page_checksum_verification=True)
        if (table.schema.metadata or {}).get(_KEY) != key.encode():
            return None
        path.touch()
        return table.to_pandas()
    except (pa.ArrowException, OSError, ValueError):
        return None


def _write(path: Path, key: str, frame: pd.DataFrame) -> None:
    """Write an entry, if it is read back as it is: the types of some columns are not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.Table.from_pandas(frame)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: key})
        with writing(path) as part:
            pq.write_table(table, part, compression="zstd", write_page_checksum=True)
            back = _read(part, key)
            if back is None or not _is_same(frame, back):
                raise ValueError
            part.chmod(0o600)
    except (pa.ArrowException, ValueError, TypeError):
        return


def _is_same(frame: pd.DataFrame, back: pd.DataFrame) -> bool:
    """Return whether a frame was read back with its types and values, missing ones included."""
    axes = zip(frame.axes, back.axes, strict=True)
    return (
        frame.equals(back)
        and frame.dtypes.equals(back.dtypes)
        and all(type(a) is type(b) and a.dtype == b.dtype and a.names == b.names for a, b in axes)
    )


def _shrink(home: Path) -> None:
    """Delete the entries that were used longest ago, until the rest is small enough."""
    files = [(path.stat(), path) for path in home.glob("*/*.parquet")]
    left = sum(about.st_size for about, _ in files)
    for about, path in sorted(files, key=lambda file: file[0].st_mtime_ns):
        if left <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        left -= about.st_size
