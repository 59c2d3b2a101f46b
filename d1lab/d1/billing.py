"""Estimate D1's bill for a statement that SQLite ran locally, from SQLite's compiled program.

D1 bills the rows that a statement scans or looks up, a number that Python's sqlite3 does not
report. So the compiled program (EXPLAIN) shows which tables are read in full, in a range, or by
key, and the counts come from known figures: the size of a table, the rows returned, the elements
of a JSON parameter. Compared with the real engine's bill in tests/d1/test_bill.py, the estimate is

- exact for whole scans, sorting, keyset pages (plain, or packed into JSON arrays), the first or
  last row of an index, rows by key, inserts, updates, deletes, and `d1lab.d1.write`;
- one row off, at most, for each range that ends before its table or index does;
- an upper bound for aggregates over a part of a table, and for OFFSET: the whole table;
- a guess for joins, subqueries, filters on top of an index, partial indexes, triggers, the schema.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from d1lab.d1.database import Usage, quote

Rows = list[tuple[Any, ...]]
Run = Callable[..., Rows]
"""Runs SQL outside the billed statement and returns all rows."""

_WRITES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_OPENS = frozenset(("OpenRead", "OpenWrite", "ReopenIdx"))
_STEPS = frozenset(("Next", "Prev"))
_SEEKS = frozenset(("SeekGT", "SeekGE", "SeekLT", "SeekLE"))
_ENDS = frozenset(("Gt", "Ge", "Lt", "Le", "IdxGT", "IdxGE", "IdxLT", "IdxLE"))
_ELEMENTS = "SELECT iif(json_valid(:text), json_array_length(:text), 0)"
_SCHEMA = Usage(rows_read=1, rows_written=2)  # a row in sqlite_schema, and its root page


class Touched:
    """The actions of a statement by table, as reported by SQLite's authorizer."""

    def __init__(self) -> None:
        self.inserts: set[str] = set()
        self.deletes: set[str] = set()
        self.updates: defaultdict[str, set[str]] = defaultdict(set)
        self.by_triggers: set[str] = set()
        self.functions: set[str] = set()

    def note(self, action: int, first: str | None, second: str | None, trigger: str | None) -> None:
        """Record one authorizer callback."""
        table, column = str(first), str(second)
        if action == sqlite3.SQLITE_FUNCTION:
            self.functions.add(column)
        elif action not in _WRITES or table.startswith("sqlite_"):
            return
        elif trigger is not None:
            self.by_triggers.add(table)
        elif action == sqlite3.SQLITE_UPDATE:
            self.updates[table].add(column)
        else:
            (self.inserts if action == sqlite3.SQLITE_INSERT else self.deletes).add(table)


class Access(NamedTuple):
    """A cursor of the program on a table, an index, or a temporary list."""

    kind: Literal["whole", "scan", "range", "list", "elements", "first", "row", "entry"]
    table: str  # '' for a list
    ends: bool  # whether a comparison ends the loop
    writes: bool  # opened for writing


def accesses(program: Rows, table_of: dict[int, str]) -> Iterator[Access]:
    """Return how a compiled program reads its tables.

    Args:
        program: The rows of EXPLAIN.
        table_of: The table of each root page.
    """
    tables: dict[int, str] = {}
    seen: defaultdict[int, set[str]] = defaultdict(set)
    ending: set[int] = set()
    writing: set[int] = set()
    for address, opcode, cursor, second, *_ in program:
        if opcode in _OPENS:
            tables[cursor] = table_of.get(second, "sqlite_schema")
            writing |= {cursor} if opcode == "OpenWrite" else set()
        elif opcode in ("OpenEphemeral", "VOpen"):
            tables[cursor] = ""
        elif opcode in _STEPS and not _is_loop(program, address, second):
            continue
        elif opcode in _STEPS and _has_end(program, address, second):
            ending.add(cursor)
        seen[cursor].add(opcode)
    for cursor, table in tables.items():
        ends = cursor in ending
        for kind in _kinds(seen[cursor], table, ends):
            yield Access(kind, table, ends, cursor in writing and kind != "elements")


