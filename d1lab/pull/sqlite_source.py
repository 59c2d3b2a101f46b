"""Batches from a SQLite file, read by ADBC into typed columns as fast as SQLite itself.

ADBC infers a column's type from the first rows and silently converts other types. So the query
puts a row of the declared types first, and adds a last column that holds, as JSON, each row with
values which would be converted: no row is read twice for them. Rows that ADBC cannot read are read
value by value, but only after its connection is closed: SQLite's locks belong to the process, and
the first connection to release them would release both.
"""

# ruff: noqa: S608  (names are quoted, values are bound)

# pyright: standard, reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from urllib.parse import quote as quote_url

import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_sqlite import dbapi as adbc

from d1lab.d1.batches import Batch, parse, unwrap
from d1lab.d1.database import Budget, TableInfo, Usage, Value, quote, rowid_name
from d1lab.d1.keyset import BatchReader
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull.batch import Read, TypedBatch, TypedBatches
from d1lab.pull.fields import Field
from d1lab.pull.http_source import whole_table
from d1lab.pull.plan import Sweep
from d1lab.types import TYPES, Kind

BATCH_ROWS = 50_000
BATCH_BYTES = 32_000_000  # target size, estimated from the file size

_BATCH_ROWS_OPTION = "adbc.sqlite.query.batch_rows"
_SEEDS = {"integer": "0", "real": "0.0", "text": "''", "blob": "x''"}  # by storage class
_EXACT = (
    "CASE typeof({0}) WHEN 'blob' THEN 'b' || hex({0}) WHEN 'text' THEN 't' || hex({0})"
    " WHEN 'real' THEN 'r' || printf('%!.17g', {0}) ELSE {0} END"
)
_MOST_FAILURES = 2  # after so many, a column is of two types: the rest is not tried
_ADBC_ERRORS = (adbc_driver_manager.Error, OSError, pa.ArrowInvalid)


class FileSource:
    """A SQLite file.

    Args:
        db: The database.
        bookmark: The database's state; None if unknown.
        budget: The limit on rows read.
    """

    packed = False

    def __init__(self, db: SqliteDatabase, bookmark: str | None, budget: Budget) -> None:
        self._db, self._bookmark, self._budget = db, bookmark, budget

    def read(self, table: TableInfo, sweep: Sweep) -> Read:
        """Yield all rows of a sweep."""
        if table.is_unpaged:
            batches = whole_table(self._db, table, sweep, packed=False, budget=self._budget)
        else:
            batches = FileReader(self._db, table, sweep, self._budget).batches()
        return Read(batches, self._bookmark, sweep.changes_seen, is_resumed=False)

    def forget(self) -> None:
        """Do nothing: no batches are saved, because a file is fast to reread."""


