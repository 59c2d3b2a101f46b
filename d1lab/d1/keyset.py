"""Keyset pagination of tables, packed by D1 into one JSON array per column (d1lab.d1.batch_query).

D1 returns one row instead of thousands, which is several times as fast to send and to parse, and
exact: plain responses round integers above 2^53 and turn an infinity into null, packed batches do
neither. Each row of a batch is billed as one row read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import orjson

from d1lab.d1.batch_query import BatchQuery
from d1lab.d1.batches import (
    MOST_ROWS,
    Batch,
    BatchForm,
    BatchSize,
    DamagedBatchError,
    within,
)
from d1lab.d1.database import (
    ROWID_NAMES,
    Budget,
    Database,
    Result,
    TableInfo,
    UniqueIndex,
    Value,
    quote,
)
from d1lab.d1.encoding import encode, encoded_places, extract, to_json
from d1lab.errors import (
    D1Error,
    D1OverloadedError,
    D1QueryError,
    D1TooBigError,
    ScanError,
    UnpagedTableError,
)

ATTEMPTS = 3  # to read a batch that arrives damaged
SPARE_READS = 100  # reads beyond twice its rows before a batch counts as a scan
_NO_LIMIT = -1

_UNFIT_FOR_JSON = re.compile("JSON cannot hold BLOB|could not decode to utf-8", re.IGNORECASE)


class BatchReader:
    """Reads a table in batches. Thread-safe.

    Args:
        db: The database.
        table: The table.
        columns: The columns to read, by name, including the primary key of a table without rowids.
        packed: Whether the database packs the batches: yes, except for a local file.
        budget: The limit on rows read.
        index: The index to read a table with rowids by, instead of its primary key: see `by_key`.
        scanned_from: The lowest rowid of a table that D1 scans from its start for each batch by
            rowid; None if D1 looks rowids up without a scan.

    Raises:
        ScanError: A batch read more than twice its rows. The batch is yielded before the error.
    """

    def __init__(
        self,
        db: Database,
        table: TableInfo,
        columns: Sequence[str],
        *,
        packed: bool = True,
        budget: Budget | None = None,
        index: UniqueIndex | None = None,
        scanned_from: int | None = None,
    ) -> None:
        self._db, self._table, self._columns, self._packed = db, table, tuple(columns), packed
        self._budget, self._scanned_from = budget or Budget(db.meter), scanned_from
        self._scan: ScanError | None = None
        index = index or table.read_by
        self._key = index.columns if index else table.primary_key
        affinities = {column.name: column.affinity for column in table.columns}
        self._wrapped = frozenset(c for c in columns if affinities[c] == "BLOB")
        self.size = BatchSize()
        self._query = BatchQuery(table, columns, self.size, packed=packed)
        by_index = f" INDEXED BY {quote(index.name)}" if index else ""
        self._by_index = self._query.table + by_index

    def by_rowid(self, after: int, upto: int) -> Iterator[Batch]:
        """Yield all rows with `after` < rowid <= `upto`, in batches."""
        rowid = self._query.rowid
        source = f"{self._query.table} WHERE {rowid} >= ?1 AND {rowid} <= ?2 ORDER BY {rowid}"
        while after < upto:
            batch, asked = self._read(
                lambda form: self._query.sql(form, f"{source} LIMIT ?3"),
                lambda rows, low=after + 1: (low, upto, rows),
                upto - after,
                reads_besides=0 if self._scanned_from is None else after + 1 - self._scanned_from,
            )
            reached = batch.rowids[-1] if batch.rows == asked else upto
            yield batch._replace(after=after, upto=reached)
            after = reached
        self._require_no_scan()

    def newest(self, after: int, upto: int) -> Iterator[Batch]:
        """Like `by_rowid`, but backward from the end of the table, in one batch if possible.

        The query has no condition, so D1 reads no other rows even if its statistics are off.
        It reads at most as many rows as there are rowids in the range.
        """
        source = f"{self._query.table} ORDER BY {self._query.rowid} DESC LIMIT ?1"
        most = upto - after
        while most > 0:
            batch, asked = self._read(
                lambda form: self._query.sql(form, source), lambda rows: (rows,), most
            )
            lowest = batch.rowids[-1] if batch.rows else 0
            if batch.rows < asked or lowest <= after + 1:
                yield within(batch, after, upto)
                break
            if asked < most:  # the rows are too wide for one batch
                yield within(batch, lowest - 1, upto)
                yield from self.by_rowid(after, lowest - 1)
                break
            most += sum(rowid > upto for rowid in batch.rowids)  # rows inserted meanwhile
        self._require_no_scan()

    def of_rowids(self, rowids: Sequence[int]) -> Iterator[Batch]:
        """Yield the rows with the given rowids that still exist, in batches.

        Each row is a scalar subquery: with a join, D1 would scan the table for each row if its
        statistics are off.
        """
        left = list(rowids)
        while left:
            batch, asked = self._read(
                self._query.sql_of_rowids,
                lambda rows, ids=left: (to_json(ids[:rows]), rows),
                len(left),
                reads_per_row=2,  # the element of the JSON text, and the row
                unpack=self._query.unpack_rows,
            )
            yield batch._replace(upto=left[asked - 1])
            left = left[asked:]
        self._require_no_scan()

    def by_key(self, after: str | None = None) -> Iterator[Batch]:
        """Yield all rows after the key `after`, in key order, in batches.

        After (a, b) come the rows with the same a and a higher b, then those with a higher a.
        As separate queries, they read each row once, plus one row at the end of each query.
        """
        order = ", ".join(f"t.{quote(column)}" for column in self._key)
        depth = len(self._key) if after is not None else 0
        while True:
            where, key = (self._beyond(after, depth), (after,)) if after and depth else ("1", ())
            source = f"{self._by_index} WHERE {where} ORDER BY {order} LIMIT ?{len(key) + 1}"
            batch, asked = self._read(
                lambda form, source=source: self._query.sql(form, source),
                lambda rows, key=key: (*key, rows),
            )
            if batch.rows:
                after = self._last_key(batch)
                yield batch._replace(upto=after)
            depth = len(self._key) if batch.rows == asked else depth - 1
            if depth <= 0:
                return self._require_no_scan()

    def whole(self) -> Batch:
        """All rows in one query, of a table that has nothing to page by.

        Raises:
            UnpagedTableError: D1 does not let through so many rows at once.
        """
        most = MOST_ROWS if self._packed else _NO_LIMIT
        form, source = (
            BatchForm(self._packed, self._wrapped),
            f"{self._query.table} WHERE 1 LIMIT ?1",
        )
        while True:
            with self._budget.take(MOST_ROWS, table=self._table.name) as granted:
                limit = min(most, granted) if self._packed else most
                try:
                    batch = self._query.unpack(
                        self._ask(self._query.sql(form, source), (limit,)), form
                    )
                except D1QueryError as error:
                    form = self._easier(form, error)
                    continue
                except (D1TooBigError, D1OverloadedError):
                    batch = None
            if batch is None or batch.rows == limit:
                raise UnpagedTableError(
                    f"table {self._table.name!r} was not pulled: its columns use all row-ID names "
                    f"({', '.join(ROWID_NAMES)}), it has no UNIQUE index on NOT NULL columns, and "
                    "one query does not read all of it. Add such an index or rename a column."
                )
            return batch

    def _beyond(self, after: str, depth: int) -> str:
        places = encoded_places(orjson.loads(after))
        return " AND ".join(
            f"t.{quote(column)} {'>' if place == depth - 1 else '='} "
            + extract("?1", f"$[{place}]", place in places)
            for place, column in enumerate(self._key[:depth])
        )

    def _last_key(self, batch: Batch) -> str:
        return to_json([encode(batch.columns[self._columns.index(k)][-1]) for k in self._key])

    def _read(
        self,
        make: Callable[[BatchForm], str],
        params: Callable[[int], tuple[Value, ...]],
        most: int = MOST_ROWS,
        *,
        reads_per_row: int = 1,
        reads_besides: int = 0,
        unpack: Callable[[Result, BatchForm], Batch] | None = None,
    ) -> tuple[Batch, int]:
        """Return one batch and the number of rows requested, reduced until D1 accepts it."""
        self._require_no_scan()
        form, table = BatchForm(self._packed, self._wrapped), self._table.name
        damaged = 0
        while True:
            wanted = min(self.size.rows, most) * reads_per_row + reads_besides
            least = reads_per_row + reads_besides
            with self._budget.take(wanted, least=least, table=table) as granted:
                asked = (granted - reads_besides) // reads_per_row
                try:
                    result = self._ask(make(form), params(asked))
                    self._weigh(result, asked * reads_per_row)
                    return (unpack or self._query.unpack)(result, form), asked
                except (D1TooBigError, D1OverloadedError, D1QueryError) as error:
                    form = self._easier(form, error)
                except DamagedBatchError:
                    damaged += 1
                    if damaged == ATTEMPTS:
                        raise

    def _weigh(self, result: Result, expected: int) -> None:
        """Record a batch that read far more rows than it has: it is kept, but reading stops.

        A budget cannot be enforced if a batch can cost any number of rows.
        """
        read = result.usage.rows_read
        if read > 2 * expected + SPARE_READS:
            self._scan = ScanError(
                f"table {self._table.name!r}: a batch of at most {expected:,} rows read {read:,}. "
                "D1 scans the table because its statistics (sqlite_stat1) are outdated: PRAGMA "
                "optimize or ANALYZE ran while the table was almost empty. Run `d1lab optimize`, "
                "then pull again to resume: rows already read are kept."
            )

    def _require_no_scan(self) -> None:
        if self._scan is not None:
            raise self._scan

    def _ask(self, sql: str, values: tuple[Value, ...]) -> Result:
        return self._db.query(sql, values, table=self._table.name)

    def _easier(self, form: BatchForm, error: D1Error) -> BatchForm:
        """Return how to retry after `error`; raise it if there is no smaller request."""
        if isinstance(error, D1QueryError):
            if not _UNFIT_FOR_JSON.search(str(error)) or len(form.wrapped) == len(self._columns):
                raise error
            self._wrapped = frozenset(self._columns)
            return form._replace(wrapped=self._wrapped)
        if isinstance(error, D1OverloadedError):
            self.size.pause()
        if self.size.shrink():
            return form
        if form.packed and isinstance(error, D1TooBigError):
            return BatchForm(packed=False)  # one row: packing and wrapping make its values longer
        raise error