def _kinds(opcodes: set[str], table: str, ends: bool) -> Iterator[Any]:
    if "VNext" in opcodes:
        yield "elements"
    elif "Count" in opcodes:
        yield "whole"
    elif opcodes & _STEPS and "Sort" not in opcodes:  # a sorter's rows are counted as sorted
        yield "list" if not table else "range" if ends or opcodes & _SEEKS else "scan"
    elif table and opcodes & {"Rewind", "Last"}:
        yield "first"
    elif opcodes & _SEEKS:
        yield "entry"
    if table and opcodes & {"SeekRowid", "NotExists"}:
        yield "row"


def _is_loop(program: Rows, step: int, start: int) -> bool:
    """Whether the step at the end of a loop is reached: min() and max() exit before it."""
    jumped_to = any(row[3] == step for row in program[start:step])
    return program[step - 1][1] != "Goto" or jumped_to


def _has_end(program: Rows, step: int, start: int) -> bool:
    return any(row[1] in _ENDS and row[3] == step + 1 for row in program[start:step])


def table_of_root(run: Run) -> dict[int, str]:
    """Return the table of each root page of the database file."""
    return dict(run("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0"))


def written_per_row(run: Run, table: str, columns: set[str] | None = None) -> int:
    """Return the rows that D1 bills for one written row: the row, and its entry in each index.

    Args:
        run: Runs SQL on the database.
        table: The table written to.
        columns: The columns set by an UPDATE; None for a new row.
    """
    rows = 1
    for _, index, _, origin, *_ in run(f"PRAGMA index_list({quote(table)})"):
        if origin == "pk" and not _has_rowid(run, table):
            continue  # that index is the table itself
        keyed = {row[2] for row in run(f"PRAGMA index_xinfo({quote(index)})") if row[5]}
        rows += columns is None or None in keyed or bool(keyed & columns)
    return rows


def _has_rowid(run: Run, table: str) -> bool:
    listed = run(f"PRAGMA table_list({quote(table)})")
    return not any(without for schema, _, _, _, without, _ in listed if schema == "main")


def count(run: Run, table: str) -> int:
    """Count the rows of a table."""
    return run(f"SELECT count(*) FROM {quote(table)}")[0][0]  # noqa: S608  quoted


def schema_change(run: Run, indexed: str | None) -> Usage:
    """Return the bill for a schema change; an index on the table `indexed` reads its rows."""
    if indexed is None:
        return _SCHEMA
    rows = count(run, indexed)
    return Usage(rows_read=2 * rows, rows_written=rows + 1)


