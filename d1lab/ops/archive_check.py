"""Compare an archive file with D1: the same rows, the same content, the same sums."""
# ruff: noqa: S608  (names are quoted, values are bound)

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from d1lab import catalog
from d1lab.d1 import Database, TableInfo, quote
from d1lab.d1.keyset import BatchReader
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1labError
from d1lab.pull.batch import Layout
from d1lab.pull.fields import casts, fields_of
from d1lab.warehouse import content_hash
from d1lab.warehouse.archive import Range

MOST_RANGES = 20
"""With more ranges than this, rows are addressed one by one: a row then costs two reads."""

_NUMBERS = ("DECIMAL", "BIGINT", "DOUBLE", "INTEGER")


class D1Rows:
    """The rows of a table in D1 with the given rowids, read once.

    Args:
        db: The database.
        table: The declared table.
        info: The same table, as D1 has it.
        rowids: The rowids, sorted.
    """

    def __init__(
        self, db: Database, table: catalog.Table, info: TableInfo, rowids: Sequence[int]
    ) -> None:
        self._rowids = rowids
        self._layout = Layout(fields_of(info, table), ())
        packed = not isinstance(db, SqliteDatabase)
        self._reader = BatchReader(db, info, self._layout.columns, packed=packed)

    def load(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make the temporary table `d1_rows`, with the types of the warehouse."""
        reader = pa.RecordBatchReader.from_batches(self._layout.schema, self._records())
        con.register("_d1lab_read", reader)
        names = ", ".join(map(quote, self._layout.schema.names))
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE d1_rows ({names}) AS SELECT "
            f"{casts(self._layout.fields)} FROM (SELECT {names} FROM _d1lab_read)"
        )
        con.unregister("_d1lab_read")

    def _records(self) -> Iterator[pa.RecordBatch]:
        """Rows between those asked for, which other months have, are left out by the caller."""
        spans = spans_of(self._rowids)
        if len(spans) > MOST_RANGES:
            batches = self._reader.of_rowids(self._rowids)
        else:
            batches = (b for low, high in spans for b in self._reader.by_rowid(low - 1, high))
        for batch in batches:
            yield self._layout.typed(batch).record


def spans_of(rowids: Sequence[int]) -> list[Range]:
    """Return sorted rowids as ranges of consecutive numbers.

    >>> spans_of([1, 2, 3, 7, 9, 10])
    [(1, 3), (7, 7), (9, 10)]
    """
    spans: list[Range] = []
    for rowid in rowids:
        if spans and rowid == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], rowid)
        else:
            spans.append((rowid, rowid))
    return spans


def sums_of(
    con: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, str]
) -> dict[str, str]:
    """Return the sum of each column of numbers, as exact text.

    Args:
        con: A connection.
        source: A table, or a SELECT in parentheses.
        columns: The columns, with their types.
    """
    names = [n for n, kind in columns.items() if kind.startswith(_NUMBERS) and n != "_rowid"]
    cells = [f"sum({quote(n)}::DECIMAL(38, 6))::VARCHAR" for n in names]
    if not cells:
        return {}
    [row] = con.execute(f"SELECT {', '.join(cells)} FROM {source}").fetchall()
    return {name: value or "0" for name, value in zip(names, row, strict=True)}


def compare(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str],
    d1_rows: D1Rows,
    sums: Mapping[str, str],
) -> None:
    """Read a file back, and compare its rows, digest, and sums with D1.

    Raises:
        D1labError: They differ. The file is not kept.
    """
    d1_rows.load(con)
    file = "read_parquet('" + str(path).replace("'", "''") + "')"
    read = _facts(con, file, columns)
    there = _facts(con, f"(FROM d1_rows SEMI JOIN {file} USING (_rowid))", columns)
    con.execute("DROP TABLE d1_rows")
    for name, own, other in (
        ("rows", read[0], there[0]),
        ("content", read[1], there[1]),
        ("sums in the file", read[2], dict(sums)),
        ("sums", read[2], there[2]),
    ):
        if own != other:
            raise D1labError(
                f"archive: the {name} of {path.parent.name} differ between the file ({own}) and D1 "
                f"({other}). D1 changed meanwhile, or a write failed. Nothing was kept of this "
                "month: run the same command again."
            )


def _facts(
    con: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, str]
) -> tuple[int, int, dict[str, str]]:
    """The number of rows, the sum of their hashes, and the sums of their numbers."""
    content = content_hash(list(columns), "s")
    sql = f"SELECT count(*), coalesce(sum({content}), 0) FROM {source} AS s"
    [(rows, hashes)] = con.execute(sql).fetchall()
    return rows, int(hashes), sums_of(con, source, columns)
