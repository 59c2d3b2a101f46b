"""The interface of a D1 database in d1lab: query, execute, batch, tables, and a usage meter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple, Protocol

from d1lab.errors import BudgetError, InputError

Value = None | int | float | str | bytes

ROWID_NAMES = ("rowid", "_rowid_", "oid")
"""The SQL names of the rowid, unless a column uses them."""


class Usage(NamedTuple):
    """Usage in rows, as billed by D1; sums with `+`, differences with `-`."""

    calls: int = 0
    rows_read: int = 0
    rows_written: int = 0

    def __add__(self, other: object) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class Result(NamedTuple):
    """The result of one statement.

    Integers are exact at any size. Column names can repeat; a statement without rows has none.
    `changes` counts the rows inserted, updated, and deleted, including those by triggers.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    usage: Usage
    changes: int = 0
    size_bytes: int | None = None  # of the database afterwards, if the answer has it


class Statement(NamedTuple):
    """SQL with `?1`-style placeholders and the values bound to them.

    `least_rows` are the rows that its result has whatever the data, such as 1 of an aggregate: an
    answer over HTTP with fewer is incomplete.
    """

    sql: str
    params: tuple[Value, ...] = ()
    least_rows: int = 0


class ForeignKey(NamedTuple):
    """The target of a foreign key; `column` is '' if the declaration names only the table."""

    table: str
    column: str


class ColumnInfo(NamedTuple):
    """A column as declared in the database; `affinity` by SQLite's rules."""

    name: str
    declared: str
    affinity: str  # 'INTEGER', 'REAL', 'NUMERIC', 'TEXT' or 'BLOB'
    not_null: bool
    key_position: int  # 1-based position in the primary key; 0 if not part of it
    refers_to: ForeignKey | None = None


class UniqueIndex(NamedTuple):
    """An index that covers every row of a table exactly once."""

    name: str
    columns: tuple[str, ...]


class TableInfo(NamedTuple):
    """A table as declared in the database."""

    name: str
    columns: tuple[ColumnInfo, ...]
    has_rowid: bool  # and a name for it is available
    rowid_column: str | None = None  # the column that is an alias of the rowid, if any
    read_by: UniqueIndex | None = None  # identifies rows if no name is left for the rowid
    is_unpaged: bool = False  # neither rowid nor key identifies rows: one query reads all

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key, in key order; empty without one."""
        keys = sorted((c.key_position, c.name) for c in self.columns if c.key_position)
        return tuple(name for _, name in keys)


class Meter:
    """Usage per table over the lifetime of a Database. Thread-safe.

    `overhead` is what a way to D1 bills besides its statements; `total` is without it. `on_close`
    is called once with both, when the database is closed. `size_bytes` is the database's size as
    the newest answer had it; None if none did.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._usage: defaultdict[str, Usage] = defaultdict(Usage)
        self.overhead = Usage()
        self.size_bytes: int | None = None
        self.on_close: Callable[[Usage], None] | None = None

    def close(self) -> None:
        """Pass the total to `on_close`."""
        handed, self.on_close = self.on_close, None
        if handed:
            handed(self.total + self.overhead)

    def add(self, table: str, usage: Usage) -> None:
        """Count `usage` for `table`; '' for statements without a table."""
        with self._lock:
            self._usage[table] += usage

    def note_size(self, results: Sequence[Result]) -> None:
        """Keep the size of the database that the newest result has."""
        sizes = [result.size_bytes for result in results if result.size_bytes is not None]
        self.size_bytes = sizes[-1] if sizes else self.size_bytes

    def add_overhead(self, usage: Usage) -> None:
        """Count `usage` that no statement caused."""
        with self._lock:
            self.overhead += usage

    @property
    def by_table(self) -> dict[str, Usage]:
        """Return a copy of the counts, per table."""
        with self._lock:
            return dict(self._usage)

    @property
    def total(self) -> Usage:
        """The sum over all tables."""
        return sum(self.by_table.values(), Usage())


class Database(Protocol):
    """A D1 database. Thread-safe; reads can run in parallel.

    `table` is the table that the meter counts a call for.
    """

    url: str  # as passed to open_database; contains no secret
    meter: Meter

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        """Run one read statement. Transient errors are retried, because reads can be repeated.

        Raises:
            InputError: The statement would write.
            D1Error: A request to D1 failed; d1lab.errors lists the subclasses.
        """
        ...

    def execute(
        self, sql: str, params: Sequence[Value] = (), *, table: str = "", idempotent: bool = False
    ) -> Result:
        """Run one statement that can write. Transient errors are retried only if `idempotent`."""
        ...

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        """Run statements in one transaction: either all take effect, or none."""
        ...

    def tables(self) -> dict[str, TableInfo]:
        """Return the user's tables by name, without internal tables of D1 and SQLite,
        `d1_migrations`, and shadow tables."""
        ...

    def bookmark(self) -> str | None:
        """Return an opaque mark of the database's state: equal marks mean that nothing changed.

        None if the database does not support it. Billed no rows.
        """
        ...

    def others_mark(self) -> int | None:
        """Return a mark that changes when another connection writes, but not when this one does.

        None if the database cannot distinguish them. Billed no rows.
        """
        ...

    def size_bytes(self) -> int | None:
        """Return the database size in bytes; None if unknown. Billed no rows."""
        ...

    def close(self) -> None:
        """Close connections and files."""
        ...


def quote(identifier: str) -> str:
    """Quote an identifier for SQL: `quote('a"b')` is `"a""b"`."""
    if "\x00" in identifier:
        raise InputError(f"a name contains a NUL character: {identifier!r}")
    return '"' + identifier.replace('"', '""') + '"'


class Budget:
    """A limit on rows read, reserved before each batch.

    Args:
        meter: The meter of rows read, from now on.
        rows: The limit; None for no limit.
    """

    def __init__(self, meter: Meter, rows: int | None = None) -> None:
        self.rows = rows
        self._meter, self._before = meter, meter.total.rows_read
        self._reserved, self._lock = 0, Lock()

    @property
    def spent(self) -> int:
        """Rows read so far, by any caller."""
        return self._meter.total.rows_read - self._before

    @contextmanager
    def take(self, wanted: int, *, least: int = 1, table: str = "") -> Generator[int]:
        """Reserve up to `wanted` rows for one statement, and at least `least`.

        Raises:
            BudgetError: Fewer than `least` rows are left.
        """
        with self._lock:
            left = wanted if self.rows is None else self.rows - self.spent - self._reserved
            granted = min(wanted, left)
            if granted < least:
                raise BudgetError(
                    f"{f'table {table!r}' if table else 'the pull'} needs more rows than "
                    f"--max-rows-read allows: {self.spent:,} of {self.rows:,} were read. "
                    "Raise the limit, or pull again to resume: rows already read are kept."
                )
            self._reserved += granted
        try:
            yield granted
        finally:
            with self._lock:
                self._reserved -= granted


def rowid_name(table: TableInfo) -> str:
    """Return the SQL name of the rowid: its alias, or a name that no column uses.

    Only a table that `has_rowid` has one.
    """
    if table.rowid_column:
        return quote(table.rowid_column)
    taken = {column.name.lower() for column in table.columns}
    return next(name for name in ROWID_NAMES if name not in taken)
