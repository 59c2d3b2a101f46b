"""Forget a customer or a shop in the files of runs, before-images, pages, and caches.

Parquet files are written again without the rows. A text that has the name, such as a page or an
executed notebook, is deleted: a page is made again by the next run. Caches are deleted as a whole.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

# pyright: standard

from __future__ import annotations

import gzip
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import orjson

from d1lab.d1 import quote
from d1lab.files import writing
from d1lab.packed_files import SUFFIX
from d1lab.warehouse import scratch

_CACHES = ("pull", "cache", "results", "search.duckdb")  # made again when they are needed
_TEXTS = {".json", ".jsonl", ".ipynb", ".html", ".csv", ".txt", ".md", ".log"}
_EDGE = r"[^\w.@-]"


def files_of(folder: Path, reports: Path) -> Iterator[Path]:
    """Yield the files of a database that can name a customer or a shop, and its caches."""
    yield from (folder / name for name in _CACHES if (folder / name).exists())
    for home in (folder / "runs", folder / "written", folder / "aggregated", reports):
        yield from (path for path in sorted(home.rglob("*")) if path.is_file())


def forget_in_file(path: Path, column: str, value: str, *, dry_run: bool) -> bool:
    """Remove a name from one file or cache; return whether it had it.

    Args:
        path: One of `files_of`.
        column: 'customer_id' or 'shop'.
        value: The name.
        dry_run: Whether to look only.
    """
    if path.suffix == ".parquet":
        return _forget_rows(path, column, value, dry_run=dry_run)
    if path.name in _CACHES:  # no trace: a cache is made again from what is left
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return False
    kind = Path(path.name.removesuffix(SUFFIX)).suffix
    has_name = kind in _TEXTS and _names(path, column, value)
    if has_name and not dry_run:
        path.unlink()
    return has_name


def forget_runs(folder: Path, shop: str, *, dry_run: bool) -> list[str]:
    """Delete the folders of a shop's runs; return their names."""
    found: list[str] = []
    for record in sorted((folder / "runs").glob("*/run.json")):
        try:
            content = orjson.loads(record.read_bytes())
        except orjson.JSONDecodeError:
            continue
        if isinstance(content, dict) and content.get("shop") == shop:
            found.append(record.parent.name)
            if not dry_run:
                shutil.rmtree(record.parent)
    return found


def _names(path: Path, column: str, value: str) -> bool:
    """Whether a text has the name as a word of its own, or is in the shop's own folder."""
    if column == "shop" and value in path.parts:
        return True
    try:
        text = _content(path).decode("utf-8", "replace")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return True  # damaged: of no use, and it may have the name
    if value not in text:
        return False
    return bool(re.search(f"(?:^|{_EDGE}){re.escape(value)}(?:$|{_EDGE})", text))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == SUFFIX else content


def _forget_rows(path: Path, column: str, value: str, *, dry_run: bool) -> bool:
    """Remove the rows of a Parquet file with the name in the column, or in any key of the table."""
    source = "read_parquet('" + str(path).replace("'", "''") + "')"
    with scratch() as con:
        try:
            kinds = {row[0]: row[1] for row in con.execute(f"DESCRIBE FROM {source}").fetchall()}
        except duckdb.Error:
            return False  # not a Parquet file: nothing reads it
        named = [name for name in kinds if name == column or name.endswith(f".{column}")]
        if not named:
            return False
        cells = (f"coalesce({quote(name)}::VARCHAR, '')" for name in named)
        has = " OR ".join(f"{cell} IN ($1, '\"' || $1 || '\"')" for cell in cells)
        [(rows,)] = con.execute(f"SELECT count(*) FROM {source} WHERE {has}", [value]).fetchall()
        if rows and not dry_run:
            kept = con.sql(f"SELECT * FROM {source} WHERE NOT ({has})", params=[value])
            _write(path, kept.to_arrow_table())
    return bool(rows)


def _write(path: Path, table: object) -> None:
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata
    with writing(path, sync=True) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part)  # type: ignore[attr-defined]
