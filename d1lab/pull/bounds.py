"""Bounds of tables when a pull begins: the ends of their rowids, and the last kept row's key."""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from d1lab.d1.batches import parse
from d1lab.d1.database import Budget, Database, Statement, TableInfo, Value, quote, rowid_name

UNDER_WAY = "datetime('now', '-2 minutes')"
"""D1's time, minus the longest time that a started statement can stay invisible."""

FEW_CHANGES = 256
"""At most so many entries of the change log are read with its bounds."""

_PER_BATCH = 50
_KEY_PART = "CASE WHEN typeof({0}) <> 'blob' THEN {0} END"  # JSON cannot contain blobs


class Bounds(NamedTuple):
    """A table's lowest and highest rowid when the pull began, and one row's key."""

    low: int = 1
    high: int = 0  # below `low` for an empty table
    kept_key: tuple[Value, ...] | None = None  # of the last row that is kept
    since: str = ""  # D1's time then, minus running statements


def read_bounds(
    db: Database, budget: Budget, statements: Mapping[str, Statement]
) -> dict[str, Bounds]:
    """Read the bounds of all tables: two rows per table, three if some of its rows are kept.

    Args:
        db: The database.
        budget: The limit on rows read.
        statements: `ends_of` each table, by its name.
    """
    names, bounds = list(statements), dict.fromkeys(statements, Bounds())
    for start in range(0, len(names), _PER_BATCH):
        some = names[start : start + _PER_BATCH]
        with budget.take(3 * len(some), least=3 * len(some)):
            answers = db.batch([statements[name] for name in some], idempotent=True)
        for name, answer in zip(some, answers, strict=True):
            low, high, since, *key = answer.rows[0]
            bounds[name] = Bounds(since=str(since))
            if isinstance(high, int):
                first = low if isinstance(low, int) else high + 1
                bounds[name] = Bounds(first, high, _unpacked(key), str(since))
    return bounds


def ends_of(table: TableInfo, key: Sequence[str], kept_upto: int | None) -> Statement:
    """Select each end separately, which reads two rows; both in one SELECT would scan the table.

    Args:
        table: A table with rowids.
        key: The columns that identify a row.
        kept_upto: The rowid up to which rows are kept, whose key is read, too; None for none.
    """
    rowid, name = rowid_name(table), quote(table.name)
    parts = [f"(SELECT {end}({rowid}) FROM {name})" for end in ("min", "max")]
    parts.append(UNDER_WAY)
    if kept_upto is None or not key:
        return Statement(f"SELECT {', '.join(parts)}", least_rows=1)
    columns = ", ".join(_KEY_PART.format(quote(column)) for column in key)
    parts.append(f"(SELECT json_array({columns}) FROM {name} WHERE {rowid} = ?1)")
    return Statement(f"SELECT {', '.join(parts)}", (kept_upto,), 1)


def ends_of_log(log: TableInfo) -> Statement:
    """Select the log's lowest entry, and the highest that it ever had (from sqlite_sequence)."""
    low = f"(SELECT min(seq) FROM {quote(log.name)})"
    return Statement(
        f"SELECT {low}, (SELECT seq FROM sqlite_sequence WHERE name = ?1), NULL", (log.name,), 1
    )


def last_changes(log: TableInfo, seen: int) -> Statement:
    """Select the log's entries after `seen`; none if they are more than `FEW_CHANGES`.

    It reads one row for each, and one for the log's end. Without a condition on seq, it does so
    even if D1's statistics are off. Row IDs are texts, because JSON would round large ones.
    """
    name = quote(log.name)
    count = f"(SELECT max(seq) - ?1 AS n FROM {name})"
    limit = f"(SELECT CASE WHEN n BETWEEN 1 AND ?2 THEN n ELSE 0 END FROM {count})"
    row_id = "CAST(CAST(row_id AS INTEGER) AS TEXT)"
    sql = f"SELECT table_name, {row_id} FROM {name} ORDER BY seq DESC LIMIT {limit}"
    return Statement(sql, (seen, FEW_CHANGES))


def _unpacked(key: Sequence[Value]) -> tuple[Value, ...] | None:
    return tuple(parse(str(key[0]))) if key and key[0] is not None else None
