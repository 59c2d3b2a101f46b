"""Compare-and-set by key: update a row only if it still has the expected values.

Idempotent: a repeated call matches no row.
"""

# ruff: noqa: S608  (identifiers are quoted, values are bound)
from __future__ import annotations

from collections.abc import Iterable, Sequence

from d1lab.d1.database import Database, Value, quote
from d1lab.d1.encoding import extract
from d1lab.d1.write import lines_of, send

Key = tuple[Value, ...]
Values = tuple[Value, ...]


def swap(
    db: Database,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[tuple[Key, Values, Values]],
) -> int:
    """Set columns of the rows that still have the expected values; leave all others unchanged.

    Args:
        db: The database.
        table: The table; without an index on `key`, each chunk reads all of it.
        key: The columns that identify a row.
        columns: The columns to compare and to set, none of them in `key`.
        rows: Key, expected values, new values; each key once.

    Returns:
        The rows changed. Too low if an error made d1lab send a batch twice.

    Raises:
        InputError: A value has no D1 type, or a key is missing or repeated.
        D1Error: A request to D1 failed (subclasses in d1lab.errors). Earlier batches stay written.
    """
    target, many = quote(table), len(columns)
    names = [*key, *columns, *columns]

    def sql(places: frozenset[int]) -> str:
        source = ", ".join(f"{_at('value', i, places)} AS v{i}" for i in range(len(names)))
        first = len(key)
        sets = ", ".join(f"{quote(c)} = s.v{i + many}" for i, c in enumerate(columns, first))
        held = [f"{target}.{quote(c)} = s.v{i}" for i, c in enumerate(key)]
        held += [f"{target}.{quote(c)} IS s.v{i}" for i, c in enumerate(columns, first)]
        return (
            f"UPDATE {target} SET {sets} FROM (SELECT {source} FROM json_each(?1)) AS s "
            f"WHERE {' AND '.join(held)}"
        )

    lines = lines_of(((*k, *old, *new) for k, old, new in rows), key, names, unique=True)
    return send(db, table, lines, sql)


def remove(
    db: Database,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[tuple[Key, Values]],
) -> int:
    """Delete the rows that still have the expected values; arguments and errors as in `swap`.

    Returns:
        The rows deleted.
    """
    target, names = quote(table), [*key, *columns]
    keys = ", ".join(map(quote, key))

    def sql(places: frozenset[int]) -> str:
        held = " AND ".join(
            f"t.{quote(c)} {'=' if i < len(key) else 'IS'} {_at('j.value', i, places)}"
            for i, c in enumerate(names)
        )
        found = ", ".join(f"t.{quote(c)}" for c in key)
        return (
            f"DELETE FROM {target} WHERE ({keys}) IN "
            f"(SELECT {found} FROM json_each(?1) AS j CROSS JOIN {target} AS t ON {held})"
        )

    lines = lines_of(((*k, *old) for k, old in rows), key, names, unique=True)
    return send(db, table, lines, sql)


def _at(source: str, place: int, places: frozenset[int]) -> str:
    return extract(source, f"$[{place}]", place in places)
