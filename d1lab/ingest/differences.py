"""Compare D1's counters with the order events, row by row."""
# ruff: noqa: S608  (names are quoted, nothing else is put in)

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.files import writing
from d1lab.ingest.counted import GROUPS, Digests
from d1lab.table_declaration import Column, Table
from d1lab.types import TYPES

AGGREGATES = Path(__file__).parent / "aggregates"

_NAMED = 20  # rows listed individually
_MEANS = ("avg_order_value",)  # numbers that cannot be summed
_CENT = 0.005  # sums within it count as equal


class RowDifference(NamedTuple):
    """One row whose figures differ from the events."""

    key: dict[str, str]
    stored: dict[str, Any] | None  # the figures that differ; None: the row is missing in D1
    events: dict[str, Any]


class ColumnSum(NamedTuple):
    """One figure over all rows of a table."""

    column: str
    stored: float | None  # None if no row has a value
    events: float | None
    rows_short: int  # rows where the events cover less than D1's figure


class Comparison(NamedTuple):
    """A table's counters compared with the events."""

    table: str
    stored: int  # rows in D1
    differ: int  # rows with different figures, or on one side only
    rows_short: int  # of those, rows where the events cover less than D1's figure
    sums: tuple[ColumnSum, ...]
    sample: tuple[RowDifference, ...]  # the rows with the largest gaps


def aggregate_tables() -> list[Table]:
    """Return the tables that have a file in ingest/aggregates, sorted by name."""
    return [catalog.table(path.stem) for path in sorted(AGGREGATES.glob("*.sql"))]


class Sides:
    """A table's counters in D1 and computed from the events, side by side.

    Args:
        con: A warehouse with the view `order_lines`, and D1's table in schema `raw`.
        table: One of `aggregate_tables`.
        upto: The last event to count, by seq. None for all.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, table: Table, upto: int | None = None
    ) -> None:
        self._con, self._table, self._figures = con, table, _figures(table)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {_BOTH} AS {_both_sql(table, upto)}")

    def comparison(self) -> Comparison:
        """Summarize the differences."""
        names = _added(self._table)
        counts = ["count(*) FILTER (is_stored)", "count(*) FILTER (differs)"]
        counts += [f"count(*) FILTER ({_is_short(self._table)})"]
        counts += [part for name in names for part in _sums(name)]
        [found] = self._con.sql(f"SELECT {', '.join(counts)} FROM {_BOTH}").fetchall()
        stored, differ, short, *sums = found
        columns = (ColumnSum(name, *sums[3 * i : 3 * i + 3]) for i, name in enumerate(names))
        sample = tuple(self._sample()) if differ else ()
        return Comparison(self._table.name, stored, differ, short, tuple(columns), sample)

    def count_beyond_fold(self) -> int:
        """Count the rows that differ in more than what the events Worker leaves to a recount.

        It keeps the title or code of another event of the row, and rounds units in each batch.
        """
        beyond = " OR ".join(_beyond_fold(self._table, name) for name in self._figures)
        [(rows,)] = self._con.execute(
            f"SELECT count(*) FROM {_BOTH} AS sides WHERE differs AND (NOT is_stored OR {beyond})"
        ).fetchall()
        return rows

    def rows(self) -> list[str]:
        """Return the rows to update, each a JSON array of key and figures.

        A row without events is set to zero.
        """
        names = [quote(name) for name in self._table.key]
        names += [_event(name) for name in _figures(self._table)]
        order = ", ".join(map(quote, self._table.key))
        found = self._con.sql(
            f"SELECT json_array({', '.join(names)}) FROM {_BOTH} WHERE differs ORDER BY {order}"
        )
        return [row for (row,) in found.fetchall()]

    def keep(self, path: Path) -> None:
        """Write a digest of each row that the events give, for a later `count_foreign`."""
        key, digest = _digest(map(quote, self._table.key)), _digest(map(_event, self._figures))
        with writing(path) as part:
            self._con.execute(
                f"COPY (SELECT {key} AS key, {digest} AS figures FROM {_BOTH}) TO '{_text(part)}' "
                "(FORMAT parquet)"
            )

    def count_foreign(self, path: Path) -> int:
        """Count the rows whose figures in D1 are not those that `keep` wrote to a file.

        Deleted rows do not count, nor rows whose figures are all 0 or NULL, which a push inserts.
        """
        key, digest = _digest(map(quote, self._table.key)), _digest(map(_stored, self._figures))
        [(rows,)] = self._con.execute(
            f"SELECT count(*) FROM {_BOTH} LEFT JOIN read_parquet('{_text(path)}') AS kept "
            f"ON kept.key = {key} WHERE is_stored AND ({self._is_set(_stored)}) "
            f"AND kept.figures IS DISTINCT FROM {digest}"
        ).fetchall()
        return rows

    def digests(self, *, of_events: bool) -> Digests:
        """Return digests of the rows that D1 has, or that the events give."""
        value, there = (_event, "true") if of_events else (_stored, "is_stored")
        key = [quote(name) for name in self._table.key]
        row = _digest([*key, *map(value, self._figures)])
        found = self._con.sql(
            f"SELECT ({_digest(key)} % {GROUPS})::VARCHAR, count(*), bit_xor({row})::VARCHAR "
            f"FROM {_BOTH} WHERE {there} AND ({self._is_set(value)}) GROUP BY 1 ORDER BY 1"
        )
        return {group: (rows, digest) for group, rows, digest in found.fetchall()}

    def _is_set(self, value: Callable[[str], str]) -> str:
        """SQL that is true unless all figures of a row are 0 or NULL."""
        return " OR ".join(
            f"{value(name)} IS DISTINCT FROM {_empty(self._table.column(name))} "
            f"AND {value(name)} IS NOT NULL"
            for name in self._figures
        )

    def _sample(self) -> list[RowDifference]:
        gaps = (
            f"abs(coalesce({_stored(name)}, 0) - coalesce({_event(name)}, 0))"
            for name in _added(self._table)
        )
        order = f"{' + '.join(gaps)} DESC, {', '.join(map(quote, self._table.key))}"
        rows = self._con.sql(f"SELECT * FROM {_BOTH} WHERE differs ORDER BY {order} LIMIT {_NAMED}")
        named = (dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall())
        return [_difference(self._table, cells) for cells in named]


_BOTH = "d1lab_both_sides"
_LATE = ("product_title", "discount_code")
_ROUNDED = ("units_sold_with_discount", "units_sold_without_discount")


_UPTO = """order_lines AS (
            SELECT lines.* FROM d1lab.order_lines AS lines
            JOIN raw.order_events USING (shop, event_id) WHERE seq <= {}
        ),
        """


def _both_sql(table: Table, upto: int | None) -> str:
    """Build SQL for the rows of both sides: key, both values of each figure, and a flag."""
    keys = ", ".join(map(quote, table.key))
    typed = ", ".join(
        f"{quote(name)}::{TYPES[table.column(name).type].duckdb} AS {quote(name)}"
        for name in (*table.key, *_figures(table))
    )
    stored = ", ".join(f"stored.{quote(name)} AS {_stored(name)}" for name in _figures(table))
    events = ", ".join(
        f"CASE WHEN fresh.is_fresh THEN fresh.{quote(name)} ELSE {_empty(table.column(name))} END "
        f"AS {_event(name)}"
        for name in _figures(table)
    )
    differs = " OR ".join(
        f"{_event(name)} IS DISTINCT FROM {_stored(name)}" for name in _figures(table)
    )
    select = (AGGREGATES / f"{table.name}.sql").read_text()
    first = "" if upto is None else _UPTO.format(int(upto))
    return f"""
        WITH {first}fresh AS MATERIALIZED (SELECT true AS is_fresh, {typed} FROM ({select})),
        stored AS (SELECT true AS is_stored, * FROM raw.{quote(table.name)}),
        sides AS (
            SELECT {keys}, coalesce(is_stored, false) AS is_stored, {stored}, {events}
            FROM fresh FULL JOIN stored USING ({keys})
        )
        SELECT *, NOT is_stored OR {differs} AS differs FROM sides
    """


def _beyond_fold(table: Table, name: str) -> str:
    """SQL that is true if a figure differs, and no limit of the events Worker's fold is why."""
    differs = f"{_event(name)} IS DISTINCT FROM {_stored(name)}"
    if name in _LATE:
        is_why = f"{quote(name)} = sides.{_stored(name)}"
    elif name in _ROUNDED:
        is_why = "units <> round(lines.units)"
    else:
        return differs
    same = " AND ".join(f"lines.{quote(key)} = sides.{quote(key)}" for key in table.key)
    lines = f"FROM d1lab.order_lines AS lines WHERE {same} AND lines.{is_why}"
    return f"{differs} AND NOT EXISTS ({lines})"