class FileReader:
    """Reads one table of a SQLite file.

    Args:
        db: The database.
        table: The table.
        sweep: What is read of it.
        budget: The limit on rows read.
    """

    def __init__(self, db: SqliteDatabase, table: TableInfo, sweep: Sweep, budget: Budget) -> None:
        self._db, self._table, self._sweep, self._budget = db, table, sweep, budget
        self._layout, self._upto = sweep.layout, sweep.bounds.high
        self._asked = [field for field in self._layout.read if not self._is_rowid(field)]
        self._exact = BatchReader(db, table, self._layout.columns, packed=False, budget=budget)

    def batches(self) -> TypedBatches:
        """Yield all rows of the sweep."""
        if not self._table.has_rowid:
            yield from map(self._layout.typed, self._exact.by_key())
            return
        after, failures = self._sweep.after, 0
        while after < self._upto:
            with self._budget.take(self._upto - after, table=self._table.name) as rows:
                try:
                    for found in self._read(after, rows):
                        yield self._typed(found)
                        rows, after = rows - len(found), found.column(0)[-1].as_py()
                    after = after if rows == 0 else self._upto
                    continue
                except _ADBC_ERRORS:
                    pass  # its connection is closed now: read the next rows exactly
            failures += 1
            after = yield from self._exactly(
                after, BATCH_ROWS if failures < _MOST_FAILURES else None
            )

    def _exactly(self, after: int, most: int | None) -> Generator[TypedBatch, None, int]:
        """Yield the next rows, or all, value by value; return the last rowid read."""
        rows = 0
        for batch in self._exact.by_rowid(after, self._upto):
            yield self._layout.typed(batch)
            rows, after = rows + batch.rows, int(batch.upto)
            if most is not None and rows >= most:
                break
        return after

    def _read(self, after: int, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield rows from ADBC: the rowid, the columns, and exact copies of mixed rows."""
        uri = f"file:{quote_url(str(self._db.path.absolute()))}?mode=ro"
        with adbc.connect(uri) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{_BATCH_ROWS_OPTION: self._batch_rows()})
            cursor.execute(self._sql(after, rows))
            is_first = True
            for found in cursor.fetch_record_batch():
                self._require_types(found.schema)
                record = found.slice(1) if is_first else found  # the first row is the type row
                is_first = False
                for column in record.columns:
                    column.validate(full=True)
                self._db.meter.add(self._table.name, Usage(rows_read=len(record)))
                if len(record):
                    yield record

    def _sql(self, after: int, rows: int) -> str:
        affinities = {column.name: column.affinity for column in self._table.columns}
        names = [f"t.{quote(str(field.source))}" for field in self._asked]
        seeds = [_SEEDS[TYPES[field.kind].storage] for field in self._asked]
        unlike = [
            unlike_sql(name, field.kind, affinities[str(field.source)])
            for name, field in zip(names, self._asked, strict=True)
        ]
        rowid = f"t.{rowid_name(self._table)}"
        first = ", ".join(["NULL", *seeds, "''"])
        others = ", ".join([rowid, *names, exact_sql(names, list(filter(None, unlike)))])
        return (
            f"SELECT {first} UNION ALL SELECT {others} FROM {quote(self._table.name)} AS t "
            f"WHERE {rowid} >= {after + 1} AND {rowid} <= {self._upto} ORDER BY 1 LIMIT {rows + 1}"
        )

    def _batch_rows(self) -> int:
        row_bytes = self._db.path.stat().st_size // (self._upto - self._sweep.after) + 1
        return max(100, min(BATCH_ROWS, BATCH_BYTES // row_bytes))

    def _require_types(self, schema: pa.Schema) -> None:
        """Raise if ADBC inferred other types than the declared ones."""
        wanted = [pa.int64(), *(TYPES[field.kind].stored_type for field in self._asked)]
        if schema.types != [*wanted, pa.string()]:
            raise pa.ArrowInvalid("columns of other types")

    def _typed(self, found: pa.RecordBatch) -> TypedBatch:
        """Return the rows with warehouse types, and the values that do not match."""
        unlike = pc.indices_nonzero(pc.is_valid(found.columns[-1]))
        if len(unlike):
            return self._layout.typed(self._with_exact(found, unlike))
        rowids, *columns, _ = found.columns
        return self._layout.checked(
            rowids,
            [rowids if self._is_rowid(field) else columns.pop(0) for field in self._layout.read],
        )

    def _with_exact(self, found: pa.RecordBatch, unlike: pa.Array) -> Batch:
        """Return the rows as Python values; rows with mixed types come from their exact copy."""
        rowids, *columns, copies = (column.to_pylist() for column in found.columns)
        for row in unlike.to_pylist():
            for column, value in zip(columns, parse(copies[row]), strict=True):
                column[row] = _exact_value(value)
        given = [rowids if self._is_rowid(f) else columns.pop(0) for f in self._layout.read]
        return Batch(rowids, given, len(rowids), rowids[-1])

    def _is_rowid(self, field: Field) -> bool:
        """Whether a column is the rowid, which is always selected."""
        return field.source == self._table.rowid_column and field.kind == "integer"


def _exact_value(value: Value) -> Value:
    """Decode a value of the exact copy: integers, exact reals, text, and blobs.

    >>> _exact_value("r0.30000000000000004"), _exact_value("t61"), _exact_value(5)
    (0.30000000000000004, 'a', 5)
    """
    is_real = isinstance(value, str) and value.startswith("r")
    return float(str(value)[1:]) if is_real else unwrap(value)


def exact_sql(columns: Sequence[str], unlike: Sequence[str]) -> str:
    """Return SQL for a row as a JSON array if any type differs; `_exact_value` decodes it.

    The array is built in parts, because SQLite limits a function's arguments.
    """
    if not unlike:
        return "NULL"
    cells = [f"json_quote({_EXACT.format(column)})" for column in columns]
    row = " || ',' || ".join(cells)
    return f"CASE WHEN {' OR '.join(unlike)} THEN '[' || {row} || ']' END"


def unlike_sql(column: str, kind: Kind, affinity: str) -> str:
    """Return SQL that is true for values that ADBC would convert silently; empty if none.

    Number columns are checked by their Arrow type. In other columns ADBC turns numbers into text
    or bytes, rounds reals, and reads blobs as text. SQLite orders every number before every
    text, and every text before every blob, so a comparison replaces the slower typeof().
    """
    if TYPES[kind].storage in ("integer", "real"):
        return ""
    if kind == "blob":
        return f"{column} < ''"
    blob = f"{column} >= x''"
    if affinity == "TEXT":
        return blob  # numbers became text on write (TEXT affinity)
    if kind in ("timestamp", "date"):
        return f"{column} < '' OR {blob}"
    return f"typeof({column}) = 'real' OR {blob}"
