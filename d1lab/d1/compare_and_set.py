"""Compare-and-set by key: update a row only if it still has the expected values.

Idempotent: a repeated call matches no row.

Where D1's statistics are wrong, a join of the list of rows with the table would read all of the
table for each of them. There the rows are found by the key's index, and their values are looked
up in the list: keys have to be of the type that the table stores.
"""

# ruff: noqa: S608  (identifiers are quoted, values are bound)
from __future__ import annotations

from collections.abc import Iterable, Sequence

from d1lab.d1.database import Database, UniqueIndex, Value, quote
from d1lab.d1.encoding import extract
from d1lab.d1.statistics import misled_key
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
    names = [*key, *columns, *columns]
    index = misled_key(db, table, key)

    def sql(places: frozenset[int]) -> str:
        if index is not None:
            return _ByIndex(table, index, key, columns).swap_sql(places)
        return _swap_sql(table, key, columns, places)

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
    names = [*key, *columns]
    index = misled_key(db, table, key)

    def sql(places: frozenset[int]) -> str:
        if index is not None:
            return _ByIndex(table, index, key, columns).remove_sql(places)
        return _remove_sql(table, key, columns, places)

    lines = lines_of(((*k, *old) for k, old in rows), key, names, unique=True)
    return send(db, table, lines, sql)


def _swap_sql(
    table: str, key: Sequence[str], columns: Sequence[str], places: frozenset[int]
) -> str:
    target, first = quote(table), len(key)
    sets = ", ".join(f"{quote(c)} = s.v{i + len(columns)}" for i, c in enumerate(columns, first))
    same = [f"{target}.{quote(c)} = s.v{i}" for i, c in enumerate(key)]
    same += [f"{target}.{quote(c)} IS s.v{i}" for i, c in enumerate(columns, first)]
    source = _listed(first + 2 * len(columns), places)
    return f"UPDATE {target} SET {sets} FROM ({source}) AS s WHERE {' AND '.join(same)}"


def _remove_sql(
    table: str, key: Sequence[str], columns: Sequence[str], places: frozenset[int]
) -> str:
    target, keys = quote(table), ", ".join(map(quote, key))
    same = " AND ".join(
        f"t.{quote(c)} {'=' if i < len(key) else 'IS'} {_at('j.value', i, places)}"
        for i, c in enumerate((*key, *columns))
    )
    found = ", ".join(f"t.{quote(c)}" for c in key)
    return (
        f"DELETE FROM {target} WHERE ({keys}) IN "
        f"(SELECT {found} FROM json_each(?1) AS j CROSS JOIN {target} AS t ON {same})"
    )


class _ByIndex:
    """The same statements for a table that D1's statistics record as tiny.

    The statement names the key's index to find rows. The values of each row are looked up in the
    list, which is joined with a one-element list, so that D1 builds an index on it.
    """

    def __init__(
        self, table: str, index: UniqueIndex, key: Sequence[str], columns: Sequence[str]
    ) -> None:
        self._target, self._index = quote(table), index
        self._key, self._columns = list(key), list(columns)
        same = " AND ".join(f"s.v{i} = +{self._target}.{quote(c)}" for i, c in enumerate(key))
        self._looked_up = f"FROM json_each('[0]') AS one CROSS JOIN s WHERE {same}"

    def swap_sql(self, places: frozenset[int]) -> str:
        first, many = len(self._key), len(self._columns)
        names = ", ".join(map(quote, self._columns))
        values = ", ".join(f"s.v{first + many + i}" for i in range(many))
        return (
            f"WITH s AS MATERIALIZED ({_listed(first + 2 * many, places)}) "
            f"UPDATE {self._target} INDEXED BY {quote(self._index.name)} "
            f"SET ({names}) = (SELECT {values} {self._looked_up}) WHERE {self._expected()}"
        )

    def remove_sql(self, places: frozenset[int]) -> str:
        many = len(self._key) + len(self._columns)
        return (
            f"WITH s AS MATERIALIZED ({_listed(many, places)}) "
            f"DELETE FROM {self._target} INDEXED BY {quote(self._index.name)} "
            f"WHERE {self._expected()}"
        )

    def _expected(self) -> str:
        """Build SQL that is true if a row is in the list and still has the expected values."""
        lower = [column.lower() for column in self._key]
        places = [lower.index(column.lower()) for column in self._index.columns]
        keys = ", ".join(quote(self._key[place]) for place in places)
        listed = ", ".join(f"v{place}" for place in places)
        held = "".join(
            f" AND {self._target}.{quote(c)} IS s.v{i}"
            for i, c in enumerate(self._columns, len(self._key))
        )
        return f"({keys}) IN (SELECT {listed} FROM s) AND EXISTS (SELECT 1 {self._looked_up}{held})"


def _listed(many: int, places: frozenset[int]) -> str:
    """Build SQL for the parameter's rows, with the columns v0, v1, ..."""
    values = ", ".join(f"{_at('value', i, places)} AS v{i}" for i in range(many))
    return f"SELECT {values} FROM json_each(?1)"


def _at(source: str, place: int, places: frozenset[int]) -> str:
    return extract(source, f"$[{place}]", place in places)
