"""Delete archived rows in D1, by key range, so that each costs one written row.

D1's change log would double the price, so its trigger is left out of the transaction that deletes:
removed at its start and made again at its end, both or neither. Any other deletion is in the log.
A range is noted in the manifest before D1 deletes it, and the next pull takes it out of the
warehouse, because the log has no entry of it. Rows that changed since the pull stay: the statement
itself looks for them in the log.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.catalog import CHANGES
from d1lab.d1 import Database, Statement, TableInfo, quote
from d1lab.d1.database import rowid_name
from d1lab.d1.write import CHANGES as COUNT
from d1lab.ops.archive_check import MOST_RANGES
from d1lab.warehouse import Manifest, columns_of, content_hash, records, rows_of, write_manifest
from d1lab.warehouse.archive import Range

CHUNK_ROWS = 5_000
GUARD_ROWS = 1
"""The row that D1 bills for a transaction besides those deleted, for the look into the log."""

_TRIGGERS = (
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = ?1 "
    f"AND sql LIKE '%AFTER DELETE%{CHANGES}%'"
)


class Chunk(NamedTuple):
    """Rows that are deleted in one transaction."""

    rowids: tuple[int, ...]
    ranges: tuple[Range, ...]  # without any other row between their ends
    months: tuple[str, ...]  # of each row

    @property
    def cost(self) -> int:
        """The rows that D1 bills as written."""
        return len(self.rowids) + GUARD_ROWS


class Deletion:
    """The deletion of one table's archived rows.

    Args:
        db: The database.
        folder: The database's folder.
        table: The table.
        info: The same table, as D1 has it.
        dry_run: Whether to count only.
    """

    def __init__(
        self,
        db: Database,
        folder: Path,
        table: catalog.Table,
        info: TableInfo,
        *,
        dry_run: bool,
    ) -> None:
        self._db, self._folder, self._table, self._dry_run = db, folder, table, dry_run
        self._rowid = rowid_name(info)
        self._triggers = db.query(_TRIGGERS, (info.name.lower(),)).rows
        self._seen = 0  # the last entry of the change log that the warehouse has
        self.deleted = 0
        self.by_month: dict[str, int] = {}

    def chunks(self, con: duckdb.DuckDBPyConnection, manifest: Manifest, last: str) -> list[Chunk]:
        """Return the rows to delete: those that a file has as they are in D1.

        Args:
            con: The warehouse, after a pull.
            manifest: The archive.
            last: The first day that stays.
        """
        self._seen = records(con).tables[self._table.name].changes_seq or 0
        _find_deletable(con, self._folder, manifest, self._table, last)
        rows = con.execute("SELECT row_id, month, block FROM deletable ORDER BY row_id").fetchall()
        return [_chunk(rows[at : at + CHUNK_ROWS]) for at in range(0, len(rows), CHUNK_ROWS)]

    def delete(self, manifest: Manifest, chunk: Chunk) -> Manifest:
        """Delete a chunk in D1, after its ranges are noted in the manifest."""
        if self._dry_run:
            self._count(chunk, len(chunk.rowids))
            return manifest
        name = self._table.name
        ranges = [*manifest.deleting.get(name, ()), *chunk.ranges]
        manifest = manifest._replace(deleting={**manifest.deleting, name: ranges})
        write_manifest(self._folder, manifest)
        results = self._db.batch(list(self._statements(chunk)), table=name, idempotent=True)
        self._count(chunk, sum(int(str(r.rows[0][0])) for r in results if r.columns and r.rows))
        return manifest

    def _count(self, chunk: Chunk, rows: int) -> None:
        """Count deleted rows by month; all of a chunk, or as many as there were left of it."""
        self.deleted += rows
        for month in chunk.months[: rows or None] if rows else ():
            self.by_month[month] = self.by_month.get(month, 0) + 1

    def _statements(self, chunk: Chunk) -> Iterator[Statement]:
        name, is_logged = self._table.name, self._table.reread_days == 0
        rowid = self._rowid
        kept = (
            f" AND {rowid} NOT IN (SELECT row_id FROM {CHANGES} WHERE seq > {self._seen:d} "
            f"AND table_name = '{name}')"
            if is_logged
            else ""
        )
        for trigger, _ in self._triggers:
            yield Statement(f"DROP TRIGGER {quote(str(trigger))}")
        if len(chunk.ranges) > MOST_RANGES:
            listed = "[" + ",".join(map(str, chunk.rowids)) + "]"
            where = f"{rowid} IN (SELECT value FROM json_each(?1)){kept}"
            yield from _counted(f"DELETE FROM {quote(name)} WHERE {where}", (listed,))
        else:
            for low, high in chunk.ranges:
                where = f"{rowid} >= ?1 AND {rowid} <= ?2{kept}"
                yield from _counted(f"DELETE FROM {quote(name)} WHERE {where}", (low, high))
        for _, sql in self._triggers:
            yield Statement(str(sql))


def _counted(sql: str, params: tuple[int, ...] | tuple[str]) -> Iterator[Statement]:
    yield Statement(sql, params)
    yield COUNT


def _chunk(rows: Sequence[tuple[int, str, int]]) -> Chunk:
    ranges: dict[int, Range] = {}
    for row_id, _, block in rows:
        low, _ = ranges.get(block, (row_id, row_id))
        ranges[block] = (low, row_id)
    rowids, months, _ = zip(*rows, strict=True)
    return Chunk(rowids, tuple(ranges.values()), months)


def _find_deletable(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    manifest: Manifest,
    table: catalog.Table,
    last: str,
) -> None:
    """Make the temporary table `deletable`: rows to delete, and the block that each belongs to.

    Between the rows of a block there is no other row. Rows that the warehouse no longer has, but
    whose deletion never ended, are deleted again: that costs nothing if they are gone.
    """
    columns, day = columns_of(con, table.name), quote(str(table.day))
    archived = rows_of(con, folder, table.name, manifest.of(table.name), columns)
    content = content_hash(list(columns), "f")
    files = manifest.of(table.name)
    unended = [f.generation for f in files if not f.deleted_at and not f.is_kept]
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE deletable AS
        WITH files AS (
            SELECT _rowid AS row_id, max(_generation) AS generation,
                arg_max({content}, _generation) AS content,
                strftime(arg_max({day}, _generation), '%Y-%m') AS month
            FROM ({archived}) AS f WHERE {day} < TRY_CAST($last AS DATE) GROUP BY _rowid
        ),
        live AS (
            SELECT _rowid AS row_id, {content_hash(list(columns), "r")} AS content
            FROM raw.{quote(table.name)} AS r
        ),
        paired AS (
            SELECT row_id, month, live.content IS NOT DISTINCT FROM files.content
                OR (live.content IS NULL AND list_contains($open::BIGINT[], generation)) AS goes
            FROM files FULL JOIN live USING (row_id)
        ),
        blocks AS (
            SELECT *, count(*) FILTER (NOT goes) OVER (ORDER BY row_id) AS block FROM paired
            WHERE goes OR row_id IN (SELECT row_id FROM live)
        )
        SELECT row_id, month, block FROM blocks WHERE goes
        """,
        {"last": last, "open": unended},
    )