def _digest(cells: Iterable[str]) -> str:
    """SQL of a digest of values; NULL differs from an empty text."""
    texts = ", ".join(f"coalesce({cell}::VARCHAR, chr(0))" for cell in cells)
    return f"md5_number(concat_ws(chr(31), {texts}))"


def _text(path: Path) -> str:
    return str(path).replace("'", "''")


def _figures(table: Table) -> tuple[str, ...]:
    return table.owned("aggregate")


def _added(table: Table) -> list[str]:
    """Return the figures that can be summed over rows."""
    return [
        name
        for name in _figures(table)
        if table.column(name).type in ("integer", "money") and name not in _MEANS
    ]


def _sums(name: str) -> tuple[str, str, str]:
    """Return a figure's total on both sides, and the number of rows that are short."""
    stored, events = _stored(name), _event(name)
    short = f"count(*) FILTER ({stored} > {events} + {_CENT})"
    return f"sum({stored})::DOUBLE", f"sum({events})::DOUBLE", short


def _is_short(table: Table) -> str:
    """Build SQL that is true if the events cover less than a row's figures."""
    gaps = [f"{_stored(name)} > {_event(name)} + {_CENT}" for name in _added(table)]
    return f"coalesce({' OR '.join(gaps)}, false)"


def _difference(table: Table, cells: dict[str, Any]) -> RowDifference:
    def value(kind: str, name: str) -> Any:
        return cells[f"{kind}.{name}"]

    changed = [name for name in _figures(table) if value("stored", name) != value("events", name)]
    return RowDifference(
        {name: str(cells[name]) for name in table.key},
        {name: value("stored", name) for name in changed} if cells["is_stored"] else None,
        {name: value("events", name) for name in changed},
    )


def _stored(name: str) -> str:
    return quote(f"stored.{name}")


def _event(name: str) -> str:
    return quote(f"events.{name}")


def _empty(column: Column) -> str:
    """Return the value for a group without events: 0 for counts, NULL for averages."""
    return "0" if column.type in ("integer", "money") and column.name not in _MEANS else "NULL"
