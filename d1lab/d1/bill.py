"""What D1 would bill for a statement that SQLite ran here: an estimate from SQLite's own plan.

D1 bills the rows that a statement steps over, a number that Python's sqlite3 does not show. So the
compiled program (EXPLAIN) tells which tables are walked whole, in a range or by key, and the
numbers come from what is known: the size of a table, the rows that came out, the elements of a
JSON parameter. tests/d1/test_bill.py holds it against the real engine's bill.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from d1lab.d1.database import quote

Rows = list[tuple[Any, ...]]
Run = Callable[..., Rows]
"""Runs SQL beside the billed statement and gives all rows."""

_SEEKS = frozenset(("SeekGT", "SeekGE", "SeekLT", "SeekLE"))
_STEPS = frozenset(("Next", "Prev"))
_WRITES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_FIRSTS = frozenset(("Rewind", "Last", "SeekRowid")) | _SEEKS
_OPENS = frozenset(("OpenRead", "OpenWrite", "ReopenIdx"))
_NEVER_ON = frozenset(("Goto", "Halt", "Return"))  # after these the next instruction is not run


class Touched:
    """What a statement does to which table, as SQLite's authorizer reports it."""

    def __init__(self) -> None:
        self.inserts: set[str] = set()
        self.deletes: set[str] = set()
        self.updates: defaultdict[str, set[str]] = defaultdict(set)
        self.by_triggers: set[str] = set()
        self.functions: set[str] = set()

    def note(self, action: int, first: str | None, second: str | None, trigger: str | None) -> None:
        """Take down one report of the authorizer."""
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
    """One way of a program into a table, an index of it, or the elements of a JSON text."""

    table: str
    kind: Literal["first", "scan", "range", "elements"]


def accesses(program: Rows, table_of: dict[int, str]) -> Iterator[Access]:
    """How a compiled program reads.

    Args:
        program: The rows of EXPLAIN.
        table_of: The table that each root page belongs to.
    """
    opened: dict[int, str] = {}
    seen: defaultdict[int, set[str]] = defaultdict(set)
    targets = {row[3] for row in program}
    previous = ""
    for address, opcode, cursor, root, *_ in program:
        if opcode in _OPENS:
            opened[cursor] = table_of.get(root, "")
        if previous not in _NEVER_ON or address in targets:
            seen[cursor].add(opcode)
        previous = opcode
    for cursor, opcodes in seen.items():
        table = opened.get(cursor, "")
        if "VNext" in opcodes:
            yield Access("", "elements")
        elif table and opcodes & _STEPS:
            yield Access(table, "range" if opcodes & _SEEKS else "scan")
        elif table and opcodes & _FIRSTS:
            yield Access(table, "first")


def table_of_root(run: Run) -> dict[int, str]:
    """The table that each root page of the database file belongs to."""
    return dict(run("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0"))


def written_per_row(run: Run, table: str, columns: set[str] | None = None) -> int:
    """Rows that D1 bills for writing one row: the row, and its entry in each index.

    Args:
        run: Runs SQL on the database.
        table: The table written to.
        columns: The columns that an UPDATE sets; None for a row inserted or deleted.
    """
    indexes = run(f"PRAGMA index_list({quote(table)})")
    rows = 1
    for _, index, _, origin, *_ in indexes:
        if origin == "pk" and not _has_rowid(run, table):
            continue  # the table itself is that index
        keyed = {row[2] for row in run(f"PRAGMA index_xinfo({quote(index)})") if row[5]}
        rows += columns is None or None in keyed or bool(keyed & columns)
    return rows


def _has_rowid(run: Run, table: str) -> bool:
    return not any(row[4] for row in run(f"PRAGMA table_list({quote(table)})") if row[0] == "main")


def count(run: Run, table: str) -> int:
    """The rows of a table."""
    return run(f"SELECT count(*) FROM {quote(table)}")[0][0]  # noqa: S608  quoted


class Bill:
    """The bill of one statement: made before it runs, settled after.

    Args:
        run: Runs SQL on the database, unbilled.
        program: The rows of EXPLAIN of the statement.
        touched: What the authorizer reported of it.
        params: The values bound to it.
    """

    def __init__(self, run: Run, program: Rows, touched: Touched, params: Sequence[object]) -> None:
        self._run, self._touched = run, touched
        self._texts = [value for value in params if isinstance(value, str)]
        self._loops = list(accesses(program, table_of_root(run)))
        self._sorts = any(row[1] == "SorterSort" for row in program)
        self._aggregates = any(row[1] == "AggStep" for row in program)
        self._stops_early = any(row[1] == "DecrJumpZero" for row in program)
        upserted = touched.inserts & touched.updates.keys()
        self._sizes = {table: count(run, table) for table in upserted}

    def written(self, changes: int, triggered: int) -> int:
        """Rows written: each row changed, once more per index that it changes.

        Args:
            changes: The rows that the statement itself inserted, updated or deleted.
            triggered: The rows that its triggers did.
        """
        touched, rows = self._touched, 0
        for table in touched.inserts | touched.deletes | touched.updates.keys():
            inserted = changes
            if table in self._sizes:
                inserted = count(self._run, table) - self._sizes[table]
            elif table in touched.updates:
                inserted = 0
            rows += inserted * written_per_row(self._run, table) if inserted else 0
            if table in touched.updates and changes > inserted:
                columns = touched.updates[table]
                rows += (changes - inserted) * written_per_row(self._run, table, columns)
        for table in sorted(touched.by_triggers)[:1]:
            rows += triggered * written_per_row(self._run, table)
        return rows

    def read(self, rows: Rows, changes: int) -> int:
        """Rows read: see the module.

        Args:
            rows: What the statement gave back.
            changes: The rows that it changed.
        """
        out = len(rows) if rows else changes
        return sum(self._passed(loop, rows, out) for loop in self._loops)

    def _passed(self, loop: Access, rows: Rows, out: int) -> int:
        if loop.kind == "first":
            return 1
        if loop.kind == "elements":
            return sum(self._length(text) for text in self._texts)
        if self._aggregates and loop.kind == "range":
            return self._packed(rows) or count(self._run, loop.table)
        if loop.kind == "range" or (self._stops_early and not self._aggregates and not self._sorts):
            return out
        return count(self._run, loop.table) * (2 if self._sorts else 1)

    def _packed(self, rows: Rows) -> int:
        """The rows of a page that was packed into JSON arrays; 0 where none was."""
        if len(rows) != 1 or "json_group_array" not in self._touched.functions:
            return 0
        return next((self._length(cell) for cell in rows[0] if isinstance(cell, str)), 0)

    def _length(self, text: str) -> int:
        if not text.startswith("["):
            return 0
        return self._run("SELECT iif(json_valid(?1), json_array_length(?1), 0)", (text,))[0][0]
