"""Apply d1lab's own writes to the warehouse without reading them back from D1."""
# ruff: noqa: S608  (names are quoted, values are bound)

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from d1lab import catalog
from d1lab.d1.database import Value, quote
from d1lab.pull.content import content_of, note_own_rows
from d1lab.pull.convert import convert
from d1lab.pull.fields import ROWID, Field, schema_of
from d1lab.warehouse import OwnWrite, TableRecord, WrittenRows, followed

if TYPE_CHECKING:
    from d1lab.pull.plan import Sweep

_STREAM = "_d1lab_written"


class OwnChanges:
    """d1lab's own writes that are not in the warehouse yet.

    Args:
        writes: All recorded writes, in order.
        known: The warehouse's records of its tables.
    """

    def __init__(self, writes: Iterable[OwnWrite], known: Mapping[str, TableRecord]) -> None:
        self._writes, self._known = list(writes), known
        self._pending = [
            (name, write.rows.get(name))
            for write in self._writes
            for name in write.tables
            if name in known and _is_later(write, known[name])
        ]
        self.unknown = {name for name, rows in self._pending if rows is None}
        """Tables whose written rows are unknown: they have to be read again."""
        self.created = {
            name
            for name, rows in self._pending
            if rows is not None and rows.creates and not _is_whole(name, rows)
        } - self.unknown
        """Tables with new rows that are only partly known: those rows have to be read."""

    def followed(self, bookmark: str | None, *, alone: bool) -> str | None:
        """Return the bookmark that d1lab's own writes led to from an earlier one."""
        return followed(self._writes, bookmark, alone=alone)

    def note_created(self, con: duckdb.DuckDBPyConnection) -> None:
        """Record the rows that d1lab inserted beside the app's, before they are read.

        Args:
            con: The new warehouse.
        """
        for name, rows in self._pending:
            if rows and rows.creates and name not in self.unknown and _is_beside(name):
                _Target(con, self._known[name]).note_created(rows)

    def apply(
        self,
        con: duckdb.DuckDBPyConnection,
        sweeps: Mapping[str, Sweep],
        bookmark: str | None,
    ) -> None:
        """Apply the known rows, and record for each table how far it is current.

        Rows that this pull has read are kept as read, because they are newer.

        Args:
            con: The new warehouse.
            sweeps: The sweeps of this pull, by table.
            bookmark: D1's bookmark when the pull began.
        """
        changed = set()
        for name, rows in self._pending:
            sweep = sweeps.get(name)
            if not rows or not rows.rows or name in self.unknown:
                continue
            if not (sweep and sweep.whole):
                _Target(con, self._known[name]).write(rows, sweep.after if sweep else None)
                changed.add(name)
        for name in changed:
            _refresh(con, self._known[name])
        for name, record in self._known.items():
            if bookmark is not None and (name not in sweeps or sweeps[name].is_new_only):
                self._note(con, record, bookmark)

    def _note(self, con: duckdb.DuckDBPyConnection, record: TableRecord, bookmark: str) -> None:
        """Move a table's bookmark forward if only d1lab's own writes have changed it."""
        for column, mark, alone in (
            ("bookmark", record.bookmark, True),
            ("explained", record.explained, False),
        ):
            if mark != bookmark and self.followed(mark, alone=alone) == bookmark:
                con.execute(
                    f"UPDATE d1lab.tables SET {column} = ? WHERE table_name = ?",
                    [bookmark, record.table_name],
                )

    def forget(self, reread: set[str]) -> None:
        """Delete the records of writes that are now in the warehouse."""
        for write in self._writes:
            waiting = {name for name, rows in self._pending if rows is None} - reread
            if not waiting & set(write.tables):
                write.path.unlink(missing_ok=True)


class _Target:
    """A warehouse table to write rows to."""

    def __init__(self, con: duckdb.DuckDBPyConnection, record: TableRecord) -> None:
        self._con, self._name = con, record.table_name
        self._raw = f"raw.{quote(record.table_name)}"
        self._fields = {field.name: field for field in fields_in(record.columns)}

    def write(self, rows: WrittenRows, kept_upto: int | None) -> None:
        """Update rows by key; in a d1lab-owned table also insert new ones.

        Args:
            rows: The rows.
            kept_upto: Leave rows above this rowid as this pull has read them; None if it has not.
        """
        names = (*rows.key, *rows.columns)
        if any(name not in self._fields for name in names):
            return  # a column added since: the table will be read again
        source = self._source(rows)
        same = " AND ".join(f"old.{quote(k)} = new.{quote(k)}" for k in rows.key)
        sets = ", ".join(f"{quote(c)} = new.{quote(c)}" for c in rows.columns)
        kept = "" if kept_upto is None else f" AND old.{ROWID} <= {kept_upto:d}"
        self._con.execute(f"UPDATE {self._raw} AS old SET {sets} FROM {source} WHERE {same}{kept}")
        if kept_upto is None and _is_whole(self._name, rows):
            listed = ", ".join(map(quote, names))
            self._con.execute(
                f"INSERT INTO {self._raw} ({listed}) SELECT {listed} FROM {source} "
                f"WHERE NOT EXISTS (SELECT 1 FROM {self._raw} AS old WHERE {same})"
            )
        self._con.unregister(_STREAM)

    def note_created(self, rows: WrittenRows) -> None:
        """Record which of these rows are new."""
        if all(name in self._fields for name in (*rows.key, *rows.columns)):
            note_own_rows(self._con, self._name, rows.key, self._source(rows))
            self._con.unregister(_STREAM)

    def _source(self, rows: WrittenRows) -> str:
        """Return the query of the rows with the types of the table."""
        fields = tuple(self._fields[name] for name in (*rows.key, *rows.columns))
        self._con.register(_STREAM, _table(rows.rows, fields))
        typed = ", ".join(
            f"CAST({quote(f.name)} AS {f.duckdb_type}) AS {quote(f.name)}" for f in fields
        )
        return f"(SELECT {typed} FROM {_STREAM}) AS new"


def fields_in(columns: str) -> list[Field]:
    """Restore the fields of a table from their `signature`."""
    return [Field(*parts) for parts in json.loads(columns)]


def _table(rows: list[list[Value]], fields: tuple[Field, ...]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(fields)
    arrays = [convert(c, f.kind).array for c, f in zip(columns, fields, strict=True)]
    schema = pa.schema(list(schema_of(fields))[1:])
    return pa.Table.from_arrays(arrays, schema=schema)


def _refresh(con: duckdb.DuckDBPyConnection, record: TableRecord) -> None:
    names = [field.name for field in fields_in(record.columns)]
    rows, high, digest = content_of(con, record.table_name, names)
    con.execute(
        "UPDATE d1lab.tables SET rows = ?, high_rowid = ?, digest = ? WHERE table_name = ?",
        [rows, high, digest, record.table_name],
    )


def _is_later(write: OwnWrite, record: TableRecord) -> bool:
    """Whether a table was last read before a write ended."""
    return write.ended_at is None or write.ended_at > record.reread_at


def _is_beside(name: str) -> bool:
    """Whether a table has results of d1lab in rows of the app."""
    declared = catalog.TABLES.get(name)
    return bool(declared and declared.owned("analysis") and not catalog.only_d1lab_writes(declared))


def _is_whole(name: str, rows: WrittenRows) -> bool:
    """Whether new rows are fully known: every column of the table is d1lab-owned.

    Only for tables whose new rows are read from time to time, which supplies their rowids.
    """
    declared = catalog.TABLES.get(name)
    if declared is None or declared.reread_days is not None:
        return False
    return catalog.only_d1lab_writes(declared)
