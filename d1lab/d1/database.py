"""What a D1 database is to the rest of d1lab: four verbs, and a meter of what they cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple, Protocol

from d1lab.errors import BudgetError, InputError

Value = None | int | float | str | bytes


class Usage(NamedTuple):
    """What calls cost, in the rows that D1 bills; sums with `+`, what came since with `-`."""

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
    """What one statement gave back.

    Integers are exact at any size. Column names may repeat; a statement without rows has none.
    `changes` are the rows inserted, updated and deleted, those by triggers too.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    usage: Usage
    changes: int = 0


class Statement(NamedTuple):
    """SQL with `?1`-style placeholders and the values bound to them.

    `least_rows` are the rows that its result has whatever the data, such as 1 of an aggregate: an
    answer over HTTP with fewer is incomplete.
    """

    sql: str
    params: tuple[Value, ...] = ()
    least_rows: int = 0


class ColumnInfo(NamedTuple):
    """A column as the database declares it; `affinity` by SQLite's rules."""

    name: str
    declared: str
    affinity: str  # 'INTEGER', 'REAL', 'NUMERIC', 'TEXT' or 'BLOB'
    not_null: bool
    key_position: int  # 1-based place in the primary key; 0 outside


class TableInfo(NamedTuple):
    """A table as the database declares it."""

    name: str
    columns: tuple[ColumnInfo, ...]
    has_rowid: bool
    rowid_column: str | None = None  # the column that is the rowid, where there is one

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key, in its order; empty without one."""
        keys = sorted((c.key_position, c.name) for c in self.columns if c.key_position)
        return tuple(name for _, name in keys)


class Meter:
    """Counts usage per table, over the life of a Database. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._usage: defaultdict[str, Usage] = defaultdict(Usage)

    def add(self, table: str, usage: Usage) -> None:
        """Count `usage` for `table`; '' for what belongs to none."""
        with self._lock:
            self._usage[table] += usage

    @property
    def by_table(self) -> dict[str, Usage]:
        """A copy of the counts, per table."""
        with self._lock:
            return dict(self._usage)

    @property
    def total(self) -> Usage:
        """The sum over all tables."""
        return sum(self.by_table.values(), Usage())


class Database(Protocol):
    """A D1 database. Safe between threads; reads may run at the same time.

    `table` names the table that the meter counts a call for.
    """

    url: str  # as given to open_database; holds no secret
    meter: Meter

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        """One reading statement. Passing faults are retried: reading twice is harmless.

        Raises:
            InputError: The statement would write.
            D1Error: As d1lab.errors draws them.
        """
        ...

    def execute(
        self, sql: str, params: Sequence[Value] = (), *, table: str = "", idempotent: bool = False
    ) -> Result:
        """One statement that may write. Sent again after a passing fault only if `idempotent`."""
        ...

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        """Statements in one transaction: all of them take effect, or none."""
        ...

    def tables(self) -> dict[str, TableInfo]:
        """The user's tables by name; D1's own, SQLite's own, `d1_migrations` and shadow tables
        are left out."""
        ...

    def bookmark(self) -> str | None:
        """An opaque mark of the database's state: equal marks, nothing changed between them.

        None where the database offers none. Costs no rows.
        """
        ...

    def others_mark(self) -> int | None:
        """A mark that changes when another connection writes, and not when this one does.

        None where the database does not tell them apart. Costs no rows.
        """
        ...

    def size_bytes(self) -> int | None:
        """How large the database is; None where it does not say. Costs no rows."""
        ...

    def close(self) -> None:
        """Give back connections and files."""
        ...


def quote(identifier: str) -> str:
    """An identifier as SQL, quoted: `quote('a"b')` is `"a""b"`."""
    if "\x00" in identifier:
        raise InputError(f"a name holds a NUL character: {identifier!r}")
    return '"' + identifier.replace('"', '""') + '"'


class Budget:
    """The rows that may still be read. They are reserved before each batch.

    Args:
        meter: Counts what is read, from now on.
        rows: How many may be read; None for any number.
    """

    def __init__(self, meter: Meter, rows: int | None = None) -> None:
        self.rows = rows
        self._meter, self._before = meter, meter.total.rows_read
        self._reserved, self._lock = 0, Lock()

    @property
    def spent(self) -> int:
        """Rows read so far, by whomever."""
        return self._meter.total.rows_read - self._before

    @contextmanager
    def take(self, wanted: int, *, least: int = 1, table: str = "") -> Iterator[int]:
        """Reserve up to `wanted` rows for one statement, and at least `least`.

        Raises:
            BudgetError: Fewer than `least` are left.
        """
        with self._lock:
            left = wanted if self.rows is None else self.rows - self.spent - self._reserved
            granted = min(wanted, left)
            if granted < least:
                raise BudgetError(
                    f"{f'table {table!r}' if table else 'the pull'} needs more rows than "
                    f"--max-rows-read allows: {self.spent:,} of {self.rows:,} were read. "
                    "Allow more, or pull again: batches that D1 has sent are kept and go first."
                )
            self._reserved += granted
        try:
            yield granted
        finally:
            with self._lock:
                self._reserved -= granted