class Bill:
    """The bill of one statement: created before it runs, completed after.

    Args:
        run: Runs SQL on the database, unbilled.
        program: The rows of EXPLAIN of the statement.
        steps: The authorizer's report.
        params: The bound values.
    """

    def __init__(self, run: Run, program: Rows, touched: Touched, params: Sequence[object]) -> None:
        self._run, self._touched = run, touched
        opcodes = [row[1] for row in program]
        self._aggregates = "AggStep" in opcodes
        self._limits = "DecrJumpZero" in opcodes or "Sort" in opcodes
        self._skips = "OffsetLimit" in opcodes
        self._sorts = "SorterSort" in opcodes or "Sort" in opcodes
        by_index = {row[3] for row in program if row[1] == "IdxRowid"}
        sought = {row[4] for row in program if row[1] == "NotExists"}
        self._explicit_rowid = bool(sought - by_index)
        is_replaced = bool(sought & by_index)  # a row with the same key gives way
        self._accesses = list(accesses(program, table_of_root(run)))
        self._elements = None
        if any(access.kind == "elements" for access in self._accesses):
            self._elements = sum(self._length(each) for each in params)
        upserted = touched.inserts & touched.updates.keys()
        self._sizes = {table: count(run, table) for table in upserted}
        replacing = touched.inserts if is_replaced else ()
        self._sizes_before_replacing = {table: count(run, table) for table in replacing}

    def settle(self, rows: Rows, changes: int, triggered: int) -> Usage:
        """Return the rows read and written.

        Args:
            rows: The rows returned by the statement.
            changes: The rows that it inserted, updated, or deleted itself.
            triggered: The rows changed by its triggers.
        """
        inserted = self._inserted(changes)
        if self._touched.inserts:
            read = self._read_by_insert(inserted, changes)
        elif self._touched.updates or self._touched.deletes:
            read = sum(self._read_by_change(each, changes) for each in self._accesses)
        else:
            read = self._read_by_select(rows)
        sequenced = sum(_is_sequenced(self._run, table) for table in self._touched.inserts)
        written = self._written(inserted, changes, triggered)
        return Usage(0, read + sequenced, written + sequenced)

    def _inserted(self, changes: int) -> int:
        for table, size in self._sizes.items():
            return count(self._run, table) - size
        return changes if self._touched.inserts else 0

    def _written(self, inserted: int, changes: int, triggered: int) -> int:
        touched = self._touched
        rows = 0
        if not touched.inserts and not touched.updates:
            rows = changes  # a DELETE is billed without its index entries
        for table in touched.inserts:
            rows += inserted * written_per_row(self._run, table)
        for table, columns in touched.updates.items():
            rows += (changes - inserted) * written_per_row(self._run, table, columns)
        for table in sorted(touched.by_triggers)[:1]:
            rows += triggered * written_per_row(self._run, table)
        return rows

    def _read_by_insert(self, inserted: int, changes: int) -> int:
        offered = changes if self._elements is None else self._elements
        read = sum(self._stepped(each, changes) for each in self._accesses if not each.writes)
        table = next(iter(self._touched.inserts))
        for name, size in self._sizes_before_replacing.items():
            read += size + changes - count(self._run, name)
        if self._explicit_rowid:
            return read + offered
        known = offered - inserted if self._sizes and _has_rowid(self._run, table) else 0
        return read + known

    def _read_by_change(self, access: Access, changes: int) -> int:
        if access.kind == "entry" and self._elements is not None:
            return self._elements  # if every key is found
        if access.kind in ("row", "entry", "first"):
            return changes
        return max(1, changes) if access.kind == "list" else self._stepped(access, changes)

    def _read_by_select(self, rows: Rows) -> int:
        packed = self._packed(rows)
        out = len(rows) if packed is None else packed
        partly = not self._aggregates or packed is not None
        loops = any(access.kind in ("scan", "range", "list") for access in self._accesses)
        read = 0
        for access in self._accesses:
            if access.kind == "list" or (access.kind == "row" and (loops or self._elements)):
                read += max(1, out) if self._elements is None else self._elements
            elif access.kind == "entry":
                read += out
            elif access.kind == "range" and self._aggregates and packed is None:
                read += count(self._run, access.table)
            else:
                read += self._stepped(access, out, partly=partly)
        return read

    def _stepped(self, access: Access, out: int, *, partly: bool = True) -> int:
        """Return the rows that a loop steps over if it returns `out` rows."""
        if access.kind == "elements":
            return self._elements or 0
        if access.kind in ("first", "row", "entry"):
            return 1
        partly = partly and self._limits and not self._sorts
        whole = access.kind == "whole" or self._skips or (access.kind == "scan" and not partly)
        whole = whole and access.table != ""
        sought = max(1, out) if access.kind == "range" else out  # one if nothing is found
        read = count(self._run, access.table) if whole else sought + (access.ends and not partly)
        if not self._sorts:
            return read
        return read + (read if self._aggregates or self._limits else out)

    def _packed(self, rows: Rows) -> int | None:
        """Return the rows of a page packed into JSON arrays; None if there is none."""
        if len(rows) != 1 or "json_group_array" not in self._touched.functions:
            return None
        return next((self._length(cell) for cell in rows[0] if isinstance(cell, str)), 0)

    def _length(self, text: object) -> int:
        """Count the elements of a JSON array; 0 for anything else."""
        if not isinstance(text, str) or not text.startswith("["):
            return 0
        return self._run(_ELEMENTS, {"text": text})[0][0]


def _is_sequenced(run: Run, table: str) -> bool:
    """Whether the table is AUTOINCREMENT: each insert reads and writes its sequence."""
    if not run("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"):
        return False
    return bool(run("SELECT 1 FROM sqlite_sequence WHERE name = ?", (table,)))
