"""Load batches into the new warehouse file."""
# ruff: noqa: S608  (names are quoted, values are bound)

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import duckdb
import pyarrow as pa

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.pull.batch import QuarantinedValue, TypedBatches
from d1lab.pull.content import content_of
from d1lab.pull.fields import ROWID, Field, casts, fields_of
from d1lab.pull.plan import Sweep
from d1lab.pull.result import Progress
from d1lab.warehouse import DAY, TableRecord, kept_day

NEVER = datetime.min
"""The reread time of a table whose rows were read at two times: the next pull rereads it."""

_STREAM = "_d1lab_stream"
_IDS = "_d1lab_ids"
_QUARANTINED = pa.schema(
    [
        ("row_id", pa.int64()),
        ("key", pa.string()),
        ("column_name", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
    ]
)


class LoadedRows(NamedTuple):
    """Counts of the rows loaded into a warehouse table; sums with `+`."""

    rows: int = 0
    quarantined: int = 0

    def __add__(self, other: object) -> LoadedRows:
        if not isinstance(other, LoadedRows):
            return NotImplemented
        return LoadedRows(self.rows + other.rows, self.quarantined + other.quarantined)


class LoadedState(NamedTuple):
    """The state of the database that a table reflects."""

    bookmark: str | None  # the table is current at least as of this one
    is_mixed: bool = False  # rows may have been read at different times


class Loader:
    """Updates one warehouse table from D1.

    Args:
        con: The new warehouse.
        sweep: What to read of the table.
        now: When the pull began.
        progress: Called after each batch.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        sweep: Sweep,
        now: datetime,
        progress: Progress | None = None,
    ) -> None:
        self._con, self._sweep, self._now, self._progress = con, sweep, now, progress
        self._raw = f"raw.{quote(sweep.name)}"

    def prepare(self) -> None:
        """Prepare the table: create it, or delete the rows that will be read again."""
        if not self._sweep.whole:
            again = f"{ROWID} > ? OR {ROWID} IS NULL"  # NULL: d1lab inserted it after the last read
            self._con.execute(f"DELETE FROM {self._raw} WHERE {again}", [self._sweep.after])
            self._forget("row_id > ?", self._sweep.after)
            return
        create_table(self._con, self._sweep.name, self._sweep.layout.fields)
        self._forget("true")

    def load(self, batches: TypedBatches) -> LoadedRows:
        """Insert batches as they arrive, in one statement; then close them.

        Raises:
            Exception: Any exception raised while reading the batches.
        """
        schema = self._sweep.layout.schema
        names, values = ", ".join(map(quote, schema.names)), casts(self._sweep.layout.fields)
        if day := kept_day(self._sweep.name, schema.names):
            names, values = f"{names}, {DAY}", f"{values}, {day}"
        with TemporaryFile() as file, closing(batches):
            quarantine = _QuarantineFile(file)
            records = _Records(batches, quarantine, self._note)
            self._insert(records, f"({names}) SELECT {values}", schema)
            quarantine.load(self._con, self._sweep.name, self._now)
        return LoadedRows(records.rows, quarantine.rows)

    def _insert(self, records: _Records, rows: str, schema: pa.Schema) -> None:
        found = iter(records)
        if (first := next(found, None)) is None:
            return  # most tables are unchanged, and an INSERT of nothing takes some milliseconds
        stream = pa.RecordBatchReader.from_batches(schema, chain([first], found))
        self._con.register(_STREAM, stream)
        try:
            self._con.execute(f"INSERT INTO {self._raw} {rows} FROM {_STREAM}")
        except duckdb.Error:
            if records.error is not None:  # DuckDB would report it as its own error
                raise records.error from None
            raise
        self._con.unregister(_STREAM)

    def replace(self, rowids: Sequence[int], batches: TypedBatches) -> LoadedRows:
        """Replace rows by their current state in D1."""
        self._con.register(_IDS, pa.table({"id": pa.array(rowids, pa.int64())}))
        listed = f"IN (SELECT id FROM {_IDS})"
        self._con.execute(f"DELETE FROM {self._raw} WHERE {ROWID} {listed}")
        self._forget(f"row_id {listed}")
        self._con.unregister(_IDS)
        return self.load(batches)

    def drop_gone(self, *, keeps_keys: bool) -> None:
        """Delete rows read at other times that D1 no longer has.

        Args:
            keeps_keys: Whether all rows were read at one time, so that no two have the same key.
                Otherwise a new row can coexist with the row that it replaced; the new one has
                the higher rowid.
        """
        table, bounds = self._sweep.table, self._sweep.bounds
        if table is None or not table.has_rowid:
            return
        self._con.execute(
            f"DELETE FROM {self._raw} WHERE {ROWID} < ? OR {ROWID} > ?", [bounds.low, bounds.high]
        )
        declared = catalog.TABLES.get(self._sweep.name)
        if declared and not keeps_keys:
            self._drop_replaced(declared.key)
        self._con.execute(
            "DELETE FROM d1lab.quarantine WHERE table_name = ? AND row_id NOT IN "
            f"(SELECT {ROWID} FROM {self._raw})",
            [self._sweep.name],
        )

    def _drop_replaced(self, key: Sequence[str]) -> None:
        columns = ", ".join(map(quote, key))
        same = " AND ".join(f"old.{quote(column)} = new.{quote(column)}" for column in key)
        self._con.execute(
            f"DELETE FROM {self._raw} AS old USING ("
            f"SELECT {columns}, max({ROWID}) AS newest FROM {self._raw} WHERE {ROWID} > ? "
            f"GROUP BY {columns}) AS new WHERE {same} AND old.{ROWID} < new.newest",
            [self._sweep.after],
        )

    def record(
        self,
        known: TableRecord | None,
        *,
        rows_read: int,
        state: LoadedState,
        touched_index: str | None,
    ) -> TableRecord:
        """Return a record of the table's content and the time it was read.

        Args:
            known: The previous record.
            rows_read: Rows read, as billed by D1.
            state: The state of the database that the table reflects.
            touched_index: An index that covers every update, if there is one.
        """
        sweep = self._sweep
        content = content_of(self._con, sweep.name, [field.name for field in sweep.layout.fields])
        record = TableRecord(
            table_name=sweep.name,
            rows=content.rows,
            high_rowid=content.high_rowid,
            rows_read=rows_read,
            pulled_at=self._now,
            digest=content.digest,
            bookmark=state.bookmark,
            changes_seq=sweep.changes_upto,
            columns=sweep.columns,
            reread_at=NEVER if state.is_mixed else self._now,
            explained=state.bookmark,
            touched_index=touched_index,
            touched_since=sweep.bounds.since,
        )
        if touched_index and not sweep.whole and known is not None:
            record = record._replace(reread_at=known.reread_at)
        elif sweep.is_new_only and known is not None:
            record = record._replace(
                bookmark=known.bookmark, reread_at=known.reread_at, explained=known.explained
            )
        return record

    def _note(self, rows: int) -> None:
        if self._progress:
            self._progress(self._sweep.name, rows, max(rows, self._sweep.expected_rows))

    def _forget(self, condition: str, *params: int) -> None:
        self._con.execute(
            f"DELETE FROM d1lab.quarantine WHERE table_name = ? AND {condition}",
            [self._sweep.name, *params],
        )


def create_table(con: duckdb.DuckDBPyConnection, name: str, fields: Sequence[Field]) -> None:
    """Create an empty table in schema raw."""
    columns = [f"{quote(field.name)} {field.duckdb_type}" for field in fields]
    columns.append(f"{ROWID} BIGINT")
    if name in catalog.TABLES and catalog.TABLES[name].shop_day:
        columns.append(f"{DAY} DATE")
    con.execute(f"CREATE OR REPLACE TABLE raw.{quote(name)} ({', '.join(columns)})")


def create_missing(con: duckdb.DuckDBPyConnection) -> None:
    """Create declared tables that were not pulled, empty, because views read all of them."""
    there = con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw'")
    names = {name for (name,) in there.fetchall()}
    for name, declared in catalog.TABLES.items():
        if name not in names:
            create_table(con, name, fields_of(None, declared))


class _Records:
    """The records of batches, for DuckDB to read from its own thread."""

    def __init__(
        self, batches: TypedBatches, quarantine: _QuarantineFile, note: Callable[[int], None]
    ) -> None:
        self._batches, self._quarantine, self._note = batches, quarantine, note
        self.rows = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for record, quarantined in self._batches:
                self._quarantine.add(quarantined)
                self.rows += len(record)
                self._note(self.rows)
                yield record
        except BaseException as error:
            self.error = error
            raise


class _QuarantineFile:
    """Values for the quarantine, kept on disk because there can be one per row."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.rows = file, 0
        self._writer = pa.ipc.new_stream(file, _QUARANTINED)

    def add(self, quarantined: Sequence[QuarantinedValue]) -> None:
        """Add values."""
        if quarantined:
            columns = [list(column) for column in zip(*quarantined, strict=True)]
            arrays = [
                pa.array(column, field.type)
                for column, field in zip(columns, _QUARANTINED, strict=True)
            ]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_QUARANTINED))
            self.rows += len(quarantined)

    def load(self, con: duckdb.DuckDBPyConnection, table: str, now: datetime) -> None:
        """Write all values to the warehouse."""
        self._writer.close()
        if not self.rows:
            return
        self._file.seek(0)
        con.register(_STREAM, pa.ipc.open_stream(self._file))
        con.execute(
            "INSERT INTO d1lab.quarantine SELECT ?, key, column_name, value, reason, ?, row_id "
            f"FROM {_STREAM}",
            [table, now],
        )
        con.unregister(_STREAM)
